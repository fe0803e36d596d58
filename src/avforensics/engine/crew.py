"""Parts shared by the engines: settings, a worker's loop and its reports."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from avforensics.errors import AVForensicsError, ConfigError, MediaError
from avforensics.fields import check_choice, is_finite

Work = Callable[..., Iterator[Any]]  # jobs, prepared objects -> a result for each job, in order


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Settings of ``configs/engine``.

    Parameters
    ----------
    name : {"local", "ray"}
        Worker processes on this machine, or on a Ray cluster.
    tries : int
        Maximum number of attempts at a job whose worker dies or hangs. A job that raises an
        exception is not tried again.
    timeout_minutes : float, optional
        Maximum duration of a job in minutes; None = no limit.
    gpus_per_worker : float
        GPUs, or the fraction of a GPU, per worker; 0 = a Ray worker uses no GPU. With ``local``,
        ``extract`` starts as many processes as fit on the GPUs, or one per GPU if this is 0.
    cpus_per_worker : float
        Number of CPUs that Ray reserves for each worker, and of threads that the worker uses.
    address : str
        Ray cluster: ``HOST:PORT``, ``auto`` ($RAY_ADDRESS, else the cluster that this
        machine belongs to) or ``local`` (started here for this run).

    Raises
    ------
    ConfigError
        A value is invalid.
    """

    name: str = "local"
    tries: int = 2
    timeout_minutes: float | None = None
    gpus_per_worker: float = 1
    cpus_per_worker: float = 1
    address: str = "auto"

    def __post_init__(self) -> None:
        check_choice("engine", self.name, ("local", "ray"))
        if self.tries < 1:
            raise ConfigError(f"engine.tries must be at least 1, got {self.tries}")
        if not is_finite(self.gpus_per_worker) or self.gpus_per_worker < 0:
            raise ConfigError(
                f"engine.gpus_per_worker must be at least 0, got {self.gpus_per_worker}"
            )
        if not is_finite(self.cpus_per_worker) or self.cpus_per_worker <= 0:
            raise ConfigError(f"engine.cpus_per_worker must be above 0, got {self.cpus_per_worker}")
        limit = self.timeout_minutes
        if limit is not None and (not is_finite(limit) or limit <= 0):
            raise ConfigError(f"engine.timeout_minutes must be above 0, got {limit}")
        if not isinstance(self.address, str):
            raise ConfigError(
                f"engine.address must be HOST:PORT, auto or local, got {self.address!r}"
            )

    @property
    def timeout(self) -> float | None:
        """Maximum duration of a job in seconds; None = no limit."""
        return None if self.timeout_minutes is None else 60 * self.timeout_minutes


LOCAL = EngineOptions()


@dataclass(frozen=True)
class Place:
    """Where a worker runs.

    Attributes
    ----------
    number : int
        Index of the worker on its machine, from 0.
    threads : int
        Number of threads that the worker should use.
    """

    number: int
    threads: int


@dataclass(frozen=True)
class Failed:
    """Failure of a job that raised an exception, or whose worker died or hung every time.

    Attributes
    ----------
    reason : str
    """

    reason: str


@dataclass(frozen=True)
class Event:
    """A worker's report.

    Attributes
    ----------
    worker : hashable
    kind : {"ready", "result", "done", "raised", "fatal", "lost"}
        "ready": the worker is ready for jobs. "result": it has finished a job. "done": it has
        finished all its jobs. "raised": a job raised an exception. "fatal": an error occurred that
        every job would raise. "lost": the process has ended.
    value : object
        A result, a reason, or an exception.
    """

    worker: Any
    kind: str
    value: Any = None


class Crew(Protocol):
    """Workers of one kind.

    Attributes
    ----------
    streams : bool
        Whether each result is reported at once, rather than with its whole batch.
    """

    streams: bool

    def wanted(self, ready: int) -> int:
        """Return the number of workers to run, given the number of workers that are ready."""

    def hire(self) -> Any:
        """Start a worker without waiting; it reports "ready" once it is prepared."""

    def give(self, worker: Any, jobs: Sequence[Any]) -> None:
        """Give jobs to an idle worker."""

    def wait(self, seconds: float) -> list[Event]:
        """Wait up to ``seconds`` for events; return those that occurred."""

    def kill(self, worker: Any) -> None:
        """Stop a worker at once; it sends no more reports."""


def perform(work: Work, jobs: Sequence[Any], prepared: tuple) -> Iterator[tuple[str, Any]]:
    """Do jobs; yield the kind and value of an `Event` for each result, and finally for the end."""
    try:
        for result in work(jobs, *prepared):
            yield "result", result
    except GeneratorExit:
        raise
    except Exception as error:
        yield ("fatal", error) if is_fatal(error) else ("raised", reason_of(error))
    except SystemExit as error:
        if type(error) is not SystemExit:  # the worker itself must end
            raise
        yield "raised", f"the job ended its process (SystemExit: {error.code})"
    else:
        yield "done", None


def check_visible(path: Path) -> None:
    """Reject a worker that cannot see the command's files, since its output would be lost.

    Raises
    ------
    ConfigError
        ``path`` does not exist on this host.
    """
    if not path.exists():
        raise ConfigError(
            f"host {socket.gethostname()} has no {path}: every worker must see the same files "
            "under the same paths"
        )


def is_fatal(error: Exception) -> bool:
    """Return True if every other job would also fail, e.g. after a wrong setting or a full disk."""
    if isinstance(error, MediaError):
        return False
    return isinstance(error, AVForensicsError | OSError)


def reason_of(error: BaseException) -> str:
    """Describe an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def in_this_process(
    work: Work,
    jobs: Mapping[Any, Any],
    prepared: tuple,
    begin: Callable[[Any], None] | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Do jobs in this process in one pass; after a failure, do the rest one by one.

    Parameters
    ----------
    begin : callable, optional
        Called with each key once, before its job starts.

    Yields
    ------
    key, result
        Results in order; `Failed` for a job that raises an exception.
    """
    begun = set()

    def start(keys: list[Any]) -> None:
        if begin is not None and keys and keys[0] not in begun:
            begun.add(keys[0])
            begin(keys[0])

    waiting = [list(jobs)]
    while waiting:
        keys = waiting.pop(0)
        left = list(keys)
        start(left)
        for kind, value in perform(work, [jobs[key] for key in keys], prepared):
            if kind == "result":
                yield left.pop(0), value
                start(left)
            elif kind == "fatal":
                raise value
            elif kind == "raised" and len(left) == 1:
                yield left.pop(0), Failed(value)
            elif kind == "raised":
                waiting += [[key] for key in left]
