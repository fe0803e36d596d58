"""Baselines: values worked out by hand, and the polarity that all share."""

import os

import numpy as np
import pytest

from avforensics.evaluation.baselines import (
    NaiveBayesDelay,
    baseline_scores,
    constant_offset,
    leading_silence,
    random_score,
    sync_confidence,
)


def _rows(delays, height=8.0):
    """Logits that peak at the given delay indices."""
    rows = np.zeros((len(delays), 31), np.float32)
    rows[np.arange(len(delays)), delays] = height
    return rows


def test_random_depends_on_path_and_seed_only_and_is_uniform():
    assert random_score("a.mp4") == random_score("a.mp4") != random_score("a.mp4", seed=1)
    values = [random_score(f"{number}.mp4") for number in range(2000)]
    assert np.histogram(values, bins=10, range=(0, 1))[0].min() > 150


def test_leading_silence_ends_at_the_first_sample_above_the_threshold():
    audio = np.zeros(16_000, np.int16)
    audio[:8000] = 16  # 0.00049 of full scale: still silence
    audio[4000] = -17  # 0.00052 of full scale
    assert leading_silence(audio) == 0.25
    audio[4000] = 16
    assert leading_silence(audio) == 1.0
    assert leading_silence(np.array([-32768, 0], np.int16)) == 0
    assert leading_silence(np.zeros(0, np.int16)) == 0


def test_constant_offset_is_the_distance_from_zero_delay():
    assert constant_offset(_rows([15] * 20)) == 0
    assert constant_offset(_rows([12] * 20)) == constant_offset(_rows([18] * 20)) == 3
    assert constant_offset(_rows([18] * 9 + [15] * 11)) == 0  # the mean decides
    loud = np.concatenate([_rows([15] * 11), _rows([20] * 9, 500.0)])
    assert constant_offset(loud) == 0  # of distributions: one loud window has one vote


def test_sync_confidence_is_higher_for_what_fits_nowhere():
    sure, unsure = _rows([15] * 5, 10.0), np.zeros((5, 31))
    assert sync_confidence(unsure) == pytest.approx(-1 / 31)
    assert sync_confidence(sure) == pytest.approx(-np.exp(10) / (np.exp(10) + 30))
    assert sync_confidence(sure) < sync_confidence(unsure)


def test_naive_bayes_is_the_mean_negative_log_frequency():
    model = NaiveBayesDelay.fit([_rows([15] * 6 + [14] * 2), _rows([15])])
    total = 9 + 31  # one added to each of 31 delays
    expected = -np.mean(np.log([8 / total, 3 / total, 1 / total]))
    assert model.score(_rows([15, 14, 0])) == pytest.approx(expected)
    assert np.exp(model.log_probability).sum() == pytest.approx(1)


def test_all_baselines_by_name_with_what_is_known():
    rows = _rows([15, 16])
    assert set(baseline_scores("a", rows)) == {"random", "constant_offset", "sync_confidence"}
    model = NaiveBayesDelay.fit([_rows([15] * 6)])
    scores = baseline_scores("a", rows, silence=0.5, naive_bayes=model)
    assert scores["leading_silence"] == 0.5
    assert scores["naive_bayes"] == model.score(rows)
    assert all(isinstance(value, float) for value in scores.values())


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="at least one real video"):
        NaiveBayesDelay.fit([])
    with pytest.raises(ValueError, match=r"must be \(N, 2 \* tau \+ 1\)"):
        sync_confidence(np.zeros((0, 31)))
    with pytest.raises(ValueError, match="fitted on 31 delays, the video has 11"):
        NaiveBayesDelay.fit([_rows([15])]).score(np.zeros((3, 11)))


def test_a_file_name_need_not_be_text():
    assert 0 <= random_score(os.fsdecode(b"caf\xe9.mp4")) < 1
