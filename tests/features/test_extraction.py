"""Extraction: stores hold what scoring computes, even after kills, with bad files or in shares."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avforensics.data.manifest import Manifest
from avforensics.errors import ConfigError
from avforensics.features import fill
from avforensics.features.fill import clip_key, extract_features
from avforensics.features.settings import ExtractionSettings
from avforensics.features.store import FeatureStore
from avforensics.lightning.rows import ClipRows
from avforensics.media.types import HOP
from avforensics.media.wav import write_wav
from avforensics.models.projection import Projection
from avforensics.scoring.extractor import FeatureExtractor
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.source import Clip

RUNTIME = RuntimeOptions(device="cpu")
CPU = ExtractionSettings(runtime=RUNTIME)


def extract(clips, folder, bundle, **options):
    options.setdefault("settings", CPU)
    return extract_features(clips, folder, {"bundle": str(bundle)}, workers=1, **options)


@pytest.fixture(scope="module")
def plain(clips, sync_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    extract(clips, folder, sync_bundle)
    return FeatureStore.open(folder)


def assert_same(store, other):
    assert [entry.path for entry in store] == [entry.path for entry in other]
    for index in range(len(store)):
        np.testing.assert_allclose(store.logits(index), other.logits(index), atol=1e-5)
        np.testing.assert_allclose(store.activations(index), other.activations(index), atol=1e-4)
        np.testing.assert_array_equal(store.valid_audio(index), other.valid_audio(index))


def test_store_holds_what_the_extractor_gives(plain, clips, network):
    extractor = FeatureExtractor(network, runtime=RUNTIME, keep_activations=True)
    for index, row in enumerate(clips):
        (found,) = extractor.extract([Clip(Path(row.path))])
        features = found.features
        np.testing.assert_allclose(plain.logits(index), features.sync_logits, atol=1e-5)
        np.testing.assert_allclose(plain.activations(index), features.activations, atol=1e-4)
        assert plain[index].n_windows == found.media.n_frames - 4
        assert (plain[index].label, plain[index].split) == (row.label, row.split)
        assert plain[index].clip.sha256 == found.sha256
        assert plain[index].clip.silence == pytest.approx(0.1, abs=0.04)  # AAC blurs the start


def test_a_part_of_a_file_gives_the_features_of_that_part(plain, clips, sync_bundle, tmp_path):
    part = Manifest([clips[3]._replace(start=0.4, duration=0.64)])
    extract(part, tmp_path, sync_bundle)
    store = FeatureStore.open(tmp_path)
    assert store[0].n_windows == 12  # 16 frames
    # windows whose delays all see sound of the part see the same as in the whole file
    valid_audio = store.valid_audio(0)
    assert valid_audio.tolist() == [False] * 3 + [True] * 6 + [False] * 3
    np.testing.assert_allclose(
        store.logits(0)[valid_audio], plain.logits(3)[10:22][valid_audio], atol=1e-5
    )


def test_only_the_first_windows(plain, clips, sync_bundle, tmp_path):
    settings = ExtractionSettings(runtime=RUNTIME, max_windows=6, activations="none")
    extract(clips, tmp_path, sync_bundle, settings=settings)
    store = FeatureStore.open(tmp_path)
    for index in range(len(clips)):
        np.testing.assert_allclose(store.logits(index), plain.logits(index)[:6], atol=1e-5)


@pytest.fixture(scope="module")
def wide(clips, sync_bundle, tmp_path_factory):
    """A store of the same clips with two more delays on each side."""
    folder = tmp_path_factory.mktemp("wide")
    extract(clips, folder, sync_bundle, settings=ExtractionSettings(runtime=RUNTIME, max_delay=5))
    return FeatureStore.open(folder)


def test_more_delays_than_the_network_scores_with(plain, wide):
    assert wide.logits(0).shape == (16, 11)
    assert wide.info.max_delay == 5
    assert wide.valid_audio(0).tolist() == [False] * 5 + [True] * 6 + [False] * 5
    assert wide.within(3).info.max_delay == 3

    def long_enough(entry):  # for complete sound at eleven delays
        return entry.n_windows > 10

    expected = plain.select(long_enough)
    assert len(expected) == 3
    assert_same(wide.select(long_enough).within(3), expected)
    assert_same(wide.within(4).select(long_enough).within(3), expected)
    with pytest.raises(ConfigError, match="extract its clips again with max_delay=6"):
        wide.within(6)


@pytest.mark.parametrize("late", [-2, -1, 1, 2])
def test_moved_rows_are_those_of_moved_sound(clips, sync_bundle, tmp_path, late):
    for name, edit, delays in (("wide", "", 9), ("shifted", f"shift={late}", 7)):
        settings = ExtractionSettings(runtime=RUNTIME, max_delay=delays, edit=edit)
        extract(clips, tmp_path / name, sync_bundle, settings=settings)
    wide, shifted = (FeatureStore.open(tmp_path / name) for name in ("wide", "shifted"))
    activations = [wide.activations(index) for index in range(len(wide))]
    projection = Projection.fit(torch.from_numpy(np.concatenate(activations)), outputs=4)
    for index in range(len(clips)):
        rows = ClipRows.of(
            torch.from_numpy(wide.logits(index)),
            torch.from_numpy(activations[index]),
            projection,
            reach=2,
        )
        moved = rows.moved(-late)
        expected = shifted.logits(index)
        # Except crops that reach into the sound removed by the edit, and crops at the end.
        crop = np.arange(len(expected))[:, None] + np.arange(-7, 8)
        same = ((crop < -4) | (crop >= 0)) & (crop < len(expected))
        np.testing.assert_allclose(moved["logits"][same], expected[same], atol=1e-5)
        expected = projection(torch.from_numpy(shifted.activations(index)))
        torch.testing.assert_close(moved["activations"], expected, atol=1e-3, rtol=1e-4)


def test_a_kill_costs_unfinished_shards_only(plain, clips, sync_bundle, tmp_path):
    settings = ExtractionSettings(runtime=RUNTIME, max_seconds=0.0)  # one shard per clip

    def stop_after_two(path, clip):
        seen.append(path)
        if len(seen) == 2:
            raise KeyboardInterrupt

    extract(Manifest(clips[:1]), tmp_path, sync_bundle)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        extract(clips, tmp_path, sync_bundle, settings=settings, advance=stop_after_two)
    with pytest.raises(ConfigError, match="has not finished"):
        FeatureStore.open(tmp_path)
    again = []
    outcome = extract(clips, tmp_path, sync_bundle, advance=lambda path, _: again.append(path))
    assert again == [row.path for row in clips][3:]
    assert (outcome.reused, outcome.extracted, outcome.left) == (3, 5, 0)
    assert_same(FeatureStore.open(tmp_path), plain)


def test_ranks_that_do_not_know_of_each_other(plain, clips, sync_bundle, tmp_path):
    first = extract(clips, tmp_path, sync_bundle, rank=1, world=2)
    assert (first.extracted, first.left) == (2, 3)
    second = extract(clips, tmp_path, sync_bundle, rank=0, world=2)
    assert (second.extracted, second.left) == (5, 0)
    assert_same(FeatureStore.open(tmp_path), plain)


def test_two_commands_in_one_cold_store_do_not_write_over_each_other(
    plain, clips, sync_bundle, tmp_path, monkeypatch
):
    settings = ExtractionSettings(runtime=RUNTIME, max_seconds=0.0)  # one shard per clip
    begun = False

    def other_begins(path, clip):
        nonlocal begun
        if not begun:  # a second command, after the first clip
            begun = True
            extract(clips, tmp_path, sync_bundle, settings=settings)

    monkeypatch.setattr(fill, "shard_paths", lambda folder: [])  # as if both had begun at once
    extract(clips, tmp_path, sync_bundle, settings=settings, advance=other_begins)
    assert len(list((tmp_path / "shards").iterdir())) == 5 + 4
    assert_same(FeatureStore.open(tmp_path), plain)


def test_broken_files_are_listed_and_tried_again(clips, sync_bundle, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    rows = [clips[0], clips[1]._replace(path=str(broken)), clips[2]]
    outcome = extract(Manifest(rows), tmp_path / "store", sync_bundle)
    assert [path for path, _ in outcome.failed] == [str(broken)]
    assert outcome.extracted == 2
    store = FeatureStore.open(tmp_path / "store")
    assert [entry.error is None for entry in store] == [True, False, True]
    broken.write_bytes(Path(clips[1].path).read_bytes())
    mended = extract(Manifest(rows), tmp_path / "store", sync_bundle)
    assert (mended.failed, mended.reused) == ((), 2)


def test_a_changed_file_or_sound_is_read_again(clips, sync_bundle, tmp_path):
    path, sound, store = tmp_path / "clip.mp4", tmp_path / "clip.wav", tmp_path / "store"
    path.write_bytes(Path(clips[0].path).read_bytes())
    write_wav(sound, np.zeros(26 * HOP, np.int16))
    manifest = Manifest([clips[0]._replace(path=str(path), audio=str(sound))])
    assert [extract(manifest, store, sync_bundle).reused for _ in range(2)] == [0, 1]
    path.write_bytes(Path(clips[3].path).read_bytes())
    os.utime(path, ns=(1, 1))
    assert extract(manifest, store, sync_bundle).reused == 0
    assert FeatureStore.open(store)[0].n_windows == 22
    write_wav(sound, np.random.default_rng(0).integers(-9000, 9000, 26 * HOP, np.int16))
    assert extract(manifest, store, sync_bundle).reused == 0
    (entry,) = FeatureStore.open(store)
    assert (entry.audio, entry.clip.silence) == (str(sound), 0.0)


def test_new_labels_need_no_network(clips, sync_bundle, tmp_path):
    extract(clips, tmp_path, sync_bundle)
    changed = Manifest(row._replace(split="other") for row in clips)
    assert extract(changed, tmp_path, sync_bundle).reused == len(clips)
    assert {entry.split for entry in FeatureStore.open(tmp_path)} == {"other"}


def test_a_doubled_row_is_computed_once(clips, sync_bundle, tmp_path):
    rows = [clips[0], clips[0]._replace(category="FVRA-WL", method="wav2lip")]
    seen = []
    extract(Manifest(rows), tmp_path, sync_bundle, advance=lambda path, _: seen.append(path))
    store = FeatureStore.open(tmp_path)
    assert (len(seen), len(store)) == (1, 2)
    np.testing.assert_array_equal(store.logits(0), store.logits(1))


def test_a_store_takes_features_of_one_kind_only(clips, sync_bundle, tmp_path):
    few, other = Manifest(clips[:2]), ExtractionSettings(runtime=RUNTIME, activations="none")
    extract(few, tmp_path, sync_bundle)
    with pytest.raises(ConfigError, match="made with activations float32, not none"):
        extract(few, tmp_path, sync_bundle, settings=other)
    second = ExtractionSettings(runtime=replace(RUNTIME, audio_stream=0))
    with pytest.raises(ConfigError, match="made with audio_stream none, not 0"):
        extract(few, tmp_path, sync_bundle, settings=second)


def test_parts_of_a_file_have_names_of_their_own(clips):
    row = clips[0]
    parts = [row, row._replace(start=1.0), row._replace(duration=1.0), row._replace(audio="/a.wav")]
    assert len({clip_key(part) for part in parts}) == 4
    assert clip_key(row._replace(label=1, split="x")) == clip_key(row)


def test_a_store_that_cannot_be_written_is_an_error(clips, sync_bundle, tmp_path):
    (tmp_path / "shards").touch()  # a file in place of the folder of shards
    with pytest.raises(OSError, match="shards"):
        extract(Manifest([clips[4]]), tmp_path, sync_bundle)


@pytest.mark.slow
def test_two_processes(plain, clips, sync_bundle, tmp_path):
    weights = {"bundle": str(sync_bundle)}
    outcome = extract_features(clips, tmp_path, weights, settings=CPU, workers=2)
    assert outcome.extracted == 5
    assert_same(FeatureStore.open(tmp_path), plain)
