"""Find the videos that a run processes, given a file, a folder, a list or a manifest."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from avforensics.data.labels import Labels
from avforensics.data.lists import listed_lines, split_label
from avforensics.data.row import COLUMNS, parse_row
from avforensics.data.tables import LISTS, TABLES, Table, Text, parse_table, read_source
from avforensics.errors import ConfigError, ManifestError
from avforensics.files import typed_path
from avforensics.media.types import VIDEO_SUFFIXES
from avforensics.scoring.source import Clip

log = logging.getLogger(__name__)


def list_inputs(source: str | os.PathLike | Sequence[str]) -> list[Clip]:
    """List the videos that ``source`` names, in the order in which they are scored.

    Duplicates are left out. Hidden files and unreadable folders are also left out, and the log says
    so. A missing video among several inputs is included; its row in the results gives the reason.

    Parameters
    ----------
    source : str, PathLike or sequence of str
        One or more of the following inputs. A relative path in a list is looked up first in the
        list's folder, then in the current folder.

        * A video.
        * A folder, which is searched recursively for files with known video suffixes, in sorted
          order. Hidden files are ignored.
        * A manifest or another table with a ``path`` column (see `read_table`). The columns
          ``start``, ``duration`` (or ``end``) and ``audio`` are used; rows of faces are skipped.
        * A text file (.txt, .lst) with one path per line. Blank lines and lines that begin with #
          are skipped.

    Raises
    ------
    AVForensicsError
        ``source`` does not exist, a folder has no video, or a list has no entries or is not text.
    """
    if isinstance(source, str | os.PathLike):
        return _one(source)
    among = len(source) > 1
    return _once("input", [clip for part in source for clip in _one(part, among=among)])


def _one(source: str | os.PathLike, *, among: bool = False) -> list[Clip]:
    """List the videos of one input, including a missing video if it is ``among`` several."""
    path = typed_path(source)
    if not str(source).strip():
        raise ConfigError("input is empty: give a video, a folder or a list of videos")
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() in LISTS | TABLES:
        return _listed(path)
    if not os.path.lexists(path) and not (among and path.suffix.lower() in VIDEO_SUFFIXES):
        raise ConfigError(f"input={source}: there is no such file or folder")
    return [Clip(path)]


def _folder(root: Path) -> list[Clip]:
    """List every visible video below a folder; links to folders are followed once."""
    found, hidden, seen = [], 0, set()
    for folder, subfolders, names in os.walk(
        root,
        followlinks=True,
        onerror=lambda error: log.warning("%s: %s: skipped", error.filename, error.strerror),
    ):
        identity = Path(folder).stat()
        if (identity.st_dev, identity.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((identity.st_dev, identity.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        videos = [name for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES]
        hidden += sum(name.startswith(".") for name in videos)
        found += [Path(folder, name) for name in videos if not name.startswith(".")]
    if not found:
        looked_for = " ".join(sorted(VIDEO_SUFFIXES))
        raise ConfigError(f"{root}: no video in this folder or below (looked for {looked_for})")
    if hidden:
        log.warning("skipped %s with a name that begins with a dot", _files(hidden))
    return [Clip(path) for path in sorted(found)]


def _listed(path: Path) -> list[Clip]:
    """List the videos of a table or a text file, without duplicates, in the order of the file."""
    source = read_source(path)
    if not isinstance(source, Table) and path.suffix.lower() in TABLES:
        first = next(iter(listed_lines(source)), "")
        if not _names_video(split_label(first, Labels())[0]):
            parse_table(source).require("path")
    if isinstance(source, Table):
        entries = [_row(source, *record) for record in source.videos()]
    else:
        entries = [Clip(_from_list(source, line)) for line in listed_lines(source)]
    if not entries:
        raise ConfigError(f"{path}: the list contains no video")
    return _once(path, entries)


def _once(source: object, entries: Sequence[Clip]) -> list[Clip]:
    """Drop duplicate clips, keeping the first."""
    once: dict[str, Clip] = {}
    for clip in entries:
        once.setdefault(clip_key(clip), clip)
    if repeated := len(entries) - len(once):
        log.warning("%s: %s listed more than once, but scored once", source, _files(repeated))
    return list(once.values())


def _row(table: Table, index: int, cells: dict[str, str]) -> Clip:
    """Create the clip that a table row names; labels and other columns are ignored."""
    values = [cells.get(name, "") for name in COLUMNS]
    end = cells.get("end", "") if "start" in cells else ""
    try:
        row = parse_row("", values, _no_label, end=end)
    except ValueError as error:
        raise ManifestError(f"{table.row_name(index)}: {error}") from None
    path = _on_disk(table, row.path)
    audio = _on_disk(table, row.audio) if row.audio else None
    return Clip(path, audio=audio, start=row.start, duration=row.duration)


def _no_label(text: str) -> int:
    """Accept any label, because labels are ignored here."""
    return 0


def _from_list(source: Text, line: str) -> Path:
    """Return the file that a line of a list names, with or without a label after the path."""
    path = _on_disk(source, line)
    if os.path.lexists(path) or _names_video(line):
        return path
    return _on_disk(source, split_label(line, Labels())[0])


def _names_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def _on_disk(source: Text, name: str) -> Path:
    """Look up a path from a list in the list's folder, then in the current folder."""
    folder = source.path.parent
    path = typed_path(source.on_disk(folder, name))
    beside = folder / path
    return path if not os.path.lexists(beside) and os.path.lexists(path) else beside


def clip_key(clip: Clip) -> str:
    """Return a string that identifies a clip: its file, the part of the file and the audio."""
    key = file_key(clip.path)
    if clip.is_part:
        key += f"#t={clip.start},{'' if clip.duration is None else clip.start + clip.duration}"
    return key if clip.audio is None else f"{key}#audio={file_key(clip.audio)}"


def file_key(path: Path) -> str:
    """Return a string that identifies a file: its absolute path."""
    return os.path.normpath(path.absolute())


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"
