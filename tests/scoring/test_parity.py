"""The published numbers: released decoders and PCA, reference weights, golden values."""

import numpy as np
import pytest
import torch

from avforensics.checkpoints import load_models
from avforensics.media.reader import open_media
from avforensics.media.types import HOP, Block
from avforensics.media.wav import read_wav
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.engine import Engine
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.sequences import SequencePolicy, score_features
from avforensics.scoring.spans import cut_spans

pytestmark = [pytest.mark.reference, pytest.mark.slow]

CPU = RuntimeOptions(device="cpu")
CLIPS = {
    "released_clip_30frames_seed0": ("released_clip.mp4", "released_clip.wav", 0, 30),
    "released_clip_seed0": ("released_clip.mp4", "released_clip.wav", 0, 134),
    "grid_clip_seed1": ("grid_clip.mp4", "grid_clip_seed1.wav", 1, 74),
}


@pytest.fixture(scope="module")
def models_of(reference, released_folder, stand_in_state_dict, tmp_path_factory):
    """Return a function that makes models with the reference weights of a seed."""
    made = {}

    def models(seed: int):
        if seed not in made:
            sync = tmp_path_factory.mktemp("sync") / "sync_model.pth"
            torch.save(stand_in_state_dict(seed), sync)
            made[seed] = load_models({"dir": released_folder, "sync": sync})
        return made[seed]

    return models


@pytest.mark.parametrize("golden", CLIPS)
def test_golden_values_from_frames_and_wav(golden, shared, reference, models_of):
    clip, wav, seed, n_frames = CLIPS[golden]
    expected = np.load(reference / "golden" / f"{golden}.npz")
    models = models_of(seed)
    with open_media(shared / "media" / clip) as stream:
        frames = np.concatenate([block.frames for block in stream])[:n_frames]
    audio = read_wav(reference / "golden" / wav)[: n_frames * HOP]
    (span,) = cut_spans([Block(frames, audio)], max_windows=50)
    engine = Engine(models.sync, models.projection, runtime=CPU, keep_activations=True)
    (found,) = engine.run([(clip, span)])
    steps, (score,) = score_features(
        found, models.distribution, models.activation, SequencePolicy()
    )

    np.testing.assert_allclose(found.sync_logits, expected["sync_logits"], rtol=0, atol=1e-3)
    for ours, name in ((found.activations, "av_activation"), (found.projected, "pca_feature")):
        atol = 1e-4 * np.abs(expected[name]).max()
        np.testing.assert_allclose(ours, expected[name], rtol=0, atol=atol)
    predicted = torch.from_numpy(expected["dist_prediction"]).softmax(-1)
    np.testing.assert_allclose(steps.prediction, predicted, rtol=0, atol=1e-3)
    np.testing.assert_allclose(steps.distribution, expected["dist_step"], rtol=1e-4)
    np.testing.assert_allclose(steps.activation, expected["feature_step"], rtol=1e-4)
    assert score.distribution_score == pytest.approx(float(expected["dist_score"]), rel=1e-4)
    assert score.activation_score == pytest.approx(float(expected["feature_score"]), rel=1e-4)


def test_scores_from_media_files(shared, reference, models_of):
    """The other clip is scored in tests/commands/test_published_flags.py."""
    clip, _, seed, _ = CLIPS["grid_clip_seed1"]
    expected = np.load(reference / "golden" / "grid_clip_seed1.npz")
    (result,) = ClipScorer(models_of(seed), runtime=CPU).score_many([shared / "media" / clip])
    score = result.scores[0]
    assert score.distribution_score == pytest.approx(float(expected["dist_score"]), rel=2e-3)
    assert score.activation_score == pytest.approx(float(expected["feature_score"]), rel=2e-3)
