"""Likelihood ratios with their populations: when they are given and when they are refused."""

import numpy as np
import pytest

from avforensics.errors import ConfigError
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.likelihood import cllr, cllr_min
from avforensics.evaluation.strength import LikelihoodRatio, Sample, other_population
from avforensics.evaluation.validation import write_validation


def reals(random, n=120, of_each=3):
    return Sample(random.normal(0, 1, n), [f"person {i // of_each}" for i in range(n)])


def fakes(random, n=120, generators=6, apart=2.0):
    """Draw forgeries whose generators differ a little."""
    own = random.normal(0, 0.3, generators)
    made = np.arange(n) % generators
    values = random.normal(apart, 1, n) + own[made]
    return Sample(values, [f"victim {i}" for i in range(n)], [f"generator {g}" for g in made])


def fit(random, **choices):
    return LikelihoodRatio.fit(reals(random), fakes(random), of="evidence", **choices)


@pytest.mark.parametrize("method", ["logistic", "kde"])
def test_ratios_are_calibrated_on_unseen_people_and_generators(method):
    """On matched populations."""
    gaps = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        found = fit(random, method=method)
        assert found.refused is None, found.refused
        unseen = np.concatenate([random.normal(0, 1, 500), fakes(random, 500, 50).values])
        labels = np.repeat([0, 1], 500)
        log10 = np.array([found(value).log10 for value in unseen])
        assert cllr(log10, labels) < 1
        gaps.append(cllr(log10, labels) - cllr_min(log10, labels))
    assert np.mean(gaps) < 0.05


def test_a_ratio_is_never_beyond_what_was_validated():
    found = fit(np.random.default_rng(0), method="kde")
    lower, upper = found.arrays["bounds"]
    assert -np.log10(121) <= lower < 0 < upper <= np.log10(121)
    for value in (-50.0, -3.0, 0.0, 1.0, 5.0, 50.0):
        one = found(value)
        assert lower <= one.low <= one.log10 <= one.high <= upper
    assert found(50.0).at_bound and found(-50.0).at_bound
    assert not found(1.0).at_bound
    assert found(2.0).log10 > found(1.0).log10 > found(0.0).log10


def test_every_video_is_validated_by_a_fit_that_saw_neither_its_person_nor_its_generator():
    """One generator is the opposite of all others; a fit that includes it would hide this."""
    random = np.random.default_rng(1)
    made = np.repeat(["a", "b", "c", "d"], 30)
    values = np.where(made == "d", -6.0, 3.0) + random.normal(0, 0.3, 120)
    sample = Sample(values, [f"v{i}" for i in range(120)], list(made))
    found = LikelihoodRatio.fit(reals(random), sample, of="evidence")
    assert found.about["cllr_by_generator"]["d"] > 1 > found.about["cllr_by_generator"]["a"]


def test_refused_where_ratios_do_not_help_on_unseen_generators():
    random = np.random.default_rng(2)
    made = np.repeat(["a", "b", "c"], 40)
    values = np.select([made == "a", made == "b"], [-8.0, 8.0], 0.0) + random.normal(0, 0.1, 120)
    found = LikelihoodRatio.fit(reals(random), Sample(values, made, list(made)), of="score")
    assert found.about["cllr"] >= 1
    assert "worse than no ratios (Cllr" in found.refused
    assert found(1.0) is None


@pytest.mark.parametrize(
    ("of_reals", "of_fakes", "says"),
    [
        ((49, 3), (60, 4), "49 real videos (at least 50 are needed)"),
        ((60, 3), (20, 4), "20 forgeries (at least 50 are needed)"),
        ((60, 3), (60, 2), "2 generators (at least 3 are needed)"),
        ((60, 30), (60, 4), "2 people in real videos (at least 10 are needed)"),
    ],
)
def test_refused_where_a_population_is_too_small(of_reals, of_fakes, says):
    random = np.random.default_rng(3)
    sample = reals(random, *of_reals)
    found = LikelihoodRatio.fit(sample, fakes(random, *of_fakes), of="evidence")
    assert found(1.0) is None
    assert says in found.refused


def test_a_planted_mismatch_of_populations_is_found():
    random = np.random.default_rng(4)
    known = random.normal(0, 1, 120)
    assert other_population(known, random.normal(0, 1, 60)) is None
    reason = other_population(known, random.normal(1, 1, 60))
    assert reason.startswith("the 60 real videos of the other set differ from the 120")
    found = fit(np.random.default_rng(5)).refuse(reason)
    assert found(1.0) is None and found.refused == reason


def test_a_file_gives_the_same_ratios(tmp_path):
    found = fit(np.random.default_rng(6), kinds=["lip-sync", "portrait", "lip-sync"])
    Calibration(np.arange(3.0), {}, {}, None, found).save(tmp_path / "c.safetensors")
    again = Calibration.load(tmp_path / "c.safetensors").likelihood
    assert again(1.3) == found(1.3)
    assert again.about == found.about
    assert again.about["kinds"] == ["lip-sync", "portrait"]
    refused = found.refuse("for a reason")
    Calibration(np.arange(3.0), {}, {}, None, refused).save(tmp_path / "c.safetensors")
    assert Calibration.load(tmp_path / "c.safetensors").likelihood.refused == "for a reason"


def test_figures_and_numbers_are_written(tmp_path):
    write_validation(fit(np.random.default_rng(7)), tmp_path)
    names = ["likelihood.json", "reliability.png", "tippett.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all((tmp_path / name).stat().st_size > 300 for name in names)


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="one of logistic, kde, got 'svm'"):
        fit(np.random.default_rng(8), method="svm")
