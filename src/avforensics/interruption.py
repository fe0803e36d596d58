"""Ctrl-C and SIGTERM, which schedulers and containers send: a command ends, and all it has begun.

The first raises KeyboardInterrupt, so that what is half written is removed and what is done is
noted down. One that comes later than a second after it ends the process at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from typing import NoReturn

DOUBLE = 1.0  # seconds; within them a key was pressed twice, or a scheduler sends both signals
_HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
_first: list[tuple[int, float]] = []  # signal and time


def watch() -> None:
    """Handle both from now on; what the caller has set otherwise, as nohup does, stays."""
    for number, usual in _HANDLERS.items():
        if signal.getsignal(number) is usual:
            signal.signal(number, _handle)


def exit_code() -> int:
    """130 after Ctrl-C, 143 after SIGTERM, as shells have it."""
    return 128 + (_first[0][0] if _first else signal.SIGINT)


def report() -> None:
    """Say in one line that the command was ended."""
    word = "ended by SIGTERM" if exit_code() == 128 + signal.SIGTERM else "interrupted"
    print(f"avforensics: {word}; every file that was written is whole.", file=sys.stderr)


def leave() -> NoReturn:
    """End the process without the ordinary end of the interpreter.

    Threads that read ahead may be in the middle of native code, and to tear that down under them
    now and then is a crash.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(exit_code())


def _handle(number: int, frame: object) -> None:
    now = time.monotonic()
    if not _first:
        _first.append((number, now))
        raise KeyboardInterrupt
    if now - _first[0][1] > DOUBLE:
        report()
        leave()
