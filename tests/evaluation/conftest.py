"""A feature store of made-up features and tiny decoders: an evaluation takes a second."""

from pathlib import Path

import pytest
import torch
from made_up_store import ACTIVATIONS, make_store

from avforensics.checkpoints import Models, save_bundle
from avforensics.features.projection import Projection
from avforensics.features.store import FeatureStore
from avforensics.models.decoder import PublishedDecoder


@pytest.fixture(scope="session")
def decoders() -> Models:
    """Decoders and a projection with random weights; no synchronisation network."""
    torch.manual_seed(0)
    models = Models(
        distribution=PublishedDecoder(width=32, heads=2, depth=1),
        activation=PublishedDecoder(width=32, heads=2, depth=1),
        projection=Projection(inputs=ACTIVATIONS, outputs=31),
        notice="Random weights: scores mean nothing.",
    )
    torch.nn.init.normal_(models.projection.components)
    return models


@pytest.fixture(scope="session")
def decoders_bundle(decoders, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("decoders") / "decoders.safetensors"
    save_bundle(path, decoders)
    return path


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> FeatureStore:
    """Ten people, the paper's five categories, one unreadable real clip in the test split."""
    return make_store(tmp_path_factory.mktemp("store"))
