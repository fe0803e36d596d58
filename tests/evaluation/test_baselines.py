"""Baselines: values computed by hand, and the polarity that all share."""

import os

import numpy as np

from avforensics.evaluation.baselines import (
    BASELINES,
    BaselineClip,
    baseline,
    baseline_scores,
    leading_silence,
    random_score,
)
from avforensics.scoring.result import Features
from avforensics.scoring.rows import VideoRows
from avforensics.scoring.statistics import measure


def _rows(delays, height=8.0):
    """Make logits that peak at the given delay indices."""
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


def test_baselines_are_the_statistics_by_their_names():
    rows = _rows([18] * 9 + [20] * 3)
    features = Features(rows, rows[:, :0], np.ones(12, bool))
    statistics = measure(VideoRows(rows, np.arange(12)))
    scores = baseline_scores(BaselineClip("a", features, statistics))
    assert set(scores) == {"random", "constant_offset", "sync_confidence"}
    assert scores["constant_offset"] == 3
    assert scores["sync_confidence"] == -statistics["mean_maximum"]
    statistics["naive_bayes"] = 2.0
    scores = baseline_scores(BaselineClip("a", features, statistics, silence=0.5))
    assert (scores["leading_silence"], scores["naive_bayes"]) == (0.5, 2.0)
    assert all(isinstance(value, float) for value in scores.values())


def test_one_of_ones_own_is_a_column_where_it_can_tell(monkeypatch):
    monkeypatch.setattr(BASELINES, "_entries", dict(BASELINES._entries))
    rows = _rows([18] * 9)
    features = Features(rows, rows[:, :0], np.ones(9, bool))

    @baseline("length")
    def length(clip):
        return None if clip.path == "b" else len(clip.features.sync_logits)

    assert baseline_scores(BaselineClip("a", features, {}))["length"] == 9
    assert "length" not in baseline_scores(BaselineClip("b", features, {}))


def test_rows_without_delays_have_no_offset():
    rows = np.zeros((9, 1), np.float32)
    features = Features(rows, rows[:, :0], np.ones(9, bool))
    assert set(baseline_scores(BaselineClip("a", features, {}))) == {"random"}


def test_a_file_name_need_not_be_text():
    assert 0 <= random_score(os.fsdecode(b"caf\xe9.mp4")) < 1
