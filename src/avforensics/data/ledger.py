"""What `avforensics normalise` has done already, a line for each clip."""

from __future__ import annotations

import json
from pathlib import Path

from avforensics.data.normalise import Done, source_hash, state_of
from avforensics.data.row import Row
from avforensics.errors import ManifestError
from avforensics.files import LineFile, are_unchanged, states_of


class Ledger:
    """A file of JSON lines that grows by a line as each clip is finished.

    A line that a kill has cut in two is left out; its clip is made again. The file is locked. Use
    it in a ``with`` statement.

    Parameters
    ----------
    path : str or Path
        Created where there is none.

    Raises
    ------
    ConfigError
        Another run is writing to the folder.
    ManifestError
        The file holds something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._entries: dict[str, dict] = {}  # by clip: the last to write it counts
        self._file = LineFile(self.path)
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> None:
        for number, line in enumerate(filter(None, self._file.lines), start=1):
            try:
                entry = json.loads(line)
                self._entries.pop(entry["clip"], None)
                if not entry.get("begun"):
                    entry["source"] = tuple(entry["source"])
                    self._entries[entry["clip"]] = entry
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ManifestError(
                    f"{self.path}, line {number}: this is not a ledger of avforensics normalise"
                ) from None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def find(self, row: Row, recipe: str, clip: Path) -> Done | None:
        """What was done of a row, if its source, its clip and its sound have not changed since.

        A source with the size and time of change that it had is taken as unchanged; of others
        the hash decides, and so it is with the clip.

        Parameters
        ----------
        row : Row
        recipe : str
            Digest of the recipe.
        clip : Path
            Where the clip is to be, below the ledger's folder.
        """
        entry = self._entries.get(self._name(clip))
        if entry is None or (entry["source"], entry["recipe"]) != (_source(row), recipe):
            return None
        if not are_unchanged(_files(clip), entry.get("files"), entry["hash"]):
            return None
        try:
            state = state_of(row)
            if entry["state"] != list(state) and entry["source_hash"] != source_hash(row):
                return None
        except OSError:
            return None
        warnings = tuple(entry["warnings"])
        return Done(entry["frames"], entry["source_hash"], entry["hash"], warnings, state)

    def begin(self, clip: Path) -> None:
        """Write down that a clip no longer is what an earlier run made."""
        if self._entries.pop(self._name(clip), None) is not None:
            self._write({"clip": self._name(clip), "begun": True})

    def add(self, row: Row, recipe: str, clip: Path, done: Done) -> None:
        """Write down that a clip is finished."""
        entry = {
            "source": _source(row),
            "state": done.state,
            "recipe": recipe,
            "clip": self._name(clip),
            "frames": done.frames,
            "source_hash": done.source_hash,
            "hash": done.hash,
            "files": states_of(_files(clip)),
            "warnings": done.warnings,
        }
        self._write(entry)

    def _write(self, entry: dict) -> None:
        self._file.append(json.dumps(entry).encode("ascii"))

    def _name(self, clip: Path) -> str:
        return clip.relative_to(self.path.parent).as_posix()


def _files(clip: Path) -> list[Path]:
    """A clip and its sound."""
    return [clip, clip.with_suffix(".wav")]


def _source(row: Row) -> tuple:
    return (row.path, row.audio, row.start, row.duration)
