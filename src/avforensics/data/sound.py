"""Audio augmentation for training, the same throughout an item; the paper uses none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from avforensics.media.codec import through_codec
from avforensics.media.noises import coloured, room, white
from avforensics.media.types import SAMPLE_RATE

CODECS = (("aac", (16_000, 24_000, 32_000, 64_000)), ("libopus", (12_000, 16_000, 24_000, 32_000)))


@dataclass(frozen=True, kw_only=True)
class SoundAugment:
    """Random changes to audio.

    Parameters
    ----------
    gain : pair of float
        Lowest and highest gain in dB; the result is rounded to 16 bits and clipped, like a
        recording.
    noise : float
        Probability of white or pink noise.
    noise_snr : pair of float
        Range of the signal-to-noise ratio in dB.
    babble : float
        Probability of other clips' audio in the background.
    babble_snr : pair of float
        Range of the signal-to-noise ratio in dB.
    equaliser : float
        Probability of a random filter of nine taps.
    reverb : float
        Probability of reverberation of 0.1 to 0.6 s; the direct sound is not delayed.
    band : float
        Probability of a band-pass filter: from 100..400 Hz to 3..7 kHz.
    codec : float
        Probability of encoding the audio with AAC or Opus at 12 to 64 kbit/s.

    Raises
    ------
    ValueError
        A probability is outside 0..1, or a range is not ascending.
    """

    gain: Sequence[float] = (0.0, 0.0)
    noise: float = 0.0
    noise_snr: Sequence[float] = (5.0, 35.0)
    babble: float = 0.0
    babble_snr: Sequence[float] = (5.0, 25.0)
    equaliser: float = 0.0
    reverb: float = 0.0
    band: float = 0.0
    codec: float = 0.0

    def __post_init__(self) -> None:
        for name in ("noise", "babble", "equaliser", "reverb", "band", "codec"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a probability, got {getattr(self, name)}")
        for name in ("gain", "noise_snr", "babble_snr"):
            low, high = getattr(self, name)
            if not -100 <= low <= high <= 100:
                raise ValueError(
                    f"{name} must be a range (low, high) in dB, between -100 and 100, got "
                    f"{getattr(self, name)}"
                )

    def __call__(
        self, audio: np.ndarray, rng: np.random.Generator, other: np.ndarray | None = None
    ) -> np.ndarray:
        """Draw the changes once and apply them to an item's audio.

        Parameters
        ----------
        audio : int16 array, (S,), 16 kHz
        rng : Generator
            The number of draws does not depend on the settings.
        other : int16 array, (R,), optional
            Audio of another clip, for babble; repeated if shorter.

        Returns
        -------
        int16 array, (S,)
        """
        noise, babble, equaliser, reverb, band, codec = rng.random(6)
        levels = rng.random(3)
        taps = rng.standard_normal(8)
        echo, cut, kind = rng.random(3), rng.random(2), rng.random(2)
        seed = rng.integers(2**32)
        sound = audio.astype(np.float32)
        if reverb < self.reverb:
            sound = _reverberant(sound, echo, np.random.default_rng(seed))
        if equaliser < self.equaliser:
            sound = lfilter(np.append(1, 0.25 * taps), 1, sound).astype(np.float32)
        if babble < self.babble and other is not None and len(other):
            sound = _mixed(
                sound, np.resize(other, len(sound)), _between(self.babble_snr, levels[0])
            )
        if noise < self.noise:
            made = _noise(len(sound), np.random.default_rng(seed + 1))
            sound = _mixed(sound, made, _between(self.noise_snr, levels[1]))
        if band < self.band:
            edges = [100 + 300 * cut[0], 3000 + 4000 * cut[1]]
            sos = butter(2, edges, "bandpass", fs=SAMPLE_RATE, output="sos")
            sound = sosfilt(sos, sound)
        sound = sound * 10 ** (_between(self.gain, levels[2]) / 20)
        changed = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
        if codec < self.codec:
            name, rates = CODECS[int(kind[0] * len(CODECS))]
            changed = through_codec(changed, name, rates[int(kind[1] * len(rates))])
        return changed


def _between(bounds: Sequence[float], part: float) -> float:
    return bounds[0] + part * (bounds[1] - bounds[0])


def _mixed(sound: np.ndarray, under: np.ndarray, snr: float) -> np.ndarray:
    """Add ``under`` to ``sound`` at an SNR of ``snr`` dB."""
    under = under.astype(np.float32)
    ours, theirs = (float(np.sqrt(np.mean(np.square(x)))) for x in (sound, under))
    if ours == 0 or theirs == 0:
        return sound
    return sound + under * (ours / theirs * 10 ** (-snr / 20))


def _noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return white noise or, with probability 0.5, pink noise."""
    made = white(n, rng)
    return made if rng.random() < 0.5 else coloured(made)


def _reverberant(sound: np.ndarray, echo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add reverberation of 0.1 to 0.6 s, with a tail 0 to 12 dB below the direct sound."""
    tail = room(0.1 + 0.5 * echo[0], 12 * echo[1], rng)[1:]
    return (sound + fftconvolve(sound, tail)[: len(sound)]).astype(np.float32)
