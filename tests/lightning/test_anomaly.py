"""Training of the anomaly models from a feature store: bundle, best weights, resuming, errors."""

import json
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from runs import composed
from sklearn.metrics import roc_auc_score
from stores import write_store

from avforensics import register
from avforensics.checkpoints import load_bundle, load_models
from avforensics.commands import train
from avforensics.errors import ConfigError, ManifestError, TrainingError
from avforensics.features.store import FeatureStore
from avforensics.lightning.anomaly import AnomalyModule
from avforensics.lightning.callbacks.curve import LearningCurve
from avforensics.lightning.features import FeatureData, Sequences
from avforensics.lightning.rows import ClipRows
from avforensics.models.anomaly import anomaly_model
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.objectives import SoftCrossEntropy, SquaredError
from avforensics.models.projection import Projection
from avforensics.models.registered import CLASSES
from avforensics.scoring.result import Features
from avforensics.scoring.sequences import SequencePolicy, score_features

TAU, LEN = 3, 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_store(
        tmp_path_factory.mktemp("store"), real={"anomaly": 40, "val": 8, "test": 20}, fake=20
    )


def run(folder, output, *overrides, curve=False):
    settings = [
        *([] if curve else ["callbacks.curve=null"]),  # drawing it takes longer than the training
        f"features={folder}",
        f"output_dir={output}",
        f"tau={TAU}",
        f"max_len={LEN}",
        "decoder.width=16",
        "decoder.heads=2",
        "callbacks.estimate=null",
        "data.batch_size=8",
        "trainer.max_epochs=2",
        "trainer.log_every_n_steps=1",
        "optimizer.lr=1e-2",
        *overrides,
    ]
    assert train.run(composed("train", *settings)) == 0
    return load_bundle(Path(output) / "model.safetensors")


def prepared(folder, **options):
    settings = {"components": None, "tau": TAU, "max_len": LEN, "batch_size": 8}
    data = FeatureData(features=folder, **(settings | options))
    data.setup()
    return data


def module(**objectives):
    torch.manual_seed(0)
    return AnomalyModule(
        objectives=objectives,
        decoder=lambda **sizes: PublishedDecoder(width=16, heads=2, dropout=0, **sizes),
        optimizer=torch.optim.Adam,
        max_len=LEN,
        tau=TAU,
        components=4,
    )


def assert_same_weights(one, two, *parts):
    for part in parts:
        expected, found = (getattr(models, part).state_dict() for models in (one, two))
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def scores(folder, models, split="test"):
    """Distribution and activation score of every clip, and the labels."""
    store = FeatureStore.open(folder).select(split=split)
    found = []
    for index in range(len(store)):
        features = Features(
            sync_logits=store.logits(index),
            projected=models.projection(torch.from_numpy(store.activations(index))).numpy(),
            valid_audio=store.valid_audio(index),
        )
        policy = SequencePolicy(max_len=LEN)
        _, (score,) = score_features(features, models.distribution, models.activation, policy)
        found.append((score.distribution_score, score.activation_score))
    return np.array(found), np.array([entry.label for entry in store])


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("run")
    settings = ["experiment=anomaly", "components=4", "trainer.max_epochs=12"]
    models = run(folder, output, *settings, curve=True)
    return output, models


def test_one_run_gives_everything_that_scores_a_video(folder, trained):
    output, models = trained
    assert [name for name, _ in models.parts()] == [
        "sync", "distribution", "activation", "projection",
    ]  # fmt: skip
    assert isinstance(models.distribution, PublishedDecoder)
    assert models.notice == "Made of numbers."
    assert models.metadata["anomaly"]["activation"]["objective"] == "SquaredError"
    found, label = scores(folder, models)
    for column in found.T:  # clips that jump score above steady clips
        assert roc_auc_score(label, column) > 0.95
    assert (output / "forecasts.png").stat().st_size > 0


def test_the_bundle_holds_the_best_weights_of_each_model(folder, trained):
    output, models = trained
    curve = json.loads((output / "curve.json").read_text())
    found, _ = scores(folder, models, split="val")
    for column, part in zip(found.T, ("distribution", "activation"), strict=True):
        best = min(measured[part] for *_, measured in curve["val"])
        assert column.mean() == pytest.approx(best, rel=1e-4)
        assert models.metadata["anomaly"][part]["val_loss"] == pytest.approx(best)
    assert curve["val"][-1][2]["best"] <= curve["val"][-1][2]["loss"]


def test_training_both_is_training_each(folder, tmp_path):
    settings = ["decoder.dropout=0", "components=4"]
    both = run(folder, tmp_path / "both", "experiment=anomaly", *settings)
    alone = run(folder, tmp_path / "one", "experiment=anomaly_distribution", *settings)
    assert alone.activation is None
    expected, found = alone.distribution.state_dict(), both.distribution.state_dict()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("experiment", "extra"),
    [
        ("distribution_ce", []),
        ("distribution_bce", []),
        ("discrete", []),
        ("naive_bayes", ["trainer.max_epochs=1", "objective.distribution.delays=7"]),
        ("grid", ["objective.distribution.delays=7", "objective.distribution.levels=4"]),
        ("distribution", ["decoder=clean"]),
        ("distribution", ["decoder=rotary", "objective=earth_mover"]),
    ],
)
def test_every_row_of_the_table_trains_and_comes_back(folder, tmp_path, experiment, extra):
    models = run(folder, tmp_path, f"experiment=anomaly_{experiment}", *extra)
    model = anomaly_model(models.distribution, "distribution")
    store = FeatureStore.open(folder).select(split="val")
    losses = [model(torch.from_numpy(store.logits(i)[None, :LEN]))[0].mean() for i in range(8)]
    best = models.metadata["anomaly"]["distribution"]["val_loss"]
    assert torch.stack(losses).mean().item() == pytest.approx(best, rel=1e-4)


def test_activation_v_looks_at_the_picture_alone(folder, tmp_path):
    models = run(folder, tmp_path, "experiment=anomaly_activation_v", "components=3")
    activations = torch.from_numpy(FeatureStore.open(folder).activations(0))
    other = activations.clone()
    other[:, 6:] += 10
    assert torch.equal(models.projection(other), models.projection(activations))
    assert models.projection(activations).abs().max() > 0.1


def test_pca_of_the_training_clips(folder):
    data = prepared(folder, components=4)
    store = FeatureStore.open(folder).select(split="anomaly", label=0)
    activations = torch.from_numpy(np.concatenate([store.activations(i) for i in range(40)]))
    expected = Projection.fit(activations, outputs=4)(activations)
    # the sign of a component is free, and the clips come in another order
    found = data.projection(activations)
    torch.testing.assert_close(found.abs(), expected.abs(), atol=1e-3, rtol=1e-3)


def test_a_smaller_tau_keeps_the_middle(folder):
    data = prepared(folder, tau=2)
    store = FeatureStore.open(folder).select(split="anomaly", label=0)
    np.testing.assert_array_equal(data.train_set[3]["logits"], store.logits(3)[:, 1:6])


def test_windows_that_reach_into_the_padding_are_left_out(tmp_path):
    folder = write_store(tmp_path, real={"anomaly": 4, "val": 2}, valid_audio=slice(TAU, -TAU))
    data = prepared(folder, audio="context", batch_size=4)
    store = FeatureStore.open(folder).select(split="anomaly", label=0)
    found = data.train_set[2]
    assert found["length"] == 6
    np.testing.assert_array_equal(found["logits"][:6], store.logits(2)[TAU:-TAU])


def test_sequences_begin_anywhere_but_the_same_in_every_run():
    rows = ClipRows(torch.arange(10.0)[:, None])
    short = ClipRows(torch.arange(4.0)[:, None])

    def drawn(epoch, index, **options):
        item = Sequences([rows, short], max_len=6, **options)[epoch, index]
        return item["logits"][:, 0].tolist(), item["length"]

    assert drawn(3, 0) == ([0, 1, 2, 3, 4, 5], 6)
    assert drawn(3, 1) == ([0, 1, 2, 3, 0, 0], 4)
    starts = [drawn(epoch, 0, anywhere=True)[0][0] for epoch in range(40)]
    assert set(starts) == {0, 1, 2, 3, 4}
    assert starts == [drawn(epoch, 0, anywhere=True)[0][0] for epoch in range(40)]


def test_sound_is_moved_by_another_shift_in_every_epoch():
    windows, delays = torch.arange(10.0)[:, None], torch.arange(9.0)
    clip = ClipRows(100 * windows + delays, windows.clone(), -windows, reach=2, start=20)
    drawn = Sequences([clip], max_len=8, shift=2)
    seen = set()
    for epoch in range(40):
        item = drawn[epoch, 0]
        first, delay = divmod(int(item["logits"][0, 0]), 100)
        frames = delay - 2
        assert first == max(-frames, 0)  # windows without sound are left out
        assert torch.equal(item["logits"][0], 100.0 * first + torch.arange(5) + delay)
        # picture of the window, sound of another window
        assert torch.equal(
            item["activations"][:, 0],
            torch.full((8,), -float(frames)) + torch.arange(first, first + 8),
        )
        seen.add(frames)
    assert seen == {-2, -1, 0, 1, 2}
    assert torch.equal(drawn[3, 0]["logits"], drawn[3, 0]["logits"])


def test_a_model_of_moved_sound_finds_a_constant_offset_usual(tmp_path):
    folder = write_store(tmp_path / "s", real={"anomaly": 40, "val": 8, "test": 20}, tau=5)
    offset = {}
    for shift in (0, 2):
        models = run(
            folder, tmp_path / str(shift), "experiment=anomaly_distribution",
            f"data.shift={shift}", "trainer.max_epochs=12",
        )  # fmt: skip
        store = FeatureStore.open(folder).select(split="test")
        rows = [ClipRows(torch.from_numpy(store.logits(i)), reach=2) for i in range(len(store))]
        model = anomaly_model(models.distribution, "distribution")
        score = {
            frames: np.mean([model(r.moved(frames)["logits"][None])[0].mean().item() for r in rows])
            for frames in (0, 2)
        }
        offset[shift] = score[2] - score[0]
    assert offset[0] > 0.3
    assert abs(offset[2]) < offset[0] / 3


def test_padding_does_not_count(folder):
    model = module(distribution=SoftCrossEntropy(), activation=SquaredError())
    data = prepared(folder, components=4)
    items = [data.train_set[index] for index in (3, 4)]
    assert [item["length"] for item in items] == [12, 9]
    batch = torch.utils.data.default_collate(items)
    for part, together in model.scores(batch).items():
        for item, score in zip(items, together, strict=True):
            single = torch.utils.data.default_collate([item])
            torch.testing.assert_close(score, model.scores(single)[part][0])
    before = model.loss(batch)
    batch["logits"][1, 9:] = batch["activations"][1, 9:] = 1e3
    torch.testing.assert_close(model.loss(batch), before)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(folder, tmp_path, monkeypatch):
    settings = ["experiment=anomaly", "components=4", "callbacks.last.every_n_steps=1"]
    monkeypatch.setattr(LearningCurve, "_draw", lambda *_: None)
    whole = run(folder, tmp_path / "whole", *settings, curve=True)
    step = AnomalyModule.training_step

    def killed(module, batch, index):
        if module.global_step == 7:  # in mid-epoch, with five steps per epoch
            raise KeyboardInterrupt
        return step(module, batch, index)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(AnomalyModule, "training_step", killed)
        run(folder, tmp_path / "cut", *settings, curve=True)
    again = run(folder, tmp_path / "cut", *settings, "ckpt=last", curve=True)
    curves = [json.loads((tmp_path / n / "curve.json").read_text()) for n in ("whole", "cut")]
    assert curves[0] == curves[1]
    assert_same_weights(whole, again, "distribution", "activation")


def test_not_a_number_names_the_clips(tmp_path):
    folder = write_store(tmp_path / "store", real={"anomaly": 8, "val": 2})
    data = prepared(folder)
    data.train_set.clips[5].logits[2, 1] = torch.nan
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    with pytest.raises(TrainingError, match=r"is nan; its clips are .*/c\d\.mp4"):
        trainer.fit(module(distribution=SoftCrossEntropy()), datamodule=data)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tau": 9}, ConfigError, "has delays up to 3 frames, but 9 are needed"),
        ({"shift": 2}, ConfigError, "extract its clips again with max_delay=5"),
        ({"shift": -1}, ConfigError, "shift at least 0"),
        ({"train": "sync"}, ManifestError, "no clip with split sync and label 0"),
        ({"batch_size": 64}, ConfigError, "40 real clips .* do not fill one batch of 64"),
        ({"components": 40}, ConfigError, "choose fewer components"),
        ({"modality": "sound"}, ConfigError, "one of both, video"),
        ({"folder": "nowhere"}, ConfigError, "no feature store"),
    ],
)
def test_mistakes_are_one_sentence(folder, options, error, message):
    with pytest.raises(error, match=message):
        prepared(**({"folder": folder, "components": 4} | options))


def test_a_projection_must_be_savable_and_linear_where_sound_is_moved(tmp_path, monkeypatch):
    monkeypatch.setattr(CLASSES, "_entries", dict(CLASSES._entries))
    folder = write_store(tmp_path, real={"anomaly": 8, "val": 2}, tau=TAU + 1)

    class Curved(Projection):
        linear = False

    with pytest.raises(ConfigError, match=r"a network that contains Curved cannot be saved"):
        prepared(folder, components=4, projection=Curved.fit)
    register(Curved)
    prepared(folder, components=4, projection=Curved.fit)
    with pytest.raises(ConfigError, match=r"data\.shift needs a linear .* Curved is not linear"):
        prepared(folder, components=4, projection=Curved.fit, shift=1)


def test_shared_identities_are_refused(tmp_path):
    folder = write_store(tmp_path, real={"anomaly": 8, "val": 4})
    lines = (folder / "index.jsonl").read_text().replace('"id9"', '"id3"')
    (folder / "index.jsonl").write_text(lines)
    with pytest.raises(ManifestError, match=r"share 1 identity: id3"):
        prepared(folder)
    prepared(folder, disjoint=False)


def test_identities_are_held_out_where_there_is_no_validation_split(folder):
    data = prepared(folder, val=None, held_out=0.2)
    assert (len(data.train_set), len(data.val_set)) == (32, 8)


def test_weights_to_begin_with(folder, tmp_path, trained):
    output, models = trained
    bundle = output / "model.safetensors"
    settings = ["experiment=anomaly", "components=4", f"init.bundle={bundle}", "optimizer.lr=0"]
    again = run(folder, tmp_path, *settings, "optimizer.weight_decay=0")
    assert_same_weights(models, again, "distribution", "activation", "projection")
    with pytest.raises(
        InstantiationException, match=r"model of init does not match .* here missing"
    ):
        run(folder, tmp_path / "b", *settings, "decoder=clean", "decoder.sink=true")


def test_shorter_sequences_use_the_first_positions(folder, tmp_path, trained):
    bundle = trained[0] / "model.safetensors"
    models = run(
        folder, tmp_path, "experiment=anomaly_distribution", "max_len=6", "optimizer.lr=0",
        f"init.bundle={bundle}", "optimizer.weight_decay=0",
    )  # fmt: skip
    expected = load_models({"bundle": str(bundle)}).distribution.position[:, :5]
    assert torch.equal(models.distribution.position, expected)
