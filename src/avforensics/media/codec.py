"""Pass audio through an encoder and a decoder in memory and remove the codec's delay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
from scipy.signal import fftconvolve

from avforensics.media.types import SAMPLE_RATE

OPUS_RATE = 48_000
_TAIL = 4 * SAMPLE_RATE // 10  # samples of silence that flush the codec at the end
_MOST = SAMPLE_RATE // 5  # maximum delay of a codec, in samples


def through_codec(audio: np.ndarray, codec: str, bit_rate: int) -> np.ndarray:
    """Encode and decode a whole recording.

    Parameters
    ----------
    audio : int16 array, (S,), mono, 16 kHz
    codec : str
        ``aac`` or ``libopus``.
    bit_rate : int
        Bits per second.

    Returns
    -------
    int16 array, (S,)
    """
    pieces = list(coded([audio], codec, bit_rate))
    sound = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    return np.pad(sound, (0, len(audio)))[: len(audio)]


def coded(pieces: Iterable[np.ndarray], codec: str, bit_rate: int) -> Iterator[np.ndarray]:
    """Encode and decode pieces of audio (int16); yield pieces aligned with the input."""
    left_out = _lag(codec, bit_rate)
    for sound in _decoded(pieces, codec, bit_rate):
        yield sound[left_out:]
        left_out = max(left_out - len(sound), 0)


def resampled(pieces: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Resample audio to ``rate`` and back; this removes frequencies above half that rate."""
    there = av.AudioResampler("s16", "mono", rate)
    back = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    for frame in _frames(pieces):
        for part in there.resample(frame):
            yield from _arrays(back.resample(part))
    for part in there.resample(None):
        yield from _arrays(back.resample(part))
    yield from _arrays(back.resample(None))


def _decoded(pieces: Iterable[np.ndarray], codec: str, bit_rate: int) -> Iterator[np.ndarray]:
    """Encode and decode audio without removing the codec's delay."""
    opus = codec == "libopus"
    rate = OPUS_RATE if opus else SAMPLE_RATE
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.bit_rate = rate, "mono", bit_rate
    encoder.format = "s16" if opus else "fltp"
    encoder.time_base = Fraction(1, rate)
    encoder.open()
    into = av.AudioResampler(
        encoder.format.name, "mono", rate, frame_size=encoder.frame_size or 1024
    )
    back = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    decoder = av.CodecContext.create("opus" if opus else codec, "r")
    decoder.extradata = encoder.extradata
    decoder.sample_rate, decoder.layout = rate, "mono"
    for frame in _frames(_with_tail(pieces)):
        for part in into.resample(frame):
            for packet in encoder.encode(part):
                for sound in decoder.decode(packet):
                    yield from _arrays(back.resample(sound))
    yield from _arrays(back.resample(None))


def _with_tail(pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    yield from pieces
    yield np.zeros(_TAIL, np.int16)


def _frames(pieces: Iterable[np.ndarray]) -> Iterator[av.AudioFrame]:
    done = 0
    for piece in pieces:
        if not len(piece):
            continue
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(piece)[None], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE, done
        frame.time_base = Fraction(1, SAMPLE_RATE)
        done += len(piece)
        yield frame


def _arrays(frames: Iterable[av.AudioFrame]) -> Iterator[np.ndarray]:
    for frame in frames:
        yield frame.to_ndarray()[0]


@lru_cache(maxsize=64)
def _lag(codec: str, bit_rate: int) -> int:
    """Measure the delay of a codec in samples by correlation; it depends on the encoder."""
    probe = (3000 * np.random.default_rng(0).standard_normal(4 * _MOST)).astype(np.int16)
    sound = np.concatenate(list(_decoded([probe], codec, bit_rate))).astype(np.float64)
    match = fftconvolve(sound, probe[::-1].astype(np.float64))[len(probe) - 1 :][:_MOST]
    return int(match.argmax())
