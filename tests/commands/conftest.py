"""A tiny model and small videos: a whole run of a command takes seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avforensics.checkpoints import Models, save_bundle
from avforensics.features.projection import Projection
from avforensics.media import write_clip
from avforensics.models.audio import AudioEncoder
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.fusion import CosineFusion
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder


def tiny_models(seed: int = 0) -> Models:
    torch.manual_seed(seed)
    return Models(
        sync=SyncNetwork(
            visual=VisualEncoder(
                widths=(4, 6, 8), depths=(1, 1, 1), strides=(1, 2, 2), pad_time=False
            ),
            audio=AudioEncoder(widths=(4, 4, 4, 4, 4, 8, 12)),
            fusion=CosineFusion(video_width=8, audio_width=12, plane=4, width=40),
            size=64,
        ),
        distribution=PublishedDecoder(width=32, heads=2, depth=1),
        activation=PublishedDecoder(width=32, heads=2, depth=1),
        projection=Projection(inputs=80, outputs=31),
        notice="Stand-in weights: scores mean nothing.",
    )


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """A checkpoint of every part that scores a clip in milliseconds."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    models = tiny_models()
    torch.nn.init.normal_(models.projection.components)
    save_bundle(path, models)
    return path


@pytest.fixture(scope="session")
def make_clip():
    """Function: write a file of a few kilobytes, moving colours and noise; give its path."""

    def make(path: Path, *, frames: int = 20, seed: int = 0, sound: bool = True) -> Path:
        random = np.random.default_rng(seed)
        pictures = np.repeat(random.integers(0, 256, (frames, 4, 4, 3), np.uint8), 16, axis=1)
        audio = random.integers(-8000, 8000, frames * 640).astype(np.int16) if sound else None
        write_clip(path, np.repeat(pictures, 16, axis=2), audio)
        return path

    return make
