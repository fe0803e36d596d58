"""Learning curve that survives a killed run, written as JSON and as a picture."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from avforensics.files import atomic_path, write_text

EVERY = 60.0  # minimum seconds between drawings, except for the last; a drawing takes 1 to 2 s
SMOOTH = 0.98  # decay factor of the running mean of the training loss


class LearningCurve(Callback):
    """Record losses and measures, and draw them.

    The curve is part of the checkpoints, so a resumed run continues it from the step of the
    checkpoint. ``curve.json`` is written after every validation. It holds ``train``, rows of step
    and loss, and ``val``, rows of epoch, step and a mapping of measures. The pictures are
    ``curve.png`` and the figures returned by the module's ``pictures()``, by name; loggers that can
    show pictures (wandb, TensorBoard) also receive them.

    Parameters
    ----------
    folder : str or Path
        The run's folder.
    """

    state_key = "Curve"  # key in checkpoints, including old ones

    def __init__(self, *, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.train: list[list[float]] = []
        self.val: list[list[Any]] = []
        self._drawn = 0  # number of validations when last drawn
        self._clock = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the curve as plain lists, for the checkpoint."""
        return {"train": [list(row) for row in self.train], "val": [list(row) for row in self.val]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the curve from the checkpoint."""
        self.train, self.val = state["train"], state["val"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Record the loss of a step; with gradient accumulation, the loss of its last batch."""
        loss = trainer.callback_metrics.get("train/loss")
        if loss is not None and (not self.train or self.train[-1][0] != trainer.global_step):
            self.train.append([trainer.global_step, float(loss)])

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Record and write the measures; draw at most once every ``EVERY`` seconds."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        measured = {
            name.removeprefix("val/"): float(value)
            for name, value in sorted(trainer.callback_metrics.items())
            if name.startswith("val/")
        }
        self.val.append([trainer.current_epoch, trainer.global_step, measured])
        if not trainer.is_global_zero or trainer.fast_dev_run:
            return
        write_text(self.folder / "curve.json", json.dumps(self.state_dict()) + "\n")
        if time.monotonic() - self._clock >= EVERY:
            self._draw(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Draw again if a validation followed the last drawing."""
        if trainer.is_global_zero and not trainer.fast_dev_run and self._drawn < len(self.val):
            self._draw(trainer, module)

    def _draw(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._drawn = len(self.val)
        figures = {"curve": curve_figure(self.train, self.val), **module.pictures()}
        for name, figure in figures.items():
            with atomic_path(self.folder / f"{name}.png") as partial:
                figure.savefig(partial, dpi=120)
            for logger in trainer.loggers:
                _show(logger, name, figure, trainer.global_step)
        self._clock = time.monotonic()


def curve_figure(train: list[list[float]], val: list[list[Any]]) -> Figure:
    """Plot losses over steps and, in a panel below, the other validation measures."""
    measures = [name for name in (val[-1][2] if val else {}) if name != "loss"]
    figure = Figure(figsize=(6.4, 6.0 if measures else 3.4), layout="constrained")
    panels = figure.subplots(2 if measures else 1, 1, sharex=True, squeeze=False)[:, 0]
    if train:
        steps, losses = np.array(train).T
        panels[0].plot(steps, losses, color="0.8", linewidth=0.6)
        panels[0].plot(steps, _running_mean(losses), color="0.3", label="training, smoothed")
    val_steps = [row[1] for row in val]
    if val and "loss" in val[-1][2]:
        losses = [row[2].get("loss", np.nan) for row in val]
        panels[0].plot(val_steps, losses, "o-", color="#D55E00", label="validation")
    panels[0].set_ylabel("loss")
    panels[0].legend(fontsize=8)
    highest = 1.0  # enough for shares of windows and clips; losses of single models may be higher
    for name in measures:
        values = [row[2].get(name, np.nan) for row in val]
        highest = max(highest, np.nanmax(values))
        panels[1].plot(val_steps, values, "o-", markersize=3, label=name.replace("_", " "))
    if measures:
        panels[1].set_ylim(0, 1.02 * highest)
        panels[1].legend(fontsize=7, ncols=2)
    panels[-1].set_xlabel("step")
    return figure


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Compute the exponential moving mean with bias correction."""
    mean, weight, smoothed = 0.0, 0.0, np.empty_like(values)
    for index, value in enumerate(values):
        mean = SMOOTH * mean + (1 - SMOOTH) * value
        weight = SMOOTH * weight + 1 - SMOOTH
        smoothed[index] = mean / weight
    return smoothed


def _show(logger: Logger, name: str, figure: Figure, step: int) -> None:
    if not isinstance(logger, (TensorBoardLogger, WandbLogger)):
        return
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3]
    if isinstance(logger, WandbLogger):
        logger.log_image(f"pictures/{name}", [picture], step=step)
    else:
        logger.experiment.add_image(f"pictures/{name}", picture, step, dataformats="HWC")
