"""DeLong's test against its definition by pairs, and Holm's correction by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from avforensics.evaluation.delong import delong, holm


def by_definition(labels, *runs):
    """Compute DeLong et al. (1988) from all pairs: row and column means, then covariances."""
    m, n = int(sum(labels)), int(len(labels) - sum(labels))
    aucs, by_fake, by_real = [], [], []
    for scores in runs:
        fakes = [s for s, label in zip(scores, labels, strict=True) if label]
        reals = [s for s, label in zip(scores, labels, strict=True) if not label]
        kernel = [[(x > y) + 0.5 * (x == y) for y in reals] for x in fakes]
        aucs.append(sum(map(sum, kernel)) / (m * n))
        by_fake.append([sum(row) / n for row in kernel])
        by_real.append([sum(column) / m for column in zip(*kernel, strict=True)])
    spread = np.cov(by_fake) / m + np.cov(by_real) / n
    contrast = np.array([-1, 1])
    error = float(np.sqrt(contrast @ spread @ contrast))
    return (*aucs, error, 2 * (1 - stats.norm.cdf(abs(aucs[1] - aucs[0]) / error)))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("digits", [1, 12])  # with one digit, most scores are tied
def test_delong_is_its_definition(seed, digits):
    rng = np.random.default_rng(seed)
    labels = np.r_[np.ones(17 + seed), np.zeros(40 - seed)].astype(int)
    rng.shuffle(labels)
    common = rng.normal(size=len(labels)) + labels
    a, b = (np.round(common + rng.normal(size=len(labels)), digits) for _ in range(2))
    found = delong(labels, a, b)
    expected = by_definition(labels, a, b)
    assert (found.a, found.b, found.error, found.p_value) == pytest.approx(expected, abs=1e-10)
    assert found.a == pytest.approx(roc_auc_score(labels, a), abs=1e-12)
    assert found.difference == found.b - found.a
    turned = delong(labels, b, a)
    assert (turned.difference, turned.p_value) == (-found.difference, found.p_value)


def test_delong_is_a_public_implementation():
    """Results equal those of MLstatkit 0.1.91 (``Delong_test``), for scores with ties."""
    n = np.arange(60)
    labels = (n % 3 == 0).astype(int)
    a = (n * 37 % 61 + 20 * labels) / 100
    b = np.round((n * 23 % 59 + 14 * labels) / 100, 1)
    found = delong(labels, a, b)
    values = (found.a, found.b, found.error, found.p_value, found.difference / found.error)
    theirs = (0.7725, 0.605625, 0.11852417888386516, 0.15914866850405718, -1.4079405701980086)
    assert values == pytest.approx(theirs, abs=1e-10)


def test_what_cannot_be_tested():
    labels = np.array([1, 1, 0, 0])
    same = delong(labels, [4, 3, 2, 1], [8, 7, 6, 5])
    assert (same.difference, same.error, same.p_value) == (0, 0, 1)
    opposite = delong(labels, [4, 3, 2, 1], [1, 2, 3, 4])
    assert (opposite.difference, opposite.error, opposite.p_value) == (-1, 0, None)
    one_fake = delong([1, 0, 0], [3, 1, 2], [1, 2, 3])
    assert (one_fake.error, one_fake.p_value) == (None, None)
    with pytest.raises(ValueError, match="not finite"):
        delong(labels, [1, 2, 3, np.nan], [1, 2, 3, 4])


def test_holm_by_hand():
    # 0.01 * 4; 0.02 * 3; 0.03 * 2 = 0.06; 0.5 * 1
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    # the second would be 0.012 * 1, but is never below the first
    assert holm([0.011, 0.012]) == pytest.approx([0.022, 0.022])
    assert holm([0.6, 0.7, 0.04]) == pytest.approx([1.0, 1.0, 0.12])
    assert holm([None, 0.03, None]) == [None, 0.03, None]
    assert holm([]) == []
