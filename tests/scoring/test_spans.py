"""Spans have every frame and every crop of sound exactly once, for any blocks."""

import numpy as np
import pytest

from avforensics.media.types import HOP, Block
from avforensics.scoring.spans import cut_spans, frames_needed


def blocks(n_frames: int, size: int) -> tuple[list[Block], np.ndarray, np.ndarray]:
    frames = np.arange(n_frames, dtype=np.uint8)[:, None, None, None].repeat(3, axis=-1)
    audio = np.random.default_rng(n_frames).integers(-900, 900, n_frames * HOP).astype(np.int16)
    starts = range(0, n_frames, size)
    cut = [Block(frames[i : i + size], audio[i * HOP : (i + size) * HOP]) for i in starts]
    return cut, frames, audio


@pytest.mark.parametrize("n_frames", [6, 20, 24, 54, 133])
@pytest.mark.parametrize(("block", "span"), [(25, 50), (7, 3), (200, 10), (1, 1)])
def test_all_windows_all_crops_once(n_frames, block, span):
    cut, frames, audio = blocks(n_frames, block)
    spans = list(cut_spans(cut, max_delay=15, span_windows=span))

    n_windows = n_frames - 4
    assert sum(s.n_windows for s in spans) == n_windows
    counts = [0, *(s.n_windows for s in spans)]
    assert [s.first_window for s in spans] == np.cumsum(counts)[:-1].tolist()
    np.testing.assert_array_equal(np.concatenate([s.frames for s in spans]), frames)
    padded = np.pad(audio, 15 * HOP)
    expected = np.stack([padded[j * HOP : (j + 5) * HOP] for j in range(n_windows + 30)])
    np.testing.assert_array_equal(np.concatenate([s.crops for s in spans]), expected)
    valid_audio = np.concatenate([s.valid_audio for s in spans])
    for k in range(n_windows):  # all 31 crops are within the sound
        assert valid_audio[k] == (k - 15 >= 0 and k + 5 + 15 <= n_frames)


def test_first_windows_need_no_more_frames_than_stated():
    whole, _, _ = blocks(120, 10)
    n = frames_needed(50, 15)
    short = [Block(b.frames, b.audio) for b in whole[: n // 10 + 1]]
    short[-1] = Block(short[-1].frames[: n % 10], short[-1].audio[: n % 10 * HOP])
    assert sum(len(b.frames) for b in short) == n == 69

    (a,) = cut_spans(whole, max_windows=50)
    (b,) = cut_spans(short, max_windows=50)

    np.testing.assert_array_equal(a.crops, b.crops)
    np.testing.assert_array_equal(a.frames, b.frames)
    np.testing.assert_array_equal(a.valid_audio, b.valid_audio)
    assert len(a.frames) == 54


def test_spans_come_before_the_video_has_ended():
    def endless():
        while True:
            yield blocks(25, 25)[0][0]

    stream = cut_spans(endless(), span_windows=50)
    assert [next(stream).first_window for _ in range(4)] == [0, 50, 100, 150]
