"""What the synchronisation network says of many clips, on disk: computed once, used for everything.

A store is a folder:

    store.json              what the features were made with
    sync.safetensors        the network itself
    shards/*.safetensors    features of some clips each, and in the header which clips they are
    index.jsonl             a line for each row of the manifest: labels, and where features lie

A shard appears whole or not at all, so a kill costs no more than the clips of unfinished shards.
Labels stand in the index only: to change them, no network needs to run.
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
from scipy.ndimage import binary_dilation

from avforensics.errors import ConfigError, ManifestError
from avforensics.features.shards import Extracted
from avforensics.files import atomic_path, typed_path

FORMAT_VERSION = 1
EXTERNAL = "external:"  # begins the name of a network that is not ours


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """What all features of a store have in common.

    Attributes
    ----------
    network : str
        SHA-256 of the synchronisation network's tensors; ``external:NAME`` for another network,
        whose features were imported.
    max_delay : int
        tau; a row has 2 * tau + 1 delays. 0 = there are no delays (imported features).
    activation_width : int
        Length of an activation vector; 0 where activations were not kept.
    activations : str
        ``float32``, ``float16`` or ``none``.
    max_windows : int or None
        Windows of a clip, from its start; None = all.
    precision : str
        Of the network's arithmetic.
    checkpoints : dict of str to str
        SHA-256 of the weight files, by name.
    edit : str
        What was done to clips while they were read; empty = nothing.
    notice : str or None
        A sentence that must stand on every result.
    code : str
        Version of this program.
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

    @property
    def n_delays(self) -> int:
        return 2 * self.max_delay + 1

    @property
    def external(self) -> bool:
        """Whether the features are another network's: there is no network in the store."""
        return self.network.startswith(EXTERNAL)

    def difference(self, other: StoreInfo) -> str | None:
        """What makes features of the two unfit to stand in one store, in words; None = nothing."""
        for name in ("network", "max_delay", "activations", "max_windows", "precision", "edit"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                return f"{name} {_short(mine) or 'none'}, not {_short(theirs) or 'none'}"
        return None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the manifest, and what became of it.

    Attributes
    ----------
    path, label, category, method, identity, split, start, duration, segments, audio, delay, about
        As in the manifest. Features are those of the clip as it is, whatever its ``delay``.
    clip : Extracted
        Where its features lie, or why there are none.
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
    def error(self) -> str | None:
        return self.clip.error

    @property
    def n_windows(self) -> int:
        return self.clip.n_windows


class FeatureStore(Sequence[Entry]):
    """Read features; made by `open`.

    Iterating gives entries in the manifest's order, those without features among them.
    """

    def __init__(self, folder: Path, info: StoreInfo, entries: Sequence[Entry]) -> None:
        self.folder = folder
        self.info = info
        self.entries = tuple(entries)
        self._shards: dict[str, Any] = {}
        self._left_out = 0  # delays at either end of the rows on disk

    @classmethod
    def open(cls, folder: str | PathLike) -> FeatureStore:
        """Open the folder that `avforensics extract` wrote.

        Raises
        ------
        ConfigError
            There is no store, it is of a later version, or extraction has not come to its end.
        """
        folder = typed_path(folder)
        info = read_info(folder)
        if info is None:
            raise ConfigError(f"{folder}: there is no feature store; avforensics extract makes one")
        try:
            with (folder / "index.jsonl").open(encoding="utf-8") as file:
                entries = [_entry(json.loads(line)) for line in file]
        except FileNotFoundError:
            raise ConfigError(
                f"{folder}: extraction has not come to its end; run avforensics extract again, it "
                "goes on where it stopped"
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{folder / 'index.jsonl'}: cannot be read ({error})") from None
        return cls(folder, info, entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def sync_path(self) -> Path:
        """The bundle with the synchronisation network that made the features."""
        return self.folder / "sync.safetensors"

    @cached_property
    def failed(self) -> tuple[Entry, ...]:
        """Entries without features."""
        return tuple(entry for entry in self.entries if entry.error is not None)

    def select(self, keep: Callable[[Entry], bool] | None = None, **values: object) -> FeatureStore:
        """Entries that have features and match, in their order.

        Parameters
        ----------
        **values
            Columns and what they must be, e.g. ``split="anomaly", label=0``; None = anything.

        Raises
        ------
        ManifestError
            Nothing matches.
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
            failed = f"; {len(found)} such rows have no features" if found else ""
            raise ManifestError(
                f"{self.folder}: no clip with {asked or 'features'}{failed}; there is: {listing}"
            )
        view = FeatureStore(self.folder, self.info, with_features)
        view._shards = self._shards  # one open file for each shard, whatever the view
        view._left_out = self._left_out
        return view

    def within(self, max_delay: int) -> FeatureStore:
        """The same clips with delays up to so many frames only.

        Clips that are too short for the delays of the store count as unheard still.

        Raises
        ------
        ConfigError
            The store has fewer.
        """
        if max_delay > self.info.max_delay:
            if not self.info.max_delay:
                raise ConfigError(f"{self.folder} has no rows over delays, only activations")
            raise ConfigError(
                f"{self.folder} has delays up to {self.info.max_delay} frames, {max_delay} are "
                f"needed: extract its clips with max_delay={max_delay}"
            )
        view = FeatureStore(self.folder, replace(self.info, max_delay=max_delay), self.entries)
        view._shards = self._shards
        view._left_out = self._left_out + self.info.max_delay - max_delay
        return view

    def logits(self, index: int) -> np.ndarray:
        """Rows of delay logits of a clip, float32, (N, 2 * tau + 1)."""
        rows = self._read(index, "sync_logits").astype(np.float32, copy=False)
        return rows[:, self._left_out : rows.shape[1] - self._left_out]

    def activations(self, index: int) -> np.ndarray:
        """Activation vectors of a clip, float32, (N, A)."""
        if self.info.activations == "none":
            raise ConfigError(
                f"{self.folder}: activations were not kept (it was made with activations=none)"
            )
        return self._read(index, "activations").astype(np.float32, copy=False)

    def valid_audio(self, index: int) -> np.ndarray:
        """Whether every delay of a window sees real sound, bool, (N,)."""
        valid_audio = self._read(index, "heard").astype(bool)
        if not self._left_out:
            return valid_audio
        return binary_dilation(valid_audio, np.ones(2 * self._left_out + 1, bool))

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
    """What stands in store.json; None where there is no such file.

    Raises
    ------
    ConfigError
        The file is damaged or of a later version.
    """
    path = folder / "store.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("version")
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"{path}: store version {version}; this program reads version {FORMAT_VERSION}"
            )
        return StoreInfo(**content)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{path}: this does not describe a feature store") from None


def write_info(folder: Path, info: StoreInfo) -> None:
    """Write store.json."""
    with atomic_path(folder / "store.json") as partial:
        text = json.dumps({"version": FORMAT_VERSION, **asdict(info)}, indent=1)
        partial.write_text(text + "\n", encoding="utf-8")


def write_index(folder: Path, entries: Sequence[Entry]) -> None:
    """Write index.jsonl, whole: from then on the store can be opened."""
    with (
        atomic_path(folder / "index.jsonl") as partial,
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
    text = str(value)
    return f"{text[:12]}..." if len(text) > 40 else text
