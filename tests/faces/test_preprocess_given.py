"""``avforensics preprocess faces=given``: one clip per video, without a search for faces."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from media_files import read
from runs import composed, table

from avforensics.commands import preprocess
from avforensics.data import cut
from avforensics.data.clips import RandomClips
from avforensics.data.cut import ClipSettings, cut_clips
from avforensics.data.ledger import Ledger
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError, ManifestError
from avforensics.faces.sidecar import recipe_of_clips
from avforensics.files import sha256_file
from avforensics.media.clips import ClipReader
from avforensics.media.wav import read_wav
from avforensics.media.writer import write_clip

RATE = 44_100
MIDDLE = (1 / 3, 0, 2 / 3, 1)


def source_picture(n=50, height=72, width=90):
    """Make a moving gradient with grey level 4 i + 20 in the middle third."""
    frames = np.zeros((n, height, width, 3), np.uint8)
    frames[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)
    frames[:, :, width // 3 : 2 * width // 3] = (4 * np.arange(n) + 20)[:, None, None, None]
    return frames


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "in put.mp4"
    time = np.arange(2 * RATE) / RATE
    tone = (8000 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.int16)
    write_clip(path, source_picture(), tone, sample_rate=RATE, crf=5)
    return path


def cut_one(row, folder, crop=None, **settings):
    return cut_clips(row, folder, "a", ClipSettings(recipe=crop, **{"size": 32, **settings}))


def test_a_clip_is_what_the_media_layer_hands_on(source, tmp_path):
    done = cut_one(Row(str(source), 0), tmp_path, MIDDLE, size=48)
    frames, audio, _ = read(source, crop=MIDDLE, size=48)
    clip = tmp_path / "a" / "1.mp4"
    reader = ClipReader(clip)
    assert done.frames == done.clips[0].frames == reader.n_frames == len(frames) == 50
    assert np.abs(reader.frames(0, 50).astype(int) - frames).mean() < 2
    assert np.array_equal(read_wav(clip.with_suffix(".wav")), audio)
    assert (done.status, done.clips[0].hash, done.warnings) == ("done", sha256_file(clip), ())
    side = json.loads(clip.with_suffix(".json").read_text())
    assert (side["width"], side["height"], side["frames"]) == (90, 72, 50)
    assert recipe_of_clips([clip]) is None, "no face was cut out"


def test_start_and_duration_are_cut_out_to_the_frame(source, tmp_path):
    row = Row(str(source), 1, start=0.8, duration=0.6)
    done = cut_one(row, tmp_path, size=48, crf=5)
    audio = read(source, size=48)[1]
    assert (done.frames, done.clips[0].start) == (15, 0.8)
    assert np.array_equal(read_wav(tmp_path / "a" / "1.wav"), audio[20 * 640 : 35 * 640])
    middle = ClipReader(tmp_path / "a" / "1.mp4").frames(0, 15)[:, :, 20:28].mean((1, 2, 3))
    assert np.abs(middle - (4 * np.arange(20, 35) + 20)).max() < 4
    none = cut_one(row._replace(start=60.0), tmp_path / "none")
    assert none.status == "failed" and "decoded after 60 s" in none.reason
    assert not list(tmp_path.glob("none/**/*.mp4"))


def test_sound_of_a_file_of_its_own_and_frames_beyond_memory(source, tmp_path, monkeypatch):
    write_clip(tmp_path / "mute.mp4", source_picture(), None)
    row = Row(str(tmp_path / "mute.mp4"), 0, audio=str(source))
    done = cut_one(row, tmp_path / "one")
    assert np.array_equal(read_wav(tmp_path / "one/a/1.wav"), read(source, size=32)[1])
    monkeypatch.setattr(cut, "IN_MEMORY", 1000)
    assert cut_one(row, tmp_path / "two") == done, "the same bytes, and frames that wait on disk"
    left = sorted(path.suffix for path in (tmp_path / "two" / "a").iterdir())
    assert left == [".json", ".mp4", ".wav"]


def test_settings_without_meaning():
    wrong = [("recipe", crop) for crop in ((0, 0, 1), (0.5, 0, 0.5, 1), (0, 0, 1.1, 1))]
    for name, value in [*wrong, ("size", 97), ("crf", 52), ("gop", 0)]:
        with pytest.raises(ValueError, match=name.replace("recipe", "crop")):
            ClipSettings(**{"recipe": None, name: value})


def call(*overrides):
    return preprocess.run(composed("preprocess", "faces=given", "size=32", *overrides))


@pytest.fixture
def raw(tmp_path):
    """Make three clips and a file of text."""
    for i, name in enumerate(("one.mp4", "room.mp4", "talks/two.mp4")):
        noise = np.random.default_rng(i).integers(-9999, 9999, 30 * 640).astype(np.int16)
        picture = np.full((30, 48, 64, 3), 80 * i, np.uint8)
        write_clip(tmp_path / "raw" / name, picture, noise, preset="ultrafast")
    (tmp_path / "raw" / "text.mp4").write_text("no video")
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def options(raw, out):
    return f"input={raw}", f"output={out}", "workers=1"


def test_clips_feed_the_training_reader(raw, out, caplog):
    caplog.set_level("INFO")
    one = Row(str(raw / "one.mp4"), 1, identity="p1", segments=((0.8, 1.0),))
    two = Row(str(raw / "talks" / "two.mp4"), 0, identity="p2", split="sync")
    rows = [one, two, two._replace(category="again"), Row(f"/{'x' * 300}.mp4", 0)]
    Manifest([*rows, one._replace(duration=0.6)]).write(raw / "in.csv")
    assert call(f"input={raw / 'in.csv'}", f"output={out}", "workers=1") == 1
    manifest = Manifest.read(out / "manifest.csv")
    assert [row[1:6] for row in manifest] == [
        (1, "", "", "p1", ""), (0, "", "", "p2", "sync"), (0, "again", "", "p2", "sync")
    ]  # fmt: skip
    assert manifest[1].path == manifest[2].path
    assert {row.duration for row in manifest} == {1.2} and manifest[0].segments == one.segments
    (failure,) = table(out / "failures.csv")
    assert failure["path"] == rows[3].path and "too long" in failure["reason"]
    videos = [(row["duration"], row["status"], row["dropped"]) for row in table(out / "videos.csv")]
    assert videos[0] == ("", "done", "") and videos[3][1] == "failed"
    assert videos[4][0] == "0.6" and "in the unforged part" in videos[4][2]
    assert "3 clips (0.1 minutes) from 3 of 5 videos" in caplog.text
    item = RandomClips(manifest, clips_per_video=2)[1]
    assert item["frames"].shape == (2, 5, 32, 32, 3) and item["broken"] == ""
    assert abs(item["frames"].mean() - 160) < 3


def test_a_run_goes_on_where_it_stopped(raw, out, options, seen):
    clip = out / "clips" / "one" / "1.mp4"

    def done_again(*more):
        seen.clear()
        call(*options, *more)
        assert seen[-1] == "text", "what failed is tried again"
        return seen[:-1]

    assert done_again() == ["one", "room", "talks/two"]
    before = Manifest.read(out / "manifest.csv").rows
    clip.with_suffix(".json").unlink()
    os.utime(out / "clips" / "room" / "1.mp4", (1, 1))  # as in a copy
    two = out / "clips" / "talks" / "two" / "1.mp4"
    two.write_bytes(changed := two.read_bytes()[:-1] + b"?")
    assert done_again() == ["one", "talks/two"] and two.read_bytes() != changed
    assert Manifest.read(out / "manifest.csv").rows == before
    clip.unlink()
    sound = two.with_suffix(".wav")
    sound.write_bytes(sound.read_bytes() + b"0")
    os.utime(raw / "room.mp4", ns=(0, 0))
    assert done_again() == ["one", "room", "talks/two"], "files and a source have changed"
    assert len(done_again("crop=[0,0,0.5,1]")) == 3, "other settings, other clips"
    assert len(done_again()) == 3, "and these were written over"
    with Ledger(out, "ledger.jsonl") as ledger:
        ledger.begin("one")  # followed by a kill
    assert done_again() == ["one"]


def test_clips_are_no_input(raw, seen):
    options = (f"output={raw / 'out'}", "workers=1")
    for _ in range(2):
        call(f"input={raw}", *options)
    assert seen == ["one", "room", "talks/two", "text", "text"]
    with pytest.raises(ConfigError, match="no videos except clips of output="):
        call(f"input={raw / 'out' / 'clips'}", *options)


def test_shares_join(raw, out, tmp_path, seen, monkeypatch, caplog):
    caplog.set_level("INFO")
    one, two = Row(str(raw / "one.mp4"), 0), Row(str(raw / "talks" / "two.mp4"), 0)
    # rows of the same part are in one share, so that no share removes another's unfinished files
    Manifest([one, one._replace(category="again"), two]).write(tmp_path / "in.csv")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        assert call(f"input={tmp_path / 'in.csv'}", f"output={out}") == 0
    assert seen == ["one", "talks/two"] and "with shard=1/1" in caplog.text
    found = [table(out / f"videos-{n}-of-2.csv") for n in (1, 2)]
    names = [[Path(row["path"]).name for row in rows] for rows in found]
    assert names == [["one.mp4", "one.mp4"], ["two.mp4"]]
    call(f"input={tmp_path / 'in.csv'}", f"output={out}", "shard=1/1")
    call(f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'whole'}", "shard=1/1", "workers=2")
    joined, whole = (Manifest.read(folder / "manifest.csv") for folder in (out, tmp_path / "whole"))
    assert len(seen) == 2 and [row.hash for row in joined] == [row.hash for row in whole]


def test_what_stops_a_run_leaves_whole_files(out, options, monkeypatch):
    """After Ctrl-C in the second video and a full disk, no file is unfinished or made twice."""
    real, calls = cut.write_clip, []

    def stop(error):
        def write(path, frames, *rest, **options):
            calls.append(path)
            if len(calls) == 2:
                next(iter(frames))
                raise error
            return real(path, frames, *rest, **options)

        return write

    for error in (KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")):
        monkeypatch.setattr(cut, "write_clip", stop(error))
        calls.clear()
        with pytest.raises(type(error)):
            call(*options)
        assert not list(out.rglob("*partial*"))
        done = (out / "ledger.jsonl").read_text().splitlines()
        assert json.loads(done[0])["name"] == "one"
    assert "one" not in str(calls[0])
    monkeypatch.setattr(cut, "write_clip", real)
    assert call(*options) == 1
    assert len(Manifest.read(out / "manifest.csv")) == 3


def test_a_source_that_changes_meanwhile(raw, out, options, seen, monkeypatch):
    real = preprocess.cut_clips

    def changing(row, *rest):
        if row.path.endswith("one.mp4"):
            Path(row.path).unlink()
        done = real(row, *rest)
        if row.path.endswith("room.mp4"):
            os.utime(row.path, ns=(0, 0))
        return done

    with monkeypatch.context() as patch:
        patch.setattr(preprocess, "cut_clips", changing)
        assert call(*options) == 1
    failed, _ = table(out / "failures.csv")
    assert failed["reason"] == "no such file"
    seen.clear()
    call(*options)
    assert seen == ["room", "text"]


def test_what_a_kill_left_is_removed_and_the_ledger_stays(out, options, seen, monkeypatch):
    call(*options)
    (out / "clips" / "one" / "1.mp4").unlink()
    left = [out / "clips" / "one" / ".1.99.partial.mp4", out / ".manifest.99.partial.csv"]
    other = out / ".manifest-1-of-2.99.partial.csv"
    for path in (*left, other):
        path.write_bytes(b"half of")
    with (out / "ledger.jsonl").open("ab") as file:
        file.write(b'{"name": "ro')
    seen.clear()
    call(*options)
    assert list(out.rglob(".*.partial*")) == [other], "of a share, which may be at work"
    call(*options)
    assert seen == ["one", "text", "text"]


def test_a_second_run_in_a_folder_is_refused(out, options):
    said = "out: another run is writing to this folder"
    for at_work, shards in (
        ("ledger.jsonl", ("1/1", "1/2")),
        ("ledger-2-of-4.jsonl", ("2/4", "1/2", "1/1")),
    ):
        for shard in shards:
            with Ledger(out, at_work), pytest.raises(ConfigError, match=said):
                call(*options, f"shard={shard}")
    with Ledger(out, "ledger-1-of-2.jsonl"), Ledger(out, "ledger-2-of-2.jsonl"):
        pass


def test_mistakes_are_one_sentence(raw, out, options):
    for override, message in {
        "crop=mouth": "with faces=given, crop must be .left, top, right, bottom.",
        "crop=[0,0,2,1]": "crop must be .left, top, right, bottom. within 0..1, got .0, 0, 2, 1.",
        "faces=none": "faces must be auto or given, got none",
        "size=95": "size must be even",
    }.items():
        with pytest.raises(ConfigError, match=message):
            call(*options, override)
    assert not out.exists()
    for name in ("manifest.csv", "videos.csv", "failures.csv"):
        Manifest([Row(str(raw / "one.mp4"), 0)]).write(raw / name)
        before = (raw / name).read_bytes()
        with pytest.raises(ConfigError, match="this run would overwrite it"):
            call(f"input={raw / name}", f"output={raw}", "workers=1")
        assert (raw / name).read_bytes() == before
    out.mkdir()
    (out / "ledger.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(ManifestError, match="not a ledger of avforensics preprocess"):
        call(*options)
