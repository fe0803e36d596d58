"""The network of the paper at its full size of 224 pixels learns, and its experiments run."""

from functools import partial

import numpy as np
import pytest
import torch
from bars import loud_bar
from runs import composed

from avforensics.cli.run import run_command
from avforensics.lightning.sync import SyncModule
from avforensics.media.types import HOP
from avforensics.media.writer import write_clip
from avforensics.models.sync import published_sync_network


def clips(count, size):
    """Make a batch like those of RandomClips, with a clip of five frames from each video."""
    pictures, sounds = zip(*(loud_bar(seed, 5, size) for seed in range(count)), strict=True)
    return {
        "frames": torch.from_numpy(np.stack(pictures))[:, None],
        "audio": torch.from_numpy(np.stack(sounds))[:, None, : 5 * HOP],
    }


@pytest.mark.slow
def test_overfits_a_handful_of_clips_at_full_size():
    torch.manual_seed(0)
    module = SyncModule(
        network=published_sync_network(), optimizer=partial(torch.optim.Adam, lr=1e-4), chunk=5
    )
    optimizer = module.configure_optimizers()
    batch = clips(4, 224)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = module.loss(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.0  # about log 4, for four candidates without any learning
    assert losses[-1] < 0.5 * losses[0]
    missing = [name for name, p in module.named_parameters() if p.grad is None]
    assert not missing


TREES = {
    "lrs2": {
        "clips": ["mvlrs_v1/main/633031106647369853{}/00001.mp4"],
        "lists": {"mvlrs_v1/train.txt": "633031106647369853{}/00001\n"},
    },
    "lrs3": {"clips": ["lrs3/trainval/-id{}/50001.mp4"], "lists": {}},
}


@pytest.fixture(params=TREES)
def real_set(request, tmp_path):
    """Name and folder of a tree of six people, laid out like a real set, at 160 pixels."""
    folder = tmp_path / request.param
    for person in range(6):
        for pattern in TREES[request.param]["clips"]:
            write_clip(folder / pattern.format(person), *loud_bar(person, 12, 160))
        for name, line in TREES[request.param]["lists"].items():
            with (folder / name).open("a") as file:
                file.write(line.format(person))
    return request.param, folder


@pytest.mark.slow
def test_experiments_run_a_step_on_trees_like_the_real_sets(real_set, tmp_path):
    name, root = real_set
    raw, clips = tmp_path / "raw.csv", tmp_path / "clips"
    shares = "split.shares={sync: 3, anomaly: 1, val: 1, test: 1}"
    words = (f"source={name}", f"root={root}", f"output={raw}", shares)
    assert run_command("manifest", composed("manifest", *words)) == 0
    words = (f"input={raw}", f"output={clips}", "faces=given", "workers=1")
    assert run_command("preprocess", composed("preprocess", *words, f"output_dir={tmp_path}")) == 0
    run = tmp_path / "run"
    words = (
        f"experiment=sync_{name}",
        f"data.manifest={clips / 'manifest.csv'}",
        "data.phases=[{epochs: 1, batch_size: 3, clips: 1}, {batch_size: 1, clips: 2}]",
        "data.val_frames=6", "data.workers=0",
        "trainer=cpu", "trainer.max_epochs=2", "trainer.max_steps=2", "callbacks.estimate=null",
        f"output_dir={run}",
    )  # fmt: skip
    assert run_command("train", composed("train", *words)) == 0
    assert (run / "sync.safetensors").stat().st_size > 160e6
