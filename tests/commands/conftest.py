"""A tiny model and small videos, with which a command takes seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import tiny_sync
from voices import speech

from avforensics.checkpoints import Models, save_bundle
from avforensics.detection import artifacts
from avforensics.detection.record import read_record, write_record
from avforensics.media import write_clip
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.projection import Projection


def tiny_models(seed: int = 0) -> Models:
    return Models(
        sync=tiny_sync(size=64, plane=4, width=40, seed=seed),
        distribution=PublishedDecoder(width=32, heads=2, depth=1),
        activation=PublishedDecoder(width=32, heads=2, depth=1),
        projection=Projection(inputs=80, outputs=31),
        notice="Stand-in weights: scores mean nothing.",
    )


@pytest.fixture(scope="session")
def make_models():
    """Return a function that makes the models of `bundle` from a seed."""
    return tiny_models


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """A checkpoint with every part, which scores a clip in milliseconds."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    models = tiny_models()
    torch.nn.init.normal_(models.projection.components)
    save_bundle(path, models)
    return path


@pytest.fixture(scope="session")
def make_clip():
    """Return a function that writes a small file with moving colours and speech."""

    def make(path: Path, *, frames: int = 20, seed: int = 0, sound: bool = True) -> Path:
        random = np.random.default_rng(seed)
        pictures = np.repeat(random.integers(0, 256, (frames, 4, 4, 3), np.uint8), 16, axis=1)
        audio = speech(frames, seed) if sound else None
        write_clip(path, np.repeat(pictures, 16, axis=2), audio)
        return path

    return make


@pytest.fixture
def run(bundle, tmp_path, monkeypatch, avforensics):
    """Run a verb with the tiny weights in the test's folder; return its exit code."""
    monkeypatch.chdir(tmp_path)
    checkpoint = ("checkpoint=bundle", f"checkpoint.bundle={bundle}")
    return lambda verb, *words: avforensics(verb, *checkpoint, *words)


@pytest.fixture(autouse=True)
def results_fit_their_schema(monkeypatch):
    """Read every result file that a test writes, which checks it against its schema."""

    def write_and_read(record, path):
        write_record(record, path)
        read_record(path)

    monkeypatch.setattr(artifacts, "write_record", write_and_read)
