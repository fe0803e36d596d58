"""Segments that depart from a video's usual delay: their rate in real videos, and their place."""

import numpy as np
import pytest

from avforensics.errors import ConfigError
from avforensics.evaluation.alarms import LONGEST, SegmentAlarms, segments_off
from avforensics.scoring.own_delay import own_delay_curve
from avforensics.scoring.result import DelayCurve
from avforensics.scoring.sequences import SequencePolicy

ALL = SequencePolicy(windows="all")


def curve(seed, n=750, bursts=()):
    values = np.random.default_rng(seed).gamma(0.4, 0.5, n)
    for first, end in bursts:
        values[first:end] += 2.0
    return DelayCurve(np.arange(n), np.convolve(values, np.ones(11) / 11, "same"))


def test_new_real_videos_have_as_many_false_segments_as_was_asked_for():
    fitted = SegmentAlarms.fit(curve(seed) for seed in range(40))  # 20 minutes
    assert fitted.minutes == 20
    assert (np.diff(fitted.scores) <= 0).all()
    for rate in (0.5, 2.0):
        threshold = fitted.threshold(rate)
        of_fitted = (fitted.scores > threshold).sum() / fitted.minutes
        assert rate - 0.1 <= of_fitted < rate
        new = sum(len(segments_off(curve(100 + seed), threshold)) for seed in range(40)) / 20
        assert new < 2 * rate


def test_too_little_video_gives_no_threshold():
    fitted = SegmentAlarms(np.array([3.0, 1.0]), minutes=1.9)
    assert fitted.threshold(0.5) is None
    assert fitted.threshold(1.0) == 3.0
    assert fitted.threshold(5.0) == 0.0  # there are only two stretches
    assert SegmentAlarms.fit([]) is None
    for rate in (0, -1, 21):
        with pytest.raises(ConfigError, match="false_segments_per_minute must be"):
            fitted.threshold(rate)


def test_a_stretch_is_found_where_it_is():
    found = segments_off(curve(0, bursts=[(200, 240), (500, 540)]), 5.0)
    assert len(found) == 2
    for start, end in found[np.argsort(found[:, 0]), :2] * 25 - 2:
        assert min(abs(start - 200), abs(start - 500)) <= 8
        assert abs(end - start - 40) <= 12
    assert found[:, 1].max() - found[:, 0].min() > LONGEST / 25


def test_own_delay_is_of_the_windows_that_count():
    rows = np.zeros((120, 31))
    rows[np.arange(120), np.where(np.arange(120) < 60, 10, 20)] = 8.0
    heard = np.ones(120, bool)
    first = own_delay_curve(rows, heard, ALL, first_window=7, speaks=np.arange(120) < 60)
    np.testing.assert_array_equal(first.window, 7 + np.arange(60))
    assert np.ptp(first.value) < 1e-9  # the face is silent where the delay differs
    speaks = (np.arange(120) < 50) | (np.arange(120) >= 90)
    parts = own_delay_curve(rows, heard, ALL, speaks=speaks)
    assert parts.value[:50].max() < 0.1 < 3 < parts.value[50:].min()  # means do not cross the gap
    assert own_delay_curve(rows, heard, ALL, speaks=np.arange(120) < 5) is None
    assert own_delay_curve(rows, np.zeros(120, bool), ALL) is None
