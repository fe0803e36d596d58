"""Read videos in separate threads, a few spans ahead of the network."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from queue import Queue

from avforensics.applicability import Meter, MouthView
from avforensics.errors import MediaError
from avforensics.files import sha256_or_none
from avforensics.media.crop import MovingCrop
from avforensics.media.kept import KeptFrames
from avforensics.media.prefetch import put
from avforensics.media.reader import MediaStream, PictureEdit
from avforensics.media.silence import LeadingSilence
from avforensics.media.spool import SoundSpool
from avforensics.media.types import FPS, HOP, Block, MediaReport, Pictures
from avforensics.scoring.spans import Span

AHEAD = 2  # maximum number of spans queued for the network


@dataclass(frozen=True)
class Edit:
    """An edit applied to a clip while it is read, for controls and robustness tests.

    Attributes
    ----------
    pictures : callable, optional
        Function that edits whole frames before they are cropped and resized.
    blocks : callable, optional
        Function that edits the stream of aligned blocks, e.g. its start.
    """

    pictures: PictureEdit | None = None
    blocks: Callable[[Iterator[Block]], Iterator[Block]] | None = None


@dataclass(frozen=True)
class Clip:
    """A video file, or a part of it, to score.

    Attributes
    ----------
    audio : Path or None
        Separate audio file.
    start : float
        Start in the file, in seconds.
    duration : float or None
        Duration in seconds; None = to the end.
    crop : MovingCrop or None
        Moving square around a face, from ``start`` on.
    mouth : MouthView or None
        Position of the mouth in the square.
    sound : SoundSpool or None
        Audio of the file, shared by all clips of the file and closed by its owner.
    kept : KeptFrames or None
        Frames of the file, if in memory; shared by all its clips and released by their owner.
    pictures : Pictures or None
        Pictures of the clip, if another thread cuts them.
    name : str
        Name in results, if the file is temporary.
    """

    path: Path
    audio: Path | None = None
    start: float = 0.0
    duration: float | None = None
    edit: Edit = Edit()
    crop: MovingCrop | None = None
    mouth: MouthView | None = None
    sound: SoundSpool | None = None
    kept: KeptFrames | None = None
    pictures: Pictures | None = None
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        object.__setattr__(self, "audio", self.audio and Path(self.audio))
        if self.start < 0:
            raise ValueError(f"start must be >= 0, got {self.start}")

    @classmethod
    def of(cls, video: str | os.PathLike | Clip) -> Clip:
        """Make a clip of a whole file; a `Clip` is returned unchanged."""
        return video if isinstance(video, cls) else cls(Path(video))

    @property
    def is_part(self) -> bool:
        """True if the clip may be shorter than the file."""
        return bool(self.start) or self.duration is not None

    @property
    def first_frame(self) -> int:
        return round(self.start * FPS)

    @property
    def n_frames(self) -> int | None:
        """Maximum number of frames; None = no limit."""
        return None if self.duration is None else max(round(self.duration * FPS), 1)

    def cut(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Cut the clip out of blocks that begin at its start, and edit it."""
        part = self._part(blocks)
        return part if self.edit.blocks is None else self.edit.blocks(part)

    def _part(self, blocks: Iterable[Block]) -> Iterator[Block]:
        left = self.n_frames
        for block in blocks:
            end = len(block.frames) if left is None else min(len(block.frames), left)
            left = left if left is None else left - end
            if end:
                yield Block(block.frames[:end], block.audio[: end * HOP])


Opener = Callable[[Clip], MediaStream]
Cutter = Callable[[Iterator[Block]], Iterator[Span]]
SpanQueue = Queue[tuple["Source", Span | None]]


@dataclass(eq=False)
class Source:
    """A video that is being read.

    Attributes
    ----------
    error : str or None
        Reason why reading ended early, if it did.
    silence : LeadingSilence
        Leading silence of the part read so far.
    meter : Meter or None
        Measures of the part read so far; None if applicability is not measured.
    when_read : callable, optional
        Called by the consumer once everything has been read.
    seconds : float
        Reading time so far.
    queue : Queue
        Receives spans, then None; may be shared with other sources.
    """

    clip: Clip
    media: MediaReport | None = None
    error: str | None = None
    sha256: str | None = None
    silence: LeadingSilence = field(default_factory=LeadingSilence)
    meter: Meter | None = None
    when_read: Callable[[], None] | None = None
    seconds: float = 0.0
    queue: SpanQueue = field(default_factory=lambda: Queue(AHEAD))
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self, open_stream: Opener, cut: Cutter) -> None:
        """Start reading in a daemon thread."""
        threading.Thread(target=self._read, args=(open_stream, cut), daemon=True).start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopped.set()

    def spans(self) -> Iterator[Span]:
        """Yield spans as they arrive, until reading ends or fails.

        ``when_read`` is called before the last span is yielded, so that the next clip is read while
        the network runs.
        """
        _, span = self.queue.get()
        while span is not None:
            _, following = self.queue.get()
            if following is None:
                self.end()
            yield span
            span = following

    def end(self) -> None:
        """Call ``when_read`` unless it was already called."""
        call, self.when_read = self.when_read, None
        if call is not None:
            call()

    def _read(self, open_stream: Opener, cut: Cutter) -> None:
        started = time.perf_counter()
        try:
            self.sha256 = _sha256(self.clip.path)
            with open_stream(self.clip) as stream:
                self.media = stream.report
                for span in cut(self._listened(self.clip.cut(stream))):
                    self.seconds += time.perf_counter() - started
                    self.put(span)
                    started = time.perf_counter()
        except MediaError as error:
            self.error = error.reason
        except Exception as error:  # one bad file must never end the batch
            self.error = f"reading failed: {type(error).__name__}: {error}"
        if self.clip.pictures is not None:
            self.clip.pictures.close()  # otherwise the thread that cuts pictures would wait
        self.seconds += time.perf_counter() - started
        self.put(None)

    def _listened(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            if self._stopped.is_set():
                return
            self.silence.add(block.audio)
            if self.meter is not None:
                self.meter.add(block)
            yield block

    def put(self, span: Span | None) -> None:
        """Queue the next span, or None after the last; waits while the queue is full."""
        put(self.queue, (self, span), self._stopped)


def _sha256(path: Path) -> str | None:
    """Compute a file's SHA-256 once for all its faces; return None if it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _sha256_of(path, (status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=8)
def _sha256_of(path: Path, _state: tuple[int, int, int]) -> str | None:
    return sha256_or_none(path)


def read_ahead(
    clips: Iterable[Clip],
    open_stream: Opener,
    cut: Cutter,
    *,
    readers: int,
    meter: Callable[[Clip], Meter | None] = lambda clip: None,
) -> Iterator[Source]:
    """Yield sources in the order of ``clips``, reading ``readers`` of them concurrently.

    ``meter`` creates the meter of a clip.
    """
    waiting: deque[Source] = deque()
    remaining = iter(clips)

    def begin() -> None:
        clip = next(remaining, None)
        if clip is not None:
            source = Source(clip, meter=meter(clip), when_read=begin)
            source.start(open_stream, cut)
            waiting.append(source)

    try:
        for _ in range(readers):
            begin()
        while waiting:
            source = waiting.popleft()
            yield source
            source.end()  # in case the source had no span
    finally:
        for source in waiting:
            source.stop()
