"""Anomaly models: a decoder with its objective, naive Bayes, and saving in a bundle."""

import math

import pytest
import torch

from avforensics.checkpoints import Models, load_bundle, save_bundle
from avforensics.models.anomaly import AnomalyModel, NaiveBayes, anomaly_model, as_part
from avforensics.models.clean import CleanDecoder
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.objectives import (
    BinaryCrossEntropy,
    DiscreteDelay,
    HardCrossEntropy,
    ProbabilityGrid,
    SoftCrossEntropy,
    SquaredError,
)

OBJECTIVES = [
    SoftCrossEntropy,
    HardCrossEntropy,
    DiscreteDelay,
    BinaryCrossEntropy,
    SquaredError,
    lambda: ProbabilityGrid(delays=7, levels=3),
]


def small_clean(**sizes):
    return CleanDecoder(width=8, heads=2, depth=1, **sizes)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_step_sees_what_it_predicts(objective):
    torch.manual_seed(0)
    model = AnomalyModel.build(objective(), small_clean, width=7, max_len=6).eval()
    sequences = torch.randn(2, 6, 7)
    changed = sequences.clone()
    changed[:, 4:] = torch.randn(2, 2, 7)
    with torch.inference_mode():
        (before, seen), (after, _) = model(sequences), model(changed)
    assert before.shape == (2, 5)
    assert seen.shape == (2, 5, 7)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])
    assert (model.max_len, model.row_width) == (6, 7)


def test_naive_bayes_counts_each_window_on_its_own():
    model = NaiveBayes(delays=3)
    model.log_probability.copy_(torch.tensor([0.5, 0.25, 0.25]).log())
    rows = torch.eye(3)[torch.tensor([[0, 0, 1, 2]])]
    losses, prediction = model(rows)
    torch.testing.assert_close(losses, torch.tensor([[math.log(2), math.log(4), math.log(4)]]))
    torch.testing.assert_close(prediction[0, 0], torch.tensor([0.5, 0.25, 0.25]))


def test_naive_bayes_counts_real_windows_one_added_to_each_delay():
    model = NaiveBayes(delays=3)
    model.fit([torch.eye(3)[[0, 0, 0]], torch.eye(3)[[0, 0, 1]]])
    torch.testing.assert_close(model.log_probability, torch.tensor([6 / 9, 2 / 9, 1 / 9]).log())
    with pytest.raises(ValueError, match=r"needs rows \(N, 3\), got \(2, 4\)"):
        model.fit([torch.zeros(2, 4)])


def test_a_bare_decoder_is_what_the_published_ones_are():
    decoder = PublishedDecoder(inputs=7, outputs=7, width=8, heads=2, positions=5)
    for part, objective in (("distribution", SoftCrossEntropy), ("activation", SquaredError)):
        model = anomaly_model(decoder, part)
        assert type(model.objective) is objective
        assert as_part(model, part) is decoder
    other = AnomalyModel(decoder=decoder, objective=BinaryCrossEntropy())
    assert anomaly_model(other, "distribution") is other
    assert as_part(other, "distribution") is other


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_through_a_bundle(objective, tmp_path):
    torch.manual_seed(0)
    model = AnomalyModel.build(objective(), small_clean, width=7, max_len=6).eval()
    model.fit([torch.randn(30, 7), torch.randn(20, 7)])
    part = "activation" if model.objective.reads == "activations" else "distribution"
    save_bundle(tmp_path / "m.safetensors", Models(**{part: as_part(model, part)}))
    loaded = getattr(load_bundle(tmp_path / "m.safetensors"), part)
    sequences = torch.randn(2, 6, 7)
    with torch.inference_mode():
        expected, found = model(sequences), anomaly_model(loaded, part)(sequences)
    assert torch.equal(expected[0], found[0])
    assert torch.equal(expected[1], found[1])
