"""Rows of a manifest, as values and as text."""

# os.path is several times faster than Path on 100,000 rows, so paths are strings here.
# ruff: noqa: PTH118, PTH120, PTH122

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """A clip.

    Attributes
    ----------
    path : str
        Absolute path of the video file.
    label : int
        1 = fake, 0 = real.
    category : str
        Group in tables of results, e.g. ``"RVFA"``; empty = none.
    method : str
        How a fake was made, e.g. ``"wav2lip"``.
    identity : str
        Person shown (for fakes, the source), or anything else that splits must not share.
    split : str
        E.g. ``"sync"``, ``"anomaly"``, ``"val"``, ``"test"``.
    start : float
        Start of the clip in the file, in seconds.
    duration : float or None
        Duration in seconds; None = up to the end of the file.
    hash : str
        SHA-256 of the file, or empty if not computed.
    audio : str
        Absolute path of a separate audio file, else empty.
    segments : tuple of (float, float)
        Forged segments of a partial forgery, in seconds of the file; empty = none known.
    delay : int
        Constant delay of the audio in frames (25 fps); positive = the matching audio comes later
        than the video. Only the training of the synchronisation network compensates for the delay.
    about : tuple of (str, str)
        Other facts about the clip, by name: gender, language, generator ... A manifest has one
        column per fact, and results can be broken down by facts. See `facts`.
    """

    path: str
    label: int
    category: str = ""
    method: str = ""
    identity: str = ""
    split: str = ""
    start: float = 0.0
    duration: float | None = None
    hash: str = ""
    audio: str = ""
    segments: tuple[tuple[float, float], ...] = ()
    delay: int = 0
    about: tuple[tuple[str, str], ...] = ()

    @property
    def source(self) -> tuple[str, str, float, float | None]:
        """Path, audio, start and duration, which identify the clip's source."""
        return self.path, self.audio, self.start, self.duration

    @property
    def files(self) -> list[Path]:
        """Video file, and audio file if it is separate."""
        return [Path(path) for path in (self.path, self.audio) if path]


COLUMNS = tuple(name for name in Row._fields if name != "about")


def facts(values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return facts in the form of `Row.about`: sorted by name, without empty values."""
    texts = {name: str(value).strip() for name, value in values.items() if value is not None}
    return tuple(sorted((name, text) for name, text in texts.items() if text))


def parse_row(
    folder: str,
    cells: list[str],
    labels: Callable[[str], int],
    about: Mapping[str, str] | None = None,
    end: str = "",
) -> Row:
    """Parse a row from one cell per column; relative paths are relative to ``folder``.

    ``end`` (s, from the beginning of the file) sets the duration if the row has none.

    Raises
    ------
    ValueError
        A cell is invalid; the message names it, but not the file.
    """
    path, label, category, method, identity, split, *rest = cells
    start, duration, sha, audio, segments, delay = rest
    if not path:
        raise ValueError("the path is empty")
    if "\0" in path or "\0" in audio:
        raise ValueError("a path must not contain a NUL byte")
    try:
        begin = _seconds(start or "0")
        length = _seconds(duration) if duration else None
    except ValueError:
        raise ValueError(
            f"start and duration must be numbers of seconds >= 0, got {start!r} and {duration!r}"
        ) from None
    if length is None and end:
        try:
            length = round(_seconds(end) - begin, 6)
        except ValueError:
            length = 0.0
        if length <= 0:
            raise ValueError(f"end must be a number of seconds > start, got {start!r} and {end!r}")
    if not re.fullmatch(r"[+-]?\d{1,4}(\.0*)?|", delay):  # pandas writes 3.0 beside empty cells
        raise ValueError(f"delay must be a whole number of frames, got {delay!r}")
    path, audio = (name and os.path.normpath(os.path.join(folder, name)) for name in (path, audio))
    forged = parse_segments(segments) if segments else ()
    others = begin, length, sha, audio, forged, int(float(delay or 0))
    return Row(path, labels(label), category, method, identity, split, *others, facts(about or {}))


def format_row(row: Row, folder: str) -> list[str]:
    """Format a row for `parse_row`; paths below ``folder`` become relative, with ``/``."""
    return [
        _relative(row.path, folder),
        str(row.label),
        row.category,
        row.method,
        row.identity,
        row.split,
        _number(row.start),
        "" if row.duration is None else _number(row.duration),
        row.hash,
        _relative(row.audio, folder) if row.audio else "",
        format_segments(row.segments),
        str(row.delay) if row.delay else "",
    ]


def parse_segments(text: str) -> tuple[tuple[float, float], ...]:
    """Read ``"0.5-1.25;3-4"`` (seconds) as ``((0.5, 1.25), (3.0, 4.0))``.

    Raises
    ------
    ValueError
        The text is malformed, or a segment does not end after its start.
    """
    try:
        pairs = [part.split("-") for part in text.split(";") if part]
        segments = [(_seconds(start), _seconds(end)) for start, end in pairs]
    except ValueError:
        segments = [(0.0, 0.0)]
    if any(end <= start for start, end in segments):
        raise ValueError(f"segments must look like 0.5-1.25;3-4 (seconds), got {text!r}")
    return tuple(segments)


def format_segments(segments: Iterable[tuple[float, float]]) -> str:
    """Format segments in the form that `parse_segments` reads."""
    return ";".join(f"{_number(start)}-{_number(end)}" for start, end in segments)


def _relative(path: str, folder: str) -> str:
    prefix = folder.rstrip(os.sep) + os.sep
    if not path.startswith(prefix):
        return path
    name = path[len(prefix) :].replace(os.sep, "/")
    return f"./{name}" if name[:1].isspace() else name  # blanks around a cell are ignored


def _seconds(text: str) -> float:
    value = round(float(text), 6)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def clip_names(rows: Collection[Row]) -> list[str]:
    """Name each row's clip after its file: the path below the common folder, without suffix.

    Rows with the same part of the same file share a name. The name of a part of a file also
    contains its times, and if files differ only in suffix, the suffix is kept.
    """
    cuts = {row.source: None for row in rows}  # in order, without duplicates
    common = os.path.commonpath({os.path.dirname(path) for path, *_ in cuts})
    often = Counter(path for path, *_ in cuts)
    names: dict[str, tuple] = {}
    for cut in cuts:
        path, _, start, duration = cut
        name, suffix = os.path.splitext(os.path.relpath(path, common))
        if often[path] > 1:
            name += f"@{start:g}" + ("" if duration is None else f"+{duration:g}")
        if name in names:
            name += suffix
        while name in names:
            name = f"_{name}"
        names[name] = cut
    by_cut = {cut: name for name, cut in names.items()}
    return [by_cut[row.source] for row in rows]
