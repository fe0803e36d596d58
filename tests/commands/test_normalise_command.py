import csv
import os

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from avforensics.commands import normalise
from avforensics.data.clips import RandomClips
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError
from avforensics.media.writer import write_clip


def call(*overrides):
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        return normalise.run(compose("normalise", [*overrides, "recipe.size=32"]))


@pytest.fixture
def listed(tmp_path):
    """Three good clips, one of them listed twice, and a file of text."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(3):
        path = tmp_path / "in" / f"p{i}" / "clip.mp4"
        write_clip(
            path,
            np.full((30, 48, 64, 3), 80 * i, np.uint8),
            rng.integers(-9999, 9999, 30 * 640).astype(np.int16),
        )
        rows.append(Row(str(path), i % 2, identity=f"p{i}", split="sync"))
    (tmp_path / "in" / "text.mp4").write_text("no video")
    rows += [rows[0]._replace(category="again"), Row(str(tmp_path / "in" / "text.mp4"), 1)]
    Manifest(rows).write(tmp_path / "in.csv")
    return tmp_path


def test_normalised_clips_feed_the_training_reader(listed, caplog):
    caplog.set_level("INFO")
    options = (f"manifest={listed / 'in.csv'}", f"output={listed / 'out'}", "workers=1")
    assert call(*options) == 1
    manifest = Manifest.read(listed / "out" / "manifest.csv")
    assert [row.identity for row in manifest] == ["p0", "p1", "p2", "p0"]
    assert [row.label for row in manifest] == [0, 1, 0, 0]
    assert manifest[0].path == manifest[3].path == str(listed / "out/clips/p0/clip.mp4")
    assert {row.duration for row in manifest} == {1.2}
    (failure,) = csv.DictReader((listed / "out" / "failures.csv").open())
    assert failure["path"].endswith("text.mp4")
    assert failure["reason"] == "not a media file, or damaged beyond recognition"
    assert "4 of 5 clips" in caplog.text
    item = RandomClips(manifest, clips_per_video=2)[2]
    assert item["frames"].shape == (2, 5, 32, 32, 3)
    assert abs(item["frames"].mean() - 160) < 3
    assert item["broken"] == ""


def test_the_unforged_part_of_a_forgery_is_left_out(listed, caplog):
    caplog.set_level("INFO")
    fake = Row(str(listed / "in/p0/clip.mp4"), 1, segments=((0.8, 1.0),))
    Manifest([fake, fake._replace(duration=0.6)]).write(listed / "in.csv")
    assert call(f"manifest={listed / 'in.csv'}", f"output={listed / 'out'}", "workers=1") == 0
    (row,) = Manifest.read(listed / "out" / "manifest.csv")
    assert row.segments == fake.segments
    assert "left out: 1 clips in the unforged part of a partial forgery" in caplog.text


def test_a_second_run_makes_only_what_is_missing(listed, caplog, monkeypatch):
    caplog.set_level("INFO")
    options = (f"manifest={listed / 'in.csv'}", f"output={listed / 'out'}", "workers=1")
    call(*options)
    before = Manifest.read(listed / "out" / "manifest.csv")
    made = []
    real = normalise.normalise_clip
    monkeypatch.setattr(
        normalise, "normalise_clip", lambda row, *rest: (made.append(row.path), real(row, *rest))[1]
    )
    (listed / "out/clips/p1/clip.mp4").unlink()
    call(*options)
    assert [path.rsplit("/", 2)[1] for path in made] == ["p1", "in"]
    assert Manifest.read(listed / "out" / "manifest.csv").rows == before.rows
    assert "(2 from before)" in caplog.text
    made.clear()
    call(*options, "recipe.crf=30")
    assert len(made) == 4


@pytest.mark.parametrize("suffix", [".mp4", ".wav"])
def test_a_clip_that_was_changed_is_made_again(listed, caplog, suffix):
    caplog.set_level("INFO")
    options = (f"manifest={listed / 'in.csv'}", f"output={listed / 'out'}", "workers=1")
    call(*options)
    path = (listed / "out/clips/p0/clip.mp4").with_suffix(suffix)
    changed = path.read_bytes() + b"0"
    os.utime(path, (1, 1))
    call(*options)
    assert "(3 from before)" in caplog.text, "a copy may have another time"
    path.write_bytes(changed)
    call(*options)
    assert "(2 from before)" in caplog.text and path.read_bytes() != changed


def test_processes_write_the_same_bytes(listed):
    for workers in (1, 2):
        folder = listed / f"out{workers}"
        assert call(f"manifest={listed / 'in.csv'}", f"output={folder}", f"workers={workers}") == 1
    hashes = [
        [row.hash for row in Manifest.read(listed / f"out{workers}" / "manifest.csv")]
        for workers in (1, 2)
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes[0])) == 3


def test_the_input_is_not_written_over(listed):
    (listed / "in.csv").rename(listed / "manifest.csv")
    before = (listed / "manifest.csv").read_bytes()
    with pytest.raises(ConfigError, match="this run would write over it"):
        call(f"manifest={listed / 'manifest.csv'}", f"output={listed}", "workers=1")
    assert (listed / "manifest.csv").read_bytes() == before


def test_no_workers(listed):
    with pytest.raises(ConfigError, match="workers must be at least 1"):
        call(f"manifest={listed / 'in.csv'}", f"output={listed / 'out'}", "workers=0")
