import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avforensics.data.ledger import Ledger
from avforensics.data.manifest import Manifest
from avforensics.data.normalise import (
    Done,
    Recipe,
    clip_names,
    clip_row,
    normalise_clip,
    source_hash,
    state_of,
)
from avforensics.data.row import Row
from avforensics.errors import ConfigError, ManifestError, MediaError
from avforensics.files import sha256_file
from avforensics.media.clips import ClipReader
from avforensics.media.reader import open_media
from avforensics.media.types import MediaOptions
from avforensics.media.wav import read_wav
from avforensics.media.writer import write_clip

RATE = 44_100


def source_picture(n=50, height=72, width=90):
    """A gradient that moves, with grey level 4 i + 20 in the middle third."""
    frames = np.zeros((n, height, width, 3), np.uint8)
    frames[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)
    frames[:, :, width // 3 : 2 * width // 3] = (4 * np.arange(n) + 20)[:, None, None, None]
    return frames


def tone(seconds, rate=RATE):
    time = np.arange(int(seconds * rate)) / rate
    return (8000 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.int16)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "in put.mp4"
    write_clip(path, source_picture(), tone(2), sample_rate=RATE, crf=5)
    return path


def blocks(path, **options):
    with open_media(path, MediaOptions(**options)) as media:
        whole = list(media)
    return np.concatenate([b.frames for b in whole]), np.concatenate([b.audio for b in whole])


def test_a_clip_is_what_the_media_layer_hands_on(source, tmp_path):
    recipe = Recipe(crop=(1 / 3, 0, 2 / 3, 1), size=48)
    done = normalise_clip(Row(str(source), 0), tmp_path / "deep" / "clip.mp4", recipe)
    frames, audio = blocks(source, crop=(1 / 3, 0, 2 / 3, 1), size=48)
    reader = ClipReader(tmp_path / "deep" / "clip.mp4")
    assert done.frames == reader.n_frames == len(frames) == 50
    assert reader.frames(0, 50).shape == (50, 48, 48, 3)
    difference = reader.frames(0, 50).astype(int) - frames
    assert np.abs(difference).mean() < 2
    assert np.array_equal(read_wav(tmp_path / "deep" / "clip.wav"), audio)
    assert done.source_hash == sha256_file(source)
    assert done.hash == sha256_file(tmp_path / "deep" / "clip.mp4")
    assert done.warnings == ()


def test_the_same_bytes_on_every_run(source, tmp_path):
    hashes = {
        normalise_clip(Row(str(source), 0), tmp_path / name, Recipe(size=32)).hash
        for name in ("a.mp4", "b.mp4")
    }
    assert len(hashes) == 1


def test_start_and_duration_are_cut_out_to_the_frame(source, tmp_path):
    row = Row(str(source), 1, start=0.8, duration=0.6, segments=((0.5, 1.0), (1.2, 9.0), (0, 0.1)))
    done = normalise_clip(row, tmp_path / "cut.mp4", Recipe(size=48, crf=5))
    audio = blocks(source, size=48)[1]
    assert done.frames == 15
    assert np.array_equal(read_wav(tmp_path / "cut.wav"), audio[20 * 640 : 35 * 640])
    middle = ClipReader(tmp_path / "cut.mp4").frames(0, 15)[:, :, 20:28].mean((1, 2, 3))
    assert np.abs(middle - (4 * np.arange(20, 35) + 20)).max() < 4
    new = clip_row(row, tmp_path / "cut.mp4", start=0.8, frames=15, sha=done.hash)
    assert (new.path, new.start, new.duration) == (str(tmp_path / "cut.mp4"), 0.0, 0.6)
    assert np.allclose(new.segments, [(0, 0.2), (0.4, 0.6)])
    assert (new.label, new.hash, new.audio) == (1, done.hash, "")
    with pytest.raises(MediaError, match="nothing is left"):
        normalise_clip(row._replace(start=60.0), tmp_path / "none.mp4", Recipe(size=48))
    assert not (tmp_path / "none.mp4").exists()


def test_the_unforged_part_of_a_forgery_is_no_fake():
    def cut(row, start):
        return clip_row(row, "/clip.mp4", start=start, frames=1500, sha="")

    fake = Row("/v.mp4", 1, segments=((70.0, 72.0),))
    assert cut(fake, 0.0) is None and cut(fake, 72.0) is None
    assert cut(fake, 60.0).segments == ((10.0, 12.0),)
    assert cut(fake._replace(segments=((0.1, 0.3 + 1e-9),)), 0.3) is None, "a rounding error"
    whole, real = fake._replace(segments=()), fake._replace(label=0)
    assert cut(whole, 0.0).label == 1 and cut(real, 0.0).segments == ()


def test_sound_of_a_file_of_its_own(source, tmp_path):
    write_clip(tmp_path / "mute.mp4", source_picture(), None)
    row = Row(str(tmp_path / "mute.mp4"), 0, audio=str(source))
    done = normalise_clip(row, tmp_path / "clip.mp4", Recipe(size=32))
    assert done.frames == 50
    assert np.array_equal(read_wav(tmp_path / "clip.wav"), blocks(source, size=32)[1])
    assert done.source_hash == source_hash(row) != sha256_file(tmp_path / "mute.mp4")


def test_frames_beyond_memory_wait_on_disk(source, tmp_path, monkeypatch):
    plain = normalise_clip(Row(str(source), 0), tmp_path / "a.mp4", Recipe(size=32))
    monkeypatch.setattr("avforensics.data.normalise.IN_MEMORY", 1000)
    spooled = normalise_clip(Row(str(source), 0), tmp_path / "b.mp4", Recipe(size=32))
    assert spooled == plain
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "a.wav", "b.mp4", "b.wav"]


def test_names_of_clips():
    rows = [
        Row("/d/set/p1/x.y.avi", 0),
        Row("/d/set/p1/x.y.mov", 0),
        Row("/d/set/p2/a b.mp4", 0, start=0.5),
        Row("/d/set/p2/a b.mp4", 1, start=2.0, duration=1.25),
        Row("/d/set/p2/a b.mp4", 0, start=0.5, category="doubled"),
        Row("/d/set/c.mp4", 0, duration=3.0),
    ]
    assert clip_names(rows) == [
        "p1/x.y.mp4",
        "p1/x.y.mov.mp4",
        "p2/a b@0.5.mp4",
        "p2/a b@2+1.25.mp4",
        "p2/a b@0.5.mp4",
        "c.mp4",
    ]
    assert clip_names(Manifest(rows[:1])) == ["x.y.mp4"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop": (0, 0, 1)},
        {"crop": (0.5, 0, 0.5, 1)},
        {"crop": (0, 0, 1.1, 1)},
        {"size": 97},
        {"crf": 52},
        {"gop": 0},
    ],
)
def test_recipes_without_meaning(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)


def test_a_recipe_has_a_digest():
    digests = {Recipe(**v).digest for v in ({}, {"size": 96}, {"crop": (0, 0, 1, 0.5)}, {"gop": 5})}
    assert len(digests) == 4
    assert Recipe(crop=[0, 0, 1, 1]).digest == Recipe(crop=(0.0, 0.0, 1.0, 1.0)).digest


@pytest.fixture
def finished(tmp_path):
    """A source, its clip and what was done, and the ledger's path."""
    source, clip = tmp_path / "s.mp4", tmp_path / "out" / "clips" / "s.mp4"
    clip.parent.mkdir(parents=True)
    source.write_bytes(b"source")
    clip.write_bytes(b"clip")
    clip.with_suffix(".wav").write_bytes(b"sound")
    row = Row(str(source), 0)
    done = Done(5, source_hash(row), sha256_file(clip), ("a remark",), state_of(row))
    return row, clip, done, tmp_path / "out"


@pytest.mark.parametrize("suffix", [".mp4", ".wav"])
def test_ledger_remembers(finished, suffix):
    row, clip, done, out = finished
    with Ledger(out / "ledger.jsonl") as ledger:
        assert ledger.find(row, "r", clip) is None
        ledger.add(row, "r", clip, done)
    with Ledger(out / "ledger.jsonl") as ledger:
        assert ledger.find(row, "r", clip) == done
        assert ledger.find(row, "other recipe", clip) is None
        assert ledger.find(row._replace(start=1.0), "r", clip) is None
        assert ledger.find(row._replace(category="x"), "r", clip) == done
        clip.with_suffix(suffix).unlink()
        assert ledger.find(row, "r", clip) is None


def test_ledger_knows_what_was_written_over(finished):
    row, clip, done, out = finished
    with Ledger(out / "ledger.jsonl") as ledger:
        ledger.add(row, "r", clip, done)
        ledger.add(row, "s", clip, done)
    with Ledger(out / "ledger.jsonl") as ledger:
        assert ledger.find(row, "r", clip) is None, "the clip is now one of recipe s"
        assert ledger.find(row, "s", clip) == done
        ledger.begin(clip)
    with Ledger(out / "ledger.jsonl") as ledger:
        assert ledger.find(row, "s", clip) is None, "a kill may have come in between"


def test_ledger_sees_a_changed_source_and_only_that(finished):
    row, clip, done, out = finished
    with Ledger(out / "ledger.jsonl") as ledger:
        ledger.add(row, "r", clip, done)
    source = clip.parents[2] / "s.mp4"
    source.touch()
    with Ledger(out / "ledger.jsonl") as ledger:
        found = ledger.find(row, "r", clip)
        assert found == replace(done, state=state_of(row))
        source.write_bytes(b"another")
        assert ledger.find(row, "r", clip) is None
        source.unlink()
        assert ledger.find(row, "r", clip) is None


def test_ledger_after_a_kill_in_the_middle_of_a_line(finished):
    row, clip, done, out = finished
    with Ledger(out / "ledger.jsonl") as ledger:
        ledger.add(row, "r", clip, done)
        ledger.add(row, "s", clip, done)
    text = (out / "ledger.jsonl").read_text()
    (out / "ledger.jsonl").write_text(text[:-9])
    with Ledger(out / "ledger.jsonl") as ledger:
        assert ledger.find(row, "r", clip) == done
        assert ledger.find(row, "s", clip) is None
        ledger.add(row, "s", clip, done)
    lines = (out / "ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["recipe"] for line in lines] == ["r", "s"]
    (out / "ledger.jsonl").write_text("path,label\n")
    with pytest.raises(ManifestError, match="line 1: this is not a ledger"):
        Ledger(out / "ledger.jsonl")


def test_a_full_disk_leaves_the_ledger(finished, monkeypatch):
    row, clip, done, out = finished
    with Ledger(out / "ledger.jsonl") as ledger:
        ledger.add(row, "r", clip, done)
    with (out / "ledger.jsonl").open("ab") as file:
        file.write(b'{"clip": "t')

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with Ledger(out / "ledger.jsonl") as ledger:
        assert ledger.find(row, "r", clip) == done


def test_who_comes_second_is_refused(tmp_path):
    with (
        Ledger(tmp_path / "ledger.jsonl"),
        pytest.raises(ConfigError, match="another run is writing to this folder"),
    ):
        Ledger(tmp_path / "ledger.jsonl")


def test_a_source_that_is_replaced_meanwhile_is_not_done(source, tmp_path, monkeypatch):
    path = tmp_path / "s.mp4"
    path.write_bytes(source.read_bytes())

    def replaced(*rest, **options):
        write_clip(*rest, **options)
        path.write_bytes(b"another")

    monkeypatch.setattr("avforensics.data.normalise.write_clip", replaced)
    with pytest.raises(MediaError, match="changed while it was read"):
        normalise_clip(Row(str(path), 0), tmp_path / "clip.mp4", Recipe(size=32))


def test_the_ledger_keeps_the_state_of_what_was_read(finished):
    row, clip, done, out = finished
    with Ledger(out / "ledger.jsonl") as ledger:
        Path(row.path).write_bytes(b"another")
        ledger.add(row, "r", clip, done)
        assert ledger.find(row, "r", clip) is None
    with Ledger(out / "ledger.jsonl") as ledger:
        assert ledger.find(row, "r", clip) is None
