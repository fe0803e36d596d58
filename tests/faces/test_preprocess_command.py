"""``avforensics preprocess``: from raw videos to clips for training."""

import errno
import json
import re

import av
import numpy as np
import pytest
from media_files import damage
from runs import composed, table

from avforensics.commands import preprocess
from avforensics.data import cut as cutting
from avforensics.data.clips import RandomClips
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError, ManifestError
from avforensics.faces.detector import SHA256
from avforensics.media import HOP, ClipReader, read_audio, read_wav, write_clip

pytest.importorskip("cv2", reason="the extra `faces` is not installed")

A, B = "grid_s1/bbaf2n.mp4", "grid_s1/lwae9s.mp4"


def call(*overrides, size=64):
    return preprocess.run(composed("preprocess", *overrides, f"size={size}"))


@pytest.fixture
def raw(pictures, write_video, tmp_path):
    """A talk by one person, a talk by two, an empty room and a file of text."""
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
    assert (status["one.mp4"], status["two.mkv"]) == ("done", "done")
    assert (status["room.mp4"], status["text.mp4"]) == ("no face", "failed")
    (failure,) = table(out / "failures.csv")
    assert failure["path"].endswith("text.mp4")
    assert "3 clips (0.1 minutes) from 2 of 4 videos" in caplog.text and "no face: 1" in caplog.text

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
    size = dict(manifest[0].about)["face_size"]  # in pixels of the video, not of the clip
    width = np.median(np.array(side["boxes"]) @ [-1, 0, 1, 0])
    assert float(size) == side["face_size"] == pytest.approx(width, abs=0.15)
    assert ClipReader(clip).n_frames == 40
    item = RandomClips(manifest, clips_per_video=2)[1]
    assert item["frames"].shape == (2, 5, 64, 64, 3) and item["broken"] == ""


@pytest.mark.reference
def test_a_manifest_gives_parts_labels_and_forged_stretches(raw, tmp_path):
    told = ("FVRA", "cut", "p7", "test", 0.2, 1.2)
    row = Row(str(raw / "one.mp4"), 1, *told, segments=((0.4, 0.8),))
    Manifest([row, row._replace(start=0.0, duration=0.6)]).write(tmp_path / "in.csv")
    out = tmp_path / "out"
    call(f"input={tmp_path / 'in.csv'}", f"output={out}", "workers=1", "crop=syncnet")
    (clip,) = Manifest.read(out / "manifest.csv")
    assert clip[1:6] == (1, "FVRA", "cut", "p7", "test")
    assert clip.duration == 1.2 and clip.segments == ((0.2, 0.6),)
    short = table(out / "videos.csv")[1]
    assert short["status"] == "no usable face" and "1 shorter than 1 s" in short["reason"]


@pytest.mark.reference
def test_the_unforged_part_of_a_forgery_is_left_out(raw, tmp_path, caplog):
    caplog.set_level("INFO")
    late = Row(str(raw / "one.mp4"), 1, segments=((1.2, 1.4),))
    before = Row(str(raw / "talks" / "two.mkv"), 1, segments=((1.5, 1.6),))
    Manifest([late, before]).write(tmp_path / "in.csv")
    out = tmp_path / "out"
    short = ("longest=1", "faces.find.min_seconds=0.5")
    for _ in range(2):  # the second time from the ledger
        assert call(f"input={tmp_path / 'in.csv'}", f"output={out}", "workers=1", *short) == 0
        (clip,) = Manifest.read(out / "manifest.csv")
        assert (clip.path[-9:], clip.segments) == ("e/1-2.mp4", ((0.4, 0.6),))
        rows = [(row["status"], row["clips"], row["dropped"]) for row in table(out / "videos.csv")]
        reason = "in the unforged part of a partial forgery"
        assert rows == [("done", "1", f"1 {reason}"), ("no usable face", "0", f"4 {reason}")]
        assert f"left out: 5 tracks or parts of tracks ({reason})" in caplog.text


@pytest.mark.reference
def test_long_tracks_and_company(raw, tmp_path):
    out = tmp_path / "out"
    options = (f"input={raw / 'one.mp4'}", "workers=1", "faces.find.min_seconds=0.5")
    assert call(*options, f"output={out}", "longest=1") == 0
    rows = Manifest.read(out / "manifest.csv")
    assert [row.path[-9:] for row in rows] == ["e/1-1.mp4", "e/1-2.mp4"]
    assert [row.duration for row in rows] == [0.8, 0.8]
    sound = [read_wav(row.path.replace(".mp4", ".wav")) for row in rows]
    np.testing.assert_array_equal(np.concatenate(sound), read_audio(raw / "one.mp4")[: 40 * HOP])
    company = (f"input={raw / 'talks'}", f"output={tmp_path / 'alone'}", "single_face_only=true")
    assert call(*company, "workers=1") == 0
    (video,) = table(tmp_path / "alone" / "videos.csv")
    assert video["dropped"] == "2 never the only face"


@pytest.mark.reference
def test_alone_keeps_the_stretches_without_company(pictures, write_video, tmp_path):
    """One face is in frames 0..59, another in 30..99: 0..29 and 60..99 have a single face."""
    first, second = pictures(A, 180, 144), pictures(B, 180, 144)
    empty = np.full_like(first[0], 110)
    frames = [
        np.hstack([first[n] if n < 60 else empty, second[n - 30] if n >= 30 else empty])
        for n in range(100)
    ]
    write_video("raw/meeting.mp4", frames)
    for alone, found in ((True, [(0, 30), (60, 40)]), (False, [(0, 60), (30, 70)])):
        out = tmp_path / str(alone)
        # an arriving person is not a cut
        options = (f"single_face_only={alone}", "workers=1", "faces.find.cut=100")
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
    assert missing.endswith("none.wav: no such file")
    assert wrong == f"{text}: not a media file, or damaged beyond recognition"


def test_damage_is_told_where_no_face_is_found(tmp_path):
    video = tmp_path / "raw" / "torn.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (40, 96, 96, 3), np.uint8)
    write_clip(video, noise, np.zeros(40 * HOP, np.int16))
    damage(video, "video", slice(20, 21))
    call(f"input={video}", f"output={tmp_path / 'out'}", "workers=1")
    (row,) = table(tmp_path / "out" / "videos.csv")
    assert row["status"] == "no face" and "damaged" in row["warnings"]


@pytest.mark.reference
def test_one_video_never_ends_the_batch(raw, tmp_path, monkeypatch):
    def broken(path, *rest, **part):
        raise RuntimeError(f"odd thing in {path[-8:]}")

    monkeypatch.setattr(cutting, "find_faces", broken)
    assert call(f"input={raw}", f"output={tmp_path / 'out'}", "workers=1") == 1
    reasons = [row["reason"] for row in table(tmp_path / "out" / "failures.csv")]
    assert reasons[0] == "RuntimeError: odd thing in /one.mp4" and len(reasons) == 4


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

    monkeypatch.setattr(cutting, "find_faces", broken)
    with pytest.raises(type(error)):
        call(f"input={make_video()}", f"output={tmp_path / 'out'}", "workers=1")


@pytest.mark.reference
def test_damage_and_sound_that_ends_are_told(pictures, tmp_path, seen, caplog):
    frames = pictures(A, 180, 144)[:60]
    sound = np.random.default_rng(0).integers(-8000, 8000, 60 * HOP).astype(np.int16)
    write_clip(tmp_path / "raw" / "ends.mp4", frames, sound[: 40 * HOP])
    write_clip(tmp_path / "raw" / "torn.mp4", frames, sound)
    damage(tmp_path / "raw" / "torn.mp4", "audio", slice(15, 17))
    for _ in range(2):  # the second time from the ledger
        assert call(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "workers=1") == 0
        ends, torn = (row["warnings"] for row in table(tmp_path / "out" / "videos.csv"))
        heard, shown = re.fullmatch(
            r"audio \((.*) s\) shorter than video \((.*) s\)", ends
        ).groups()
        assert float(heard) == pytest.approx(1.6, abs=0.1) and shown == "2.40"
        assert torn == "damaged packets skipped: 2 of audio"
    assert seen == ["ends", "torn"] and "2 videos are damaged or lack sound" in caplog.text


MISTAKES = [
    ("workers=0", ConfigError, "workers must be at least 1"),
    ("shard=9/8", ConfigError, "shard must be like 2/8"),
    ("crop=nose", ConfigError, "crop must be one of lrs, syncnet, mouth"),
    ("crop={sides: 2}", ConfigError, "crop has no setting sides; it has anchor, down, fill"),
    ("crop={side: abc}", ConfigError, "crop: side must be a number, got 'abc'"),
    ("crop={side: 1e30}", ConfigError, "crop: side must be at most 20"),
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
