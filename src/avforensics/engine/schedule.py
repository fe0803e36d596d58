"""Assign jobs to workers and retry jobs, in the same way for every engine."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from avforensics.engine.crew import Crew, Event, Failed
from avforensics.errors import AVForensicsError

log = logging.getLogger(__name__)

POLL = 0.2  # seconds between checks for deadlines and Ctrl-C
SILENCE = 30.0  # seconds without any worker before a warning


@dataclass(eq=False)
class _Lot:
    """Jobs given to a worker together.

    Attributes
    ----------
    keys : list
        Keys of the pending jobs, in order.
    since : float
        Time of the latest start or result.
    """

    keys: list[Hashable]
    since: float = 0.0


@dataclass(eq=False)
class Schedule:
    """Give jobs to the workers of a crew until each job has a result or has failed.

    A job that raises an exception fails. A job whose worker dies or hangs is given to another
    worker, up to ``tries`` attempts in all. If the worker was given several jobs, the jobs without
    a result are then done one by one, so that no job fails because of another.

    Parameters
    ----------
    tries : int
        Maximum number of attempts at a job whose worker dies or hangs.
    timeout : float, optional
        Maximum duration of a job in seconds.
    batch : int
        Number of jobs given to a worker together.
    begin : callable, optional
        Called with the key of a job before its first attempt.
    """

    crew: Crew
    jobs: Mapping[Hashable, Any]
    _: KW_ONLY
    tries: int
    timeout: float | None = None
    batch: int = 1
    begin: Callable[[Hashable], None] | None = None

    def __post_init__(self) -> None:
        keys = list(self.jobs)
        lots = (keys[start : start + self.batch] for start in range(0, len(keys), self.batch))
        self._queue = deque(map(_Lot, lots))
        self._left = set(keys)
        self._begun: set[Hashable] = set()
        self._lost: Counter[Hashable] = Counter()
        self._starting: set[Any] = set()
        self._idle: list[Any] = []
        self._busy: dict[Any, _Lot] = {}
        self._failed_starts = 0
        self._alone_since = time.monotonic()

    def run(self) -> Iterator[tuple[Hashable, Any]]:
        """Yield each key with its result, or `Failed`, in order of completion."""
        while self._left:
            self._hire()
            self._give()
            for event in self.crew.wait(POLL):
                yield from self._handle(event)
            yield from self._stop_late()
            self._warn_of_silence()

    def _hire(self) -> None:
        ready = len(self._idle) + len(self._busy)
        useful = len(self._queue) + len(self._busy)
        for _ in range(ready + len(self._starting), min(self.crew.wanted(ready), useful)):
            self._starting.add(self.crew.hire())

    def _give(self) -> None:
        while self._idle and self._queue:
            worker, lot = self._idle.pop(0), self._queue.popleft()
            for key in lot.keys:
                if self.begin is not None and key not in self._begun:
                    self.begin(key)
                self._begun.add(key)
            lot.since = time.monotonic()
            self._busy[worker] = lot
            self.crew.give(worker, [self.jobs[key] for key in lot.keys])

    def _handle(self, event: Event) -> Iterator[tuple[Hashable, Any]]:
        worker = event.worker
        lot = self._busy.get(worker)
        if event.kind == "ready":
            self._starting.discard(worker)
            self._idle.append(worker)
            self._failed_starts = 0
        elif event.kind == "fatal":
            raise event.value
        elif event.kind == "lost":
            yield from self._lose(worker, str(event.value))
        elif event.kind == "raised" and worker in self._starting:
            self.crew.kill(worker)
            yield from self._lose(worker, str(event.value))
        elif lot is None:  # from a worker that was just stopped
            return
        elif event.kind == "result":
            lot.since = time.monotonic()
            yield from self._settle(lot.keys.pop(0), event.value)
        else:
            del self._busy[worker]
            self._idle.append(worker)
            if event.kind == "raised" and len(lot.keys) == 1:
                yield from self._settle(lot.keys[0], Failed(str(event.value)))
            else:
                self._queue.extend(_Lot([key]) for key in lot.keys)

    def _lose(self, worker: Any, reason: str) -> Iterator[tuple[Hashable, Any]]:
        """Continue without a worker; its jobs are given to other workers."""
        if worker in self._idle:
            self._idle.remove(worker)
        if worker in self._starting:
            self._starting.discard(worker)
            self._failed_starts += 1
            if self._failed_starts > self.tries and not (self._idle or self._busy):
                raise AVForensicsError(f"no worker process can be started: {reason}")
        lot = self._busy.pop(worker, None)
        if lot is None:
            return
        if len(lot.keys) == 1:
            self._lost[lot.keys[0]] += 1
            if (count := self._lost[lot.keys[0]]) >= self.tries:
                again = f" (attempt {count} of {self.tries})" if count > 1 else ""
                yield from self._settle(lot.keys[0], Failed(reason + again))
                return
            log.info("retrying a job: %s", reason)
        self._queue.extend(_Lot([key]) for key in lot.keys)

    def _settle(self, key: Hashable, result: Any) -> Iterator[tuple[Hashable, Any]]:
        if key in self._left:
            self._left.remove(key)
            yield key, result

    def _stop_late(self) -> Iterator[tuple[Hashable, Any]]:
        if self.timeout is None:
            return
        now = time.monotonic()
        for worker, lot in list(self._busy.items()):
            if now - lot.since > self.timeout * (1 if self.crew.streams else len(lot.keys)):
                self.crew.kill(worker)
                yield from self._lose(worker, f"stopped after {self.timeout:g} s without a result")

    def _warn_of_silence(self) -> None:
        now = time.monotonic()
        if self._idle or self._busy:
            self._alone_since = now
        elif now - self._alone_since > SILENCE:
            log.warning("no worker has been available for %d s", SILENCE)
            self._alone_since = now
