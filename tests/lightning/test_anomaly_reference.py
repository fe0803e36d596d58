"""Fine-tuning from the released decoders begins at exactly the released step losses."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from avforensics.features.shards import Extracted, ShardWriter, read_clips
from avforensics.features.store import Entry, StoreInfo, write_index, write_info
from avforensics.lightning.anomaly import AnomalyModule
from avforensics.lightning.features import FeatureData
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.objectives import SoftCrossEntropy, SquaredError

pytestmark = pytest.mark.reference

CLIPS = ("released_clip_seed0", "released_clip_30frames_seed0", "grid_clip_seed1")


@pytest.fixture(scope="module")
def golden(reference):
    return [np.load(reference / "golden" / f"{name}.npz") for name in CLIPS]


@pytest.fixture(scope="module")
def store(golden, tmp_path_factory):
    """A feature store with the released network's output for the golden clips."""
    folder = tmp_path_factory.mktemp("golden")
    kind = {"activations": "float32", "max_windows": 50, "precision": "float32"}
    info = StoreInfo(network="released", max_delay=15, activation_width=1024, **kind)
    with ShardWriter(folder) as writer:
        for name, arrays in zip(CLIPS, golden, strict=True):
            writer.add(
                Extracted(key=name, size=1, mtime_ns=1),
                sync_logits=arrays["sync_logits"],
                valid_audio=np.ones(len(arrays["sync_logits"]), bool),
                activations=arrays["av_activation"],
            )
    clips, _ = read_clips(folder)
    write_info(folder, info)
    rows = [
        Entry(path=f"/{name}.mp4", label=0, split=split, clip=clips[name])
        for split in ("anomaly", "val")
        for name in CLIPS
    ]
    write_index(folder, rows)
    return folder


def test_fine_tuning_begins_at_the_released_step_losses(reference, golden, store):
    init = {
        "distribution": str(reference / "dist_regressive_model.pth"),
        "activation": str(reference / "avfeature_regressive_model.pth"),
        "pca": str(reference / "pca.pkl"),
    }
    data = FeatureData(features=store, init=init, batch_size=3, disjoint=False)
    data.setup()
    module = AnomalyModule(
        objectives={"distribution": SoftCrossEntropy(), "activation": SquaredError()},
        decoder=partial(PublishedDecoder, dropout=0.0),
        optimizer=torch.optim.Adam,
        init=init,
    ).train()
    batch = default_collate([data.train_set[index] for index in range(3)])
    for part, released in (("distribution", "dist_step"), ("activation", "feature_step")):
        reads = "logits" if part == "distribution" else "activations"
        losses, _ = module.parts[part](batch[reads])
        for arrays, found in zip(golden, losses.detach(), strict=True):
            steps = arrays[released]
            np.testing.assert_allclose(found[: len(steps)], steps, rtol=2e-5, atol=2e-6)
    # the loss of the first training step is the mean of the released scores
    scores = sum(float(a["dist_score"] + a["feature_score"]) for a in golden) / len(golden)
    assert module.loss(batch).item() == pytest.approx(scores, rel=1e-5)
