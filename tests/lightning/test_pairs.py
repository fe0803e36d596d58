"""Encoding, compared pairs, and their loss."""

import numpy as np
import pytest
import torch
from bars import SIZE, TINY, loud_bar
from hydra.utils import instantiate
from runs import composed

from avforensics.lightning.pairs import contrast, encode, packed_loss
from avforensics.lightning.sync import SyncModule
from avforensics.media.types import HOP
from avforensics.models.audio import AudioEncoder
from avforensics.models.fusion import CosineFusion, FusionTransformer
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    cfg = composed("train", *TINY, "data.manifest=none")
    return instantiate(cfg.model, _convert_="all").eval()


@pytest.fixture
def tiny_published():
    """A small network like the published one, with padding in time and a transformer."""
    torch.manual_seed(0)
    return SyncNetwork(
        visual=VisualEncoder(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1)),
        audio=AudioEncoder(widths=(8,) * 7),
        fusion=FusionTransformer(width=8, plane=2, depth=2, heads=2),
        size=SIZE,
    ).eval()


def spans(frames=12):
    clips = [loud_bar(seed, frames) for seed in (1, 2)]
    return tuple(torch.from_numpy(np.stack(part)) for part in zip(*clips, strict=True))


@pytest.mark.parametrize("network", ["tiny", "tiny_published"])
def test_a_span_and_its_windows_give_the_same_tokens(network, request):
    network = request.getfixturevalue(network)
    frames, audio = spans()
    windows = torch.stack([frames[:, k : k + 5] for k in range(8)], dim=1)
    crops = torch.stack([audio[:, k * HOP : (k + 5) * HOP] for k in range(8)], dim=1)
    with torch.no_grad():
        one = encode(network, frames, audio)
        two = encode(network, windows, crops, chunk=3)
        logits = network.fusion.all_pairs(*one, chunk=7)
        for b, n, m in [(0, 0, 0), (1, 3, 5), (1, 7, 0)]:
            pair = network(
                windows[b, n : n + 1].permute(0, 1, 4, 2, 3).float(), crops[b, m : m + 1]
            )
            assert logits[b, n, m] == pytest.approx(pair.item(), abs=1e-5)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert logits.shape == (2, 8, 8)


def test_silence_around_a_span_adds_candidates_that_are_nobodys_own(tiny):
    frames, audio = spans()
    with torch.no_grad():
        video, sound = encode(tiny, frames, audio)
        same, padded = encode(tiny, frames, audio, silence=3)
    torch.testing.assert_close(video, same)
    assert padded.shape[1] == 8 + 6
    torch.testing.assert_close(padded[:, 3:-3], sound)


@pytest.mark.parametrize("recompute", [False, True])
def test_all_pairs_has_the_gradient_of_single_pairs(recompute):
    torch.manual_seed(0)
    fusion = FusionTransformer(width=8, plane=2, depth=2, heads=2)
    video, audio = torch.randn(2, 3, 5, 8), torch.randn(2, 4, 4, 8)
    fusion.all_pairs(video, audio, chunk=5, recompute=recompute).square().sum().backward()
    found = {name: p.grad.clone() for name, p in fusion.named_parameters() if p.grad is not None}
    fusion.zero_grad()
    pairs = [(video[g, n], audio[g, m]) for g in range(2) for n in range(3) for m in range(4)]
    sum(fusion(v[None], a[None]).square().sum() for v, a in pairs).backward()
    for name, gradient in found.items():
        torch.testing.assert_close(
            gradient, fusion.get_parameter(name).grad, msg=name, atol=1e-4, rtol=1e-4
        )


def test_cosine_pairs_are_the_cosine():
    torch.manual_seed(0)
    fusion = CosineFusion(video_width=3, audio_width=3, plane=2, width=6)
    video, audio = torch.randn(2, 3, 1, 6), torch.randn(2, 4, 1, 6)
    logits = fusion.all_pairs(video, audio)
    assert logits[1, 2, 3].item() == pytest.approx(
        fusion(video[1, 2][None], audio[1, 3][None]).item(), abs=1e-5
    )


def test_the_loss_is_equation_2():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5)
    by_hand = -sum(
        logits[g, n, 1 + n] - logits[g, n].exp().sum().log() for g in range(2) for n in range(3)
    )
    assert contrast(logits, first=1).item() == pytest.approx(by_hand.item() / 6, rel=1e-5)
    own = logits[:, :, 1:4]
    other = -sum(own[g, n, n] - own[g, :, n].exp().sum().log() for g in range(2) for n in range(3))
    both = contrast(logits, first=1, symmetric=True).item()
    assert both == pytest.approx((by_hand + other).item() / 12, rel=1e-5)


def module(network, **options):
    return SyncModule(network=network, optimizer=torch.optim.Adam, **options)


@pytest.fixture
def compared(monkeypatch):
    """Return a function that returns the shape of the logits and the column of window 0's sound."""
    calls = []

    def spy(logits, *, first=0, symmetric=False, neighbours=0.0):
        calls.append((tuple(logits.shape), first))
        return contrast(logits, first=first, symmetric=symmetric)

    monkeypatch.setattr("avforensics.lightning.sync.contrast", spy)

    def run(module, batch):
        module.loss(batch)
        return calls.pop()

    return run


def test_who_is_a_negative(tiny, compared):
    frames, audio = spans()
    windows, crops = frames[:, None, :5], audio[:, None, : 5 * HOP]
    one_clip_each = {"frames": windows, "audio": crops}
    assert compared(module(tiny), one_clip_each) == ((1, 2, 2), 0)  # the sound of the other video
    two_clips_each = {"frames": windows.repeat(1, 2, 1, 1, 1, 1), "audio": crops.repeat(1, 2, 1)}
    assert compared(module(tiny), two_clips_each) == ((2, 2, 2), 0)  # the sound of the same video
    whole = {"frames": frames, "audio": audio}
    assert compared(module(tiny), whole) == ((2, 8, 8), 0)
    assert compared(module(tiny, across_videos=True), whole) == ((1, 16, 16), 0)
    assert compared(module(tiny, silence=2), whole) == ((2, 8, 12), 2)
    assert compared(module(tiny, silence=2), two_clips_each) == ((2, 2, 2), 0)


def test_temperature_divides_the_logits(tiny):
    frames, audio = spans()
    batch = {"frames": frames, "audio": audio}
    warm = module(tiny, temperature=2.0).loss(batch)
    logits = tiny.fusion.all_pairs(*encode(tiny, frames, audio))
    assert warm.item() == pytest.approx(contrast(logits / 2).item(), rel=1e-5)
    assert warm.item() != pytest.approx(contrast(logits).item(), rel=1e-3)


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"chunk": 0}])
def test_nonsense_is_refused(tiny, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        module(tiny, **options)


def test_frozen_norms_stay_frozen(tiny):
    frozen = module(tiny.train(), freeze_norm=True)
    before = {name: buffer.clone() for name, buffer in tiny.named_buffers()}
    frames, audio = spans()
    frozen.loss({"frames": frames, "audio": audio}).backward()
    assert all(torch.equal(before[name], buffer) for name, buffer in tiny.named_buffers())


def packed(clips=(9, 12, 3), edges=4):
    """Make a step of clips of these lengths, like those of `PackedClips`."""
    made = [loud_bar(seed, max(count, 5)) for seed, count in enumerate(clips)]
    frames = np.concatenate([f[:n] for (f, _), n in zip(made, clips, strict=True)])
    audio = np.concatenate([a[: n * HOP] for (_, a), n in zip(made, clips, strict=True)])
    return {
        "frames": torch.from_numpy(frames),
        "audio": torch.from_numpy(audio),
        "clip": torch.repeat_interleave(torch.arange(len(clips)), torch.tensor(clips)),
        "edges": torch.zeros(edges, 5 * HOP, dtype=torch.int16),
        "edge_clip": torch.tensor([0, 1, 0, 1][:edges]),
    }


def test_a_packed_step_is_the_mean_over_the_windows_of_its_clips(tiny):
    batch = packed(edges=0)
    loss = packed_loss(tiny, batch, tiny.fusion.all_pairs, symmetric=True)
    alone, windows = [], []
    for clip in (0, 1):  # the third clip has no complete window
        own = batch["clip"] == clip
        frames = batch["frames"][own][None]
        audio = batch["audio"].reshape(-1, HOP)[own].reshape(1, -1)
        alone.append(contrast(tiny.fusion.all_pairs(*encode(tiny, frames, audio)), symmetric=True))
        windows.append(frames.shape[1] - 4)
    expected = sum(a * n for a, n in zip(alone, windows, strict=True)) / sum(windows)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_edges_are_further_negatives(tiny):
    without = packed_loss(tiny, packed(edges=0), tiny.fusion.all_pairs)
    assert packed_loss(tiny, packed(edges=4), tiny.fusion.all_pairs) > without + 0.01


def test_neighbours_share_the_target():
    logits = torch.zeros(1, 6, 6)
    logits[0].diagonal()[:] = 8.0
    near = logits.clone()
    near[0].diagonal(1)[:] = near[0].diagonal(-1)[:] = 6.0
    sharp = contrast(logits), contrast(near)
    soft = contrast(logits, neighbours=0.1), contrast(near, neighbours=0.1)
    assert sharp[0] < sharp[1]
    assert soft[1] < soft[0], "mass beside the truth must cost less"
    shares = torch.full((6,), 0.0)
    shares[2], shares[1], shares[3] = 0.8, 0.1, 0.1
    row = near[0, 2]
    expected = -(shares * row.log_softmax(0)).sum()
    one = contrast(near[:, 2:3], first=2, neighbours=0.1)
    assert one.item() == pytest.approx(expected.item(), rel=1e-5)
