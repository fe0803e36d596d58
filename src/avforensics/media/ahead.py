"""Work in other threads, a little ahead of where its results are asked for, and in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")

WAITING = 4  # calls whose arguments wait for the other thread


def in_another_thread(
    work: Callable[..., Result], arguments: Iterable[tuple[Any, ...]]
) -> Iterator[Result]:
    """Results of calls, one after the other, made while the arguments of later ones are prepared.

    Arguments are taken in the thread that iterates; what ``work`` raises is raised there, too.

    Parameters
    ----------
    work : callable
        Runs in one other thread, never twice at a time.
    arguments : iterable of tuple
        Of each call.
    """
    with ThreadPoolExecutor(1) as pool:
        yield from _in_order((pool.submit(work, *each) for each in arguments), WAITING)


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int
) -> Iterator[Result]:
    """``work`` of each item, in order, at most ``threads`` of them ahead of the one asked for.

    In daemon threads: an interrupted command need not wait for a long video to end.
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
    """Results of futures, of which at most so many are begun before the first one is awaited."""
    waiting: deque[Future[Result]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
