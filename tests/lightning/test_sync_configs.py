"""Every option of `avforensics train` for the synchronisation network can be built."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.callbacks import EarlyStopping
from runs import composed

import avforensics.configs
from avforensics.commands.train import build_trainer
from avforensics.errors import ConfigError
from avforensics.lightning.data import SyncData
from avforensics.lightning.sync import SyncModule
from avforensics.models.sync import SyncNetwork

CONFIGS = Path(avforensics.configs.__path__[0])
HERE = ("trainer.accelerator=cpu", "trainer.devices=1", "trainer.precision=32-true")


def options(group):
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


EXPERIMENTS = [name for name in options("experiment") if not name.startswith("anomaly")]


def settings(tmp_path, *overrides):
    return composed("train", "data.manifest=m.csv", f"output_dir={tmp_path}", *overrides)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments(name, tmp_path):
    cfg = settings(tmp_path, f"experiment={name}", *HERE)
    module = instantiate(cfg.module, _convert_="all")
    data = instantiate(cfg.data, _convert_="all")
    trainer = build_trainer(cfg)
    assert isinstance(module, SyncModule)
    assert isinstance(data, SyncData)
    assert data.size == module.network.size
    assert trainer.max_epochs == cfg.trainer.max_epochs
    assert trainer.reload_dataloaders_every_n_epochs == int(len(data.phases) > 1)
    assert sum(phase.epochs or 0 for phase in data.phases) <= trainer.max_epochs


@pytest.mark.parametrize("name", ["lrs2", "lrs3"])
def test_the_papers_settings(name, tmp_path):
    cfg = settings(tmp_path, f"experiment=sync_{name}", *HERE)
    first, second = instantiate(cfg.data, _convert_="all").phases
    assert (first.clips, first.batch_size) == (1, 16)
    assert (second.clips, second.batch_size) == (4, 40)
    module = instantiate(cfg.module, _convert_="all")
    assert sum(p.numel() for p in module.parameters()) == pytest.approx(40.7e6, rel=0.01)
    optimizer = module.configure_optimizers()
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.defaults["lr"] == 1e-4


@pytest.mark.parametrize("name", options("model"))
def test_models(name, tmp_path):
    network = instantiate(settings(tmp_path, f"model={name}").model, _convert_="all").eval()
    assert isinstance(network, SyncNetwork)
    with torch.no_grad():
        frames = torch.zeros(1, 5, 3, network.size, network.size)
        assert network(frames, torch.ones(1, 3200)).shape == (1,)


@pytest.mark.parametrize("name", options("trainer"))
def test_trainers(name, tmp_path):
    overrides = HERE if name in ("gpu", "ddp") else ()
    cfg = settings(tmp_path, f"trainer={name}", *overrides)
    trainer = build_trainer(cfg)
    assert isinstance(trainer, pl.Trainer)
    assert trainer.world_size == (2 if name == "ddp_sim" else 1)


@pytest.mark.parametrize("name", options("logger"))
def test_loggers(name, tmp_path):
    trainer = build_trainer(settings(tmp_path, f"logger={name}"))
    kinds = [type(logger).__name__ for logger in trainer.loggers]
    assert kinds[0] == "CSVLogger"
    assert len(kinds) == (1 if name == "csv" else 2)


@pytest.mark.parametrize("name", options("callbacks"))
def test_callbacks(name, tmp_path):
    trainer = build_trainer(settings(tmp_path, f"callbacks={name}"))
    stops = [c for c in trainer.callbacks if isinstance(c, EarlyStopping)]
    assert len(stops) == (name == "early_stopping")
    assert trainer.checkpoint_callback.monitor == "val/loss"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="No supported gpu backend found") as error:
        build_trainer(settings(tmp_path, "trainer=gpu"))
    assert "\n" not in str(error.value)
