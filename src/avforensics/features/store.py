"""Store the synchronisation network's outputs for many clips on disk.

A store is a folder:

    store.json              settings with which the features were made
    sync.safetensors        the network
    shards/*.safetensors    features of some clips each; the header lists the clips
    index.jsonl             one line per row of the manifest: labels, and where its features are

Shards are written atomically, so a killed run loses only the clips of unfinished shards. Labels
are only in the index, so they can be changed without running the network.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from avforensics.errors import ConfigError, ManifestError
from avforensics.features.shards import Extracted
from avforensics.files import atomic_path, typed_path, write_json
from avforensics.smoothing import widened

FORMAT_VERSION = 1
EXTERNAL = "external:"  # prefix of the names of other networks


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """Properties shared by all features of a store.

    Attributes
    ----------
    network : str
        SHA-256 of the synchronisation network's tensors; ``external:NAME`` for imported features
        of another network.
    max_delay : int
        Maximum delay tau; a row has 2 * tau + 1 delays. 0 = no delays (imported features).
    activation_width : int
        Length of an activation vector; 0 = activations were not kept.
    activations : str
        ``float32``, ``float16`` or ``none``.
    max_windows : int or None
        Maximum number of windows per clip; None = all.
    precision : str
        Precision of the network's arithmetic.
    checkpoints : dict of str to str
        SHA-256 of the weight files, by name.
    edit : str
        Edit applied to the clips; empty = none.
    notice : str or None
        Sentence to print with every result.
    code : str
        Version of avforensics.
    video_stream, audio_stream : int or None
        Streams of the files, as in `RuntimeOptions`.
    """

    network: str
    max_delay: int
    activation_width: int
    activations: str
    max_windows: int | None
    precision: str
    checkpoints: dict[str, str] = field(default_factory=dict)
    edit: str = ""
    notice: str | None = None
    code: str = ""
    video_stream: int | None = None
    audio_stream: int | None = None

    @property
    def n_delays(self) -> int:
        return 2 * self.max_delay + 1

    @property
    def external(self) -> bool:
        """True if the features come from another network, which the store does not contain."""
        return self.network.startswith(EXTERNAL)

    def difference(self, other: StoreInfo) -> str | None:
        """Return why features with the properties ``other`` do not fit; None if they fit."""
        names = ("network", "max_delay", "activations", "max_windows", "precision", "edit")
        for name in (*names, "video_stream", "audio_stream"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                return f"{name} {_short(mine)}, not {_short(theirs)}"
        return None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the manifest and its features.

    Attributes
    ----------
    path, label, category, method, identity, split, start, duration, segments, audio, delay, about
        As in the manifest. Features do not depend on ``delay``.
    clip : Extracted
        Location of the row's features, or the reason why they are missing.
    """

    path: str
    label: int
    category: str = ""
    method: str = ""
    identity: str = ""
    split: str = ""
    start: float = 0.0
    duration: float | None = None
    segments: tuple[tuple[float, float], ...] = ()
    audio: str = ""
    delay: int = 0
    about: tuple[tuple[str, str], ...] = ()
    clip: Extracted

    @property
    def source(self) -> tuple[str, str, float, float | None]:
        """Path, audio, start and duration, as in `Row.source`."""
        return self.path, self.audio, self.start, self.duration

    @property
    def error(self) -> str | None:
        return self.clip.error

    @property
    def n_windows(self) -> int:
        return self.clip.n_windows


class FeatureStore(Sequence[Entry]):
    """Reader of a store; create it with `open`.

    Iteration yields entries in the manifest's order, including those without features.
    """

    def __init__(self, folder: Path, info: StoreInfo, entries: Sequence[Entry]) -> None:
        self.folder = folder
        self.info = info
        self.entries = tuple(entries)
        self._shards: dict[str, Any] = {}
        self._left_out = 0  # delays dropped at either end of the rows on disk

    @classmethod
    def open(cls, folder: str | PathLike) -> FeatureStore:
        """Open the folder that `avforensics extract` wrote.

        Raises
        ------
        ConfigError
            There is no store, its version is newer, or extraction has not finished.
        """
        folder = typed_path(folder)
        info = read_info(folder)
        if info is None:
            raise ConfigError(f"{folder}: no feature store; create it with avforensics extract")
        try:
            with index_path(folder).open(encoding="utf-8") as file:
                entries = [_entry(json.loads(line)) for line in file]
        except FileNotFoundError:
            raise ConfigError(
                f"{folder}: extraction has not finished; run avforensics extract again to resume"
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{index_path(folder)}: cannot be read ({error})") from None
        return cls(folder, info, entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def sync_path(self) -> Path:
        """Path of the bundle with the synchronisation network that made the features."""
        return self.folder / "sync.safetensors"

    @cached_property
    def failed(self) -> tuple[Entry, ...]:
        """Entries without features."""
        return tuple(entry for entry in self.entries if entry.error is not None)

    def select(self, keep: Callable[[Entry], bool] | None = None, **values: object) -> FeatureStore:
        """Return a view of the matching entries that have features, in order.

        Parameters
        ----------
        **values
            Required values of columns, e.g. ``split="anomaly", label=0``; None = any value.

        Raises
        ------
        ManifestError
            No entry matches.
        """
        wanted = {name: value for name, value in values.items() if value is not None}
        found = [
            entry
            for entry in self.entries
            if all(getattr(entry, name) == value for name, value in wanted.items())
            and (keep is None or keep(entry))
        ]
        with_features = [entry for entry in found if entry.error is None]
        if not with_features:
            asked = " and ".join(f"{name} {value}" for name, value in wanted.items())
            there = Counter((e.split or "(empty)", e.label) for e in self.entries)
            listing = ", ".join(f"split {s} label {v} ({n})" for (s, v), n in sorted(there.items()))
            failed = f"; {len(found)} matching rows have no features" if found else ""
            raise ManifestError(
                f"{self.folder}: no clip with {asked or 'features'}{failed}; available: {listing}"
            )
        view = FeatureStore(self.folder, self.info, with_features)
        view._shards = self._shards  # views share open files
        view._left_out = self._left_out
        return view

    def within(self, max_delay: int) -> FeatureStore:
        """Return a view of the same clips with delays up to ``max_delay`` frames.

        If a clip is too short for any window to have valid audio at every delay of the store, all
        its windows stay invalid.

        Raises
        ------
        ConfigError
            The store has fewer delays.
        """
        if max_delay > self.info.max_delay:
            if not self.info.max_delay:
                raise ConfigError(f"{self.folder} has no delays, only activations")
            raise ConfigError(
                f"{self.folder} has delays up to {self.info.max_delay} frames, but {max_delay} are "
                f"needed: extract its clips again with max_delay={max_delay}"
            )
        view = FeatureStore(self.folder, replace(self.info, max_delay=max_delay), self.entries)
        view._shards = self._shards
        view._left_out = self._left_out + self.info.max_delay - max_delay
        return view

    def logits(self, index: int) -> np.ndarray:
        """Read the delay logits of a clip, float32, (N, 2 * tau + 1)."""
        rows = self._read(index, "sync_logits").astype(np.float32, copy=False)
        return rows[:, self._left_out : rows.shape[1] - self._left_out]

    def activations(self, index: int) -> np.ndarray:
        """Read the activation vectors of a clip, float32, (N, A)."""
        if self.info.activations == "none":
            raise ConfigError(f"{self.folder}: activations were not kept (activations=none)")
        return self._read(index, "activations").astype(np.float32, copy=False)

    def valid_audio(self, index: int) -> np.ndarray:
        """Read which windows of a clip have real audio at every delay, bool, (N,)."""
        valid_audio = self._read(index, "heard").astype(bool)
        if not self._left_out:
            return valid_audio
        return widened(valid_audio, 2 * self._left_out + 1)

    def _read(self, index: int, name: str) -> np.ndarray:
        entry = self.entries[index]
        clip = entry.clip
        if clip.error is not None:
            raise ValueError(f"{entry.path} has no features: {clip.error}")
        path = self.folder / "shards" / clip.shard
        try:
            if clip.shard not in self._shards:
                self._shards[clip.shard] = safe_open(path, framework="numpy")
            part = self._shards[clip.shard].get_slice(name)
            return part[clip.offset : clip.offset + clip.n_windows]
        except (OSError, SafetensorError) as error:
            raise ConfigError(f"{path}: missing or damaged ({error})") from None


def read_info(folder: Path) -> StoreInfo | None:
    """Read store.json; return None if the file is missing.

    Raises
    ------
    ConfigError
        The file is damaged or its version is newer.
    """
    path = folder / "store.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("version")
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"{path}: unsupported store version {version}; expected {FORMAT_VERSION}"
            )
        return StoreInfo(**content)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{path}: does not describe a feature store") from None


def write_info(folder: Path, info: StoreInfo) -> None:
    """Write store.json."""
    write_json(folder / "store.json", {"version": FORMAT_VERSION, **asdict(info)})


def index_path(folder: Path) -> Path:
    """Return the path of a store's index, which is written when extraction has finished."""
    return folder / "index.jsonl"


def write_index(folder: Path, entries: Sequence[Entry]) -> None:
    """Write index.jsonl atomically; the store can then be opened."""
    with (
        atomic_path(index_path(folder)) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape") as file,
    ):
        for entry in entries:
            file.write(json.dumps(asdict(entry)) + "\n")


def _entry(line: dict[str, Any]) -> Entry:
    clip = Extracted(**line.pop("clip"))
    for name in ("segments", "about"):
        line[name] = tuple(tuple(pair) for pair in line.get(name, ()))
    return Entry(**line, clip=clip)


def _short(value: object) -> str:
    text = "none" if value is None else str(value) or "none"
    return f"{text[:12]}..." if len(text) > 40 else text
