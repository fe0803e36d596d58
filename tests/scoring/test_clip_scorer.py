"""Scores of clips in plain Python, on real files."""

import numpy as np
import pytest

from avforensics.errors import CheckpointError, ConfigError
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.runtime import RuntimeOptions

CPU = RuntimeOptions(device="cpu")


def scored(models, path, **options):
    (result,) = ClipScorer(models, runtime=CPU, **options).score_many([path])
    return result


def test_batch_goes_on_after_a_broken_file(models, make_video, tmp_path):
    good = [make_video(f"{i}.mp4", n_frames=n, seed=i) for i, n in enumerate((30, 75, 20))]
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    paths = [good[0], broken, good[1], tmp_path / "missing.mp4", good[2]]

    scorer = ClipScorer(models, runtime=CPU, lams=(0, 1), applicability=None)
    results = list(scorer.score_many(paths))

    assert [r.path for r in results] == paths
    assert [r.status for r in results] == ["scored", "failed", "scored", "failed", "scored"]
    assert [r.features.n_windows for r in results if r.features] == [26, 50, 16]
    for result in results:
        assert (result.error is None) == (len(result.scores) == 2)
        assert result.error is None or str(tmp_path) not in result.error
    assert "no such file" in results[3].error
    assert results[0].sha256 and results[3].sha256 is None


def test_alone_or_in_a_batch_the_score_is_the_same(models, make_video):
    paths = [make_video(f"{i}.mp4", n_frames=40 + 9 * i, seed=i) for i in range(4)]
    wide = RuntimeOptions(device="cpu", batch_windows=100)
    together = [r.scores[0].score for r in ClipScorer(models, runtime=wide).score_many(paths)]
    alone = [scored(models, path).scores[0].score for path in paths]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert len({round(s, 6) for s in together}) == 4


def test_policies_agree_on_what_they_share(models, make_video):
    path = make_video(n_frames=160)
    first = scored(models, path, keep_activations=True)
    whole = scored(models, path, windows="all")
    np.testing.assert_allclose(
        whole.features.sync_logits[:50], first.features.sync_logits, rtol=1e-4, atol=1e-5
    )
    assert (first.features.n_windows, whole.features.n_windows) == (50, 156)
    assert first.features.activations.shape == (50, 32)
    context = scored(models, path, audio="context")
    np.testing.assert_array_equal(context.steps.window, np.arange(16, 65))


def test_longer_sequences_with_models_made_for_them(long_models, make_video):
    result = scored(long_models(90), make_video(n_frames=120), max_len=90)
    assert len(result.steps.window) == 89


def test_mistakes_are_sentences(models):
    with pytest.raises(ConfigError, match="at least one lam"):
        ClipScorer(models, runtime=CPU, lams=())
    with pytest.raises(ConfigError, match="max_len 60"):
        ClipScorer(models, runtime=CPU, max_len=60)
    models.activation = None
    with pytest.raises(CheckpointError, match="no activation model"):
        ClipScorer(models, runtime=CPU, lams=[0, 1])


def test_without_a_weight_no_activation_model_is_needed(models, make_video):
    path = make_video(n_frames=60)
    with_both = scored(models, path)
    models.activation = None
    result = scored(models, path)
    assert result.scores[0].score == with_both.scores[0].score
    assert "activation_error" not in result.statistics
