"""Small models of every kind, and files in the authors' layout with fresh weights."""

import pickle
from types import SimpleNamespace

import pytest
import torch
from sklearn_pipeline import fitted_pipeline
from tiny_network import tiny_published, tiny_sync

from avforensics.checkpoints import Models
from avforensics.checkpoints.published import published_state
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.projection import Projection
from avforensics.models.sync import published_sync_network


@pytest.fixture(params=[tiny_sync, tiny_published])
def compact(request) -> Models:
    """All four parts of a small model, with a notice."""
    torch.manual_seed(0)
    sync = request.param(tau=3, size=64, plane=4)
    if request.param is tiny_sync:
        sync.crop = (0.25, 0.5, 0.75, 1.0)
    projection = Projection.fit(torch.randn(40, sync.activation_width), outputs=6)
    return Models(
        sync=sync,
        distribution=PublishedDecoder(inputs=7, outputs=7, width=16, heads=4, positions=19),
        activation=PublishedDecoder(inputs=6, outputs=6, width=16, heads=4, positions=19),
        projection=projection,
        hashes={"a.pth": "0" * 64},
        metadata={"notes": "made by a test", "epochs": 3},
        notice="These weights mean nothing.",
    )


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> SimpleNamespace:
    """State dicts under the published names, with fresh weights, and a `folder` of four files."""
    torch.manual_seed(1)
    states = SimpleNamespace(
        sync=published_state("sync", published_sync_network()),
        distribution=published_state("distribution", PublishedDecoder()),
        activation=published_state("activation", PublishedDecoder()),
    )
    folder = tmp_path_factory.mktemp("published")
    torch.save(states.sync, folder / "sync_model.pth")
    torch.save(states.distribution, folder / "dist_regressive_model.pth")
    torch.save(states.activation, folder / "avfeature_regressive_model.pth")
    (folder / "pca.pkl").write_bytes(pickle.dumps(fitted_pipeline()))
    states.folder = folder
    return states
