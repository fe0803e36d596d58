"""Read videos in threads of their own, a few spans ahead of the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Full, Queue

from avforensics.errors import MediaError
from avforensics.files import sha256_or_none
from avforensics.media.reader import MediaStream
from avforensics.media.types import MediaReport
from avforensics.scoring.spans import Span

Opener = Callable[[Path], MediaStream]
Cutter = Callable[[MediaStream], Iterator[Span]]

_AHEAD = 2  # spans of a video waiting for the network


@dataclass
class Source:
    """One video while it is being read.

    Attributes
    ----------
    path : Path
    media : MediaReport or None
    error : str or None
        Why reading ended early.
    sha256 : str or None
    seconds : float
        Spent on reading so far.
    """

    path: Path
    media: MediaReport | None = None
    error: str | None = None
    sha256: str | None = None
    seconds: float = 0.0
    _spans: Queue[Span | None] = field(default_factory=lambda: Queue(_AHEAD))
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self, open_stream: Opener, cut: Cutter) -> None:
        """Begin to read in a daemon thread."""
        threading.Thread(target=self._read, args=(open_stream, cut), daemon=True).start()

    def stop(self) -> None:
        """Make the thread end soon."""
        self._stopped.set()

    def spans(self) -> Iterator[Span]:
        """Spans as they come; ends early when reading fails."""
        while (span := self._spans.get()) is not None:
            yield span

    def _read(self, open_stream: Opener, cut: Cutter) -> None:
        started = time.perf_counter()
        try:
            self.sha256 = sha256_or_none(self.path)
            with open_stream(self.path) as stream:
                self.media = stream.report
                for span in cut(stream):
                    self.seconds += time.perf_counter() - started
                    self._put(span)
                    started = time.perf_counter()
        except MediaError as error:
            self.error = error.reason
        except Exception as error:  # one file must never end the batch
            self.error = f"reading failed: {type(error).__name__}: {error}"
        self.seconds += time.perf_counter() - started
        self._put(None)

    def _put(self, span: Span | None) -> None:
        while not self._stopped.is_set():
            with suppress(Full):
                self._spans.put(span, timeout=0.1)
                break


def read_ahead(
    paths: Iterable[Path], open_stream: Opener, cut: Cutter, *, readers: int
) -> Iterator[Source]:
    """Sources in the order of ``paths``, with ``readers`` of them being read at a time."""
    waiting: Queue[Source] = Queue()
    remaining = iter(paths)

    def begin() -> None:
        path = next(remaining, None)
        if path is not None:
            source = Source(path)
            source.start(open_stream, cut)
            waiting.put(source)

    try:
        for _ in range(readers):
            begin()
        while True:
            try:
                source = waiting.get_nowait()
            except Empty:
                return
            yield source
            begin()
    finally:
        while not waiting.empty():
            waiting.get_nowait().stop()
