"""Measures of clips, and the limits beyond which clips are refused."""

from dataclasses import replace

import numpy as np
import pytest
from mouths import mouth_pictures, notes, sung
from omegaconf import OmegaConf
from runs import composed
from voices import speech

from avforensics.applicability import (
    DEFAULT_LIMITS,
    Limits,
    Measures,
    Meter,
    MouthView,
    Speaking,
    limits_of,
    of_video,
)
from avforensics.applicability.song import SongMeter
from avforensics.applicability.voice import CHUNK
from avforensics.errors import ConfigError
from avforensics.faces.crops import RECIPES
from avforensics.faces.track import FaceTrack
from avforensics.media.types import HOP, Block

FRAMES = 50


def measured(
    frames: np.ndarray, sound: np.ndarray, size: int = 25, view: MouthView | None = None
) -> Measures:
    meter = Meter(view)
    for first in range(0, len(frames), size):
        part = slice(first * HOP, (first + size) * HOP)
        meter.add(Block(frames[first : first + size], sound[part]))
    return meter.measures()


def of_mouth(
    frames: np.ndarray, sound: np.ndarray | None = None, view: MouthView | None = None
) -> Measures:
    """Measure pictures that are cut around the mouth, or at ``view``."""
    view = view or MouthView.of_recipe("mouth")
    return measured(frames, speech(len(frames)) if sound is None else sound, view=view)


def pictures(n: int = FRAMES, every: int = 1) -> np.ndarray:
    """Make pictures of a moving pattern that changes every ``every`` frames, with camera noise."""
    random = np.random.default_rng(3)
    frames = random.integers(90, 110, (n, 64, 64, 3))
    for index in range(n):
        at = 2 * (index % 20)
        frames[index, 20:40, at : at + 20] += 80
    return frames[np.arange(n) // every * every].astype(np.uint8)


def test_a_talking_picture_passes():
    found = measured(pictures(), speech(FRAMES))
    assert DEFAULT_LIMITS.reasons(found) == ()
    assert found.seconds == FRAMES / 25 and found.speech > 1 and found.still == 0


def test_blocks_of_another_size_change_nothing():
    frames, sound = pictures(), speech(FRAMES)
    one, other = measured(frames, sound, 25), measured(frames, sound, 7)
    for name in ("level", "speech", "still"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=0.5)


@pytest.mark.parametrize(("seconds", "refused"), [(0.24, False), (0.5, True), (1.0, True)])
def test_a_clip_of_a_word_needs_less_speech(seconds, refused):
    reasons = DEFAULT_LIMITS.reasons(Measures(seconds=seconds, level=-20, speech=0.192))
    assert any("no speech" in reason for reason in reasons) == refused


def test_a_little_speech_in_much_other_sound():
    """Quiet pauses do not count, but loud sound without speech does."""
    sound = speech(100)
    sound[20 * HOP :] = 0
    paused = measured(pictures(100), sound)
    sound[20 * HOP :] = np.random.default_rng(0).normal(0, 6000, 80 * HOP)
    drowned = measured(pictures(100), sound)
    assert min(paused.speech, drowned.speech) > DEFAULT_LIMITS.min_speech
    assert paused.spoken > 0.8 and DEFAULT_LIMITS.reasons(paused) == ()
    assert DEFAULT_LIMITS.reasons(drowned)[0].startswith("no speech: in only ")


def coded(still: np.ndarray) -> np.ndarray:
    """Add slight coding noise to a still picture."""
    frames = still.astype(np.int16)
    frames[:, ::8, ::8] += np.random.default_rng(1).integers(-1, 2, (len(still), 8, 8, 3))
    return frames.clip(0, 255).astype(np.uint8)


STILL = np.repeat(pictures(1), FRAMES, axis=0)
NOISE = np.random.default_rng(0).normal(0, 2000, FRAMES * HOP).astype(np.int16)


@pytest.mark.parametrize(
    ("frames", "sound", "reason"),
    [
        (pictures(), np.zeros(FRAMES * HOP, np.int16), "silence"),
        (pictures(), NOISE, "no speech"),
        (STILL, speech(FRAMES), "frozen picture: still for 100 %"),
        (coded(STILL), speech(FRAMES), "frozen picture"),
        (pictures(every=4), speech(FRAMES), ""),  # a slow video
    ],
)
def test_silence_noise_and_frozen_pictures_are_refused(frames, sound, reason):
    reasons = DEFAULT_LIMITS.reasons(measured(frames, sound))
    assert [said[: len(reason)] for said in reasons] == [reason] * bool(reason)


def test_a_freeze_counts_by_its_length():
    half = pictures()
    half[FRAMES // 2 :] = half[FRAMES // 2]
    assert 0.3 < measured(half, speech(FRAMES)).still < 0.6


def test_nothing_read_is_nothing_measured():
    assert Meter().measures() is None


def test_limits_are_those_of_the_configuration():
    written = OmegaConf.to_container(composed("detect").applicability)
    assert limits_of(written) == DEFAULT_LIMITS
    assert limits_of(written | {"measure": False}) is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"min_speech": -1}, "applicability: min_speech must be >= 0, got -1"),
        ({"max_still": 2.0}, "applicability: max_still must be within 0..1, got 2.0"),
        ({"min_smile": 1}, "unknown setting applicability.min_smile; known: "),
    ],
)
def test_limits_without_meaning(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        limits_of(settings)


def test_a_measure_that_was_not_taken_refuses_nothing():
    assert Limits().reasons(Measures(seconds=3.0)) == ()
    assert Measures.parse({"seconds": 2.0, "speech": 1.0, "of_a_later_version": 3.0}).speech == 1


@pytest.mark.parametrize("sway", [0, 5])
def test_a_mouth_that_speaks(sway):
    found = of_mouth(mouth_pictures(FRAMES, sway=sway))
    assert found.voice_over < 0.1 and DEFAULT_LIMITS.reasons(found) == ()


@pytest.mark.parametrize("sway", [0, 5])
def test_a_voice_over_a_mouth_that_stays_shut(sway):
    """This also holds if the head sways: motion of the whole picture is not mouth motion."""
    found = of_mouth(mouth_pictures(FRAMES, speaks=False, sway=sway))
    assert found.voice_over == 1
    assert DEFAULT_LIMITS.reasons(found)[0].startswith("voice-over")


def test_a_mouth_that_opens_slowly_does_not_speak():
    assert of_mouth(mouth_pictures(FRAMES, rate=1.1)).voice_over > DEFAULT_LIMITS.max_voice_over
    assert of_mouth(mouth_pictures(FRAMES, rate=2.5)).voice_over == 0


@pytest.mark.parametrize("sway", [0, 5])
@pytest.mark.parametrize(("textured", "reason"), [(False, "mouth covered"), (True, "voice-over")])
def test_a_covered_mouth(textured, reason, sway):
    """This also holds if the head moves behind the cover."""
    frames = mouth_pictures(FRAMES, sway=sway)
    block = np.random.default_rng(5).integers(0, 255, (48, 72, 3)) if textured else 128
    frames[:, 20:68, 12:84] = block
    (said,) = DEFAULT_LIMITS.reasons(of_mouth(frames))
    assert said.startswith(reason)


def test_nobody_is_asked_to_move_without_a_voice():
    frames = mouth_pictures(FRAMES, speaks=False)
    found = of_mouth(frames, np.zeros(FRAMES * HOP, np.int16))
    assert found.voice_over is None
    assert DEFAULT_LIMITS.reasons(found) == (
        "silence: never above -100 dB (at least -66 dB needed)",
    )


def test_the_mouth_is_found_wherever_it_is_in_the_picture():
    """The mouth is in a corner of a face crop, and its square is given frame by frame."""
    mouths, frames = mouth_pictures(FRAMES), pictures()[:, :1, :1].repeat(224, 1).repeat(224, 2)
    frames[:, 100:196, 30:126] = mouths
    told = np.tile([(30 + 48) / 224, (100 + 48) / 224, 96 / 224], (FRAMES, 1))
    direct, inside = of_mouth(mouths), of_mouth(frames, view=MouthView(told))
    assert inside.detail == pytest.approx(direct.detail, rel=0.1)
    assert inside.voice_over == direct.voice_over
    outside = of_mouth(frames, view=MouthView(np.array([[9.0, 9.0, 0.1]])))
    assert outside.voice_over == 1


def test_a_song_is_told_from_speech():
    """Notes are steady, even with vibrato; speech and a slow glide are not."""
    sung_notes = [(notes(3, vibrato), True) for vibrato in (0, 0.3, 0.7)]
    phase = 2 * np.pi * np.cumsum(150 * 2 ** (1.5 / 12 * np.arange(48_000) / 16_000)) / 16_000
    glide = (6000 * sum(np.sin(n * phase) / n for n in range(1, 6))).astype(np.int16)
    for sound, sings in ((speech(75), False), (glide, False), *sung_notes):
        meter = SongMeter()
        for first in range(0, len(sound), 7000):
            meter.add(sound[first : first + 7000])
        steady = meter.steady(np.ones(len(sound) // CHUNK, bool))
        assert (steady > DEFAULT_LIMITS.max_song) == sings
        assert meter.steady(np.zeros(len(sound) // CHUNK, bool)) is None


def test_a_sung_voice_is_refused():
    found = of_mouth(mouth_pictures(75), sung(75, seed=2))
    assert found.speech > 1  # the speech detector takes it for speech
    assert DEFAULT_LIMITS.reasons(found)[0].startswith("song")


def face(nose: float, eyes: float = 30.0, mouth: float = 32.0) -> FaceTrack:
    """Make a face whose nose is ``nose`` pixels away from the middle between the eyes."""
    points = [[-eyes / 2, 0], [eyes / 2, 0], [nose, 18], [-mouth / 2, 36], [mouth / 2, 36]]
    landmarks = np.tile(np.add(points, [60, 40]), (FRAMES, 1, 1)).astype(np.float32)
    boxes = np.tile(np.float32([20, 10, 100, 110]), (FRAMES, 1))
    return FaceTrack("1", 0, boxes, landmarks, np.ones(FRAMES, bool))


@pytest.mark.parametrize(
    ("track", "reason"),
    [
        (face(0), ""),
        (face(-9), ""),
        (face(20, eyes=10, mouth=14), "face turned away: by 73 degrees"),
        (face(-20, eyes=10, mouth=14), "face turned away: by 73 degrees"),
        (face(0, mouth=8), "mouth too small: 8 pixels"),
        (face(0, mouth=11.96), "mouth too small: 11.96 pixels (at least 12 needed)"),
    ],
)
def test_a_turned_face_and_a_small_mouth(track, reason):
    view = MouthView.of_track(track, RECIPES["mouth"].crop(track))
    np.testing.assert_allclose(view.squares, np.tile([0.5, 0.5, 1], (FRAMES, 1)), atol=1e-5)
    reasons = "; ".join(DEFAULT_LIMITS.reasons(of_mouth(mouth_pictures(FRAMES), view=view)))
    assert reasons.startswith(reason) and bool(reasons) == bool(reason)


def test_the_mouth_of_a_face_crop_lies_where_recipes_say():
    track = face(0)
    view = MouthView.of_track(track, RECIPES["lrs"].crop(track))
    x, y, side = view.squares[0]
    usual = MouthView.of_recipe("lrs").squares[0]
    np.testing.assert_allclose([x, side], usual[[0, 2]], atol=1e-3)
    assert y == pytest.approx(usual[1], abs=0.1)
    assert MouthView.of_recipe(None) is None and MouthView.of_recipe("my own") is None


@pytest.mark.parametrize("degrees", [0, 15])
def test_the_mouth_of_a_crop_that_turns_with_the_head(degrees):
    track = face(0)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = track.landmarks.mean(axis=1, keepdims=True)
    tilted = replace(track, landmarks=(track.landmarks - middle) @ turn + middle)
    view = MouthView.of_track(tilted, RECIPES["level_mouth"].crop(tilted))
    usual = MouthView.of_recipe("level_mouth").squares[0]
    np.testing.assert_allclose(view.squares[0], usual, atol=0.02)


def test_a_video_is_as_good_as_its_best_face():
    """Two people take turns: while one person speaks, the other's mouth is shut."""
    voice, first = np.ones(100, bool), np.arange(100) < 40
    one = Measures(seconds=4, speech=4, mouth=8, turn=10, voice_over=0.6)
    other = Measures(seconds=4, speech=4, mouth=30, turn=70, voice_over=0.4)
    video = of_video([one, other], [(0, Speaking(voice, first)), (0, Speaking(voice, ~first))])
    assert (video.mouth, video.turn, video.voice_over) == (30, 10, 0)
    later = of_video([one, other], [(0, Speaking(voice, first)), (100, Speaking(voice, first))])
    assert later.voice_over == pytest.approx(0.6)
    assert of_video([], []) is None
