"""Parts of the synchronisation network, called separately, give the plain network's output."""

import pytest
import torch
from tiny_network import tiny_published, tiny_sync

from avforensics.models.audio import AudioEncoder
from avforensics.models.fusion import CosineFusion, FusionTransformer
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder
from avforensics.models.vit import MouthTransformer

HOP = 640
TAU = 3
WINDOWS = 6


def _mouth_network(*, tau, size, plane):
    return SyncNetwork(
        visual=MouthTransformer(size=size, patch=8, width=8, heads=2, pool=2),
        audio=AudioEncoder(widths=(4,) * 7),
        fusion=CosineFusion(video_width=8, audio_width=4, plane=plane, width=6),
        size=size,
        max_delay=tau,
    )


@pytest.fixture(params=[tiny_published, tiny_sync, _mouth_network])
def network(request):
    torch.manual_seed(0)
    network = request.param(tau=TAU, size=64, plane=4).eval()
    for module in network.modules():  # statistics that differ from the identity
        if hasattr(module, "running_mean"):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture
def clip():
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (WINDOWS + 4, 3, 64, 64), generator=generator).float()
    samples = torch.randint(-9000, 9000, ((WINDOWS + 4 + 2 * TAU) * HOP,), generator=generator)
    return frames, samples.float().unfold(0, 5 * HOP, HOP)


@torch.inference_mode()
def test_rows_equal_single_pairs(network, clip):
    frames, crops = clip
    video = network.video_tokens(network.visual.frames(frames), chunk=4)
    rows = network.delay_rows(video, network.audio_tokens(crops), chunk=4)
    assert rows.shape == (WINDOWS, 2 * TAU + 1) == (WINDOWS, network.n_delays)
    for window in range(WINDOWS):
        pairs = frames[window : window + 5].expand(network.n_delays, -1, -1, -1, -1)
        alone = network(pairs, crops[window : window + network.n_delays])
        torch.testing.assert_close(rows[window], alone, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_chosen_windows_equal_all_windows(network, clip):
    frames, crops = clip
    features = network.visual.frames(frames)
    starts = torch.tensor([4, 0, 3])
    video, tokens = network.video_tokens(features), network.audio_tokens(crops)
    chosen = network.video_tokens(features, starts)
    torch.testing.assert_close(chosen, video[starts])
    rows = network.delay_rows(video, tokens)
    torch.testing.assert_close(network.delay_rows(chosen, tokens, starts), rows[starts])


@torch.inference_mode()
def test_activations_are_maxima_over_tokens(network, clip):
    frames, crops = clip
    video = network.video_tokens(network.visual.frames(frames))
    audio = network.audio_tokens(crops)[TAU : TAU + WINDOWS]
    activations = network.activations(video, audio)
    assert activations.shape == (WINDOWS, network.activation_width)
    half = network.activation_width // 2
    torch.testing.assert_close(activations[:, :half], video.max(dim=1).values)
    torch.testing.assert_close(activations[:, half:], audio.max(dim=1).values)


def test_tokens_are_reshaped_not_transposed():
    fusion = FusionTransformer(width=4, plane=2, depth=1, heads=2)
    for parameter in (fusion.audio_time, fusion.audio_modality):
        torch.nn.init.zeros_(parameter)
    features = torch.arange(16.0).reshape(1, 4, 4)  # channels by time
    assert fusion.audio_tokens(features)[0, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_encoders_refuse_nonsense():
    for wrong in ({"depths": (2, 2)}, {"first_temporal_stage": 4}, {"pad_time": False}):
        with pytest.raises(ValueError):
            VisualEncoder(**wrong)
    with pytest.raises(ValueError, match="widths must have 7 entries, got 2"):
        AudioEncoder(widths=(4, 4))
