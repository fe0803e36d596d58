"""Intervals cover the truth at the stated rate, resample identities, and are fast."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from avforensics.errors import ConfigError
from avforensics.evaluation.bootstrap import Bootstrap, bootstrap_interval


def _world(rng, n_identities, per_identity, effect=1.0, between=1.0):
    """Draw real and fake identities whose videos share an offset; the true AUC is known."""
    labels = np.repeat([0, 1], n_identities * per_identity)
    identities = np.repeat(np.arange(2 * n_identities), per_identity)
    person = rng.normal(scale=between, size=2 * n_identities)[identities]
    return labels, person + rng.normal(size=len(labels)) + effect * labels, identities


def _true_auc(effect=1.0, between=1.0):
    return stats.norm.cdf(effect / np.sqrt(2 * (1 + between**2)))


@pytest.mark.parametrize(
    ("people", "each", "level", "ignored"), [(25, 4, 0.9, 0.82), (10, 2, 0.95, 0.93)]
)
def test_intervals_cover_the_truth_at_the_stated_rate(people, each, level, ignored):
    """In 300 simulated benchmarks, intervals that ignore identities cover the truth too rarely."""
    rng = np.random.default_rng(0)
    truth, hits, naive = _true_auc(), [], []
    for seed in range(300):
        labels, scores, identities = _world(rng, people, each)
        for groups, covered in ((identities, hits), (np.arange(len(labels)), naive)):
            bootstrap = Bootstrap(labels, groups, resamples=300, level=level, seed=seed)
            low, high = bootstrap.auc_interval(bootstrap.values(scores, ("auc",))["auc"])
            covered.append(low <= truth <= high)
    assert level - 0.04 <= np.mean(hits) <= level + 0.04
    assert np.mean(naive) < ignored


def test_half_width_agrees_with_hanley_mcneil_at_100_v_100():
    """The half width is 3.3 points at AUC 94.5 if every video has its own identity."""
    auc, n = 0.945, 100
    rng = np.random.default_rng(2)
    widths = []
    for seed in range(20):
        labels = np.repeat([0, 1], n)
        scores = rng.normal(size=2 * n) + np.sqrt(2) * stats.norm.ppf(auc) * labels
        low, high = bootstrap_interval(labels, scores, range(2 * n), resamples=400, seed=seed)
        widths.append((high - low) / 2)
    assert np.mean(widths) == pytest.approx(0.033, abs=0.006)


def test_resampled_values_equal_scikit_learn_on_the_drawn_videos():
    rng = np.random.default_rng(3)
    labels, scores, identities = _world(rng, 6, 3)
    scores = np.round(scores * 2)
    boot = Bootstrap(labels, identities, resamples=20)
    values = boot.values(scores, ("auc", "ap"))
    for row in range(20):
        copies = boot._draws[row, boot.cluster]
        drawn, drawn_scores = np.repeat(labels, copies), np.repeat(scores, copies)
        assert values["auc"][row] == pytest.approx(sk.roc_auc_score(drawn, drawn_scores))
        assert values["ap"][row] == pytest.approx(sk.average_precision_score(drawn, drawn_scores))


def test_every_resample_has_both_classes_and_keeps_identities_whole():
    labels = np.array([0, 0, 1, 1, 1, 0, 1])
    identities = ["a", "a", "b", "b", "c", "d", "d"]
    boot = Bootstrap(labels, identities, resamples=500, seed=5)
    copies = boot._draws[:, boot.cluster]
    assert (copies[:, labels == 0].sum(1) > 0).all()
    assert (copies[:, labels == 1].sum(1) > 0).all()
    assert (copies[:, 0] == copies[:, 1]).all()
    assert (copies[:, 5] == copies[:, 6]).all()
    assert (copies[:, 5] == 1).all()  # the only identity with both classes


def test_same_seed_same_interval_and_another_seed_another():
    labels, scores, identities = _world(np.random.default_rng(4), 20, 2)
    first = bootstrap_interval(labels, scores, identities, seed=1, resamples=200)
    assert first == bootstrap_interval(labels, scores, identities, seed=1, resamples=200)
    assert first != bootstrap_interval(labels, scores, identities, seed=2, resamples=200)


def test_order_of_rows_does_not_matter():
    labels, scores, identities = _world(np.random.default_rng(4), 20, 2)
    turned = np.random.default_rng(0).permutation(len(labels))
    first = bootstrap_interval(labels, scores, identities, resamples=200)
    second = bootstrap_interval(labels[turned], scores[turned], identities[turned], resamples=200)
    assert first == pytest.approx(second, abs=1e-12)


def test_a_perfect_ranking_is_not_certain():
    labels = np.repeat([0, 1], 10)
    low, high = bootstrap_interval(labels, np.arange(20), range(20), resamples=100)
    assert high == 1
    assert low == pytest.approx(0.025**0.1)  # exact binomial bound for ten of ten
    assert bootstrap_interval(1 - labels, np.arange(20), range(20), resamples=100) == (0, 1 - low)


def test_one_identity_of_a_class_allows_no_interval():
    labels = np.array([0, 0, 1, 1])
    assert bootstrap_interval(labels, [1, 2, 3, 4], ["a", "b", "c", "c"], resamples=50) is None


def test_nonsense_is_refused():
    for setting, says in (({"level": 95}, "must be within"), ({"resamples": 0}, "resamples must")):
        with pytest.raises(ConfigError, match=says):
            Bootstrap([0, 1], ["a", "b"], **setting)
    with pytest.raises(ValueError, match="2 identities for 3 videos"):
        Bootstrap([0, 1, 1], ["a", "b"])
