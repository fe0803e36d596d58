"""What is compared with what in a training batch, and the loss on it (paper Sec. 3.1, Eq. 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from avforensics.media.types import HOP
from avforensics.models.sync import CROP_SAMPLES, SyncNetwork
from avforensics.models.visual import WINDOW_FRAMES


def encode(
    network: SyncNetwork, frames: Tensor, audio: Tensor, *, chunk: int = 64, silence: int = 0
) -> tuple[Tensor, Tensor]:
    """Tokens of the windows of every video of a batch and of their own sound.

    The stem and the audio encoder see the whole batch at once, so that batch norm takes its
    statistics over all of it.

    Parameters
    ----------
    network : SyncNetwork
    frames : uint8 tensor
        Either clips, (B, n, 5, H, W, 3), or spans of consecutive frames, (B, T, H, W, 3), all of
        whose T - 4 windows are used and whose stem runs once per frame.
    audio : int16 tensor
        (B, n, 3200) or (B, T * 640).
    chunk : int
        Windows in the 3-D stages at a time, for networks that cannot take a span at once.
    silence : int
        Frames of zeros before and after the sound of a span. Crops that reach into them belong to
        no window; scoring pads so, and a network that never saw it judges such crops at random.

    Returns
    -------
    video : Tensor, (B, n, Tv, D)
    audio : Tensor, (B, n + 2 * silence, Ta, D)
        Window k's own sound is number ``silence + k``.
    """
    batch, spans = len(frames), frames.ndim == 5
    if spans:
        audio = F.pad(audio, (silence * HOP, silence * HOP))
    crops = audio.unfold(-1, CROP_SAMPLES, HOP) if spans else audio
    count = crops.shape[1]
    pictures = frames.reshape(-1, *frames.shape[-3:]).permute(0, 3, 1, 2).float()
    features = network.visual.frames(pictures)
    features = features.unflatten(0, (batch, -1)).transpose(1, 2)  # (B, C, T or n * 5, h, w)
    encoded = _windows(network, features, spans=spans, chunk=chunk)
    video = network.fusion.video_tokens(encoded)
    with torch.autocast(crops.device.type, enabled=False):  # bfloat16 would spoil the logarithm
        log_mel = network.log_mel(crops.reshape(-1, CROP_SAMPLES).float())
    sound = network.fusion.audio_tokens(network.audio(log_mel))
    return video.unflatten(0, (batch, -1)), sound.unflatten(0, (batch, count))


def _windows(network: SyncNetwork, features: Tensor, *, spans: bool, chunk: int) -> Tensor:
    """(B, C, T, h, w) -> (B * n, C', t, h', w')."""
    visual = network.visual
    if spans and not visual.pad_time:  # one pass over the span gives one frame for each window
        return visual.windows(features).transpose(1, 2).flatten(0, 1).unsqueeze(2)
    step = 1 if spans else WINDOW_FRAMES
    windows = features.unfold(2, WINDOW_FRAMES, step).permute(0, 2, 1, 5, 3, 4).flatten(0, 1)
    return torch.cat([visual.windows(part.contiguous()) for part in windows.split(chunk)])


def contrast(logits: Tensor, *, first: int = 0, symmetric: bool = False) -> Tensor:
    """InfoNCE (Eq. 2): minus log softmax of the true sound among the candidates, averaged.

    Parameters
    ----------
    logits : Tensor, (G, N, M)
        Window n of a group with each candidate crop; M >= N.
    first : int
        The true crop of window n is number ``first + n``.
    symmetric : bool
        Average with the same loss over the windows for each window's crop.

    Returns
    -------
    Tensor, ()
    """
    groups, n, _ = logits.shape
    truth = torch.arange(first, first + n, device=logits.device).expand(groups, n)
    loss = F.cross_entropy(logits.transpose(1, 2), truth)
    if symmetric:
        own = logits[:, :, first : first + n]
        loss = (loss + F.cross_entropy(own, truth - first)) / 2
    return loss
