"""Independent jobs in processes of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from avforensics.errors import AVForensicsError
from avforensics.progress import Progress

Key, Job, Result = TypeVar("Key"), TypeVar("Job"), TypeVar("Result")

GRACE = 1.0  # seconds in which a worker that is to end may remove what it has half written


def cores() -> int:
    """Cores that this process may use: a job on a shared node has fewer than the node."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def do_jobs(
    work: Callable[[Job], Result],
    jobs: Mapping[Key, Job],
    *,
    workers: int,
    title: str,
    unit: str = "videos",
) -> Iterator[tuple[Key, Result]]:
    """As `in_processes`, telling how far it has come under this title."""
    with Progress(title, len(jobs), unit=unit) as progress:
        for key, result in in_processes(work, jobs, workers=workers):
            yield key, result
            progress.advance()


def in_processes(
    work: Callable[[Job], Result], jobs: Mapping[Key, Job], *, workers: int
) -> Iterator[tuple[Key, Result]]:
    """Do jobs in any order, here or in processes of their own.

    Parameters
    ----------
    work : callable
        Importable by name (or a ``partial`` of what is), as are its argument and result.
    workers : int
        Processes; with one, or one job, all is done here.

    Yields
    ------
    key, result
        As each job ends.

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
            yield key, work(job)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy FFmpeg's and OpenCV's locks
    theirs, own = spawn.Pipe(duplex=False)  # nothing is ever sent: its end is the message
    with (
        theirs,
        own,
        ProcessPoolExecutor(
            min(workers, len(jobs)), mp_context=spawn, initializer=_follow, initargs=(theirs,)
        ) as pool,
    ):
        try:
            with _without_ctrl_c():
                futures = {pool.submit(_do, work, job): key for key, job in jobs.items()}
            for future in as_completed(futures):
                yield futures.pop(future), future.result()
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


def _follow(parent: Connection) -> None:
    """Let this process end on SIGTERM, and once the other side of a pipe is closed."""
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


def _do(work: Callable[[Job], Result], job: Job) -> Result:
    try:
        return work(job)
    except SystemExit:
        os._exit(1)  # the pool would take it for the job's result and go on
