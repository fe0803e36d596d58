"""Clips and a tiny network for tests of the feature store."""

import numpy as np
import pytest
from tiny_network import tiny_sync

from avforensics.checkpoints import Models, save_bundle
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.media import write_clip

TAU = 3
FRAMES = (20, 14, 17, 30, 12)
SILENT = 1600  # samples without sound at the beginning of the clips


@pytest.fixture(scope="session")
def network():
    """A synchronisation network of 7 delays with random weights."""
    return tiny_sync(tau=TAU)


@pytest.fixture(scope="session")
def sync_bundle(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("sync") / "sync.safetensors"
    save_bundle(path, Models(sync=network))
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
