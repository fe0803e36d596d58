"""Train both anomaly models with a single Python call.

>>> models = train_anomaly("features", "model.safetensors")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch import nn

from avforensics.checkpoints import Models, save_bundle
from avforensics.lightning.anomaly import AnomalyModule
from avforensics.lightning.callbacks.seeds import StepSeeds
from avforensics.lightning.features import FeatureData
from avforensics.lightning.schedule import warmup_cosine
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.objectives import SoftCrossEntropy, SquaredError


def train_anomaly(
    features: str | os.PathLike,
    output: str | os.PathLike | None = None,
    *,
    max_epochs: int = 60,
    patience: int = 10,
    lr: float = 1e-3,
    weight_decay: float = 1e-6,
    decoder: Callable[..., nn.Module] = PublishedDecoder,
    accelerator: str = "cpu",
    seed: int = 0,
    **options: Any,
) -> Models:
    """Train as ``avforensics train experiment=anomaly`` does, with the same results.

    Parameters
    ----------
    features : path
        Folder of a feature store.
    output : path, optional
        Safetensors file to which the bundle is written, with all models that score a video.
    patience : int
        Stop when neither model has improved for this many epochs.
    decoder : callable
        Called with ``inputs``, ``outputs`` and ``positions``; returns a decoder.
    accelerator : str
        Lightning's name for the device.
    **options
        Other parameters of `FeatureData`: ``train``, ``val``, ``max_len`` ...

    Returns
    -------
    Models
        The store's synchronisation network, both decoders at their best epochs and the projection.

    Raises
    ------
    ConfigError, ManifestError
        Settings or data are unusable.
    TrainingError
        A loss is not finite.
    """
    pl.seed_everything(seed, workers=True, verbose=False)
    data = FeatureData(features=os.fspath(features), seed=seed, **options)
    data.setup("fit")
    module = AnomalyModule(
        objectives={"distribution": SoftCrossEntropy(), "activation": SquaredError()},
        decoder=decoder,
        optimizer=partial(torch.optim.Adam, lr=lr, weight_decay=weight_decay),
        scheduler=warmup_cosine,
        max_len=data.max_len,
        tau=data.tau,
        components=data.components,
    )
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=max_epochs,
        callbacks=[
            StepSeeds(seed=seed),
            EarlyStopping("val/best", mode="min", patience=patience, min_delta=0.0),
        ],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    trainer.fit(module, datamodule=data)
    models = module.models
    if output is not None:
        save_bundle(output, models)
    return models
