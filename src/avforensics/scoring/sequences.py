"""Step losses and scores from features of windows (paper Eq. 4-5 and Sec. 3.2).

Scoring runs after the network, so changing lam or max_len costs only milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from avforensics.errors import ConfigError
from avforensics.fields import check_choice
from avforensics.models.anomaly import anomaly_model
from avforensics.scoring.result import Features, Score, Steps

WINDOW_POLICIES = ("first", "all")
AUDIO_POLICIES = ("pad", "context")
BATCH = 16  # sequences per decoder batch, which bounds memory; larger batches are not faster


@dataclass(frozen=True, kw_only=True)
class SequencePolicy:
    """Policy that selects the windows to score and the number of windows per sequence.

    Parameters
    ----------
    max_len : int
        Windows per sequence, at least 2; the decoders must have been trained for this length.
    windows : str
        ``first`` = one sequence of the first ``max_len`` windows (published); ``all`` = sequences
        over the whole video that overlap by half.
    audio : str
        ``pad`` = audio outside the video is filled with zeros (published); ``context`` = windows
        without valid audio at all 31 delays are dropped.
    """

    max_len: int = 50
    windows: str = "first"
    audio: str = "pad"

    def __post_init__(self) -> None:
        if self.max_len < 2:
            raise ConfigError(f"max_len must be >= 2, got {self.max_len}")
        check_choice("windows", self.windows, WINDOW_POLICIES)
        check_choice("audio", self.audio, AUDIO_POLICIES)

    def check(self, **decoders: nn.Module | None) -> None:
        """Raise ConfigError if a decoder was not trained for ``max_len`` windows."""
        for name, decoder in decoders.items():
            if decoder is not None and self.max_len > decoder.max_len:
                raise ConfigError(
                    f"max_len {self.max_len} needs a {name} model trained for it, "
                    f"but this one reads at most {decoder.max_len} windows"
                )

    def kept(self, valid_audio: np.ndarray) -> np.ndarray:
        """Return the positions of the windows to score, from ``Features.valid_audio``."""
        rows = (
            np.flatnonzero(valid_audio) if self.audio == "context" else np.arange(len(valid_audio))
        )
        return rows[: self.max_len] if self.windows == "first" else rows

    def starts(self, n_windows: int) -> np.ndarray:
        """Return the first window of each sequence over ``n_windows`` windows."""
        last = max(n_windows - self.max_len, 0)
        return np.unique(np.append(np.arange(0, last, max(self.max_len // 2, 1)), last))


def check_lams(lams: Sequence[float]) -> tuple[float, ...]:
    """Return the weights of the activation score; raises ConfigError if one is invalid."""
    if not all(0 <= lam < float("inf") for lam in lams):
        raise ConfigError(f"lam must be >= 0, got {', '.join(map(str, lams))}")
    return tuple(float(lam) for lam in lams)


@torch.inference_mode()
def score_features(
    features: Features,
    distribution: nn.Module | None,
    activation: nn.Module | None,
    policy: SequencePolicy,
    lams: Sequence[float] = (0.0,),
) -> tuple[Steps, list[Score]]:
    """Score one video's features with both decoders, which run once for all ``lams``.

    Parameters
    ----------
    distribution, activation : Module or None
        Decoders of delay rows and of projected activations, or other anomaly models, in evaluation
        mode on the CPU. None = all losses are zero.
    lams : sequence of float
        Weights of the activation score.

    Returns
    -------
    Steps
    list of Score
        Scores for each lam.

    Raises
    ------
    ConfigError
        A decoder was not trained for ``max_len``.
    ValueError
        There are fewer than two windows to score.
    """
    policy.check(distribution=distribution, activation=activation)
    kept = policy.kept(features.valid_audio)
    if len(kept) < 2:
        raise ValueError(
            f"at least 2 windows are needed, but audio={policy.audio} leaves {len(kept)} to score"
        )
    starts = policy.starts(len(kept))
    length = min(policy.max_len, len(kept))
    index = torch.from_numpy(starts[:, None] + np.arange(length))  # (S, L), into kept windows
    rows = torch.from_numpy(features.sync_logits[kept])
    by_delay, loss, predicted = _judge(distribution, "distribution", rows, index)
    rows = torch.from_numpy(features.projected[kept])
    by_activation, other, _ = _judge(activation, "activation", rows, index)
    window = features.first_window + kept[1:]
    steps = Steps(window, loss.numpy(), other.numpy(), predicted.numpy())
    return steps, [_score(steps, by_delay, by_activation, lam) for lam in lams]


def _judge(
    decoder: nn.Module | None, part: str, rows: Tensor, index: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Judge sequences of rows, (S, L).

    Returns
    -------
    Tensor, (S, L - 1)
        Step losses.
    Tensor, (N - 1,), and Tensor, (N - 1, D)
        Step losses and predictions, averaged over the sequences that predict a window. The first
        window is never predicted.
    """
    target = index[:, 1:] - 1
    losses = rows.new_zeros(target.shape)
    loss, predicted = rows.new_zeros(len(rows) - 1), rows.new_zeros(len(rows) - 1, rows.shape[1])
    if decoder is not None:
        model = anomaly_model(decoder, part)
        for some in torch.arange(len(index)).split(BATCH):  # sums need less memory than a list
            losses[some], found = model(rows[index[some]])  # input: (s, L, D)
            loss.index_add_(0, target[some].flatten(), losses[some].flatten())
            predicted.index_add_(0, target[some].flatten(), found.flatten(0, 1))
    count = torch.bincount(target.flatten())
    return losses, loss / count, predicted / count[:, None]


def _score(steps: Steps, by_delay: Tensor, by_activation: Tensor, lam: float) -> Score:
    distribution = float(steps.distribution.mean(dtype=np.float64))
    activation = float(steps.activation.mean(dtype=np.float64))
    per_sequence = by_delay.double().mean(1) + lam * by_activation.double().mean(1)
    return Score(
        lam=lam,
        score=distribution + lam * activation,
        distribution_score=distribution,
        activation_score=activation,
        maximum=float(per_sequence.max()),
    )
