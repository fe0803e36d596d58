"""Batches of clips from a manifest, for the synchronisation network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from avforensics.data.augment import Augment
from avforensics.data.clips import RandomClips, SpanClips
from avforensics.data.manifest import Manifest
from avforensics.data.packed import ClipMemory, PackedClips, Tape, clip_weights
from avforensics.data.sampling import NumberedBatches, NumberedSteps
from avforensics.data.sound import SoundAugment
from avforensics.errors import ConfigError
from avforensics.lightning.schedule import batches_of
from avforensics.lightning.shared_memory import check_shared_memory
from avforensics.media.types import FPS
from avforensics.models.visual import WINDOW_FRAMES

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stage of the curriculum.

    Parameters
    ----------
    batch_size : int
        Videos per batch, over all processes; ignored if ``frames`` is given.
    clips : int, optional
        Number of five-frame clips drawn at random from each video.
    span : int, optional
        Alternative to ``clips``: length in frames of one random segment per video; all of its
        windows are used.
    frames : int, optional
        Alternative to ``clips``: frames per step, over all processes. Clips of any length are kept
        in memory and concatenated; see `avforensics.data.packed`.
    longest : int
        With ``frames``: maximum number of frames that a clip contributes to an epoch.
    edges : int
        With ``frames``: number of additional negatives per step, which are crops of sound that
        reach into silence.
    gap : int
        Minimum distance in frames between two clips of a video.
    epochs : int, optional
        Length of the phase; None (last phase only) = until training ends.

    Raises
    ------
    ValueError
        Not exactly one of ``clips``, ``span`` and ``frames`` is given, or a number is out of range.
    """

    batch_size: int = 1
    clips: int | None = None
    span: int | None = None
    frames: int | None = None
    longest: int = 75
    edges: int = 32
    gap: int = 1
    epochs: int | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.clips, self.span, self.frames)) != 1:
            raise ValueError("a phase must set exactly one of clips, span and frames")
        if self.frames is not None and min(self.frames, self.longest) < 6:
            raise ValueError(
                "frames and longest must be at least 6 (two windows of five frames), got "
                f"{self.frames} and {self.longest}"
            )
        if self.edges < 0:
            raise ValueError(f"edges must be at least 0, got {self.edges}")
        if self.batch_size < 1 or (self.epochs is not None and self.epochs < 1):
            raise ValueError(
                "batch_size and epochs of a phase must be at least 1, got "
                f"{self.batch_size} and {self.epochs}"
            )
        if self.span is not None and self.span < 6:
            raise ValueError(
                f"span must be at least 6 (two windows of five frames), got {self.span}"
            )


@dataclass(eq=False, kw_only=True, repr=False)
class SyncData(pl.LightningDataModule):
    """Real clips of a manifest, in phases for training and as whole clips for validation.

    Parameters
    ----------
    manifest : str or Path
        Manifest of clips written by `avforensics preprocess`.
    phases : sequence of mapping
        Phases in order, each as arguments of `Phase`.
    train, val : str
        Names of the training and validation splits.
    size : int
        Side of the frames passed to the network, in pixels.
    sound : SoundAugment, optional
        Augmentation of the sound; requires phases with ``frames``.
    weights : mapping of str to float, optional
        How often the clips of each category occur in an epoch; the default is once. Requires phases
        with ``frames``.
    disjoint : bool
        Refuse splits that share an identity. Turn this off only for a data set with a single
        speaker.
    val_frames : int, optional
        Number of frames used from the start of each validation clip; None = all.
    val_clips : int, optional
        Use at most this many validation clips, evenly spaced over the split.
    workers : int
        Number of decoding processes; 0 = decode in the training process.
    seed : int
        Seed for the order, positions and augmentation of the clips.
    """

    manifest: str | Path
    phases: Sequence[Mapping[str, Any] | Phase]
    train: str = "sync"
    val: str = "val"
    size: int = 224
    augment: Augment | None = None
    sound: SoundAugment | None = None
    weights: Mapping[str, float] | None = None
    disjoint: bool = True
    val_frames: int | None = None
    val_clips: int | None = None
    workers: int = 2
    seed: int = 0
    rows: Manifest | None = field(default=None, init=False)
    val_rows: Manifest | None = field(default=None, init=False)
    _memory: ClipMemory | None = field(default=None, init=False)
    _tapes: dict[Phase, Tape] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        super().__init__()
        self.phases = [Phase(**phase) for phase in self.phases]
        if not self.phases:
            raise ConfigError("training needs at least one phase: data.phases")
        if any(phase.epochs is None for phase in self.phases[:-1]):
            raise ConfigError("every phase but the last must set its epochs")
        if (self.sound or self.weights) and any(phase.frames is None for phase in self.phases):
            raise ConfigError("data.sound and data.weights work only if every phase sets frames")

    def setup(self, stage: str | None = None) -> None:
        """Read and check the manifest.

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
        train, val = (manifest.select(split=name, label=0) for name in (self.train, self.val))
        Manifest([*train, *val]).require_files()
        if self.disjoint:
            manifest.check_disjoint(self.train, self.val)
        for phase in self.phases:
            if len(train) < phase.batch_size:
                raise ConfigError(
                    f"split {self.train} has {len(train)} clips, which do not fill one batch "
                    f"of {phase.batch_size}"
                )
        if self.val_clips is not None and self.val_clips < len(val):
            step = len(val) / self.val_clips
            val = Manifest(val[int(i * step)] for i in range(self.val_clips))
        self.rows, self.val_rows = train, val

    def phase(self, epoch: int) -> tuple[Phase, int]:
        """Return the phase of an epoch and the number of epochs in all earlier phases."""
        before = 0
        for phase in self.phases[:-1]:
            if epoch < before + phase.epochs:
                return phase, before
            before += phase.epochs
        return self.phases[-1], before

    def batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch; each batch is divided among all processes."""
        phase, _ = self.phase(epoch)
        if phase.frames is not None:
            return self.tape(phase).steps
        return len(self.rows) // phase.batch_size

    @property
    def memory(self) -> ClipMemory:
        """The training clips, read on first use; from then on, `rows` lists only readable clips."""
        if self._memory is None:
            self._memory = ClipMemory(self.rows)
            for problem in self._memory.broken:
                log.warning("clip skipped: %s", problem)
            self.rows = Manifest(self._memory.rows, self.manifest)
        return self._memory

    def tape(self, phase: Phase) -> Tape:
        """Return the training steps of a phase with ``frames``."""
        if phase not in self._tapes:
            memory = self.memory
            try:
                self._tapes[phase] = Tape(
                    memory.lengths,
                    frames=phase.frames,
                    longest=phase.longest,
                    weights=clip_weights(memory.rows, self.weights),
                    seed=self.seed,
                )
            except ValueError as error:
                raise ConfigError(f"split {self.train}: {error}") from None
        return self._tapes[phase]

    def packed(self, phase: Phase, *, augment: bool = True) -> PackedClips:
        """Return this process's share of the steps; without ``augment``, the complete steps."""
        try:
            return PackedClips(
                self.memory,
                self.tape(phase),
                size=self.size,
                augment=self.augment if augment else None,
                sound=self.sound if augment else None,
                edges=phase.edges,
                rank=self.trainer.global_rank if augment else 0,
                world=self.trainer.world_size if augment else 1,
                seed=self.seed,
            )
        except ValueError as error:
            raise ConfigError(f"data.phases: {error}") from None

    def train_dataloader(self) -> DataLoader:
        """Return batches of the current epoch, starting with the next batch to train on."""
        trainer = self.trainer
        if len(self.phases) > 1 and trainer.reload_dataloaders_every_n_epochs != 1:
            raise ConfigError("a curriculum needs trainer.reload_dataloaders_every_n_epochs=1")
        phase, earlier = self.phase(trainer.current_epoch)
        before = sum(batches_of(trainer, epoch) for epoch in range(earlier))
        progress = trainer.fit_loop.epoch_loop.batch_progress.total

        def done() -> int:
            return max(progress.processed - before, 0)

        if phase.frames is not None:
            self._check_shared_memory(1, phase.frames // trainer.world_size)
            clips = self.packed(phase)
            return DataLoader(
                clips,
                batch_size=None,
                sampler=NumberedSteps(len(clips), done),
                num_workers=self.workers,
            )
        batches = NumberedBatches(
            len(self.rows),
            batch_size=phase.batch_size,
            done=done,
            seed=self.seed,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )
        self._check_shared_memory(
            phase.batch_size // trainer.world_size, phase.span or phase.clips * WINDOW_FRAMES
        )
        return DataLoader(
            self.clips(phase),
            batch_sampler=batches,
            num_workers=self.workers,
            persistent_workers=self.workers > 0 and len(self.phases) == 1,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def statistics_dataloader(self, clips: int) -> DataLoader:
        """Return batches of fixed training videos, without augmentation, the same in every process.

        Parameters
        ----------
        clips : int
            Number of videos, spread evenly over the split; all videos if the split has fewer.
        """
        phase, _ = self.phase(self.trainer.current_epoch)
        if phase.frames is not None:
            packed = self.packed(phase, augment=False)
            frames = clips * packed.tape.lengths.mean()
            steps = min(max(round(frames / phase.frames), 1), len(packed))
            return DataLoader(packed, batch_size=None, sampler=range(steps))
        count = min(clips, len(self.rows))
        rows = Manifest(self.rows[i * len(self.rows) // count] for i in range(count))
        return DataLoader(
            self.clips(phase, rows=rows, augment=False),
            batch_size=min(phase.batch_size, count),
            num_workers=self.workers,
            generator=torch.Generator(),  # separate from the random state of training
        )

    def _check_shared_memory(self, videos: int, frames: int) -> None:
        check_shared_memory(videos=videos, frames=frames, size=self.size, workers=self.workers)

    def clips(
        self, phase: Phase, *, rows: Manifest | None = None, augment: bool = True
    ) -> RandomClips | SpanClips:
        """Return the clips of a phase, from ``rows`` or, by default, from all training rows."""
        rows = self.rows if rows is None else rows
        changes = self.augment if augment else None
        common = {"size": self.size, "augment": changes, "seed": self.seed}
        if phase.span is not None:
            return SpanClips(rows, span=phase.span, **common)
        return RandomClips(rows, clips_per_video=phase.clips, gap=phase.gap, **common)

    def val_dataloader(self) -> DataLoader:
        """Return batches of one validation clip, from its first frame, without augmentation."""
        trainer = self.trainer
        clips = SpanClips(self.val_rows, span=self.val_frames, fixed=True, size=self.size)
        order = range(trainer.global_rank, len(clips), trainer.world_size)
        longest = max((row.duration or 0.0 for row in self.val_rows), default=0.0)
        self._check_shared_memory(1, self.val_frames or round(longest * FPS))
        return DataLoader(clips, batch_size=None, sampler=order, num_workers=self.workers)
