"""Feature rows of a clip whose sound is shifted relative to its picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avforensics.models.protocols import FeatureProtocol


@dataclass(frozen=True)
class ClipRows:
    """Rows of a clip, with the data for moving its sound by up to ``reach`` frames.

    A constant shift only renumbers the delays: if the sound comes s frames earlier, a crop that was
    i frames away from a window is i - s frames away. Nothing needs to be computed again. If the
    shift removes the start of the sound, the delays that point there get the logit of the leftmost
    delay, whose sound is silence.
    """

    logits: Tensor  # (N, 2 * (tau + reach) + 1)
    activations: Tensor | None = None  # (N, D), projected
    # (N, D), projected, with the picture half of the activations set to zero
    sound: Tensor | None = None
    reach: int = 0
    start: int = 0  # index of the window in the first row

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
        """Make rows from logits and unprojected activations, (N, A)."""
        silent = activations.clone()
        silent[:, : activations.shape[1] // 2] = 0  # picture half first, then sound half
        return cls(logits, projection(activations), projection(silent), reach, start)

    def __len__(self) -> int:
        return len(self.logits)

    def moved(self, frames: int = 0) -> dict[str, Tensor]:
        """Return ``logits`` (n, 2 * tau + 1) and, if the clip has them, ``activations`` (n, D).

        Parameters
        ----------
        frames : int
            Frames by which the sound comes earlier, from -reach to reach. Windows whose new sound
            would lie outside the clip are left out, so n = N - abs(frames).
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
        """Return a mask (n, 2 * tau + 1) of delays that point before the clip's first frame."""
        window = self.start + torch.arange(n_windows)
        delay = torch.arange(n_delays) - n_delays // 2
        return window[:, None] + delay < 0
