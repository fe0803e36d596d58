"""Models of how real videos go on: losses of each window given the ones before (paper Sec. 3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from avforensics.models.objectives import NextRow, ProbabilityGrid, SoftCrossEntropy, SquaredError

Objective = NextRow | ProbabilityGrid

# What a bare decoder was trained for, as the published ones.
PUBLISHED_OBJECTIVES = {"distribution": SoftCrossEntropy, "activation": SquaredError}


class AnomalyModel(nn.Module):
    """A decoder with its objective.

    Parameters
    ----------
    decoder : Module
        Autoregressive: (B, L, inputs) -> (B, L, outputs).
    objective : NextRow or ProbabilityGrid
    """

    def __init__(self, *, decoder: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.decoder = decoder
        self.objective = objective

    @classmethod
    def build(
        cls,
        objective: Objective,
        decoder: Callable[..., nn.Module],
        *,
        width: int,
        max_len: int,
    ) -> AnomalyModel:
        """Make a decoder of the size that an objective needs.

        Parameters
        ----------
        objective : NextRow or ProbabilityGrid
        decoder : callable
            Takes ``inputs``, ``outputs`` and ``positions``.
        width : int
            Numbers in a row.
        max_len : int
            Windows in a sequence.
        """
        sizes = objective.decoder_sizes(width, max_len)
        return cls(decoder=decoder(**sizes), objective=objective)

    @property
    def architecture(self) -> dict[str, object]:
        """Constructor arguments."""
        return {"decoder": self.decoder, "objective": self.objective}

    @property
    def row_width(self) -> int:
        """Numbers in a row of features."""
        return self.objective.architecture.get("delays", self.decoder.row_width)

    @property
    def max_len(self) -> int:
        """Longest sequence of windows that can be scored."""
        if isinstance(self.objective, ProbabilityGrid):
            return self.decoder.max_len // self.row_width
        return self.decoder.max_len

    def forward(self, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Step losses (B, L - 1) and predictions (B, L - 1, D) of sequences (B, L, D)."""
        return self.objective.judge(self.decoder, sequences)


class NaiveBayes(nn.Module):
    """Each window's most likely delay, drawn on its own: the first row of Table 3. No training.

    Parameters
    ----------
    delays : int
    """

    reads = "logits"
    max_len = math.inf

    def __init__(self, *, delays: int = 31) -> None:
        super().__init__()
        self.architecture = {"delays": delays}
        self.row_width = delays
        self.register_buffer("log_probability", torch.full((delays,), -math.log(delays)))

    def fit(self, rows: Tensor) -> None:
        """Count the most likely delays of real windows, (N, D) logits, one added to each count.

        Raises
        ------
        ValueError
            There are no windows, or they have another number of delays.
        """
        if rows.ndim != 2 or rows.shape[1] != self.row_width or not len(rows):
            raise ValueError(
                f"naive Bayes counts real windows (N, {self.row_width}), got {tuple(rows.shape)}"
            )
        counts = torch.bincount(rows.argmax(-1), minlength=self.row_width).double() + 1
        self.log_probability.copy_((counts / counts.sum()).log())

    def forward(self, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Step losses (B, L - 1) and predictions (B, L - 1, D) of rows of logits (B, L, D)."""
        delay = sequences[:, 1:].argmax(-1)
        prediction = self.log_probability.exp().expand(*delay.shape, -1)
        return -self.log_probability[delay], prediction


def anomaly_model(module: nn.Module, part: str) -> nn.Module:
    """A part of a checkpoint as something that judges sequences.

    A bare decoder gets the objective that the published decoder of that part was trained with.

    Parameters
    ----------
    module : Module
        `AnomalyModel`, `NaiveBayes` or a decoder.
    part : {"distribution", "activation"}
    """
    if isinstance(module, (AnomalyModel, NaiveBayes)):
        return module
    return AnomalyModel(decoder=module, objective=PUBLISHED_OBJECTIVES[part]()).eval()


def as_part(model: nn.Module, part: str) -> nn.Module:
    """The inverse of `anomaly_model`: a bare decoder where that says everything."""
    if isinstance(model, AnomalyModel) and type(model.objective) is PUBLISHED_OBJECTIVES[part]:
        return model.decoder
    return model
