"""Run independent jobs in separate processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from typing import TypeVar

from avforensics.errors import AVForensicsError
from avforensics.progress import Progress

Key, Job, Result = TypeVar("Key"), TypeVar("Job"), TypeVar("Result")

POLL = 0.1  # seconds between checks for results of unfinished jobs
GRACE = 1.0  # seconds for a terminating worker to remove unfinished files
# Only srun sets the second pair: a batch script around it is not a rank, despite its SLURM_PROCID.
_LAUNCHERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


def cores() -> int:
    """Cores available to this process, which on a shared node may be fewer than the node's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rank_and_world() -> tuple[int, int]:
    """Rank and number of commands from torchrun or srun, else ``(0, 1)``."""
    for rank, world in _LAUNCHERS:
        if rank in os.environ and world in os.environ:
            return int(os.environ[rank]), int(os.environ[world])
    return 0, 1


def do_jobs(
    work: Callable[[Job], Result],
    jobs: Mapping[Key, Job],
    *,
    workers: int,
    title: str,
    unit: str = "videos",
) -> Iterator[tuple[Key, Result]]:
    """Like `in_processes`, with one result per job and progress under a title."""
    with Progress(title, len(jobs), unit=unit) as progress:
        for key, result in in_processes(partial(_once, work), jobs, workers=workers):
            yield key, result
            progress.advance()


def _once(work: Callable[[Job], Result], job: Job) -> list[Result]:
    return [work(job)]


def in_processes(
    work: Callable[[Job], Iterable[Result]], jobs: Mapping[Key, Job], *, workers: int
) -> Iterator[tuple[Key, Result]]:
    """Run jobs in any order, in this process or others.

    Parameters
    ----------
    work : callable
        Importable by name, or a ``partial`` of such; arguments and results are pickled.
    workers : int
        Processes; with one, or one job, everything runs in this process.

    Yields
    ------
    key, result
        Each result of a job, as soon as it is available.

    Raises
    ------
    AVForensicsError
        A process was killed. Exceptions of ``work`` are raised here, too.

    Notes
    -----
    The processes end with this one, however it ends, and when an exception leaves the generator,
    since nobody would record their results. Only this process receives Ctrl-C.
    """
    if workers == 1 or len(jobs) < 2:
        for key, job in jobs.items():
            for result in work(job):
                yield key, result
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the locks of libraries
    theirs, own = spawn.Pipe(duplex=False)  # nothing is ever sent: closing it is the message
    results = spawn.SimpleQueue()  # filled before its job counts as done
    setup = {"initializer": _end_with, "initargs": (theirs, results)}
    with (
        theirs,
        own,
        ProcessPoolExecutor(min(workers, len(jobs)), mp_context=spawn, **setup) as pool,
    ):
        try:
            with _without_ctrl_c():
                left = {pool.submit(_do, work, key, job) for key, job in jobs.items()}
            while left:
                done, left = wait(left, POLL, FIRST_COMPLETED)
                while not results.empty():
                    yield results.get()
                for job in done:
                    job.result()  # re-raises the job's exception
        except BrokenProcessPool:
            raise AVForensicsError(
                "a process was killed, perhaps because memory ran out; run the command again with "
                "fewer workers: finished work is kept"
            ) from None
        except BaseException:
            own.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Hide Ctrl-C from processes started inside the block; this one receives it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(parent: Connection, results: SimpleQueue) -> None:
    """End this process on SIGTERM, or when the other end of a pipe is closed."""
    global _results
    _results = results
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the pool sends another one meanwhile
    sys.exit(1)


def _end_after(parent: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        parent.recv()
    os.kill(os.getpid(), signal.SIGTERM)  # wakes the main thread, which may wait for a job
    time.sleep(GRACE)
    os._exit(1)


def _do(work: Callable[[Job], Iterable[Result]], key: Key, job: Job) -> None:
    try:
        for result in work(job):
            _results.put((key, result))
    except SystemExit:
        os._exit(1)  # the pool would take it for the job's result and continue
