"""Errors of the delays that a synchronisation network finds, for validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from avforensics.lightning.forecast import draw_delays
from avforensics.media.types import HOP
from avforensics.models.sync import CROP_SAMPLES, SyncNetwork

CHUNK = 32  # frames, windows or crops that pass through the network at a time


@dataclass(frozen=True)
class DelayErrors:
    """Distances between found and true delays, in frames."""

    windows: Tensor  # int (N,): for each window, from the largest logit of its row
    clip: Tensor  # int (): from the delay with the largest sum of log-softmax over the windows
    # bool (N,): True for windows whose candidate crops all lie outside the padding. The padding is
    # silence, so crops that reach into it are easy to rule out.
    inner: Tensor
    loss: Tensor  # float (): mean over windows of the negative log-softmax at the true delay


def clip_rows(network: SyncNetwork, frames: Tensor, audio: Tensor) -> Tensor:
    """Compute one clip's rows of delay logits as in scoring (method Sec. 1).

    The sound is padded with ``max_delay`` frames of zeros on both sides. The candidates of window k
    are the crops that start between ``max_delay`` frames before and ``max_delay`` frames after it.

    Parameters
    ----------
    network : SyncNetwork
        Network in evaluation mode.
    frames : uint8 tensor, (T, H, W, 3)
    audio : int16 tensor, (T * 640,)

    Returns
    -------
    Tensor, (T - 4, 2 * max_delay + 1)
    """
    pad = network.max_delay * HOP
    crops = F.pad(audio.float(), (pad, pad)).unfold(0, CROP_SAMPLES, HOP)
    pictures = frames.permute(0, 3, 1, 2)
    features = torch.cat([network.visual.frames(part.float()) for part in pictures.split(CHUNK)])
    sound = []
    for part in crops.split(CHUNK):
        with torch.autocast(part.device.type, enabled=False):
            log_mel = network.log_mel(part)
        sound.append(network.fusion.audio_tokens(network.audio(log_mel)))
    video = network.video_tokens(features, chunk=CHUNK)
    return network.delay_rows(video, torch.cat(sound), chunk=CHUNK).float()


def delay_errors(rows: Tensor) -> DelayErrors:
    """Measure the errors in the rows of a clip whose true delay is 0.

    Parameters
    ----------
    rows : Tensor, (N, 2 * max_delay + 1)
    """
    n, delays = rows.shape
    middle = delays // 2
    logp = rows.log_softmax(dim=1)
    position = torch.arange(n, device=rows.device)
    return DelayErrors(
        windows=(rows.argmax(dim=1) - middle).abs(),
        clip=(logp.sum(dim=0).argmax() - middle).abs(),
        inner=(position >= middle) & (position < n - middle),
        loss=-logp[:, middle].mean(),
    )


def heat_maps(clips: Mapping[str, Tensor]) -> Figure:
    """Draw the softmax of each clip's rows in its own panel: windows to the right, delays upwards.

    Parameters
    ----------
    clips : mapping of str to Tensor, (N, 2 * max_delay + 1)
        Logits of each clip, by title.
    """
    figure = Figure(figsize=(6.4, 1.7 * len(clips)), layout="constrained")
    panels = figure.subplots(len(clips), 1, squeeze=False)[:, 0]
    for axes, (title, rows) in zip(panels, clips.items(), strict=True):
        draw_delays(axes, rows.softmax(dim=1))
        axes.set_title(title, fontsize=8)
        axes.set_ylabel("delay (frames)", fontsize=8)
    panels[-1].set_xlabel("window")
    return figure
