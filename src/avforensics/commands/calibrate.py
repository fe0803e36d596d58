"""``avforensics calibrate``: fit p-values, a threshold and evidence on held-out real videos.

  avforensics calibrate features=STORE select.split=val checkpoint.bundle=FILE output=FILE
  avforensics detect calibration=FILE ...

Videos of people on whom a model was trained are refused. With FILE (safetensors), `avforensics
detect` reports the share of real videos that score at least as high, applies a threshold for a
chosen false-positive rate, and fuses several statistics into one p-value (docs/evidence.md). With
fakes.features=STORE, FILE also provides likelihood ratios, or the reason for refusing them. Exit
code 0: all scored; 1: some have no score; 2: wrong usage.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from omegaconf import DictConfig, ListConfig, OmegaConf

from avforensics.applicability import limits_of
from avforensics.checkpoints import Models, load_models
from avforensics.detection.faces import FaceOptions
from avforensics.detection.judging import media_properties
from avforensics.errors import ConfigError, ManifestError, MediaError
from avforensics.evaluation.benchmark import also_trained
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.checks import as_scored, check_network
from avforensics.evaluation.populations import (
    GENERATORS,
    fit_evidence,
    fit_likelihood,
    fit_segments,
    forgeries,
    selection,
    traces,
)
from avforensics.evaluation.setting import scoring_setting
from avforensics.evaluation.stored import StoreScorer, choose, count_delays, one_thread
from avforensics.evaluation.stored_score import (
    StoredScore,
    not_measured,
    score_of,
    why_not_applicable,
)
from avforensics.evaluation.strength import LikelihoodRatio, other_population
from avforensics.evaluation.validation import write_validation
from avforensics.faces.crops import recipe_of
from avforensics.features.store import Entry, FeatureStore
from avforensics.files import typed_path
from avforensics.media import open_media
from avforensics.media.audio import AudioReader
from avforensics.media.types import HOP, SAMPLE_RATE, MediaOptions
from avforensics.progress import tracked
from avforensics.scoring.sequences import SequencePolicy
from avforensics.scoring.spans import frames_needed
from avforensics.tables import Table

log = logging.getLogger(__name__)

RATES = (0.01, 0.05, 0.10)


@dataclass(frozen=True)
class Scoring:
    """Settings for scoring the clips of every set, and a list of the clips that failed.

    Attributes
    ----------
    frequency : float array, (D,), or None
        Delay frequencies of the real clips.
    failed : list of (str, str)
        Path and reason of each clip without a score.
    """

    cfg: DictConfig
    models: Models
    policy: SequencePolicy
    frequency: np.ndarray | None
    failed: list[tuple[str, str]] = field(default_factory=list)

    def score(self, store: FeatureStore, chosen: Sequence[int]) -> dict[int, StoredScore]:
        """Score clips and return the results by index.

        Clips to which the method does not apply are left out and counted in the log.
        """
        check_network(store, self.models)
        limits = limits_of(OmegaConf.to_container(self.cfg.applicability, resolve=True))
        listed = len(chosen)
        if unknown := not_measured(store, chosen, limits):
            log.info("%s", unknown)
        chosen = [index for index in chosen if not why_not_applicable(store[index], limits)]
        if apart := listed - len(chosen):
            log.info("%d of %d videos are excluded as not applicable", apart, listed)
        scorer = StoreScorer(
            store,
            self.models,
            self.policy,
            lams=[self.cfg.scoring.lam],
            part=self.cfg.part,
            delay_frequency=self.frequency,
        )
        scored: dict[int, StoredScore] = {}
        for index in tracked(chosen, "scoring", total=len(chosen)):
            with one_thread():
                found = scorer.score(index)
            if found.error is None:
                scored[index] = replace(found, steps=None)  # to save memory
            else:
                self.failed.append((store[index].path, found.error))
        return scored

    def value(self, found: StoredScore) -> float:
        """Return the score to calibrate."""
        return score_of(found.scores[0], part=self.cfg.part)


def run(cfg: DictConfig) -> int:
    """Fit a calibration on the real videos of ``cfg.select`` and write it to ``cfg.output``."""
    if isinstance(cfg.scoring.lam, ListConfig):
        raise ConfigError(f"calibrate needs exactly one scoring.lam, got {list(cfg.scoring.lam)}")
    if cfg.source not in (None, *GENERATORS):
        raise ConfigError(
            f"source must be null or one of {', '.join(GENERATORS)}, got {cfg.source!r}"
        )
    policy = SequencePolicy(
        max_len=cfg.scoring.max_len, windows=cfg.scoring.windows, audio=cfg.scoring.audio
    )
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    if models.origin:
        log.info("%s", models.origin)
    store = as_scored(FeatureStore.open(cfg.features), models)
    chosen = real_clips(store, cfg.select.split, trained=list(cfg.trained))
    counted = [index for index in chosen if store[index].error is None]
    frequency = count_delays(store, counted) if counted else None
    scoring = Scoring(cfg, models, policy, frequency)
    found = scoring.score(store, chosen)
    scores = {index: scoring.value(one) for index, one in found.items()}
    media = MediaOptions(video_stream=store.info.video_stream, audio_stream=store.info.audio_stream)
    n_frames = frames_read(policy, store.info.max_delay)
    inputs = [properties(store[index], media, n_frames) for index in scores]
    if unread := sum("width" not in known for known in inputs):
        log.warning(
            "%d of %d files could not be opened; of their properties, only the leading silence is "
            "known",
            unread,
            len(inputs),
        )
    calibration = Calibration.fit(
        list(scores.values()),
        setting=scoring_setting(
            models, policy, cfg.scoring.lam, part=cfg.part, network=store.info.network
        )
        | _crop(cfg.crop),
        inputs=inputs,
    )
    fakes = None if cfg.fakes.features is None else named_fakes(cfg, store)
    evidence, used, remark = fit_evidence(
        store,
        found,
        **OmegaConf.to_container(cfg.evidence, resolve=True),
        delay_frequency=frequency,
        fakes=[fakes[0][index] for index in fakes[1]] if fakes else (),
        source=cfg.source,
        seed=cfg.seed,
    )
    if remark:
        log.warning("%s", remark)
    calibration = replace(
        calibration, evidence=evidence, segments=fit_segments(store, found, policy)
    )
    if fakes is not None:
        reals = store, list(scores), list(scores.values())
        if cfg.likelihood.of == "evidence" and evidence is not None:
            reals = store, used, evidence.scores
        likelihood = fit_likelihood(
            reals,
            (fakes[0], scoring.score(*fakes)),
            evidence,
            **OmegaConf.to_container(cfg.likelihood, resolve=True),
            part=cfg.part,
            generator=cfg.fakes.generator,
            seed=cfg.seed,
        )
        calibration = replace(calibration, likelihood=likelihood)
    check = None
    if cfg.check.features is not None:
        calibration, check = other_set(scoring, calibration)
    output = typed_path(cfg.output)
    calibration.save(output)
    if notice := store.info.notice or models.notice:
        log.warning("%s", notice)
    tell(calibration, check)
    if calibration.likelihood is not None:
        tell_likelihood(calibration.likelihood)
        write_validation(calibration.likelihood, cfg.output_dir)
    for path, reason in scoring.failed:
        log.warning("%s: not scored: %s", path, reason)
    log.info("wrote %s: %d real videos", output, len(calibration.scores))
    return int(bool(scoring.failed))


def named_fakes(cfg: DictConfig, reals: FeatureStore) -> tuple[FeatureStore, list[int]]:
    """Return the store of ``cfg.fakes``, and the indices of the forgeries to use."""
    store = FeatureStore.open(cfg.fakes.features)
    if store.info.network != reals.info.network:
        raise ConfigError(
            f"fakes.features={store.folder}: its features come from a different network than those "
            "of the real videos"
        )
    return store, forgeries(store, split=cfg.fakes.split, category=cfg.fakes.category)


def other_set(scoring: Scoring, calibration: Calibration) -> tuple[Calibration, list[float]]:
    """Score the real videos of ``cfg.check``; if their scores differ, refuse likelihood ratios."""
    wanted = scoring.cfg.check
    store = FeatureStore.open(wanted.features)
    indices = real_clips(store, wanted.split, trained=())
    if (evidence := calibration.evidence) is not None:
        evidence.check_unseen(traces(store[index], evidence.source) for index in indices)
    found = scoring.score(store, indices)
    check = [scoring.value(one) for one in found.values()]
    likelihood, evidence = calibration.likelihood, calibration.evidence
    if likelihood is not None and likelihood.refused is None:
        known, others = calibration.scores, check
        if likelihood.about["of"] == "evidence":
            known = evidence.scores
            measured = (evidence.value(one.statistics) for one in found.values())
            others = [number for number in measured if number is not None]
        if others and (reason := other_population(known, np.array(others))):
            calibration = replace(calibration, likelihood=likelihood.refuse(reason))
    return calibration, check


def _crop(crop: str | DictConfig | None) -> dict[str, object]:
    """Describe the face crop in the form that ``detect`` compares."""
    if crop is None:
        return {}
    return {"crop": FaceOptions(mode="auto", recipe=recipe_of(crop)).crop}


def real_clips(store: FeatureStore, split: str | None, *, trained: Sequence[str]) -> list[int]:
    """Return the indices of a split's real clips.

    Raises ManifestError if a split has no real clips, or if a model was trained on a person in
    them.
    """
    chosen = [index for index in choose(store, split=split) if store[index].label == 0]
    if not chosen:
        raise ManifestError(f"{store.folder}: no real videos{selection(split)}")
    if shared := sorted(also_trained(map(store.__getitem__, chosen), store, trained)):
        raise ManifestError(
            f"{len(shared)} identities are in both the calibration and a training split "
            f"({', '.join(trained)}), e.g. {shared[0]}; set another select.split"
        )
    return chosen


def frames_read(policy: SequencePolicy, max_delay: int) -> int | None:
    """Return how many frames of a video `detect` reads; None = all."""
    if policy.windows == "all":
        return None
    unheard = max_delay if policy.audio == "context" else 0
    return frames_needed(policy.max_len + unheard, max_delay)


def properties(
    entry: Entry, media: MediaOptions | None = None, n_frames: int | None = None
) -> dict[str, float]:
    """Return properties that `detect` compares; for unreadable files, only the leading silence.

    ``media`` names the streams that were extracted. The audio's level is that of the first
    ``n_frames`` frames of the clip; None = of the whole clip.
    """
    media = media or MediaOptions()
    found = {"leading_silence": entry.clip.silence}
    audio = entry.audio or None
    with suppress(MediaError), open_media(entry.path, media, audio_path=audio) as stream:
        stream.report.level = _level(entry, media.audio_stream, n_frames)
        found |= media_properties(stream.report)
    return found


def _level(entry: Entry, number: int | None, n_frames: int | None) -> float | None:
    """Return the level of the clip's audio in dBFS; None if it is silent."""
    left = math.inf if entry.duration is None else entry.duration * SAMPLE_RATE
    if n_frames is not None:
        left = min(left, n_frames * HOP)
    skipped = round(entry.start * SAMPLE_RATE)
    with AudioReader(entry.audio or entry.path, stream=number, skip=skipped) as sound:
        for piece in sound:
            left -= len(piece)
            if left <= 0:
                break
        return sound.level.decibels


def tell(calibration: Calibration, check: Sequence[float] | None) -> None:
    """Print thresholds, and how many real videos of another set exceed them."""
    table = [["false alarms", "threshold", *(["in the other set"] if check else [])]]
    for rate in RATES:
        try:
            threshold = calibration.threshold(rate)
        except ConfigError as error:
            log.info("%s", error)
            continue
        cells = [f"{100 * rate:g} %", f"{threshold:.5g}"]
        if check:
            above = np.mean(np.array(check) > threshold)
            cells.append(f"{100 * above:.1f} % of {len(check)}")
        table.append(cells)
    Table(table, f"thresholds from {len(calibration.scores)} real videos").show()
    if (evidence := calibration.evidence) is not None:
        log.info(
            "evidence: %s of %s, fitted on %d real videos",
            evidence.kind,
            ", ".join(evidence.names),
            len(evidence.scores),
        )
    if (segments := calibration.segments) is not None:
        log.info("segments: fitted on %.1f minutes of real video", segments.minutes)


def tell_likelihood(likelihood: LikelihoodRatio) -> None:
    """Print how well likelihood ratios perform on held-out people and generators."""
    about = likelihood.about
    log.info(
        "likelihood ratios for the %s: fitted on %d real videos of %d people and %d forgeries by "
        "%d generators",
        about["of"],
        about["n_real"],
        about["n_people"],
        about["n_fake"],
        len(about["generators"]),
    )
    if "cllr" in about:
        log.info("Cllr %.3f, Cllr_min %.3f", about["cllr"], about["cllr_min"])
    if likelihood.refused is not None:
        log.warning("no likelihood ratio: %s", likelihood.refused)
        return
    lower, upper = likelihood.arrays["bounds"]
    log.info("ratios are limited to the range from 1/%.3g to %.3g", 10**-lower, 10**upper)
