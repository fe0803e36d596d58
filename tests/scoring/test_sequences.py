"""Step losses, policies and scores computed from the network's outputs."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from avforensics.errors import ConfigError
from avforensics.scoring.result import Features
from avforensics.scoring.sequences import SequencePolicy, score_features


def features(n_windows: int, seed: int = 0, unheard: int = 15) -> Features:
    random = np.random.default_rng(seed)
    valid_audio = np.zeros(n_windows, bool)
    valid_audio[unheard : n_windows - unheard] = True
    return Features(
        sync_logits=random.normal(size=(n_windows, 31)).astype(np.float32),
        projected=random.normal(size=(n_windows, 31)).astype(np.float32),
        valid_audio=valid_audio,
    )


class LastRow(nn.Module):
    """Decoder that predicts the last row read, for sequences of any length."""

    max_len = 10**6
    row_width = 31

    def forward(self, rows):
        return rows


def score(rows: Features, lams=(0.0,), **policy):
    return score_features(rows, LastRow(), LastRow(), SequencePolicy(**policy), lams)


def expected_steps(rows: Features) -> tuple[np.ndarray, np.ndarray]:
    """KL divergence and squared error of "the next row equals this row", in double precision."""
    logp = torch.from_numpy(rows.sync_logits).double().log_softmax(-1)
    kl = (logp[1:].exp() * (logp[1:] - logp[:-1])).sum(-1)
    unit = F.normalize(torch.from_numpy(rows.projected).double(), dim=-1)
    return kl.numpy(), (unit[1:] - unit[:-1]).square().sum(-1).numpy()


def test_first_policy_is_the_formula_on_the_first_windows():
    rows = features(80)
    steps, (plain, mixed) = score(rows, lams=(0.0, 0.5), max_len=50)
    kl, error = expected_steps(rows)
    np.testing.assert_array_equal(steps.window, np.arange(1, 50))
    np.testing.assert_allclose(steps.distribution, kl[:49], rtol=1e-4)
    np.testing.assert_allclose(steps.activation, error[:49], rtol=1e-4)
    assert plain.score == pytest.approx(kl[:49].mean(), rel=1e-5)
    assert mixed.score == pytest.approx(kl[:49].mean() + 0.5 * error[:49].mean(), rel=1e-5)
    assert mixed.maximum == pytest.approx(mixed.score, rel=1e-5)


def test_all_policy_predicts_every_window_but_the_first():
    rows = features(173)
    steps, (result,) = score(rows, max_len=50, windows="all")
    kl, _ = expected_steps(rows)
    np.testing.assert_array_equal(steps.window, np.arange(1, 173))
    np.testing.assert_allclose(steps.distribution, kl, rtol=1e-4)  # LastRow needs no context
    assert result.score == pytest.approx(kl.mean(), rel=1e-5)
    starts = [*range(0, 123, 25), 123]
    assert result.maximum == pytest.approx(max(kl[s : s + 49].mean() for s in starts), rel=1e-5)


def test_all_policy_averages_overlapping_sequences(models):
    rows = features(30)
    policy = SequencePolicy(max_len=20, windows="all")
    steps, _ = score_features(rows, models.distribution, models.activation, policy)
    with torch.inference_mode():
        each = []
        for start in (0, 10):
            logits = torch.from_numpy(rows.sync_logits[start : start + 20])
            predicted = models.distribution(logits[None, :-1])[0].log_softmax(-1)
            target = logits[1:].softmax(-1)
            each.append((target * (target.log() - predicted)).sum(-1))
    expected = np.concatenate([each[0][:10], (each[0][10:] + each[1][:9]) / 2, each[1][9:]])
    np.testing.assert_allclose(steps.distribution, expected, rtol=1e-4)


def test_short_video_is_one_short_sequence(models):
    steps, (result,) = score_features(
        features(7), models.distribution, models.activation, SequencePolicy(windows="all")
    )
    assert len(steps.window) == 6
    assert result.maximum == pytest.approx(result.score, rel=1e-6)


def test_context_leaves_out_windows_that_hear_padding():
    rows = features(60)
    steps, _ = score(rows, max_len=20, audio="context")
    np.testing.assert_array_equal(steps.window, np.arange(16, 35))
    steps, _ = score(rows, max_len=20, audio="context", windows="all")
    np.testing.assert_array_equal(steps.window, np.arange(16, 45))
    with pytest.raises(
        ValueError, match="at least 2 windows are needed, but audio=context leaves 0 to score"
    ):
        score(features(20), audio="context")


def test_length_of_sequences_is_checked(models):
    decoders = models.distribution, models.activation
    with pytest.raises(ConfigError, match="max_len 51 needs a distribution model trained for it"):
        score_features(features(80), *decoders, SequencePolicy(max_len=51))
    _, (result,) = score_features(features(80), *decoders, SequencePolicy(max_len=2))
    assert np.isfinite(result.score)


@pytest.mark.parametrize("options", [{"max_len": 1}, {"windows": "random"}, {"audio": "silence"}])
def test_policies_without_meaning_are_refused(options):
    with pytest.raises(ConfigError):
        SequencePolicy(**options)
