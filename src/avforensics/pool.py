"""Independent jobs in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from rich import get_console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from avforensics.errors import AVForensicsError

Key, Job, Result = TypeVar("Key"), TypeVar("Job"), TypeVar("Result")


def cores() -> int:
    """Cores that this process may use: a job on a shared node has fewer than the node."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def do_jobs(
    work: Callable[[Job], Result], jobs: Mapping[Key, Job], *, workers: int, title: str
) -> Iterator[tuple[Key, Result]]:
    """As `in_processes`, under a progress bar with this title."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=get_console()) as progress:
        task = progress.add_task(title, total=len(jobs))
        for key, result in in_processes(work, jobs, workers=workers):
            yield key, result
            progress.advance(task)


def in_processes(
    work: Callable[[Job], Result], jobs: Mapping[Key, Job], *, workers: int
) -> Iterator[tuple[Key, Result]]:
    """Do jobs in any order, here or in processes of their own.

    Parameters
    ----------
    work : callable
        Importable by name (or a ``partial`` of what is), as are its argument and result.
    jobs : mapping
    workers : int
        Processes; with one, or one job, all is done here.

    Yields
    ------
    key, result
        As each job ends.

    Raises
    ------
    AVForensicsError
        A process was killed. What ``work`` raises is raised here; nothing new is begun then.
    """
    if workers == 1 or len(jobs) < 2:
        for key, job in jobs.items():
            yield key, work(job)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy FFmpeg's and OpenCV's locks
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=spawn) as pool:
        futures = {pool.submit(work, job): key for key, job in jobs.items()}
        try:
            for future in as_completed(futures):
                yield futures.pop(future), future.result()
        except BrokenProcessPool:
            raise AVForensicsError(
                "a process was killed, perhaps for lack of memory; run the command again with "
                "fewer workers: what was finished is kept"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
