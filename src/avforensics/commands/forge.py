"""``avforensics forge``: make a test set from your own real clips by changing their sound.

  avforensics forge manifest=clips/manifest.csv output=forged select.split=test

The set has three versions of each real clip, cut to the same length: unchanged, with the sound of
another clip (swap), and with a jump of the sound's offset in mid-clip (jump). kinds=[part] replaces
the audio of one segment and lists the segment in the column segments, for localisation. Without any
deepfakes, the set shows whether models trained on your own videos detect what this method can
detect; it does not measure results on deepfakes.
"""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
from omegaconf import DictConfig

from avforensics.data.manifest import Manifest
from avforensics.data.missync import (
    KINDS,
    draw_jump,
    draw_part,
    forged_row,
    jump,
    part,
    partners,
    sound_of,
    swap,
)
from avforensics.data.probe import Problem, write_problems
from avforensics.data.row import Row, clip_names
from avforensics.errors import ConfigError, ManifestError, MediaError
from avforensics.files import typed_path
from avforensics.media.types import FPS
from avforensics.progress import tracked

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Forge the real clips of ``cfg.manifest``."""
    _check(cfg)
    manifest = Manifest.read(typed_path(cfg.manifest)).select(label=0, split=cfg.select.split)
    output = typed_path(cfg.output).absolute()
    rows, sounds, problems = _read(manifest)
    code = write_problems(output / "failures.csv", problems)
    if not rows:
        what = f"{problems[0].path}: {problems[0].reason}"
        raise ManifestError(f"none of the {len(problems)} clips can be forged, e.g. {what}")
    partner = partners(rows, seed=cfg.seed) if {"swap", "part"} & set(cfg.kinds) else []
    names = [f"{name}.wav" for name in clip_names(rows)]
    made = []
    for index, (row, sound, name) in enumerate(zip(rows, sounds, names, strict=True)):
        forged, segments = {"real": sound}, {}
        other = (rows[partner[index]], sounds[partner[index]]) if partner else ()
        if "swap" in cfg.kinds:
            forged["swap"] = swap(row, sound, *other)
        if "jump" in cfg.kinds:
            drawn = draw_jump(row, sound, tuple(cfg.jump), seed=cfg.seed)
            forged["jump"] = jump(row, sound, **drawn)
        # a forward jump shortens its clip; cut all versions, or scores would reflect the length
        length = min(map(len, forged.values()))
        forged = {kind: s[:length] for kind, s in forged.items()}
        if "part" in cfg.kinds:
            span = draw_part(row, forged["real"], *other, seed=cfg.seed)
            forged["part"] = part(row, forged["real"], *other, **span)
            begin = round(row.start * FPS)
            segments["part"] = (((begin + span["first"]) / FPS, (begin + span["last"]) / FPS),)
        made += [
            forged_row(row, kind, s, output / kind / name, segments=segments.get(kind, ()))
            for kind, s in forged.items()
        ]
    made.sort(key=lambda row: (row.label, row.category))
    Manifest(made).write(output / "manifest.csv")
    counts = Counter(row.category if row.label else "real" for row in made)
    listing = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    log.info("%s: %s", output / "manifest.csv", listing)
    return code


def _check(cfg: DictConfig) -> None:
    unknown = sorted(set(cfg.kinds) - set(KINDS))
    if unknown or not cfg.kinds:
        raise ConfigError(f"kinds must be among {', '.join(KINDS)}, got {list(cfg.kinds)}")
    if len(cfg.jump) != 2 or not 0 < cfg.jump[0] <= cfg.jump[1]:
        raise ConfigError(
            f"jump must be [least, most] in frames, with 1 <= least <= most, got {list(cfg.jump)}"
        )


def _read(manifest: Manifest) -> tuple[list[Row], list[np.ndarray], list[Problem]]:
    """Read the audio of every clip into memory; a minute takes 2 MB."""
    rows, sounds, problems = [], [], []
    for index, row in enumerate(tracked(manifest, "reading", total=len(manifest))):
        try:
            sound = sound_of(row)
        except MediaError as error:
            problems.append(Problem(index, row.path, error.reason))
        else:
            rows.append(row)
            sounds.append(sound)
    return rows, sounds, problems
