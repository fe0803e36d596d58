"""Log lines on the terminal, above a progress bar if there is one."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Any, TextIO

from rich import get_console

# `extra` of log calls that a progress bar already shows: not printed on a terminal.
ON_BAR = {"on_bar": True}


class ConsoleHandler(logging.Handler):
    """Print log records through rich's shared console, with the level of warnings and errors.

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
    """A text stream that ignores a closed pipe, as with ``head``.

    Results are in files, so the command continues without its output.

    Parameters
    ----------
    stream : TextIO
        With a file descriptor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, unless the pipe is closed."""
        with self._left_alone():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, unless the pipe is closed."""
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
