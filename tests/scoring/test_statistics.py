"""Statistics of synthetic rows: values computed by hand, and what each statistic detects."""

import numpy as np
import pytest

from avforensics.errors import ConfigError
from avforensics.scoring.offset import ENOUGH, constant_offset, inner_windows
from avforensics.scoring.result import Features, Steps
from avforensics.scoring.rows import VideoRows
from avforensics.scoring.sequences import SequencePolicy
from avforensics.scoring.statistics import (
    STATISTICS,
    check_statistics,
    measure,
    statistic,
    towards_fake,
)

DELAYS = 31


def rows(delays, height=8.0):
    """Make logits that peak at the given delay indices."""
    logits = np.zeros((len(delays), DELAYS), np.float32)
    logits[np.arange(len(delays)), delays] = height
    return logits


def video(delays, height=8.0, **more):
    return VideoRows(rows(delays, height), np.arange(len(delays)), **more)


def features(logits, valid_audio=None, projected=0):
    valid_audio = np.ones(len(logits), bool) if valid_audio is None else valid_audio
    return Features(logits, np.zeros((len(logits), projected), np.float32), valid_audio)


def test_every_statistic_is_documented_and_finite():
    given = {"score": 1.0, "activation": np.ones(20), "delay_frequency": np.full(DELAYS, -3.0)}
    found = measure(video([15] * 19 + [3], **given))
    assert set(found) == set(STATISTICS)
    assert all(len(one.meaning) > 30 for one in STATISTICS.values())


def test_values_by_hand():
    peak = np.exp(8) / (np.exp(8) + DELAYS - 1)
    rest = (1 - peak) / (DELAYS - 1)
    found = measure(video([15] * 9 + [20]))
    assert found["mean_maximum"] == pytest.approx(peak)
    entropy = -peak * np.log(peak) - (1 - peak) * np.log(rest)
    assert found["entropy"] == pytest.approx(entropy)
    best = 0.9 * np.log(peak) + 0.1 * np.log(rest) + np.log(DELAYS)
    assert found["constant_delay"] == pytest.approx(best)
    assert found["at_delay"] == pytest.approx(0.9)
    mass = np.array([peak + 2 * rest] * 9 + [3 * rest])
    assert found["mass_at_delay"] == pytest.approx(mass.mean())
    assert found["mass_spread"] == pytest.approx(mass.std())
    away = sum(abs(delay - 15) for delay in range(DELAYS)) * rest
    assert found["delay_distance"] == pytest.approx(away + 0.1 * 5 * (peak - rest))
    assert found["jump_rate"] == pytest.approx(1 / 9)
    step = (peak - rest) * np.log(peak / rest)
    assert found["row_divergence"] == pytest.approx(step / 9)
    flat = measure(VideoRows(np.zeros((12, DELAYS)), np.arange(12)))
    assert flat["entropy"] == pytest.approx(np.log(DELAYS))
    assert flat["constant_delay"] == pytest.approx(0, abs=1e-12)
    assert flat["row_divergence"] == pytest.approx(0, abs=1e-12)


def test_naive_bayes_is_the_mean_surprise_at_the_likeliest_delays():
    frequency = np.log(np.full(DELAYS, 1 / 40))
    frequency[15], frequency[14] = np.log(8 / 40), np.log(3 / 40)
    found = measure(video([15, 14, 0], delay_frequency=frequency), ["naive_bayes"])
    assert found["naive_bayes"] == pytest.approx(-np.log([8 / 40, 3 / 40, 1 / 40]).mean())
    assert "naive_bayes" not in measure(video([15, 14, 0]))


def test_a_step_of_one_frame_is_no_jump_and_a_gap_is_no_step():
    assert measure(video([15, 16] * 8))["jump_rate"] == 0
    assert measure(video([15, 17] * 8))["jump_rate"] == 1
    apart = VideoRows(rows([15] * 6 + [25] * 6), np.r_[0:6, 10:16])
    assert measure(apart)["jump_rate"] == 0
    assert measure(apart)["row_divergence"] == pytest.approx(0, abs=1e-6)
    alone = measure(VideoRows(rows([15]), np.arange(1)))
    assert "jump_rate" not in alone and "mean_maximum" in alone


def test_a_change_of_delay_is_the_likelihood_ratio_of_two_delays():
    changed = measure(video([15] * 14 + [20] * 26), ["delay_change"])["delay_change"]
    # two delays explain all 40 windows, the best single delay only 26: a gain of 14 * 8
    assert changed == pytest.approx(14 * 8, rel=1e-6)
    assert measure(video([15] * 40), ["delay_change"])["delay_change"] == 0
    near = measure(video([15] * 20 + [17] * 20), ["delay_change"])["delay_change"]
    assert near == 0, "two frames apart is no other delay"
    assert "delay_change" not in measure(video([15] * 19), ["delay_change"])


def test_what_fits_nowhere_lies_towards_fake():
    random = np.random.default_rng(0)
    sure, unsure = video([16] * 40), video(random.integers(0, DELAYS, 40), 3.0)
    real, fake = (towards_fake(measure(one)) for one in (sure, unsure))
    assert all(fake[name] > real[name] for name in real), (real, fake)


def test_windows_that_hear_padding_take_no_part_where_there_are_enough_others():
    logits = rows([2] * 15 + [17] * ENOUGH + [2] * 15)
    valid_audio = np.zeros(len(logits), bool)
    valid_audio[15 : 15 + ENOUGH] = True
    assert inner_windows(valid_audio)[1]
    assert constant_offset(features(logits, valid_audio)).frames == 2
    inner = VideoRows.of(features(logits, valid_audio), SequencePolicy())
    assert inner.inner and measure(inner)["at_delay"] == 1
    assert inner.window.tolist() == list(range(15, 15 + ENOUGH))
    valid_audio[15] = False  # one window too few: all windows are used, which is noted
    assert not inner_windows(valid_audio)[1]
    assert constant_offset(features(logits, valid_audio)).frames == -13
    all_of_them = VideoRows.of(features(logits, valid_audio), SequencePolicy())
    assert not all_of_them.inner and len(all_of_them.window) == len(logits)


def test_one_loud_window_has_one_vote_on_the_offset():
    logits = np.concatenate([rows([15] * 11), rows([20] * 9, 500.0)])
    assert constant_offset(features(logits)).frames == 0


def test_only_windows_that_the_policy_scores_are_measured():
    logits = rows([15] * 50 + [2] * 50)
    first = VideoRows.of(features(logits), SequencePolicy(max_len=50))
    assert measure(first)["at_delay"] == 1
    whole = VideoRows.of(features(logits), SequencePolicy(max_len=50, windows="all"))
    assert measure(whole)["at_delay"] == 0.5


def test_activation_losses_are_those_of_the_measured_windows():
    logits, valid_audio = rows([15] * 40), np.zeros(40, bool)
    valid_audio[10:30] = True
    loss = np.where(valid_audio[1:], 0.25, 9.0).astype(np.float32)
    steps = Steps(np.arange(1, 40), loss, loss, np.zeros((39, DELAYS), np.float32))
    one = VideoRows.of(features(logits, valid_audio, projected=4), SequencePolicy(), steps)
    assert measure(one)["activation_error"] == pytest.approx(0.25)
    assert "activation_error" not in measure(
        VideoRows.of(features(logits, valid_audio), SequencePolicy(), steps)
    )


def test_faces_of_a_video_are_measured_together_and_never_joined_by_a_step():
    left, right = video([15] * 20), video([25] * 20)
    both = VideoRows.joined([left, right], score=1.5)
    found = measure(both)
    assert (found["score"], found["at_delay"], found["jump_rate"]) == (1.5, 0.5, 0)
    short = VideoRows(rows([3] * 5), np.arange(5), inner=False)
    assert len(VideoRows.joined([left, short]).window) == 20


def test_a_face_is_measured_while_it_speaks():
    logits = rows([15] * 30 + [3] * 30)
    speaks = np.arange(60) < 30
    policy = SequencePolicy(windows="all")
    assert measure(VideoRows.of(features(logits), policy, speaks=speaks))["at_delay"] == 1
    never = VideoRows.of(features(logits), policy, speaks=np.zeros(60, bool))
    assert len(never.window) == 60


def test_one_of_ones_own():
    @statistic("test_of_ones_own", scale="share", fake="low")
    def own(rows: VideoRows) -> float:
        """Share of windows at delay index 3, to test that user statistics are found."""
        return float((rows.likeliest == 3).mean())

    try:
        assert measure(video([3, 3, 5, 5]))["test_of_ones_own"] == 0.5
        with pytest.raises(ValueError, match="already"):
            statistic("test_of_ones_own")(lambda rows: 0.0)
    finally:
        del STATISTICS["test_of_ones_own"]
    with pytest.raises(ConfigError, match="scale must be one of"):
        statistic("another", scale="log")
    with pytest.raises(ConfigError, match="unknown statistic 'jumps'; known: score, "):
        check_statistics(["jumps"])
    with pytest.raises(ConfigError, match="distinct names"):
        check_statistics(["entropy", "entropy"])


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"must be \(N, 2 \* tau \+ 1\)"):
        measure(VideoRows(np.zeros((0, DELAYS)), np.arange(0)))
