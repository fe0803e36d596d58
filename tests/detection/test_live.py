"""Faces scored during the search for faces get the same scores as in two passes."""

from itertools import islice

import numpy as np
import pytest
from media_files import damage
from tiny_network import tiny_sync

from avforensics.checkpoints import Models
from avforensics.detection import faces as faces_module
from avforensics.detection.faces import FaceOptions, VideoScorer
from avforensics.faces import find as find_module
from avforensics.faces.crops import CropRecipe
from avforensics.media.container import Tally
from avforensics.media.reader import open_media
from avforensics.media.video import VideoReader
from avforensics.media.writer import write_clip
from avforensics.models.decoder import PublishedDecoder
from avforensics.scoring.clips import ClipScorer

FRAMES, WIDTH, HEIGHT, SIDE = 210, 320, 160, 56
RED, BLUE = (220, 40, 40), (40, 40, 220)
POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
SCENES = {  # frame -> corners of the red and the blue face; brightness of the background
    "one leaves, then a cut": lambda t: (
        [(40, 50) if t < 60 else None, (150 + t / 5, 50) if t < 130 else (220, 30)],
        60 if t < 130 else 190,
    ),
    "one leaps": lambda t: (
        [(40 if t < 60 else 92, 50), (190, 40 + 9 * np.sin(t / 7))],
        90,
    ),
}
TRACKS = {"one leaves, then a cut": 3, "one leaps": 2}


class Colours:
    """Find a face of each colour."""

    sha256 = "00"

    def __init__(self, **options):
        pass

    def find(self, picture):
        found = []
        for channel in (2, 0):  # BGR
            others = np.delete(picture, channel, axis=2).max(axis=2)
            rows, columns = np.nonzero((picture[..., channel] > 150) & (others < 110))
            if len(rows) > 50:
                corner = np.array([columns.min(), rows.min()])
                size = np.array([columns.max(), rows.max()]) + 1 - corner
                points = (corner + POINTS * size).ravel()
                found.append([*corner, *(corner + size), *points, 0.9])
        return np.array(found, np.float32).reshape(-1, 15)


def pictures(scene):
    for t in range(FRAMES):
        corners, ground = SCENES[scene](t)
        picture = np.full((HEIGHT, WIDTH, 3), ground, np.uint8)
        picture[::8] += 10
        for corner, colour in zip(corners, (RED, BLUE), strict=True):
            if corner is not None:
                x, y = map(int, corner)
                picture[y : y + SIDE, x : x + SIDE] = colour
                lips = 4 + t % 5
                picture[y + 40 : y + 40 + lips, x + 20 : x + 36] //= 2
        yield picture


@pytest.fixture(scope="module")
def scorer():
    models = Models(sync=tiny_sync(), distribution=PublishedDecoder(width=32, heads=4).eval())
    recipe = CropRecipe(anchor="mouth", side=0.6, smooth=0.1, smooth_size=0.3, roll=True)
    detector = ClipScorer(models, windows="all")
    return VideoScorer(detector, FaceOptions(mode="auto", recipe=recipe))


@pytest.mark.parametrize("scene", SCENES)
def test_as_in_two_passes(scorer, scene, tmp_path, monkeypatch):
    sound = np.random.default_rng(0).normal(0, 3000, FRAMES * 640).astype(np.int16)
    write_clip(tmp_path / "a.mp4", pictures(scene), sound)
    monkeypatch.setattr(find_module, "FaceDetector", Colours)
    passes = []
    decode = VideoReader.__iter__
    monkeypatch.setattr(VideoReader, "__iter__", lambda self: passes.append(1) or decode(self))

    def score(*, at_once):
        passes.clear()
        monkeypatch.setattr(faces_module, "may_be_kept", lambda media: not at_once)
        monkeypatch.setattr("avforensics.media.kept.MOST", 0)
        monkeypatch.setattr("avforensics.detection.live.MORE", 24)
        outcome = scorer.score(tmp_path / "a.mp4")
        assert outcome.result.error is None
        return outcome, len(passes)

    expected, before = score(at_once=False)
    tracks = len(expected.faces)
    assert tracks == TRACKS[scene] and before == 1 + tracks
    ways = [score(at_once=True)]
    assert ways[0][1] == 1 + (scene == "one leaps"), "only what cannot be tracked is read again"
    if scene == "one leaps":
        monkeypatch.setattr(Tally, "damaged", True)
        ways.append(score(at_once=True))
        assert ways[1][1] == 1 + tracks, "each part of a damaged video reports its own damage"
    for outcome, _ in ways:
        score, same = (one.result.scores[0].score for one in (outcome, expected))
        assert score == pytest.approx(same, rel=1e-6)  # in two passes, spans share batches
        assert outcome.result.warnings == expected.result.warnings
        for face, same in zip(outcome.faces, expected.faces, strict=True):
            rows, others = (one.result.features.sync_logits for one in (face, same))
            np.testing.assert_allclose(rows, others, atol=1e-5)
            assert face.result.measures == same.result.measures
            assert face.result.media.n_frames == same.result.media.n_frames


@pytest.mark.parametrize("torn", [slice(0, 0), slice(160, 162)], ids=["whole", "torn"])
def test_damage_is_told_of_the_video_whoever_it_hits(scorer, tmp_path, monkeypatch, torn):
    """Each head is scored in its first two seconds; the damage comes later."""
    sound = np.random.default_rng(0).normal(0, 3000, FRAMES * 640).astype(np.int16)
    write_clip(tmp_path / "a.mp4", pictures("one leaps"), sound)
    damage(tmp_path / "a.mp4", "video", torn)
    monkeypatch.setattr(find_module, "FaceDetector", Colours)
    first = VideoScorer(ClipScorer(scorer.detector.models), scorer.options)
    outcome = first.score(tmp_path / "a.mp4")
    count = torn.stop - torn.start
    told = [text for text in outcome.result.warnings if "damaged" in text]
    assert told == [f"in the whole video: damaged packets skipped: {count} of video"] * (count > 0)
    assert outcome.result.media.skipped_packets == count
    assert not any("damaged" in text for face in outcome.faces for text in face.result.warnings)


def test_a_search_that_breaks_costs_its_video(scorer, tmp_path, monkeypatch):
    class Broken(Colours):
        def find(self, picture):
            if len(found := super().find(picture)) == 0:
                raise RuntimeError("odd")
            return found

    frames = [*islice(pictures("one leaps"), 180), *[np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 9]
    write_clip(tmp_path / "a.mp4", frames, np.ones(len(frames) * 640, np.int16))
    monkeypatch.setattr(find_module, "FaceDetector", Broken)
    monkeypatch.setattr(faces_module, "may_be_kept", lambda media: False)
    result = scorer.score(tmp_path / "a.mp4").result
    assert result.error == "looking for faces failed: RuntimeError: odd"


def test_an_error_in_progress_is_not_one_of_the_search(scorer, tmp_path, monkeypatch):
    def stop(clip, windows):
        raise LookupError("enough")

    write_clip(tmp_path / "a.mp4", pictures("one leaps"), np.ones(FRAMES * 640, np.int16))
    monkeypatch.setattr(find_module, "FaceDetector", Colours)
    monkeypatch.setattr(faces_module, "may_be_kept", lambda media: False)
    with pytest.raises(LookupError, match="enough"):
        scorer.score(tmp_path / "a.mp4", stop)


def test_pictures_that_cannot_be_read_are_cut_again(scorer, tmp_path, monkeypatch):
    def full(path, *options, pictures=None, **more):
        if pictures is not None:
            raise OSError("too many open files")
        return open_media(path, *options, **more)

    count = 190
    frames, sound = islice(pictures("one leaps"), count), np.ones(count * 640, np.int16)
    write_clip(tmp_path / "a.mp4", frames, sound)
    monkeypatch.setattr(find_module, "FaceDetector", Colours)
    monkeypatch.setattr("avforensics.scoring.extractor.open_media", full)
    monkeypatch.setattr("avforensics.detection.live.AHEAD", 5)
    monkeypatch.setattr(faces_module, "may_be_kept", lambda media: False)
    outcome = scorer.score(tmp_path / "a.mp4")
    assert outcome.result.error is None and len(outcome.faces) == 2
    assert all(face.result.scores for face in outcome.faces)


def test_missing_sound_is_told_wherever_it_ends(scorer, tmp_path, monkeypatch):
    # the sound ends 0.08 s before a full second, so that the face hardly lacks any sound
    sound = np.random.default_rng(0).normal(0, 3000, 123 * 640).astype(np.int16)
    write_clip(tmp_path / "a.mp4", pictures("one leaves, then a cut"), sound)
    monkeypatch.setattr(find_module, "FaceDetector", Colours)
    monkeypatch.setattr(faces_module, "may_be_kept", lambda media: False)
    result = scorer.score(tmp_path / "a.mp4").result
    assert result.error is None
    assert [text for text in result.warnings if text.startswith("audio (4.")]
