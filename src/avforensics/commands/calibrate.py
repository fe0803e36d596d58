"""``avforensics calibrate``: scores of held-out real videos to p-values and a threshold.

  avforensics calibrate features=STORE select.split=val checkpoint.bundle=FILE output=FILE
  avforensics detect calibration=FILE ...

Only real videos are used, and none of a person whom a model was trained on. FILE (safetensors) then
gives `avforensics detect` the share of real videos that score as high, and a threshold for a chosen
false-positive rate. Exit code 0: all scored; 1: some have no score; 2: wrong usage.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from omegaconf import DictConfig, ListConfig, OmegaConf
from rich import get_console
from rich.progress import track
from rich.table import Table

from avforensics.checkpoints import Models, load_models
from avforensics.detection.faces import FaceOptions
from avforensics.detection.judging import media_properties
from avforensics.errors import ConfigError, ManifestError, MediaError
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.setting import scoring_setting
from avforensics.evaluation.stored import (
    StoreScorer,
    check_network,
    choose,
    one_thread,
    scored_video,
)
from avforensics.faces.crops import recipe_of
from avforensics.features.store import Entry, FeatureStore
from avforensics.media import open_media
from avforensics.paths import typed_path
from avforensics.scoring.sequences import SequencePolicy

log = logging.getLogger(__name__)

RATES = (0.01, 0.05, 0.10)


def run(cfg: DictConfig) -> int:
    """Fit on the real videos of ``cfg.select`` and write ``cfg.output``.

    Returns
    -------
    int
        0, or 1 when videos have no score.

    Raises
    ------
    AVForensicsError
        There is nothing to fit on, or what there is was trained on.
    """
    if isinstance(cfg.scoring.lam, ListConfig):
        raise ConfigError("a calibration is for one scoring.lam")
    policy = SequencePolicy(
        max_len=cfg.scoring.max_len, windows=cfg.scoring.windows, audio=cfg.scoring.audio
    )
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    store = FeatureStore.open(cfg.features)
    chosen = real_clips(store, cfg.select.split, trained=list(cfg.trained))
    scores, failed = score(store, models, policy, cfg.scoring.lam, chosen, cfg.part)
    inputs = [properties(store[index]) for index in scores]
    if unread := sum("width" not in found for found in inputs):
        log.warning(
            "%d of %d files could not be opened: of these the calibration knows the silence only",
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
    output = typed_path(cfg.output)
    calibration.save(output)
    if notice := store.info.notice or models.notice:
        log.warning("%s", notice)
    check = None
    if cfg.check.features is not None:
        other = FeatureStore.open(cfg.check.features)
        indices = real_clips(other, cfg.check.split, trained=())
        check, more = score(other, models, policy, cfg.scoring.lam, indices, cfg.part)
        failed += more
    tell(calibration, check)
    for path, reason in failed:
        log.warning("not scored: %s: %s", path, reason)
    log.info("wrote %s: %d real videos", output, len(calibration.scores))
    return int(bool(failed))


def _crop(crop: str | DictConfig | None) -> dict[str, object]:
    """How faces were cut, as ``detect`` will compare it."""
    if crop is None:
        return {}
    return {"crop": FaceOptions(mode="auto", recipe=recipe_of(crop)).crop}


def real_clips(store: FeatureStore, split: str | None, *, trained: Sequence[str]) -> list[int]:
    """Indices of a split's real clips, of people who are in no training split.

    Raises
    ------
    ManifestError
        There are none, or a person was trained on.
    """
    chosen = [index for index in choose(store, split=split) if store[index].label == 0]
    if not chosen:
        raise ManifestError(f"{store.folder}: no real videos in split {split or '(any)'}")
    people = {entry.identity for entry in store if entry.split in trained and entry.identity}
    shared = sorted(
        {
            store[index].identity or store[index].path
            for index in chosen
            if store[index].identity in people or store[index].split in trained
        }
    )
    if shared:
        raise ManifestError(
            f"{len(shared)} of the identities to calibrate on were trained on (splits "
            f"{', '.join(trained)}), e.g. {shared[0]}; choose others with select.split=..."
        )
    return chosen


def score(
    store: FeatureStore,
    models: Models,
    policy: SequencePolicy,
    lam: float,
    chosen: Sequence[int],
    part: str,
) -> tuple[dict[int, float], list[tuple[str, str]]]:
    """Scores by index, and path and reason of each clip without one."""
    check_network(store, models)
    scorer = StoreScorer(store, models, policy, lams=[lam], part=part)
    scores: dict[int, float] = {}
    failed = []
    for index in track(chosen, "scoring", console=get_console(), transient=True):
        with one_thread():
            found = scorer.score(index)
        if found.error is None:
            scores[index] = scored_video(store, found, part=part).score
        else:
            failed.append((store[index].path, found.error))
    return scores, failed


def properties(entry: Entry) -> dict[str, float]:
    """What `avforensics detect` compares of an input; without the file, its silence only."""
    found = {"leading_silence": entry.clip.silence}
    with suppress(MediaError), open_media(entry.path, audio_path=entry.audio or None) as stream:
        found |= media_properties(stream.report)
    return found


def tell(calibration: Calibration, check: dict[int, float] | None) -> None:
    """Print thresholds, and how many real videos of another set lie above them."""
    table = Table(title=f"thresholds from {len(calibration.scores)} real videos")
    for name in ("false alarms", "threshold", *(["of the other set"] if check else [])):
        table.add_column(name, justify="right")
    for rate in RATES:
        try:
            threshold = calibration.threshold(rate)
        except ConfigError as error:
            log.info("%s", error)
            continue
        cells = [f"{100 * rate:g} %", f"{threshold:.5g}"]
        if check:
            above = np.mean(np.array(list(check.values())) > threshold)
            cells.append(f"{100 * above:.1f} % of {len(check)}")
        table.add_row(*cells)
    get_console().print(table)
