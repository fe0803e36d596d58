"""Metrics against scikit-learn, and a property that scikit-learn's metrics lack."""

import numpy as np
import pytest
from sklearn import metrics as sk

from avforensics.evaluation.metrics import METRICS, RocCurve, score_metrics


def _sample(n=300, ties=None, seed=0, prevalence=0.3):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < prevalence).astype(int)
    labels[:2] = 0, 1
    scores = rng.normal(size=n) + labels
    return labels, np.round(scores * ties) / ties if ties else scores


@pytest.mark.parametrize("ties", [None, 10, 2, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_auc_and_ap_equal_scikit_learn(ties, seed):
    labels, scores = _sample(ties=ties, seed=seed)
    ours = score_metrics(labels, scores)
    balance = np.where(labels == 1, 1 / labels.sum(), 1 / (1 - labels).sum())
    assert ours["auc"] == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert ours["ap"] == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-12)
    assert ours["ap_balanced"] == pytest.approx(
        sk.average_precision_score(labels, scores, sample_weight=balance), abs=1e-12
    )


@pytest.mark.parametrize("ties", [None, 3])
def test_curve_rates_equal_scikit_learn(ties):
    labels, scores = _sample(ties=ties)
    fpr, tpr, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    curve = RocCurve.from_scores(labels, scores)
    np.testing.assert_allclose(curve.fpr, fpr)
    np.testing.assert_allclose(curve.tpr, tpr)
    for rate in (0.01, 0.05, 0.1):
        assert curve.tpr_at_fpr(rate) == pytest.approx(tpr[fpr <= rate + 1e-12].max())
    crossing = np.linspace(0, 1, 200_001)
    missed = 1 - np.interp(crossing, fpr, tpr)
    assert curve.equal_error_rate() == pytest.approx(
        crossing[np.argmin(np.abs(missed - crossing))], abs=1e-5
    )


def test_integer_weights_count_like_copies():
    labels, scores = _sample(n=80, ties=4)
    weights = np.random.default_rng(1).integers(0, 4, (3, len(labels)))
    curve = RocCurve.from_scores(labels, scores, weights)
    for row, weight in enumerate(weights):
        copies = score_metrics(np.repeat(labels, weight), np.repeat(scores, weight))
        for name in METRICS:
            assert curve.metric(name)[row] == pytest.approx(copies[name], abs=1e-12), name


def test_balanced_ap_does_not_move_with_prevalence():
    labels, scores = _sample(ties=5)
    copies = np.where(labels == 1, 40, 1)
    few = score_metrics(labels, scores)
    many = score_metrics(np.repeat(labels, copies), np.repeat(scores, copies))
    assert many["ap"] - few["ap"] > 0.2
    assert many["ap_balanced"] == pytest.approx(few["ap_balanced"], abs=1e-12)
    assert many["auc"] == pytest.approx(few["auc"], abs=1e-12)


def test_a_coin_has_the_prevalence_as_ap():
    """With 151 real and 6,516 fake videos, random scores have an AP of 97.7 %."""
    labels = np.repeat([0, 1], [151, 6516])
    values = score_metrics(labels, np.zeros(len(labels)))
    assert values["ap"] == pytest.approx(values["prevalence"]) == pytest.approx(0.977, abs=5e-4)
    assert values["ap_balanced"] == values["auc"] == values["eer"] == 0.5


def test_polarity_is_fake_high():
    assert score_metrics([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])["auc"] == 1
    assert score_metrics([0, 0, 1, 1], [0.4, 0.3, 0.2, 0.1])["auc"] == 0
    assert score_metrics([0, 0, 1, 1], [0.4, 0.3, 0.2, 0.1])["eer"] == 1


def test_tpr_at_fpr_allows_only_thresholds_that_exist():
    labels = np.repeat([0, 1], [10, 4])
    scores = np.concatenate([np.arange(10), [9.5, 8.5, 8.0, 0.0]])
    values = score_metrics(labels, scores)
    assert values["tpr_at_fpr_1"] == 0.25  # of ten reals none may be called fake at 1 % or 5 %
    assert values["tpr_at_fpr_5"] == 0.25
    assert values["tpr_at_fpr_10"] == 0.5  # the third fake ties with a second real


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([0, 1, 1], [0.1, np.nan, 0.2], "1 of 3 scores are not finite"),
        ([0, 1, 1], [0.1, np.inf, 0.2], "not finite"),
        ([0, 1], [0.1, 0.2, 0.3], "equal length"),
        ([0, 2], [0.1, 0.2], "0 .real. or 1 .fake."),
        ([1, 1], [0.1, 0.2], "all 2 videos are fake"),
        ([0, 0], [0.1, 0.2], "all 2 videos are real"),
    ],
)
def test_nonsense_is_refused(labels, scores, says):
    with pytest.raises(ValueError, match=says):
        score_metrics(labels, scores)
