"""Train the anomaly models on features of real videos (paper Sec. 3.2, 4 and Table 3)."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchmetrics import MeanMetric

from avforensics.checkpoints import Models, load_bundle, load_models
from avforensics.checkpoints.architecture import check_savable
from avforensics.checkpoints.states import mismatched
from avforensics.errors import ConfigError
from avforensics.lightning.finite import require_finite
from avforensics.lightning.forecast import forecast_figure
from avforensics.lightning.schedule import scheduled
from avforensics.models.anomaly import READS, AnomalyModel, anomaly_model, as_part
from avforensics.models.protocols import AnomalyProtocol, ObjectiveProtocol, missing, require

log = logging.getLogger(__name__)

SHOWN_CLIPS = 3  # number of validation clips to plot


class AnomalyModule(pl.LightningModule):
    """Train one or two anomaly models, each of which predicts the next window of real videos.

    Two models share nothing but the batches, so training them together gives the same result as
    training them one after the other. Each model's weights from its best epoch are kept (``best``,
    also saved in checkpoints) and written to the bundle. The loss is the mean score of the real
    videos. It is logged for each batch (``train/...``) and for the held-out videos: ``val/loss`` is
    the sum over the models, ``val/PART`` the loss of each model if there are two, and ``val/best``,
    the value to monitor, the sum of each model's lowest loss so far.

    Parameters
    ----------
    objectives : mapping of str to ObjectiveProtocol or AnomalyProtocol
        Objective of the decoder, or a complete model, for ``distribution``, ``activation`` or both.
    decoder : callable
        Called with ``inputs``, ``outputs`` and ``positions``; returns a decoder.
    optimizer : callable
        Called with the parameters; returns an optimiser.
    scheduler : callable, optional
        Called as ``scheduler(optimizer, total_steps=...)``; returns a schedule that is stepped
        after every batch.
    max_len, tau, components
        As in `FeatureData`.
    init : mapping, optional
        Initial weights, as in `load_models`, e.g.
        ``{"distribution": "dist_regressive_model.pth"}``.

    Raises
    ------
    ConfigError
        No model is configured, a model cannot be saved and loaded again, or the weights of ``init``
        do not fit.
    """

    def __init__(
        self,
        *,
        objectives: Mapping[str, ObjectiveProtocol | AnomalyProtocol],
        decoder: Callable[..., nn.Module],
        optimizer: Callable,
        scheduler: Callable | None = None,
        max_len: int = 50,
        tau: int = 15,
        components: int | None = 31,
        init: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters("max_len", "tau", "components")
        widths = {"logits": 2 * tau + 1, "activations": components}
        self.parts = nn.ModuleDict()
        for part, objective in objectives.items():
            self.parts[part] = _model(part, objective, decoder, widths, max_len)
        if not self.parts:
            raise ConfigError(
                "objectives must name a distribution model, an activation model or both"
            )
        if init and any(init.values()):
            self._begin_with(load_models({"search": False, **init}))
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.best: dict[str, dict[str, Any]] = {}
        self.measures = nn.ModuleDict({part: MeanMetric() for part in self.parts})

    @property
    def models(self) -> Models:
        """All models that are needed to score a video, for a bundle.

        The anomaly models have the weights of their best epochs. The synchronisation network comes
        from the feature store, unless its features were imported.
        """
        data = self.trainer.datamodule
        info = data.store.info
        if info.external:
            source = Models(notice=info.notice)
        else:
            source = load_bundle(data.store.sync_path)
            source.sync.max_delay = self.hparams.tau
        trained = {}
        for part, model in self.parts.items():
            model = copy.deepcopy(model).cpu()
            if part in self.best:
                model.load_state_dict(self.best[part]["state"])
            trained[part] = as_part(model, part)
        return Models(
            sync=source.sync,
            projection=data.projection,
            **trained,
            hashes=dict(info.checkpoints),
            metadata={
                "network": info.network,
                "sync": source.metadata,
                "anomaly": {
                    part: {"objective": _name(model), "val_loss": self.best[part]["loss"]}
                    for part, model in self.parts.items()
                    if part in self.best
                },
            },
            notice=source.notice,
        )

    def scores(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute each model's scores of the videos, (B,), as mean step losses (paper Sec. 3.2)."""
        longest = int(batch["length"].max())
        position = torch.arange(1, longest, device=batch["length"].device)
        counts = position < batch["length"][:, None]  # sequences may end early
        found = {}
        for part, model in self.parts.items():
            losses, _ = model(batch[model.reads][:, :longest])
            found[part] = torch.where(counts, losses, 0).sum(1) / counts.sum(1)
        return found

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the mean score of the videos, summed over the models."""
        return sum(score.mean() for score in self.scores(batch).values())

    def on_fit_start(self) -> None:
        """Fit what has no gradient, such as naive Bayes models and grid levels."""
        data = self.trainer.datamodule
        for part, model in self.parts.items():
            width = next(data.training_rows(model.reads)).shape[1]
            if width != model.row_width:
                raise ConfigError(
                    f"the {part} model expects rows of {model.row_width} {model.reads}, but the "
                    f"rows in {data.store.folder} have {width}"
                )
            model.fit(data.training_rows(model.reads))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor | None:
        """Return the loss of one batch, checked by `require_finite`; None if it has no gradient."""
        means = {part: score.mean() for part, score in self.scores(batch).items()}
        loss = sum(means.values())
        require_finite(self, loss, batch, batch_idx)
        size = len(batch["index"])
        self.log("train/loss", loss, prog_bar=True, sync_dist=True, batch_size=size)
        if len(means) > 1:
            for part, mean in means.items():
                self.log(f"train/{part}", mean, sync_dist=True, batch_size=size)
        return loss if loss.requires_grad else None

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Score held-out real videos."""
        for part, score in self.scores(batch).items():
            self.measures[part].update(score)

    def on_validation_epoch_end(self) -> None:
        """Log the measures, and keep each model's weights if they are its best so far."""
        found = {part: float(metric.compute()) for part, metric in self.measures.items()}
        for part, metric in self.measures.items():
            metric.reset()
            if found[part] < self.best.get(part, {}).get("loss", math.inf):
                state = self.parts[part].state_dict()
                self.best[part] = {
                    "loss": found[part],
                    "epoch": self.current_epoch,
                    "state": {name: t.detach().cpu().clone() for name, t in state.items()},
                }
        best = sum(self.best[part]["loss"] if part in self.best else math.inf for part in found)
        values = {"val/loss": sum(found.values()), "val/best": best}
        if len(found) > 1:
            values |= {f"val/{part}": value for part, value in found.items()}
        # all processes already have the same values, but Lightning does not know that
        self.log_dict(values, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Also save the best weights."""
        checkpoint["best"] = self.best

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the best weights."""
        self.best = checkpoint["best"]

    def configure_optimizers(self):
        """Return the optimiser and any schedule; None if nothing has a gradient."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        if not parameters:
            return None
        return scheduled(self.optimizer(parameters), self.scheduler, self)

    @torch.no_grad()
    def pictures(self) -> dict[str, Figure]:
        """Plot observed delays, predicted delays and step losses of some validation clips."""
        if "distribution" not in self.parts:
            return {}
        data, model = self.trainer.datamodule, self.parts["distribution"]
        clips = [clip.moved()["logits"] for clip in data.val_set.clips[:SHOWN_CLIPS]]
        training, device = model.training, next(iter(model.state_dict().values())).device
        model.eval()
        shown = []
        for rows in clips:
            losses, predicted = model(rows[None, : self.hparams.max_len].to(device))
            shown.append((rows[1 : self.hparams.max_len], predicted[0].cpu(), losses[0].cpu()))
        model.train(training)
        return {"forecasts": forecast_figure(shown)}

    def _begin_with(self, models: Models) -> None:
        for part, model in self.parts.items():
            given = getattr(models, part)
            if given is None:
                continue
            state = anomaly_model(given, part).state_dict()
            own, name = model.state_dict(), "decoder.position"
            if name in state and name in own:  # shorter sequences need fewer positions
                state[name] = state[name][:, : own[name].shape[1]]
            if wrong := mismatched(own, state):
                raise ConfigError(
                    f"the {part} model of init does not match this model: there, tensor {wrong[0]} "
                    f"is {_shape(state.get(wrong[0]))}, but here {_shape(own.get(wrong[0]))}"
                )
            model.load_state_dict(state)


def _model(
    part: str,
    objective: ObjectiveProtocol | AnomalyProtocol,
    decoder: Callable[..., nn.Module],
    widths: Mapping[str, int | None],
    max_len: int,
) -> nn.Module:
    if part not in ("distribution", "activation"):
        raise ConfigError(f"objectives.{part}: a part must be distribution or activation")
    whole = not missing(objective, AnomalyProtocol)
    if not whole:
        require(objective, ObjectiveProtocol, "objective")
    if objective.reads != READS[part]:
        raise ConfigError(
            f"objective.{part} must read {READS[part]}, but {type(objective).__name__} reads "
            f"{objective.reads}"
        )
    width = widths[objective.reads]
    if width is None:
        raise ConfigError("an activation model needs components=D, e.g. components=31")
    model = objective
    if not whole:
        model = AnomalyModel.build(objective, decoder, width=width, max_len=max_len)
    if model.row_width != width:
        raise ConfigError(
            f"objective.{part} expects rows of {model.row_width} numbers, but "
            f"{'tau' if model.reads == 'logits' else 'components'} gives {width}"
        )
    check_savable(model)
    return model


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"


def _name(model: nn.Module) -> str:
    return type(getattr(model, "objective", model)).__name__
