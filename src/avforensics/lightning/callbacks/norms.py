"""Statistics of batch norm for evaluation, averaged over many training clips."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from avforensics.lightning.pairs import encode, encode_packed
from avforensics.lightning.sync import SyncModule


class PreciseBatchNorm(pl.Callback):
    """Recompute the running means and variances of batch norm before each validation.

    With only a few clips per batch, the running averages depend on the last twenty or so clips and
    on outdated weights. This callback replaces them with plain averages over fixed training clips
    under the current weights. Training does not read the running averages, so the training loss
    does not change.

    Parameters
    ----------
    clips : int
        Number of training videos to average over, spread evenly over the split.
    """

    def __init__(self, *, clips: int = 96) -> None:
        if clips < 1:
            raise ValueError(f"clips must be at least 1, got {clips}")
        self.clips = clips

    @torch.no_grad()
    def on_validation_start(self, trainer: pl.Trainer, pl_module: SyncModule) -> None:
        """Reset the statistics and average them over the clips."""
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        if not fitting or pl_module.hparams.freeze_norm:
            return
        network = pl_module.network
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        momentum = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # plain average over all batches
        network.train()
        for batch in trainer.datamodule.statistics_dataloader(self.clips):
            batch = {
                key: value.to(pl_module.device)
                for key, value in batch.items()
                if isinstance(value, torch.Tensor)
            }
            if "clip" in batch:
                encode_packed(network, batch)
            else:
                encode(network, batch["frames"], batch["audio"], silence=pl_module.hparams.silence)
        network.eval()
        for norm, value in zip(norms, momentum, strict=True):
            norm.momentum = value
