"""What a detector must beat: five scores that know nothing, or next to nothing, of forgery.

All follow the polarity of the model's score: higher = more likely fake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from avforensics.media.silence import LeadingSilence
from avforensics.scoring.offset import constant_offset
from avforensics.scoring.result import Features


def random_score(path: str, *, seed: int = 0) -> float:
    """A number in [0, 1) that depends on the path and the seed alone, not on order or process."""
    digest = hashlib.sha256(f"{seed}\0{path}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def leading_silence(audio: np.ndarray) -> float:
    """Seconds before the first sample that is louder than 0.0005 of full scale (arXiv 2412.00175).

    Fakes of FakeAVCeleb and AV-Deepfake1M begin with silence that their real videos lack.

    Parameters
    ----------
    audio : int16 array, (samples,), mono, 16 kHz

    Returns
    -------
    float
        The whole duration where nothing is louder.
    """
    silence = LeadingSilence()
    silence.hear(audio)
    return silence.seconds


def baseline_scores(
    path: str,
    features: Features,
    statistics: Mapping[str, float],
    *,
    silence: float | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Scores of all baselines for one video, named as in ``metrics.json``.

    Parameters
    ----------
    path : str
        As the manifest spells it: the random baseline depends on it.
    features : Features
        ``constant_offset`` is how many frames their best constant delay is away from none.
    statistics : mapping of str to float
        As `avforensics.scoring.statistics.measure` gives them: ``sync_confidence`` is minus
        ``mean_maximum`` (near -1: each window is sure of its delay; near 0: nothing fits anything);
        ``naive_bayes`` is itself, and left out where no real videos could be counted.
    silence : float, optional
        Seconds from :func:`leading_silence`; left out where the audio was not read.
    """
    scores = {
        "random": random_score(path, seed=seed),
        "constant_offset": float(abs(constant_offset(features).frames)),
        "sync_confidence": -statistics["mean_maximum"],
    }
    if silence is not None:
        scores["leading_silence"] = silence
    if "naive_bayes" in statistics:
        scores["naive_bayes"] = statistics["naive_bayes"]
    return scores
