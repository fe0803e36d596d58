"""Scored videos of a benchmark, and the CSV file of a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike

from avforensics.data.labels import Labels
from avforensics.data.tables import Table, read_table, write_table
from avforensics.errors import ManifestError

_COLUMNS = ("path", "label", "category", "identity", "score", "error", "not_applicable")
_GROUPS = {"baselines": "baseline_", "statistics": "statistic_"}  # column prefixes
_NOTHING = {"", "na", "n/a", "none", "null"}  # how other programs write empty cells


@dataclass(frozen=True, kw_only=True)
class ScoredVideo:
    """A listed video with its score, or with the reason for a missing score."""

    path: str  # as in the manifest
    label: int  # 1 = fake, 0 = real
    category: str = ""  # kind of fake; ignored for real videos
    identity: str = ""  # identity of the source, the unit of resampling; empty = unknown
    score: float | None = None  # higher = more likely fake; None or not finite = not scored
    error: str | None = None  # reason for a missing score
    # why the score is meaningless; such a score is kept but excluded from metrics
    not_applicable: str | None = None
    # baseline scores of the video, with the same polarity
    baselines: Mapping[str, float | None] = field(default_factory=dict)
    # other statistics, signed to have the same polarity
    statistics: Mapping[str, float | None] = field(default_factory=dict)
    # other properties of the video (method, gender, duration ...), for breakdowns
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise ManifestError(
                f"{self.path}: label must be 0 (real) or 1 (fake), got {self.label}"
            )

    @property
    def scored(self) -> bool:
        """True if the video has a finite score."""
        return self.score is not None and math.isfinite(self.score)

    @property
    def counts(self) -> bool:
        """True if the score is used in metrics."""
        return self.scored and not self.not_applicable

    @property
    def reason(self) -> str | None:
        """Reason why the video is not scored; None if it is scored."""
        if self.scored:
            return None
        if self.error:
            return self.error
        return "no score" if self.score is None else f"score is {self.score}"


def check_once(rows: Sequence[ScoredVideo]) -> None:
    """Raise ManifestError if a video is listed twice.

    A file may be in two categories (FakeAVCeleb lists 22 such files), but only once in each.
    """
    counts = Counter((row.path, row.label, row.category) for row in rows)
    double = [key[0] for key, count in counts.items() if count > 1]
    if double:
        raise ManifestError(f"{len(double)} videos are scored more than once, e.g. {double[0]}")


def printable(text: str) -> str:
    """Escape bytes of file names that are not UTF-8, for tables and figures."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_scores(rows: Sequence[ScoredVideo], path: str | PathLike) -> None:
    """Write one line per video.

    Columns ``baseline_*`` and ``statistic_*`` hold baselines and statistics; attributes follow.
    """
    names = [(group, name) for group in _GROUPS for name in names_of(rows, group)]
    others = [name for name in names_of(rows, "attributes") if name not in _COLUMNS]
    cells = [
        (
            *(getattr(row, column) for column in _COLUMNS),
            *(getattr(row, group).get(name) for group, name in names),
            *(row.attributes.get(name) for name in others),
        )
        for row in rows
    ]
    scores = (_GROUPS[group] + name for group, name in names)
    write_table(path, [*_COLUMNS, *scores, *others], cells)


def read_scores(path: str | PathLike, *, fake: int = 1) -> list[ScoredVideo]:
    """Read a table with at least path, label and score, e.g. from :func:`write_scores`.

    In a table from `avforensics detect` with an added column of labels, rows of faces, which have
    a ``track``, are skipped.

    Parameters
    ----------
    fake : int
        Label of fakes, 1 or 0; see `Labels`.

    Raises
    ------
    ManifestError
        A column is missing, or a cell is invalid; the message names the row.
    """
    table = read_table(path).with_path()
    table.require("path", "label", "score")
    return parse_scores(table, table.videos(), fake=fake)


def parse_scores(
    table: Table, records: Iterable[tuple[int, Mapping[str, str]]], *, fake: int = 1
) -> list[ScoredVideo]:
    """Build scored videos from numbered records of a table with our column names.

    Raises the same ManifestError as `read_scores`.
    """
    labels = Labels(fake)
    rows = []
    for number, cells in records:
        try:
            rows.append(_parse(cells, labels))
        except ValueError as error:
            raise ManifestError(f"{table.row_name(number)}: {error}") from None
    labels.tell(table.path)
    check_once(rows)
    return rows


def names_of(rows: Sequence[ScoredVideo], group: str) -> list[str]:
    """Return the names in a group of scores, or in ``attributes``, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in getattr(row, group)))


def _parse(cells: Mapping[str, str], labels: Labels) -> ScoredVideo:
    return ScoredVideo(
        path=cells["path"],
        label=labels(cells["label"]),
        category=cells.get("category") or "",
        identity=cells.get("identity") or "",
        score=_number("score", cells["score"]),
        error=cells.get("error") or None,
        not_applicable=cells.get("not_applicable") or None,
        **{
            group: {
                name.removeprefix(prefix): _number(name, value)
                for name, value in cells.items()
                if name.startswith(prefix)
            }
            for group, prefix in _GROUPS.items()
        },
        attributes={
            name: value
            for name, value in cells.items()
            if name and name not in _COLUMNS and not name.startswith(tuple(_GROUPS.values()))
        },
    )


def _number(name: str, cell: str) -> float | None:
    if cell.casefold() in _NOTHING:
        return None
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{name} must be a number such as 0.25, or empty, got {cell!r}") from None
