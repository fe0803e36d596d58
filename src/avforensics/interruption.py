"""End a command cleanly on Ctrl-C, or on SIGTERM from a scheduler or container.

The first signal raises KeyboardInterrupt, so that unfinished files are removed and finished work is
recorded. A second signal, more than a second later, ends the process at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from typing import NoReturn

DOUBLE = 1.0  # seconds; a second signal within this time (double key press, scheduler) is ignored
_HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
_first: list[tuple[int, float]] = []  # signal and time


def watch() -> None:
    """Install the signal handlers, unless others, e.g. nohup's, are already set."""
    for number, usual in _HANDLERS.items():
        if signal.getsignal(number) is usual:
            signal.signal(number, _handle)


def exit_code() -> int:
    """Return the exit code: 130 after Ctrl-C, 143 after SIGTERM, as in shells."""
    return 128 + (_first[0][0] if _first else signal.SIGINT)


def report() -> None:
    """Print one line that says how the command ended."""
    word = "ended by SIGTERM" if exit_code() == 128 + signal.SIGTERM else "interrupted"
    print(f"avforensics: {word}; all written files are complete.", file=sys.stderr)


def leave(code: int) -> NoReturn:
    """End the process without shutting down the interpreter, which takes time.

    After an interruption, threads that read videos may be inside native code, where a normal
    shutdown sometimes crashes.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _handle(number: int, frame: object) -> None:
    now = time.monotonic()
    if not _first:
        _first.append((number, now))
        raise KeyboardInterrupt
    if now - _first[0][1] > DOUBLE:
        report()
        leave(exit_code())
