"""``avforensics normalise``: clips of a manifest to one recipe, in parallel, resumable."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from avforensics.data.ledger import Ledger
from avforensics.data.manifest import Manifest
from avforensics.data.normalise import (
    UNFORGED,
    Done,
    Recipe,
    clip_names,
    clip_row,
    normalise_clip,
)
from avforensics.data.probe import Problem, write_problems
from avforensics.data.row import Row
from avforensics.errors import ConfigError, MediaError
from avforensics.paths import typed_path
from avforensics.pool import cores, do_jobs

log = logging.getLogger(__name__)

MOST_LISTED = 10  # failures named on the terminal; all are in the file

Outcome = Done | str  # what was written, or why it failed


def run(cfg: DictConfig) -> int:
    """Normalise every clip of ``cfg.manifest`` that is not done already.

    Returns
    -------
    int
        0, or 1 when clips failed; ``OUTPUT/failures.csv`` lists them.

    Raises
    ------
    ManifestError
        The manifest or the ledger of an earlier run cannot be read.
    ConfigError
        ``workers`` is not a positive number, another run is writing to the folder, or this one
        would write over its own input.
    """
    manifest = Manifest.read(typed_path(cfg.manifest)).select()
    output = typed_path(cfg.output).absolute()
    if typed_path(cfg.manifest).resolve() == (output / "manifest.csv").resolve():
        raise ConfigError(
            f"manifest={cfg.manifest}: this run would write over it; choose another output"
        )
    recipe: Recipe = instantiate(cfg.recipe)
    workers = cores() if cfg.workers is None else cfg.workers
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}")
    clips = [output / "clips" / name for name in clip_names(manifest)]
    outcomes: dict[Path, Outcome] = {}
    with Ledger(output / "ledger.jsonl") as ledger:
        jobs = {}
        for row, clip in zip(manifest, clips, strict=True):
            if done := ledger.find(row, recipe.digest, clip):
                outcomes[clip] = done
            else:
                ledger.begin(clip)
                jobs[clip] = (row, str(clip))
        reused = len(outcomes)
        work = partial(_normalise, recipe=recipe)
        for clip, outcome in do_jobs(work, jobs, workers=workers, title="normalising"):
            outcomes[clip] = outcome
            if isinstance(outcome, Done):
                ledger.add(jobs[clip][0], recipe.digest, clip, outcome)
    return _report(manifest, clips, outcomes, reused, output)


def _normalise(job: tuple[Row, str], recipe: Recipe) -> Outcome:
    try:
        return normalise_clip(*job, recipe)
    except MediaError as error:
        return error.reason


def _report(
    manifest: Manifest, clips: list[Path], outcomes: dict[Path, Outcome], reused: int, output: Path
) -> int:
    """Write the new manifest and the failures, and say how much of the old one is there."""
    rows, problems, warned, unforged = [], [], 0, 0
    for index, (row, clip) in enumerate(zip(manifest, clips, strict=True)):
        outcome = outcomes[clip]
        if isinstance(outcome, Done):
            made = clip_row(row, clip, start=row.start, frames=outcome.frames, sha=outcome.hash)
            if made is None:
                unforged += 1
                continue
            rows.append(made)
            warned += bool(outcome.warnings)
        else:
            problems.append(Problem(index, row.path, outcome))
    write_problems(output / "failures.csv", problems)
    Manifest(rows).write(output / "manifest.csv")
    log.info(
        "%d of %d clips are in %s (%d from before), %d of them with remarks in ledger.jsonl",
        len(rows),
        len(manifest),
        output / "manifest.csv",
        reused,
        warned,
    )
    if unforged:
        log.info("left out: %d clips %s", unforged, UNFORGED)
    for problem in problems[:MOST_LISTED]:
        log.warning("%s: %s", problem.path, problem.reason)
    if problems:
        log.warning("%d clips failed: %s", len(problems), output / "failures.csv")
    return 1 if problems else 0
