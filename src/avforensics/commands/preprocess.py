"""``avforensics preprocess``: make 25 fps clips with their sound, for training.

  avforensics preprocess FILE|FOLDER|LIST.txt|MANIFEST.csv --out DIR crop=lrs
  avforensics preprocess FOLDER --out DIR faces=given    videos are face crops already
  avforensics preprocess FOLDER --out DIR shard=2/8      the second of eight shares

Each tracked face (with faces=given: each video) becomes a square clip at 25 fps with its sound
(.wav) and a description (.json); manifest.csv lists the clips, videos.csv the result for each
video. Rerun the same command to resume, or run it with shard=1/1 to join the shares. Exit code 0:
every video could be read; 1: some could not and are listed; 2: wrong usage.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig

from avforensics.data.cut import (
    DONE,
    FAILED,
    UNFORGED,
    ClipSettings,
    Cut,
    clip_row,
    cut_clips,
)
from avforensics.data.ledger import Ledger
from avforensics.data.manifest import Manifest
from avforensics.data.probe import Problem, write_problems
from avforensics.data.row import Row, clip_names
from avforensics.data.tables import is_table, write_table
from avforensics.detection.inputs import list_inputs
from avforensics.errors import ConfigError
from avforensics.faces.crops import recipe_of
from avforensics.faces.detector import FaceDetector
from avforensics.faces.settings import FaceSettings
from avforensics.faces.track import NO_USABLE_FACE
from avforensics.files import remove_partial_files, typed_path
from avforensics.pool import (
    EngineOptions,
    Failed,
    check_alone,
    check_visible,
    cores,
    in_processes,
    rank_and_world,
)
from avforensics.progress import Progress

log = logging.getLogger(__name__)

VIDEO_COLUMNS = ("path", "start", "duration", "status", "clips", "frames")
VIDEO_COLUMNS += ("reason", "dropped", "warnings")


def run(cfg: DictConfig) -> int:
    """Cut clips from every video that is not yet done."""
    rows = _rows(cfg)
    output = typed_path(cfg.output).absolute()
    settings = _settings(cfg)
    number, of = _shard(cfg.shard)
    engine = EngineOptions(**cfg.engine)
    check_alone(engine, of)
    workers = cfg.workers
    if workers is None and engine.name == "local":
        # torchrun and srun already start one process per core
        workers = 1 if of > 1 and cfg.shard is None else cores()
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    if cfg.faces.mode == "auto":
        FaceDetector()  # fail early if the detector is not installed
    named = _share(rows, number, of)
    suffix = f"-{number}-of-{of}" if of > 1 else ""
    made = [output / f"{table}{suffix}.csv" for table in ("manifest", "videos", "failures")]
    if typed_path(str(cfg.input)).resolve() in [path.resolve() for path in made]:
        raise ConfigError(f"input={cfg.input}: this run would overwrite it; choose another output")
    cuts: dict[str, Cut] = {}
    with Ledger(output, f"ledger{suffix}.jsonl") as ledger:
        remove_partial_files(output, *(f".{path.stem}.*.partial*" for path in made))
        jobs, reused = {}, 0
        for row, name in named:
            if cut := ledger.find(row, name, settings.digest):
                cuts[name] = cut
                reused += 1
            elif _begun(ledger, name):
                jobs[name] = (row, name)
            else:
                cuts[name] = Cut(FAILED, "its name is too long for a folder of clips")
        work = partial(map, partial(_cut, folder=ledger.clips, settings=settings))
        with Progress("cutting clips", len(jobs), unit="videos") as progress:
            for name, cut in in_processes(work, jobs, workers=workers, engine=engine):
                if isinstance(cut, Failed):
                    cut = Cut(FAILED, cut.reason)
                cuts[name] = cut
                if cut.status != FAILED:
                    ledger.add(*jobs[name], settings.digest, cut)
                progress.advance()
    done = [(row, cuts[name]) for row, name in named]
    return _report(done, output, suffix, reused)


def _begun(ledger: Ledger, name: str) -> bool:
    """Prepare a video's folder of clips; return False if its name is too long."""
    try:
        ledger.begin(name)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False
    return True


def _cut(job: tuple[Row, str], *, folder: Path, settings: ClipSettings) -> Cut:
    row, name = job
    check_visible(folder)
    return cut_clips(row, folder, name, settings)


def _rows(cfg: DictConfig) -> list[Row]:
    """Return a manifest's rows, or a row per video found, whose path is the identity."""
    source = typed_path(str(cfg.input))
    if cfg.label not in (0, 1):
        raise ConfigError(f"label must be 0 (real) or 1 (fake), got {cfg.label!r}")
    if is_table(source):
        return list(Manifest.read(source, label=cfg.label).select())
    if not isinstance(cfg.input, str) and any(is_table(typed_path(part)) for part in cfg.input):
        raise ConfigError("a manifest must be the only input")
    paths = [os.path.normpath(clip.path.absolute()) for clip in list_inputs(cfg.input)]
    made = typed_path(cfg.output).absolute() / "clips"
    given, paths = len(paths), [path for path in paths if made not in Path(path).parents]
    if not paths:
        raise ConfigError(f"input={cfg.input}: no videos except clips of output={cfg.output}")
    if len(paths) < given:
        log.info("skipped %d clips that are in output=%s", given - len(paths), cfg.output)
    common = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    return [
        Row(path, cfg.label, identity=os.path.splitext(os.path.relpath(path, common))[0])  # noqa: PTH122
        for path in paths
    ]


def _settings(cfg: DictConfig) -> ClipSettings:
    mode = cfg.faces.mode
    crop = cfg.faces.get("crop") if cfg.crop is None else cfg.crop
    if mode not in ("auto", "given"):
        raise ConfigError(f"faces must be auto or given, got {mode}")
    if mode == "given" and not isinstance(crop, ListConfig | None):
        raise ConfigError(
            "with faces=given, crop must be [left, top, right, bottom] in fractions of the "
            f"picture, got {crop!r}"
        )
    try:
        return ClipSettings(
            find=instantiate(cfg.faces.find) if mode == "auto" else FaceSettings(),
            recipe=recipe_of(crop or "lrs") if mode == "auto" else crop and tuple(crop),
            **{
                name: cfg[name]
                for name in ("size", "longest", "single_face_only", "crf", "preset", "gop")
            },
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _shard(text: str | None) -> tuple[int, int]:
    """Parse a share such as ``"2/8"``; by default, take it from torchrun or srun, else 1/1."""
    if text is None:
        rank, world = rank_and_world()
        return rank + 1, world
    match = re.fullmatch(r"(\d+)/(\d+)", str(text))
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(f"shard must be like 2/8 (the second of eight shares), got {text!r}")
    return int(match[1]), int(match[2])


def _share(rows: list[Row], number: int, of: int) -> list[tuple[Row, str]]:
    """Return the rows of a share, each with the name of its folder of clips.

    Names are divided, not rows, because rows with the same part of a video share a folder, and two
    shares must not write to one folder.
    """
    names = clip_names(rows)
    own = set(list(dict.fromkeys(names))[number - 1 :: of])
    return [(row, name) for row, name in zip(rows, names, strict=True) if name in own]


def _report(done: list[tuple[Row, Cut]], output: Path, suffix: str, reused: int) -> int:
    """Write the manifest and each video's status, and log a short summary."""
    kept = [_kept(row, cut, output) for row, cut in done]
    clips = [clip for rows, _ in kept for clip in rows]
    done = [(row, cut) for (row, _), (_, cut) in zip(done, kept, strict=True)]
    Manifest(clips).write(output / f"manifest{suffix}.csv")
    videos = output / f"videos{suffix}.csv"
    write_table(videos, VIDEO_COLUMNS, [_cells(row, cut) for row, cut in done])
    counted = Counter(cut.status for _, cut in done)
    log.info(
        "%d clips (%.1f minutes) from %d of %d videos (%d from earlier runs) are in %s",
        len(clips),
        sum(row.duration for row in clips) / 60,
        counted[DONE],
        len(done),
        reused,
        output / f"manifest{suffix}.csv",
    )
    for status in sorted(set(counted) - {DONE}):
        log.info("%s: %d videos", status, counted[status])
    dropped = sum((Counter(cut.dropped) for _, cut in done), Counter())
    for reason, count in sorted(dropped.items()):
        log.info("left out: %d tracks or parts of tracks (%s)", count, reason)
    warned = sum(bool(cut.warnings) for _, cut in done)
    if warned:
        log.warning("%d videos are damaged or lack sound: %s", warned, videos)
    failed = [
        Problem(n, row.path, c.reason) for n, (row, c) in enumerate(done) if c.status == FAILED
    ]
    code = write_problems(output / f"failures{suffix}.csv", failed)
    if suffix:
        log.info(
            "this share is done; when all shares are done, join them: run the same command with "
            "shard=1/1"
        )
    return code


def _cells(row: Row, cut: Cut) -> tuple:
    dropped, warnings = _listed(cut.dropped), "; ".join(cut.warnings)
    counts = len(cut.clips), cut.frames
    return row.path, row.start, row.duration, cut.status, *counts, cut.reason, dropped, warnings


def _kept(row: Row, cut: Cut, output: Path) -> tuple[list[Row], Cut]:
    """Return the rows of a video's usable clips, and its status without the unusable clips."""
    made = {clip: clip_row(row, output / "clips", clip) for clip in cut.clips}
    rows = {clip: new for clip, new in made.items() if new is not None}
    if unforged := len(made) - len(rows):
        dropped = cut.dropped | {UNFORGED: unforged}
        cut = replace(cut, clips=tuple(rows), dropped=dropped)
        if not rows:
            cut = replace(cut, status=NO_USABLE_FACE, reason=_listed(dropped))
    return list(rows.values()), cut


def _listed(dropped: dict[str, int]) -> str:
    return "; ".join(f"{count} {what}" for what, count in sorted(dropped.items()))
