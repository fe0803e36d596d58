import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from media_files import frames_at, mux, noise, number_of, numbered, remux

from avforensics.errors import MediaError
from avforensics.media import ClipReader, clips, open_media, write_clip, write_wav
from avforensics.media.types import MediaOptions

SOUND = noise(3)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    write_clip(path, [numbered(k) for k in range(75)], SOUND)
    return path


def without_decord(monkeypatch):
    monkeypatch.setitem(sys.modules, "decord", None)


def test_decord_and_pyav_give_the_same_frames(clip, monkeypatch):
    pytest.importorskip("decord")
    reader = ClipReader(clip)
    places = [(0, 75), (0, 5), (1, 5), (23, 5), (24, 1), (25, 5), (70, 5), (3, 30)]
    fast = [reader.frames(*place) for place in places]
    assert reader.reader == "decord"
    without_decord(monkeypatch)
    slow = ClipReader(clip)
    for (start, count), frames in zip(places, fast, strict=True):
        assert frames.shape == (count, 96, 128, 3) and frames.dtype == np.uint8
        assert [number_of(frame) for frame in frames] == list(range(start, start + count))
        assert np.array_equal(frames, slow.frames(start, count))
    assert slow.reader == "pyav"


def test_it_gives_what_open_media_gives(tmp_path):
    path = tmp_path / "clip.mp4"
    write_clip(path, [numbered(k, 96, 96) for k in range(75)], SOUND, b_frames=2)
    reader = ClipReader(path)
    with open_media(path, MediaOptions(size=96)) as stream:
        blocks = list(stream)
    assert reader.n_frames == stream.report.n_frames == 75
    assert np.array_equal(reader.frames(0, 75), np.concatenate([b.frames for b in blocks]))
    assert np.array_equal(reader.audio(0, 75), np.concatenate([b.audio for b in blocks]))


def test_sound_comes_from_the_wav_beside_the_clip(clip):
    write_wav(clip.with_suffix(".wav"), SOUND[::-1].copy())
    reader = ClipReader(clip)
    assert np.array_equal(reader.audio(0, 75), SOUND[::-1])
    assert np.array_equal(reader.audio(31, 5), SOUND[::-1][31 * 640 : 36 * 640])


def test_the_shorter_of_picture_and_sound_counts(clip):
    write_wav(clip.with_suffix(".wav"), SOUND[: 40 * 640 + 639])
    reader = ClipReader(clip)
    assert reader.n_frames == 40
    assert len(reader.audio(35, 5)) == 5 * 640
    for place in ((36, 5), (-1, 5), (0, 0), (40, 1)):
        with pytest.raises(ValueError, match=r"must be within 0\.\.39"):
            reader.frames(*place)
        with pytest.raises(ValueError, match=r"must be within 0\.\.39"):
            reader.audio(*place)


def odd_files(folder):
    """Yield files that decord misreads or `preprocess` did not write, with their frame numbers."""
    whole = mux(folder / "a.mp4", times=frames_at(25, 75), sounds=[[(0, SOUND)]])
    yield remux(whole, folder / "edit.mp4", shift=-1.0), list(range(25, 75))
    late = mux(folder / "late.mp4", times=frames_at(25, 75, 0.4), sounds=[[(0, SOUND)]])
    yield late, list(range(65))
    half = mux(folder / "half.mp4", times=frames_at(50, 150), rate=50, sounds=[[(0, SOUND)]])
    yield half, list(range(0, 150, 2))
    stream = mux(folder / "a.ts", times=frames_at(25, 75), sounds=[[(0, SOUND)]])
    yield stream, list(range(75))


def test_files_that_are_not_regular_go_through_pyav(tmp_path):
    for path, expected in odd_files(tmp_path):
        reader = ClipReader(path)
        assert reader.reader == "pyav", path.name
        assert reader.n_frames == len(expected), path.name
        found = [number_of(frame) for frame in reader.frames(0, reader.n_frames)]
        assert found == expected, path.name
        middle = reader.frames(30, 5)
        assert [number_of(frame) for frame in middle] == expected[30:35], path.name
        with open_media(path) as stream:
            sound = np.concatenate([block.audio for block in stream])
        assert np.array_equal(reader.audio(0, reader.n_frames), sound), path.name


@pytest.mark.parametrize(
    "lie",
    [
        {"frames": 74},
        {"fps": 24.0},
        {"first": (0.04, 0.08)},
        {"last": (2.8, 2.84)},
        {"error": True},
    ],
)
def test_decord_is_not_believed_when_it_disagrees(clip, monkeypatch, lie):
    class Liar:
        def __init__(self, *_, **__):
            if lie.get("error"):
                raise RuntimeError("cannot open")

        def __len__(self):
            return lie.get("frames", 75)

        def get_avg_fps(self):
            return lie.get("fps", 25.0)

        def get_frame_timestamp(self, _):
            return np.array([lie.get("first", (0, 0.04)), lie.get("last", (2.96, 3.0))])

    logging = SimpleNamespace(set_level=lambda _: None, QUIET=0)
    errors = {"DECORDError": RuntimeError, "DECORDLimitReachedError": RuntimeError}
    module = SimpleNamespace(VideoReader=Liar, logging=logging, **errors)
    monkeypatch.setitem(sys.modules, "decord", module)
    reader = ClipReader(clip)
    assert reader.reader == "pyav"
    assert number_of(reader.frames(50, 1)[0]) == 50
    lie.clear()
    assert ClipReader(clip).reader == "decord"  # the same module with correct answers


def test_decord_is_imported_at_the_first_frame_only(clip):
    code = (
        "import sys; from avforensics.media import ClipReader; reader = ClipReader(sys.argv[1]);"
        "reader.audio(0, 5); assert 'decord' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(clip)], check=True)


def test_reading_on_both_sides_of_a_fork_is_refused(clip, monkeypatch):
    reader = ClipReader(clip)
    reader.frames(0, 5)
    monkeypatch.setattr(clips.os, "getpid", lambda: -1)
    with pytest.raises(RuntimeError, match="fork"):
        reader.frames(0, 5)


def test_files_that_are_no_clips(tmp_path, clip):
    with pytest.raises(MediaError, match="no such file"):
        ClipReader(tmp_path / "none.mp4")
    with pytest.raises(MediaError, match="no audio stream"):
        ClipReader(mux(tmp_path / "mute.mp4", times=frames_at(25, 10)))
    clip.with_suffix(".wav").write_bytes(b"nothing")
    with pytest.raises(MediaError, match=r"clip\.wav: not a readable WAV"):
        ClipReader(clip)
