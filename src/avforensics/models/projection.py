"""Standardise activations and project them onto principal components (paper Sec. 3.2, Fig. 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avforensics.models.registered import register


@register
class Projection(nn.Module):
    """Compute ``((x - mean) / scale - center) @ components.T``, without whitening.

    Parameters
    ----------
    inputs : int
        Length of an activation vector (1024 for the paper's network).
    outputs : int
        Number of components D (31 in the paper).
    """

    linear = True

    def __init__(self, *, inputs: int = 1024, outputs: int = 31) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.register_buffer("mean", torch.zeros(inputs, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(inputs, dtype=torch.float64))
        self.register_buffer("center", torch.zeros(inputs, dtype=torch.float64))
        self.register_buffer("components", torch.zeros(outputs, inputs, dtype=torch.float64))

    @classmethod
    def fit(
        cls, activations: Tensor, *, outputs: int = 31, used: int | None = None, seed: int = 0
    ) -> Projection:
        """Fit a projection to activations of real training videos.

        Parameters
        ----------
        activations : Tensor, (N, inputs)
        outputs : int
            Number of components D.
        used : int, optional
            Use only the first ``used`` values, such as the video half (activation-V of Table 3);
            the components are zero for the other values.

        Raises
        ------
        ValueError
            There are fewer rows or columns than components.
        """
        # slow import, not needed for scoring
        from sklearn.decomposition import PCA
        from sklearn.preprocessing import StandardScaler

        inputs = activations.shape[1]
        rows = activations[:, :used].double().numpy()
        if outputs > min(rows.shape):
            raise ValueError(
                f"cannot fit {outputs} components to activations of shape {rows.shape}"
            )
        scaler = StandardScaler().fit(rows)
        pca = PCA(outputs, random_state=seed).fit(scaler.transform(rows))
        projection = cls(inputs=inputs, outputs=outputs)
        projection.mean[:used].copy_(torch.from_numpy(scaler.mean_))
        projection.scale[:used].copy_(torch.from_numpy(scaler.scale_))
        projection.center[:used].copy_(torch.from_numpy(pca.mean_))
        projection.components[:, :used].copy_(torch.from_numpy(pca.components_.copy()))
        return projection

    def forward(self, activations: Tensor) -> Tensor:
        """Project activations, (N, inputs) -> (N, outputs), float32.

        The projection is computed in float64, as in the published pipeline.
        """
        x = (activations.double() - self.mean) / self.scale - self.center
        return (x @ self.components.T).float()
