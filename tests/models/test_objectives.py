"""Objectives of Table 3 against formulas written out delay by delay."""

import math

import pytest
import torch
from torch import nn

from avforensics.models.objectives import (
    BinaryCrossEntropy,
    DiscreteDelay,
    HardCrossEntropy,
    ProbabilityGrid,
    SoftCrossEntropy,
    SquaredError,
)

D, L = 5, 4


class Echo(nn.Module):
    """A decoder that returns its input, so that every number can be traced."""

    def forward(self, rows):
        return 2 * rows


@pytest.fixture
def sequences():
    return torch.randn(2, L, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def judged(objective, sequences):
    losses, predicted = objective.judge(Echo(), sequences)
    assert losses.shape == (2, L - 1)
    assert predicted.shape == (2, L - 1, D)
    return losses[1, 1].item(), predicted[1, 1], sequences[1, 1], sequences[1, 2]


def test_soft_cross_entropy_is_the_divergence(sequences):
    loss, predicted, read, following = judged(SoftCrossEntropy(), sequences)
    p, q = following.softmax(0), (2 * read).softmax(0)
    assert loss == pytest.approx(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    torch.testing.assert_close(predicted, q)


def test_hard_cross_entropy_looks_at_the_most_likely_delay(sequences):
    loss, predicted, read, following = judged(HardCrossEntropy(), sequences)
    q = (2 * read).softmax(0)
    assert loss == pytest.approx(-math.log(q[following.argmax()]))
    torch.testing.assert_close(predicted, q)


def test_discrete_delay_reads_nothing_but_the_most_likely_delay(sequences):
    loss, _, read, following = judged(DiscreteDelay(), sequences)
    hit = read.argmax() == following.argmax()
    expected = math.log(math.exp(2) + D - 1) - (2 if hit else 0)
    assert loss == pytest.approx(expected)
    other = torch.where(sequences == sequences.amax(-1, keepdim=True), 9.0, sequences)
    again, _ = DiscreteDelay().judge(Echo(), other)
    assert torch.equal(again, DiscreteDelay().judge(Echo(), sequences)[0])


def test_binary_cross_entropy_takes_each_delay_on_its_own(sequences):
    loss, predicted, read, following = judged(BinaryCrossEntropy(), sequences)
    expected = 0.0
    for s, o in zip(following.tolist(), (2 * read).tolist(), strict=True):
        p, q = 1 / (1 + math.exp(-s)), 1 / (1 + math.exp(-o))
        expected -= p * math.log(q) + (1 - p) * math.log(1 - q)
    assert loss == pytest.approx(expected)
    torch.testing.assert_close(predicted, (2 * read).sigmoid())


def test_squared_error_of_unit_vectors(sequences):
    loss, predicted, read, following = judged(SquaredError(), sequences)
    unit = 2 * read / read.norm()
    assert loss == pytest.approx((unit - following / following.norm()).square().sum().item())
    torch.testing.assert_close(predicted, unit)


class Uniform(nn.Module):
    """Decoder for which all tokens are equally likely; it stores its input."""

    def forward(self, rows):
        self.seen = rows
        return torch.zeros_like(rows)


def test_grid_is_read_in_raster_order_and_scored_from_the_second_window():
    grid = ProbabilityGrid(delays=3, levels=2)
    grid.centres.copy_(torch.tensor([0.1, 0.9]))
    rows = torch.tensor([[[9.0, 0, 0], [0, 9, 0], [0, 0, 9]]])  # tokens 100 010 001
    decoder = Uniform()
    losses, predicted = grid.judge(decoder, rows)
    assert decoder.seen.argmax(-1).tolist() == [[1, 0, 0, 0, 1, 0, 0, 0]]  # all tokens but the last
    torch.testing.assert_close(losses, torch.full((1, 2), 3 * math.log(2)))
    torch.testing.assert_close(predicted, torch.full((1, 2, 3), 1 / 3))


def test_grid_levels_are_found_where_the_probabilities_lie():
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(0, 3, (2000,), generator=generator)
    rows = torch.nn.functional.one_hot(which, 3) * 4.0
    rows += 0.05 * torch.randn(2000, 3, generator=generator)
    grid = ProbabilityGrid(delays=3, levels=2)
    grid.fit([rows])
    likely = math.exp(4) / (math.exp(4) + 2)
    torch.testing.assert_close(
        grid.centres, torch.tensor([(1 - likely) / 2, likely]), atol=2e-3, rtol=0
    )
    assert torch.equal(grid.tokens(rows).argmax(-1), which)


def test_grid_with_fewer_values_than_levels():
    with pytest.raises(ValueError, match="8 levels"):
        ProbabilityGrid(delays=3).fit([torch.zeros(100, 3)])


def test_sizes_of_decoders():
    of_rows = SoftCrossEntropy().decoder_sizes(31, 50)
    assert of_rows == {"inputs": 31, "outputs": 31, "positions": 49}
    of_tokens = ProbabilityGrid(delays=31).decoder_sizes(31, 50)
    assert of_tokens == {"inputs": 8, "outputs": 8, "positions": 1549}
