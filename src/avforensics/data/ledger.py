"""Ledger of the videos that `avforensics preprocess` has cut, with one JSON line per video."""

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
    """Ledger in JSON-lines files, one per share of a run; each process appends to its own file.

    A line truncated by a kill is ignored, and its video is cut again. The process locks its own
    file. Use the ledger in a ``with`` statement.

    Parameters
    ----------
    folder : Path
        Folder of the ledgers (``ledger*.jsonl``) and of the clips; created if missing.
    name : str
        Name of this run's file.

    Raises
    ------
    ConfigError
        Another run is writing to the folder.
    ManifestError
        A file is not a ledger.
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
        of = name.rpartition("-of-")[2]  # shares of one run have no videos in common
        others = [path for path in paths if path.name.rpartition("-of-")[2] != of]
        if any(map(is_locked, others)):
            raise ConfigError(f"{folder}: another run is writing to this folder")
        entries = []
        for path in paths:
            found, damaged = read_json_lines(path)
            if damaged or not all("begun" in entry or entry.keys() >= _FIELDS for entry in found):
                raise ManifestError(f"{path}: not a ledger of avforensics preprocess")
            entries += found
        for entry in sorted(entries, key=lambda entry: entry.get("written", 0)):
            self._entries[entry["name"]] = entry  # the last entry counts
            if entry.get("begun"):
                del self._entries[entry["name"]]

    def close(self) -> None:
        """Release the lock."""
        self._file.close()

    def find(self, row: Row, name: str, digest: str) -> Cut | None:
        """Return the recorded result for a video, or None if the video or its clips have changed.

        A clip must have its audio and sidecar: without the audio file, readers would decode the
        clip's audio track, which is lossy. If only file times differ, e.g. in a copy, the hash of
        the clip is compared.

        Parameters
        ----------
        name : str
            Name of the video's folder among the clips.
        digest : str
            Digest of the settings.
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
        return [(self.clips / clip.name).with_suffix(suffix) for suffix in _SUFFIXES]

    def begin(self, name: str) -> None:
        """Invalidate the earlier record of a video, and remove unfinished files of a killed run."""
        remove_partial_files(self.clips / name, ".*.partial*")
        if self._entries.pop(name, None) is not None:
            self._write({"name": name, "begun": True})

    def add(self, row: Row, name: str, digest: str, cut: Cut) -> None:
        """Record the result of a video, and remove unfinished files of a killed attempt."""
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
