"""Pairs compared in a training batch, and the loss on them (paper Sec. 3.1, Eq. 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
    frames : uint8 tensor
        Either clips, (B, n, 5, H, W, 3), or spans of consecutive frames, (B, T, H, W, 3), all of
        whose T - 4 windows are used and whose stem runs once per frame.
    audio : int16 tensor
        (B, n, 3200) or (B, T * 640).
    chunk : int
        Windows in the 3-D stages at a time, for networks that cannot take a span at once.
    silence : int
        Frames of zeros before and after the sound of a span. Crops that reach into them belong to
        no window; scoring pads like this, and a network that never saw padding judges
        such crops at random.

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


def encode_packed(network: SyncNetwork, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Tokens of all windows of a step of `PackedClips`, including those across a border.

    Returns
    -------
    video : Tensor, (F - 4, Tv, D)
    audio : Tensor, (F - 4 + E, Ta, D)
        The sound of each window, then the edges.
    """
    crops = batch["audio"].unfold(0, CROP_SAMPLES, HOP)
    crops = torch.cat([crops, batch["edges"]]).float()
    features = network.visual.frames(batch["frames"].permute(0, 3, 1, 2).float())
    with torch.autocast(crops.device.type, enabled=False):  # bfloat16 would spoil the logarithm
        log_mel = network.log_mel(crops)
    return network.video_tokens(features), network.fusion.audio_tokens(network.audio(log_mel))


def packed_loss(
    network: SyncNetwork,
    batch: Mapping[str, Tensor],
    pairs: Callable[[Tensor, Tensor], Tensor],
    *,
    symmetric: bool = False,
    neighbours: float = 0.0,
) -> Tensor:
    """InfoNCE over the windows of each clip of a step, averaged over windows.

    Parameters
    ----------
    batch : mapping
        A batch from `PackedClips`.
    pairs : callable
        Video tokens (1, N, Tv, D) and audio tokens (1, M, Ta, D) -> logits (1, N, M).
    symmetric, neighbours
        As in `contrast`.

    Returns
    -------
    Tensor, ()
    """
    video, audio = encode_packed(network, batch)
    owner = batch["clip"]
    whole = owner[: len(video)] == owner[WINDOW_FRAMES - 1 :]
    parts, count = [], 0
    for clip in owner.unique():
        own = (whole & (owner[: len(video)] == clip)).nonzero()[:, 0]
        if len(own) < 2:
            continue
        edges = (batch["edge_clip"] == clip).nonzero()[:, 0] + len(video)
        logits = pairs(video[own][None], audio[torch.cat([own, edges])][None])
        loss = contrast(logits, symmetric=symmetric, neighbours=neighbours)
        parts.append(loss * len(own))
        count += len(own)
    if not parts:
        return video.sum() * 0.0
    return torch.stack(parts).sum() / count


def contrast(
    logits: Tensor, *, first: int = 0, symmetric: bool = False, neighbours: float = 0.0
) -> Tensor:
    """InfoNCE (Eq. 2): minus log softmax of the true sound among the candidates, averaged.

    Parameters
    ----------
    logits : Tensor, (G, N, M)
        Window n of a group with each candidate crop; M >= N.
    first : int
        The true crop of window n is number ``first + n``.
    symmetric : bool
        Average with the same loss over the windows for each window's crop.
    neighbours : float
        Share of the target given to each of the two crops next to the true one, if there are
        two: recordings are aligned to half a frame at best.

    Returns
    -------
    Tensor, ()
    """
    groups, n, m = logits.shape
    loss = F.cross_entropy(
        logits.flatten(0, 1), _targets(groups, n, m, first, neighbours, logits.device)
    )
    if symmetric:
        own = logits[:, :, first : first + n].transpose(1, 2).flatten(0, 1)
        targets = _targets(groups, n, n, 0, neighbours, logits.device)
        loss = (loss + F.cross_entropy(own, targets)) / 2
    return loss


def _targets(
    groups: int, n: int, m: int, first: int, neighbours: float, device: torch.device
) -> Tensor:
    """True crop of each window: int64 (G * N,), or with ``neighbours`` shares (G * N, M)."""
    truth = torch.arange(first, first + n, device=device)
    if not neighbours:
        return truth.repeat(groups)
    shares = torch.zeros(n, m, device=device)
    windows = torch.arange(n, device=device)
    shares[windows, truth] = 1
    inside = (truth > 0) & (truth < m - 1)
    shares[windows[inside], truth[inside]] = 1 - 2 * neighbours
    shares[windows[inside], truth[inside] - 1] = neighbours
    shares[windows[inside], truth[inside] + 1] = neighbours
    return shares.repeat(groups, 1)
