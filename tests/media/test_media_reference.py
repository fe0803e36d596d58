"""Real clips next to the checkout, and the released pipeline's sound for two of them."""

import sys

import numpy as np
import pytest

from avforensics.media import ClipReader, open_media, read_audio, read_wav

pytestmark = pytest.mark.reference


@pytest.mark.parametrize(
    ("clip", "golden", "n_frames"),
    [("released_clip", "released_clip", 134), ("grid_clip", "grid_clip_seed1", 74)],
)
def test_sound_is_that_of_the_released_pipeline(shared, clip, golden, n_frames):
    path = shared / "media" / f"{clip}.mp4"
    expected = read_wav(shared / "reference" / "golden" / f"{golden}.wav").astype(int)
    sound = read_audio(path)
    assert len(sound) == len(expected)
    different = np.flatnonzero(sound != expected)
    assert len(different) <= 1 and np.abs(sound - expected).max() <= 1
    with open_media(path) as stream:
        aligned = np.concatenate([block.audio for block in stream])
    assert stream.report.n_frames == n_frames and stream.report.warnings == []
    assert np.abs(aligned - expected[: len(aligned)]).max() <= 1


@pytest.mark.parametrize(
    ("clip", "n_frames", "size"),
    [
        ("wild/hdtf_RD_Radio2_000", 200, (512, 512)),
        ("wild/web_22fps", 151, (700, 700)),
        ("grid_s1/bbaf2n", 74, (360, 288)),
    ],
)
def test_real_clips(shared, clip, n_frames, size):
    with open_media(shared / "media" / f"{clip}.mp4") as stream:
        frames = sum(len(block.frames) for block in stream)
    report = stream.report
    assert frames == report.n_frames == n_frames
    assert (report.width, report.height) == size
    assert report.skipped_packets == 0 and report.warnings == []


def test_a_regular_real_clip_is_read_by_decord_as_by_pyav(shared, monkeypatch):
    pytest.importorskip("decord")
    path = shared / "media" / "grid_s1" / "bbaf2n.mp4"
    reader = ClipReader(path)
    assert reader.reader == "decord"
    frames = reader.frames(20, 12)
    monkeypatch.setitem(sys.modules, "decord", None)
    assert np.array_equal(ClipReader(path).frames(20, 12), frames)
