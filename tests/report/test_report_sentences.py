"""Sentences of a report say what the numbers show and no more."""

from pathlib import Path

import numpy as np
import pytest

from avforensics.report.plot_data import plot_data_of
from avforensics.report.sentences import (
    coverage,
    in_short,
    offset_meaning,
    score_meaning,
)  # fmt: skip
from avforensics.scoring.offset import ConstantOffset, constant_offset
from avforensics.scoring.outcome import Segment
from avforensics.scoring.result import Calibrated, Score, VideoResult

OFFSET = 3  # frames: position of the fixtures' ridge of delays
SCORE = Score(lam=0.0, score=0.9, distribution_score=0.9, activation_score=0.1, maximum=0.9)


def test_a_bare_score_claims_no_threshold_and_no_probability():
    text = score_meaning(SCORE, None)
    assert "The higher the score, the more unusual" in text
    assert "not a probability" in text
    assert "no threshold separates real from fake" in text


def test_a_calibrated_score_names_its_share_of_real_videos():
    calibrated = Calibrated(
        p_value=0.031, n_real=1082, source="LRS2", threshold=0.8, false_positive_rate=0.05
    )
    text = score_meaning(SCORE, calibrated)
    assert "3.1\N{NO-BREAK SPACE}% of 1,082 real videos have a score at least as high." in text
    assert "above the threshold of 0.8, which 5\N{NO-BREAK SPACE}% of real videos exceed." in text
    assert "not the probability" in text
    top = Calibrated(p_value=1 / 1083, n_real=1082)
    assert "Every one of 1,082 real videos has a lower score." in score_meaning(SCORE, top)
    highest = Calibrated(p_value=0.03, n_real=100, highest_of=3)
    text = score_meaning(SCORE, highest)
    assert "According to 100 real videos, the highest of 3 scores of real faces is" in text


def test_in_short_a_video_is_usual_unusual_or_not_to_be_judged():
    def said(p_value, evidence=None, reasons=()):
        calibrated = None if p_value is None else Calibrated(p_value=p_value, n_real=99)
        result = VideoResult(
            Path("a.mp4"), scores=[SCORE], evidence_p_value=evidence, not_applicable=reasons
        )
        return in_short(result, calibrated)

    assert said(0.3).startswith("Nothing unusual was found")
    assert "does not show that the video is genuine" in said(0.3, 0.9)
    assert "at most 2\N{NO-BREAK SPACE}% of the real videos" in said(0.02)
    # the smaller of two p-values is at most 0.02 for up to 4 % of the real videos
    assert "at most 4\N{NO-BREAK SPACE}% of the real videos" in said(0.3, 0.02)
    assert "are as unusual by the score or by all measures together." in said(0.02, 0.3)
    assert "up to 60\N{NO-BREAK SPACE}% of the real videos" in said(0.3, 0.9)
    assert "Manipulation is one possible reason" in said(0.04, 0.9)
    assert said(0.01, 0.01, ("no speech",)).startswith("This method cannot judge")
    assert "Nothing follows from the score alone" in said(None)


def test_in_short_names_the_segments():
    def said(p_value, *spans, rate=0.5):
        segments = [Segment(start, end, value=1.0) for start, end in spans]
        result = VideoResult(Path("a.mp4"), scores=[SCORE])
        return in_short(result, Calibrated(p_value=p_value, n_real=99), segments, rate)

    usual = said(0.3, (1.0, 2.46), (7.0, 8.0))
    assert "but from 1.0 to 2.5 s and from 7.0 to 8.0 s they do not" in usual
    assert "about one segment is marked every 2 minutes" in usual and "one possible reason" in usual
    unusual = said(0.01, *((i, i + 0.5) for i in range(5)))
    assert "most of all from 0.0 to 0.5 s, from 1.0 to 1.5 s, from 2.0 to 2.5 s and in 2" in unusual
    assert said(0.3, (1.0, 2.0), rate=None) == said(0.3)  # no mention of segments


@pytest.mark.parametrize(
    "wrong",
    [
        {"p_value": 1.2, "n_real": 10},
        {"p_value": 0.5, "n_real": 0},
        {"p_value": 0.5, "n_real": 10, "threshold": 1.0},
    ],
)
def test_nonsense_calibrations_are_refused(wrong):
    with pytest.raises(ValueError):
        Calibrated(**wrong)


def test_the_offset_is_found_and_its_sign_explained(result):
    offset = constant_offset(result.features)
    assert (offset.frames, offset.milliseconds) == (OFFSET, 40 * OFFSET)
    assert "the lips comes 120 ms (3 frames) later than the picture" in offset_meaning(offset)
    early = offset_meaning(ConstantOffset(frames=-1, probability=0.5, chance=1 / 31))
    assert "the lips comes 40 ms (1 frame) before the picture" in early
    assert "No delay stands out" in offset_meaning(
        ConstantOffset(2, probability=0.04, chance=1 / 31)
    )


def test_windows_that_hear_padding_do_not_vote_on_the_offset(result):
    result.features.sync_logits[:15] = 0
    result.features.sync_logits[:15, 0] = 50  # certain but wrong
    assert constant_offset(result.features).frames == OFFSET
    result.features.valid_audio[:] = False  # no window has complete sound, so all count
    assert constant_offset(result.features).frames in (OFFSET, -15)


def test_coverage_counts_what_was_left_out(result, scored):
    rows = dict(coverage(result, 3.0))
    assert rows["Scored"].startswith("50 windows of 5 frames, 0.00 s to 2.16 s (54 frames")
    assert rows["Predicted"].startswith("49 of them")
    assert rows["Left out"] == "0.84 s of the 3.00 s of this video"
    assert rows["Sound at the edges"].startswith("15 of 50 windows")
    assert rows["Highest sequence"].startswith("3;")
    assert "a mean of step losses" in rows["Parts of the score"]
    assert "for λ = 1" in rows["Score by λ"]
    whole = dict(coverage(scored(windows=71), 3.0))
    assert whole["Left out"].startswith("nothing")


def test_coverage_is_of_every_face_that_counts(scored):
    """Two faces speak for 3 s each, one after the other; a third overlaps with the second."""
    faces = [scored(windows=71) for _ in range(3)]
    for face, first in zip(faces, (0, 75, 112), strict=True):
        face.features.first_window += first
        face.steps.window = face.steps.window + first
        face.media.video_frames = 75
    failed = scored(windows=71)
    failed.scores, failed.error = [], "too short"
    result = faces[1]
    result.media.n_frames = 250
    rows = dict(coverage(result, 10.0, [*faces, failed]))
    # frames 0 to 74, 75 to 149 and 112 to 186 71 of the first, 108 of the two that overlap
    assert rows["Scored"] == "179 windows of 5 frames, 0.00 s to 7.48 s (187 frames at 25 fps)"
    assert rows["Predicted"].startswith(
        "177 of them: each window is predicted from the ones before"
    )
    assert "the first of each of 3 faces" in rows["Predicted"]
    assert rows["Left out"] == "2.52 s of the 10.00 s of this video"
    assert rows["Sound at the edges"].startswith("45 of 213 windows of 3 faces together have")
    assert "; 225 frames read after conversion to 25 fps, 3 faces together" in rows["Picture"]
    assert "a mean of step losses" not in rows["Parts of the score"]
    assert "Highest sequence" not in rows
    assert dict(coverage(faces[0], 3.0, [faces[0]])) == dict(coverage(faces[0], 3.0))


def test_coverage_tells_of_gaps_between_faces(scored):
    faces = [scored(windows=71), scored(windows=71)]
    faces[1].features.first_window = 200
    faces[1].steps.window = faces[1].steps.window + 200
    rows = dict(coverage(faces[0], 11.0, faces))
    assert "0.00 s to 11.00 s in 2 stretches (150 frames" in rows["Scored"]
    assert rows["Left out"] == "5.00 s of the 11.00 s of this video"


def test_curves_add_up_to_the_score(result):
    for index, lam in enumerate((0.0, 1.0)):
        curves = plot_data_of(result, lam)
        assert curves.cumulative[-1] / 49 == pytest.approx(result.scores[index].score)
    assert np.allclose(curves.probabilities.sum(axis=1), 1)
    assert curves.probabilities.argmax(axis=1).tolist() == [15 + OFFSET] * 50


def test_without_an_activation_model_the_distribution_alone_is_drawn(result):
    result.steps.activation[:] = np.nan
    assert np.isfinite(plot_data_of(result, 0.0).cumulative).all()
