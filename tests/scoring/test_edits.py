"""Edits of clips while they are read: they change what they name and nothing else."""

import numpy as np
import pytest

from avforensics.errors import ConfigError
from avforensics.media import open_media
from avforensics.media.perturbations import pixelation
from avforensics.media.types import HOP, Block, MediaOptions
from avforensics.scoring.edits import edit_of, shift_sound, trim_silence
from avforensics.scoring.source import Clip


def numbered(n_frames, lengths, silent=0):
    """Make frames and samples that encode their own index, in blocks of the given lengths."""
    sound = np.arange(n_frames * HOP) % 20_000 + 1000
    sound[:silent] = 10  # below 0.0005 of full scale
    frames = np.arange(n_frames, dtype=np.uint8)[:, None, None, None] * np.ones((2, 2, 3), np.uint8)
    start = 0
    for length in lengths:
        part = slice(start * HOP, (start + length) * HOP)
        yield Block(frames[start : start + length], sound[part].astype(np.int16))
        start += length
    assert start == n_frames


def joined(blocks):
    blocks = list(blocks)
    for block in blocks:
        assert len(block.audio) == len(block.frames) * HOP
    frames = np.concatenate([block.frames[:, 0, 0, 0] for block in blocks])
    return frames, np.concatenate([block.audio for block in blocks]).astype(np.int64)


@pytest.mark.parametrize("lengths", [(30,), (1,) * 30, (7, 7, 7, 9)])
@pytest.mark.parametrize("frames", [1, 4, -1, -15])
def test_shift_moves_the_sound_by_whole_frames(frames, lengths):
    pictures, sound = joined(shift_sound(numbered(30, lengths), frames))
    assert len(pictures) == 30 - abs(frames)
    first, first_sample = max(frames, 0), max(-frames, 0) * HOP
    np.testing.assert_array_equal(pictures, np.arange(first, first + len(pictures)))
    expected = (np.arange(len(sound)) + first_sample) % 20_000 + 1000
    np.testing.assert_array_equal(sound, expected)
    # the sound of the first picture comes `frames` frames later
    assert (first * HOP - first_sample) == frames * HOP


@pytest.mark.parametrize("lengths", [(30,), (1,) * 30, (7, 7, 7, 9)])
@pytest.mark.parametrize(
    ("silent", "dropped"), [(0, 0), (1, 0), (319, 0), (321, 1), (640, 1), (5000, 8), (7 * HOP, 7)]
)
def test_trimmed_clips_begin_with_their_first_sound(silent, dropped, lengths):
    pictures, sound = joined(trim_silence(numbered(30, lengths, silent)))
    assert pictures[0] == dropped
    assert sound[0] == silent % 20_000 + 1000
    np.testing.assert_array_equal(np.diff(pictures), 1)
    assert 30 - dropped - 1 <= len(pictures) <= 30 - dropped


def test_a_silent_clip_has_nothing_left():
    assert list(trim_silence(numbered(10, (4, 6), silent=10 * HOP))) == []


def test_perturbed_pictures_leave_the_sound_bit_identical(make_video):
    path = make_video(n_frames=12, size=64)
    options = MediaOptions(size=32)

    def read(edit):
        clip = Clip(path, edit=edit_of(edit, str(path)))
        with open_media(path, options, edit=clip.edit.pictures) as stream:
            blocks = list(clip.cut(stream))
        return (np.concatenate([getattr(b, part) for b in blocks]) for part in ("frames", "audio"))

    frames, audio = read("")
    for name in ("JPEG=5", "GNC=3/1", "VC=5"):
        changed, same = read(name)
        np.testing.assert_array_equal(same, audio)
        assert changed.shape == frames.shape
        assert np.abs(changed.astype(int) - frames).mean() > 0.5
    whole, _ = read("JPEG=5")
    with open_media(path, MediaOptions(size=64)) as stream:
        raw = np.concatenate([block.frames for block in stream])
    # on the picture before it is resized
    smaller = np.stack([pixelation(frame, 6) for frame in raw])
    assert np.abs(smaller[:, ::2, ::2].astype(int) - whole).mean() < 6
    again, _ = read("GNC=3/1")
    other, _ = read("GNC=3/2")
    first, _ = read("GNC=3/1")
    np.testing.assert_array_equal(again, first)
    assert (other != first).any()


@pytest.mark.parametrize("name", ["shift=0", "shift=16", "shift", "GB=6", "GB", "blur=1", "trim=1"])
def test_names_without_meaning_are_refused(name):
    with pytest.raises(ConfigError, match="edit must be trim"):
        edit_of(name, "a.mp4")
