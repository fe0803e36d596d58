"""Work in another thread, a little behind what it is done for, and in its order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

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
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for each in arguments:
            pending.append(pool.submit(work, *each))
            if len(pending) > WAITING:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
