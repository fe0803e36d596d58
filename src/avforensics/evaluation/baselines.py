"""Baselines: scores that use little or no evidence of forgery.

All have the polarity of the model's score: higher = more likely fake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from avforensics.media.silence import LeadingSilence
from avforensics.registry import Registry
from avforensics.scoring.offset import constant_offset
from avforensics.scoring.result import Features


def random_score(path: str, *, seed: int = 0) -> float:
    """Return a pseudo-random number in [0, 1) that depends only on the path and the seed."""
    digest = hashlib.sha256(f"{seed}\0{path}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def leading_silence(audio: np.ndarray) -> float:
    """Measure the silence before the first sample above 0.0005 of full scale (arXiv 2412.00175).

    Fakes in FakeAVCeleb and AV-Deepfake1M begin with a silence that their real videos lack.

    Parameters
    ----------
    audio : int16 array, (samples,), mono, 16 kHz

    Returns
    -------
    float
        Duration in seconds; the full duration if no sample is louder.
    """
    silence = LeadingSilence()
    silence.add(audio)
    return silence.seconds


@dataclass(frozen=True)
class BaselineClip:
    """Inputs of a baseline.

    Attributes
    ----------
    path : str
        Path in the manifest.
    statistics : mapping of str to float
        Results of `avforensics.scoring.statistics.measure`.
    silence : float or None
        Seconds from `leading_silence`; None if the audio was not read.
    """

    path: str
    features: Features
    statistics: Mapping[str, float]
    silence: float | None = None
    seed: int = 0


Baseline = Callable[[BaselineClip], float | None]
BASELINES: Registry[Baseline] = Registry("baseline")


def baseline(name: str) -> Callable[[Baseline], Baseline]:
    """Decorator that registers a function of `BaselineClip` as a baseline.

    The function returns a number (higher = more likely fake), or None if its input is missing. Each
    baseline is a column of the results.
    """
    return lambda function: BASELINES.add(name, function)


@baseline("random")
def _random(clip: BaselineClip) -> float:
    return random_score(clip.path, seed=clip.seed)


@baseline("constant_offset")
def _constant_offset(clip: BaselineClip) -> float | None:
    """Return the distance of the best constant delay from 0, in frames."""
    if clip.features.sync_logits.shape[1] < 3:  # logits of a different network, without delays
        return None
    return float(abs(constant_offset(clip.features).frames))


@baseline("sync_confidence")
def _sync_confidence(clip: BaselineClip) -> float | None:
    """Return minus `mean_maximum`: -1 if the network is sure of a delay, near 0 if unsure."""
    sure = clip.statistics.get("mean_maximum")
    return None if sure is None else -sure


@baseline("leading_silence")
def _leading_silence(clip: BaselineClip) -> float | None:
    return clip.silence


@baseline("naive_bayes")
def _naive_bayes(clip: BaselineClip) -> float | None:
    """Return the naive Bayes statistic; None without delay counts from real videos."""
    return clip.statistics.get("naive_bayes")


def baseline_scores(clip: BaselineClip) -> dict[str, float]:
    """Return the scores of all baselines for one video, by their names in ``metrics.json``."""
    found = {name: score(clip) for name, score in BASELINES.items()}
    return {name: float(score) for name, score in found.items() if score is not None}
