"""Real clips pass; versions of them without a voice or without a mouth do not."""

import random

import numpy as np
import pytest
from mouths import sung

from avforensics.applicability import DEFAULT_LIMITS, Measures, Meter, MouthView
from avforensics.faces.crops import RECIPES
from avforensics.faces.find import find_faces
from avforensics.media import MediaOptions, open_media
from avforensics.media.types import FPS, HOP, Block

pytestmark = [pytest.mark.reference, pytest.mark.slow]
SECONDS = 3


@pytest.fixture(scope="module")
def clips(shared):
    """Return a function that samples clips of a folder, as frames and sound around the mouth."""
    pytest.importorskip("cv2")

    def read(folder: str, count: int, seed: int = 5):
        paths = sorted((shared / "media" / folder).glob("*.mp4"))
        for path in random.Random(seed).sample(paths, min(count, len(paths))):
            tracks = find_faces(path, max_frames=SECONDS * FPS).tracks
            if not tracks:
                continue
            track = tracks[0]
            crop = RECIPES["mouth"].crop(track)
            options, view = MediaOptions(size=96), MouthView.of_track(track, crop)
            with open_media(path, options, start_frame=track.first_frame, crop=crop) as stream:
                blocks = list(stream)
            frames = np.concatenate([block.frames for block in blocks])
            yield path, frames, np.concatenate([block.audio for block in blocks]), view

    return read


def measured(frames: np.ndarray, sound: np.ndarray, view: MouthView) -> Measures:
    meter = Meter(view)
    for first in range(0, len(frames), FPS):
        part = sound[first * HOP : (first + FPS) * HOP]
        meter.add(Block(frames[first : first + FPS], part))
    return meter.measures()


def reasons(*clip) -> str:
    return "; ".join(DEFAULT_LIMITS.reasons(measured(*clip)))


@pytest.mark.parametrize("folder", ["talkers/real", "talkers/news", "grid_s1"])
def test_real_clips_pass(clips, folder):
    refused = {
        path.name: why
        for path, frames, sound, view in clips(folder, 8)
        if (why := reasons(frames, sound, view))
    }
    assert len(refused) <= 1, refused


def test_what_is_made_of_real_clips_is_refused(clips):
    path, frames, sound, view = next(clips("grid_s1", 1))
    length = len(frames)
    assert reasons(frames, sound, view) == "", path
    assert reasons(frames, np.zeros_like(sound), view).startswith("silence")
    still = np.repeat(frames[:1], length, axis=0)
    assert "frozen picture" in reasons(still, sound, view)
    chord = sum(np.sin(np.arange(len(sound)) * 2 * np.pi * f / 16_000) for f in (220, 277, 330))
    music = (4000 * chord).astype(np.int16)
    found = reasons(still, music, view)
    assert "no speech" in found and "frozen picture" in found
    assert reasons(frames, sung(length, seed=2), view).startswith("song")
    covered = frames.copy()
    covered[:, 20:68, 12:84] = 110
    assert reasons(covered, sound, view).startswith("mouth covered")


def test_a_voice_over_a_real_mouth_before_it_speaks(clips):
    """Play the first third of a second of a clip back and forth, with another person's voice."""
    caught = 0
    for _, frames, _, view in clips("grid_s1", 6):
        listens = np.concatenate([frames[:8], frames[6:0:-1]])
        listens = np.resize(listens, (SECONDS * FPS, *frames.shape[1:]))
        for _, _, sound, _ in clips("talkers/real", 1, seed=9):
            length = min(len(listens), len(sound) // HOP)
            caught += "voice-over" in reasons(listens[:length], sound[: length * HOP], view)
    assert caught >= 3
