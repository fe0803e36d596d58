"""Pairs of windows and sound in a training batch, and their loss (paper Sec. 3.1, Eq. 2)."""

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
    """Compute the tokens of all windows in a batch of videos, and of the windows' sound.

    The stem and the audio encoder process the whole batch at once, so that the statistics of batch
    norm cover the whole batch.

    Parameters
    ----------
    frames : uint8 tensor
        Either clips, (B, n, 5, H, W, 3), or spans of consecutive frames, (B, T, H, W, 3). All T - 4
        windows of a span are used, and the stem runs once per frame.
    audio : int16 tensor
        (B, n, 3200) for clips or (B, T * 640) for spans.
    chunk : int
        Number of windows that pass through the 3-D stages at a time, for networks that cannot
        process a span at once.
    silence : int
        Frames of zeros before and after the sound of a span. Crops that reach into the zeros belong
        to no window. Scoring pads in the same way, and a network trained without padding gives
        random logits for these crops.

    Returns
    -------
    video : Tensor, (B, n, Tv, D)
    audio : Tensor, (B, n + 2 * silence, Ta, D)
        The sound of window k has index ``silence + k``.
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
    with torch.autocast(crops.device.type, enabled=False):  # bfloat16 is too coarse for a log
        log_mel = network.log_mel(crops.reshape(-1, CROP_SAMPLES).float())
    sound = network.fusion.audio_tokens(network.audio(log_mel))
    return video.unflatten(0, (batch, -1)), sound.unflatten(0, (batch, count))


def _windows(network: SyncNetwork, features: Tensor, *, spans: bool, chunk: int) -> Tensor:
    """Encode the windows: (B, C, T, h, w) -> (B * n, C', t, h', w')."""
    visual = network.visual
    if spans and not visual.pad_time:  # one pass over the span gives one output frame per window
        return visual.windows(features).transpose(1, 2).flatten(0, 1).unsqueeze(2)
    step = 1 if spans else WINDOW_FRAMES
    windows = features.unfold(2, WINDOW_FRAMES, step).permute(0, 2, 1, 5, 3, 4).flatten(0, 1)
    return torch.cat([visual.windows(part.contiguous()) for part in windows.split(chunk)])


def encode_packed(network: SyncNetwork, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Compute the tokens of all windows in a `PackedClips` step, even across clip borders.

    Returns
    -------
    video : Tensor, (F - 4, Tv, D)
    audio : Tensor, (F - 4 + E, Ta, D)
        The sound of each window, then the edge crops.
    """
    crops = batch["audio"].unfold(0, CROP_SAMPLES, HOP)
    crops = torch.cat([crops, batch["edges"]]).float()
    features = network.visual.frames(batch["frames"].permute(0, 3, 1, 2).float())
    with torch.autocast(crops.device.type, enabled=False):  # bfloat16 is too coarse for a log
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
    """Compute InfoNCE over the windows of each clip in a step, averaged over windows.

    Parameters
    ----------
    batch : mapping
        A batch from `PackedClips`.
    pairs : callable
        Called with video tokens (1, N, Tv, D) and audio tokens (1, M, Ta, D). Returns logits
        (1, N, M).
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
    """Compute InfoNCE (Eq. 2): the mean negative log-softmax of the true sound.

    Parameters
    ----------
    logits : Tensor, (G, N, M)
        Logits of each window n of a group with each candidate crop; M >= N.
    first : int
        Index of the true crop of window 0; the true crop of window n is ``first + n``.
    symmetric : bool
        Average with the loss of finding the right window for each true crop.
    neighbours : float
        Share of the target given to each of the two crops next to the true crop, since recordings
        are aligned to half a frame at best. Not used if the true crop is the first or last
        candidate.

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
    """Return targets of windows: indices (G * N,) or, with ``neighbours``, shares (G * N, M)."""
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
