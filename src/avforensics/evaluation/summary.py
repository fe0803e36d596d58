"""Summarise scored videos for ``metrics.json``: each category against the same real videos.

Each result has an interval, counts, and metrics of the baselines; listed videos without a score are
counted and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from avforensics.evaluation.bootstrap import Bootstrap
from avforensics.evaluation.metrics import METRICS, score_metrics
from avforensics.evaluation.rows import ScoredVideo, check_once, names_of, printable

PAPER_CATEGORIES = ("RVFA", "FVRA-WL", "FVFA-FS", "FVFA-GAN", "FVFA-WL")
"""FakeAVCeleb's categories in the order of the paper's Table 1."""

PAPER_AVERAGES: Mapping[str, tuple[str, ...]] = {
    "AVG-FV": PAPER_CATEGORIES[1:],
    "AVG-ALL": PAPER_CATEGORIES,
}
"""AVG-FV: mean of the four categories with fake video; AVG-ALL: of all five (Tables 1 and 3)."""

OTHERS = ("baselines", "statistics")
"""Groups of scores other than the model's; each has its own part of a block."""

_OTHER_METRICS = ("auc", "ap", "ap_balanced")


def summarise(
    rows: Sequence[ScoredVideo],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict:
    """Summarise a run for tables and files.

    Parameters
    ----------
    rows : sequence of ScoredVideo
        All listed videos, each once, scored or with its error.
    resamples, level, seed
        See :class:`avforensics.evaluation.bootstrap.Bootstrap`.

    Returns
    -------
    dict
        Plain values, ready for JSON: ``overall``, ``categories`` and ``averages`` (blocks of
        ``auc``, ``auc_ci`` and so on, fractions of 1, with ``baselines`` and ``statistics``),
        ``coverage``, ``intervals``, ``notes``.

    Raises
    ------
    ManifestError
        A video is listed twice.
    """
    check_once(rows)
    coverage = _coverage(rows)
    scored = [row for row in rows if row.counts]
    notes: list[str] = []
    summary = {
        "polarity": "1 = fake, higher score = more likely fake",
        "overall": {},
        "categories": {},
        "averages": {},
        "coverage": coverage,
        "intervals": {
            "level": level,
            "resamples": resamples,
            "seed": seed,
            "grouped_by": "identity",
            "n_identities": len({identity_of(row) for row in scored}),
        },
        "notes": notes,
    }
    labels = np.array([row.label for row in scored], dtype=np.int64)
    if not 0 < labels.sum() < len(labels):
        if len(labels):
            what = f"all {len(labels)} scored videos are {'fake' if labels[0] else 'real'}"
        elif coverage["not_applicable"]:
            what = "the method applies to none of the scored videos"
        else:
            what = "no video was scored"
        notes.append(f"{what}: no metric can be computed")
        return summary
    if unknown := sum(not row.identity for row in scored):
        notes.append(f"{unknown} videos have no identity and were resampled individually")
    bootstrap = Bootstrap(
        labels, [identity_of(row) for row in scored], resamples=resamples, level=level, seed=seed
    )
    blocks = _Blocks(scored, bootstrap)
    everything = np.arange(len(scored))
    summary["overall"] = blocks.block("overall", everything) | _listed(rows)
    for name in by_category(scored):
        chosen = [row.label == 0 or category_of(row) == name for row in scored]
        listed = [row for row in rows if row.label == 0 or category_of(row) == name]
        summary["categories"][name] = blocks.block(name, everything[chosen]) | _listed(listed)
    for name, members in PAPER_AVERAGES.items():
        absent = [member for member in members if member not in summary["categories"]]
        if not absent:
            summary["averages"][name] = blocks.average(summary["categories"], members)
        elif len(absent) < len(members):
            notes.append(f"{name} omitted: no scored video of {', '.join(absent)}")
    for block in (summary["overall"], *summary["categories"].values()):
        block["auc_unscored"] = auc_with_unscored(block)
    for block in summary["averages"].values():
        members = [summary["categories"][name] for name in block["of"]]
        block["auc_unscored"] = _mean(member["auc_unscored"] for member in members)
    return summary


def auc_with_unscored(block: Mapping) -> float:
    """Return the AUC that would result if every video without a score were ranked at random.

    A pair of a real and a fake video counts one half unless both are scored, so that a detector
    gains nothing by rejecting difficult videos.

    Parameters
    ----------
    block : mapping
        Results ``auc``, ``n_real`` and ``n_fake``, and the numbers of listed videos,
        ``listed_real`` and ``listed_fake``.
    """
    pairs = block["listed_real"] * block["listed_fake"]
    return 0.5 + (block["auc"] - 0.5) * block["n_real"] * block["n_fake"] / pairs


def _listed(rows: Sequence[ScoredVideo]) -> dict[str, int]:
    n_fake = sum(row.label for row in rows)
    return {"listed_real": len(rows) - n_fake, "listed_fake": n_fake}


def by_category(rows: Sequence[ScoredVideo]) -> dict[str, list[ScoredVideo]]:
    """Group fakes by category: first the paper's, in the paper's order, then others by name."""
    place = {name: index for index, name in enumerate(PAPER_CATEGORIES)}
    fakes = [row for row in rows if row.label == 1]
    names = sorted(
        {category_of(row) for row in fakes}, key=lambda name: (place.get(name, 99), name)
    )
    return {name: [row for row in fakes if category_of(row) == name] for name in names}


class _Blocks:
    """Compute blocks of results for subsets of the videos; keep resamples for averages."""

    def __init__(self, scored: Sequence[ScoredVideo], bootstrap: Bootstrap) -> None:
        self.bootstrap = bootstrap
        self.scores = np.array([row.score for row in scored])
        self.others = {
            (group, name): np.array([getattr(row, group).get(name) for row in scored], float)
            for group in OTHERS
            for name in names_of(scored, group)
        }
        self.resampled: dict[str, tuple[np.ndarray, dict[tuple, dict[str, np.ndarray]]]] = {}

    def block(self, category: str, rows: np.ndarray) -> dict:
        """Return the metrics of the videos ``rows``, and keep their resamples for averages."""
        resampled: dict[tuple, dict[str, np.ndarray]] = {}
        result, resampled[()] = self._ranked(self.scores, rows, tuple(METRICS))
        n_real, n_fake = self.bootstrap.identities(rows)
        result |= {"n_real_identities": n_real, "n_fake_identities": n_fake}
        result |= {group: {} for group in OTHERS}
        for (group, name), scores in self.others.items():
            kept = rows[np.isfinite(scores[rows])]
            if len(np.unique(self.bootstrap.labels[kept])) < 2:
                result[group][name] = dict.fromkeys(_OTHER_METRICS) | {"n": len(kept)}
                continue
            full, resampled[group, name] = self._ranked(scores, kept, ("auc",))
            result[group][name] = {key: full[key] for key in (*_OTHER_METRICS, "auc_ci")} | {
                "n": len(kept)
            }
        self.resampled[category] = (rows, resampled)
        return result

    def _ranked(
        self, scores: np.ndarray, rows: np.ndarray, names: Sequence[str]
    ) -> tuple[dict, dict[str, np.ndarray]]:
        point = score_metrics(self.bootstrap.labels[rows], scores[rows])
        values = self.bootstrap.values(scores[rows], names, rows)
        return point | self._intervals(values, rows), values

    def _intervals(self, values: Mapping[str, np.ndarray], rows: np.ndarray) -> dict:
        intervals = {}
        for name, resampled in values.items():
            of = self.bootstrap.auc_interval if name == "auc" else self.bootstrap.interval
            interval = of(resampled, rows)
            intervals[f"{name}_ci"] = None if interval is None else list(interval)
        return intervals

    def average(self, categories: Mapping[str, dict], members: Sequence[str]) -> dict:
        """Average over categories, with an interval from the categories' common resamples."""
        rows = np.unique(np.concatenate([self.resampled[name][0] for name in members]))
        blocks = [categories[name] for name in members]
        result = {name: _mean(block[name] for block in blocks) for name in METRICS}
        result |= self._intervals(self._mean_resampled(members, ()), rows)
        result |= {"of": list(members)} | {group: {} for group in OTHERS}
        for group, name in self.others:
            of_other = [block[group][name] for block in blocks]
            result[group][name] = {
                metric: _mean(values[metric] for values in of_other) for metric in _OTHER_METRICS
            }
            if all((group, name) in self.resampled[member][1] for member in members):
                resampled = self._mean_resampled(members, (group, name))
                result[group][name] |= self._intervals(resampled, rows)
        return result

    def _mean_resampled(self, members: Sequence[str], source: tuple) -> dict[str, np.ndarray]:
        of_members = [self.resampled[name][1][source] for name in members]
        return {
            metric: np.mean([values[metric] for values in of_members], axis=0)
            for metric in of_members[0]
        }


def _coverage(rows: Sequence[ScoredVideo]) -> dict:
    """Count videos; list those that were not scored and those that are not applicable."""
    not_scored = [
        {"path": row.path, "category": row.category, "reason": row.reason}
        for row in rows
        if not row.scored
    ]
    not_applicable = [
        {"path": row.path, "category": row.category, "reason": row.not_applicable}
        for row in rows
        if row.scored and row.not_applicable
    ]
    return {
        "listed": len(rows),
        "scored": len(rows) - len(not_scored),
        "failed": len(not_scored),
        "not_scored": not_scored,
        "not_applicable": not_applicable,
    }


def identity_of(row: ScoredVideo) -> str:
    """Return the unit of resampling: the identity, or the video if the identity is unknown."""
    return row.identity or f"video {row.path}"


def category_of(row: ScoredVideo) -> str:
    """Return the name of a fake's category in tables."""
    return printable(row.category) or "fake"


def _mean(values) -> float | None:
    values = list(values)
    return None if None in values else float(np.mean(values))
