"""Log lines on the terminal, above a progress bar where there is one."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Any, TextIO

from rich import get_console

# `extra` of a log call whose news a progress bar shows already: not printed on a terminal.
ON_BAR = {"on_bar": True}


class ConsoleHandler(logging.Handler):
    """Print log records through rich's shared console; warnings and errors say what they are.

    rich's progress bar draws on the same console, so lines appear above it and not through it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        console = get_console()
        if getattr(record, "on_bar", False) and console.is_terminal:
            return
        try:
            text = self.format(record)
            if record.levelno >= logging.WARNING:
                text = f"{record.levelname.lower()}: {text}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        except Exception:
            self.handleError(record)


class OpenEnded:
    """A stream of text whose reader may leave, as ``head`` does: the rest is written to nobody.

    Results are in files; a command whose words nobody reads any more goes on, and ends as it would.

    Parameters
    ----------
    stream : TextIO
        With a file descriptor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as the stream does, or to nobody."""
        with self._left_alone():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as the stream does, or to nobody."""
        with self._left_alone():
            self._stream.flush()

    @contextlib.contextmanager
    def _left_alone(self):
        try:
            yield
        except BrokenPipeError:
            nobody = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nobody, self._stream.fileno())
            os.close(nobody)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
