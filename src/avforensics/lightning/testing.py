"""The test stage: fill a feature store and score its clips in any number of processes.

Each clip is scored by itself and in one process only, so neither scores nor metrics depend on the
number of processes. No clip is repeated to fill a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch.distributed as dist
from torch.utils.data import DataLoader

from avforensics.data.manifest import Manifest
from avforensics.evaluation.stored import StoreScorer, one_thread
from avforensics.evaluation.stored_score import StoredScore
from avforensics.features.fill import extract_features
from avforensics.features.settings import ExtractionSettings
from avforensics.features.store import FeatureStore
from avforensics.files import typed_path
from avforensics.pool import LOCAL, EngineOptions

log = logging.getLogger(__name__)

Choose = Callable[[FeatureStore], Sequence[int]]


@dataclass(eq=False, kw_only=True, repr=False)
class StoredClips(pl.LightningDataModule):
    """Chosen clips of a feature store, which is filled first if a manifest is given.

    Parameters
    ----------
    folder : str or Path
        Folder of the store.
    choose : callable
        Called with the store; returns the indices of the clips to score, which must be the same in
        every process.
    manifest : Manifest, optional
        Clips to extract; clips that the store already holds are not read again.
    checkpoint : mapping, optional
        Setting for `load_models` that includes the synchronisation network; required with a
        manifest.
    settings : ExtractionSettings
        Settings of the extraction. With several processes, device ``auto`` means the trainer's
        device.
    engine : EngineOptions
        Where clips are extracted.
    workers : int, optional
        Number of extraction processes; ignored if there are several trainer processes.
    """

    folder: str | Path
    choose: Choose
    manifest: Manifest | None = None
    checkpoint: Mapping[str, Any] | None = None
    settings: ExtractionSettings = field(default_factory=ExtractionSettings)
    workers: int | None = None
    engine: EngineOptions = LOCAL
    store: FeatureStore | None = field(default=None, init=False)
    chosen: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.folder = typed_path(self.folder)

    def setup(self, stage: str) -> None:
        """Extract this process's share, wait for the others, and open the store.

        Raises
        ------
        ConfigError
            The store was made with a different network or different settings.
        """
        if self.store is not None:
            return
        if self.manifest is not None:
            self._extract()
        self.store = FeatureStore.open(self.folder)
        self.chosen = list(self.choose(self.store))

    def test_dataloader(self) -> DataLoader:
        """Load the indices of the clips that this process scores, possibly none."""
        own = self.chosen[self.trainer.global_rank :: self.trainer.world_size]
        return DataLoader(own, batch_size=None)

    def _extract(self) -> None:
        strategy, world = self.trainer.strategy, self.trainer.world_size
        settings = self.settings
        if world > 1 and settings.runtime.device == "auto":
            runtime = replace(settings.runtime, device=str(strategy.root_device))
            settings = replace(settings, runtime=runtime)
        outcome = extract_features(
            self.manifest,
            self.folder,
            self.checkpoint,
            settings=settings,
            keep_listed=True,
            workers=1 if world > 1 else self.workers,
            engine=self.engine,
            rank=self.trainer.global_rank,
            world=world,
        )
        strategy.barrier("features extracted")
        if self.trainer.is_global_zero and outcome.failed:
            log.warning("%d clips have no features", len(outcome.failed))


class EvaluationModule(pl.LightningModule):
    """Score stored clips with the decoders of a checkpoint.

    Parameters
    ----------
    scorer : callable
        Called with the opened store; returns a `StoreScorer`.
    keep_steps : bool
        Keep step losses, for localisation.

    Attributes
    ----------
    found : list of StoredScore
        After the test, scores of this process's clips. After `gather`, scores of all clips in the
        order of the store, in every process.
    """

    def __init__(
        self, *, scorer: Callable[[FeatureStore], StoreScorer], keep_steps: bool = False
    ) -> None:
        super().__init__()
        self.make_scorer = scorer
        self.keep_steps = keep_steps
        self.found: list[StoredScore] = []

    def setup(self, stage: str) -> None:
        """Make the scorer for the data module's store."""
        self.scorer = self.make_scorer(self.trainer.datamodule.store)

    def test_step(self, index: int, batch_idx: int) -> None:
        """Score one clip."""
        with one_thread():
            scored = self.scorer.score(int(index))
        self.found.append(scored if self.keep_steps else replace(scored, steps=None))

    def gather(self) -> None:
        """Collect the scores of all processes, including processes without a clip to score.

        Call this method after the test, since test hooks do not run in processes without clips.
        """
        parts = [self.found]
        if self.trainer.world_size > 1:
            parts = [None] * self.trainer.world_size
            dist.all_gather_object(parts, self.found)
        self.found = sorted((one for part in parts for one in part), key=lambda one: one.index)
        indices = [one.index for one in self.found]
        if indices != sorted(set(self.trainer.datamodule.chosen)):
            raise RuntimeError("not every clip was scored exactly once")
