"""`avforensics train`: output, error messages and early stopping."""

import json
import logging
import os

import pytest
import torch
from bars import TINY, write_bars
from runs import composed, table

from avforensics.checkpoints import load_bundle
from avforensics.cli.run import run_command
from avforensics.data.manifest import Manifest
from avforensics.errors import AVForensicsError
from avforensics.lightning.pairs import encode
from avforensics.lightning.sync import SyncModule


def test_a_run_leaves_its_curve_weights_and_pictures(train_tiny, tmp_path, bars):
    curve = train_tiny(tmp_path, "trainer.max_epochs=2", "logger=tensorboard")
    for name in ("curve.png", "heatmaps.png", "checkpoints/best.ckpt", "checkpoints/last.ckpt"):
        assert (tmp_path / name).stat().st_size > 1000, name
    assert list((tmp_path / "tensorboard").rglob("events.out.*"))
    logged = [
        row["train/loss"]
        for row in table(next((tmp_path / "csv").rglob("metrics.csv")))
        if row["train/loss"]
    ]
    assert [float(loss) for loss in logged] == [pytest.approx(row[1]) for row in curve["train"]]
    summary = json.loads((tmp_path / "metrics.json").read_text())
    assert summary["steps"] == 8
    losses = [row[2]["loss"] for row in curve["val"]]
    assert summary["best"]["val/loss"] == pytest.approx(min(losses))
    models = load_bundle(tmp_path / "sync.safetensors")
    assert models.metadata["training"]["best"] == summary["best"]
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    for name, tensor in models.sync.state_dict().items():
        assert torch.equal(tensor, best[f"network.{name}"]), name


def test_training_goes_on_from_a_bundle_or_a_checkpoint(
    train_tiny, tiny_settings, tmp_path, caplog
):
    train_tiny(tmp_path / "a", "trainer.max_epochs=1")
    frozen = ("module.freeze_norm=true", "optimizer.lr=1e-30", "trainer.max_epochs=1")
    losses = []
    for file in ("sync.safetensors", "checkpoints/best.ckpt"):
        init = f"module.init={tmp_path / 'a' / file}"
        losses.append(train_tiny(tmp_path / file, *frozen, init)["val"][0][2]["loss"])
    best = json.loads((tmp_path / "a" / "metrics.json").read_text())["best"]["val/loss"]
    assert losses == [pytest.approx(best), pytest.approx(best)]
    other = composed("train", *tiny_settings(tmp_path), "model.fusion.width=4", init)
    with pytest.raises(AVForensicsError, match="does not match the model settings"):
        run_command("train", other)
    resumed = ("trainer.max_epochs=1", "ckpt=last")
    train_tiny(tmp_path / "a", *resumed)
    assert "is ignored" not in caplog.text
    train_tiny(tmp_path / "a", *resumed, "optimizer.lr=0.5")
    assert "optimizer.lr=0.5 is ignored: the checkpoint continues with" in caplog.text


def test_accumulation_is_a_larger_batch_where_nothing_depends_on_it(train_tiny, tmp_path):
    fixed = ("module.freeze_norm=true", "trainer.max_epochs=1", "optimizer.lr=1e-3")
    two = train_tiny(tmp_path / "two", *fixed, "trainer.accumulate_grad_batches=2")
    one = train_tiny(tmp_path / "one", *fixed, "data.phases=[{batch_size: 4, span: 20}]")
    assert two["val"][0][1] == one["val"][0][1] == 2  # steps
    assert two["val"][0][2]["loss"] == pytest.approx(one["val"][0][2]["loss"], rel=1e-4)


def test_a_curriculum_changes_its_batches_in_mid_training(train_tiny, tmp_path, monkeypatch):
    seen = []

    def spy(network, frames, audio, **options):
        seen.append(tuple(frames.shape[:3]))
        return encode(network, frames, audio, **options)

    monkeypatch.setattr("avforensics.lightning.sync.encode", spy)
    phases = "data.phases=[{epochs: 1, batch_size: 4, clips: 1}, {batch_size: 2, clips: 4}]"
    curriculum = (phases, "trainer.reload_dataloaders_every_n_epochs=1")
    curve = train_tiny(tmp_path, *curriculum, "trainer.max_epochs=3", "data.val_clips=1")
    assert seen == [(4, 1, 5)] * 2 + [(2, 4, 5)] * 8
    assert len(curve["train"]) == 10


def test_short_epochs_of_a_curriculum_go_on_through_the_clips(train_tiny, tmp_path, monkeypatch):
    seen, step = [], SyncModule.training_step

    def spy(module, batch, batch_idx):
        seen.append(tuple(batch["index"].tolist()))
        return step(module, batch, batch_idx)

    monkeypatch.setattr(SyncModule, "training_step", spy)
    phases = "data.phases=[{epochs: 2, batch_size: 2, span: 8}, {batch_size: 2, span: 8}]"
    short = ("trainer.reload_dataloaders_every_n_epochs=1", "trainer.limit_train_batches=1")
    train_tiny(tmp_path, phases, *short, "trainer.max_epochs=5", "data.val_clips=1")
    assert len(set(seen[2:])) == 3  # not the same batch in every epoch


def test_a_loss_that_is_no_number_stops_the_run_and_names_its_clips(
    tiny_settings, tmp_path, caplog
):
    cfg = composed("train", *tiny_settings(tmp_path), "optimizer.lr=1e30")
    with caplog.at_level(logging.ERROR):
        assert run_command("train", cfg) == 1
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    message = record.getMessage()
    assert "is nan" in message
    assert message.count(".mp4") == 2
    assert "\n" not in message


def test_a_clip_that_breaks_is_replaced_and_named_once(tmp_path, caplog, train_tiny):
    manifest = write_bars(tmp_path, {"sync": 4, "val": 2})
    rows = Manifest.read(manifest)
    for row in (rows[1], rows[5]):
        os.truncate(row.path, 200)
    curve = train_tiny(tmp_path / "run", f"data.manifest={manifest}", "trainer.max_epochs=2")
    assert len(curve["train"]) == 4
    assert caplog.text.count("unusable clip") == 2


def test_the_estimate_changes_nothing(train_tiny, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        measured = train_tiny(
            tmp_path / "a",
            "callbacks.estimate={_target_: avforensics.lightning.callbacks.estimate.Estimate}",
            "trainer.max_epochs=1",
        )
    assert "4 steps left, 4 batches in this epoch" in caplog.text
    assert "GFLOP" in caplog.text
    assert measured == train_tiny(tmp_path / "b", "trainer.max_epochs=1")


def mistakes(tmp_path, bars):
    rows = Manifest.read(bars).rows
    shared = tmp_path / "shared.csv"
    Manifest([*rows, rows[0]._replace(split="val")]).write(shared)
    gone = tmp_path / "gone.csv"
    Manifest([*rows, rows[0]._replace(path=str(tmp_path / "lost.mp4"))]).write(gone)
    weights = tmp_path / "weights.pt"
    torch.save({"state_dict": {}}, weights)
    return {
        f"data.manifest={tmp_path / 'none.csv'}": "none.csv",
        f"data.manifest={tmp_path / 'no' / 'such' / 'm.csv'}": "m.csv",
        "data.train=pretrain": "no clip has split pretrain; available: sync (8), val (3)",
        "data.val=holdout": "no clip has split holdout",
        f"data.manifest={shared}": "splits share 1 identity: id00 (id00 is in sync and val)",
        f"data.manifest={gone}": "the files of 1 of 12 clips are missing",
        "data.phases=[{batch_size: 9, span: 20}]": "8 clips, which do not fill one batch of 9",
        "data.phases=[{batch_size: 2, clips: 1}, {batch_size: 2, clips: 4}]": "must set its epochs",
        "data.phases=[{batch_size: 2}]": "exactly one of clips, span and frames",
        "data.phases=[]": "at least one phase",
        "data.phases=[{epochs: 1, batch_size: 2, clips: 1}, {batch_size: 2, clips: 4}]": (
            "reload_dataloaders_every_n_epochs=1"
        ),
        "module.temperature=0": "temperature must be above 0",
        "ckpt=last": "no such checkpoint: ",
        "ckpt=/no/such.ckpt": "/no/such.ckpt",
        f"ckpt={shared}": "truncated, damaged or not a torch file",
        f"ckpt={weights}": "is not a checkpoint of a training run",
        "data.manifest=???": "write data.manifest=",
    }


def test_a_mistake_is_one_sentence(tiny_settings, tmp_path, bars):
    for override, words in mistakes(tmp_path, bars).items():
        cfg = composed("train", *tiny_settings(tmp_path / "run"), override)
        with pytest.raises(AVForensicsError) as error:
            run_command("train", cfg)
        assert words in str(error.value), override
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.manifset=x", "no setting 'data.manifset'; did you mean data.manifest?"),
        ("model=huge", "no such option; options: compact"),
        ("trainer.max_epoch=3", "trainer.max_epochs"),
    ],
)
def test_an_unknown_key_is_one_sentence(override, words, tmp_path, refusal):
    common = ("train", *TINY, "data.manifest=m.csv", f"output_dir={tmp_path}")
    assert words in refusal(*common, override)
