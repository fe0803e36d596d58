"""From the faces of a video to its score, on synthetic results."""

from pathlib import Path

import numpy as np
import pytest
from made_faces import still_face

from avforensics.detection.record import RunRecord, record_of
from avforensics.detection.rows import rows_of
from avforensics.errors import ConfigError
from avforensics.media.types import MediaReport
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import Features, Score, Steps, VideoResult, windows_of
from avforensics.scoring.source import Clip
from avforensics.scoring.timeline import timeline_of
from avforensics.scoring.tracks import (
    RULES,
    FaceResult,
    find_speakers,
    main_face,
    on_video_clock,
    score_of_video,
)  # fmt: skip

LAMS = (0.0, 2.0)


def face(name, first, n, *, speaks, loss, activation=0.5, seed=0):
    """Make a face of n windows with a steady delay where it speaks, and a constant loss."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1, (n, 31))
    logits[np.arange(n), random.integers(0, 31, n)] += 4
    logits[speaks] = random.normal(0, 1, (len(logits[speaks]), 31))
    logits[speaks, 15] += 6
    track = still_face(name, first, n + 4)
    loss = np.broadcast_to(loss, n - 1).astype(np.float32)
    scores = [
        Score(lam, loss.mean() + lam * activation, loss.mean(), activation, float(loss.max()))
        for lam in LAMS
    ]
    result = VideoResult(
        Path("v.mp4"),
        scores=scores,
        media=MediaReport(n_frames=n + 4),
        features=Features(logits.astype(np.float32), np.zeros((n, 31)), np.ones(n, bool)),
        steps=Steps(
            np.arange(1, n), loss, np.full(n - 1, activation, np.float32), np.zeros((n - 1, 31))
        ),
    )
    return FaceResult(track, on_video_clock(result, track.first_frame))


@pytest.fixture
def turns():
    """Two faces in one picture; the first speaks for 200 windows, then the second speaks."""
    return [
        face("1", 0, 400, speaks=slice(0, 200), loss=np.repeat([1.0, 9.0], [200, 199])),
        face("2", 0, 400, speaks=slice(200, 400), loss=np.repeat([7.0, 3.0], [200, 199]), seed=1),
    ]


def test_windows_count_from_the_start_of_the_video():
    late = face("1", 70, 50, speaks=slice(None), loss=1.0)
    assert late.result.features.first_window == 70
    assert late.result.steps.window[[0, -1]].tolist() == [71, 119]


def test_windows_of_several_faces_count_once():
    """One face has 50 windows, another 36 at the same time, and a third 20 after a pause."""
    spans = ((0, 50), (10, 36), (80, 20))
    faces = [face(str(n), *span, speaks=[], loss=1) for n, span in enumerate(spans)]
    windows = windows_of([one.result for one in faces])
    np.testing.assert_array_equal(windows, [*range(50), *range(80, 100)])
    outcome = Outcome(faces[0].result, tuple(faces))
    rows = rows_of(record_of(outcome, Clip(Path("a.mp4")), None, RunRecord()))
    assert [row["n_windows"] for row in rows] == [70, 50, 36, 20]
    assert len(windows_of([])) == 0


def test_the_speaker_is_the_one_of_the_time(turns):
    speaker = find_speakers(turns)
    turn = int(np.flatnonzero(speaker == 1)[0])
    assert abs(turn - 200) <= 12
    assert [f.speaks for f in turns] == pytest.approx([turn / 400, 1 - turn / 400])
    assert turns[0].spans == ((0.0, (turn + 2) / 25),)
    # listeners have a high loss, which does not count
    scores = score_of_video(turns, speaker)
    losses = [f.result.steps.distribution.astype(float) for f in turns]
    expected = np.concatenate([losses[0][: turn - 1], losses[1][turn - 1 :]]).mean()
    assert scores[0].score == pytest.approx(expected)
    assert 1.9 < expected < 2.4
    assert [s.lam for s in scores] == list(LAMS)
    assert scores[1].score == pytest.approx(expected + 2 * 0.5)


def test_other_rules(turns):
    speaker = find_speakers(turns)
    each = [f.result.scores[0].score for f in turns]
    assert score_of_video(turns, speaker, "max")[0].score == max(each)
    assert score_of_video(turns, speaker, "mean")[0].score == pytest.approx(np.mean(each))
    with pytest.raises(ConfigError, match="rule"):
        score_of_video(turns, speaker, "loudest")


def test_one_face_has_the_score_of_the_video():
    only = [face("1", 30, 60, speaks=slice(None), loss=np.linspace(1, 2, 59))]
    score = score_of_video(only, find_speakers(only))[0]
    assert score.score == pytest.approx(only[0].result.scores[0].score)
    assert only[0].speaks == 1
    assert main_face(only) == 0


def test_a_face_without_a_score_takes_no_part(turns):
    turns[0].result = VideoResult(Path("v.mp4"), error="too short")
    speaker = find_speakers(turns)
    assert set(speaker) == {1}
    assert [f.speaks for f in turns] == [0, 1]
    assert main_face(turns) == 1
    assert score_of_video(turns, speaker)[0].score == turns[1].result.scores[0].score


def test_the_course_follows_the_speaker(turns):
    late = face("3", 450, 50, speaks=slice(None), loss=5.0)
    faces = [*turns, late]
    course = timeline_of(turns[0].result, faces, lam=2.0)
    assert len(course) == 500
    assert np.isnan(course.loss[0]) and np.isnan(course.probabilities[400:450]).all()
    assert course.loss[1] == pytest.approx(1 + 2 * 0.5)
    assert course.loss[399] == pytest.approx(3 + 2 * 0.5)
    assert course.loss[499] == pytest.approx(5 + 2 * 0.5)
    assert course.probabilities[[0, 399, 499]].argmax(1).tolist() == [15, 15, 15]
    score = score_of_video(faces, find_speakers(faces))[1].score
    assert course.running[-1] == pytest.approx(score, rel=1e-6)
    assert np.isnan(course.running[0])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("index", [0, 1])
def test_the_running_score_ends_with_the_score(turns, rule, index):
    faces = [*turns, face("3", 450, 50, speaks=slice(None), loss=5.0)]
    score = score_of_video(faces, find_speakers(faces), rule)[index].score
    running = timeline_of(turns[0].result, faces, LAMS[index], rule).running
    assert running[-1] == pytest.approx(score, rel=1e-6)
    assert np.isnan(running[0]) and np.isfinite(running[1:]).all()
    early = {"speaker": 1.0, "max": 7.0, "mean": 4.0}[rule] + LAMS[index] * 0.5
    assert running[150] == pytest.approx(early)  # the first speaks; the third is not yet there


def test_where_no_step_is_spoken_the_main_face_runs(turns):
    for one, kept in zip(turns, (slice(250, 399), slice(0, 150)), strict=True):
        steps = one.result.steps
        one.result.steps = Steps(
            *(array[kept] for array in (steps.window, steps.distribution, steps.activation)),
            steps.prediction[kept],
        )
    speaker = find_speakers(turns)
    assert score_of_video(turns, speaker)[0].score == turns[main_face(turns)].result.scores[0].score
    course = timeline_of(turns[0].result, turns)
    assert np.isnan(course.loss).all()
    main = turns[main_face(turns)].result.steps
    assert course.running[-1] == pytest.approx(main.distribution.mean())
