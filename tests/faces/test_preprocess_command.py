"""``avforensics preprocess``: from raw videos to clips that training reads."""

import csv
import errno
import json
import os
from pathlib import Path

import av
import numpy as np
import pytest
from hydra import compose, initialize_config_module

from avforensics.commands import preprocess
from avforensics.data.clips import RandomClips
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError, ManifestError
from avforensics.faces import clips as face_clips
from avforensics.faces.detector import SHA256
from avforensics.faces.ledger import CutLedger
from avforensics.media import HOP, ClipReader, read_audio, read_wav, write_clip

pytest.importorskip("cv2", reason="the extra `faces` is not installed")

A, B = "grid_s1/bbaf2n.mp4", "grid_s1/lwae9s.mp4"


def call(*overrides, size=64):
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        return preprocess.run(compose("preprocess", [*overrides, f"size={size}"]))


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def raw(pictures, write_video, tmp_path):
    """A talk of one, a talk of two, an empty room and a file of text."""
    first, second = pictures(A, 180, 144), pictures(B, 180, 144)
    write_video("raw/one.mp4", first[:40])
    both = (np.hstack(pair) for pair in zip(first[:35], second[:35], strict=True))
    write_video("raw/talks/two.mkv", both)
    write_video("raw/room.mp4", [np.full((96, 96, 3), 90 + n, np.uint8) for n in range(30)])
    (tmp_path / "raw" / "text.mp4").write_text("no video")
    return tmp_path / "raw"


@pytest.mark.reference
def test_clips_sidecars_and_tables(raw, tmp_path, caplog):
    caplog.set_level("INFO")
    out = tmp_path / "out"
    assert call(f"input={raw}", f"output={out}", "workers=1") == 1
    manifest = Manifest.read(out / "manifest.csv")
    found = [(row.path.removeprefix(f"{out}/clips/"), row.duration) for row in manifest]
    assert found == [("one/1.mp4", 1.6), ("talks/two/1.mp4", 1.4), ("talks/two/2.mp4", 1.4)]
    assert [row.identity for row in manifest] == ["one", "talks/two", "talks/two"]
    status = {row["path"].rsplit("/", 1)[1]: row["status"] for row in table(out / "videos.csv")}
    assert status == {
        "one.mp4": "done",
        "two.mkv": "done",
        "room.mp4": "no face",
        "text.mp4": "failed",
    }
    (failure,) = table(out / "failures.csv")
    assert failure["path"].endswith("text.mp4")
    assert "3 clips, 0.1 minutes, of 2 of 4 videos" in caplog.text and "no face: 1" in caplog.text

    clip = out / "clips" / "one" / "1.mp4"
    np.testing.assert_array_equal(
        read_wav(clip.with_suffix(".wav")), read_audio(raw / "one.mp4")[: 40 * HOP]
    )
    side = json.loads(clip.with_suffix(".json").read_text())
    assert (side["frames"], side["width"], side["height"]) == (40, 180, 144)
    assert side["detector_sha256"] == SHA256 and side["clip_sha256"] == manifest[0].hash
    assert (clip.parent / side["source"]).resolve() == raw / "one.mp4"
    assert np.shape(side["boxes"]) == (40, 4) and np.shape(side["squares"]) == (40, 3)
    assert side["settings"]["recipe"]["side"] == 1.41
    assert ClipReader(clip).n_frames == 40
    item = RandomClips(manifest, clips_per_video=2)[1]
    assert item["frames"].shape == (2, 5, 64, 64, 3) and item["broken"] == ""


@pytest.fixture
def seen(monkeypatch):
    """Names of the videos that were really worked on."""
    names, real = [], preprocess.cut_faces
    monkeypatch.setattr(
        preprocess, "cut_faces", lambda video, *rest: (names.append(rest[1]), real(video, *rest))[1]
    )
    return names


@pytest.mark.reference
@pytest.mark.parametrize("suffix", [".mp4", ".wav", ".json"])
def test_a_second_run_does_what_is_missing(raw, tmp_path, seen, suffix):
    options = (f"input={raw}", f"output={tmp_path / 'out'}", "workers=1")
    call(*options)
    before = Manifest.read(tmp_path / "out" / "manifest.csv")
    seen.clear()
    (tmp_path / "out" / "clips" / "one" / f"1{suffix}").unlink()
    call(*options)
    assert seen == ["one", "text"], "what failed is tried again"
    assert Manifest.read(tmp_path / "out" / "manifest.csv").rows == before.rows
    seen.clear()
    call(*options, "crop=mouth")
    assert len(seen) == 4, "other settings, other clips"


@pytest.mark.reference
@pytest.mark.parametrize("suffix", [".mp4", ".wav", ".json"])
def test_a_clip_that_was_changed_is_cut_again(raw, tmp_path, seen, suffix):
    options = (f"input={raw / 'one.mp4'}", f"output={tmp_path / 'out'}", "workers=1")
    call(*options)
    path = (tmp_path / "out" / "clips" / "one" / "1.mp4").with_suffix(suffix)
    content = path.read_bytes()
    seen.clear()
    os.utime(path, (1, 1))
    call(*options)
    assert not seen, "a copy may have another time"
    path.write_bytes(content + b"0")
    call(*options)
    assert seen == ["one"] and path.read_bytes() != content + b"0"
    if suffix == ".mp4":
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"?")
        call(*options)
        assert seen == ["one", "one"] and path.read_bytes() != content[:-1] + b"?"


@pytest.mark.reference
def test_clips_of_other_settings_are_never_taken_for_these(raw, tmp_path, seen):
    out = tmp_path / "out"
    options = (f"input={raw / 'one.mp4'}", f"output={out}", "workers=1")
    call(*options)
    before = Manifest.read(out / "manifest.csv")
    call(*options, "crop=mouth")
    call(*options)
    assert seen == ["one"] * 3, "crop=mouth had written over the clips"
    assert Manifest.read(out / "manifest.csv").rows == before.rows
    with CutLedger(out, "ledger.jsonl") as ledger:
        ledger.begin("one")  # and a kill comes
    call(*options)
    assert seen == ["one"] * 4


@pytest.mark.reference
def test_clips_are_no_input(raw, tmp_path, seen):
    (raw / "talks" / "two.mkv").unlink()
    for _ in range(2):
        call(f"input={raw}", f"output={raw / 'out'}", "workers=1")
    assert seen == ["one", "room", "text", "text"]
    with pytest.raises(ConfigError, match="no video but the clips of output="):
        call(f"input={raw / 'out' / 'clips'}", f"output={raw / 'out'}")


@pytest.mark.reference
def test_shares_join(raw, tmp_path, seen):
    options = (f"input={raw}", "workers=1")
    for number in (1, 2):
        call(*options, f"output={tmp_path / 'shares'}", f"shard={number}/2")
    assert sorted(seen) == ["one", "room", "talks/two", "text"]
    seen.clear()
    call(*options, f"output={tmp_path / 'shares'}", "shard=1/1")
    assert seen == ["text"]
    call(*options, f"output={tmp_path / 'whole'}")
    joined, whole = (Manifest.read(tmp_path / f / "manifest.csv") for f in ("shares", "whole"))
    assert [row.hash for row in joined] == [row.hash for row in whole]
    parts = [Manifest.read(tmp_path / "shares" / f"manifest-{n}-of-2.csv") for n in (1, 2)]
    assert {row for part in parts for row in part} == set(joined)


@pytest.mark.reference
def test_rows_of_one_part_are_in_one_share(raw, tmp_path, seen):
    """Two shares that cut the same clips would take each other's half-written files away."""
    one, two = Row(str(raw / "one.mp4"), 0), Row(str(raw / "talks" / "two.mkv"), 0)
    Manifest([one, one._replace(category="again"), two]).write(tmp_path / "in.csv")
    found = []
    for number in (1, 2):
        options = (f"output={tmp_path / 'out'}", "workers=1", f"shard={number}/2")
        call(f"input={tmp_path / 'in.csv'}", *options)
        videos = table(tmp_path / "out" / f"videos-{number}-of-2.csv")
        found.append([row["path"][-7:] for row in videos])
    assert found == [["one.mp4", "one.mp4"], ["two.mkv"]] and seen == ["one", "talks/two"]


@pytest.mark.reference
def test_parts_of_a_file_are_told_apart(raw, tmp_path):
    room = Row(str(raw / "room.mp4"), 0)
    parts = [room._replace(duration=0.6), room._replace(start=0.6)]
    Manifest(parts).write(tmp_path / "in.csv")
    call(f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'out'}", "workers=1")
    rows = table(tmp_path / "out" / "videos.csv")
    assert [(row["start"], row["duration"]) for row in rows] == [("0.0", "0.6"), ("0.6", "")]


@pytest.mark.reference
def test_what_stops_a_run_leaves_whole_files(raw, tmp_path, monkeypatch):
    """Ctrl-C in the second video, then a full disk: nothing half-written, nothing done twice."""
    options = (f"input={raw}", f"output={tmp_path / 'out'}", "workers=1")
    real, calls = face_clips.write_clip, []

    def stop(error):
        def write(path, frames, *rest, **options):
            calls.append(path)
            if len(calls) == 2:
                next(iter(frames))
                raise error
            return real(path, frames, *rest, **options)

        return write

    for error in (KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")):
        monkeypatch.setattr(face_clips, "write_clip", stop(error))
        calls.clear()
        with pytest.raises(type(error)):
            call(*options)
        files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert not [path for path in files if "partial" in path.name]
        done = (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()
        assert [json.loads(line)["name"] for line in done][:1] == ["one"]
        if isinstance(error, OSError):
            assert len(calls) == 2 and "one" not in str(calls[0])
    monkeypatch.setattr(face_clips, "write_clip", real)
    assert call(*options) == 1
    assert len(Manifest.read(tmp_path / "out" / "manifest.csv")) == 3


@pytest.mark.reference
def test_a_manifest_gives_parts_labels_and_forged_stretches(raw, tmp_path):
    row = Row(
        str(raw / "one.mp4"), 1, "FVRA", "cut", "p7", "test", 0.2, 1.2, segments=((0.4, 0.8),)
    )
    Manifest([row, row._replace(start=0.0, duration=0.6)]).write(tmp_path / "in.csv")
    out = tmp_path / "out"
    call(f"input={tmp_path / 'in.csv'}", f"output={out}", "workers=1", "crop=syncnet")
    (clip,) = Manifest.read(out / "manifest.csv")
    assert clip[1:6] == (1, "FVRA", "cut", "p7", "test")
    assert clip.duration == 1.2 and clip.segments == ((0.2, 0.6),)
    short = table(out / "videos.csv")[1]
    assert short["status"] == "no face of use" and "1 shorter than 1 s" in short["reason"]


@pytest.mark.reference
def test_the_unforged_part_of_a_forgery_is_left_out(raw, tmp_path, caplog):
    caplog.set_level("INFO")
    late = Row(str(raw / "one.mp4"), 1, segments=((1.2, 1.4),))
    before = Row(str(raw / "talks" / "two.mkv"), 1, segments=((1.5, 1.6),))
    Manifest([late, before]).write(tmp_path / "in.csv")
    out = tmp_path / "out"
    short = ("longest=1", "find.min_seconds=0.5")
    for _ in range(2):  # again from the ledger
        assert call(f"input={tmp_path / 'in.csv'}", f"output={out}", "workers=1", *short) == 0
        (clip,) = Manifest.read(out / "manifest.csv")
        assert (clip.path[-9:], clip.segments) == ("e/1-2.mp4", ((0.4, 0.6),))
        rows = [(row["status"], row["clips"], row["dropped"]) for row in table(out / "videos.csv")]
        reason = "in the unforged part of a partial forgery"
        assert rows == [("done", "1", f"1 {reason}"), ("no face of use", "0", f"4 {reason}")]
        assert f"left out: 5 tracks or parts of them {reason}" in caplog.text


@pytest.mark.reference
def test_long_tracks_and_company(raw, tmp_path):
    out = tmp_path / "out"
    options = (f"input={raw / 'one.mp4'}", "workers=1", "find.min_seconds=0.5")
    assert call(*options, f"output={out}", "longest=1") == 0
    rows = Manifest.read(out / "manifest.csv")
    assert [row.path[-9:] for row in rows] == ["e/1-1.mp4", "e/1-2.mp4"]
    assert [row.duration for row in rows] == [0.8, 0.8]
    sound = [read_wav(row.path.replace(".mp4", ".wav")) for row in rows]
    np.testing.assert_array_equal(np.concatenate(sound), read_audio(raw / "one.mp4")[: 40 * HOP])
    company = (f"input={raw / 'talks'}", f"output={tmp_path / 'alone'}", "alone=true", "workers=1")
    assert call(*company) == 0
    (video,) = table(tmp_path / "alone" / "videos.csv")
    assert video["dropped"] == "2 not alone in the picture"


@pytest.mark.reference
def test_alone_keeps_the_stretches_without_company(pictures, write_video, tmp_path):
    """One face from frame 0 to 60, another from 30 on: what is alone is 0..29 and 60..99."""
    first, second = pictures(A, 180, 144), pictures(B, 180, 144)
    empty = np.full_like(first[0], 110)
    frames = [
        np.hstack([first[n] if n < 60 else empty, second[n - 30] if n >= 30 else empty])
        for n in range(100)
    ]
    write_video("raw/meeting.mp4", frames)
    for alone, found in ((True, [(0, 30), (60, 40)]), (False, [(0, 60), (30, 70)])):
        out = tmp_path / str(alone)
        options = (f"alone={alone}", "workers=1", "find.cut=100")  # who comes is no cut
        call(f"input={tmp_path / 'raw'}", f"output={out}", *options)
        sidecars = [json.loads(path.read_text()) for path in sorted(out.glob("clips/*/*.json"))]
        spans = [(sidecar["first_frame"], sidecar["frames"]) for sidecar in sidecars]
        assert np.abs(np.array(spans) - found).max() <= 5, "looks are five frames apart"
        (video,) = table(out / "videos.csv")
        assert video["dropped"] == ""


def test_a_size_that_no_memory_holds(make_video, tmp_path):
    options = (f"input={make_video()}", f"output={tmp_path / 'out'}")
    for size in (100_000, 224.0, 33):
        with pytest.raises(ConfigError, match="size must be"):
            call(*options, size=size)


def test_the_file_with_the_sound_is_named_where_it_is_at_fault(make_video, tmp_path):
    video = str(make_video())
    text = tmp_path / "talk.txt"
    text.write_text("no sound")
    rows = [Row(video, 0, audio=name, identity="a") for name in ("none.wav", str(text))]
    Manifest(rows).write(tmp_path / "in.csv")
    options = (f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'out'}", "workers=1")
    assert call(*options) == 1
    missing, wrong = (row["reason"] for row in table(tmp_path / "out" / "failures.csv"))
    assert "none.wav: cannot be read (No such file" in missing
    assert wrong == f"{text}: not a media file, or damaged beyond recognition"


def test_damage_is_told_where_no_face_is_found(tmp_path):
    video = tmp_path / "raw" / "torn.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (40, 96, 96, 3), np.uint8)
    write_clip(video, noise, np.zeros(40 * HOP, np.int16))
    with av.open(str(video)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][20]
        position, size = packet.pos, packet.size
    with video.open("r+b") as file:
        file.seek(position + size // 2)
        file.write(b"\xff" * (size // 4))
    call(f"input={video}", f"output={tmp_path / 'out'}", "workers=1")
    (row,) = table(tmp_path / "out" / "videos.csv")
    assert row["status"] == "no face" and "damaged" in row["warnings"]


@pytest.mark.reference
def test_processes_write_the_same_bytes(raw, tmp_path):
    for workers in (1, 2):
        call(f"input={raw}", f"output={tmp_path / str(workers)}", f"workers={workers}")
    one, two = (Manifest.read(tmp_path / name / "manifest.csv") for name in "12")
    assert [row.hash for row in one] == [row.hash for row in two]


@pytest.mark.reference
def test_a_launcher_gives_the_share(raw, tmp_path, seen, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert call(f"input={raw}", f"output={tmp_path / 'out'}") == 0
    assert seen == ["room"] and "shard=1/1 joins them" in caplog.text
    assert (tmp_path / "out" / "videos-2-of-4.csv").is_file()


@pytest.mark.reference
def test_one_video_never_ends_the_batch(raw, tmp_path, monkeypatch):
    def broken(path, *rest, **part):
        raise RuntimeError(f"odd thing in {path[-8:]}")

    monkeypatch.setattr(face_clips, "find_faces", broken)
    assert call(f"input={raw}", f"output={tmp_path / 'out'}", "workers=1") == 1
    reasons = [row["reason"] for row in table(tmp_path / "out" / "failures.csv")]
    assert reasons[0] == "RuntimeError: odd thing in /one.mp4" and len(reasons) == 4


def test_a_name_that_is_too_long_costs_its_own_clips_only(write_video, tmp_path):
    grey = [np.full((96, 96, 3), 90 + n, np.uint8) for n in range(10)]
    rows = [Row(f"/{'x' * 300}.mp4", 0), Row(str(write_video("raw/room.mp4", grey)), 0)]
    Manifest(rows).write(tmp_path / "in.csv")
    assert call(f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'out'}", "workers=1") == 1
    (failure,) = table(tmp_path / "out" / "failures.csv")
    assert failure["path"] == rows[0].path and "too long" in failure["reason"]
    long, room = table(tmp_path / "out" / "videos.csv")
    assert (long["status"], room["status"]) == ("failed", "no face")


@pytest.mark.reference
def test_a_source_that_vanishes_costs_its_own_clips_only(raw, tmp_path, monkeypatch):
    real = face_clips.find_faces

    def vanishing(path, *rest, **part):
        if path.endswith("one.mp4"):
            (raw / "one.mp4").unlink()
            (raw / "one.mp4").stat()
        return real(path, *rest, **part)

    monkeypatch.setattr(face_clips, "find_faces", vanishing)
    assert call(f"input={raw}", f"output={tmp_path / 'out'}", "workers=1") == 1
    failed, _ = table(tmp_path / "out" / "failures.csv")
    assert failed["reason"] == "cannot be read (No such file or directory)"
    assert len(Manifest.read(tmp_path / "out" / "manifest.csv")) == 2


@pytest.mark.reference
def test_what_changes_after_it_was_cut_is_cut_again(raw, tmp_path, seen, monkeypatch):
    real = preprocess.cut_faces

    def replaced(video, *rest):
        cut = real(video, *rest)
        os.utime(video.path, ns=(0, 0))
        return cut

    options = (f"input={raw / 'one.mp4'}", f"output={tmp_path / 'out'}", "workers=1")
    with monkeypatch.context() as patch:
        patch.setattr(preprocess, "cut_faces", replaced)
        assert call(*options) == 0
    assert call(*options) == 0
    assert seen == ["one"] * 2
    (raw / "one.mp4").rename(raw / "two.mp4")
    assert call(*options) == 1, "gone before the run"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EROFS, "Read-only file system"),
        PermissionError(errno.EACCES, "Permission denied", "OUT/one/1.wav"),
        OSError(errno.EIO, "Input/output error", "file:OUT/one/.1.7.partial.mp4"),
    ],
)
def test_what_every_video_would_meet_ends_the_run(make_video, tmp_path, monkeypatch, error):
    if error.filename:
        error.filename = error.filename.replace("OUT", f"{tmp_path}/out/clips")

    def broken(path, *rest, **part):
        raise error

    monkeypatch.setattr(face_clips, "find_faces", broken)
    with pytest.raises(type(error)):
        call(f"input={make_video()}", f"output={tmp_path / 'out'}", "workers=1")


@pytest.mark.reference
def test_damage_and_sound_that_ends_are_told(pictures, tmp_path, seen, caplog):
    frames = pictures(A, 180, 144)[:60]
    sound = np.random.default_rng(0).integers(-8000, 8000, 60 * HOP).astype(np.int16)
    write_clip(tmp_path / "raw" / "ends.mp4", frames, sound[: 40 * HOP])
    damaged = tmp_path / "raw" / "torn.mp4"
    write_clip(damaged, frames, sound)
    with av.open(str(damaged)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size][15:17]
        spans = [(packet.pos, packet.size) for packet in packets]
    with damaged.open("r+b") as file:
        for position, size in spans:
            file.seek(position)
            file.write(b"\xff" * size)
    for _ in range(2):  # read again from the ledger
        assert call(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "workers=1") == 0
        ends, torn = (row["warnings"] for row in table(tmp_path / "out" / "videos.csv"))
        assert float(ends.removeprefix("sound ended ")[:4]) == pytest.approx(0.8, abs=0.1)
        assert torn == "damaged packets left out: 2 of audio"
    assert seen == ["ends", "torn"] and "2 videos are damaged or lack sound" in caplog.text


@pytest.mark.reference
def test_what_a_kill_left_is_removed_and_the_ledger_stays(raw, tmp_path, seen, monkeypatch):
    out = tmp_path / "out"
    options = (f"input={raw}", f"output={out}", "workers=1")
    call(*options)
    (out / "clips" / "one" / "1.mp4").unlink()
    left = [out / "clips" / "one" / ".1.99.partial.mp4", out / ".manifest.99.partial.csv"]
    other = out / ".manifest-1-of-2.99.partial.csv"
    for path in (*left, other):
        path.write_bytes(b"half of")
    with (out / "ledger.jsonl").open("ab") as file:
        file.write(b'{"name": "ro')

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        call(*options)
    assert seen == ["one", "text"]
    assert list(out.rglob(".*.partial*")) == [other], "of a share, which may be at work"
    call(*options)
    assert seen == ["one", "text", "text"]


@pytest.mark.parametrize(
    ("at_work", "shard"),
    [
        ("ledger.jsonl", "1/1"),
        ("ledger.jsonl", "1/2"),
        ("ledger-2-of-4.jsonl", "2/4"),
        ("ledger-2-of-4.jsonl", "1/2"),
        ("ledger-2-of-4.jsonl", "1/1"),
    ],
)
def test_who_comes_second_is_refused(make_video, tmp_path, at_work, shard):
    out = tmp_path / "out"
    with (
        CutLedger(out, at_work),
        pytest.raises(ConfigError, match="out: another run is writing to this folder"),
    ):
        call(f"input={make_video()}", f"output={out}", "workers=1", f"shard={shard}")
    with CutLedger(out, "ledger-1-of-2.jsonl"), CutLedger(out, "ledger-2-of-2.jsonl"):
        pass


MISTAKES = [
    ("workers=0", ConfigError, "workers must be at least 1"),
    ("shard=9/8", ConfigError, "shard must look like 2/8"),
    ("crop=nose", ConfigError, "crop must be one of lrs, syncnet, mouth"),
    ("crop={sides: 2}", ConfigError, "crop has no sides, but anchor, down, fill"),
    ("crop={side: abc}", ConfigError, "crop: side must be a number, not 'abc'"),
    ("crop={side: 1e30}", ConfigError, "crop: side must be 20 at most"),
    ("crop={median: 1.5}", ConfigError, "crop: median must be a whole number"),
    ("crf=1.5", ConfigError, "crf must be a whole number"),
    ("preset=foo", ConfigError, "preset must be one of ultrafast"),
    ("longest=0.1", ConfigError, "longest must be"),
    ("input=/no/such/file", ConfigError, "no such file"),
    ("input=/no/such/table.csv", ManifestError, "no such file"),
]


@pytest.mark.parametrize("override, error, message", MISTAKES)
def test_mistakes_are_one_sentence(make_video, tmp_path, override, error, message):
    options = [f"input={make_video()}", f"output={tmp_path / 'out'}"]
    with pytest.raises(error, match=message):
        call(*options, override)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["manifest.csv", "videos.csv", "failures.csv"])
def test_the_input_is_not_written_over(make_video, tmp_path, name):
    Manifest([Row(str(make_video()), 0)]).write(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(ConfigError, match="this run would write over it"):
        call(f"input={tmp_path / name}", f"output={tmp_path}", "workers=1")
    assert (tmp_path / name).read_bytes() == before


def test_a_foreign_ledger_is_refused(make_video, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ledger.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(ManifestError, match="not a ledger of avforensics preprocess"):
        call(f"input={make_video()}", f"output={tmp_path / 'out'}")


@pytest.mark.reference
def test_a_poster_before_the_film_is_no_clip(pictures, write_video, tmp_path):
    """The poster shows another face; it is neither searched nor cut out."""
    film = write_video("film.mp4", pictures(A, 180, 144)[:40])
    path = tmp_path / "raw" / "poster.mp4"
    path.parent.mkdir()
    with av.open(str(film)) as src, av.open(str(path), "w") as out:
        poster = out.add_stream("mjpeg", rate=1)
        poster.width, poster.height, poster.pix_fmt = 360, 288, "yuvj420p"
        copies = {stream.index: out.add_stream_from_template(stream) for stream in src.streams}
        picture = av.VideoFrame.from_ndarray(pictures(B, 360, 288)[0], format="rgb24")
        out.mux(poster.encode(picture))
        for packet in src.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
        out.mux(poster.encode(None))
    assert call(f"input={path.parent}", f"output={tmp_path / 'out'}", "workers=1") == 0
    (row,) = table(tmp_path / "out" / "videos.csv")
    assert row["warnings"].startswith("2 video tracks: track 1 (h264, 180 × 144) was read")
    clip = tmp_path / "out" / "clips" / "poster" / "1.mp4"
    side = json.loads(clip.with_suffix(".json").read_text())
    assert (side["frames"], side["width"]) == (40, 180)
