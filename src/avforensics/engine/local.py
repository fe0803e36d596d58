"""Worker processes on this machine, which end when the command ends for any reason."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from avforensics.engine.crew import Event, Place, Work, is_fatal, perform, reason_of
from avforensics.errors import AVForensicsError

GRACE = 1.0  # seconds for an ending worker to remove unfinished files


class LocalCrew:
    """Crew of spawned processes with a pipe each; use it in a ``with`` statement.

    Parameters
    ----------
    work, prepare
        As in `avforensics.pool.in_processes`; sent once to each process.
    workers : int
        Number of processes.
    threads : int
        Number of threads that each process should use.
    """

    streams = True

    def __init__(
        self, work: Work, prepare: Callable[[Place], Any] | None, *, workers: int, threads: int
    ) -> None:
        self._task = work, prepare
        self._workers, self._threads = workers, threads
        self._spawn = multiprocessing.get_context("spawn")  # a fork would copy library locks
        resource_tracker.ensure_running()  # if started later, it unblocks Ctrl-C
        self._numbers: dict[Connection, int] = {}
        self._processes: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> LocalCrew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End all processes; after an error, discard the jobs in progress."""
        for worker in self._processes:
            if kind is None:
                with contextlib.suppress(OSError):
                    worker.send_bytes(_ENOUGH)
            worker.close()
        end = time.monotonic() + 2 * GRACE
        for process in self._processes.values():
            process.join(max(end - time.monotonic(), 0))
            if process.is_alive():
                process.kill()
                process.join()
        self._processes.clear()

    def wanted(self, ready: int) -> int:
        """Return the number of workers to run."""
        return self._workers

    def hire(self) -> Connection:
        """Spawn a process."""
        own, theirs = self._spawn.Pipe()
        number = min(set(range(len(self._numbers) + 1)) - set(self._numbers.values()))
        arguments = (theirs, *self._task, Place(number, self._threads))
        process = self._spawn.Process(target=_serve, args=arguments, daemon=True)
        with _without_ctrl_c(), theirs:
            process.start()
        self._processes[own], self._numbers[own] = process, number
        return own

    def give(self, worker: Connection, jobs: Sequence[Any]) -> None:
        """Send jobs to an idle process."""
        with contextlib.suppress(BrokenPipeError):  # `wait` will report that the process has ended
            worker.send_bytes(pickle.dumps(list(jobs)))

    def wait(self, seconds: float) -> list[Event]:
        """Read what the processes have sent, and find out which have ended."""
        by_end = {process.sentinel: worker for worker, process in self._processes.items()}
        changed = wait([*self._processes, *by_end], seconds)
        events = []
        for worker in dict.fromkeys(by_end.get(one, one) for one in changed):
            messages, process = _received(worker), self._processes[worker]
            try:
                for message in messages:
                    events.append(Event(worker, *pickle.loads(message)))
            except Exception as error:  # the job that the message belongs to is unknown
                self.kill(worker)
                reason = f"the worker's answer cannot be read: {reason_of(error)}"
                events.append(Event(worker, "lost", reason))
                continue
            if process.exitcode is not None:
                self._forget(worker)
                events.append(Event(worker, "lost", _how_it_ended(process.exitcode)))
        return events

    def kill(self, worker: Connection) -> None:
        """Stop a process at once: a hung process cannot stop itself."""
        process = self._processes[worker]
        process.kill()
        process.join()
        self._forget(worker)

    def _forget(self, worker: Connection) -> None:
        del self._processes[worker], self._numbers[worker]
        worker.close()


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        memory = ", perhaps because memory ran out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{memory}"
    return f"its process was ended by signal {-code}"


def _received(worker: Connection) -> list[bytes]:
    messages = []
    with contextlib.suppress(EOFError, OSError):
        while worker.poll():
            messages.append(worker.recv_bytes())
    return messages


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Hide Ctrl-C from processes started in the block; this process gets it after the block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_ENOUGH = b""


class _Ended(SystemExit):
    """Raised by SIGTERM in a worker."""


def _serve(
    driver: Connection, work: Work, prepare: Callable[[Place], Any] | None, place: Place
) -> None:
    """Do the jobs that the driver sends, until it sends the end mark or disappears."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(driver, inbox), daemon=True).start()
    try:
        prepared = () if prepare is None else (prepare(place),)
    except Exception as error:
        _send(driver, "fatal", error if is_fatal(error) else AVForensicsError(reason_of(error)))
        return
    _send(driver, "ready", None)
    while message := inbox.get():
        for kind, value in perform(work, pickle.loads(message), prepared):
            if _send(driver, kind, value) != kind:
                break  # the driver sends the rest of these jobs one by one


def _send(driver: Connection, kind: str, value: Any) -> str:
    """Send a report, or the reason why it cannot be sent; return the kind that was sent."""
    sent = kind
    try:
        message = pickle.dumps((kind, value))
    except Exception as error:
        sent = "fatal" if kind == "fatal" else "raised"
        reason = f"its result cannot be sent: {reason_of(error)}"
        message = pickle.dumps((sent, AVForensicsError(str(value)) if sent == kind else reason))
    try:
        driver.send_bytes(message)
    except OSError:
        raise _Ended(1) from None  # the driver is gone
    return sent


def _listen(driver: Connection, inbox: queue.SimpleQueue[bytes]) -> None:
    """Forward what the driver sends; end this process if the driver disappears."""
    with contextlib.suppress(EOFError, OSError):
        while message := driver.recv_bytes():
            inbox.put(message)
        inbox.put(_ENOUGH)
        return
    os.kill(os.getpid(), signal.SIGTERM)  # wakes the main thread, which may be busy with a job
    time.sleep(GRACE)
    os._exit(1)


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second SIGTERM may arrive meanwhile
    sys.stderr = None  # nobody is left to read it
    raise _Ended(1)
