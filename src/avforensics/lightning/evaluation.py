"""Run the test stage of a configuration: choose clips, extract features, compute scores.

``avforensics evaluate`` runs this stage once, then again for each control and perturbation.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.strategies import DDPStrategy

from avforensics.applicability import limits_of
from avforensics.checkpoints import Models
from avforensics.checkpoints.states import network_digest
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError, ManifestError
from avforensics.evaluation.benchmark import also_trained, some_real, store_name, tested_clips
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.checks import as_scored, check_models, check_network, check_statistic
from avforensics.evaluation.evidence import Evidence
from avforensics.evaluation.populations import traces
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.setting import scoring_setting
from avforensics.evaluation.stored import StoreScorer, choose, fit_delay_frequency
from avforensics.evaluation.stored_score import StoredScore, scored_video, video_names
from avforensics.features.fill import clip_key
from avforensics.features.settings import ExtractionSettings
from avforensics.features.store import Entry, FeatureStore
from avforensics.fields import check_choice
from avforensics.files import typed_path
from avforensics.lightning.testing import EvaluationModule, StoredClips
from avforensics.pool import EngineOptions
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.sequences import SequencePolicy, check_lams

log = logging.getLogger(__name__)

LONGEST_SEQUENCE = 50  # windows in the published decoders; stores cover every max_len up to this
PATIENCE = timedelta(days=30)  # one process may extract for hours after another has finished


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One pass over the tested clips."""

    policy: SequencePolicy
    edit: str = ""  # applied to clips while they are read: see `avforensics.scoring.edits`
    # with an edit, read only this many real clips, drawn by seed; None = all clips
    real: int | None = None


@dataclass(frozen=True)
class Evaluated:
    """The results of one pass."""

    store: FeatureStore
    found: list[StoredScore]  # each clip once, in the order of the store
    rows: list[ScoredVideo]
    # float (D,): frequency of each delay in real training clips; None without training clips
    delay_frequency: np.ndarray | None


class Evaluation:
    """Run `Trainer.test` for a configuration of ``avforensics evaluate``.

    Attributes
    ----------
    manifest : Manifest or None
        The tested clips of a benchmark; None if a feature store is evaluated.
    listed : Manifest or FeatureStore
        All clips of the benchmark or of the store, tested or not.
    doubled : int
        Number of files that the benchmark lists more than once.
    edit : str
        Edit applied to the clips, either in this run or when the store was extracted.

    Raises
    ------
    CheckpointError
        A model is missing.
    ConfigError, ManifestError
        No test set is configured, or the test set does not exist or cannot be scored as configured.
    """

    def __init__(self, cfg: DictConfig, models: Models) -> None:
        self.cfg = cfg
        self.models = models
        check_models(models, self.policy, cfg.part, check_lams([cfg.scoring.lam]))
        check_statistic(cfg.statistic, cfg.part)
        self.limits = limits_of(OmegaConf.to_container(cfg.applicability, resolve=True))
        self.trainer = build_trainer(cfg)
        self.select = OmegaConf.to_container(cfg.select, resolve=True)
        self.evidence = self._read_evidence()
        self.manifest: Manifest | None = None
        self.doubled = 0
        self.edit = cfg.edit
        if cfg.benchmark is not None:
            models.require("sync")
            self.manifest, self.listed = benchmark_manifest(cfg)
            if doubled := self.listed.doubled():
                self.doubled = len(doubled)
                log.warning(
                    "%s lists %d files more than once, e.g. %s",
                    cfg.benchmark.name,
                    self.doubled,
                    doubled[0],
                )
        elif cfg.features is None:
            raise ConfigError("nothing to evaluate: give features=STORE, or benchmark= and root=")
        elif cfg.edit:
            raise ConfigError(
                "`edit` changes clips while they are read, so it needs benchmark= and root="
            )
        else:
            self.listed = FeatureStore.open(cfg.features)
            self.edit = self.listed.info.edit

    def _read_evidence(self) -> Evidence | None:
        """Return the configured calibration's evidence, if any; check that it fits the models."""
        if self.cfg.get("calibration") is None:
            return None
        calibration = Calibration.load(typed_path(self.cfg.get("calibration")))
        calibration.check_setting(
            scoring_setting(self.models, self.policy, self.cfg.scoring.lam, part=self.cfg.part)
        )
        if calibration.evidence is None:
            raise ConfigError(f"{self.cfg.get('calibration')}: this calibration has no evidence")
        return calibration.evidence

    @property
    def policy(self) -> SequencePolicy:
        """The configured scoring policy."""
        scoring = self.cfg.scoring
        return SequencePolicy(max_len=scoring.max_len, windows=scoring.windows, audio=scoring.audio)

    @property
    def asked(self) -> Variation:
        """The configured pass; for a feature store, with the edit of the store."""
        return Variation(policy=self.policy, edit=self.edit)

    def run(self, variation: Variation) -> Evaluated:
        """Extract missing features and score every clip once, over all processes."""
        clips = self._clips(variation)
        module = EvaluationModule(
            scorer=partial(self.scorer_of, policy=variation.policy),
            keep_steps=any(row.segments for row in self.manifest or self.listed),
        )
        self.trainer.test(module, datamodule=clips, verbose=False)
        module.gather()
        store, names = module.scorer.store, video_names(self.listed)
        rows = [
            scored_video(
                store,
                found,
                statistic=self.cfg.statistic,
                part=self.cfg.part,
                limits=self.limits,
                names=names,
            )
            for found in module.found
        ]
        return Evaluated(store, module.found, rows, module.scorer.delay_frequency)

    def _clips(self, variation: Variation) -> StoredClips:
        """Return the clips of an existing store, or the clips to extract into a store."""
        manifest, folder = self.manifest, self.cfg.features
        if manifest is None:
            if variation.edit == self.edit:
                return StoredClips(folder=folder, choose=partial(choose, **self.select))
            manifest, checkpoint = self._manifest_of_store()
        else:
            checkpoint = OmegaConf.to_container(self.cfg.checkpoint, resolve=True)
        if variation.real is not None:
            manifest = some_real(manifest, variation.real, self.cfg.seed)
        settings = self._settings(variation)
        if folder is None:
            name = store_name(
                self.cfg.benchmark.name,
                self.manifest,
                network_digest(self.models.sync),
                max_windows=settings.max_windows,
                edit=variation.edit,
            )
            folder = Path(self.cfg.paths.outputs, "features", name)
        elif variation.edit != self.edit:
            folder = f"{folder}-{variation.edit.replace('/', '_') or 'plain'}"
        return StoredClips(
            folder=folder,
            choose=partial(_among, manifest),
            manifest=manifest,
            checkpoint=checkpoint,
            settings=settings,
            workers=self.cfg.extract.workers,
            engine=EngineOptions(**self.cfg.engine),
        )

    def _manifest_of_store(self) -> tuple[Manifest, dict[str, str]]:
        """Return the store's chosen clips as a manifest, and the checkpoint of its network."""
        store = self.listed
        chosen = (store[index] for index in choose(store, **self.select))
        names = [name for name in Row._fields if name != "hash"]
        rows = [Row(**{name: getattr(entry, name) for name in names}) for entry in chosen]
        return Manifest(rows), {"bundle": os.fspath(store.sync_path), "search": False}

    def _settings(self, variation: Variation) -> ExtractionSettings:
        """Return extraction settings; ``needed`` covers every usual max_len and audio policy."""
        extract, policy = self.cfg.extract, variation.policy
        check_choice("extract.windows", extract.windows, ("needed", "all"))
        runtime = RuntimeOptions.of(extract)
        if self.manifest is None:
            info = self.listed.info
            max_windows = info.max_windows
            streams = {"video_stream": info.video_stream, "audio_stream": info.audio_stream}
            runtime = replace(runtime, **streams)
        elif extract.windows == "all" or policy.windows == "all" or self._whole(variation):
            max_windows = None
        else:
            max_windows = max(policy.max_len, LONGEST_SEQUENCE) + self.models.sync.max_delay
        return ExtractionSettings(
            max_windows=max_windows,
            activations=extract.activations,
            runtime=runtime,
            edit=variation.edit,
            measure=self.limits is not None,
            max_seconds=extract.max_seconds,
        )

    def also_trained(self, tested: Iterable[Row | Entry]) -> set[str]:
        """Return tested identities that also occur in training splits.

        The clips of the benchmark or store and the clips of the baselines' store are searched.
        """
        known: list[Row | Entry] = list(self.listed)
        if self.cfg.baselines.features is not None:
            known += FeatureStore.open(self.cfg.baselines.features)
        return also_trained(tested, known, list(self.cfg.trained))

    def _whole(self, variation: Variation) -> bool:
        """Return True if any pass that shares this pass's store needs every window."""
        others = self.policy.windows == "all" or "windows" in self.cfg.controls.run
        return others and variation.edit == self.edit

    def scorer_of(self, store: FeatureStore, policy: SequencePolicy | None = None) -> StoreScorer:
        """Make the scorer for a store; its baselines are fitted on clips that are not tested."""
        check_network(store, self.models)
        store = as_scored(store, self.models)
        wanted = self.cfg.baselines
        if self.manifest is None:
            tested = choose(store, **self.select)
        else:
            tested = _among(self.manifest, store)
        if wanted.features is None:
            fitted = fit_delay_frequency(store, wanted.fit_split, leave_out=tested)
        else:
            training = as_scored(FeatureStore.open(wanted.features), self.models)
            if training.info.network != store.info.network:
                raise ConfigError(
                    f"{training.folder}: its features come from a different network than those "
                    f"of {store.folder}"
                )
            fitted = fit_delay_frequency(training, wanted.fit_split)
        if self.evidence is not None:
            self.evidence.check_unseen(traces(store[i], self.evidence.source) for i in tested)
        return StoreScorer(
            store,
            self.models,
            policy or self.policy,
            lams=[self.cfg.scoring.lam],
            part=self.cfg.part,
            delay_frequency=fitted,
            evidence=self.evidence,
            seed=self.cfg.seed,
        )


def _among(manifest: Manifest, store: FeatureStore) -> list[int]:
    """Return the indices of the manifest's clips in a store, which may also hold other clips."""
    keys = {clip_key(row) for row in manifest}
    return [index for index in choose(store) if store[index].clip.key in keys]


def build_trainer(cfg: DictConfig) -> pl.Trainer:
    """Build the configured trainer, without the parts that only training needs."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    options: dict[str, Any] = {}
    alone = cfg.trainer.devices in (1, "1") and "WORLD_SIZE" not in os.environ
    if cfg.trainer.get("strategy") in (None, "auto", "ddp") and not alone:
        options["strategy"] = DDPStrategy(timeout=PATIENCE)
    return instantiate(
        cfg.trainer,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        _convert_="all",
        **options,
    )


def require_data(cfg: DictConfig) -> None:
    """Raise ManifestError unless ``cfg.root``, the folder of ``cfg.benchmark``, exists."""
    name = cfg.benchmark.name
    if cfg.root is None:
        raise ManifestError(f"the data set {name} is needed: give its folder as root=FOLDER")
    if not typed_path(cfg.root).exists():
        raise ManifestError(f"the data set {name} is needed, but {cfg.root} does not exist")


def benchmark_manifest(cfg: DictConfig) -> tuple[Manifest, Manifest]:
    """Return the tested clips and all clips of ``cfg.benchmark``, below ``cfg.root``."""
    require_data(cfg)
    whole = instantiate(cfg.benchmark.source, root=cfg.root, _convert_="all")
    listed, drawn = cfg.benchmark.list, cfg.benchmark.sample
    manifest = tested_clips(
        whole,
        **OmegaConf.to_container(cfg.select, resolve=True),
        listed=listed.path,
        listed_fake=listed.fake,
        strict=listed.strict,
        real=drawn.real,
        fake=drawn.fake,
        one_per_identity=drawn.one_per_identity,
        seed=cfg.seed,
    )
    log.info("%s: %d of %d clips are tested", cfg.benchmark.name, len(manifest), len(whole))
    return manifest, whole
