"""Train the synchronisation network (paper Sec. 3.1 and 4; method Sec. 4)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchmetrics import MeanMetric

from avforensics.checkpoints import Models, load_models
from avforensics.checkpoints.architecture import check_savable, describe
from avforensics.errors import CheckpointError
from avforensics.lightning.delays import clip_rows, delay_errors, heat_maps
from avforensics.lightning.finite import require_finite
from avforensics.lightning.gather import gather
from avforensics.lightning.pairs import contrast, encode, packed_loss
from avforensics.lightning.schedule import scheduled
from avforensics.models.folding import keep_channels_last
from avforensics.models.sync import SyncNetwork

log = logging.getLogger(__name__)

SHOWN_CLIPS = 4  # number of validation clips whose rows are plotted
MEASURES = (
    "loss",
    "window_exact",
    "window_within_one",
    "inner_window_exact",
    "inner_window_within_one",
    "clip_exact",
    "clip_within_one",
)


class SyncModule(pl.LightningModule):
    """Train the synchronisation network with InfoNCE over pairs of windows and sound.

    The batch determines the negatives. With one clip per video, they are the sound of the other
    videos (first phase of the paper's curriculum); with several clips, the video's other clips
    (second phase); with spans of consecutive frames, the video's other windows (economy training,
    in which a window's neighbours, one frame away, are the hardest negatives).

    Validation computes rows of delay logits for all windows of a clip, with the sound padded with
    silence as in scoring. It counts how often the largest entry is at the true delay (``exact``) or
    at most one frame away (``within_one``). The counts cover all windows (``window``), the windows
    without candidates in the padding (``inner_window``), and whole clips by the summed log-softmax
    of their rows (``clip``). Nothing is random, so results are repeatable. Unreadable clips are
    counted and left out.

    Parameters
    ----------
    optimizer : callable
        Called with the parameters; returns an optimiser.
    scheduler : callable, optional
        Called as ``scheduler(optimizer, total_steps=...)``; returns a schedule that is stepped
        after every batch.
    symmetric : bool
        Average with the loss of finding the right window for each sound.
    temperature : float
        Divisor of the logits in the training loss.
    across_videos : bool
        If videos have several clips each, also use the batch's other videos as negatives.
    silence : int
        With spans: frames of silence before and after each span's sound; the crops that reach into
        the silence are additional negatives (see `encode`). Cannot be combined with
        ``across_videos``.
    gather : bool
        If other videos are negatives, use the videos of all processes.
    freeze_norm : bool
        Use the stored statistics of batch norm and do not update them: for fine-tuning, and for
        results that do not depend on the number of processes.
    chunk : int
        Number of pairs that pass through the fusion at a time.
    recompute : bool
        Use gradient checkpointing in the fusion; see `FusionTransformer.all_pairs`.
    compile : bool
        Compile both encoders with torch.compile.
    neighbours : float
        Share of the target given to each of the two crops next to the true crop.
    channels_last : bool
        Use the channels-last memory format, which is faster on many processors.
    init : str, optional
        File with the initial weights: a bundle, a checkpoint or the published sync_model.pth.

    Raises
    ------
    ConfigError
        The network cannot be saved and loaded again.
    ValueError
        A setting is invalid.
    CheckpointError
        ``init`` cannot be read or holds a different network.
    """

    def __init__(
        self,
        *,
        network: SyncNetwork,
        optimizer: Callable,
        scheduler: Callable | None = None,
        symmetric: bool = False,
        temperature: float = 1.0,
        across_videos: bool = False,
        silence: int = 0,
        gather: bool = False,
        freeze_norm: bool = False,
        chunk: int = 256,
        recompute: bool = False,
        compile: bool = False,
        neighbours: float = 0.0,
        channels_last: bool = False,
        init: str | None = None,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1 pair, got {chunk}")
        if silence < 0 or (silence and across_videos):
            raise ValueError(
                f"silence must be at least 0, or exactly 0 with across_videos, got {silence}"
            )
        if not 0 <= neighbours < 0.5:
            raise ValueError(f"neighbours must be at least 0 and below 0.5, got {neighbours}")
        self.save_hyperparameters(ignore=["network", "optimizer", "scheduler"])
        check_savable(network)
        self.network = network
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.measures = nn.ModuleDict({name: MeanMetric() for name in MEASURES})
        self._shown: dict[str, Tensor] = {}
        self._complained: set[str] = set()
        if init is not None:
            self._begin_with(Path(init))
        if channels_last:
            keep_channels_last(network)
        if compile:
            network.visual.compile()
            network.audio.compile()
        self.train()  # applies freeze_norm; Lightning does not call train() itself

    @property
    def models(self) -> Models:
        """The trained network, for a bundle."""
        return Models(sync=self.network)

    def train(self, mode: bool = True) -> SyncModule:
        """Switch to training mode; frozen batch norms stay in evaluation mode."""
        super().train(mode)
        if self.hparams.freeze_norm:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def loss(self, batch: dict) -> Tensor:
        """Compute InfoNCE of a batch from `RandomClips`, `SpanClips` or `PackedClips`."""
        symmetric, neighbours = self.hparams.symmetric, self.hparams.neighbours
        if "clip" in batch:
            return packed_loss(
                self.network, batch, self._pairs, symmetric=symmetric, neighbours=neighbours
            )
        video, audio = encode(
            self.network, batch["frames"], batch["audio"], silence=self.hparams.silence
        )
        if video.shape[1] > 1 and not self.hparams.across_videos:
            silence = (audio.shape[1] - video.shape[1]) // 2
            return contrast(
                self._pairs(video, audio),
                first=silence,
                symmetric=symmetric,
                neighbours=neighbours,
            )
        video, audio = (tokens.flatten(0, 1).unsqueeze(0) for tokens in (video, audio))
        if not self.hparams.gather or self.trainer.world_size == 1:
            return contrast(self._pairs(video, audio), symmetric=symmetric)
        first = self.global_rank * video.shape[1]
        loss = contrast(self._pairs(video, self._everybodys(audio)), first=first)
        if symmetric:
            logits = self._pairs(self._everybodys(video), audio).transpose(1, 2)
            loss = (loss + contrast(logits, first=first)) / 2
        return loss

    def _pairs(self, video: Tensor, audio: Tensor) -> Tensor:
        logits = self.network.fusion.all_pairs(
            video, audio, chunk=self.hparams.chunk, recompute=self.hparams.recompute
        )
        return logits.float() / self.hparams.temperature

    def _everybodys(self, tokens: Tensor) -> Tensor:
        """Gather all processes' tokens in rank order, (1, n, T, D) -> (1, world * n, T, D)."""
        return gather(tokens).flatten(0, 2).unsqueeze(0)

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        """Return the loss of one batch and log its mean over processes; see `require_finite`."""
        self._report_broken(batch["broken"])
        loss = self.loss(batch)
        require_finite(self, loss, batch, batch_idx)
        self.log("train/loss", loss, prog_bar=True, sync_dist=True, batch_size=len(batch["audio"]))
        return loss

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        """Measure one clip, which is an unbatched item of `SpanClips` with ``fixed=True``."""
        if batch["broken"]:
            self._report_broken([batch["broken"]])
            return
        rows = clip_rows(self.network, batch["frames"], batch["audio"])
        if batch_idx == 0:
            self._shown.clear()
        if len(self._shown) < SHOWN_CLIPS:
            self._shown[f"clip {int(batch['index'])}"] = rows.cpu()
        found = delay_errors(rows)
        measured = {"loss": found.loss}
        for name, error in (
            ("window", found.windows),
            ("inner_window", found.windows[found.inner]),
            ("clip", found.clip.reshape(1)),
        ):
            measured[f"{name}_exact"] = (error == 0).float()
            measured[f"{name}_within_one"] = (error <= 1).float()
        for name, value in measured.items():
            if value.numel():
                self.measures[name].update(value)

    def on_validation_epoch_end(self) -> None:
        """Log the measures of all processes."""
        for name, metric in self.measures.items():
            measured = bool(metric.update_count)  # False if all clips of this process are broken
            if self.trainer.strategy.reduce_boolean_decision(measured, all=False):
                self.log(f"val/{name}", metric, prog_bar=name == "window_within_one")

    def configure_optimizers(self):
        """Return the optimiser and any schedule."""
        return scheduled(self.optimizer(self.parameters()), self.scheduler, self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add a description of the network, so that every command can read the checkpoint."""
        checkpoint["architecture"] = describe(self.network)

    def pictures(self) -> dict[str, Figure]:
        """Draw heat maps of the rows of the first validation clips."""
        return {"heatmaps": heat_maps(self._shown)} if self._shown else {}

    def _begin_with(self, path: Path) -> None:
        given = load_models({"search": False, "sync": path}, parts=["sync"]).sync
        if describe(given) != describe(self.network):
            raise CheckpointError(f"{path}: its network does not match the model settings")
        self.network.load_state_dict(given.state_dict())

    def _report_broken(self, problems: Iterable[str]) -> None:
        """Warn once about each clip that could not be read and was replaced or left out."""
        for problem in {line for text in problems for line in text.splitlines()}:
            if problem not in self._complained:
                self._complained.add(problem)
                log.warning("unusable clip %d: %s", len(self._complained), problem)
