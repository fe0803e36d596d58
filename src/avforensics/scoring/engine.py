"""Run the synchronisation network on spans of any number of videos.

The 2-D stages run once per frame, the 3-D stages once per window, the audio encoder once per crop
and the fusion once per pair of window and crop. A batch may hold several spans and videos.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avforensics.errors import ConfigError
from avforensics.models.folding import fold_batch_norms, keep_channels_last
from avforensics.models.projection import Projection
from avforensics.models.sync import SyncNetwork
from avforensics.scoring.result import Features
from avforensics.scoring.runtime import DEFAULT_RUNTIME, PRECISIONS, RuntimeOptions
from avforensics.scoring.spans import Span


def resolve_device(name: str) -> torch.device:
    """Parse a device name; ``auto`` = CUDA if available, else the CPU.

    Raises
    ------
    ConfigError
        The device is unknown or not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r} not found; number of CUDA devices: {torch.cuda.device_count()}"
        )
    return device


@dataclass
class _Tail:
    """Network outputs at the end of a span, which the video's next span reuses."""

    frames: Tensor  # (4, C, h, w) features of the last frames
    crops: Tensor  # (2 tau, Ta, D) tokens of the last crops


class Engine:
    """Compute features of spans.

    Parameters
    ----------
    projection : Projection, optional
        Projection of activations; if None, ``Features.projected`` has no columns.
    """

    def __init__(
        self,
        sync: SyncNetwork,
        projection: Projection | None,
        *,
        runtime: RuntimeOptions = DEFAULT_RUNTIME,
        keep_activations: bool = False,
    ) -> None:
        self.device = resolve_device(runtime.device)
        self.precision = PRECISIONS[runtime.precision]
        self.chunk = runtime.batch_windows or (64 if self.device.type == "cuda" else 8)
        self.keep_activations = keep_activations
        self.projection = projection
        self.sync = fold_batch_norms(sync).to(self.device)
        if runtime.channels_last:
            keep_channels_last(self.sync)
        if runtime.compile:
            self.sync.visual.frames = torch.compile(self.sync.visual.frames, dynamic=True)
            self.sync.visual.windows = torch.compile(self.sync.visual.windows, dynamic=True)
        self._tails: dict[Hashable, _Tail] = {}

    @torch.inference_mode()
    def run(self, batch: Sequence[tuple[Hashable, Span]]) -> list[Features]:
        """Compute the features of each span, in order.

        Parameters
        ----------
        batch : sequence of (key, Span)
            Spans, each with a key that identifies the video. The spans of a video must be in order,
            within and across batches.
        """
        with torch.autocast(
            self.device.type, self.precision, enabled=self.precision != torch.float32
        ):
            rows, activations = self._network(batch)
        if self.projection is None:  # not a view, which would keep the activations in memory
            projected = activations.new_empty(len(activations), 0)
        else:
            projected = self.projection(activations)
        out, start = [], 0
        for _, span in batch:
            part = slice(start, start + span.n_windows)
            start = part.stop
            out.append(
                Features(
                    sync_logits=rows[part].numpy(),
                    projected=projected[part].numpy(),
                    valid_audio=span.valid_audio,
                    activations=activations[part].numpy() if self.keep_activations else None,
                    first_window=span.first_window,
                )
            )
        return out

    def forget(self, key: Hashable) -> None:
        """Drop the state of a video that has ended."""
        self._tails.pop(key, None)

    def _network(self, batch: Sequence[tuple[Hashable, Span]]) -> tuple[Tensor, Tensor]:
        """Compute rows (N, delays) and activations (N, 2 D) of a batch's windows, on the CPU."""
        sync = self.sync
        new_frames = self._frames(np.concatenate([span.frames for _, span in batch]))
        new_crops = self._crops(np.concatenate([span.crops for _, span in batch]))
        features, window_starts = self._join(batch, new_frames, "frames")
        tokens, crop_starts = self._join(batch, new_crops, "crops")
        video = sync.video_tokens(features, window_starts, chunk=self.chunk)
        rows = sync.delay_rows(video, tokens, crop_starts, chunk=4 * self.chunk)
        activations = sync.activations(video, tokens[crop_starts + sync.max_delay])
        return rows.float().cpu(), activations.float().cpu()

    def _frames(self, frames: np.ndarray) -> Tensor:
        parts = torch.from_numpy(frames).permute(0, 3, 1, 2).split(4 * self.chunk)
        return torch.cat([self.sync.visual.frames(p.to(self.device).float()) for p in parts])

    def _crops(self, crops: np.ndarray) -> Tensor:
        """Compute tokens of crops; silent crops, such as padding, are encoded once."""
        heard = crops.any(axis=1)
        distinct = np.concatenate([crops[heard], crops[~heard][:1]])
        parts = torch.from_numpy(distinct).split(8 * self.chunk)
        tokens = torch.cat([self.sync.audio_tokens(p.to(self.device).float()) for p in parts])
        place = np.where(heard, heard.cumsum() - 1, heard.sum())
        return tokens[torch.from_numpy(place).to(self.device)]

    def _join(
        self, batch: Sequence[tuple[Hashable, Span]], new: Tensor, kind: str
    ) -> tuple[Tensor, Tensor]:
        """Prepend the tail of each video to its new part; keep the new tail.

        Returns
        -------
        Tensor, (T, ...)
            All parts, concatenated.
        int64 tensor, (N,)
            Start of each window in that tensor.
        """
        counts = [len(getattr(span, kind)) for _, span in batch]
        parts, starts, offset = [], [], 0
        for (key, span), part in zip(batch, new.split(counts), strict=True):
            tail = self._tails.setdefault(key, _Tail(part[:0], part[:0]))
            joined = torch.cat([getattr(tail, kind), part]) if span.first_window else part
            setattr(tail, kind, joined[span.n_windows :].clone())
            parts.append(joined)
            starts.append(torch.arange(offset, offset + span.n_windows, device=self.device))
            offset += len(joined)
        return torch.cat(parts), torch.cat(starts)
