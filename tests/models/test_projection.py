"""Projection against scikit-learn's own transform."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avforensics.models.projection import Projection


@pytest.fixture
def activations():
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12))
    return torch.from_numpy(mixed * 40 + 7).float()


def test_equals_scikit_learn(activations):
    pipeline = make_pipeline(StandardScaler(), PCA(5, random_state=0))
    expected = pipeline.fit(activations.double().numpy()).transform(activations.double().numpy())
    projected = Projection.fit(activations, outputs=5)(activations)
    assert projected.dtype == torch.float32
    np.testing.assert_allclose(projected, expected, atol=1e-5)


def test_state_carries_everything(activations):
    fitted = Projection.fit(activations, outputs=5)
    other = Projection(inputs=12, outputs=5)
    other.load_state_dict(fitted.state_dict())
    assert torch.equal(other(activations), fitted(activations))


def test_half_precision_input_is_projected_in_double(activations):
    fitted = Projection.fit(activations, outputs=5)
    projected = fitted(activations.bfloat16())
    torch.testing.assert_close(projected, fitted(activations.bfloat16().double()))


def test_a_constant_column_stays_finite(activations):
    activations[:, 3] = 2.0
    assert Projection.fit(activations, outputs=5)(activations).isfinite().all()


def test_too_few_videos_for_the_components(activations):
    with pytest.raises(ValueError, match="13 components"):
        Projection.fit(activations, outputs=13)
    with pytest.raises(ValueError, match="5 components"):
        Projection.fit(activations[:4], outputs=5)


def test_of_the_first_half_the_other_half_changes_nothing(activations):
    half = Projection.fit(activations, outputs=3, used=6)
    alone = Projection.fit(activations[:, :6], outputs=3)
    torch.testing.assert_close(half(activations), alone(activations[:, :6]))
    changed = torch.cat([activations[:, :6], -3 * activations[:, 6:]], dim=1)
    assert torch.equal(half(changed), half(activations))
