"""Compare many settings in a table and a figure (the paper's Fig. 5 and 6, and a curve over lam).

Points come from one pass over a feature store, or from folders of finished evaluations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from avforensics.applicability import Limits
from avforensics.checkpoints import Models
from avforensics.data.tables import write_table
from avforensics.errors import ConfigError, ManifestError
from avforensics.evaluation.figures import COLOURS, MARKERS
from avforensics.evaluation.output import percent, write_figure
from avforensics.evaluation.rows import ScoredVideo, printable
from avforensics.evaluation.shared import MAIN_METRICS
from avforensics.evaluation.stored import StoreScorer, one_thread
from avforensics.evaluation.stored_score import StoredScore, scored_video, video_names
from avforensics.evaluation.summary import summarise
from avforensics.evaluation.tables import block_of, blocks, flat, headline
from avforensics.features.store import FeatureStore
from avforensics.files import typed_path, write_text
from avforensics.scoring.sequences import SequencePolicy
from avforensics.scoring.statistics import check_statistics
from avforensics.tables import Table

AVERAGES = ("AVG-ALL", "AVG-FV")
MOST_LINES = 7


@dataclass(frozen=True)
class Point:
    """Result of one combination of settings."""

    settings: Mapping[str, object]
    summary: Mapping  # from `summarise`


def sweep_store(
    store: FeatureStore,
    models: Models,
    chosen: Sequence[int],
    *,
    lams: Sequence[float],
    max_lens: Sequence[int],
    statistics: Sequence[str] = (),
    windows: str = "first",
    audio: str = "pad",
    part: str = "both",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    limits: Limits | None = None,
    advance: Callable[[], None] = lambda: None,
) -> list[Point]:
    """Evaluate all combinations of lam and max_len; features are read once.

    Parameters
    ----------
    store, models
        As in `StoreScorer`.
    chosen : sequence of int
        Indices of the clips.
    statistics : sequence of str
        Statistics to evaluate as additional points, next to the published score.
    windows, audio : str
        As in `SequencePolicy`.
    part : {"both", "distribution", "activation"}
        Part of the score.
    resamples, level, seed
        See `Bootstrap`.
    limits : Limits, optional
        Limits beyond which videos are excluded from metrics.
    advance : callable
        Called after each video.

    Raises
    ------
    ConfigError
        A list is empty, or the models or features do not support a value.
    """
    if not lams or not max_lens:
        raise ConfigError("a sweep needs at least one lam and one max_len")
    policies = [SequencePolicy(max_len=n, windows=windows, audio=audio) for n in max_lens]
    scorers = [StoreScorer(store, models, policy, lams=lams, part=part) for policy in policies]
    names = check_statistics(statistics) if statistics else ()
    names = [name for name in names if name != "score"]  # the first points
    places = [(i, j, "") for i in range(len(max_lens)) for j in range(len(lams))]
    places += [(i, 0, name) for i in range(len(max_lens)) for name in names]
    rows: dict[tuple[int, int, str], list[ScoredVideo]] = {place: [] for place in places}
    called = video_names(store)
    for index in chosen:
        with one_thread():
            of_policies = _score_all(scorers, index)
        for (i, j, name), of in rows.items():
            row = scored_video(store, of_policies[i], j, part=part, limits=limits, names=called)
            of.append(replace(_by_statistic(row, name) if name else row, statistics={}))
        advance()
    points = []
    for (i, j, name), of in rows.items():
        settings = {"lam": float(lams[j]), "max_len": max_lens[i]}
        settings |= {"score": name or "score"} if names else {}
        summary = summarise(of, resamples=resamples, level=level, seed=seed)
        points.append(Point(settings, summary))
    return points


def _by_statistic(row: ScoredVideo, name: str) -> ScoredVideo:
    """Use the statistic ``name`` as the score."""
    value = row.statistics.get(name)
    missing = f"no {name}" if value is None else None
    return replace(row, score=value, error=row.error or missing)


def _score_all(scorers: Sequence[StoreScorer], index: int) -> list[StoredScore]:
    """Score one clip under every policy, reading its features once."""
    store = scorers[0].store
    if store[index].error is not None:
        return [StoredScore(index, error=store[index].error)] * len(scorers)
    features = scorers[0].features(index)
    return [replace(scorer.judge(index, features), baselines={}) for scorer in scorers]


def read_runs(folder: str | PathLike, settings: Sequence[str]) -> list[Point]:
    """Read finished evaluations as points: every ``*/metrics.json`` in a folder.

    Parameters
    ----------
    folder : path
        Parent folder of the runs, e.g. the ``output_dir`` of ``avforensics evaluate -m``.
    settings : sequence of str
        Dotted names of the settings that distinguish the runs, as in ``made_with.config`` of each
        metrics.json.

    Raises
    ------
    ManifestError
        There are no runs, or a run lacks a setting.
    """
    points = []
    for path in sorted(typed_path(folder).glob("*/metrics.json")):
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
            summary["averages"], summary["overall"], summary["coverage"]["not_scored"]
        except (OSError, ValueError, KeyError, TypeError):
            raise ManifestError(f"{path}: not written by avforensics evaluate") from None
        values = {name: _value(summary, name, path) for name in settings}
        points.append(Point({_short(name, settings): v for name, v in values.items()}, summary))
    if not points:
        raise ManifestError(f"{folder}: no metrics.json in any of its folders")
    return points


def _value(summary: Mapping, name: str, path: Path) -> object:
    value = summary.get("made_with", {}).get("config", {})
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ManifestError(f"{path}: this run has no setting {name}")
        value = value[part]
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _short(name: str, names: Sequence[str]) -> str:
    last = name.rsplit(".", 1)[-1]
    return last if sum(other.rsplit(".", 1)[-1] == last for other in names) == 1 else name


def axes_of(points: Sequence[Point]) -> list[str]:
    """Return the settings that vary, starting with the setting that has the most values."""
    counts = {name: len(_values(points, name)) for name in points[0].settings}
    return sorted((name for name in counts if counts[name] > 1), key=lambda name: -counts[name])


def only_varying(points: Sequence[Point]) -> list[Point]:
    """Return the points without constant settings."""
    varying = set(axes_of(points))
    return [
        Point({k: v for k, v in point.settings.items() if k in varying}, point.summary)
        for point in points
    ]


def write_sweep(points: Sequence[Point], folder: str | PathLike, title: str = "") -> None:
    """Write sweep.csv (all numbers), sweep.md (AUC and AP by setting) and sweep.png."""
    header, *rows = long_table(points)
    write_table(f"{folder}/sweep.csv", header, rows)
    heading = f"### {title}\n\n" if title else ""
    write_text(f"{folder}/sweep.md", heading + Table(short_table(points)).markdown())
    write_figure(f"{folder}/sweep.png", sweep_figure(points, title))


def long_table(points: Sequence[Point]) -> list[list]:
    """Return one line per setting and result, at full precision, header first."""
    intervals = [f"{metric}_{end}" for metric in MAIN_METRICS for end in ("low", "high")]
    table = [[*points[0].settings, "category", "n_real", "n_fake", *MAIN_METRICS, *intervals]]
    for point in points:
        for category, block in blocks(point.summary):
            counts = [block.get(name) for name in ("n_real", "n_fake")]
            table.append([*point.settings.values(), category, *counts, *flat(block, MAIN_METRICS)])
    return table


def short_table(points: Sequence[Point]) -> list[list[str]]:
    """Return one line per setting, with ``AP/AUC`` in % by category as in the paper."""
    names = list(points[0].settings)
    found = [dict(blocks(point.summary)) for point in points]
    columns = list(dict.fromkeys(name for blocks_ in found for name in blocks_))
    table = [[*names, *columns]]
    for point, blocks_ in zip(points, found, strict=True):
        cells = [
            "/".join(percent(blocks_.get(column, {}).get(metric)) for metric in ("ap", "auc"))
            for column in columns
        ]
        table.append([*map(value_text, point.settings.values()), *cells])
    return table


def best(points: Sequence[Point]) -> Point:
    """Return the point with the highest AUC of the result that `headline` selects."""
    result = _result(points)
    return max(points, key=lambda point: block_of(point.summary, result).get("auc") or -1.0)


def sweep_figure(points: Sequence[Point], title: str = "") -> Figure:
    """Draw the AUC over each of the first two varying settings.

    There is one panel per setting, with one line per value of the other setting. Only the first
    line shows its interval.
    """
    axes = axes_of(points)[:2] or list(points[0].settings)[:1]
    figure = Figure(figsize=(4.6 * len(axes), 3.8), layout="constrained")
    panels = figure.subplots(1, len(axes), sharey=True, squeeze=False)[0]
    result = _result(points)
    for panel, x in zip(panels, axes, strict=True):
        other = next((axis for axis in axes if axis != x), None)
        lines = _some(_values(points, other)) if other else [None]
        as_text = any(isinstance(value, str) for value in _values(points, x))
        for place, value in enumerate(lines):
            chosen = [p for p in points if other is None or p.settings[other] == value]
            label = "" if other is None else f"{other} {value_text(value)}"
            _line(panel, chosen, x, place, label, result, as_text=as_text)
        panel.set_xlabel(x)
        panel.grid(color="0.92")
        if other:
            panel.legend(fontsize=8)
    panels[0].set_ylabel(f"AUC, {result} (%)")
    figure.suptitle(title, fontsize=11)
    return figure


def _line(
    panel, points: Sequence[Point], x: str, place: int, label: str, result: str, *, as_text: bool
) -> None:
    points = sorted(points, key=lambda point: _order(point.settings[x]))
    found = [block_of(point.summary, result) for point in points]
    where = [point.settings[x] for point in points]
    if as_text:
        where = [value_text(value) for value in where]
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    auc = [np.nan if b.get("auc") is None else 100 * b["auc"] for b in found]
    panel.plot(where, auc, color=colour, marker=marker, markersize=4, label=label or None)
    if place == 0:  # bands of several lines would hide each other
        ends = [b.get("auc_ci") or (np.nan, np.nan) for b in found]
        low, high = 100 * np.array(ends, dtype=float).T
        panel.fill_between(
            where, low, high, color=colour, alpha=0.15, linewidth=0, label="95 % interval"
        )


def unscored(points: Sequence[Point]) -> dict[str, list[str]]:
    """Return the paths of the videos without a score at any point, by reason."""
    found: dict[str, dict[str, None]] = {}
    for point in points:
        for item in point.summary["coverage"]["not_scored"]:
            found.setdefault(item["reason"], {})[item["path"]] = None
    return {reason: list(paths) for reason, paths in found.items()}


def _result(points: Sequence[Point]) -> str:
    return headline((point.summary for point in points), AVERAGES)


def _values(points: Sequence[Point], name: str) -> list:
    return sorted({point.settings[name] for point in points}, key=_order)


def _order(value: object) -> tuple[bool, float, str]:
    """Return a sort key: numbers by value, then everything else by name."""
    text = not isinstance(value, int | float)
    return text, 0.0 if text else value, str(value)


def _some(values: list) -> list:
    """Return at most `MOST_LINES` values, evenly spaced."""
    if len(values) <= MOST_LINES:
        return values
    places = np.linspace(0, len(values) - 1, MOST_LINES).round().astype(int)
    return [values[place] for place in places]


def value_text(value: object) -> str:
    """Format a setting's value for tables and labels."""
    return f"{value:g}" if isinstance(value, float) else printable(str(value))
