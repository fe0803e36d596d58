"""Feature rows of one clip, as they would be with its sound moved against the picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avforensics.models.protocols import FeatureProtocol


@dataclass(frozen=True)
class ClipRows:
    """Rows of a clip, with what is needed to move its sound by up to ``reach`` frames.

    A constant shift only renames delays: the crop of sound that is i frames away from a window is
    i - s frames away once the sound comes s frames earlier. So nothing has to be computed again.
    The missing start of the shifted audio is silence, as in the leftmost delays.
    """

    logits: Tensor  # (N, 2 * (tau + reach) + 1)
    activations: Tensor | None = None  # (N, D), projected
    # (N, D), projected, with the picture half of the activations set to zero
    sound: Tensor | None = None
    reach: int = 0
    start: int = 0  # index in the clip of the first row's window

    @classmethod
    def of(
        cls,
        logits: Tensor,
        activations: Tensor,
        projection: FeatureProtocol,
        *,
        reach: int = 0,
        start: int = 0,
    ) -> ClipRows:
        """Make rows from logits, and from activations before the projection, (N, A)."""
        silent = activations.clone()
        silent[:, : activations.shape[1] // 2] = 0  # picture first, then sound
        return cls(logits, projection(activations), projection(silent), reach, start)

    def __len__(self) -> int:
        return len(self.logits)

    def moved(self, frames: int = 0) -> dict[str, Tensor]:
        """``logits`` (n, 2 * tau + 1) and, where there are any, ``activations`` (n, D).

        Parameters
        ----------
        frames : int
            Frames by which the sound comes earlier, -reach to reach. Windows whose new sound would
            lie outside the clip are left out: n = N - abs(frames).
        """
        first, last = max(-frames, 0), len(self) - max(frames, 0)
        columns = slice(self.reach + frames, self.logits.shape[1] - self.reach + frames)
        logits = self.logits[first:last, columns]
        if frames > 0:
            silence = self.logits[first:last, :1]
            logits = torch.where(self._before(*logits.shape), silence, logits)
        rows = {"logits": logits}
        if self.activations is not None and not frames:
            rows["activations"] = self.activations
        elif self.activations is not None:
            change = self.sound[first + frames : last + frames] - self.sound[first:last]
            rows["activations"] = self.activations[first:last] + change  # the projection is linear
        return rows

    def _before(self, n_windows: int, n_delays: int) -> Tensor:
        """Whether a delay of a window points before the first frame, bool, (n, 2 * tau + 1)."""
        window = self.start + torch.arange(n_windows)
        delay = torch.arange(n_delays) - n_delays // 2
        return window[:, None] + delay < 0
