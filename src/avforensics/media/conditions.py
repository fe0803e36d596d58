"""Audio and platform conditions, with five levels each, in addition to the frame perturbations.

Each condition is a formula or a codec with fixed settings. Audio is streamed: memory holds only the
ten seconds over which its level is measured and the look-ahead of a codec. Random numbers depend
only on (seed, video) and are the same for all levels of a condition.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial

import av
import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from avforensics.media.codec import coded, resampled
from avforensics.media.noises import babble, music, room, white
from avforensics.media.perturbations import (
    PERTURBATIONS,
    Perturbation,
    frame_rng,
    video_compression,
)
from avforensics.media.types import HOP, SAMPLE_RATE, Block

SOUND_CONDITIONS = (
    "AAC", "OPUS", "NOISE", "MUSIC", "BABBLE", "REVERB", "BAND", "LEVEL", "RATE",
)  # fmt: skip
PLATFORMS = ("PLATFORM",)
GROUPS = {"sound": SOUND_CONDITIONS, "platforms": PLATFORMS}

LEAD = 10 * SAMPLE_RATE  # samples over which the level of the audio is measured
_SNRS = (20.0, 15.0, 10.0, 5.0, 0.0)
# Shorter side (pixels), CRF of H.264, kbit/s of AAC. Level 1 is a good upload; level 5, a message
# that has been forwarded many times.
_CHAINS = ((720, 26, 128), (720, 28, 96), (480, 30, 64), (480, 33, 48), (360, 36, 32))

Pieces = Iterable[np.ndarray]  # int16, mono, 16 kHz, of any length


def sound_condition(
    name: str, *, title: str, levels: tuple[float, ...]
) -> Callable[[Callable], Callable]:
    """Decorator that registers a function as an audio condition.

    The function receives pieces of audio (int16, mono, 16 kHz), a parameter and a random generator,
    and yields pieces of any length, aligned with its input.
    """

    def add(function: Callable) -> Callable:
        PERTURBATIONS.add(name, Perturbation(title, levels, sound=function))
        return function

    return add


def change_sound(
    blocks: Iterable[Block], name: str, level: int, *, seed: int = 0, video: str = ""
) -> Iterator[Block]:
    """Apply a condition to the audio of a stream of blocks; parameters as in `perturb`.

    Frames and sample times do not change.
    """
    chosen = PERTURBATIONS[name]
    change = partial(chosen.sound, p=chosen.levels[level - 1], rng=frame_rng(seed, video, -1))
    waiting: deque[np.ndarray] = deque()

    def fed() -> Iterator[np.ndarray]:
        for block in blocks:
            waiting.append(block.frames)
            yield block.audio

    ready = np.zeros(0, np.int16)
    for piece in change(fed()):
        ready = np.concatenate([ready, piece])
        while waiting and len(ready) >= len(waiting[0]) * HOP:
            frames = waiting.popleft()
            yield Block(frames, ready[: len(frames) * HOP])
            ready = ready[len(frames) * HOP :]
    while waiting:  # a codec may return a few samples fewer than it received
        frames = waiting.popleft()
        part = ready[: len(frames) * HOP]
        ready = ready[len(part) :]
        yield Block(frames, np.pad(part, (0, len(frames) * HOP - len(part))))


@sound_condition("AAC", title="AAC", levels=(64, 48, 32, 24, 16))
def aac(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """AAC: encode with mono AAC-LC at ``p`` kbit/s and decode."""
    return coded(pieces, "aac", int(1000 * p))


@sound_condition("OPUS", title="Opus", levels=(32, 24, 16, 12, 8))
def opus(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """OPUS: encode with mono Opus at ``p`` kbit/s and decode."""
    return coded(pieces, "libopus", int(1000 * p))


@sound_condition("NOISE", title="white noise", levels=_SNRS)
def noise(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """NOISE: add white Gaussian noise at a signal-to-noise ratio of ``p`` dB."""
    gain, pieces = _under(pieces, p)
    for piece in pieces:
        yield _int16(piece + gain * white(len(piece), rng))


@sound_condition("MUSIC", title="music", levels=_SNRS)
def under_music(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """MUSIC: add chords ``p`` dB below the audio."""
    return _with_loop(pieces, p, music(LEAD * 2, rng))


@sound_condition("BABBLE", title="babble", levels=_SNRS)
def under_babble(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """BABBLE: add six synthetic voices, together ``p`` dB below the audio."""
    return _with_loop(pieces, p, babble(LEAD * 2, rng))


@sound_condition("REVERB", title="reverberation", levels=(0.2, 0.4, 0.6, 0.9, 1.2))
def reverberation(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """REVERB: add room reverberation with a reverberation time of ``p`` s.

    The reverberation has as much energy as the direct sound. The direct sound is not delayed, and
    the sum is not attenuated.
    """
    response = room(p, 0.0, np.random.default_rng(rng.integers(2**63)))
    rest = np.zeros(len(response) - 1)
    for piece in pieces:
        if not len(piece):
            continue
        full = fftconvolve(piece.astype(np.float64), response)
        full[: len(rest)] += rest
        rest = full[len(piece) :]
        yield _int16(full[: len(piece)])


@sound_condition("BAND", title="band limit", levels=(7000, 5500, 4000, 3400, 2500))
def band_limit(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """BAND: apply a Butterworth band-pass of order 4, from 300 to ``p`` Hz (3400 = telephone)."""
    sections = butter(4, (300, p), "bandpass", fs=SAMPLE_RATE, output="sos")
    state = np.zeros((len(sections), 2))
    for piece in pieces:
        filtered, state = sosfilt(sections, piece.astype(np.float64), zi=state)
        yield _int16(filtered)


@sound_condition("LEVEL", title="level", levels=(-10.0, -20.0, -30.0, -40.0, -50.0))
def level(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """LEVEL: change the level by ``p`` dB and round to 16 bits."""
    for piece in pieces:
        yield _int16(piece * 10 ** (p / 20))


@sound_condition("RATE", title="resampling", levels=(12_000, 11_025, 8_000, 6_000, 4_000))
def resampling(pieces: Pieces, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """RATE: resample to ``p`` samples per second and back."""
    return resampled(pieces, int(p))


def platform_picture(
    frames: Iterable[np.ndarray], p: tuple[int, int, int], *, fps: float | Fraction = 25
) -> Iterator[np.ndarray]:
    """PLATFORM: limit the shorter side, compress with H.264 (constant rate factor) and scale back.

    Frames keep their size, so face coordinates remain valid.
    """
    lines, crf, _ = p
    size: list[tuple[int, int]] = []

    def smaller() -> Iterator[np.ndarray]:
        for frame in frames:
            height, width = frame.shape[:2]
            size[:] = [(height, width)]
            part = min(1.0, lines / min(height, width))
            yield frame if part == 1 else _scaled(frame, round(height * part), round(width * part))

    for frame in video_compression(smaller(), crf, fps=fps):
        yield frame if frame.shape[:2] == size[0] else _scaled(frame, *size[0])


def _scaled(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
    return picture.reformat(width, height, interpolation="BICUBIC").to_ndarray(format="rgb24")


def platform_sound(pieces: Pieces, p: tuple, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """PLATFORM: encode and decode the audio with AAC."""
    return coded(pieces, "aac", 1000 * p[2])


PERTURBATIONS.add(
    "PLATFORM",
    Perturbation("platform", _CHAINS, platform_picture, streams=True, sound=platform_sound),
)


def _under(pieces: Pieces, below: float) -> tuple[float, Iterator[np.ndarray]]:
    """Return the gain of a unit-RMS sound that is ``below`` dB under the audio, and the audio.

    The level is measured over the first ten seconds. The gain is 0 if this part is silent.
    """
    rest = iter(pieces)
    held, n = [], 0
    while n < LEAD and (piece := next(rest, None)) is not None:
        held.append(piece)
        n += len(piece)
    lead = np.concatenate(held)[:LEAD].astype(np.float64) if held else np.zeros(1)
    loudness = float(np.sqrt(np.mean(np.square(lead)))) if len(lead) else 0.0

    def whole() -> Iterator[np.ndarray]:
        yield from held
        yield from rest

    return loudness * 10 ** (-below / 20), whole()


def _with_loop(pieces: Pieces, below: float, loop: np.ndarray) -> Iterator[np.ndarray]:
    gain, pieces = _under(pieces, below)
    done = 0
    for piece in pieces:
        places = np.arange(done, done + len(piece)) % len(loop)
        yield _int16(piece + gain * loop[places])
        done += len(piece)


def _int16(sound: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
