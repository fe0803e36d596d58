"""One scored video of a benchmark, and the CSV file that holds a run's worth of them."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from avforensics.data.tables import ERRORS
from avforensics.errors import ManifestError
from avforensics.files import atomic_path

_COLUMNS = ("path", "label", "category", "identity", "score", "error")
_BASELINE = "baseline_"


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
    baselines : mapping of str to float
        Scores of the baselines for the same video, same polarity.
    """

    path: str
    label: int
    category: str = ""
    identity: str = ""
    score: float | None = None
    error: str | None = None
    baselines: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise ManifestError(f"{self.path}: label must be 0 (real) or 1 (fake): {self.label}")

    @property
    def scored(self) -> bool:
        """Whether there is a finite score."""
        return self.score is not None and math.isfinite(self.score)

    @property
    def reason(self) -> str | None:
        """Why the video is not scored; None where it is."""
        if self.scored:
            return None
        if self.error:
            return self.error
        return "no score" if self.score is None else f"score is {self.score}"


def check_once(rows: Sequence[ScoredVideo]) -> None:
    """Refuse a run that counts a video twice.

    A file may stand in two categories (FakeAVCeleb lists some 22 so), not twice in one.

    Raises
    ------
    ManifestError
    """
    counts = Counter((row.path, row.label, row.category) for row in rows)
    double = [key[0] for key, count in counts.items() if count > 1]
    if double:
        raise ManifestError(f"{len(double)} videos are scored more than once, first {double[0]}")


def printable(text: str) -> str:
    """Text for tables and figures: bytes of file names that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_scores(rows: Sequence[ScoredVideo], path: str | PathLike) -> None:
    """Write one line a video: path, label, category, identity, score, error, ``baseline_*``."""
    names = baseline_names(rows)
    with (
        atomic_path(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors=ERRORS) as file,
    ):
        writer = csv.writer(file)
        writer.writerow([*_COLUMNS, *(_BASELINE + name for name in names)])
        for row in rows:
            values = [row.score, row.error, *(row.baselines.get(name) for name in names)]
            cells = ["" if value is None else value for value in values]
            writer.writerow([row.path, row.label, row.category, row.identity, *cells])


def read_scores(path: str | PathLike) -> list[ScoredVideo]:
    """Read what :func:`write_scores` wrote, or any CSV with at least path, label and score.

    Raises
    ------
    ManifestError
        If a column is missing or a cell is no number; says which line.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig", errors=ERRORS) as file:
            reader = csv.DictReader(file)
            missing = {"path", "label", "score"} - set(reader.fieldnames or ())
            if missing:
                raise ManifestError(f"{path}: no column {', '.join(sorted(missing))}")
            rows = [_parse(path, reader.line_num, cells) for cells in reader]
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    except csv.Error as error:
        raise ManifestError(f"{path}: this is not a CSV file ({error})") from None
    check_once(rows)
    return rows


def baseline_names(rows: Sequence[ScoredVideo]) -> list[str]:
    """Names of the baselines that any video has, in the order first met."""
    return list(dict.fromkeys(name for row in rows for name in row.baselines))


def _parse(path: str | PathLike, line: int, cells: Mapping[str, str]) -> ScoredVideo:
    try:
        baselines = {
            name.removeprefix(_BASELINE): _number(value)
            for name, value in cells.items()
            if name and name.startswith(_BASELINE)
        }
        return ScoredVideo(
            path=cells["path"],
            label=int(cells["label"]),
            category=cells.get("category") or "",
            identity=cells.get("identity") or "",
            score=_number(cells["score"]),
            error=cells.get("error") or None,
            baselines=baselines,
        )
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{path}, line {line}: {error}") from error


def _number(cell: str | None) -> float | None:
    return float(cell) if cell else None
