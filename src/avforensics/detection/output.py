"""The output folder of a batch: finished videos, pending videos and growing tables."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.detection.inputs import clip_key
from avforensics.detection.names import unique_name
from avforensics.detection.rows import (
    COLUMNS,
    LAM_COLUMNS,
    SEGMENT_COLUMNS,
    Cells,
    lam_rows,
    rows_of,
    write_csv,
    write_scores,
)
from avforensics.faces.track import RENAMED_STATUSES
from avforensics.files import JsonLines, fingerprint, remove_partial_files, sha256_or_none
from avforensics.scoring.outcome import Outcome, Segment
from avforensics.scoring.result import FACELESS, WITH_SCORE
from avforensics.scoring.source import Clip

SCORE_FILES = ("testing_score.npy", "testing_scores.npy")  # names in the published README and code
# Maximum share of time for writing tables. Each table is rewritten as a whole to survive a kill.
TABLE_SHARE = 0.05

FileState = tuple[int | None, int | None]  # size and modification time


@dataclass(frozen=True)
class Task:
    """Video or part of a video that has to be scored.

    Attributes
    ----------
    name : str
        Name of the video's outputs, unique in the batch.
    size, mtime_ns : int or None
        Size and modification time of the file before it was read; None if it does not exist.
    audio : tuple of (int or None) or None
        Size and modification time of the separate audio file, if there is one.
    """

    clip: Clip
    name: str
    size: int | None
    mtime_ns: int | None
    audio: FileState | None = None

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.clip.path


class OutputFolder:
    """Results of a batch in a folder; each result is written as soon as it is ready.

    ``journal.jsonl`` is authoritative: it has a line for each finished video. ``scores.csv`` and
    the score arrays are derived from the journal, in the order of the input.

    Parameters
    ----------
    journal : JsonLines
        Journal of this folder.
    videos : sequence of path or Clip
        Videos of the batch.
    settings : mapping
        Settings on which a score depends: checkpoints, scoring, streams.
    is_complete : callable
        Function that returns True if a video's other outputs are complete. Its arguments are the
        video's name and a list of outputs that could not be drawn.
    resume : bool
        Whether to keep earlier results of the same files and settings.

    Attributes
    ----------
    tasks : list of Task
        Pending tasks, in the order of the input.
    kept : int
        Number of videos whose earlier results are kept.
    remarks : list of str
        Sentences that state why other videos are scored again.
    """

    def __init__(
        self,
        folder: Path,
        journal: JsonLines,
        videos: Sequence[Path | Clip],
        *,
        settings: Mapping[str, Any],
        is_complete: Callable[[str, Sequence[str]], bool],
        resume: bool = True,
    ) -> None:
        self.folder = folder
        self.clips = [Clip.of(video) for video in videos]
        self._keys = [clip_key(clip) for clip in self.clips]
        self.tasks: list[Task] = []
        self.remarks: list[str] = []
        self._journal = journal
        self._settings = json.loads(json.dumps(settings, sort_keys=True))
        self._digest = fingerprint(self._settings)[:16]
        self._is_complete = is_complete
        self._records: dict[str, dict[str, Any]] = {}
        self._outdated: set[str] = set()  # videos with an outdated record in the journal
        self._next_tables = 0.0
        self.remove_partial_files()
        if not resume:
            journal.clear()
        self._plan()
        self.kept = len(self._records)

    @property
    def rows(self) -> list[Cells]:
        """Rows of finished videos in the order of the input."""
        return [self._records[key]["row"] for key in self._keys if key in self._records]

    @property
    def all_rows(self) -> list[Cells]:
        """Rows of finished videos, each followed by the rows of its faces."""
        found = (self._records[key] for key in self._keys if key in self._records)
        return [row for record in found for row in (record["row"], *record.get("faces", ()))]

    @property
    def dropped(self) -> Counter[str]:
        """Number of faces that were found but not used, by reason."""
        total: Counter[str] = Counter()
        for key in self._keys:
            total.update(self._records.get(key, {}).get("dropped", {}))
        return total

    def remove_partial_files(self) -> None:
        """Remove partial files of killed processes; no other process may be writing."""
        remove_partial_files(self.folder, ".*.partial*", "*/.*.partial*", "*/*/.*.partial*")

    def begin(self, task: Task) -> None:
        """Void an earlier run's record of a video before the video's files are overwritten.

        If this run is killed while it writes the files, a later run with the earlier settings must
        not find the old score next to new files.

        Raises
        ------
        OSError
            The disk is full.
        """
        key = clip_key(task.clip)
        if key in self._outdated:
            self._journal.append({"video": key, "name": task.name, "void": True})
            self._outdated.remove(key)

    def keep(self, entry: Mapping[str, Any]) -> Cells:
        """Store an entry from `entry_of` in the journal and return its row; update tables if due.

        Raises
        ------
        OSError
            The disk is full. The result was not stored.
        """
        record = {**entry, "settings": self._digest}
        self._journal.append(record)
        self._records[record["video"]] = record
        if time.monotonic() >= self._next_tables:
            self.write_tables()
        return record["row"]

    def write_tables(self) -> None:
        """Write scores.csv, scores_by_lam.csv, segments.csv and the score arrays."""
        started = time.monotonic()
        write_csv(self.folder / "scores.csv", COLUMNS, self.all_rows)
        found = [self._records.get(key) for key in self._keys]
        segments = [row for record in found if record for row in record.get("segments", ())]
        if segments:
            write_csv(self.folder / "segments.csv", SEGMENT_COLUMNS, segments)
        else:  # a run with different settings may have left a file
            (self.folder / "segments.csv").unlink(missing_ok=True)
        if any(record and len(record["lams"]) > 1 for record in found):
            by_lam = [row for record in found if record for row in record["lams"]]
            write_csv(self.folder / "scores_by_lam.csv", LAM_COLUMNS, by_lam)
        else:
            (self.folder / "scores_by_lam.csv").unlink(missing_ok=True)
        scores = [record and record["row"]["score"] for record in found]
        array = np.array([np.nan if score is None else score for score in scores], np.float64)
        write_scores([self.folder / name for name in SCORE_FILES], array)
        took = time.monotonic() - started
        self._next_tables = time.monotonic() + took / TABLE_SHARE

    def _plan(self) -> None:
        """Split the batch into kept results and pending tasks."""
        known = {r["video"]: r for r in self._journal.records if "video" in r}
        described = {r["settings"]: r["is"] for r in self._journal.records if "is" in r}
        if self._digest not in described:
            self._journal.append({"settings": self._digest, "is": self._settings})
        taken = {record["name"].casefold() for record in known.values()}
        reasons: Counter[str] = Counter()
        gone = 0
        for key, clip in zip(self._keys, self.clips, strict=True):
            record, path = known.get(key), clip.path
            size, mtime_ns = stat = _stat(path)
            reason = "" if record is None else self._why_again(record, clip, stat, described)
            if record is not None and reason is None:
                self._records[key] = record
                gone += None in (size, _stat(clip.audio or path)[0])
                if "segments" in record:  # earlier versions wrote different columns
                    record["segments"] = [Segment.of_row(r).row() for r in record["segments"]]
                parts = (record.get(part, ()) for part in ("lams", "faces", "segments"))
                for row in chain([record["row"]], *parts):
                    row["path"] = str(path)  # the path in this run
                continue
            if record is not None:
                self._outdated.add(key)
            name = record["name"] if record else unique_name(path, taken, key)
            taken.add(name.casefold())
            audio = None if clip.audio is None else _stat(clip.audio)
            self.tasks.append(Task(clip, name, size, mtime_ns, audio))
            if reason:
                reasons[reason] += 1
        if self._journal.damaged:
            self.remarks.append(
                f"skipped {len(self._journal.damaged)} damaged lines of journal.jsonl"
            )
        if gone:
            self.remarks.append(f"{gone} missing file{'s' if gone > 1 else ''}: results are kept")
        self.remarks += [
            f"scoring {count} video{'s' if count > 1 else ''} again: {why}"
            for why, count in reasons.items()
        ]

    def _why_again(
        self,
        record: Mapping[str, Any],
        clip: Clip,
        stat: FileState,
        described: Mapping[str, Mapping[str, Any]],
    ) -> str | None:
        """Return why a finished video has to be scored again; None if its result is kept."""
        if "void" in record:
            return "interrupted while files were being written"
        status = record["row"]["status"]
        record["row"]["status"] = status = RENAMED_STATUSES.get(status, status)
        if status not in (*WITH_SCORE, *FACELESS):
            return "failed before"
        if record["settings"] != self._digest:
            changes = _changes(described.get(record["settings"], {}), self._settings)
            return f"scored with other settings ({changes})"
        before = record["size"], record["mtime_ns"]
        if _has_changed(clip.path, stat, before, record["row"]["sha256"]):
            return "the file has changed"
        sizes = [stat[0]]
        if clip.audio is not None:
            audio = record.get("audio", {})  # earlier versions did not record the audio file
            before, now = (audio.get("size"), audio.get("mtime_ns")), _stat(clip.audio)
            if _has_changed(clip.audio, now, before, audio.get("sha256")):
                return "the audio file has changed"
            sizes.append(now[0])
        if status in FACELESS or None in sizes:  # no report to make, or nothing to make it from
            return None
        complete = self._is_complete(record["name"], record.get("undrawn", ()))
        return None if complete else "the report or the features are missing"


def entry_of(
    task: Task,
    outcome: Outcome,
    record: Mapping[str, Any],
    *,
    report: str | None = None,
    undrawn: Sequence[str] = (),
) -> dict[str, Any]:
    """Create the journal entry of a result.

    Parameters
    ----------
    record : mapping
        Content of the result file.
    report : str, optional
        Path of the report relative to the folder.
    undrawn : sequence of str
        Names of outputs that could not be drawn, which later runs do not try again.
    """
    row, *faces = rows_of(record, report=report)
    optional = {
        "undrawn": list(undrawn),
        "faces": faces,
        "segments": [segment.row() | {"path": row["path"]} for segment in outcome.segments],
        "dropped": {} if outcome.found is None else dict(outcome.found.dropped),
    }
    if task.audio is not None:
        size, mtime_ns = task.audio
        sha256 = record["file"]["audio_sha256"]
        optional["audio"] = {"size": size, "mtime_ns": mtime_ns, "sha256": sha256}
    return {
        "video": clip_key(task.clip),
        "name": task.name,
        "size": task.size,
        "mtime_ns": task.mtime_ns,
        "row": row | {"seconds": round(outcome.result.seconds, 3)},
        "lams": lam_rows(outcome.result),
        **{name: value for name, value in optional.items() if value},
    }


def _stat(path: Path) -> FileState:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None, None
    return found.st_size, found.st_mtime_ns


def _has_changed(path: Path, now: FileState, before: FileState, sha256: str | None) -> bool:
    """Return True if a file's size, or both its modification time and content, differ.

    A missing file counts as unchanged: its disk may not be mounted, and its results stay valid.
    """
    if now[0] is None:
        return False
    # the time alone does not matter: the file may be a copy
    return now[0] != before[0] or (now[1] != before[1] and sha256_or_none(path) != sha256)


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """List the settings that differ, with both values if a setting exists before and now."""
    old, new = _flat(before), _flat(now)
    names = [name for name in sorted(old | new) if old.get(name) != new.get(name)]
    told = [
        f"{name} {old[name]} -> {new[name]}" if name in old and name in new else name
        for name in names
    ]
    return ", ".join(told) or "unknown"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
