"""Which videos `avforensics preprocess` has cut already, a line of JSON for each."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from avforensics.data.cut import Cut, FaceClip
from avforensics.data.row import Row
from avforensics.errors import ConfigError, ManifestError
from avforensics.faces.track import RENAMED_STATUSES
from avforensics.files import (
    Closing,
    JsonLines,
    are_unchanged,
    is_locked,
    read_json_lines,
    remove_partial_files,
    states_of,
)

_SUFFIXES = (".mp4", ".wav", ".json")
_FIELDS = {"source", "state", "name", "settings", "status", "reason", "frames", "clips", "dropped"}


class Ledger(Closing):
    """Files of JSON lines, one for each share of a run; this run adds to its own.

    A line that a kill has cut in two is left out; its video is cut again. The own file is locked.
    Use it in a ``with`` statement.

    Parameters
    ----------
    folder : Path
        Holds the ledgers (``ledger*.jsonl``) and the folder of clips; created.
    name : str
        Of this run's own file.

    Raises
    ------
    ConfigError
        Another run that may cut the same videos is writing to the folder.
    ManifestError
        A file holds something else.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.clips = folder / "clips"
        self.clips.mkdir(parents=True, exist_ok=True)
        self._entries: dict[str, dict] = {}
        self._file = JsonLines(folder / name)
        try:
            self._read_all(folder, name)
        except BaseException:
            self._file.close()
            raise

    def _read_all(self, folder: Path, name: str) -> None:
        paths = sorted(folder.glob("ledger*.jsonl"))
        of = name.rpartition("-of-")[2]  # shares of one run have no video in common
        others = [path for path in paths if path.name.rpartition("-of-")[2] != of]
        if any(map(is_locked, others)):
            raise ConfigError(f"{folder}: another run is writing to this folder")
        entries = []
        for path in paths:
            found, damaged = read_json_lines(path)
            if damaged or not all("begun" in entry or entry.keys() >= _FIELDS for entry in found):
                raise ManifestError(f"{path}: this is not a ledger of avforensics preprocess")
            entries += found
        for entry in sorted(entries, key=lambda entry: entry.get("written", 0)):
            self._entries[entry["name"]] = entry  # what was written over a folder last counts
            if entry.get("begun"):
                del self._entries[entry["name"]]

    def close(self) -> None:
        """Release the lock."""
        self._file.close()

    def find(self, row: Row, name: str, digest: str) -> Cut | None:
        """What became of a video, if neither it nor its clips have changed since.

        A clip is there with its sound and its sidecar: without the first, readers would decode that
        of the clip, which is not the exact one. Of files with another time of change, as copies
        have, the hash of the clip decides.

        Parameters
        ----------
        name : str
            Of its folder among the clips.
        digest : str
            Of the settings.
        """
        entry = self._entries.get(name)
        if entry is None or (entry["source"], entry["settings"]) != (list(row.source), digest):
            return None
        clips = tuple(FaceClip(**clip) for clip in entry["clips"])
        state, written = states_of(row.files), entry.get("files", {})
        if (
            state is None
            or entry["state"] != state
            or not all(
                are_unchanged(self._files(clip), written.get(clip.name), clip.hash)
                for clip in clips
            )
        ):
            return None
        return Cut(
            RENAMED_STATUSES.get(entry["status"], entry["status"]),
            entry["reason"],
            entry["frames"],
            clips,
            entry["dropped"],
            state,
            tuple(entry.get("warnings", ())),
        )

    def _files(self, clip: FaceClip) -> list[Path]:
        """A clip, its sound and its sidecar."""
        return [(self.clips / clip.name).with_suffix(suffix) for suffix in _SUFFIXES]

    def begin(self, name: str) -> None:
        """Write down that a video's folder of clips no longer holds what an earlier run wrote.

        What a killed run left half-written there is removed.
        """
        remove_partial_files(self.clips / name, ".*.partial*")
        if self._entries.pop(name, None) is not None:
            self._write({"name": name, "begun": True})

    def add(self, row: Row, name: str, digest: str, cut: Cut) -> None:
        """Write down what became of a video; what a killed attempt at it has left is removed."""
        remove_partial_files(self.clips / name, ".*.partial*")
        entry = {
            "source": row.source,
            "name": name,
            "settings": digest,
            "files": {clip.name: states_of(self._files(clip)) for clip in cut.clips},
            **asdict(cut),
        }
        self._write(entry)

    def _write(self, entry: dict) -> None:
        self._file.append(entry | {"written": time.time_ns()})
