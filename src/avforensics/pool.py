"""Run independent jobs in separate processes, on this machine or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

from avforensics.engine.crew import (
    LOCAL,
    EngineOptions,
    Failed,
    Place,
    Work,
    check_visible,
    in_this_process,
)
from avforensics.engine.local import LocalCrew
from avforensics.engine.schedule import Schedule
from avforensics.errors import ConfigError

__all__ = ["LOCAL", "EngineOptions", "Failed", "Place", "check_visible"]

Key, Job = TypeVar("Key", bound=Hashable), TypeVar("Job")
# Only srun sets both variables of the second pair: a batch script has SLURM_PROCID, but no rank.
_LAUNCHERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


def cores() -> int:
    """Return the number of cores for this process, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rank_and_world() -> tuple[int, int]:
    """Return the rank and number of processes set by torchrun or srun, else ``(0, 1)``."""
    for rank, world in _LAUNCHERS:
        if rank in os.environ and world in os.environ:
            return int(os.environ[rank]), int(os.environ[world])
    return 0, 1


def check_alone(engine: EngineOptions, world: int) -> None:
    """Refuse a fixed share of the work on a Ray cluster, which distributes the work itself.

    Raises
    ------
    ConfigError
        The engine is Ray, but the work is already divided among several processes.
    """
    if engine.name == "ray" and world > 1:
        raise ConfigError(
            "engine=ray distributes the work itself: start a single command without shard, rank "
            "and world, and without torchrun or srun"
        )


def stays_here(n_jobs: int, workers: int | None, engine: EngineOptions = LOCAL) -> bool:
    """Return True if `in_processes` would run the jobs in this process."""
    alone = min(workers or cores(), n_jobs) <= 1
    return engine.name == "local" and alone and engine.timeout is None


def in_processes(
    work: Work,
    jobs: Mapping[Key, Job],
    *,
    workers: int | None,
    engine: EngineOptions = LOCAL,
    prepare: Callable[[Place], Any] | None = None,
    batch: int = 1,
    begin: Callable[[Key], None] | None = None,
) -> Iterator[tuple[Key, Any]]:
    """Run jobs in any order: in this process, in other processes or on a cluster.

    Parameters
    ----------
    work : callable
        Called with a list of jobs and, if ``prepare`` is given, its return value; returns an
        iterator of the jobs' results, in order. ``work``, jobs and results must be picklable. A job
        may run again after a crash, so ``work`` must write files atomically.
    workers : int, optional
        Number of processes; None = one per core, or as many as fit on the cluster.
    engine : EngineOptions
        Where jobs run, how often a job is tried if its process dies or hangs, and how long a job
        may take.
    prepare : callable, optional
        Called once in each process; returns what all jobs need, e.g. a network.
    batch : int
        Number of jobs that a process gets at once, so that ``work`` can read ahead.
    begin : callable, optional
        Called in this process with a job's key, before the job is sent.

    Yields
    ------
    key, result
        Results in order of completion, one for each key. A result is `Failed` if the job raised an
        error, or if its process died or hung in each of ``engine.tries`` attempts.

    Raises
    ------
    AVForensicsError, OSError
        Raised by ``work`` or ``prepare``, since these errors would affect other jobs, too. A
        `MediaError` fails only its own job.

    Notes
    -----
    With one local worker or one job, jobs run in this process, so a job that ends the interpreter
    ends this process, unless ``engine.timeout`` is set.

    The other processes end when this process ends for any reason. They also end when the generator
    raises an exception, since nothing would record their results. Only this process handles Ctrl-C.
    """
    if not jobs:
        return
    if stays_here(len(jobs), workers, engine):
        prepared = () if prepare is None else (prepare(Place(0, cores())),)
        yield from in_this_process(work, jobs, prepared, begin)
        return
    if engine.name == "local":
        workers = min(workers or cores(), len(jobs))
        threads = max(cores() // workers, 1)
        crew = LocalCrew(work, prepare, workers=workers, threads=threads)
    else:
        from avforensics.engine.cluster import RayCrew  # only if requested

        crew = RayCrew(work, prepare, engine, workers=workers)
    with crew:
        schedule = Schedule(
            crew, jobs, tries=engine.tries, timeout=engine.timeout, batch=batch, begin=begin
        )
        yield from schedule.run()
