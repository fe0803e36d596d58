"""Likelihood ratios against values by hand, `lir`, and data with known ratios."""

from unittest.mock import Mock

import numpy as np
import pytest

from avforensics.evaluation.likelihood import (
    METHODS,
    best_calibrated,
    cllr,
    cllr_min,
    elub,
    reliability,
    split,
    tippett,
)


def two_normals(seed=0, n_fake=200, n_real=300, apart=2.0):
    """Draw values of forgeries and real videos whose log10 ratio is known and linear."""
    random = np.random.default_rng(seed)
    values = np.concatenate([random.normal(apart, 1, n_fake), random.normal(0, 1, n_real)])
    labels = np.repeat([1, 0], [n_fake, n_real])
    return values, labels, (apart * values - apart**2 / 2) / np.log(10)


def test_cost_by_hand():
    assert cllr([0.0, 0.0], [1, 0]) == pytest.approx(1)  # ratios of 1 say nothing
    assert cllr([np.inf, -np.inf], [1, 0]) == 0
    assert cllr([-np.inf, 0.0], [1, 0]) == np.inf
    expected = 0.5 * (np.log2(1 + 1 / 9) + np.log2(1 + 1 / 4))
    assert cllr(np.log10([9, 1 / 4]), [1, 0]) == pytest.approx(expected)
    assert cllr(np.log10([9, 9, 9, 1 / 4]), [1, 1, 1, 0]) == pytest.approx(expected)


def test_the_best_calibration_keeps_the_ranking_and_costs_least():
    values, labels, _ = two_normals()
    best = best_calibrated(values, labels)
    ranked = best[np.argsort(values)]  # infinite at both ends
    assert (ranked[1:] >= ranked[:-1]).all()
    assert cllr(best, labels) == cllr_min(values, labels) <= cllr(values, labels)
    assert cllr_min(3 * values - 7, labels) == pytest.approx(cllr_min(values, labels))
    assert cllr_min([1.0, 2.0, 0.0], [1, 1, 0]) == 0


@pytest.mark.parametrize("method", METHODS)
def test_known_ratios_come_out(method):
    values, labels, true = two_normals(n_fake=4000, n_real=4000)
    found = METHODS[method](values, labels)(values)
    inner = np.abs(true) < 1
    assert np.abs(found - true)[inner].max() < 0.15
    assert cllr(found, labels) == pytest.approx(cllr(true, labels), abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_ratios_are_calibrated_on_unseen_videos_and_bounds_hold(seed):
    """The fit uses one sample, and the test another sample of the same populations."""
    values, labels, _ = two_normals(seed)
    ratio = METHODS["logistic"](values, labels)
    lower, upper = elub(ratio(values), labels)
    assert -np.log10(201) <= lower < 0 < upper <= np.log10(301)
    unseen, truth, _ = two_normals(seed + 100, 1000, 1000)
    found = np.clip(ratio(unseen), lower, upper)
    assert cllr(found, truth) - cllr_min(found, truth) < 0.05
    # strong statements are rarely misleading: P(LR >= k | real) <= 1 / k
    for k in (2, 5, 10, 30):
        assert tippett(found[truth == 0], np.log10(k)) <= 1.5 / k
        assert 1 - tippett(found[truth == 1], -np.log10(k) + 1e-12) <= 1.5 / k


def test_bounds_of_ratios_that_say_nothing_or_mislead():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    assert elub(np.zeros(100), labels) == (0, 0)
    lower, upper = elub(random.normal(0, 2, 100), labels)  # values unrelated to the truth
    assert -0.5 < lower <= 0 <= upper < 0.5
    exaggerated = np.where(labels == 1, 6.0, -6.0)
    lower, upper = elub(exaggerated, labels)
    assert upper <= np.log10(51) and lower >= -np.log10(51)


def test_reliability_of_true_ratios_lies_on_the_diagonal():
    _, labels, true = two_normals(n_fake=5000, n_real=5000)
    stated, observed, counts = reliability(true, labels)
    assert counts.sum() == 10_000
    np.testing.assert_allclose(stated, observed, atol=0.05)


def test_tippett_counts_ratios_at_or_above():
    assert tippett([0.0, 1.0, 1.0, 2.0], [-1, 1, 1.5, 3]).tolist() == [1, 0.75, 0.25, 0]


def test_what_is_no_list_of_ratios_is_refused():
    with pytest.raises(ValueError, match="both must occur"):
        split([1.0, 2.0], [1, 1])
    with pytest.raises(ValueError, match="without NaN"):
        split([1.0, np.nan], [1, 0])


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_lir(seed):
    """Results equal those of the Netherlands Forensic Institute's package."""
    pytest.importorskip("lir.lrsystems")  # 1.3 and newer
    from lir.algorithms.bayeserror import elub as their_elub
    from lir.algorithms.kde import KDECalibrator
    from lir.algorithms.logistic_regression import LogitCalibrator
    from lir.data.models import LLRData
    from lir.metrics import cllr as their_cllr
    from lir.metrics import cllr_min as their_minimum
    from lir.plotting import tippett as their_tippett

    values, labels, true = two_normals(seed)
    ratios = [true, 3 * true, np.round(true, 1)]
    for found in ratios:
        data = LLRData(features=found.copy(), labels=labels)
        assert cllr(found, labels) == pytest.approx(their_cllr(data), abs=1e-6)
        assert cllr_min(found, labels) == pytest.approx(their_minimum(data), abs=1e-6)
        assert elub(found, labels) == pytest.approx(their_elub(found.copy(), labels), abs=1e-6)
        axes = Mock()
        their_tippett(data, ax=axes)
        for drawn, label in zip(axes.plot.call_args_list, (1, 0), strict=True):
            at, percent = drawn.args
            np.testing.assert_allclose(100 * tippett(found[labels == label], at), percent)
    theirs = LogitCalibrator().fit(values[:, None], labels).transform(values)
    np.testing.assert_allclose(METHODS["logistic"](values, labels)(values), theirs, atol=1e-6)
    theirs = KDECalibrator("silverman").fit(values, labels).transform(values)
    np.testing.assert_allclose(METHODS["kde"](values, labels)(values), theirs.ravel(), atol=1e-6)
