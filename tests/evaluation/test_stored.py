"""Scores of stored clips, each by itself, with baselines that are not fitted on tested clips."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_store import evaluated

from avforensics.errors import ConfigError, ManifestError
from avforensics.evaluation.stored import StoreScorer, choose, fit_delay_frequency
from avforensics.evaluation.stored_score import StoredScore, scored_video, video_names
from avforensics.features.store import FeatureStore
from avforensics.scoring.sequences import SequencePolicy, score_features
from avforensics.scoring.statistics import STATISTICS

BASELINE_NAMES = {"random", "leading_silence", "constant_offset", "sync_confidence", "naive_bayes"}


def test_rows_are_those_of_the_scoring_itself(store, decoders):
    policy = SequencePolicy(max_len=20, windows="all", audio="context")
    scorer = StoreScorer(store, decoders, policy, lams=(0.0, 0.5))
    index = choose(store, split="test")[3]
    found = scorer.score(index)
    _, direct = score_features(
        scorer.features(index), decoders.distribution, decoders.activation, policy, (0.0, 0.5)
    )
    assert found.scores == direct
    assert scored_video(store, found, 1).score == direct[1].score
    highest = scored_video(store, found, 1, statistic="max").score
    assert highest == direct[1].maximum > direct[1].score
    for part in ("distribution", "activation"):
        one = scored_video(store, found, 1, part=part)
        assert one.score == getattr(direct[1], f"{part}_score")


def test_delays_alone_need_no_activations(store, decoders):
    policy = SequencePolicy(max_len=20)
    without = FeatureStore(store.folder, replace(store.info, activations="none"), store.entries)
    index = choose(store, split="test")[3]
    whole = StoreScorer(store, decoders, policy).score(index)
    alone = StoreScorer(without, decoders, policy, part="distribution").score(index)
    found = scored_video(store, alone, part="distribution")
    assert found.score == whole.scores[0].distribution_score
    with pytest.raises(ConfigError, match="activations were not kept"):
        StoreScorer(without, decoders, policy).score(index)


def test_evaluation_by_category_with_baselines_and_coverage(store, decoders):
    rows, summary = evaluated(store, decoders, SequencePolicy(max_len=20))
    assert len(rows) == 60
    counts = {"listed": 60, "scored": 59, "failed": 1, "not_applicable": []}
    assert summary["coverage"].items() >= counts.items()
    assert list(summary["averages"]) == ["AVG-FV", "AVG-ALL"]
    for block in summary["categories"].values():
        assert (block["n_real"], block["n_fake"]) == (9, 10)
        assert set(block["baselines"]) == BASELINE_NAMES
        assert block["baselines"]["naive_bayes"]["auc"] > 0.9  # fakes have arbitrary delays
        assert set(block["statistics"]) == set(STATISTICS) - {"score"}
        assert block["statistics"]["at_delay"]["auc"] > 0.9
        assert block["statistics"]["at_delay"]["auc_ci"]
    # silence separates only the category that has the flaw
    silence = {
        name: block["baselines"]["leading_silence"]["auc"]
        for name, block in summary["categories"].items()
    }
    assert silence == dict.fromkeys(silence, 0.5) | {"FVFA-WL": 1.0}


def counted(store, indices):
    """Log-frequency with which each delay is the likeliest, with one added to each count."""
    found = np.concatenate([store.logits(index).argmax(1) for index in indices])
    counts = np.bincount(found, minlength=31) + 1
    return np.log(counts / counts.sum())


def test_naive_bayes_never_sees_what_is_evaluated(store):
    train = [index for index, entry in enumerate(store) if entry.split == "anomaly"]
    whole = fit_delay_frequency(store, "anomaly")
    np.testing.assert_allclose(whole, counted(store, train), rtol=1e-6)
    fewer = fit_delay_frequency(store, "anomaly", leave_out=train[:5])
    np.testing.assert_allclose(fewer, counted(store, train[5:]), rtol=1e-6)
    assert fit_delay_frequency(store, "anomaly", leave_out=train) is None
    assert fit_delay_frequency(store, "no such split") is None
    again = type(store)(store.folder, store.info, [*store, store[train[0]]])
    assert fit_delay_frequency(again, "anomaly", leave_out=train) is None


def test_selection_keeps_real_videos_and_says_what_is_there(store):
    chosen = choose(store, split="test", category="RVFA")
    assert [store[index].category for index in chosen].count("real") == 10
    assert len(chosen) == 20
    with pytest.raises(ManifestError, match="splits: anomaly, test"):
        choose(store, split="val")


def test_clips_of_one_file_are_told_apart(store):
    real, fake = (store[i] for i in choose(store, split="test", category="RVFA")[1:3])
    entries = [
        replace(real, audio="/data/own.wav"),
        replace(fake, path=real.path, audio="/data/x.wav"),
        replace(fake, path=real.path, audio="/data/y.wav"),
        replace(fake, path=real.path, start=10000.04),
        replace(fake, path=real.path, start=10000.08),
        replace(fake, path=real.path, start=2.5, duration=0.5),
        replace(fake, path=real.path, start=2.5, duration=1.5),
    ]
    several = type(store)(store.folder, store.info, [*entries, *entries])
    chosen = choose(several)
    assert chosen == list(range(7))
    names = video_names(several)
    rows = [scored_video(several, StoredScore(i, error="none"), names=names) for i in chosen]
    assert [row.path.removeprefix(real.path) for row in rows] == [
        "", "#t=0&audio=/data/x.wav", "#t=0&audio=/data/y.wav", "#t=10000.04", "#t=10000.08",
        "#t=2.5,3", "#t=2.5,4",
    ]  # fmt: skip


def test_a_store_of_first_windows_serves_no_other_policy(store, decoders):
    short = type(store)(store.folder, replace(store.info, max_windows=30), store.entries)
    StoreScorer(short, decoders, SequencePolicy(max_len=30))
    for policy in (
        SequencePolicy(max_len=31),
        SequencePolicy(max_len=20, audio="context"),
        SequencePolicy(max_len=20, windows="all"),
    ):
        with pytest.raises(ConfigError, match="first 30 windows"):
            StoreScorer(short, decoders, policy)
