"""Standard output that survives a closed pipe."""

from __future__ import annotations

import contextlib
import os
from typing import Any, TextIO


class OpenEnded:
    """Text stream that ignores a closed pipe, e.g. to ``head``.

    Results are written to files, so the command can continue without printing.

    Parameters
    ----------
    stream : TextIO
        Stream with a file descriptor.
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
