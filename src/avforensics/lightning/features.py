"""Batches of sequences from a feature store, for the anomaly models."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from avforensics.checkpoints import load_models
from avforensics.checkpoints.architecture import check_savable
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sampling import NumberedBatches
from avforensics.errors import ConfigError, ManifestError
from avforensics.features.store import Entry, FeatureStore
from avforensics.fields import check_choice
from avforensics.lightning.rows import ClipRows
from avforensics.models.projection import Projection
from avforensics.models.protocols import FeatureProtocol, require

log = logging.getLogger(__name__)

VAL_BATCH = 64


@dataclass(eq=False)
class Sequences(Dataset):
    """Sequences of consecutive windows of clips, kept in memory.

    Items hold ``index``, ``length``, ``logits`` (max_len, 2 * tau + 1) and, if the clips have them,
    ``activations`` (max_len, D). Rows after ``length`` are zero.

    Parameters
    ----------
    max_len : int
        Number of windows in a sequence.
    anywhere : bool
        Begin sequences at a random window, redrawn in each epoch, instead of at the first window.
    shift : int
        Shift each clip's audio by up to this many frames; the shift is redrawn in each epoch.
    """

    clips: Sequence[ClipRows]
    _: KW_ONLY
    max_len: int
    anywhere: bool = False
    shift: int = 0
    seed: int = 0

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        random = np.random.default_rng([self.seed, epoch, index])
        frames = int(random.integers(-self.shift, self.shift + 1)) if self.shift else 0
        rows = self.clips[index].moved(frames)
        n = len(rows["logits"])
        length = min(n, self.max_len)
        begin = int(random.integers(n - length + 1)) if self.anywhere and n > length else 0
        padded = {
            name: F.pad(table[begin : begin + length], (0, 0, 0, self.max_len - length))
            for name, table in rows.items()
        }
        return {"index": index, "length": length, **padded}


@dataclass(eq=False, kw_only=True, repr=False)
class FeatureData(pl.LightningDataModule):
    """Sequences from the real clips of a store, for training and validation.

    Batches hold ``index`` (B,), ``length`` (B,), ``logits`` (B, L, 2 * tau + 1) and, with
    ``components``, ``activations`` (B, L, D), which are projected but not normalised.

    Parameters
    ----------
    features : str or Path
        Folder of the store.
    train : str
        Name of the training split.
    val : str, optional
        Name of the validation split; None = hold out identities of the training split.
    held_out : float
        Fraction of the identities to hold out.
    max_len : int
        Number of windows in a sequence, N.
    tau : int
        Maximum delay in frames; the store may have larger delays.
    components : int, optional
        Number of PCA components of the activations, D; None = no activations.
    modality : {"both", "video"}
        Part of the activations used by the PCA: activation-AV or activation-V of Table 3.
    anywhere : bool
        Begin training sequences at a random window, not at the first (for windows=all).
    shift : int
        Shift the audio against the video by up to this many frames, redrawn in each epoch, so that
        the models learn constant offsets as normal. The store needs delays up to tau + shift.
    audio : {"pad", "context"}
        ``pad`` uses all windows; ``context`` leaves out windows with delays that reach beyond the
        recorded sound.
    batch_size : int
        Clips per batch, over all processes.
    init : mapping, optional
        Initial models, as in `load_models`. If these include a projection, it is used unchanged.
    projection : callable
        Function that fits a `FeatureProtocol`, which reduces activations; by default the paper's
        PCA.
    pca_windows : int
        Approximate maximum number of windows for fitting the projection, from random clips.
    disjoint : bool
        Refuse splits that share an identity.
    """

    features: str | Path
    train: str = "anomaly"
    val: str | None = "val"
    held_out: float = 0.1
    max_len: int = 50
    tau: int = 15
    components: int | None = 31
    modality: str = "both"
    anywhere: bool = False
    shift: int = 0
    audio: str = "pad"
    batch_size: int = 16
    init: Mapping[str, Any] | None = None
    projection: InitVar[Callable[..., FeatureProtocol]] = Projection.fit
    pca_windows: int = 40_000
    disjoint: bool = True
    seed: int = 0
    store: FeatureStore | None = field(default=None, init=False)
    rows: Sequence[Entry] = field(default=(), init=False)
    train_set: Sequences | None = field(default=None, init=False)
    val_set: Sequences | None = field(default=None, init=False)

    def __post_init__(self, projection: Callable[..., FeatureProtocol]) -> None:
        super().__init__()
        check_choice("modality", self.modality, ("both", "video"))
        check_choice("audio", self.audio, ("pad", "context"))
        if (
            self.max_len < 2
            or min(self.tau, self.batch_size) < 1
            or self.shift < 0
            or not 0 < self.held_out < 1
        ):
            raise ConfigError(
                "max_len must be at least 2, tau and batch_size at least 1, shift at least 0 and "
                f"held_out within (0, 1), got {self.max_len}, {self.tau}, {self.batch_size}, "
                f"{self.shift} and {self.held_out}"
            )
        self.fit_projection = projection
        self.projection: FeatureProtocol | None = None  # fitted or read by `setup`

    def setup(self, stage: str | None = None) -> None:
        """Read the store and fit the projection.

        Raises
        ------
        ManifestError
            A split has no real clip with features, or identities are shared.
        ConfigError
            There is no store, it has too few delays, or the clips do not fill one batch.
        """
        if self.store is not None:
            return
        store = FeatureStore.open(self.features)
        if store.info.max_delay or self.shift:  # imported activations come without delays
            store = store.within(self.tau + self.shift)
        train, val = self._split(store)
        if len(train) < self.batch_size:
            raise ConfigError(
                f"{len(train)} real clips of split {self.train} do not fill one batch of "
                f"{self.batch_size}; choose a smaller batch_size"
            )
        log.info("%d clips to train on, %d for validation", len(train), len(val))
        if self.components is not None:
            self.projection = self._given_projection(store) or self._fit(train)
        self.train_set = self._sequences(train, anywhere=self.anywhere)
        self.val_set = self._sequences(val, anywhere=False)
        self.rows = train.entries
        self.store = store

    def training_rows(self, reads: str) -> Iterator[Tensor]:
        """Yield the rows (n, D) of every training clip at every shift."""
        for clip in self.train_set.clips:
            for frames in range(-self.shift, self.shift + 1):
                yield clip.moved(frames)[reads]

    def batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch; each batch is divided among all processes."""
        return len(self.train_set) // self.batch_size

    def train_dataloader(self) -> DataLoader:
        """Return batches of training clips, starting with the next batch to train on."""
        trainer = self.trainer
        progress = trainer.fit_loop.epoch_loop.batch_progress.total
        batches = NumberedBatches(
            len(self.train_set),
            batch_size=self.batch_size,
            done=lambda: progress.processed,
            seed=self.seed,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )
        return DataLoader(self.train_set, batch_sampler=batches)

    def val_dataloader(self) -> DataLoader:
        """Return batches of validation clips; each process takes its share."""
        order = range(self.trainer.global_rank, len(self.val_set), self.trainer.world_size)
        return DataLoader(self.val_set, batch_size=VAL_BATCH, sampler=order)

    def _split(self, store: FeatureStore) -> tuple[FeatureStore, FeatureStore]:
        unused = 2 * store.info.max_delay if self.audio == "context" else 0

        def enough(entry: Entry) -> bool:
            return entry.n_windows >= 2 + self.shift + unused

        if self.val is None:
            return self._hold_out(store.select(enough, split=self.train, label=0))
        splits = self.train, self.val
        parts = tuple(store.select(enough, split=name, label=0) for name in splits)
        if self.disjoint:
            rows = (Row(e.path, 0, identity=e.identity, split=e.split) for p in parts for e in p)
            Manifest(rows).check_disjoint(*splits)
        return parts

    def _hold_out(self, store: FeatureStore) -> tuple[FeatureStore, FeatureStore]:
        """Hold out identities (or clips without identity), chosen by a hash of seed and name."""
        names = sorted({entry.identity or entry.path for entry in store})
        names.sort(key=lambda name: hashlib.sha256(f"{self.seed}:{name}".encode()).digest())
        if len(names) < 2:
            raise ManifestError(
                f"split {self.train} has only one identity, so none can be held out for validation"
            )
        chosen = set(names[: max(round(self.held_out * len(names)), 1)])
        return (
            store.select(lambda entry: (entry.identity or entry.path) not in chosen),
            store.select(lambda entry: (entry.identity or entry.path) in chosen),
        )

    def _kept(self, store: FeatureStore, index: int) -> np.ndarray:
        """Return the indices of a clip's usable windows."""
        if self.audio == "context":
            return np.flatnonzero(store.valid_audio(index))
        return np.arange(store[index].n_windows)

    def _sequences(self, store: FeatureStore, *, anywhere: bool) -> Sequences:
        clips = []
        for index in range(len(store)):
            kept = self._kept(store, index)[: None if anywhere else self.max_len + self.shift]
            place = {"reach": self.shift, "start": int(kept[0])}
            logits = torch.from_numpy(store.logits(index)[kept])
            if self.projection is None:
                clips.append(ClipRows(logits, **place))
                continue
            activations = torch.from_numpy(store.activations(index)[kept])
            clips.append(ClipRows.of(logits, activations, self.projection, **place))
        return Sequences(
            clips, max_len=self.max_len, anywhere=anywhere, shift=self.shift, seed=self.seed
        )

    def _given_projection(self, store: FeatureStore) -> FeatureProtocol | None:
        if not self.init or not any(self.init.values()):
            return None
        given = load_models({"search": False, **self.init}).projection
        if given is None:
            return None
        if (given.inputs, given.outputs) != (store.info.activation_width, self.components):
            raise ConfigError(
                f"the projection of init maps {given.inputs} to {given.outputs} numbers, but "
                f"the store has {store.info.activation_width} and components={self.components}"
            )
        return given

    def _fit(self, store: FeatureStore) -> FeatureProtocol:
        parts, windows = [], 0
        for index in np.random.default_rng(self.seed).permutation(len(store)):
            if windows >= self.pca_windows:
                break
            kept = self._kept(store, index)
            parts.append(torch.from_numpy(store.activations(index)[kept]))
            windows += len(kept)
        used = store.info.activation_width // 2 if self.modality == "video" else None
        try:
            projection = self.fit_projection(
                torch.cat(parts), outputs=self.components, used=used, seed=self.seed
            )
        except ValueError as error:
            raise ConfigError(f"{error}; choose fewer components") from None
        require(projection, FeatureProtocol, "projection")
        check_savable(projection)
        name = type(projection).__name__
        if projection.outputs != self.components:
            raise ConfigError(
                f"components={self.components}, but {name} has {projection.outputs} outputs"
            )
        if self.shift and not projection.linear:
            raise ConfigError(f"data.shift needs a linear projection, but {name} is not linear")
        log.info("%s: %d components, fitted on %d windows", name, self.components, windows)
        return projection
