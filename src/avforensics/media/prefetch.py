"""Compute results in other threads before they are needed, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Full, Queue
from typing import Any, TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")

WAITING = 4  # maximum number of calls queued for the other thread


def in_another_thread(
    work: Callable[..., Result], arguments: Iterable[tuple[Any, ...]]
) -> Iterator[Result]:
    """Call ``work`` with each tuple of arguments in another thread; yield results in order.

    The arguments are generated in the iterating thread; exceptions are raised there.
    """
    with ThreadPoolExecutor(1) as pool:
        yield from _in_order((pool.submit(work, *each) for each in arguments), WAITING)


def prefetch(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int
) -> Iterator[Result]:
    """Yield ``work(item)`` in order, computing at most ``threads`` results in advance.

    The threads are daemons, so that an interrupted command need not wait for a long video.
    """

    def begin(item: Item) -> Future[Result]:
        future: Future[Result] = Future()
        threading.Thread(target=settle, args=(future, item), daemon=True).start()
        return future

    def settle(future: Future[Result], item: Item) -> None:
        try:
            future.set_result(work(item))
        except BaseException as error:
            future.set_exception(error)

    yield from _in_order(map(begin, items), threads)


def _in_order(futures: Iterable[Future[Result]], most: int) -> Iterator[Result]:
    """Yield results in order, keeping up to ``most`` futures running ahead."""
    waiting: deque[Future[Result]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def put(queue: Queue, item: Any, closed: threading.Event) -> None:
    """Add an item to a queue; wait while the queue is full, but give up if ``closed`` is set."""
    while not closed.is_set():
        with suppress(Full):
            queue.put(item, timeout=0.1)
            return
