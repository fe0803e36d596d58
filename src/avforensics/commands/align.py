"""``avforensics align``: estimate the constant delay of each recording for a manifest.

  avforensics extract manifest=clips/manifest.csv checkpoint.bundle=FIRST output_dir=STORE
  avforensics align manifest=clips/manifest.csv features=STORE output=clips/aligned.csv
  avforensics train ... data.manifest=clips/aligned.csv module.init=FIRST

Training moves the sound back by this delay. Clips in which the person on screen is not the speaker
are left out of OUTPUT. OUTPUT.estimates.csv lists the estimate for each clip, and why the clip was
kept or left out.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.tables import write_table
from avforensics.errors import ConfigError
from avforensics.evaluation.alignment import Alignment, align
from avforensics.features.store import FeatureStore
from avforensics.files import typed_path

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Estimate the delays and write ``cfg.output``."""
    settings = instantiate(cfg.settings)
    manifest = Manifest.read(typed_path(cfg.manifest))
    store = FeatureStore.open(cfg.features)
    index = {
        (entry.path, entry.start, entry.duration): number
        for number, entry in enumerate(store)
        if entry.error is None
    }
    none = np.zeros((0, 2 * store.info.max_delay + 1), np.float32)
    rows = []
    for row in manifest:
        number = index.get((row.path, row.start, row.duration))
        rows.append(none if number is None else store.logits(number)[store.valid_audio(number)])
    known = sum((row.path, row.start, row.duration) in index for row in manifest)
    if not known:
        raise ConfigError(
            f"features={cfg.features}: no clip of {cfg.manifest} is in this store; extract its "
            "clips first"
        )
    # Fakes are only listed: their delay may come from the forgery, not from the recording.
    names = [row.identity if row.label == 0 and cfg.by == "identity" else "" for row in manifest]
    found = align(rows, names, settings)
    real = [row.label == 0 for row in manifest]
    kept = [
        row._replace(delay=alignment.delay) if is_real else row
        for row, alignment, is_real in zip(manifest, found, real, strict=True)
        if not (is_real and alignment.voice_over)
    ]
    output = typed_path(cfg.output)
    Manifest(kept).write(output)
    _write_estimates(output.with_name(f"{output.stem}.estimates.csv"), list(manifest), found)
    _tell(found, real, known, len(manifest))
    log.info("wrote %s: %d clips", output, len(kept))
    return 0


def _write_estimates(path, rows: Sequence[Row], found: Sequence[Alignment]) -> None:
    header = ("path", "recording", "delay", "basis", "left_out", "own_delay", "margin", "share")
    cells = []
    for row, one in zip(rows, found, strict=True):
        own, real = one.own, row.label == 0
        left_out = "voice-over" if one.voice_over and real else ""
        used = (one.delay, one.basis, left_out) if real else (0, "fake", "")
        numbers = own.delay, f"{own.margin:.2f}", f"{own.share:.3f}", own.windows
        cells.append((row.path, row.identity, *used, *numbers))
    write_table(path, (*header, "windows"), cells)


def _tell(found: Sequence[Alignment], real: Sequence[bool], known: int, listed: int) -> None:
    if known < listed:
        message = "%d of %d clips have no features, so their delays are unchanged"
        log.warning(message, listed - known, listed)
    ours = [one for one, is_real in zip(found, real, strict=True) if is_real]
    basis = Counter(one.basis for one in ours if not one.voice_over)
    log.info(
        "%d clips got the delay of their recording, %d got their own delay, and %d got the delay 0 "
        "because the estimate is uncertain; %d were dropped because the face does not speak",
        basis["recording"],
        basis["clip"],
        basis["unsure"],
        sum(one.voice_over for one in ours),
    )
    delays = Counter(one.delay for one in ours if not one.voice_over and one.basis != "unsure")
    if delays:
        text = ", ".join(f"{delay:+d}: {count}" for delay, count in sorted(delays.items()))
        log.info("clips by delay in frames: %s", text)
