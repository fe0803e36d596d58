"""Shards and index of a feature store: what is written comes back, and nothing half-written."""

import json
from dataclasses import replace

import numpy as np
import pytest

from avforensics.errors import ConfigError, ManifestError
from avforensics.features.shards import Extracted, ShardWriter, read_clips
from avforensics.features.store import Entry, FeatureStore, StoreInfo, write_index, write_info

INFO = StoreInfo(
    network="a" * 64,
    max_delay=3,
    activation_width=6,
    activations="float32",
    max_windows=None,
    precision="float32",
)


def features(seed, windows):
    rng = np.random.default_rng(seed)
    return {
        "sync_logits": rng.normal(size=(windows, 7)).astype(np.float32),
        "valid_audio": rng.random(windows) > 0.5,
        "activations": 100 * rng.normal(size=(windows, 6)).astype(np.float32),
    }


def fill(folder, *, activations="float32", max_windows=50_000):
    """Clips a (5 windows), b (failed), c (9 windows)."""
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


def test_one_clip_a_shard(tmp_path):
    fill(tmp_path, max_windows=1)
    assert len(list((tmp_path / "shards").iterdir())) == 2  # the failed clip goes with the next
    opened, _ = store(tmp_path)
    np.testing.assert_array_equal(opened.activations(2), features(3, 9)["activations"])


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


def test_a_failed_clip_has_no_features(tmp_path):
    fill(tmp_path)
    with pytest.raises(ValueError, match=r"b\.mp4 has no features: no such file"):
        store(tmp_path)[0].logits(1)


def test_selection(tmp_path):
    fill(tmp_path)
    opened, _ = store(tmp_path)
    real = opened.select(split="anomaly", label=0)
    assert [entry.path for entry in real] == ["/a.mp4"]  # b has no features
    np.testing.assert_array_equal(real.logits(0), features(1, 5)["sync_logits"])
    long = opened.select(lambda entry: entry.n_windows > 5)
    np.testing.assert_array_equal(long.logits(0), features(3, 9)["sync_logits"])
    with pytest.raises(ManifestError, match=r"no clip with split val; there is: split anomaly"):
        opened.select(split="val")


def test_a_later_run_replaces_a_clip(tmp_path):
    fill(tmp_path)
    with ShardWriter(tmp_path, first=1) as writer:
        writer.add(Extracted(key="b", size=4, mtime_ns=5), **features(2, 4))
    clips, damaged = read_clips(tmp_path)
    assert (clips["b"].error, clips["b"].n_windows, damaged) == (None, 4, [])


def test_an_error_in_the_loop_keeps_what_is_done(tmp_path):
    with pytest.raises(RuntimeError), ShardWriter(tmp_path) as writer:
        writer.add(Extracted(key="a", size=1, mtime_ns=2), **features(1, 5))
        raise RuntimeError
    assert set(read_clips(tmp_path)[0]) == {"a"}


def test_only_failures_make_a_shard_too(tmp_path):
    with ShardWriter(tmp_path) as writer:
        writer.add(Extracted(key="b", size=0, mtime_ns=0, error="no such file"))
    assert read_clips(tmp_path)[0]["b"].error == "no such file"


def test_a_damaged_shard_is_named(tmp_path):
    fill(tmp_path, max_windows=1)
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no feature store"),
        ({"version": 9}, "store version 9"),
        ({"version": 1, "foreign": 1}, "not the description"),
    ],
)
def test_a_folder_that_is_no_store(tmp_path, content, message):
    if content is not None:
        (tmp_path / "store.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message):
        FeatureStore.open(tmp_path)


def test_an_unfinished_store_is_refused(tmp_path):
    write_info(tmp_path, INFO)
    with pytest.raises(ConfigError, match="has not finished"):
        FeatureStore.open(tmp_path)
