"""Quirks of the published decoder, and cases in which the clean decoder equals it."""

from functools import partial

import pytest
import torch

from avforensics.models.clean import CleanDecoder
from avforensics.models.decoder import PublishedDecoder, SharedNorm
from avforensics.models.rotary import RotaryDecoder

SIZES = {"inputs": 7, "outputs": 5, "width": 32, "heads": 4, "positions": 9}


@pytest.fixture
def published():
    torch.manual_seed(0)
    decoder = PublishedDecoder(**SIZES).eval()
    with torch.no_grad():
        for block in decoder.blocks:  # so that no layer is the identity
            block.norm.weight.uniform_(0.5, 2)
            block.norm.bias.normal_()
            block.attention.null_key.normal_()
            block.attention.null_value.normal_()
    return decoder


@torch.no_grad()
def carried_over(published, *, norms=True, scale=True, sink=True):
    """Copy weights of the published decoder to a clean one, with quirks compensated or not."""
    clean = CleanDecoder(**SIZES, sink=sink).eval()
    clean.to_width.load_state_dict(published.to_width.state_dict())
    clean.to_row.load_state_dict(published.to_row.state_dict())
    clean.position.copy_(published.position)
    width, heads = SIZES["width"], SIZES["heads"]
    for new, old in zip(clean.blocks, published.blocks, strict=True):
        new.feed_forward.load_state_dict(old.feed_forward.state_dict())
        new.attention.to_out.load_state_dict(old.attention.to_out.state_dict())
        new.attention.to_qkv.weight.copy_(old.attention.to_qkv.weight)
        if scale:  # scale by the width of a head instead of the whole: shrink the queries
            new.attention.to_qkv.weight[:width] *= heads**-0.5
        if sink:
            new.attention.sink[0].copy_(old.attention.null_key)
            new.attention.sink[1].copy_(old.attention.null_value)
        for norm in (new.attention_norm, new.feed_forward_norm):  # one norm becomes two
            norm.weight.copy_(old.norm.weight)
            if norms:  # deviation with n instead of n - 1
                norm.weight *= ((width - 1) / width) ** 0.5
            norm.bias.copy_(old.norm.bias)
    return clean


@torch.inference_mode()
def test_equals_the_published_decoder_where_every_quirk_is_made_up_for(published):
    rows = torch.randn(3, 9, 7)
    torch.testing.assert_close(carried_over(published)(rows), published(rows), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("quirk", ["norms", "scale", "sink"])
@torch.inference_mode()
def test_each_quirk_alone_makes_a_difference(published, quirk):
    rows = torch.randn(3, 9, 7)
    clean = carried_over(published, **{quirk: False})
    assert (clean(rows) - published(rows)).abs().max() > 3e-3


@pytest.mark.parametrize(
    "make",
    [PublishedDecoder, CleanDecoder, partial(CleanDecoder, sink=True), RotaryDecoder],
)
@torch.inference_mode()
def test_a_step_of_any_decoder_sees_no_later_row(make):
    torch.manual_seed(0)
    decoder = make(**SIZES).eval()
    rows = torch.randn(2, 9, 7)
    changed = rows.clone()
    changed[:, 6:] += 1
    before, after = decoder(rows), decoder(changed)
    assert before.shape == (2, 9, 5)
    torch.testing.assert_close(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6], after[:, 6])
    torch.testing.assert_close(decoder(rows[:, :4]), before[:, :4])


def test_norm_divides_by_the_unbiased_deviation():
    norm = SharedNorm(4)
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(1.0)
    x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
    deviation = (14 / 3) ** 0.5  # squares 4, 1, 0, 9 divided by n - 1
    expected = 2 * (x - 3) / (deviation + 1e-6) + 1
    torch.testing.assert_close(norm(x), expected)


def test_longest_sequence_is_one_more_than_its_positions():
    assert CleanDecoder(**SIZES).max_len == PublishedDecoder(**SIZES).max_len == 10
    assert PublishedDecoder(width=16, heads=2).max_len == 50


def test_nonsense_is_refused():
    for decoder in (CleanDecoder, PublishedDecoder):
        with pytest.raises(ValueError, match="heads"):
            decoder(width=30, heads=4)
    with pytest.raises(ValueError, match="positions"):
        CleanDecoder(positions=0)
