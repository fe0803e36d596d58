"""Anomaly models, which compute the loss of each window given the previous ones (Sec. 3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from avforensics.models.objectives import SoftCrossEntropy, SquaredError
from avforensics.models.protocols import (
    AnomalyProtocol,
    DecoderProtocol,
    ObjectiveProtocol,
    missing,
    require,
)
from avforensics.models.registered import register

# Features that each part's model reads.
READS = {"distribution": "logits", "activation": "activations"}
# Published objectives, used with bare decoders.
PUBLISHED_OBJECTIVES = {"distribution": SoftCrossEntropy, "activation": SquaredError}


@register
class AnomalyModel(nn.Module):
    """A decoder with its objective.

    Parameters
    ----------
    decoder : DecoderProtocol
        Autoregressive decoder, (B, L, inputs) -> (B, L, outputs).

    Raises
    ------
    TypeError
        A part does not implement its protocol.
    """

    def __init__(self, *, decoder: DecoderProtocol, objective: ObjectiveProtocol) -> None:
        super().__init__()
        require(decoder, DecoderProtocol, "decoder")
        require(objective, ObjectiveProtocol, "objective")
        self.decoder = decoder
        self.objective = objective

    @classmethod
    def build(
        cls,
        objective: ObjectiveProtocol,
        decoder: Callable[..., nn.Module],
        *,
        width: int,
        max_len: int,
    ) -> AnomalyModel:
        """Create a model with a decoder of the size that the objective requires.

        Parameters
        ----------
        decoder : callable
            Called with ``inputs``, ``outputs`` and ``positions`` to create the decoder.
        width : int
            Values per row.
        max_len : int
            Windows per sequence.
        """
        require(objective, ObjectiveProtocol, "objective")
        sizes = objective.decoder_sizes(width, max_len)
        return cls(decoder=decoder(**sizes), objective=objective)

    @property
    def reads(self) -> str:
        """``logits`` or ``activations``, as the objective requires."""
        return self.objective.reads

    @property
    def row_width(self) -> int:
        """Values per row of features."""
        return self.objective.row_width(self.decoder)

    @property
    def max_len(self) -> int | float:
        """Maximum number of windows per sequence."""
        return self.objective.windows(self.decoder)

    def fit(self, rows: Iterable[Tensor]) -> None:
        """Fit the objective to rows of features, (n, D) for each clip."""
        self.objective.fit(rows)

    def forward(self, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Return step losses (B, L - 1) and predictions (B, L - 1, D) for sequences (B, L, D)."""
        return self.objective.judge(self.decoder, sequences)


@register
class NaiveBayes(nn.Module):
    """Model that scores each window's most likely delay independently (Table 3, first row)."""

    reads = "logits"
    max_len = math.inf

    def __init__(self, *, delays: int = 31) -> None:
        super().__init__()
        self.row_width = delays
        self.register_buffer("log_probability", torch.full((delays,), -math.log(delays)))

    def fit(self, rows: Iterable[Tensor]) -> None:
        """Count the most likely delays in real clips, with add-one smoothing.

        ``rows`` holds the logits of each clip, (n, D).

        Raises
        ------
        ValueError
            There are no windows, or a clip has a different number of delays.
        """
        counts = torch.ones(self.row_width, dtype=torch.float64)
        for clip in rows:
            if clip.ndim != 2 or clip.shape[1] != self.row_width:
                raise ValueError(
                    f"naive Bayes needs rows (N, {self.row_width}), got {tuple(clip.shape)}"
                )
            counts += torch.bincount(clip.argmax(-1).cpu(), minlength=self.row_width)
        if counts.sum() == self.row_width:
            raise ValueError("naive Bayes needs at least one real window")
        self.log_probability.copy_((counts / counts.sum()).log())

    def forward(self, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Return step losses (B, L - 1) and predictions (B, L - 1, D) for logits (B, L, D)."""
        delay = sequences[:, 1:].argmax(-1)
        prediction = self.log_probability.exp().expand(*delay.shape, -1)
        return -self.log_probability[delay], prediction


def anomaly_model(module: nn.Module, part: str) -> nn.Module:
    """Return a part of a checkpoint as an anomaly model.

    A bare decoder is combined with the published objective of that part.

    Parameters
    ----------
    module : Module
        An anomaly model or a decoder.
    part : {"distribution", "activation"}
    """
    if not missing(module, AnomalyProtocol):
        return module
    return AnomalyModel(decoder=module, objective=PUBLISHED_OBJECTIVES[part]()).eval()


def as_part(model: nn.Module, part: str) -> nn.Module:
    """Inverse of `anomaly_model`: return the bare decoder if the objective is as published."""
    if isinstance(model, AnomalyModel) and type(model.objective) is PUBLISHED_OBJECTIVES[part]:
        return model.decoder
    return model
