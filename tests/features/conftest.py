"""Clips and a tiny network for tests of the feature store."""

import numpy as np
import pytest
import torch

from avforensics.checkpoints import Models, save_bundle
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.media import write_clip
from avforensics.models.audio import AudioEncoder
from avforensics.models.fusion import CosineFusion
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder

TAU = 3
FRAMES = (20, 14, 17, 30, 12)
SILENT = 1600  # samples without sound at the beginning of the clips


@pytest.fixture(scope="session")
def tiny_sync():
    """A synchronisation network of 7 delays with random weights."""
    torch.manual_seed(0)
    return SyncNetwork(
        visual=VisualEncoder(widths=(4, 6, 8), depths=(1, 1, 1), strides=(1, 2, 2), pad_time=False),
        audio=AudioEncoder(widths=(4, 4, 4, 4, 4, 8, 12)),
        fusion=CosineFusion(video_width=8, audio_width=12, plane=2, width=10),
        size=32,
        max_delay=TAU,
    ).eval()


@pytest.fixture(scope="session")
def sync_bundle(tiny_sync, tmp_path_factory):
    path = tmp_path_factory.mktemp("sync") / "sync.safetensors"
    save_bundle(path, Models(sync=tiny_sync))
    return path


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Five real and fake clips of 12 to 30 frames, with sound after 0.1 s of silence."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = []
    for number, frames in enumerate(FRAMES):
        path = folder / f"clip {number}.mp4"
        sound = rng.integers(-9000, 9000, frames * 640).astype(np.int16)
        sound[:SILENT] = 0
        write_clip(path, rng.integers(0, 256, (frames, 32, 32, 3), np.uint8), sound)
        split = "val" if number == 4 else "anomaly"
        rows.append(Row(str(path), number % 2, "RVFA" * (number % 2), identity=f"id{number}"))
        rows[-1] = rows[-1]._replace(split=split)
    return Manifest(rows)
