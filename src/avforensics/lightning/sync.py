"""Training of the synchronisation network (paper Sec. 3.1 and 4; method Sec. 4)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytorch_lightning as pl
from torch import Tensor, nn
from torchmetrics import MeanMetric

from avforensics.checkpoints import Models
from avforensics.errors import TrainingError
from avforensics.lightning.delays import clip_rows, delay_errors
from avforensics.lightning.pairs import contrast, encode
from avforensics.models.sync import SyncNetwork

log = logging.getLogger(__name__)

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
    """InfoNCE over pairs of windows and sound.

    Who is a negative follows from the batch. With one clip of a video, the sound of the other
    videos (first phase of the paper's curriculum). With several clips, the video's other clips
    (second phase). With spans of consecutive frames, the video's other windows: the economy
    training, in which a window's neighbours, one frame off, are the hardest negatives.

    Validation gives rows of 31 delays for all windows of a clip, the sound padded with silence as
    in scoring, and counts how often the largest entry is the true delay (``exact``) or at most one
    frame from it (``within_one``): for each window (``window``), for each window none of whose
    candidates reaches into the padding (``inner_window``) and for each clip, from the sum of its
    rows' log-softmax (``clip``). Nothing is drawn, so numbers repeat. Clips that cannot be read
    are counted and left out.

    Parameters
    ----------
    network : SyncNetwork
    optimizer : callable
        Parameters -> optimiser.
    scheduler : callable, optional
        ``scheduler(optimizer, total_steps=...)`` -> a schedule that steps with every batch.
    symmetric : bool
        Average with the loss that finds the window for a sound.
    temperature : float
        Logits are divided by it in the training loss.
    across_videos : bool
        Take the other videos of the batch as negatives too where each has several clips.
    gather : bool
        Where the other videos are negatives, take those of all processes.
    freeze_norm : bool
        Keep batch norm's statistics as they are and use them: fine-tuning, and the same numbers
        for any number of processes.
    chunk : int
        Pairs in the fusion at a time.
    recompute : bool
        Gradient checkpointing of the fusion; see `FusionTransformer.all_pairs`.
    compile : bool
        torch.compile for both encoders.
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
        gather: bool = False,
        freeze_norm: bool = False,
        chunk: int = 256,
        recompute: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, not {temperature}")
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1 pair, not {chunk}")
        self.save_hyperparameters(ignore=["network", "optimizer", "scheduler"])
        self.network = network
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.measures = nn.ModuleDict({name: MeanMetric() for name in MEASURES})
        if compile:
            network.visual.compile()
            network.audio.compile()

    @property
    def models(self) -> Models:
        """What a bundle of this training holds."""
        return Models(sync=self.network)

    def train(self, mode: bool = True) -> SyncModule:
        """Switch to training mode; frozen norms stay in evaluation mode."""
        super().train(mode)
        if self.hparams.freeze_norm:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def logits(self, batch: dict) -> tuple[Tensor, int]:
        """Logits of a batch's pairs, (G, N, M), and the column of window 0's own sound."""
        video, audio = encode(self.network, batch["frames"], batch["audio"])
        first = 0
        if self.hparams.across_videos or video.shape[1] == 1:
            video, audio = (tokens.flatten(0, 1).unsqueeze(0) for tokens in (video, audio))
            if self.hparams.gather and self.trainer.world_size > 1:
                first = self.global_rank * audio.shape[1]
                audio = self.all_gather(audio, sync_grads=True).flatten(0, 2).unsqueeze(0)
        pairs = self.network.fusion.all_pairs(
            video, audio, chunk=self.hparams.chunk, recompute=self.hparams.recompute
        )
        return pairs, first

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        """Loss of one batch.

        Raises
        ------
        TrainingError
            The loss is no finite number; the message names the clips.
        """
        logits, first = self.logits(batch)
        loss = contrast(
            logits.float() / self.hparams.temperature,
            first=first,
            symmetric=self.hparams.symmetric,
        )
        self._require_finite(loss, batch, batch_idx)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["frames"]))
        return loss

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        """Measure one clip (``SpanClips`` with ``fixed``, not batched)."""
        if batch["broken"]:
            log.warning("left out of validation: %s", batch["broken"])
            return
        found = delay_errors(clip_rows(self.network, batch["frames"], batch["audio"]))
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
        """Log the measures, over all processes."""
        for name, metric in self.measures.items():
            if metric.update_count:
                self.log(f"val/{name}", metric, prog_bar=name == "window_within_one")

    def configure_optimizers(self):
        """Optimiser, with a schedule by steps where one is given."""
        optimizer = self.optimizer(self.parameters())
        if self.scheduler is None:
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        schedule = self.scheduler(optimizer, total_steps=total)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _require_finite(self, loss: Tensor, batch: dict, batch_idx: int) -> None:
        if self.trainer.strategy.reduce_boolean_decision(bool(loss.isfinite()), all=True):
            return
        rows = batch["index"].tolist()
        raise TrainingError(
            f"the loss of batch {batch_idx} of epoch {self.current_epoch} is {loss.item()} "
            f"(step {self.global_step}, rows {rows} of the training clips); a smaller learning "
            "rate or trainer.gradient_clip_val may help"
        )
