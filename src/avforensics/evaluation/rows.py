"""One scored video of a benchmark, and the CSV file that holds a run's worth of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike

from avforensics.data.labels import Labels
from avforensics.data.tables import read_table, write_table
from avforensics.errors import ManifestError

_COLUMNS = ("path", "label", "category", "identity", "score", "error", "not_applicable")
_GROUPS = {"baselines": "baseline_", "statistics": "statistic_"}  # and their columns
_NOTHING = {"", "na", "n/a", "none", "null"}  # what other programs write in an empty cell


@dataclass(frozen=True, kw_only=True)
class ScoredVideo:
    """A listed video with its score, or with the reason why it has none.

    Attributes
    ----------
    path : str
        As the manifest spells it.
    label : int
        1 = fake, 0 = real.
    category : str
        Kind of fake; what a real video says here is not used.
    identity : str
        Source identity, by which intervals are grouped; empty = unknown, the video stands alone.
    score : float or None
        Higher = more likely fake. None (or a number that is not finite) = not scored.
    error : str or None
        Why there is no score.
    not_applicable : str or None
        Why the score means nothing: it is kept and counts in no metric.
    baselines : mapping of str to float
        Scores of the baselines for the same video, same polarity.
    statistics : mapping of str to float
        Other statistics of the same rows, with the sign that gives them the same polarity.
    attributes : mapping of str to str
        What else is known of the video (method, gender, duration ...), for breakdowns.
    """

    path: str
    label: int
    category: str = ""
    identity: str = ""
    score: float | None = None
    error: str | None = None
    not_applicable: str | None = None
    baselines: Mapping[str, float | None] = field(default_factory=dict)
    statistics: Mapping[str, float | None] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise ManifestError(f"{self.path}: label must be 0 (real) or 1 (fake): {self.label}")

    @property
    def scored(self) -> bool:
        """Whether there is a finite score."""
        return self.score is not None and math.isfinite(self.score)

    @property
    def counts(self) -> bool:
        """Whether the score counts in metrics."""
        return self.scored and not self.not_applicable

    @property
    def reason(self) -> str | None:
        """Why the video is not scored; None where it is."""
        if self.scored:
            return None
        if self.error:
            return self.error
        return "no score" if self.score is None else f"score is {self.score}"


def check_once(rows: Sequence[ScoredVideo]) -> None:
    """Refuse a run that counts a video twice; raises ManifestError.

    A file may stand in two categories (FakeAVCeleb lists some 22 so), not twice in one.
    """
    counts = Counter((row.path, row.label, row.category) for row in rows)
    double = [key[0] for key, count in counts.items() if count > 1]
    if double:
        raise ManifestError(f"{len(double)} videos are scored more than once, first {double[0]}")


def printable(text: str) -> str:
    """Text for tables and figures: bytes of file names that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_scores(rows: Sequence[ScoredVideo], path: str | PathLike) -> None:
    """Write a line a video: what is known of it, its score, why that is missing or means nothing.

    Other scores are ``baseline_*`` and ``statistic_*``; a column for each attribute follows.
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
    """Read any table with at least path, label and score, such as :func:`write_scores` wrote.

    Of a table that `avforensics detect` wrote, with a column of labels added, the rows of faces
    are left out: the videos are those with an empty ``track``.

    Parameters
    ----------
    fake : int
        Which number marks a fake, 1 or 0; see `Labels`.

    Raises
    ------
    ManifestError
        A column is missing, or a cell means nothing; says which row.
    """
    table = read_table(path).with_path()
    table.require("path", "label", "score")
    labels = Labels(fake)
    rows = []
    for number, cells in table.videos():
        try:
            rows.append(_parse(cells, labels))
        except ValueError as error:
            raise ManifestError(f"{table.row_name(number)}: {error}") from None
    labels.tell(path)
    check_once(rows)
    return rows


def names_of(rows: Sequence[ScoredVideo], group: str) -> list[str]:
    """Names in a group of scores, or ``attributes``, that any video has, in the order first met."""
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
    """A number, or None where there is none."""
    if cell.casefold() in _NOTHING:
        return None
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{name} must be a number such as 0.25, or empty, got {cell!r}") from None
