"""Evidence and likelihood ratios of scored videos, and cases in which they are withheld."""

from pathlib import Path

import numpy as np
import pytest
from made_faces import still_face

from avforensics.detection.judging import Judge
from avforensics.detection.record import RunRecord, record_of
from avforensics.detection.rows import rows_of
from avforensics.detection.verdict import measure_outcome
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.evidence import Evidence
from avforensics.evaluation.strength import LikelihoodRatio, Sample
from avforensics.media.types import MediaReport
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import Features, Score, Steps, VideoResult
from avforensics.scoring.sequences import SequencePolicy
from avforensics.scoring.source import Clip
from avforensics.scoring.tracks import FaceResult

NAMES = ("entropy", "jump_rate")
WINDOWS = 60


def scored(delays, *, fps=25.0, first_window=0):
    """A result whose rows peak at these delay indices; windows 15 to 44 have complete sound."""
    logits = np.random.default_rng(len(delays)).normal(0, 0.3, (len(delays), 31))
    logits[np.arange(len(delays)), delays] += 6
    valid_audio = (np.arange(len(delays)) >= 15) & (np.arange(len(delays)) < len(delays) - 15)
    steps = np.ones(len(delays) - 1, np.float32)
    return VideoResult(
        "talk.mp4",
        scores=[Score(0.0, 1.0, 1.0, 1.0, 1.0)],
        media=MediaReport(n_frames=len(delays) + 4, fps=fps, width=100, height=100),
        features=Features(
            logits.astype(np.float32),
            np.zeros((len(delays), 0), np.float32),
            valid_audio,
            first_window=first_window,
        ),
        steps=Steps(
            np.arange(1, len(delays)) + first_window, steps, steps, np.ones((len(steps), 31))
        ),
    )


def statistics(random, n):
    return [
        {"entropy": float(np.exp(a)), "jump_rate": float(1 / (1 + np.exp(3 - b)))}
        for a, b in random.normal(size=(n, 2))
    ]


def row_of(result):
    (row,) = rows_of(record_of(Outcome(result), Clip(Path("talk.mp4")), None, RunRecord()))
    return row


@pytest.fixture
def judge(tmp_path):
    """Return a function that makes a judge; in its calibration, forgeries have more evidence."""

    def make(**changes):
        random = np.random.default_rng(0)
        people = [f"person {number}" for number in range(80)]
        evidence = Evidence.fit(
            statistics(random, 80), people, names=NAMES, inner=changes.get("inner", True)
        )
        fakes = Sample(random.normal(8, 2, 80), people, [f"g{n % 4}" for n in range(80)])
        likelihood = LikelihoodRatio.fit(Sample(evidence.scores, people), fakes, of="evidence")
        assert likelihood.refused is None
        if "refused" in changes:
            likelihood = likelihood.refuse(changes["refused"])
        calibration = Calibration.fit(
            random.normal(1, 0.1, 80),
            inputs=[{"frames_per_second": 25.0, "leading_silence": 0.0}],
        )
        path = tmp_path / "c.safetensors"
        Calibration(calibration.scores, {}, calibration.ranges, evidence, likelihood).save(path)
        return Judge(path, false_positive_rate=0.05, setting={})

    return make


def judged(judge, result):
    measure_outcome(Outcome(result), SequencePolicy(windows="all"))
    calibrated = judge.judge(result)
    assert calibrated.statements == result.statements
    return result


def test_a_jumping_video_has_evidence_a_p_value_and_a_ratio(judge):
    delays = np.random.default_rng(1).integers(0, 31, WINDOWS)
    found = judged(judge(), scored(delays))
    assert found.statistics["jump_rate"] > 0.6 and found.inner
    assert found.evidence_p_value == pytest.approx(1 / 81)
    assert found.likelihood["log10"] > 0.5
    assert "every one of 80" in found.statements[0]
    assert "more probable if the video is forged" in found.statements[1]
    row = row_of(found)
    assert (row["evidence"], row["evidence_p_value"]) == (found.evidence, found.evidence_p_value)
    assert row["log10_lr"] == found.likelihood["log10"]


def test_no_ratio_for_a_video_unlike_the_calibrations(judge):
    found = judged(judge(), scored([15] * WINDOWS, fps=15.0))
    assert found.likelihood is None and found.evidence is not None
    assert found.statements[1].startswith("No likelihood ratio: unlike the calibration videos")
    assert row_of(found)["log10_lr"] is None


def test_no_ratio_where_the_calibration_refused_it(judge):
    found = judged(judge(refused="too few generators"), scored([15] * WINDOWS))
    assert found.likelihood is None
    assert found.statements[1] == "No likelihood ratio: too few generators."


def test_no_evidence_for_a_clip_of_another_length(judge):
    found = judged(judge(), scored([15] * 30))
    assert not found.inner and found.evidence is None and found.likelihood is None
    assert "no evidence: too few windows have sound" in "; ".join(found.warnings)
    found = judged(judge(inner=False), scored([15] * WINDOWS))
    assert found.evidence is None
    assert "the calibration's videos are short clips" in "; ".join(found.warnings)


def test_statistics_of_a_video_are_of_whoever_speaks():
    """One of two faces fits the sound at one delay; the other fits at none, so it listens."""

    def face(name, delays):
        return FaceResult(still_face(name, frames=WINDOWS + 4), scored(delays))

    random = np.random.default_rng(2)
    speaker, listener = face("1", [15] * WINDOWS), face("2", random.integers(0, 31, WINDOWS))
    outcome = Outcome(scored([15] * WINDOWS), (listener, speaker))
    measure_outcome(outcome, SequencePolicy(windows="all"))
    assert outcome.result.statistics["at_delay"] == 1
    assert speaker.result.statistics["at_delay"] == 1
    assert listener.result.statistics["at_delay"] < 0.4
    for face_result in (speaker, listener):  # the network's numbers overflowed, so nobody speaks
        face_result.result.features.sync_logits[:] = np.nan
    outcome = Outcome(scored([15] * WINDOWS), (listener, speaker))
    measure_outcome(outcome, SequencePolicy(windows="all"))
    assert outcome.result.statistics == {}


def test_a_video_without_a_score_has_no_statistics():
    failed = VideoResult("a.mp4", error="no sound")
    measure_outcome(Outcome(failed), SequencePolicy())
    assert failed.statistics == {}
