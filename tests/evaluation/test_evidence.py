"""Evidence on synthetic statistics: what it detects, valid p-values, and saving to a file."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.metrics import roc_auc_score

from avforensics.errors import CheckpointError, ConfigError
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.evidence import DEFAULT_STATISTICS, Evidence, folds_of
from avforensics.evaluation.fusion import FUSIONS, NormalMap
from avforensics.evaluation.populations import traces
from avforensics.scoring.statistics import STATISTICS

MIX = np.random.default_rng(9).normal(size=(6, 6)) / 3 + np.eye(6)
FAST = [name for name in FUSIONS if name != "forest"]


def statistics(random, n, *, shift=0.0, columns=slice(None)):
    """Make statistics of synthetic videos: correlated normal numbers on realistic scales."""
    points = random.normal(size=(n, 6))
    points[:, columns] += shift
    points = points @ MIX
    rows = []
    for point in points:
        row = {}
        for name, number in zip(DEFAULT_STATISTICS, point, strict=True):
            inverse = {"share": lambda x: 1 / (1 + np.exp(-x)), "positive": np.exp}
            row[name] = float(inverse.get(STATISTICS[name].scale, lambda x: x)(number))
        rows.append(row)
    return rows


def people(n, of_each=2):
    return [f"person {number // of_each}" for number in range(n)]


def auc(evidence, reals, fakes):
    values = [evidence.value(one) for one in (*reals, *fakes)]
    return roc_auc_score(np.repeat([0, 1], [len(reals), len(fakes)]), values)


@pytest.mark.parametrize("kind", FUSIONS)
def test_both_sides_are_unusual_and_no_fake_is_needed(kind):
    random = np.random.default_rng(0)
    evidence = Evidence.fit(statistics(random, 120), people(120), kind=kind)
    many = 20 if kind == "forest" else 100
    reals = statistics(random, many)
    for shift in (-4.0, 4.0):
        assert auc(evidence, reals, statistics(random, many, shift=shift, columns=0)) > 0.8
    assert 0.3 < auc(evidence, reals, statistics(random, many)) < 0.7


def test_a_distance_sees_what_no_single_statistic_does():
    random = np.random.default_rng(1)
    common = random.normal(size=(300, 1))
    points = common + 0.1 * random.normal(size=(300, 2))
    names = ("constant_delay", "jump_rate")

    def rows(points):
        return [{names[0]: float(a), names[1]: float(1 / (1 + np.exp(-b)))} for a, b in points]

    odd = rows(points[:50] * [1, -1])  # each number is usual, but the combination is not
    evidence = Evidence.fit(rows(points[:200]), people(200), names=names, kind="mahalanobis")
    apart = Evidence.fit(rows(points[:200]), people(200), names=names, kind="min_p")
    assert auc(evidence, rows(points[200:]), odd) > 0.85 > auc(apart, rows(points[200:]), odd)


def test_a_tenth_of_odd_clips_among_the_reals_does_not_move_it():
    random = np.random.default_rng(2)
    reals, odd = statistics(random, 108), statistics(random, 12, shift=8.0)
    clean, mixed = (
        Evidence.fit(rows, people(len(rows)), kind="mahalanobis") for rows in (reals, reals + odd)
    )
    fakes, others = statistics(random, 60, shift=3.0, columns=1), statistics(random, 60)
    assert auc(mixed, others, fakes) > auc(clean, others, fakes) - 0.05


@pytest.mark.parametrize("kind", FAST)
def test_p_values_are_uniform_on_real_videos_of_unseen_people(kind):
    """Pool the p-values of several calibrations; a fit on all videos would make them too small."""
    found = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        evidence = Evidence.fit(statistics(random, 90), people(90), kind=kind)
        found += [evidence.p_value(evidence.value(one)) for one in statistics(random, 40)]
    assert kstest(found, "uniform").pvalue > 0.001
    assert np.mean(np.array(found) <= 0.05) < 0.08


def test_people_are_never_split():
    groups = ["a"] * 7 + ["b"] * 3 + ["c", "d", "e", "f"]
    folds = folds_of(groups, 3)
    assert sorted(set(folds)) == [0, 1, 2]
    assert len({fold for fold, group in zip(folds, groups, strict=True) if group == "a"}) == 1
    with pytest.raises(ConfigError, match="at least two people"):
        folds_of(["a", "a"])


def test_what_does_not_vary_is_no_division_by_zero():
    random = np.random.default_rng(3)
    reals = [row | {"at_delay": 1.0, "jump_rate": 0.0} for row in statistics(random, 60)]
    evidence = Evidence.fit(reals, people(60), kind="mahalanobis")
    odd = reals[0] | {"jump_rate": 0.5}
    assert evidence.value(odd) > 3 * np.quantile(evidence.scores, 0.9)
    assert evidence.value({"at_delay": 1.0}) is None


def test_one_side_where_a_statistic_has_one_meaning():
    random = np.random.default_rng(4)
    values = np.exp(random.normal(size=(200, 1)))
    low, high = values.min(axis=0)[None], values.max(axis=0)[None]
    one = NormalMap.fit(["naive_bayes"], values)
    assert one(low) == 0 and one(high) > 1
    two = NormalMap.fit(["naive_bayes"], values, sides="two")
    assert two(low) < -1 and two(high) == one(high)


def test_too_few_videos_and_unknown_words_are_refused():
    random = np.random.default_rng(5)
    few = statistics(random, 29)
    needed = "mahalanobis of 6 statistics needs at least 30 real videos, got 29"
    with pytest.raises(ConfigError, match=needed):
        Evidence.fit(few, people(29), kind="mahalanobis")
    assert len(Evidence.fit(few, people(29), kind="min_p").scores) == 29, "it has no covariance"
    with pytest.raises(ConfigError, match="min_p of 6 statistics needs at least 20 real videos"):
        Evidence.fit(few[:19], people(19), kind="min_p")
    rows = statistics(random, 30)
    with pytest.raises(ConfigError, match="one of mahalanobis, min_p"):
        Evidence.fit(rows, people(30), kind="mean")
    with pytest.raises(ConfigError, match=r"evidence\.sides must be"):
        Evidence.fit(rows, people(30), sides="left")
    with pytest.raises(ConfigError, match="statistic naive_bayes cannot be computed"):
        Evidence.fit(rows, people(30), names=[*DEFAULT_STATISTICS[:5], "naive_bayes"])


@pytest.mark.parametrize("kind", FUSIONS)
def test_a_file_gives_the_same_numbers(kind, tmp_path):
    random = np.random.default_rng(6)
    evidence = Evidence.fit(
        statistics(random, 60), people(60), kind=kind, delay_frequency=np.full(31, -3.4)
    )
    Calibration(np.arange(5.0), {"lam": 0.0}, {}, evidence).save(tmp_path / "c.safetensors")
    again = Calibration.load(tmp_path / "c.safetensors").evidence
    assert (again.names, again.kind, again.people) == (evidence.names, kind, evidence.people)
    one = statistics(random, 1)[0]
    assert again.value(one) == evidence.value(one)
    assert again.p_value(3.0) == evidence.p_value(3.0)
    np.testing.assert_array_equal(again.delay_frequency, np.full(31, -3.4))


def test_people_files_and_sources_of_the_calibration_are_refused():
    def entry(**values):
        known = {
            "identity": "",
            "path": "p.mp4",
            "category": "",
            "clip": SimpleNamespace(sha256=""),
        }
        return SimpleNamespace(**(known | values))

    clip = SimpleNamespace(sha256="abc")
    seen = traces(entry(identity="ann", category="news", clip=clip), "category")
    evidence = Evidence.fit(
        statistics(np.random.default_rng(7), 60), people(60), seen=seen, source="category"
    )
    evidence = Evidence.restore(evidence.header(), evidence.arrays)
    others = entry(identity="eve", category="talk", path="q.mp4"), entry(category="page")
    evidence.check_unseen(traces(other, evidence.source) for other in others)
    for known in ({"identity": "ann"}, {"category": "news"}, {"clip": clip}):
        tested = traces(entry(**known), evidence.source)
        with pytest.raises(ConfigError, match="1 of the tested videos share people, files or sou"):
            evidence.check_unseen([["somebody"], tested])
    assert traces(entry(category="news")) == ["p.mp4"]


def test_a_file_with_a_statistic_that_is_not_registered_is_one_sentence(tmp_path, monkeypatch):
    evidence = Evidence.fit(statistics(np.random.default_rng(7), 60), people(60))
    Calibration(np.arange(5.0), {}, {}, evidence).save(tmp_path / "c.safetensors")
    monkeypatch.delitem(STATISTICS, "jump_rate")
    with pytest.raises(CheckpointError, match=r"c\.safetensors: unknown statistic 'jump_rate'"):
        Calibration.load(tmp_path / "c.safetensors")
