"""What an anomaly decoder reads, what it predicts and how wrong it was at each step.

An objective turns the features of consecutive windows into decoder inputs and compares each output
with the window after it (paper Sec. 3.2).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


class SoftCrossEntropy:
    """Distribution over delays against the predicted one: KL divergence (Eq. 5).

    Quirk of the released weights: the decoder reads raw logits, while the target is their softmax.
    """

    def inputs(self, rows: Tensor) -> Tensor:
        """Rows of delay logits (..., D) as the decoder reads them."""
        return rows

    def predicted(self, outputs: Tensor) -> Tensor:
        """Decoder outputs (..., D) as probabilities over delays."""
        return outputs.softmax(-1)

    def step_losses(self, outputs: Tensor, following: Tensor) -> Tensor:
        """KL(softmax(following) || softmax(outputs)) summed over delays, (..., D) -> (...)."""
        target = following.softmax(-1)
        return F.kl_div(outputs.log_softmax(-1), target, reduction="none").sum(-1)


class SquaredError:
    """L2-normalised projected activations against the predicted ones (activation-AV, Table 3)."""

    def inputs(self, projected: Tensor) -> Tensor:
        """Projected activations (..., D), L2-normalised."""
        return F.normalize(projected, dim=-1)

    def predicted(self, outputs: Tensor) -> Tensor:
        """Decoder outputs (..., D), as they are."""
        return outputs

    def step_losses(self, outputs: Tensor, following: Tensor) -> Tensor:
        """Squared error summed over components, (..., D) -> (...)."""
        return (outputs - self.inputs(following)).square().sum(-1)
