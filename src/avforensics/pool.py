"""Independent jobs in processes of their own."""

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

POLL = 0.1  # seconds after which results of unfinished jobs are looked for
GRACE = 1.0  # seconds in which a worker that is to end may remove what it has half written
# Only srun sets the second pair: a batch script around it is no rank, though it has a SLURM_PROCID.
_LAUNCHERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


def cores() -> int:
    """Cores that this process may use: a job on a shared node has fewer than the node."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rank_and_world() -> tuple[int, int]:
    """Rank and number of commands as torchrun or srun says, else ``(0, 1)``."""
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
    """As `in_processes` with one result a job, telling how far it has come under this title."""
    with Progress(title, len(jobs), unit=unit) as progress:
        for key, result in in_processes(partial(_once, work), jobs, workers=workers):
            yield key, result
            progress.advance()


def _once(work: Callable[[Job], Result], job: Job) -> list[Result]:
    return [work(job)]


def in_processes(
    work: Callable[[Job], Iterable[Result]], jobs: Mapping[Key, Job], *, workers: int
) -> Iterator[tuple[Key, Result]]:
    """Do jobs in any order, here or in processes of their own.

    Parameters
    ----------
    work : callable
        Importable by name (or a ``partial`` of what is), as are its argument and results.
    workers : int
        Processes; with one, or one job, all is done here.

    Yields
    ------
    key, result
        As soon as it is made, each of a job's results.

    Raises
    ------
    AVForensicsError
        A process was killed. What ``work`` raises is raised here.

    Notes
    -----
    The processes end when this one does, however that comes about, and when an exception leaves the
    generator: nobody would note down what they make. Ctrl-C is for this process alone.
    """
    if workers == 1 or len(jobs) < 2:
        for key, job in jobs.items():
            for result in work(job):
                yield key, result
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the locks of libraries
    theirs, own = spawn.Pipe(duplex=False)  # nothing is ever sent: its end is the message
    results = spawn.SimpleQueue()  # what is put is there before its job counts as done
    setup = {"initializer": _follow, "initargs": (theirs, results)}
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
                    job.result()  # raises what the job has raised
        except BrokenProcessPool:
            raise AVForensicsError(
                "a process was killed, perhaps for lack of memory; run the command again with "
                "fewer workers: what was finished is kept"
            ) from None
        except BaseException:
            own.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Let processes that are started inside the block never see Ctrl-C; here it comes later."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(parent: Connection, results: SimpleQueue) -> None:
    """Let this process end on SIGTERM, and once the other side of a pipe is closed."""
    global _results
    _results = results
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the pool sends another, in the midst of this
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
        os._exit(1)  # the pool would take it for the job's result and go on
