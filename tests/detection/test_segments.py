"""Unusual segments in synthetic curves of step losses."""

from pathlib import Path

import numpy as np
import pytest
from made_faces import still_face

from avforensics.detection.segments import find_segments, segments_off_delay
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import DelayCurve, Score, Steps, VideoResult
from avforensics.scoring.tracks import FaceResult


def steps(loss, first=1):
    loss = np.asarray(loss, np.float32)
    window = first + np.arange(len(loss))
    return Steps(window, loss, np.zeros_like(loss), np.zeros((len(loss), 31)))


def result(curve):
    return VideoResult(Path("v.mp4"), scores=[Score(0.0, 1.0, 1.0, 0.0, 1.0)], steps=curve)


def face(name, curve, spoken):
    track = still_face(name, int(curve.window[0]) - 1, len(curve.window))
    return FaceResult(track, result(curve), spans=tuple(spoken))


def found(curve, *faces, **settings):
    """Segments found in the curve of a whole picture, or in curves of faces."""
    settings = {"lam": 0.0, "length": 49, "threshold": 1.0} | settings
    rule = settings.pop("rule", "speaker")
    return find_segments(Outcome(result(curve), faces, rule=rule), **settings)


def burst(*places, n=1000, height=3.0):
    loss = np.full(n, 0.5)
    for start, end in places:
        loss[start:end] = height
    return loss


def test_a_segment_above_the_threshold_has_its_edges():
    (one,) = found(steps(burst((400, 460))))
    # step i is window i + 1, which stands for its middle frame i + 3
    assert (one.start, one.end) == pytest.approx((403 / 25, 463 / 25), abs=0.12)
    assert one.value == pytest.approx(3.0, rel=0.1)
    assert one.threshold == 1.0
    assert one.row()["track"] is None


def test_what_a_video_of_that_length_would_not_reach_is_no_segment():
    assert found(steps(burst((400, 405)))) == []  # 5 of 49 steps at 3: a mean of 0.76
    assert found(steps(np.full(1000, 0.99))) == []
    assert len(found(steps(burst((100, 130), (600, 640))))) == 2


def test_short_curves_are_judged_whole_or_not_at_all():
    assert found(steps(np.full(10, 5.0))) == []
    (one,) = found(steps(np.full(30, 5.0)))
    assert (one.start, one.end) == (3 / 25, 33 / 25)


def test_segments_off_the_own_delay_are_those_of_each_face():
    def of(track, places, first=0):
        values = np.full(500, 0.01)
        for start, end in places:
            values[start:end] = 2.0
        made = face(track, steps(np.zeros(500)), [])
        made.result.off_delay = DelayCurve(first + np.arange(500), values)
        return made

    faces = of("1", [(100, 130)]), of("2", [(40, 240)], first=500), of("3", [])
    faces[2].result.off_delay = None
    outcome = Outcome(faces[0].result, faces)
    first, second = segments_off_delay(outcome, 5.0)
    assert (first.track, first.start, first.end) == ("1", 102 / 25, 132 / 25)
    # longer than any stretch, since adjacent pieces form one segment
    assert second.track == "2"
    assert (second.start, second.end) == pytest.approx((542 / 25, 742 / 25), abs=0.2)
    assert {s.row()["measure"] for s in (first, second)} == {"own_delay"}
    assert first.value > first.threshold == 5.0
    assert segments_off_delay(outcome, 50.0) == []


def test_a_gap_ends_a_segment():
    curve = steps(np.full(200, 5.0))
    curve.window[100:] += 300
    assert [round(s.start, 2) for s in found(curve)] == [0.12, 16.12]


def test_only_what_is_spoken_counts():
    curve = steps(np.full(500, 5.0))
    (one,) = found(curve, face("2", curve, [(4.0, 8.0)]))
    assert (one.start, one.end) == pytest.approx((4.0, 8.0))
    assert one.track == one.row()["track"] == "2"
    assert found(curve, face("2", curve, [])) == []


def test_lam_weighs_the_activation_loss():
    curve = steps(np.full(100, 0.5))
    curve.activation += 1
    assert found(curve) == []
    assert len(found(curve, lam=1.0)) == 1


def test_without_a_threshold_a_long_video_shows_what_stands_out():
    marked = found(steps(burst((300, 350), (700, 780))), threshold=None)
    assert 2 <= len(marked) <= 3
    assert all(s.threshold is None for s in marked)
    spans = [(s.start, s.end) for s in marked]
    assert any(abs(start - 303 / 25) < 0.2 and abs(end - 353 / 25) < 0.2 for start, end in spans)
    assert spans == sorted(spans)
    assert found(steps(burst((50, 90), n=200)), threshold=None) == []  # too short a clip


@pytest.fixture
def two():
    """Two faces that take turns for 40 s; each is unusual for 2 s of a turn and while listening."""
    turns = {"1": [(0.0, 10.0), (20.0, 30.0)], "2": [(10.0, 20.0), (30.0, 40.12)]}
    curves = {
        "1": burst((20 * 25 + 50, 20 * 25 + 100), (250, 500), (750, 1000)),
        "2": burst((10 * 25 + 50, 10 * 25 + 100), (0, 250), (500, 750)),
    }
    return [face(name, steps(curves[name]), turns[name]) for name in turns]


def test_of_several_faces_each_counts_while_it_speaks(two):
    found_of = [(s.track, round(s.start), round(s.end)) for s in found(two[0].result.steps, *two)]
    assert found_of == [("2", 12, 14), ("1", 22, 24)]
    listening = found(two[0].result.steps, *two, rule="max")
    assert sum(s.end - s.start for s in listening) > 2 * 20


def test_a_face_without_a_score_has_no_segment(two):
    failed = FaceResult(two[0].track, VideoResult(Path("v.mp4"), error="too short"))
    assert {s.track for s in found(two[1].result.steps, failed, two[1])} == {"2"}
    broken = Outcome(VideoResult(Path("v.mp4"), error="no audio"))
    assert find_segments(broken, lam=0.0, length=49, threshold=1.0) == []


def test_what_stands_out_of_several_faces_is_three_segments_in_all(two):
    marked = found(two[0].result.steps, *two, threshold=None)
    assert 2 <= len(marked) <= 3
    spans = {one.track.name: one.spans for one in two}
    for segment in marked:
        assert np.isfinite(segment.value)
        assert any(a <= segment.start and segment.end <= b for a, b in spans[segment.track])
    high = {(s.track, round(s.start), round(s.end)) for s in marked if s.value > 2}
    assert high == {("2", 12, 14), ("1", 22, 24)}


def test_nothing_stands_out_where_a_face_is_silent():
    """A second of high loss on each side of a short silence gives two segments."""
    loss = burst((220, 250), (260, 290), n=750, height=4.0)
    one = face("1", steps(loss), [(0.0, 10.12), (10.52, 30.0)])  # silent in windows 251 to 260
    marked = found(one.result.steps, one, threshold=None)
    spans = [(s.start, s.end) for s in marked if s.value > 3.9]
    assert spans == [pytest.approx((8.92, 10.12)), pytest.approx((10.52, 11.72))]


def test_nothing_stands_out_where_there_are_no_windows():
    """In a curve that is low at times, a gap would stand out if it counted as the median."""
    curve = steps(burst((0, 75), (325, 400), n=400, height=0.1))
    curve.window[200:] += 1000
    marked = found(curve, threshold=None)
    assert marked
    assert all(np.isfinite(s.value) and s.end - s.start < 10 for s in marked)


def test_shots_of_a_few_seconds_are_ten_in_all():
    shots = [
        face(str(i), steps(burst((10, 40), n=74) if i == 2 else burst(n=74), first=75 * i + 1), [])
        for i in range(5)
    ]
    for shot in shots:
        start = shot.track.first_frame / 25
        shot.spans = ((start, start + 3.0),)
    (one,) = found(shots[0].result.steps, *shots, threshold=None)
    assert one.track == "2" and 6 < one.start < one.end < 9
    assert found(shots[0].result.steps, *shots[:3], threshold=None) == []
