"""How well a synchronisation network finds the true delay: the measure of its validation."""

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


@dataclass(frozen=True)
class DelayErrors:
    """Distance between the found and the true delay, in frames."""

    windows: Tensor  # int (N,): for each window, from the largest logit of its row
    clip: Tensor  # int (): from the delay with the largest sum of log-softmax over the windows
    # bool (N,): windows whose candidates are all real sound: no crop reaches into the padding.
    # Padding is silence, so candidates in it are easy to rule out.
    inner: Tensor
    loss: Tensor  # float (): mean over windows of minus log softmax at the true delay


def clip_rows(network: SyncNetwork, frames: Tensor, audio: Tensor, *, chunk: int = 32) -> Tensor:
    """Rows of delay logits of one clip, as scoring computes them (method Sec. 1).

    The sound is padded with ``max_delay`` frames of zeros on both sides; the candidates of window
    k are the crops that start from ``max_delay`` frames before to ``max_delay`` frames after it.

    Parameters
    ----------
    network : SyncNetwork
        In evaluation mode.
    frames : uint8 tensor, (T, H, W, 3)
    audio : int16 tensor, (T * 640,)
    chunk : int
        Frames, windows or crops in the network at a time.

    Returns
    -------
    Tensor, (T - 4, 2 * max_delay + 1)
    """
    pad = network.max_delay * HOP
    crops = F.pad(audio.float(), (pad, pad)).unfold(0, CROP_SAMPLES, HOP)
    pictures = frames.permute(0, 3, 1, 2)
    features = torch.cat([network.visual.frames(part.float()) for part in pictures.split(chunk)])
    sound = []
    for part in crops.split(chunk):
        with torch.autocast(part.device.type, enabled=False):
            log_mel = network.log_mel(part)
        sound.append(network.fusion.audio_tokens(network.audio(log_mel)))
    video = network.video_tokens(features, chunk=chunk)
    return network.delay_rows(video, torch.cat(sound), chunk=chunk).float()


def delay_errors(rows: Tensor) -> DelayErrors:
    """Compare rows of a clip whose sound fits its picture with the truth, delay 0.

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
    """Draw softmax rows of clips, one panel each: windows to the right, delays upwards.

    Parameters
    ----------
    clips : mapping of str to Tensor, (N, 2 * max_delay + 1)
        Title and logits.
    """
    figure = Figure(figsize=(6.4, 1.7 * len(clips)), layout="constrained")
    panels = figure.subplots(len(clips), 1, squeeze=False)[:, 0]
    for axes, (title, rows) in zip(panels, clips.items(), strict=True):
        draw_delays(axes, rows.softmax(dim=1))
        axes.set_title(title, fontsize=8)
        axes.set_ylabel("delay (frames)", fontsize=8)
    panels[-1].set_xlabel("window")
    return figure
