"""The detector in plain Python, on real files."""

import numpy as np
import pytest

from avforensics.errors import CheckpointError, ConfigError, MediaError
from avforensics.scoring.detector import Detector


def test_batch_goes_on_after_a_broken_file(models, make_video, tmp_path):
    good = [make_video(f"{i}.mp4", n_frames=n, seed=i) for i, n in enumerate((30, 75, 20))]
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    paths = [good[0], broken, good[1], tmp_path / "missing.mp4", good[2]]

    detector = Detector(models, device="cpu", lams=(0, 1), applicability=None)
    results = list(detector.score_many(paths))

    assert [r.path for r in results] == paths
    assert [r.status for r in results] == ["scored", "failed", "scored", "failed", "scored"]
    assert [r.features.n_windows for r in results if r.features] == [26, 50, 16]
    for result in results:
        assert (result.error is None) == (len(result.scores) == 2)
        assert result.error is None or str(tmp_path) not in result.error
    assert results[0].sha256 and results[3].sha256 is None


def test_alone_or_in_a_batch_the_score_is_the_same(models, make_video):
    paths = [make_video(f"{i}.mp4", n_frames=40 + 9 * i, seed=i) for i in range(4)]
    detector = Detector(models, device="cpu", batch_windows=100)
    together = [r.scores[0].score for r in detector.score_many(paths)]
    alone = [Detector(models, device="cpu").score(p).scores[0].score for p in paths]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert len({round(s, 6) for s in together}) == 4


def test_policies_agree_on_what_they_share(models, make_video):
    path = make_video(n_frames=160)
    first = Detector(models, device="cpu", keep_activations=True).score(path)
    whole = Detector(models, device="cpu", windows="all").score(path)
    np.testing.assert_allclose(
        whole.features.sync_logits[:50], first.features.sync_logits, rtol=1e-4, atol=1e-5
    )
    assert (first.features.n_windows, whole.features.n_windows) == (50, 156)
    assert first.features.activations.shape == (50, 32)
    context = Detector(models, device="cpu", audio="context").score(path)
    np.testing.assert_array_equal(context.steps.window, np.arange(16, 65))


def test_longer_sequences_with_models_made_for_them(long_models, make_video):
    result = Detector(long_models(90), device="cpu", max_len=90).score(make_video(n_frames=120))
    assert len(result.steps.window) == 89


def test_mistakes_are_sentences(models, tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        Detector(models, device="cpu").score(tmp_path / "missing.mp4")
    with pytest.raises(ConfigError, match="at least one lam"):
        Detector(models, device="cpu", lams=())
    with pytest.raises(ConfigError, match="max_len 60"):
        Detector(models, device="cpu", max_len=60)
    models.activation = None
    with pytest.raises(CheckpointError, match="no activation model"):
        Detector(models, device="cpu")
