"""With a trained network, the person whose sound is played is named as the speaker."""

import sys
from pathlib import Path

import pytest

from avforensics.checkpoints import load_models
from avforensics.detection.choices import face_options
from avforensics.detection.faces import VideoScorer
from avforensics.scoring.clips import ClipScorer

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from bench_speakers import compose, named

pytest.importorskip("cv2", reason="the extra `faces` is not installed")


@pytest.fixture(scope="module")
def scorer():
    models = load_models({"asset": "grid_compact", "search": False})
    return VideoScorer(ClipScorer(models, windows="all"), face_options(models, mode="auto"))


@pytest.mark.reference
@pytest.mark.slow
@pytest.mark.parametrize("heard", [0, 1], ids=["left", "right"])
def test_who_is_heard_is_named(scorer, shared, tmp_path, heard):
    clips = [shared / "media" / "grid_s1" / name for name in ("bbaf2n.mp4", "lwae9s.mp4")]
    compose(*clips, heard, tmp_path / "pair.mp4")
    tracks, shares = named(scorer, tmp_path / "pair.mp4")
    assert tracks == 2
    assert shares[heard] > 0.75
