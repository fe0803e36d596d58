"""Format a summary for the terminal and as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike

from rich.console import Group
from rich.text import Text

from avforensics.evaluation.output import percent
from avforensics.files import write_text
from avforensics.tables import Table

_COLUMNS = {
    "auc": "AUC",
    "ap": "AP",
    "ap_balanced": "AP 1:1",
    "eer": "EER",
    "tpr_at_fpr_1": "TPR@1",
    "tpr_at_fpr_5": "TPR@5",
    "tpr_at_fpr_10": "TPR@10",
}
_WITH_INTERVAL = ("auc", "ap", "ap_balanced", "eer")  # in tables; files contain all intervals
_COUNTS = {"n_real": "real", "n_fake": "fake"}
_UNSCORED = "AUC, unscored = chance"  # column title, used if some videos have no score


def blocks(summary: Mapping) -> Iterator[tuple[str, Mapping]]:
    """Yield the name and block of each result: categories, averages, then overall."""
    yield from summary["categories"].items()
    yield from summary["averages"].items()
    if summary["overall"]:
        yield "overall", summary["overall"]


def headline(summaries: Iterable[Mapping], averages: Sequence[str]) -> str:
    """Return the first of the given averages that all summaries have, else ``overall``."""
    shared = set.intersection(*(set(summary["averages"]) for summary in summaries))
    return next((name for name in averages if name in shared), "overall")


def block_of(summary: Mapping, name: str) -> Mapping:
    """Return the block of a category, an average or ``overall``; empty if it is missing."""
    return dict(blocks(summary)).get(name, {})


def cells(summary: Mapping) -> list[list[str]]:
    """Return the header and rows of the table in all text formats, in % with one decimal.

    There is one row per category, per average, and for the overall result. The columns are counts,
    prevalence, metrics (some with intervals), the AUC with unscored videos ranked at random (if any
    video is unscored), and each baseline's AUC.
    """
    baselines = list(summary["overall"].get("baselines", {}))
    unscored = [_UNSCORED] if summary["coverage"]["failed"] else []
    header = [
        "category",
        *_COUNTS.values(),
        "fake %",
        *_COLUMNS.values(),
        *unscored,
        *(f"{name} AUC" for name in baselines),
    ]
    rows = [
        [
            name,
            *(_count(block.get(key)) for key in _COUNTS),
            percent(block.get("prevalence")),
            *(_with_interval(block, key) for key in _COLUMNS),
            *(percent(block.get("auc_unscored")) for _ in unscored),
            *(percent(block["baselines"].get(other, {}).get("auc")) for other in baselines),
        ]
        for name, block in blocks(summary)
    ]
    return [header, *rows]


def statistics_cells(summary: Mapping) -> list[list[str]]:
    """Return a table of AUCs by statistic, header first; empty without statistics.

    Statistics are signed so that out-of-sync videos score high; an AUC below 50 means that the
    forgeries score low.
    """
    names = list(summary["overall"].get("statistics", {}))
    found = list(blocks(summary))
    table = [["AUC", *(name for name, _ in found)]]
    table.append(["score", *(_with_interval(block, "auc") for _, block in found)])
    for name in names:
        of_all = [block["statistics"].get(name, {}) for _, block in found]
        table.append([name.replace("_", " "), *(_with_interval(block, "auc") for block in of_all)])
    return table if names else []


def coverage_line(summary: Mapping) -> str:
    """State how many videos were scored, for the footer of every table."""
    coverage = summary["coverage"]
    line = f"{coverage['scored']} of {coverage['listed']} listed videos scored"
    line = f"{line} ({coverage['failed']} failed)" if coverage["failed"] else line
    apart = len(coverage.get("not_applicable", ()))  # missing in older results
    return (
        f"{line}; {apart} of them are not applicable and are excluded from the metrics"
        if apart
        else line
    )


def tables_of(summary: Mapping, title: str = "") -> list[Table]:
    """Return tables of results, baselines and statistics, each narrow enough for a screen."""
    header, *rows = cells(summary)
    ends = _section_ends(summary)
    split = header.index(_COLUMNS["tpr_at_fpr_10"]) + 1
    auc = header.index(_COLUMNS["auc"])
    parts = [Table([row[:split] for row in (header, *rows)], title, ends=ends)]
    if header[split:]:
        beside = [[row[0], row[auc], *row[split:]] for row in rows]
        names = [header[0], header[auc], *(name.replace("_", " ") for name in header[split:])]
        what = "with baselines" if summary["overall"].get("baselines") else ""
        parts.append(Table([names, *beside], what, ends=ends))
    if table := statistics_cells(summary):
        parts.append(Table(table, "statistics of the same rows", ends=ends))
    return parts


def rich_table(summary: Mapping, title: str = "") -> Group:
    """Format tables for the terminal, with coverage and notes below."""
    parts = tables_of(summary, title)
    return Group(*(part.rich() for part in parts), Text("\n".join(_footer(summary))))


def to_markdown(summary: Mapping) -> str:
    """Format tables in Markdown, with coverage and notes below."""
    parts = [
        f"### {part.title}\n\n{part.markdown()}" if part.title else part.markdown()
        for part in tables_of(summary)
    ]
    return "\n".join([*parts, *(f"{line}  " for line in _footer(summary)), ""])


def to_latex(summary: Mapping) -> str:
    """Format a table in LaTeX (booktabs), with coverage and notes in the caption."""
    caption = " ".join(f"{line.rstrip('.')}." for line in _footer(summary))
    return Table(cells(summary), ends=_section_ends(summary)).latex(caption)


def to_csv(summary: Mapping) -> str:
    """Format all numbers at full precision, with one line per result and kind of score."""
    ends = [f"{metric}_ci_{end}" for metric in _COLUMNS for end in ("low", "high")]
    numbers = [*_COLUMNS, *ends, "auc_unscored"]
    table = [["category", "scores", "n_real", "n_fake", "prevalence", *numbers]]
    for category, block in blocks(summary):
        others = {f"statistic {name}": found for name, found in block["statistics"].items()}
        for source, values in {"model": block, **block["baselines"], **others}.items():
            counts = [block.get(key) for key in (*_COUNTS, "prevalence")]
            unscored = values.get("auc_unscored")
            table.append([category, source, *counts, *flat(values, _COLUMNS), unscored])
    return Table(table).csv()


def flat(block: Mapping, metrics: Iterable[str]) -> list[float | None]:
    """Return the metrics of a block, then the ends of their intervals; None = missing."""
    intervals = [block.get(f"{metric}_ci") or (None, None) for metric in metrics]
    return [*map(block.get, metrics), *(end for pair in intervals for end in pair)]


def to_json(summary: Mapping) -> str:
    """Format ``metrics.json``; raises ValueError for NaN or infinity, which JSON lacks."""
    return json.dumps(summary, indent=2, allow_nan=False) + "\n"


FORMS = {"json": to_json, "csv": to_csv, "md": to_markdown, "tex": to_latex}
"""Text formats of a summary, by file suffix."""


def write_summary(summary: Mapping, folder: str | PathLike) -> None:
    """Write ``metrics.json``, ``.csv``, ``.md`` and ``.tex`` into ``folder``."""
    for suffix, render in FORMS.items():
        write_text(f"{folder}/metrics.{suffix}", render(summary))


def _footer(summary: Mapping) -> list[str]:
    intervals, coverage = summary["intervals"], summary["coverage"]
    lines = [
        f"{coverage_line(summary)}. Polarity: {summary['polarity']}.",
        f"Ranges are {100 * intervals['level']:g} % intervals from {intervals['resamples']} "
        f"resamples of {intervals['n_identities']} identities. Every row is compared with the same "
        "real videos.",
    ]
    lines += [f"{note}." for note in summary["notes"]]
    for heading, key in (("Not scored", "not_scored"), ("Not applicable", "not_applicable")):
        reasons = [f"{item['path']}: {item['reason']}" for item in coverage.get(key, ())]
        if reasons:
            more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
            lines.append(f"{heading}: {'; '.join(reasons[:5])}{more}.")
    return lines


def _section_ends(summary: Mapping) -> set[str]:
    """Return the last category and the last average, after which tables have a rule."""
    return {list(summary[part])[-1] for part in ("categories", "averages") if summary[part]}


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _with_interval(block: Mapping, name: str) -> str:
    interval = block.get(f"{name}_ci") if name in _WITH_INTERVAL else None
    return percent(block.get(name), interval)
