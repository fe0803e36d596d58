"""p-values and thresholds are valid on new real videos."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from avforensics.errors import CheckpointError, ConfigError
from avforensics.evaluation.alarms import SegmentAlarms
from avforensics.evaluation.calibration import Calibration


def test_p_value_by_hand():
    calibration = Calibration.fit([3.0, 1.0, 2.0, 4.0])
    assert calibration.p_value(0.5) == 1
    assert calibration.p_value(1.0) == 1
    assert calibration.p_value(3.0) == 3 / 5  # two of four at or above 3, plus the video itself
    assert calibration.p_value(3.5) == pytest.approx(2.5 / 5)
    assert calibration.p_value(4.0) == 2 / 5
    assert calibration.p_value(4.1) == calibration.p_value(1e9) == 1 / 5
    tied = Calibration.fit([1.0, 2.0, 2.0, 2.0])
    assert tied.p_value(2.0) == 4 / 5
    np.testing.assert_allclose(tied.p_value([1.0, 2.0, 3.0]), [1, 4 / 5, 1 / 5])


def test_p_value_never_falls_below_the_empirical_steps_nor_rises_with_the_score():
    rng = np.random.default_rng(0)
    scores = np.round(rng.gamma(2, size=50), 1)
    calibration = Calibration.fit(scores)
    grid = np.linspace(-1, 12, 2001)
    p = calibration.p_value(grid)
    steps = (1 + (scores[None] >= grid[:, None]).sum(1)) / 51
    assert (p >= steps - 1e-12).all()
    assert (np.diff(p) <= 1e-12).all()
    assert (p - steps).max() <= (np.unique(scores, return_counts=True)[1].max() + 1e-9) / 51


@pytest.mark.parametrize("n", [19, 60, 200])
def test_false_positive_rate_is_kept_on_new_real_videos(n):
    rng = np.random.default_rng(n)
    rates, small = [], []
    for _ in range(400):
        calibration = Calibration.fit(rng.gamma(2, size=n))
        new = rng.gamma(2, size=200)
        rates.append((new > calibration.threshold(0.05)).mean())
        small.append((calibration.p_value(new) <= 0.05).mean())
    assert 0.03 < np.mean(rates) < 0.056
    assert np.mean(small) < 0.056


def test_threshold_is_a_score_that_the_wanted_share_exceeds():
    calibration = Calibration.fit(np.arange(1, 100.0))
    assert calibration.threshold(0.01) == 99
    assert calibration.threshold(0.05) == 95
    assert calibration.threshold(0.10) == 90
    with pytest.raises(ConfigError, match=r"0.5 % needs at least 199 real videos.* has 99"):
        calibration.threshold(0.005)
    with pytest.raises(ConfigError, match="must be within"):
        calibration.threshold(5)


def test_inputs_unlike_the_calibration_videos_are_named():
    inputs = [
        {"fps": 25.0, "width": 224, "leading_silence": 0.0},
        {"fps": 25.0, "width": 720, "leading_silence": 0.3},
    ]
    calibration = Calibration.fit([1, 2], inputs=inputs)
    assert calibration.unlike({"fps": 25.0004, "width": 300, "leading_silence": 0.1}) == []
    assert calibration.unlike({"fps": 30.0, "width": 100, "leading_silence": 2, "faces": 1}) == [
        "unlike the calibration videos: fps is 30, but theirs is 25",
        "unlike the calibration videos: width is 100, but theirs is 224 to 720",
        "unlike the calibration videos: leading silence is 2, but theirs is 0 to 0.3",
    ]


def test_saved_and_loaded_whole(tmp_path):
    path = tmp_path / "cal.safetensors"
    first = Calibration.fit([2, 1], setting={"lam": 0.5, "policy": "all"}, inputs=[{"fps": 25}])
    first.save(path)
    assert Calibration.load(path).segments is None  # as in earlier versions
    alarms = SegmentAlarms(np.array([3.0, 1.5]), minutes=2.5)
    replace(first, segments=alarms).save(path)
    again = Calibration.load(path)
    assert again.segments.minutes == 2.5
    np.testing.assert_array_equal(again.segments.scores, [3.0, 1.5])
    np.testing.assert_array_equal(again.scores, [1, 2])
    assert again.setting == {"lam": 0.5, "policy": "all"}
    assert again.ranges == {"fps": (25.0, 25.0)}
    again.check_setting({"lam": 0.5, "max_len": 50})
    with pytest.raises(ConfigError, match=r"made with lam=0.5 .this run: 0"):
        again.check_setting({"lam": 0, "policy": "all"})


def test_other_files_and_bad_scores_are_refused(tmp_path):
    save_file({"scores": np.zeros(3)}, tmp_path / "other.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"{")
    with pytest.raises(CheckpointError, match=r"^absent: no such file$"):
        Calibration.load("absent")
    for name in ("other", "broken"):
        with pytest.raises(CheckpointError, match=name):
            Calibration.load(tmp_path / f"{name}.safetensors")
    with pytest.raises(ConfigError, match="got none"):
        Calibration.fit([])
    with pytest.raises(ConfigError, match="must be finite"):
        Calibration.fit([1.0, np.nan])
