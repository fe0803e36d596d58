"""Which videos a run is about: one file, a folder or a list."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from avforensics.errors import ConfigError
from avforensics.paths import typed_path

_SUFFIXES = (
    ".3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv"
)
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())
LIST_SUFFIXES = frozenset({".txt", ".lst"})


@dataclass
class Inputs:
    """Videos in the order in which they are scored.

    Attributes
    ----------
    paths : list of Path
        Each file once. What does not exist is listed too: it gets a row with a reason.
    remarks : list of str
        What was left out and why, in sentences.
    """

    paths: list[Path]
    remarks: list[str] = field(default_factory=list)


def list_inputs(source: str | os.PathLike) -> Inputs:
    """List the videos that ``source`` means.

    Parameters
    ----------
    source : str or PathLike
        A video; a folder, searched with its subfolders for known video suffixes and sorted (hidden
        files left out); or a text file (.txt, .lst) with one path a line. In a list blank lines
        and lines that begin with # mean nothing, Windows line ends and byte-order marks do no
        harm, and a relative path counts from the list's folder or, where there is no such file,
        from the current folder.

    Raises
    ------
    ConfigError
        Nothing there, a folder without video, a list without entries or that is no text.
    """
    path = typed_path(source)
    if not str(source).strip():
        raise ConfigError("input is empty: give a video, a folder or a list of videos")
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() in LIST_SUFFIXES:
        return _list(path)
    if not os.path.lexists(path) and path.suffix.lower() not in VIDEO_SUFFIXES:
        raise ConfigError(f"input={source}: there is no such file or folder")
    return Inputs([path])


def _folder(root: Path) -> Inputs:
    """Every visible video below a folder; links to folders are followed once."""
    found, remarks, hidden, seen = [], [], 0, set()
    for folder, subfolders, names in os.walk(
        root,
        followlinks=True,
        onerror=lambda error: remarks.append(f"{error.filename}: {error.strerror}: left out"),
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
        raise ConfigError(f"{root}: no video in this folder or below (looked for {_SUFFIXES})")
    if hidden:
        remarks.append(f"{_files(hidden)} with a name that begins with a dot: left out")
    return Inputs(sorted(found), remarks)


def _list(path: Path) -> Inputs:
    """Paths of a text file, each once, in its order."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the list cannot be read ({error.strerror})") from None
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode(
            "utf-16" if utf16 else "utf-8-sig", "strict" if utf16 else "surrogateescape"
        )
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ConfigError(f"{path}: this is not a text file with one path a line")
    lines = [line.strip() for line in text.split("\n")]
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise ConfigError(f"{path}: the list names no video")
    paths = list(_once(_from_list(entry, path.parent) for entry in entries))
    repeated = len(entries) - len(paths)
    remarks = [f"{path}: {_files(repeated)} listed more than once: scored once"] if repeated else []
    return Inputs(paths, remarks)


def _from_list(entry: str, folder: Path) -> Path:
    path = typed_path(entry)
    beside = folder / path
    return path if not os.path.lexists(beside) and os.path.lexists(path) else beside


def _once(paths: Iterable[Path]) -> Iterable[Path]:
    """Each file the first time only."""
    seen = set()
    for path in paths:
        key = file_key(path)
        if key not in seen:
            seen.add(key)
            yield path


def file_key(path: Path) -> str:
    """What a file is known by, from whichever folder it is named: its absolute path."""
    return os.path.normpath(path.absolute())


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"
