"""Rows of another network: from arrays to a store, an anomaly model and scores."""

import json
import re

import numpy as np
import pytest
from runs import table
from safetensors.numpy import save_file

from avforensics.checkpoints import load_bundle
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError
from avforensics.features.external import ExternalFeatures, import_features
from avforensics.features.store import FeatureStore

WINDOWS = 14


def wander(number, width, *, jump=False):
    """Make vectors that rotate by a constant angle per window; a fake's by random angles."""
    axes = np.random.default_rng(99).normal(size=(2, width))
    random = np.random.default_rng(number)
    angle = random.uniform(0, 2 * np.pi) + 0.6 * np.arange(WINDOWS)
    if jump:
        angle = random.uniform(0, 2 * np.pi, WINDOWS)
    rows = 3 * np.stack([np.cos(angle), np.sin(angle)], 1) @ axes
    return (rows + 0.1 * random.normal(size=rows.shape)).astype(np.float32)


def manifest_of(folder, counts):
    """Make a manifest of videos that need not exist: ``counts`` by split, plus test fakes."""
    rows = []
    for split, count in counts.items():
        for label in (0, 1) if split == "test" else (0,):
            for _ in range(count):
                name = f"{split}{len(rows)}"
                path = f"{folder}/videos/{split}/{name}.mp4"
                rows.append(Row(path, label, "fake" if label else "real", "", name, split))
    return Manifest(rows)


@pytest.mark.parametrize("holds", ["activations", "delays"])
def test_trained_evaluated_and_scored_on_another_networks_rows(avforensics, tmp_path, holds):
    width = 20 if holds == "activations" else 7
    manifest = manifest_of(tmp_path, {"anomaly": 16, "val": 4, "test": 6})
    arrays = tmp_path / "arrays [1]"
    arrays.mkdir()
    for number, row in enumerate(manifest):
        name = row.path.rsplit("/", 1)[1].removesuffix(".mp4")
        rows = wander(number, width, jump=bool(row.label))
        if number % 2:
            np.save(arrays / f"{name}.npy", rows)
        else:
            save_file({"anything": rows}, arrays / f"{name}.safetensors")
    (arrays / "test20.safetensors").unlink()  # the first of the test split
    manifest.write(tmp_path / "m.csv")
    store, run = tmp_path / "store", tmp_path / "run"
    words = [
        "extract", f"manifest={tmp_path / 'm.csv'}", f"output_dir={store}", "features=external",
        f"external.folder={arrays}", "external.name=my network", f"external.holds={holds}",
    ]  # fmt: skip
    assert avforensics(*words) == 1
    entries = list(FeatureStore.open(store))
    assert [entry.error is None for entry in entries].count(False) == 1
    assert "no array test20.safetensors or .npy in" in entries[20].error
    part = {"activations": "activation", "delays": "distribution"}[holds]
    settings = ["tau=3"] if holds == "delays" else ["components=2"]
    train = [
        "train", f"experiment=anomaly_{part}", f"features={store}", f"output_dir={run}",
        "data.batch_size=8", "trainer.max_epochs=8", "optimizer.lr=1e-2", "decoder.width=16",
        "decoder.heads=2", "callbacks.estimate=null", "callbacks.curve=null", *settings,
    ]  # fmt: skip
    assert avforensics(*train) == 0
    bundle = run / "model.safetensors"
    assert load_bundle(bundle).metadata["network"] == "external:my network"
    assert load_bundle(bundle).sync is None
    out = tmp_path / "evaluation"
    evaluate = [
        "evaluate", f"features={store}", f"checkpoint.bundle={bundle}", f"part={part}",
        "select.split=test", "intervals.resamples=20",
    ]  # fmt: skip
    assert avforensics(*evaluate, f"output_dir={out}", "examples=1") == 1
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["overall"]["auc"] > 0.9
    assert "leading_silence" not in metrics["overall"]["baselines"]  # no sound was read
    assert len([row for row in table(out / "scores.csv") if row["score"]]) == 11
    assert list((out / "examples").rglob("*.png"))


def test_a_model_of_another_network_is_refused(avforensics, refusal, tmp_path):
    manifest = manifest_of(tmp_path, {"anomaly": 4, "val": 2, "test": 1})
    (tmp_path / "arrays").mkdir()
    for number, row in enumerate(manifest):
        name = row.path.rsplit("/", 1)[1].replace("mp4", "npy")
        np.save(tmp_path / "arrays" / name, wander(number, 5))
    for name in ("one", "other"):
        source = ExternalFeatures(folder=tmp_path / "arrays", name=name)
        import_features(manifest, tmp_path / name, source)
    train = ["train", "trainer.max_epochs=1", "data.batch_size=4", f"features={tmp_path / 'one'}"]
    train += [f"output_dir={tmp_path / 'run'}", "decoder.width=8", "decoder.heads=2"]
    train += ["callbacks.estimate=null", "callbacks.curve=null"]
    assert avforensics(*train, "experiment=anomaly_activation", "components=3") == 0
    bundle = f"checkpoint.bundle={tmp_path / 'run' / 'model.safetensors'}"
    words = ["evaluate", f"features={tmp_path / 'other'}", bundle, "part=activation"]
    said = refusal(*words, f"output_dir={tmp_path / 'out'}")
    assert "belong to different synchronisation networks" in said
    said = refusal(*train, "experiment=anomaly_distribution")
    assert "expects rows of 31 logits, but the rows in" in said


def test_arrays_are_found_by_name_and_by_the_folders_that_agree(tmp_path):
    manifest = manifest_of(tmp_path, {"anomaly": 1, "val": 1})
    rows = [row._replace(path=row.path.replace("/val1", "/anomaly0")) for row in manifest]
    for number, split in enumerate(("anomaly", "val")):
        (tmp_path / "arrays" / split).mkdir(parents=True)
        np.save(tmp_path / "arrays" / split / "anomaly0.npy", np.full((3, 2), number))
    source = ExternalFeatures(folder=tmp_path / "arrays", name="n")
    assert not import_features(Manifest(rows), tmp_path / "store", source).failed
    store = FeatureStore.open(tmp_path / "store")
    assert [store.activations(index)[0, 0] for index in (0, 1)] == [0, 1]
    again = import_features(Manifest(rows), tmp_path / "store", source)
    assert again.reused == 2


MISTAKES = {
    "one dimension": (np.zeros(5), r"shape \(windows, D\) .* got float64 of shape \(5,\)"),
    "one window": (np.zeros((1, 4)), "at least two windows"),
    "words": (np.array([["a", "b"]] * 3), "must have shape"),
    "objects": (np.array([[None]] * 3, dtype=object), "damaged or not an array"),
    "not finite": (np.array([[1.0, np.nan, 0]] * 3), "not finite"),
    "other width": (np.zeros((3, 5)), "sync_logits has 5 values per window, but the first"),
    "even": (np.zeros((3, 4)), "must be odd and >= 3, got 4"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_an_array_that_cannot_be_used_is_one_sentence_and_the_others_go_on(tmp_path, case):
    array, message = MISTAKES[case]
    manifest = manifest_of(tmp_path, {"anomaly": 2})
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "anomaly0.npy", np.zeros((4, 3)))
    np.save(tmp_path / "arrays" / "anomaly1.npy", array)
    source = ExternalFeatures(folder=tmp_path / "arrays", name="n", holds="delays")
    outcome = import_features(manifest, tmp_path / "store", source)
    (failed,) = outcome.failed
    assert failed[0].endswith("anomaly1.mp4")
    assert re.search(message, failed[1]), failed[1]
    assert "\n" not in failed[1]
    assert FeatureStore.open(tmp_path / "store").info.max_delay == 1


def test_settings_without_meaning(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        ExternalFeatures(folder=tmp_path / "nowhere", name="n")
    with pytest.raises(ConfigError, match="must be one of delays, activations, got 'rows'"):
        ExternalFeatures(folder=tmp_path, name="n", holds="rows")
    with pytest.raises(ConfigError, match="must name the network"):
        ExternalFeatures(folder=tmp_path, name="")
    source = ExternalFeatures(folder=tmp_path, name="n")
    with pytest.raises(ConfigError, match="no usable array; first reason: no array"):
        import_features(manifest_of(tmp_path, {"anomaly": 1}), tmp_path / "store", source)
