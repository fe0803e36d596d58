"""Shards and index of a feature store are read back as written, and are never incomplete."""

import json
from dataclasses import replace

import numpy as np
import pytest

from avforensics.errors import ConfigError, ManifestError
from avforensics.features.shards import Extracted, ShardWriter, read_clips
from avforensics.features.store import Entry, FeatureStore, StoreInfo, write_index, write_info

KIND = {"activations": "float32", "max_windows": None, "precision": "float32"}
INFO = StoreInfo(network="a" * 64, max_delay=3, activation_width=6, **KIND)


def features(seed, windows):
    rng = np.random.default_rng(seed)
    return {
        "sync_logits": rng.normal(size=(windows, 7)).astype(np.float32),
        "valid_audio": rng.random(windows) > 0.5,
        "activations": 100 * rng.normal(size=(windows, 6)).astype(np.float32),
    }


def fill(folder, *, activations="float32", max_windows=50_000):
    """Write clips a (5 windows), b (failed) and c (9 windows)."""
    with ShardWriter(folder, activations=activations, max_windows=max_windows) as writer:
        writer.add(Extracted(key="a", size=1, mtime_ns=2, silence=0.5), **features(1, 5))
        writer.add(Extracted(key="b", size=0, mtime_ns=0, error="no such file"))
        writer.add(Extracted(key="c", size=1, mtime_ns=2), **features(3, 9))


def store(folder, **info):
    clips, _ = read_clips(folder)
    write_info(folder, replace(INFO, **info))
    rows = [
        Entry(path="/a.mp4", label=0, split="anomaly", identity="x", clip=clips["a"]),
        Entry(path="/b.mp4", label=0, split="anomaly", clip=clips["b"]),
        Entry(path="/c.mp4", label=1, split="test", segments=((0.5, 1.0),), clip=clips["c"]),
    ]
    write_index(folder, rows)
    return FeatureStore.open(folder), rows


def test_what_is_written_comes_back(tmp_path):
    fill(tmp_path)
    opened, rows = store(tmp_path)
    assert opened.info == INFO
    assert list(opened) == rows
    for index, (seed, windows) in {0: (1, 5), 2: (3, 9)}.items():
        expected = features(seed, windows)
        np.testing.assert_array_equal(opened.logits(index), expected["sync_logits"])
        np.testing.assert_array_equal(opened.activations(index), expected["activations"])
        np.testing.assert_array_equal(opened.valid_audio(index), expected["valid_audio"])
    assert opened[0].clip.silence == 0.5
    assert [entry.path for entry in opened.failed] == ["/b.mp4"]
    with pytest.raises(ValueError, match=r"b\.mp4 has no features: no such file"):
        opened.logits(1)


def test_half_precision_keeps_rows_exact(tmp_path):
    fill(tmp_path, activations="float16")
    opened, _ = store(tmp_path, activations="float16")
    np.testing.assert_array_equal(opened.logits(2), features(3, 9)["sync_logits"])
    kept = opened.activations(2)
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, features(3, 9)["activations"], rtol=1e-3)
    assert not np.array_equal(kept, features(3, 9)["activations"])


def test_without_activations(tmp_path):
    fill(tmp_path, activations="none")
    opened, _ = store(tmp_path, activations="none")
    np.testing.assert_array_equal(opened.logits(0), features(1, 5)["sync_logits"])
    with pytest.raises(ConfigError, match="were not kept"):
        opened.activations(0)


def test_selection(tmp_path):
    fill(tmp_path)
    opened, _ = store(tmp_path)
    real = opened.select(split="anomaly", label=0)
    assert [entry.path for entry in real] == ["/a.mp4"]  # b has no features
    np.testing.assert_array_equal(real.logits(0), features(1, 5)["sync_logits"])
    long = opened.select(lambda entry: entry.n_windows > 5)
    np.testing.assert_array_equal(long.logits(0), features(3, 9)["sync_logits"])
    with pytest.raises(ManifestError, match=r"no clip with split val; available: split anomaly"):
        opened.select(split="val")


def test_a_later_run_replaces_a_clip(tmp_path):
    fill(tmp_path)
    with ShardWriter(tmp_path, first=1) as writer:
        writer.add(Extracted(key="b", size=4, mtime_ns=5), **features(2, 4))
    clips, damaged = read_clips(tmp_path)
    assert (clips["b"].error, clips["b"].n_windows, damaged) == (None, 4, [])


@pytest.mark.parametrize("only_failures", [True, False])
def test_an_error_in_the_loop_keeps_what_is_done(tmp_path, only_failures):
    error, arrays = ("no such file", {}) if only_failures else (None, features(1, 5))
    with pytest.raises(RuntimeError), ShardWriter(tmp_path) as writer:
        writer.add(Extracted(key="a", size=1, mtime_ns=2, error=error), **arrays)
        raise RuntimeError
    assert {key: clip.error for key, clip in read_clips(tmp_path)[0].items()} == {"a": error}


def test_one_clip_a_shard_and_a_damaged_one(tmp_path):
    fill(tmp_path, max_windows=1)
    assert len(list((tmp_path / "shards").iterdir())) == 2  # the failed clip shares one
    activations = store(tmp_path)[0].activations(2)
    np.testing.assert_array_equal(activations, features(3, 9)["activations"])
    last = max((tmp_path / "shards").iterdir())
    last.write_bytes(last.read_bytes()[:40])
    clips, damaged = read_clips(tmp_path)
    assert set(clips) == {"a"}
    assert damaged == [last]


def test_shard_lost_after_the_index(tmp_path):
    fill(tmp_path)
    opened, _ = store(tmp_path)
    next((tmp_path / "shards").iterdir()).unlink()
    with pytest.raises(ConfigError, match="missing or damaged"):
        opened.logits(0)


def test_a_folder_that_is_no_store(tmp_path):
    with pytest.raises(ConfigError, match="no feature store"):
        FeatureStore.open(tmp_path)
    for content, message in (
        ({"version": 9}, "store version 9"),
        ({"version": 1, "foreign": 1}, "does not describe"),
    ):
        (tmp_path / "store.json").write_text(json.dumps(content))
        with pytest.raises(ConfigError, match=message):
            FeatureStore.open(tmp_path)
