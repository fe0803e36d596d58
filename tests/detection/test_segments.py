"""Unusual stretches of made-up curves of step losses."""

import numpy as np
import pytest

from avforensics.detection.segments import unusual_stretches
from avforensics.scoring.result import Steps


def steps(loss, first=1):
    loss = np.asarray(loss, np.float32)
    window = first + np.arange(len(loss))
    return Steps(window, loss, np.zeros_like(loss), np.zeros((len(loss), 31)))


def found(curve, **settings):
    settings = {"lam": 0.0, "length": 49, "threshold": 1.0} | settings
    return unusual_stretches(curve, **settings)


def burst(*places, n=1000, height=3.0):
    loss = np.full(n, 0.5)
    for start, end in places:
        loss[start:end] = height
    return loss


def test_a_stretch_above_the_threshold_has_its_edges():
    (one,) = found(steps(burst((400, 460))))
    # step i is window i + 1, which stands for its middle frame i + 3
    assert (one.start, one.end) == pytest.approx((403 / 25, 463 / 25), abs=0.12)
    assert one.loss == pytest.approx(3.0, rel=0.1)
    assert one.threshold == 1.0
    assert one.row()["track"] is None


def test_what_a_video_of_that_length_would_not_reach_is_no_stretch():
    assert found(steps(burst((400, 405)))) == []  # 5 of 49 steps at 3: a mean of 0.76
    assert found(steps(np.full(1000, 0.99))) == []
    assert len(found(steps(burst((100, 130), (600, 640))))) == 2


def test_short_curves_are_judged_whole_or_not_at_all():
    assert found(steps(np.full(10, 5.0))) == []
    (one,) = found(steps(np.full(30, 5.0)))
    assert (one.start, one.end) == (3 / 25, 33 / 25)


def test_a_gap_ends_a_stretch():
    curve = steps(np.full(200, 5.0))
    curve.window[100:] += 300
    assert [round(s.start, 2) for s in found(curve)] == [0.12, 16.12]


def test_only_what_is_spoken_counts():
    curve = steps(np.full(500, 5.0))
    (one,) = found(curve, spoken=[(4.0, 8.0)], track="2")
    assert (one.start, one.end) == pytest.approx((4.0, 8.0))
    assert one.track == one.row()["track"] == "2"
    assert found(curve, spoken=[]) == []


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
    assert found(steps(burst((50, 90), n=200)), threshold=None) == []  # too short for that


def test_a_long_curve_takes_no_time():
    loss = np.random.default_rng(0).gamma(2, 0.3, 30_000)
    assert len(found(steps(loss), threshold=None)) == 3
