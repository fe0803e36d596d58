"""From a manifest to batches of clips for the synchronisation network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from avforensics.data.augment import Augment
from avforensics.data.clips import RandomClips, SpanClips
from avforensics.data.manifest import Manifest
from avforensics.data.sampling import EpochSampler
from avforensics.errors import ConfigError
from avforensics.lightning.batches import NumberedBatches

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stage of the curriculum.

    Parameters
    ----------
    batch_size : int
        Videos in a batch, over all processes.
    clips : int, optional
        Clips of five frames a video, at random places.
    span : int, optional
        Consecutive frames a video instead, all of whose windows are used.
    gap : int
        Least distance in frames between two clips of a video.
    epochs : int, optional
        How long it lasts; None (the last phase only) = to the end.

    Raises
    ------
    ValueError
        Not exactly one of ``clips`` and ``span`` is given, or a number has no meaning.
    """

    batch_size: int
    clips: int | None = None
    span: int | None = None
    gap: int = 1
    epochs: int | None = None

    def __post_init__(self) -> None:
        if (self.clips is None) == (self.span is None):
            raise ValueError("a phase takes either clips or a span of each video")
        if self.batch_size < 1 or (self.epochs is not None and self.epochs < 1):
            raise ValueError("batch_size and epochs of a phase must be at least 1")
        if self.span is not None and self.span < 6:
            raise ValueError("a span needs at least 6 frames: two windows of five")


class SyncData(pl.LightningDataModule):
    """Training clips in phases, and whole clips for validation; real rows only.

    Parameters
    ----------
    manifest : str or Path
        Of normalised clips.
    phases : sequence of mapping
        Arguments of `Phase`, in order.
    train, val : str
        Names of the splits.
    size : int
        Side of the frames handed to the network.
    augment : Augment, optional
    disjoint : bool
        Refuse splits that share an identity. Only a set with one speaker may do without.
    val_frames : int, optional
        Frames of a validation clip that are used, from its start; None = all.
    val_clips : int, optional
        Use only so many validation clips, evenly spaced over the split.
    workers : int
        Processes that decode; 0 = decode in the training process.
    seed : int
        Of the order of clips, their places and their augmentation.
    """

    def __init__(
        self,
        *,
        manifest: str | Path,
        phases: Sequence[Mapping[str, Any]],
        train: str = "sync",
        val: str = "val",
        size: int = 224,
        augment: Augment | None = None,
        disjoint: bool = True,
        val_frames: int | None = None,
        val_clips: int | None = None,
        workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.phases = [Phase(**phase) for phase in phases]
        if not phases:
            raise ConfigError("training needs at least one phase: data.phases")
        if any(phase.epochs is None for phase in self.phases[:-1]):
            raise ConfigError("every phase but the last must say how many epochs it lasts")
        self.manifest = Path(manifest)
        self.splits = (train, val)
        self.size = size
        self.augment = augment
        self.disjoint = disjoint
        self.val_frames = val_frames
        self.val_clips = val_clips
        self.workers = workers
        self.seed = seed
        self.rows: Manifest | None = None
        self.val_rows: Manifest | None = None

    def setup(self, stage: str | None = None) -> None:
        """Read the manifest and check it.

        Raises
        ------
        ManifestError
            A split is empty, files are missing, or identities are shared.
        ConfigError
            The training split does not fill one batch.
        """
        if self.rows is not None:
            return
        manifest = Manifest.read(self.manifest)
        train, val = (manifest.select(split=name, label=0) for name in self.splits)
        Manifest([*train, *val]).require_files()
        if self.disjoint:
            manifest.check_disjoint(*self.splits)
        for phase in self.phases:
            if len(train) < phase.batch_size:
                raise ConfigError(
                    f"split {self.splits[0]} has {len(train)} clips, which do not fill one batch "
                    f"of {phase.batch_size}"
                )
        if self.val_clips is not None and self.val_clips < len(val):
            step = len(val) / self.val_clips
            val = Manifest(val[int(i * step)] for i in range(self.val_clips))
        self.rows, self.val_rows = train, val

    def phase(self, epoch: int) -> tuple[Phase, int]:
        """The phase of an epoch, and how many batches all phases before it have."""
        batches = 0
        for phase in self.phases[:-1]:
            if epoch < phase.epochs:
                return phase, batches
            epoch -= phase.epochs
            batches += phase.epochs * (len(self.rows) // phase.batch_size)
        return self.phases[-1], batches

    def batches(self, epoch: int) -> int:
        """Global batches of an epoch."""
        return len(self.rows) // self.phase(epoch)[0].batch_size

    def train_dataloader(self) -> DataLoader:
        """Batches of the current epoch's phase, from where training stands."""
        trainer = self.trainer
        if len(self.phases) > 1 and trainer.reload_dataloaders_every_n_epochs != 1:
            raise ConfigError("a curriculum needs trainer.reload_dataloaders_every_n_epochs=1")
        phase, before = self.phase(trainer.current_epoch)
        progress = trainer.fit_loop.epoch_loop.batch_progress.total
        order = EpochSampler(
            len(self.rows),
            batch_size=phase.batch_size,
            seed=self.seed,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )
        batches = NumberedBatches(order, lambda: max(progress.processed - before, 0))
        return DataLoader(
            self.clips(phase),
            batch_sampler=batches,
            num_workers=self.workers,
            persistent_workers=self.workers > 0 and len(self.phases) == 1,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def statistics_dataloader(self, clips: int) -> DataLoader:
        """Batches of fixed training videos, unchanged and the same in every process.

        Parameters
        ----------
        clips : int
            Videos, spread evenly over the split; all of it where it has fewer.
        """
        phase, _ = self.phase(self.trainer.current_epoch)
        count = min(clips, len(self.rows))
        rows = Manifest(self.rows[i * len(self.rows) // count] for i in range(count))
        return DataLoader(
            self.clips(phase, rows=rows, augment=False),
            batch_size=min(phase.batch_size, count),
            num_workers=self.workers,
            generator=torch.Generator(),  # the seed of the workers is not drawn from training's
        )

    def clips(
        self, phase: Phase, *, rows: Manifest | None = None, augment: bool = True
    ) -> RandomClips | SpanClips:
        """Clips of a phase, of all training rows or of some."""
        rows = self.rows if rows is None else rows
        changes = self.augment if augment else None
        common = {"size": self.size, "augment": changes, "seed": self.seed}
        if phase.span is not None:
            return SpanClips(rows, span=phase.span, **common)
        return RandomClips(rows, clips_per_video=phase.clips, gap=phase.gap, **common)

    def val_clips_set(self) -> SpanClips:
        """The validation set: clips from their first frame on, unchanged."""
        return SpanClips(self.val_rows, span=self.val_frames, fixed=True, size=self.size)

    def val_dataloader(self) -> DataLoader:
        """Single clips, not batched; each process takes its share."""
        trainer = self.trainer
        clips = self.val_clips_set()
        order = range(trainer.global_rank, len(clips), trainer.world_size)
        return DataLoader(clips, batch_size=None, sampler=order, num_workers=self.workers)
