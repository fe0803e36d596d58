"""What a detector must beat: five scores that know nothing, or next to nothing, of forgery.

All follow the polarity of the model's score: higher = more likely fake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from avforensics.media.silence import LeadingSilence


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


def constant_offset(sync_logits: np.ndarray) -> float:
    """|argmax of the mean delay row - centre| in frames: how far the sound is shifted as a whole.

    The mean is taken over the windows' distributions over delays (softmax, Eq. 1).

    Parameters
    ----------
    sync_logits : float array, (N, 2 * tau + 1)
    """
    mean = softmax(_rows(sync_logits), axis=-1).mean(0)
    return float(abs(int(mean.argmax()) - len(mean) // 2))


def sync_confidence(sync_logits: np.ndarray) -> float:
    """Minus the mean over windows of the largest probability of any delay, in [-1, 0).

    Near -1: each window is sure of its delay, whichever; near 0: nothing fits anything.

    Parameters
    ----------
    sync_logits : float array, (N, 2 * tau + 1)
    """
    return float(-softmax(_rows(sync_logits), axis=-1).max(-1).mean())


@dataclass(frozen=True)
class NaiveBayesDelay:
    """Each window's most likely delay, drawn on its own: the first row of the paper's Table 3.

    Attributes
    ----------
    log_probability : float64 array, (2 * tau + 1,)
        Of each delay index in real videos.
    """

    log_probability: np.ndarray

    @classmethod
    def fit(cls, real_rows: Iterable[np.ndarray]) -> NaiveBayesDelay:
        """Count the most likely delays of real training videos, one added to each count.

        Parameters
        ----------
        real_rows : iterable of float array, (N, 2 * tau + 1)
            One array of logits a video.
        """
        counts = None
        for rows in real_rows:
            rows = _rows(rows)
            found = np.bincount(rows.argmax(-1), minlength=rows.shape[1])
            counts = found if counts is None else counts + found
        if counts is None:
            raise ValueError("naive Bayes needs at least one real video")
        return cls(np.log((counts + 1) / (counts + 1).sum()))

    def score(self, sync_logits: np.ndarray) -> float:
        """Mean negative log-likelihood of a video's windows.

        Parameters
        ----------
        sync_logits : float array, (N, 2 * tau + 1)
        """
        rows = _rows(sync_logits)
        if rows.shape[1] != len(self.log_probability):
            raise ValueError(
                f"fitted on {len(self.log_probability)} delays, the video has {rows.shape[1]}"
            )
        return float(-self.log_probability[rows.argmax(-1)].mean())


def baseline_scores(
    path: str,
    sync_logits: np.ndarray,
    *,
    silence: float | None = None,
    naive_bayes: NaiveBayesDelay | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Scores of all baselines for one video, named as in ``metrics.json``.

    Parameters
    ----------
    path : str
        As the manifest spells it: the random baseline depends on it.
    sync_logits : float array, (N, 2 * tau + 1)
    silence : float, optional
        Seconds from :func:`leading_silence`; left out where the audio was not read.
    naive_bayes : NaiveBayesDelay, optional
        Fitted on real training videos; left out where there are none.
    """
    scores = {
        "random": random_score(path, seed=seed),
        "constant_offset": constant_offset(sync_logits),
        "sync_confidence": sync_confidence(sync_logits),
    }
    if silence is not None:
        scores["leading_silence"] = silence
    if naive_bayes is not None:
        scores["naive_bayes"] = naive_bayes.score(sync_logits)
    return scores


def _rows(sync_logits: np.ndarray) -> np.ndarray:
    rows = np.asarray(sync_logits, dtype=np.float64)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"rows over delays must be (N, 2 * tau + 1), not {rows.shape}")
    return rows
