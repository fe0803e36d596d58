"""How `VideoScorer` uses its detector."""

from types import SimpleNamespace

import pytest

from avforensics.detection.faces import FaceOptions, VideoScorer
from avforensics.faces.crops import RECIPES
from avforensics.faces.track import Faces
from avforensics.media.types import MediaOptions
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.source import Clip


def test_the_detector_keeps_its_crop():
    detector = ClipScorer.__new__(ClipScorer)
    detector.extractor = SimpleNamespace(media=MediaOptions(size=64, crop=(0.1, 0.1, 0.9, 0.9)))
    whole = VideoScorer(detector, FaceOptions(mode="none")).detector
    assert whole.media == MediaOptions(size=64) and whole is not detector
    assert detector.media.crop == (0.1, 0.1, 0.9, 0.9)
    assert VideoScorer(detector, FaceOptions()).detector is detector


def test_a_part_that_begins_after_the_end_is_told(make_video):
    detector = ClipScorer.__new__(ClipScorer)
    detector.extractor = SimpleNamespace(
        media=MediaOptions(size=64), readers=1, extract=lambda clips, progress: ()
    )
    detector.policy = SimpleNamespace(windows="first")
    options = FaceOptions(mode="auto", recipe=RECIPES["mouth"])
    scorer = VideoScorer(detector, options, finder=lambda *_, **__: Faces(96, 96, 25, (), {}, "00"))
    path = make_video(n_frames=25)
    assert scorer.score(Clip(path, start=9)).result.error == "no frames after its start at 9 s"
    assert scorer.score(Clip(path, start=0.5)).result.error == "no face was found"
    with pytest.raises(ValueError, match="start must be >= 0, got -1"):
        Clip(path, start=-1)
