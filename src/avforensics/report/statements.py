"""Express evidence and likelihood ratios in words, as plain text that the pages escape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avforensics.report.sentences import number, percent

LIMITS = (
    "Forgeries that keep lips and sound in sync, such as most face swaps, are not detected.",
    "Videos whose picture and sound were generated together and match are not detected.",
    "Without speech of a visible speaker (music, voice-over, dubbing) the numbers mean nothing.",
    "A constant offset between sound and picture is not a sign of manipulation.",
    "No number here is the probability that the video is forged.",
)
"""Statements that accompany every result."""

# Upper limit of ratios, and words for ratios below it (ENFSI guideline for evaluative reporting,
# 2015).
_STRENGTHS = (
    (2, "no support for one proposition over the other"),
    (10, "weak support"),
    (100, "moderate support"),
    (1_000, "moderately strong support"),
    (10_000, "strong support"),
    (1_000_000, "very strong support"),
)


def evidence_meaning(p_value: float, n_real: int, statistics: Sequence[str]) -> str:
    """State how many real videos have fused statistics that are at least as unusual."""
    count = len(statistics)
    by = "By one measure" if count == 1 else f"By {count} measures together"
    if p_value <= 1 / (n_real + 1):
        return f"{by}, every one of {n_real:,} real videos is less unusual."
    return f"{by}, {percent(p_value)} of {n_real:,} real videos are at least as unusual."


def propositions(kinds: Sequence[str], generators: Sequence[str]) -> tuple[str, str]:
    """Return the two propositions that a likelihood ratio compares: forged and real."""
    what = f"forged ({', '.join(kinds)})" if kinds else "forged"
    count = len(generators)
    return (
        f"the video is {what} by generators like the {count} of the calibration",
        "the video is real, like those of the calibration",
    )


def ratio_statement(about: Mapping[str, Any], found: Mapping[str, Any] | None) -> str:
    """State the ratio, its interval, both propositions and the populations.

    Parameters
    ----------
    about : mapping
        Content of `LikelihoodRatio.about`.
    found : mapping or None
        Ratio as ``log10``, ``low``, ``high`` and ``at_bound``; None = no ratio.
    """
    if found is None:
        reason = (
            about.get("refused")
            or "this video cannot be compared with the videos of the calibration"
        )
        return f"No likelihood ratio: {reason}."
    forged, real = propositions(about["kinds"], about["generators"])
    population = (
        f"{about['n_real']:,} real videos of {about['n_people']:,} people and {about['n_fake']:,} "
        f"forgeries; on held-out people and generators, Cllr {about['cllr']:.2f}"
    )
    if 10 ** abs(found["log10"]) < 2:
        return (
            f"Inconclusive: what was observed is about as probable if {forged} as if {real} "
            f"({_interval(found)}; {population})."
        )
    more, less = (forged, real) if found["log10"] > 0 else (real, forged)
    times = number(10 ** abs(found["log10"]), 2)
    bound = "at least " if found["at_bound"] else "about "
    return (
        f"What was observed is {bound}{times} times more probable if {more} than if {less}: "
        f"{strength(found['log10'])} ({_interval(found)}; {population}). This is not the "
        "probability that the video is forged."
    )


def strength(log10: float) -> str:
    """Express the strength of a ratio in words."""
    ratio = 10 ** abs(log10)
    return next((words for limit, words in _STRENGTHS if ratio < limit), "extremely strong support")


def _interval(found: Mapping[str, Any]) -> str:
    low, high = (_ratio(found[end]) for end in ("low", "high"))
    return f"ratio {_ratio(found['log10'])}, 95 % interval {low} to {high}"


def _ratio(log10: float) -> str:
    """Format a ratio: 10 as ``"10"``, 0.1 as ``"1/10"``."""
    text = number(10 ** abs(log10), 2)
    return f"1/{text}" if log10 < 0 and text != "1" else text
