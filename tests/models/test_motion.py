"""The encoders for small processors: windows, loudness, folding and description."""

import pytest
import torch

from avforensics.checkpoints.architecture import build, describe
from avforensics.models.folding import fold_batch_norms
from avforensics.models.fusion import CosineFusion
from avforensics.models.motion import MotionEncoder, StridedAudioEncoder
from avforensics.models.sync import SyncNetwork


@pytest.fixture
def network():
    torch.manual_seed(0)
    net = SyncNetwork(
        visual=MotionEncoder(stem=6, widths=(6, 8, 10), dropout=0.2),
        audio=StridedAudioEncoder(widths=(4, 6, 8, 8, 6), dropout=0.2),
        fusion=CosineFusion(video_width=10, audio_width=30, plane=2, audio_steps=5, width=12),
        size=32,
        mel_floor=1e-3,
        mel_depth=60,
    )
    with torch.no_grad():  # statistics that differ from those of a fresh network
        net.train()
        for _ in range(3):
            net(torch.rand(8, 5, 3, 32, 32) * 255, torch.randn(8, 3200) * 1000)
    return net.eval()


def test_a_run_and_its_single_windows_agree(network):
    frames, crops = torch.rand(11, 3, 32, 32) * 255, torch.randn(7, 3200) * 1000
    with torch.no_grad():
        video = network.video_tokens(network.visual.frames(frames))
        run = network.visual.windows(network.visual.frames(frames).transpose(0, 1)[None])
        sound = network.audio_tokens(crops)
        logits = network.fusion.all_pairs(video[None], sound[None])[0]
        windows = torch.stack([frames[k : k + 5] for k in range(7)])
        pairs = network(windows, crops)
    torch.testing.assert_close(logits.diagonal(), pairs, atol=1e-4, rtol=1e-4)
    assert run.shape == (1, 10, 7, 2, 2)
    tokens = network.fusion.video_tokens(run[0].transpose(0, 1).unsqueeze(2))
    torch.testing.assert_close(tokens, video, atol=1e-5, rtol=1e-4)


def test_only_grey_levels_count_and_motion_does(network):
    frames = torch.rand(5, 1, 32, 32) * 255
    with torch.no_grad():
        grey = network.video_tokens(network.visual.frames(frames.expand(-1, 3, -1, -1)))
        still = network.video_tokens(network.visual.frames(frames[:1].expand(5, 3, -1, -1)))
    assert not torch.allclose(grey, still, atol=1e-3)


@pytest.mark.parametrize("gain", [-30, -10, 6])
def test_loudness_changes_nothing(network, gain):
    crops = torch.randn(4, 3200) * 800
    with torch.no_grad():
        here = network.audio_tokens(crops)
        louder = network.audio_tokens(crops * 10 ** (gain / 20))
    torch.testing.assert_close(here, louder, atol=1e-4, rtol=1e-3)
    assert not torch.allclose(here[0], here[1], atol=5e-4), "or it would listen to nothing"


def test_digital_silence_is_flat(network):
    assert network.log_mel(torch.zeros(2, 3200)).abs().max() < 1e-5


def test_depth_keeps_the_upper_part_of_a_crop():
    from avforensics.models.logmel import LogMel

    crops = torch.randn(3, 3200) * torch.logspace(0, 4, 3200)
    deep, shallow = LogMel(floor=1e-6, depth=200)(crops), LogMel(floor=1e-6, depth=20)(crops)
    span = shallow.amax(dim=(1, 2, 3)) - shallow.amin(dim=(1, 2, 3))
    torch.testing.assert_close(span, torch.full((3,), 10.0).log(), atol=1e-4, rtol=0)  # 20 dB
    assert (deep.amax(dim=(1, 2, 3)) - deep.amin(dim=(1, 2, 3))).min() > 7
    torch.testing.assert_close(deep.mean(dim=(1, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)


def test_folded_norms_compute_the_same(network):
    frames, crops = torch.rand(3, 5, 3, 32, 32) * 255, torch.randn(3, 3200) * 1000
    folded = fold_batch_norms(network)
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(
            folded(frames, crops), network(frames, crops), atol=1e-4, rtol=1e-4
        )


def test_description_and_back(network):
    again = build(describe(network))
    again.load_state_dict(network.state_dict())
    assert describe(again) == describe(network)


def test_mistakes():
    for encoder, wrong, message in (
        (MotionEncoder, {"widths": (4, 4)}, "one entry for each stage"),
        (MotionEncoder, {"dropout": 1}, "dropout must be"),
        (StridedAudioEncoder, {"widths": (4, 4)}, "widths must have 5 entries"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder(**wrong)
