"""Objectives of anomaly decoders: their input, prediction and loss at each step.

There is one class for each feature set and loss of the paper's Table 3 (Sec. 3.2). An objective
turns the features of consecutive windows into decoder inputs and compares each output with the next
window. `AnomalyModel` combines an objective with a decoder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avforensics.models.protocols import DecoderProtocol
from avforensics.models.registered import register


class NextRow(nn.Module, ABC):
    """Predict each row from the previous rows; subclasses define what is read and compared.

    Attributes
    ----------
    reads : str
        ``"logits"`` = rows of delay logits, ``"activations"`` = projected activations.
    """

    reads = "logits"

    def decoder_sizes(self, width: int, max_len: int) -> dict[str, int]:
        """Return a decoder's arguments for sequences of ``max_len`` rows of ``width`` values."""
        return {"inputs": width, "outputs": width, "positions": max_len - 1}

    def windows(self, decoder: DecoderProtocol) -> int | float:
        """Return the maximum number of windows per sequence for a decoder."""
        return decoder.max_len

    def row_width(self, decoder: DecoderProtocol) -> int:
        """Return the number of values in a row of features."""
        return decoder.row_width

    def fit(self, rows: Iterable[Tensor]) -> None:
        """Do nothing: no statistics are needed before training."""

    def judge(self, decoder: nn.Module, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses and predictions of all rows but the first.

        Parameters
        ----------
        sequences : Tensor, (B, L, D)

        Returns
        -------
        Tensor, (B, L - 1)
        Tensor, (B, L - 1, D)
        """
        outputs = decoder(self.inputs(sequences[:, :-1]))
        return self.step_losses(outputs, sequences[:, 1:]), self.predicted(outputs)

    def inputs(self, rows: Tensor) -> Tensor:
        """Convert rows (..., D) to decoder inputs."""
        return rows

    def predicted(self, outputs: Tensor) -> Tensor:
        """Convert decoder outputs (..., D) to probabilities of delays."""
        return outputs.softmax(-1)

    @abstractmethod
    def step_losses(self, outputs: Tensor, following: Tensor) -> Tensor:
        """Compute the loss of each output against the next row, (..., D) -> (...)."""


@register
class SoftCrossEntropy(NextRow):
    """KL divergence between the distribution over delays and its prediction (Eq. 5, the default).

    Quirk of the released weights: the decoder reads raw logits, while the target is a softmax.
    """

    def step_losses(self, outputs: Tensor, following: Tensor) -> Tensor:
        """Compute KL(softmax(following) || softmax(outputs)) over delays, (..., D) -> (...)."""
        target = following.softmax(-1)
        return F.kl_div(outputs.log_softmax(-1), target, reduction="none").sum(-1)


@register
class HardCrossEntropy(NextRow):
    """Predict the next window's most likely delay from delay logits ("distribution, CE")."""

    def step_losses(self, outputs: Tensor, following: Tensor) -> Tensor:
        """Compute -log p of the next window's most likely delay, (..., D) -> (...)."""
        delay = following.argmax(-1)
        return F.cross_entropy(outputs.movedim(-1, 1), delay, reduction="none")


@register
class DiscreteDelay(HardCrossEntropy):
    """Predict the next window's most likely delay from previous delays ("discrete delay, CE").

    Delays are one-hot vectors, so that the decoder's first layer acts as an embedding table.
    """

    def inputs(self, rows: Tensor) -> Tensor:
        """Return one-hot vectors (..., D) that mark the largest entries."""
        return F.one_hot(rows.argmax(-1), rows.shape[-1]).to(rows.dtype)


@register
class BinaryCrossEntropy(NextRow):
    """Predict each delay separately, with a sigmoid instead of the softmax (Eq. 6-7)."""

    def predicted(self, outputs: Tensor) -> Tensor:
        """Return the probability of each delay, (..., D); the sum need not be one."""
        return outputs.sigmoid()

    def step_losses(self, outputs: Tensor, following: Tensor) -> Tensor:
        """Compute the binary cross entropy, summed over delays, (..., D) -> (...)."""
        target = following.sigmoid()
        return F.binary_cross_entropy_with_logits(outputs, target, reduction="none").sum(-1)


@register
class EarthMover(NextRow):
    """Earth mover's distance between the distribution over delays and its prediction.

    Cross entropy penalises all wrong delays equally. This distance grows with the error, so a
    predicted delay next to the true one costs little. This objective is not in the paper.
    """

    def step_losses(self, outputs: Tensor, following: Tensor) -> Tensor:
        """Compute the distance between the two distributions in frames, (..., D) -> (...)."""
        moved = outputs.softmax(-1) - following.softmax(-1)
        return moved.cumsum(-1).abs().sum(-1)


@register
class SquaredError(NextRow):
    """Squared error of predicted activations, projected and L2-normalised (activation-AV, -V).

    The projection determines whether both video and audio are used, or only video.
    """

    reads = "activations"

    def inputs(self, rows: Tensor) -> Tensor:
        """Return the projected activations (..., D), L2-normalised."""
        return F.normalize(rows, dim=-1)

    def predicted(self, outputs: Tensor) -> Tensor:
        """Return the decoder outputs (..., D) unchanged."""
        return outputs

    def step_losses(self, outputs: Tensor, following: Tensor) -> Tensor:
        """Compute the squared error, summed over components, (..., D) -> (...)."""
        return (outputs - self.inputs(following)).square().sum(-1)


@register
class ProbabilityGrid(nn.Module):
    """Predict quantised probabilities one at a time, delay by delay, window by window (Eq. 8).

    The decoder reads a sequence of L * D tokens, so its attention should be cheap for long
    sequences. The first window's tokens are read but not scored, as in the other rows of Table 3.

    Parameters
    ----------
    delays : int
        Number of delays D per row.
    levels : int
        Number of levels K, and of distinct tokens.
    """

    reads = "logits"

    def __init__(self, *, delays: int = 31, levels: int = 8) -> None:
        super().__init__()
        if levels < 2:
            raise ValueError(f"levels must be >= 2, got {levels}")
        self.delays = delays
        self.register_buffer("centres", torch.linspace(0, 1, levels))  # ascending probabilities

    def decoder_sizes(self, width: int, max_len: int) -> dict[str, int]:
        """Return a decoder's arguments for sequences of ``max_len`` rows of ``width`` delays."""
        levels = len(self.centres)
        return {"inputs": levels, "outputs": levels, "positions": max_len * width - 1}

    def windows(self, decoder: DecoderProtocol) -> int | float:
        """Return the maximum number of windows per sequence for a decoder of tokens."""
        return decoder.max_len // self.delays

    def row_width(self, decoder: DecoderProtocol) -> int:
        """Return the number of delays per row; each delay is one token of the decoder."""
        return self.delays

    def fit(self, rows: Iterable[Tensor], *, seed: int = 0, most: int = 200_000) -> None:
        """Find the K levels by k-means over delay probabilities.

        ``rows`` holds the logits of each clip, (n, D).

        Raises
        ------
        ValueError
            There are fewer distinct probabilities than levels.
        """
        from sklearn.cluster import KMeans  # slow import, not needed for scoring

        values = torch.cat(list(rows)).softmax(-1).flatten().double().numpy()
        chosen = np.random.default_rng(seed).permutation(len(values))[:most]
        values = values[chosen, None]
        if len(np.unique(values)) < len(self.centres):
            raise ValueError(f"too few distinct probabilities for {len(self.centres)} levels")
        found = KMeans(len(self.centres), n_init=1, random_state=seed).fit(values)
        self.centres.copy_(torch.from_numpy(np.sort(found.cluster_centers_[:, 0])))

    def tokens(self, rows: Tensor) -> Tensor:
        """Return the nearest level of each probability, logits (..., D) -> int64 (..., D)."""
        borders = (self.centres[1:] + self.centres[:-1]) / 2
        return torch.bucketize(rows.softmax(-1), borders)

    def judge(self, decoder: nn.Module, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Return summed losses (B, L - 1) and expected probabilities (B, L - 1, D)."""
        delays = sequences.shape[-1]
        tokens = self.tokens(sequences).flatten(1)  # (B, L * D), raster order
        one_hot = F.one_hot(tokens[:, :-1], len(self.centres)).to(sequences.dtype)
        outputs = decoder(one_hot)[:, delays - 1 :]  # outputs that predict windows 2..L
        losses = F.cross_entropy(outputs.movedim(-1, 1), tokens[:, delays:], reduction="none")
        expected = (outputs.softmax(-1) @ self.centres).unflatten(1, (-1, delays))
        return losses.unflatten(1, (-1, delays)).sum(-1), expected / expected.sum(-1, keepdim=True)
