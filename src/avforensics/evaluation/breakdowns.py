"""Results by group: does a detector perform worse for some people or files, or flag them more
often?

Groups are the values of any column, such as gender, language, method or duration. Each group is
compared with all other videos whose group is known, on the same resamples of identities. The
p-values are corrected for all comparisons together, because one in twenty groups differs "at 5 %"
by chance.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from scipy import stats

from avforensics.errors import ConfigError
from avforensics.evaluation.bootstrap import Bootstrap
from avforensics.evaluation.delong import holm
from avforensics.evaluation.metrics import RocCurve
from avforensics.evaluation.rows import ScoredVideo, printable
from avforensics.evaluation.summary import category_of, identity_of

GROUP_METRICS = {"auc": "AUC", "false_alarms": "false alarms"}  # names in JSON and in text
_FEW_VALUES = 8  # a column with more distinct numbers is binned


def value_of(row: ScoredVideo, column: str) -> str:
    """Return a video's value in a column; empty = unknown."""
    if column == "category":
        return category_of(row) if row.label else ""
    return row.identity if column == "identity" else row.attributes.get(column) or ""


def break_down(
    rows: Sequence[ScoredVideo],
    columns: Sequence[str],
    *,
    threshold: float | None,
    bins: int = 3,
    min_videos: int = 20,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict:
    """Compute results by group for several columns.

    Parameters
    ----------
    rows : sequence of ScoredVideo
        All listed videos, each once, scored or not.
    columns : sequence of str
        Names of attributes, or ``category``. A column of numbers with more than eight distinct
        values is binned into ``bins`` ranges of equally many videos. If no value occurs in both
        real and fake videos, the column applies to fakes only, and each group of fakes is compared
        with all real videos.
    threshold : float or None
        Score above which a video is called fake; None = no false-alarm rates.
    min_videos : int
        A group with fewer real or fewer fake videos has no AUC; a group with fewer real videos has
        no false-alarm rate. Groups with neither are listed under ``left_out`` with their counts.
    resamples, level, seed
        See `Bootstrap`.

    Returns
    -------
    dict
        All values can be written as JSON. For each column, ``columns`` holds ``groups`` (results by
        value: counts, ``auc`` and ``false_alarms``, and for both metrics ``_ci``, ``_gap``,
        ``_gap_ci``, ``_gap_p`` and ``_gap_p_holm``), ``left_out`` and ``unknown`` (the number of
        videos without a value). ``absent`` lists the columns without any values.

    Raises
    ------
    ConfigError
        No real or no fake video has a score.
    """
    scored = [row for row in rows if row.counts]
    labels = np.array([row.label for row in scored], dtype=np.int64)
    if not 0 < labels.sum() < len(labels):
        raise ConfigError("breakdowns need scored videos of both classes")
    people = [identity_of(row) for row in scored]
    bootstrap = Bootstrap(labels, people, resamples=resamples, level=level, seed=seed)
    work = _Work(scored, bootstrap, threshold, min_videos)
    present = [column for column in columns if any(value_of(row, column) for row in rows)]
    found = {column: work.column(*_grouped(rows, column, bins)) for column in present}
    _correct(found.values())
    return {
        "threshold": threshold,
        "min_videos": min_videos,
        "level": level,
        "resamples": resamples,
        "seed": seed,
        "columns": found,
        "absent": [column for column in columns if column not in present],
    }


class _Work:
    """Compute results for groups of scored videos."""

    def __init__(
        self,
        scored: Sequence[ScoredVideo],
        bootstrap: Bootstrap,
        threshold: float | None,
        min_videos: int,
    ) -> None:
        self.scored, self.bootstrap, self.min_videos = scored, bootstrap, min_videos
        self.scores = np.array([row.score for row in scored])
        self.real = bootstrap.labels == 0
        self.called = None if threshold is None else self.scores > threshold

    def column(self, values: Sequence[str], listed: Counter, order: Sequence[str]) -> dict:
        """Compute the results of each group of one column; ``values``: one per scored video."""
        values = np.array(values, dtype=object)
        known = values != ""
        shared = set(values[known & self.real]) & set(values[known & ~self.real])
        of_fakes = not shared and bool((known & ~self.real).any())
        groups, left_out, results = {}, {}, {}
        for name in order:
            fakes = np.flatnonzero((values == name) & ~self.real)
            reals = np.flatnonzero((values == name) & self.real)
            if of_fakes:
                if not len(fakes):
                    continue
                reals = np.flatnonzero(self.real)
                others = np.flatnonzero(self.real | (known & ~self.real & (values != name)))
            else:
                others = np.flatnonzero(known & (values != name))
            counts = {"listed": listed[name], "scored": int((values == name).sum())}
            counts |= {"n_real": len(reals), "n_fake": len(fakes)}
            rows = np.sort(np.concatenate([reals, fakes]))
            pair = {"auc": (rows, others)}
            if self.called is not None and not of_fakes:
                pair["false_alarms"] = (reals, others[self.real[others]])
            results[name] = {m: self._compared(m, *both) for m, both in pair.items()}
            if not any(results[name].values()):
                left_out[name] = counts
                continue
            n_real, n_fake = self.bootstrap.identities(rows)
            groups[name] = counts | {"n_real_identities": n_real, "n_fake_identities": n_fake}
            for block in results[name].values():
                groups[name] |= block
        unknown = ~known & ~self.real if of_fakes else ~known
        return {
            "groups": groups,
            "left_out": left_out,
            "unknown": int(unknown.sum()),
            "fakes_only": of_fakes,
        }

    def _compared(self, metric: str, rows: np.ndarray, others: np.ndarray) -> dict:
        """Compare a group's metric with that of all other videos; {} if there are too few
        videos.
        """
        if not self._enough(metric, rows):
            return {}
        value, drawn, interval = self._result(metric, rows)
        block = {metric: value, f"{metric}_ci": interval}
        if not self._enough(metric, others):
            return block
        of_others = self._result(metric, others)
        gap = value - of_others[0]
        between = self._gap_interval(drawn - of_others[1], gap, rows, others, interval, of_others)
        p_value = None if between is None else self._p_value(gap, between, rows, others)
        gaps = {f"{metric}_gap": gap, f"{metric}_gap_ci": between, f"{metric}_gap_p": p_value}
        return block | gaps

    def _enough(self, metric: str, rows: np.ndarray) -> bool:
        n_real = int(self.real[rows].sum())
        return min(n_real, len(rows) - n_real if metric == "auc" else n_real) >= self.min_videos

    def _result(self, metric: str, rows: np.ndarray) -> tuple[float, np.ndarray, list | None]:
        """Return a metric of some videos, its resamples and its interval."""
        if metric == "auc":
            scores = self.scores[rows]
            value = float(RocCurve.from_scores(self.bootstrap.labels[rows], scores).auc())
            drawn = self.bootstrap.values(scores, ("auc",), rows)["auc"]
        else:
            value = float(self.called[rows].mean())
            drawn = self.bootstrap.rate(self.called[rows], rows)
        interval = self.bootstrap.auc_interval(drawn, rows)
        return value, drawn, None if interval is None else list(interval)

    def _gap_interval(self, drawn, gap, rows, others, own, of_others) -> list | None:
        """Compute a gap's interval: bootstrap, or Newcombe (1998) if either rate is 0 or 1.

        A rate of 0 or 1 has a bootstrap interval of zero width, so the difference would seem as
        certain as the other rate alone.
        """
        value, _, other = of_others
        if own is None or other is None:
            return None
        mine = value + gap
        if not {mine, value} & {0.0, 1.0}:
            scarce = min(rows, others, key=self._people)
            interval = self.bootstrap.interval(drawn, scarce)
            return None if interval is None else list(interval)
        low = gap - math.hypot(mine - own[0], other[1] - value)
        high = gap + math.hypot(own[1] - mine, value - other[0])
        return [low, high]

    def _people(self, rows: np.ndarray) -> int:
        return min(n for n in self.bootstrap.identities(rows) if n)

    def _p_value(self, gap: float, interval: Sequence[float], rows, others) -> float:
        """Compute the two-sided p-value that matches the interval: 1 - level if an end is 0."""
        half = gap - interval[0] if gap > 0 else interval[1] - gap
        freedom = min(self._people(rows), self._people(others)) - 1
        if not gap or half <= 0:
            return 1.0 if not gap else 0.0
        edge = stats.t.ppf((1 + self.bootstrap.level) / 2, freedom)
        return float(2 * stats.t.sf(edge * abs(gap) / half, freedom))


def _grouped(
    rows: Sequence[ScoredVideo], column: str, bins: int
) -> tuple[list[str], Counter, list[str]]:
    """Return scored videos' groups, the number of listed videos by group, and the group order."""
    values = [value_of(row, column) for row in rows]
    numbers = [_number(value) for value in values if value]
    if None in numbers or len(set(numbers)) <= _FEW_VALUES:
        order = sorted(set(filter(None, values)), key=_natural)
    else:
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1]))
        order = _ranges(edges)
        values = [v and order[int(np.searchsorted(edges, float(v)))] for v in values]
    kept = [value for value, row in zip(values, rows, strict=True) if row.counts]
    return kept, Counter(values), order


def _ranges(edges: np.ndarray) -> list[str]:
    """Name the ranges between edges; an edge belongs to the range below it."""
    digits = 4
    while len(names := [f"{edge:.{digits}g}" for edge in edges]) > len(set(names)):
        digits += 1
    between = [f"above {low} to {high}" for low, high in pairwise(names)]
    return [f"up to {names[0]}", *between, f"above {names[-1]}"]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _natural(text: str) -> list:
    """Return a sort key that puts v2 before v10."""
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", text) if p]


def _correct(columns: Iterable[Mapping]) -> None:
    """Add Holm-corrected p-values over all gaps of all columns."""
    tested = []  # blocks with the same comparison, and the metric
    for of in columns:
        blocks = list(of["groups"].values())
        alone = len(blocks) == 2 and not of["left_out"]  # one comparison, not two
        for alike in [blocks] if alone else [[block] for block in blocks]:
            tested += [(alike, metric) for metric in GROUP_METRICS if f"{metric}_gap" in alike[0]]
    corrected = holm([alike[0][f"{metric}_gap_p"] for alike, metric in tested])
    for (alike, metric), p_value in zip(tested, corrected, strict=True):
        for block in alike:
            block[f"{metric}_gap_p_holm"] = p_value


def differences(found: Mapping) -> list[str]:
    """Describe each gap that is significant after correction, smallest p-value first."""
    chance = 1 - found["level"]
    kept = []
    for column, of in found["columns"].items():
        for name, block in of["groups"].items():
            for metric, what in GROUP_METRICS.items():
                p_value = block.get(f"{metric}_gap_p_holm")
                if p_value is not None and p_value < chance:
                    gap = 100 * block[f"{metric}_gap"]
                    text = f"{printable(column)} {printable(name)}: {what} {gap:+.1f} points "
                    kept.append((p_value, f"{text}against the others (Holm p {p_value:.2g})"))
    return [text for _, text in sorted(kept)]
