"""Estimate the cost of training from one batch, before training begins."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

from avforensics.lightning.schedule import total_steps
from avforensics.progress import duration

log = logging.getLogger(__name__)


class Estimate(Callback):
    """Log the parameters, steps, time and memory of the run that is about to start.

    The first batch makes two forward and backward passes: one to warm up and count operations, and
    one to measure the time. Gradients are discarded and the statistics of batch norm restored, so
    this callback does not affect training. The module must have a method ``loss(batch)``. The
    estimate covers neither validation nor waiting for slow decoding.

    Parameters
    ----------
    flops : bool
        Also count floating-point operations.
    """

    def __init__(self, *, flops: bool = True) -> None:
        self.flops = flops

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure one batch and log the estimate."""
        batch = _first_batch(trainer)
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        counter = FlopCounterMode(display=False)
        with counter if self.flops else contextlib.nullcontext():
            _forward_and_back(trainer, module, batch)
        start = time.perf_counter()
        _forward_and_back(trainer, module, batch)
        seconds = time.perf_counter() - start
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
        if trainer.is_global_zero:
            _report(trainer, module, seconds, counter.get_total_flops())


def _first_batch(trainer: pl.Trainer) -> Any:
    """Load one batch without the loader, whose workers are busy with training batches."""
    loader = trainer.train_dataloader
    if loader.batch_sampler is None:  # an item is a batch
        batch = loader.collate_fn(loader.dataset[next(iter(loader.sampler))])
    else:
        keys = next(iter(loader.batch_sampler))
        batch = loader.collate_fn([loader.dataset[key] for key in keys])
    return trainer.strategy.batch_to_device(batch)


def _forward_and_back(trainer: pl.Trainer, module: pl.LightningModule, batch: Any) -> None:
    with trainer.precision_plugin.forward_context():
        loss = module.loss(batch)
    loss.backward()
    module.zero_grad(set_to_none=True)
    if loss.is_cuda:
        torch.cuda.synchronize()


def _report(trainer: pl.Trainer, module: pl.LightningModule, seconds: float, flops: int) -> None:
    steps = total_steps(trainer) - trainer.global_step
    parameters = sum(p.numel() for p in module.parameters())
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    log.info("%.2f M parameters, %.2f M of them trained", parameters / 1e6, trained / 1e6)
    work = f", {flops / 1e9:.0f} GFLOP ({flops / seconds / 1e9:.0f} a second)" if flops else ""
    log.info(
        "%.3g s per batch, forward and backward%s; peak memory so far: %s",
        seconds,
        work,
        _memory(trainer.strategy.root_device),
    )
    log.info(
        "%d steps left, %d batches in this epoch: about %s without validation",
        steps,
        int(trainer.num_training_batches),
        duration(seconds * steps * trainer.accumulate_grad_batches),
    )


def _memory(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 1e9:.1f} GB"
    with contextlib.suppress(ImportError):  # Windows has no resource module
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
        return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB"
    return "unknown"
