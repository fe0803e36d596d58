"""Statements on evidence and likelihood ratios: propositions, ratio and populations."""

import pytest

from avforensics.report.statements import evidence_meaning, ratio_statement, strength

ABOUT = {
    "kinds": ["lip-sync", "portrait"],
    "generators": ["a", "b", "c"],
    "n_real": 1200,
    "n_people": 150,
    "n_fake": 300,
    "cllr": 0.543,
    "refused": None,
}


def ratio(log10, *, at_bound=False):
    return {"log10": log10, "low": log10 - 0.3, "high": log10 + 0.3, "at_bound": at_bound}


def test_a_ratio_names_both_propositions_its_interval_and_the_populations():
    said = ratio_statement(ABOUT, ratio(1.6))
    assert said.startswith(
        "What was observed is about 40 times more probable if the video is forged (lip-sync, "
        "portrait) by generators like the 3 of the calibration than if the video is real"
    )
    assert "moderate support (ratio 40, 95 % interval 20 to 79;" in said
    assert "1,200 real videos of 150 people and 300 forgeries" in said
    assert "on held-out people and generators, Cllr 0.54" in said
    assert "not the probability that the video is forged" in said


def test_a_ratio_for_a_real_video_says_so_and_a_bound_is_no_number():
    said = ratio_statement(ABOUT, ratio(-2.5, at_bound=True))
    assert said.startswith("What was observed is at least 316 times more probable if the video is")
    assert said.index("the video is real") < said.index("the video is forged")
    assert "ratio 1/316, 95 % interval 1/631 to 1/158" in said


@pytest.mark.parametrize("log10", [0.0, 0.29, -0.29])
def test_inconclusive_is_a_result(log10):
    said = ratio_statement(ABOUT, ratio(log10))
    assert said.startswith("Inconclusive: what was observed is about as probable if")
    assert "support" not in said


def test_no_ratio_says_why():
    assert ratio_statement({**ABOUT, "refused": "too few"}, None) == "No likelihood ratio: too few."
    assert "cannot be compared" in ratio_statement(ABOUT, None)


def test_strength_in_words():
    words = [strength(log10) for log10 in (0.1, 0.5, -1.5, 2.5, 3.5, -5, 7)]
    assert words == [
        "no support for one proposition over the other", "weak support", "moderate support",
        "moderately strong support", "strong support", "very strong support",
        "extremely strong support",
    ]  # fmt: skip


def test_evidence_is_a_share_of_real_videos():
    said = evidence_meaning(0.04, 120, ["entropy", "jump_rate"])
    assert said == (
        "By 2 measures together, 4\N{NO-BREAK SPACE}% of 120 real videos are at least as unusual."
    )
    assert (
        evidence_meaning(1 / 121, 120, ["entropy"])
        == "By one measure, every one of 120 real videos is less unusual."
    )
