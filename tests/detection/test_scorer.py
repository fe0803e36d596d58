"""How `VideoScorer` uses its detector."""

from types import SimpleNamespace

from avforensics.detection.faces import FaceOptions, VideoScorer
from avforensics.media.types import MediaOptions
from avforensics.scoring.clips import ClipScorer


def test_the_detector_keeps_its_crop():
    detector = ClipScorer.__new__(ClipScorer)
    detector.extractor = SimpleNamespace(media=MediaOptions(size=64, crop=(0.1, 0.1, 0.9, 0.9)))
    whole = VideoScorer(detector, FaceOptions(mode="none")).detector
    assert whole.media == MediaOptions(size=64) and whole is not detector
    assert detector.media.crop == (0.1, 0.1, 0.9, 0.9)
    assert VideoScorer(detector, FaceOptions()).detector is detector
