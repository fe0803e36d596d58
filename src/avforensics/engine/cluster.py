"""Workers on a Ray cluster (extra ``ray``); imported only for ``engine=ray``."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from avforensics.engine.crew import (
    EngineOptions,
    Event,
    Place,
    Work,
    check_visible,
    is_fatal,
    perform,
    reason_of,
)
from avforensics.errors import AVForensicsError, ConfigError

PROBE, DEADLINE = 3.0, 10.0  # seconds within which the port, and then Ray, must answer
STORE = 200 << 20  # bytes of the object store if Ray is started here; small, as jobs are only paths


class RayCrew:
    """Crew of actors with one batch of jobs in flight each; use it in a ``with`` statement.

    Parameters
    ----------
    work, prepare
        As in `avforensics.pool.in_processes`; sent once to each actor.
    workers : int, optional
        Number of actors; None = as many as fit on the cluster, and more as nodes join.

    Raises
    ------
    ConfigError
        Ray is not installed, does not answer, rejects the token, or has no node with room for a
        worker.
    """

    streams = False

    def __init__(
        self,
        work: Work,
        prepare: Callable[[Place], Any] | None,
        options: EngineOptions,
        *,
        workers: int | None,
    ) -> None:
        self._ray = ray = _connect(options)
        self._workers, self._options = workers, options
        self._room = _room(ray, options)
        self._setup = ray.put(pickle_by_value((work, prepare)))
        self._actors: set[Any] = set()
        self._waiting: dict[Any, Any] = {}  # pending object -> its actor
        self._class = ray.remote(_Actor)

    def __enter__(self) -> RayCrew:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill every actor at once and close the connection."""
        for actor in list(self._actors):
            self.kill(actor)
        self._ray.shutdown()

    def wanted(self, ready: int) -> int:
        """Return how many actors to run; without ``workers``, one more than there is room for."""
        if self._workers is not None:
            return self._workers
        return max(self._room, ready) + 1

    def hire(self) -> Any:
        """Request an actor; Ray starts it where and when there is room."""
        options = self._options
        variables = {k: v for k, v in os.environ.items() if k.startswith("AVFORENSICS_")}
        actor = self._class.options(
            num_cpus=options.cpus_per_worker,
            num_gpus=options.gpus_per_worker,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        ).remote(str(Path.cwd()), variables, options.gpus_per_worker > 0)
        self._actors.add(actor)
        threads = max(int(options.cpus_per_worker), 1)
        self._waiting[actor.prepare.remote(self._setup, threads)] = actor
        return actor

    def give(self, worker: Any, jobs: Sequence[Any]) -> None:
        """Send jobs to an idle actor."""
        self._waiting[worker.do.remote(pickle_by_value(list(jobs)))] = worker

    def wait(self, seconds: float) -> list[Event]:
        """Return events for finished batches and lost actors."""
        ray = self._ray
        done, _ = ray.wait(list(self._waiting), num_returns=1, timeout=seconds)
        if done:
            done, _ = ray.wait(list(self._waiting), num_returns=len(self._waiting), timeout=0)
        events = []
        for one in done:
            actor = self._waiting.pop(one)
            try:
                reported = _read(ray.get(one))
            except ray.exceptions.RayTaskError as error:
                reported = [("raised", reason_of(error.cause or error))]
            except ray.exceptions.RayError as error:
                self.kill(actor)
                reported = [("lost", _why(error))]
            events += [Event(actor, kind, value) for kind, value in reported]
        return events

    def kill(self, worker: Any) -> None:
        """Stop an actor at once, even if it has not started."""
        self._actors.discard(worker)
        self._waiting = {one: actor for one, actor in self._waiting.items() if actor != worker}
        with contextlib.suppress(Exception):  # the actor or the cluster may be dead already
            self._ray.kill(worker)


def pickle_by_value(value: Any) -> bytes:
    """Pickle a value along with functions of the main module, which workers cannot import."""
    from ray import cloudpickle

    return cloudpickle.dumps(value)


class _Actor:
    """A worker, which pickles its reports itself, so that the driver gets its own copies."""

    def __init__(self, folder: str, variables: dict[str, str], uses_gpu: bool) -> None:
        self._folder = folder
        os.environ.update(variables)
        if not uses_gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""

    def prepare(self, setup: bytes, threads: int) -> list[tuple[str, bytes]]:
        """Load what every job needs."""
        try:
            check_visible(Path(self._folder))
            os.chdir(self._folder)
            self._work, prepare = pickle.loads(setup)
            self._prepared = () if prepare is None else (prepare(Place(0, threads)),)
        except Exception as error:
            return [
                _told("fatal", error if is_fatal(error) else AVForensicsError(reason_of(error)))
            ]
        return [_told("ready", None)]

    def do(self, jobs: bytes) -> list[tuple[str, bytes]]:
        """Do jobs and return their reports."""
        return [_told(*one) for one in perform(self._work, pickle.loads(jobs), self._prepared)]


def _read(told: list[tuple[str, bytes]]) -> list[tuple[str, Any]]:
    """Unpickle the reports of an actor, up to the first that cannot be read here."""
    read: list[tuple[str, Any]] = []
    try:
        for kind, value in told:
            read.append((kind, pickle.loads(value)))
    except Exception as error:
        read.append(("raised", f"the worker's answer cannot be read: {reason_of(error)}"))
    return read


def _told(kind: str, value: Any) -> tuple[str, bytes]:
    return kind, pickle_by_value(value)


def _why(error: Exception) -> str:
    kind = type(error).__name__
    text = str(error).lower()
    memory = ", perhaps because memory ran out" if "memory" in kind.lower() + text else ""
    return f"its Ray worker died{memory} ({kind})"


def _connect(options: EngineOptions) -> ModuleType:
    """Join the cluster within seconds; Ray itself would try for minutes."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The default of Ray 2.60; some earlier versions print advice if it is not set.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        import ray
    except ImportError:
        raise ConfigError(
            'engine=ray needs Ray: pip install "avforensics[ray]", on every node'
        ) from None
    own = options.address == "local"
    address = options.address
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "auto")
    is_port = ":" in address and "://" not in address
    if is_port:
        _probe(address)
    start = {"include_dashboard": False, "object_store_memory": STORE} if own else {}
    failure: list[BaseException] = []

    def join() -> None:
        try:
            if is_port:
                _check_token(address)
            ray.init(address, log_to_driver=False, logging_level="ERROR", **start)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure.append(error)

    joining = threading.Thread(target=join, daemon=True)
    with _quiet():
        if own:
            join()  # Ray ends with the thread that starts it
        else:
            joining.start()
            joining.join(DEADLINE)
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():  # Ray has replaced the handlers
            signal.signal(number, handler)
    if joining.is_alive():
        _give_up_stderr()
        raise ConfigError(f"the Ray cluster at {address} did not answer within {DEADLINE:g} s")
    if failure:
        if isinstance(failure[0], ray.exceptions.AuthenticationError):
            raise ConfigError(
                f"the Ray cluster at {address} rejects this machine's token, or the token is "
                "missing (RAY_AUTH_MODE, RAY_AUTH_TOKEN_PATH)"
            )
        if address == "auto" and isinstance(failure[0], ConnectionError):
            raise ConfigError(
                "this machine is not part of a Ray cluster: set engine.address=HOST:PORT, or "
                "engine.address=local to start a cluster here"
            )
        where = "Ray could not be started" if own else f"no Ray cluster at {address}"
        raise ConfigError(f"{where}: {reason_of(failure[0])}")
    return ray


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discard what Ray's C++ code, which uses no logger, writes to stderr on each attempt."""
    level = "RAY_BACKEND_LOG_LEVEL"
    if level in os.environ:
        yield
        return
    os.environ[level] = "fatal"
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
        del os.environ[level]


def _give_up_stderr() -> None:
    """Silence the connection attempt that continues in a thread, so that our error stays last."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    sys.stderr = os.fdopen(kept, "w", errors="backslashreplace")


def _probe(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise ConfigError(f"engine.address must be HOST:PORT, auto or local, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"no Ray cluster at {address}: {reason_of(error)}") from None


def _check_token(address: str) -> None:
    """Let a wrong token raise Ray's AuthenticationError at once; `init` retries for a minute."""
    from ray._private.authentication.authentication_token_setup import (
        ensure_token_if_auth_enabled,
    )
    from ray._raylet import GcsClient

    ensure_token_if_auth_enabled(create_token_if_missing=False)  # otherwise, the next line aborts
    GcsClient(address=address)


def _room(ray: ModuleType, options: EngineOptions) -> int:
    """Return the number of workers for which the nodes have room."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wants = {"CPU": options.cpus_per_worker, "GPU": options.gpus_per_worker}
    room = sum(
        min(int(node.get(kind, 0) / amount) for kind, amount in wants.items() if amount)
        for node in nodes
    )
    if not room:
        ray.shutdown()
        raise ConfigError(
            f"no node of the Ray cluster has room for a worker with {wants['CPU']:g} CPUs and "
            f"{wants['GPU']:g} GPUs; see engine.cpus_per_worker and engine.gpus_per_worker"
        )
    return room
