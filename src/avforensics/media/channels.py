"""Choose a single channel if mixing all channels would cancel the audio."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import lru_cache

import av
import numpy as np

from avforensics.media.container import Tally, decode, open_container
from avforensics.media.extent import state_of
from avforensics.media.tracks import pick_stream
from avforensics.media.types import SAMPLE_RATE

LOST = 9.0  # a second of audio is lost if the mix is this many dB below the best channel
SHARE = 0.2  # if a larger share of a channel's energy is lost, the channel is read alone
SPEECH = 0.03  # share of the loudest channel's energy above which the centre is preferred
ALIKE = 0.8  # share of the loudest channel's energy at which an earlier channel is preferred
PLANES = 8
NAMES = ("FL", "FR", "FC", "BL", "BR", "SL", "SR", "BC", "FLC", "FRC")
CENTRE, BASS = "FC", ("LFE", "LFE2")
# Layouts that FFmpeg assumes when it mixes a number of channels without names.
ASSUMED = {2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass(frozen=True, kw_only=True)
class Downmix:
    """Method of reducing an audio track to mono.

    Attributes
    ----------
    channel : int or None
        Index of the channel that is read; None = mix of all channels.
    words : str
        Description for warnings; empty for a plain mix.
    """

    channel: int | None = None
    words: str = ""


def downmix(path: str | os.PathLike, number: int | None = None) -> Downmix:
    """Choose how to reduce an audio track to mono; cached until the file changes.

    The best channel is the centre if it is loud enough, else the loudest. Channels are mixed as in
    the published method unless the mix would lose the best channel, which is then read alone. The
    mix loses a channel if more than `SHARE` of the channel's energy lies in seconds in which the
    mix is `LOST` dB below the channel. This happens if channels are in antiphase, or if only one
    of many channels has speech.

    Parameters
    ----------
    number : int, optional
        Index among the audio streams; None = as chosen by `file_tracks`.

    Raises
    ------
    MediaError
        The file cannot be opened or has no such stream.
    """
    return _downmix(os.fspath(path), number, state_of(path))


@lru_cache(maxsize=64)
def _downmix(path: str, number: int | None, _state: tuple[int, int]) -> Downmix:
    with open_container(path) as container:
        stream = pick_stream(container, "audio", number)
        layout = stream.codec_context.layout
        if not set(NAMES) & {channel.name for channel in layout.channels}:
            layout = av.AudioLayout(ASSUMED.get(layout.nb_channels, layout))
        names = [channel.name for channel in layout.channels]
        if len(names) < 2:
            return Downmix()
        single, mixed = _energies(container, stream, len(names))
    if not len(single):
        return Downmix()
    total = single.sum(axis=0)
    bass = np.isin(names, BASS)
    loud = np.where(bass, 0.0, total)
    if loud.max() <= SPEECH * total.max():  # only the bass sounds: its name is probably wrong
        loud = total
    best = int(np.argmax(loud >= ALIKE * loud.max()))
    if CENTRE in names and loud[names.index(CENTRE)] > SPEECH * loud[best]:
        best = names.index(CENTRE)
    lost = mixed < single[:, best] * 10 ** (-LOST / 10)
    if single[lost, best].sum() <= SHARE * single[:, best].sum():
        return Downmix()
    kept = mixed[lost].sum() / single[lost, best].sum()
    loss = f"{-10 * math.log10(kept):.0f} dB of it" if kept > 1e-6 else "all of it"
    return Downmix(
        channel=best,
        words=(
            f"channel {names[best] if names[best] in NAMES else best + 1} of {layout.name} was "
            f"read alone, because the mix of all channels loses {loss}"
        ),
    )


def _energies(
    container: av.container.InputContainer, stream: av.stream.Stream, channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Energy in each second of the channels, (seconds, channels), and of the mix, (seconds,)."""
    each = _Seconds(av.AudioResampler(format="s16", rate=SAMPLE_RATE), channels)
    mix = _Seconds(av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE), 1)
    layout = stream.codec_context.layout.name
    try:
        for frame in decode(container, stream, Tally()):
            if frame.layout.name != layout:
                break
            frame.pts = None
            each.add(frame)
            mix.add(frame)
    except (av.FFmpegError, ValueError):  # the format changes: use the part before the change
        pass
    single, mixed = each.sums(), mix.sums()
    length = min(len(single), len(mixed))
    return single[:length], mixed[:length, 0]


class _Seconds:
    """Measure the energy of each second of audio."""

    def __init__(self, resampler: av.AudioResampler, channels: int) -> None:
        self._resampler = resampler
        self._sums: list[np.ndarray] = []
        self._channels = channels
        self._rest = np.zeros((0, channels))

    def add(self, frame: av.AudioFrame) -> None:
        for piece in self._resampler.resample(frame):
            samples = piece.to_ndarray().reshape(-1, self._channels) / 32768.0
            self._rest = np.concatenate([self._rest, samples])
            while len(self._rest) >= SAMPLE_RATE:
                second, self._rest = np.split(self._rest, [SAMPLE_RATE])
                self._sums.append(np.square(second).sum(axis=0))

    def sums(self) -> np.ndarray:
        """Energy per second, (seconds, channels); the last second may be incomplete."""
        return np.array([*self._sums, np.square(self._rest).sum(axis=0)])


def packed(frame: av.AudioFrame) -> av.AudioFrame:
    """Pack a frame of eight or more planes, for which PyAV would read out of bounds."""
    if not frame.format.is_planar or len(frame.layout.channels) < PLANES:
        return frame
    resampler = av.AudioResampler(
        format=frame.format.packed.name, layout=frame.layout.name, rate=frame.sample_rate
    )
    pts, frame.pts = frame.pts, None
    whole, *rest = [piece for part in (frame, None) for piece in resampler.resample(part) if piece]
    if rest or whole.samples != frame.samples:
        raise ValueError(f"{frame.samples} samples became {whole.samples}")
    whole.pts = frame.pts = pts
    whole.time_base = frame.time_base
    return whole


def one_channel(frame: av.AudioFrame, channel: int) -> av.AudioFrame:
    """Extract one channel of a frame as a mono frame, leaving samples unchanged."""
    frame = packed(frame)
    samples = frame.to_ndarray()
    if frame.format.is_planar:
        samples = samples[channel : channel + 1]
    else:
        samples = samples[:, channel :: len(frame.layout.channels)]
    single = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples), format=frame.format.name, layout="mono"
    )
    single.sample_rate, single.pts, single.time_base = frame.sample_rate, frame.pts, frame.time_base
    return single
