"""Curves and histograms of a run, drawn without pyplot and readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from avforensics.evaluation.metrics import RocCurve
from avforensics.evaluation.output import write_figure
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.summary import by_category

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, distinguishable with common forms of colour blindness."""

MARKERS = "osD^vPX*"
_STROKES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


def roc_figure(rows: Sequence[ScoredVideo], title: str = "") -> Figure:
    """Draw ROC curves, one per category; the dotted diagonal is chance."""
    figure, axes = _square(title, "false-positive rate", "true-positive rate")
    for name, labels, scores, style in _categories(rows):
        curve = RocCurve.from_scores(labels, scores)
        text = f"{name} (AUC {100 * curve.auc():.1f})"
        axes.plot(curve.fpr, curve.tpr, label=text, **style)
    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1, label="a coin")
    axes.legend(loc="lower right", fontsize=8)
    return figure


def pr_figure(rows: Sequence[ScoredVideo], title: str = "") -> Figure:
    """Draw precision-recall curves at 1:1 prevalence, which makes all categories comparable."""
    figure, axes = _square(title, "recall", "precision at 1:1")
    for name, labels, scores, style in _categories(rows):
        curve = RocCurve.from_scores(labels, scores)
        recall = curve.tpr[1:]
        precision = recall / (recall + curve.fpr[1:])
        text = f"{name} (AP {100 * curve.average_precision(balanced=True):.1f})"
        axes.plot(recall, precision, label=text, drawstyle="steps-pre", **style)
    axes.axhline(0.5, color="0.6", linestyle=":", linewidth=1, label="a coin")
    axes.legend(loc="lower left", fontsize=8)
    return figure


def histogram_figure(rows: Sequence[ScoredVideo], title: str = "") -> Figure:
    """Draw histograms of scores, one panel per category, with the real videos in grey.

    The 30 bins extend from the lowest score to the 99th percentile; higher scores fall into the
    last bin, so that outliers do not flatten the histogram.
    """
    scored = [row for row in rows if row.counts]
    kinds = by_category(scored) or {"": []}
    scores = np.array([row.score for row in scored] or [0.0])
    edges = np.linspace(scores.min(), max(np.quantile(scores, 0.99), scores.min() + 1e-9), 31)
    figure = Figure(figsize=(5.2, 1.0 + 1.3 * len(kinds)), layout="constrained")
    panels = figure.subplots(len(kinds), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for place, (axes, (name, fakes)) in enumerate(zip(panels, kinds.items(), strict=True)):
        real = np.clip([row.score for row in scored if row.label == 0], None, edges[-1])
        if len(real):
            axes.hist(real, edges, density=True, color="0.75", label="real")
        if fakes:
            values = np.clip([row.score for row in fakes], None, edges[-1])
            colour = COLOURS[place % len(COLOURS)]
            axes.hist(values, edges, density=True, histtype="step", color=colour, label=name)
        axes.set_ylabel("density")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    panels[-1].set_xlabel("score (higher = more likely fake)")
    figure.suptitle(fill(title, 52), fontsize=11)
    return figure


def write_figures(rows: Sequence[ScoredVideo], folder: str | PathLike, title: str = "") -> None:
    """Write the figures ``roc.png``, ``pr.png`` and ``scores.png``."""
    figures = {"roc": roc_figure, "pr": pr_figure, "scores": histogram_figure}
    for stem, draw in figures.items():
        write_figure(f"{folder}/{stem}.png", draw(rows, title))


def _categories(rows: Sequence[ScoredVideo]):
    """Yield name, labels, scores and line style of each category, together with all real videos."""
    scored = [row for row in rows if row.counts]
    real = [row.score for row in scored if row.label == 0]
    for place, (name, fakes) in enumerate(by_category(scored).items() if real else ()):
        scores = np.array(real + [row.score for row in fakes])
        labels = np.repeat([0, 1], [len(real), len(fakes)])
        # the styles of the first 42 categories differ
        colour, stroke = COLOURS[place % len(COLOURS)], _STROKES[place % len(_STROKES)]
        yield name, labels, scores, {"color": colour, "linestyle": stroke, "linewidth": 1.6}


def _square(title: str, x: str, y: str):
    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y, aspect="equal")
    figure.suptitle(fill(title, 46), fontsize=11)
    axes.grid(color="0.92")
    return figure, axes
