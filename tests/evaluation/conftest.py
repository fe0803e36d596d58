"""A feature store with synthetic features, and tiny decoders: an evaluation takes a second."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_store import ACTIVATIONS, make_store, peak_at
from tiny_network import tiny_sync

from avforensics.applicability import Limits
from avforensics.checkpoints import Models, save_bundle
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.features.store import FeatureStore
from avforensics.media import write_clip
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.projection import Projection

LENGTHS = (40, 17, 25, 33, 6, 30, 21)  # eleven with the four below, to divide unevenly
SILENT = 3000  # samples


@pytest.fixture(scope="session")
def decoders() -> Models:
    """Decoders and a projection without a synchronisation network.

    The distribution decoder expects delays near zero, like those of the store's real clips.
    """
    torch.manual_seed(0)
    models = Models(
        distribution=PublishedDecoder(width=32, heads=2, depth=1),
        activation=PublishedDecoder(width=32, heads=2, depth=1),
        projection=Projection(inputs=ACTIVATIONS, outputs=31),
        notice="Random weights: scores mean nothing.",
    )
    torch.nn.init.normal_(models.projection.components)
    last = models.distribution.to_row
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.copy_(torch.from_numpy(peak_at(15)))
    return models


@pytest.fixture(scope="session")
def decoders_bundle(decoders, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("decoders") / "decoders.safetensors"
    save_bundle(path, decoders)
    return path


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> FeatureStore:
    """A store with ten people, the paper's categories and an unreadable real clip for testing."""
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory):
    """A bundle with every part, with random weights."""
    models = Models(
        sync=tiny_sync(),
        distribution=PublishedDecoder(width=32, heads=2, depth=1),
        activation=PublishedDecoder(width=32, heads=2, depth=1),
        projection=Projection(inputs=20, outputs=31),
    )
    torch.nn.init.normal_(models.projection.components)
    path = tmp_path_factory.mktemp("bundle") / "tiny.safetensors"
    save_bundle(path, models)
    return path


@pytest.fixture(scope="module", autouse=True)
def noise_is_applicable():
    """Switch off applicability, since clips here are noise; it is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Limits, "reasons", lambda self, measures: ())
        yield


@pytest.fixture(scope="session")
def clips_manifest(tmp_path_factory):
    """Seven clips and four that cannot be scored: no file, no video, no sound, no bytes.

    Like some published sets, the fakes begin with 0.19 s of silence, but the real clips do not.
    """
    folder = tmp_path_factory.mktemp("benchmark")
    rng = np.random.default_rng(0)
    rows = []
    for number, frames in enumerate(LENGTHS):
        path = folder / f"clip {number}.mp4"
        fake = number % 2
        sound = rng.integers(-9000, 9000, frames * 640).astype(np.int16)
        sound[: fake * SILENT] = 0
        write_clip(path, rng.integers(0, 256, (frames, 32, 32, 3), np.uint8), sound)
        rows.append(Row(str(path), fake, "RVFA" if fake else "real", identity=f"id{number // 2}"))
    (folder / "broken.mp4").write_bytes(b"this is no video")
    (folder / "empty.mp4").touch()
    write_clip(folder / "mute.mp4", rng.integers(0, 256, (12, 32, 32, 3), np.uint8), None)
    for number, name in enumerate(("absent", "broken", "mute", "empty")):
        fake = number % 2
        kind = "RVFA" if fake else "real"
        rows.append(Row(str(folder / f"{name}.mp4"), fake, kind, identity=f"id{8 + number}"))
    Manifest(rows).write(folder / "manifest.csv")
    return folder / "manifest.csv"


@pytest.fixture(scope="session")
def store_of_segments(tmp_path_factory) -> FeatureStore:
    """A store with six people and clips forged throughout or in part."""
    folder = tmp_path_factory.mktemp("segments")
    return make_store(folder, people=6, categories=("RVFA", "partial"), failed=0)


@pytest.fixture(scope="session")
def many_people(tmp_path_factory) -> FeatureStore:
    """A store with a real clip and three kinds of forgeries of each of forty people."""
    folder = tmp_path_factory.mktemp("many")
    categories = ("RVFA", "FVRA-WL", "FVFA-FS")
    return make_store(folder, people=40, categories=categories, failed=0)
