"""Cut a stream of frames and audio into spans of windows, the network's units of work.

A span holds only data that the previous span does not hold, so each frame and each audio crop
passes through the network once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from avforensics.media.types import HOP, Block
from avforensics.models.visual import WINDOW_FRAMES


@dataclass(frozen=True)
class Span:
    """Consecutive windows of one video.

    Attributes
    ----------
    first_window : int
        Index of the span's first window; if it is not 0, the span continues the previous span.
    frames : uint8, (F, H, W, 3)
        ``n_windows`` frames, plus 4 in the first span.
    crops : int16, (M, 3200)
        ``n_windows`` audio crops, plus 2 tau in the first span.
    valid_audio : bool, (n_windows,)
        Whether every delay of a window has audio, not padding.
    """

    first_window: int
    n_windows: int
    frames: np.ndarray
    crops: np.ndarray
    valid_audio: np.ndarray


def frames_needed(n_windows: int, max_delay: int) -> int:
    """Return the number of frames on which the first ``n_windows`` windows depend."""
    return n_windows + WINDOW_FRAMES - 1 + max_delay


def cut_spans(
    blocks: Iterable[Block],
    *,
    max_delay: int = 15,
    span_windows: int = 50,
    max_windows: int | None = None,
) -> Iterator[Span]:
    """Cut aligned blocks into spans, in constant memory.

    Audio outside the video is filled with zeros (the published padding).

    Parameters
    ----------
    max_delay : int
        Maximum delay tau in frames.
    span_windows : int
        Windows per span; the last may have fewer.
    max_windows : int, optional
        Maximum number of windows; None = all.
    """
    lead = WINDOW_FRAMES - 1
    frames: list[np.ndarray] = []  # one array per frame, from frame `start + lead` on
    sound = np.zeros(max_delay * HOP, np.int16)  # padded audio from sample `dropped * HOP` on
    start = n_frames = dropped = 0  # next window; frames seen; crops no longer needed

    def span(n_windows: int) -> Span:
        nonlocal start, sound, dropped, frames
        n_new = n_windows + (lead if start == 0 else 0)
        first_crop = start + 2 * max_delay if start else 0
        n_crops = n_windows + (0 if start else 2 * max_delay)
        offset = (first_crop - dropped) * HOP
        windows = np.lib.stride_tricks.sliding_window_view(sound[offset:], WINDOW_FRAMES * HOP)
        crops = windows[::HOP][:n_crops].copy()
        index = np.arange(start, start + n_windows)
        valid_audio = (index >= max_delay) & (index + WINDOW_FRAMES + max_delay <= n_frames)
        taken = Span(start, n_windows, np.stack(frames[:n_new]), crops, valid_audio)
        frames = frames[n_new:]
        start += n_windows
        sound = sound[(start + 2 * max_delay - dropped) * HOP :]
        dropped = start + 2 * max_delay
        return taken

    limit = np.inf if max_windows is None else max_windows
    for block in blocks:
        frames.extend(block.frames)
        sound = np.concatenate([sound, block.audio])
        n_frames += len(block.frames)
        # a window is ready when the audio of its latest delay has arrived
        while start < limit and (ready := n_frames - lead - max_delay - start) >= span_windows:
            yield span(int(min(span_windows, limit - start, ready)))
    sound = np.concatenate([sound, np.zeros(max_delay * HOP, np.int16)])
    last = min(n_frames - lead, limit)
    while start < last:
        yield span(int(min(span_windows, last - start)))
