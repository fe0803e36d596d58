"""Figures and numbers that validate likelihood ratios."""

from __future__ import annotations

from os import PathLike

import numpy as np
from matplotlib.figure import Figure

from avforensics.evaluation.figures import COLOURS
from avforensics.evaluation.likelihood import reliability, tippett
from avforensics.evaluation.output import write_figure
from avforensics.evaluation.strength import LikelihoodRatio
from avforensics.files import write_json


def write_validation(likelihood: LikelihoodRatio, folder: str | PathLike) -> None:
    """Write likelihood.json and, if ratios were validated, tippett.png and reliability.png."""
    write_json(f"{folder}/likelihood.json", dict(likelihood.about))
    if "validated_lr" in likelihood.arrays:
        log10 = likelihood.arrays["validated_lr"]
        labels = likelihood.arrays["validated_label"].astype(int)
        title = f"Cllr {likelihood.about['cllr']:.2f}, Cllr_min {likelihood.about['cllr_min']:.2f}"
        write_figure(f"{folder}/tippett.png", tippett_figure(log10, labels, title))
        write_figure(f"{folder}/reliability.png", reliability_figure(log10, labels, title))


def tippett_figure(log10: np.ndarray, labels: np.ndarray, title: str = "") -> Figure:
    """Draw the shares of forgeries and of reals whose ratio is at least the x-axis value."""
    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    panel = figure.subplots()
    at = np.linspace(min(log10.min(), -1), max(log10.max(), 1), 400)
    for label, name, colour in ((1, "forgeries", COLOURS[1]), (0, "real videos", COLOURS[0])):
        panel.plot(at, 100 * tippett(log10[labels == label], at), color=colour, label=name)
    panel.axvline(0, color="0.7", linewidth=0.8)
    panel.set_xlabel("log10 likelihood ratio (held-out people and generators)")
    panel.set_ylabel("share of ratios at least as high (%)")
    panel.set_title(title, fontsize=10)
    panel.grid(color="0.92")
    panel.legend(fontsize=8)
    return figure


def reliability_figure(log10: np.ndarray, labels: np.ndarray, title: str = "") -> Figure:
    """Draw the stated against the observed probability of a forgery, at prior odds of 1:1."""
    stated, observed, counts = reliability(log10, labels)
    figure = Figure(figsize=(4.2, 3.8), layout="constrained")
    panel = figure.subplots()
    panel.plot([0, 100], [0, 100], color="0.7", linewidth=0.8)
    panel.plot(100 * stated, 100 * observed, "o-", color=COLOURS[0], markersize=4)
    panel.set_xlabel("stated probability of a forgery (%)")
    panel.set_ylabel(f"observed (%), {counts.min()} to {counts.max()} videos per point")
    panel.set_title(title, fontsize=10)
    panel.grid(color="0.92")
    return figure
