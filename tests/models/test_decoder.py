"""The published decoder's quirks, each against the formula."""

import pytest
import torch

from avforensics.models.decoder import PublishedDecoder, SharedNorm


def test_a_step_sees_no_later_row():
    decoder = PublishedDecoder(inputs=7, outputs=5, width=32, heads=4, positions=9).eval()
    rows = torch.randn(2, 9, 7)
    changed = rows.clone()
    changed[:, 6:] += 1
    with torch.inference_mode():
        before, after = decoder(rows), decoder(changed)
    assert before.shape == (2, 9, 5)
    torch.testing.assert_close(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6], after[:, 6])


def test_a_shorter_sequence_gives_the_same_outputs():
    decoder = PublishedDecoder(width=32, heads=4).eval()
    rows = torch.randn(1, 49, 31)
    with torch.inference_mode():
        torch.testing.assert_close(decoder(rows[:, :13]), decoder(rows)[:, :13])


def test_norm_divides_by_the_unbiased_deviation():
    norm = SharedNorm(4)
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(1.0)
    x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
    deviation = (14 / 3) ** 0.5  # squares 4, 1, 0, 9 over n - 1
    expected = 2 * (x - 3) / (deviation + 1e-6) + 1
    torch.testing.assert_close(norm(x), expected)


def test_longest_sequence_is_one_more_than_its_positions():
    assert PublishedDecoder(width=16, heads=2).max_len == 50
    assert PublishedDecoder(width=16, heads=2, positions=19).max_len == 20


def test_width_must_divide_among_heads():
    with pytest.raises(ValueError, match="heads"):
        PublishedDecoder(width=30, heads=4)
