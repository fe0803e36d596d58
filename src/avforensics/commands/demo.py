"""``avforensics demo``: the whole system on synthetic talking heads, in minutes on two cores.

Generates clips, trains both models on real ones, scores real and forged clips of people that
training has not seen, and writes reports. Each step is a command of this program and is printed
before it runs. The people do not exist and the forgeries are simple: the numbers show that the
parts work together, not how well forgeries of real people are found.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich import get_console
from rich.table import Table

from avforensics.data.manifest import Manifest
from avforensics.errors import AVForensicsError, ConfigError
from avforensics.files import atomic_path
from avforensics.media.types import FPS
from avforensics.overrides import quote_override

log = logging.getLogger(__name__)

TRAINING = ("sync", "val")  # splits that are read again and again, so worth normalising
DELAYS = 15  # tau: of the rows that are scored
MARK = "demo.json"  # in folders that this command made and may remove


def run(cfg: DictConfig) -> int:
    """Run all steps in ``cfg.output_dir``.

    Raises
    ------
    ConfigError
        The folder holds something else.
    AVForensicsError
        A step failed.
    """
    folder = Path(cfg.output_dir)
    _start_anew(folder)
    started = time.monotonic()
    clips = folder / "set" / "manifest.csv"
    _synthesise(cfg, folder)
    manifest = Manifest.read(clips)
    chosen = Manifest(row for row in manifest if row.split in TRAINING)
    chosen.write(folder / "training.csv")
    _step(
        "normalise", manifest=folder / "training.csv", output=folder / "clips",
        recipe=HydraConfig.get().runtime.choices.recipe, output_dir=folder / "logs" / "normalise",
    )  # fmt: skip
    _step(
        "train", experiment="synthetic_compact", seed=cfg.seed, output_dir=folder / "sync",
        **{"trainer.max_epochs": cfg.epochs, "data.manifest": folder / "clips" / "manifest.csv"},
        **{"model.crop": list(cfg.recipe.crop)},
        **{"data.phases": f"[{{batch_size: 4, span: {int(cfg.seconds * FPS)}}}]"},
    )  # fmt: skip
    scored = Manifest(row for row in manifest if row.split not in TRAINING[:1])
    scored.write(folder / "scored.csv")
    _step(
        "extract", manifest=folder / "scored.csv", output_dir=folder / "features",
        max_delay=DELAYS + cfg.shift, checkpoint="bundle",
        **{"checkpoint.bundle": folder / "sync" / "sync.safetensors"},
    )  # fmt: skip
    _step(
        "train", experiment="anomaly", features=folder / "features", seed=cfg.seed,
        output_dir=folder / "anomaly", **{"data.shift": cfg.shift},
    )  # fmt: skip
    bundle = folder / "anomaly" / "model.safetensors"
    _step(
        "evaluate", features=folder / "features", output_dir=folder / "evaluation",
        checkpoint="bundle", **{"checkpoint.bundle": bundle, "select.split": "test"},
    )  # fmt: skip
    _list_examples(manifest, folder / "examples.txt", each=cfg.shown)
    _step(
        "detect", input=folder / "examples.txt", output_dir=folder / "reports",
        checkpoint="bundle", **{"checkpoint.bundle": bundle},
    )  # fmt: skip
    _tell(folder, minutes=(time.monotonic() - started) / 60)
    return 0


def _start_anew(folder: Path) -> None:
    """Remove what an earlier demo left; never anything else."""
    mark = folder / MARK
    others = [path for path in folder.glob("*") if path.name not in (".hydra", "output.log")]
    if others and not mark.exists():
        raise ConfigError(f"{folder} holds something that is not a demo; choose another output_dir")
    for path in others:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text("{}\n")


def _synthesise(cfg: DictConfig, folder: Path) -> None:
    splits = OmegaConf.to_container(cfg.splits, resolve=True)
    fakes = splits["test"].pop("fakes")
    sizes = {f"splits.{s}.{key}": n for s, size in splits.items() for key, n in size.items()}
    sizes |= {f"splits.test.fakes.{category}": n for category, n in fakes.items()}
    _step(
        "synthesise", output=folder / "set", seed=cfg.seed, seconds=cfg.seconds,
        strength=cfg.strength,
        output_dir=folder / "logs" / "synthesise",
        **{"splits.test.fakes.partial": 0, **sizes},
    )  # fmt: skip


def _step(verb: str, **settings: object) -> None:
    """Print one command of this program and run it in a process of its own.

    Raises
    ------
    AVForensicsError
        It did not end with exit code 0.
    """
    words = [verb, *(f"{key}={value}" for key, value in settings.items())]
    log.info("\n$ avforensics %s", " ".join(map(_shown, words)))
    ended = subprocess.run(
        [sys.executable, "-m", "avforensics", words[0], *map(quote_override, words[1:])],
        check=False,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    if ended.returncode:
        raise AVForensicsError(f"the step {verb!r} ended with exit code {ended.returncode}")


def _shown(word: str) -> str:
    """A word of a command line with the working folder left out."""
    return word.replace(f"{Path.cwd()}{os.sep}", "")


def _list_examples(manifest: Manifest, path: Path, *, each: int) -> None:
    """The first test clips of every category, a path a line."""
    by_category: dict[str, list[str]] = {}
    for row in manifest:
        if row.split == "test":
            by_category.setdefault(row.category, []).append(os.fspath(row.path))
    lines = [line for paths in by_category.values() for line in paths[:each]]
    with atomic_path(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tell(folder: Path, *, minutes: float) -> None:
    """Write results.json and say where to look."""
    measured = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    categories: Mapping[str, dict] = measured["categories"]
    results = {
        "synthetic": True,
        "auc": {name: value["auc"] for name, value in categories.items()},
        "n": {
            "real": max(value["n_real"] for value in categories.values()),
            **{name: value["n_fake"] for name, value in categories.items()},
        },
        "minutes": round(minutes, 2),
    }
    with atomic_path(folder / "results.json") as partial:
        partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    table = Table("forgery (synthetic)", "clips", "AUC", "95 % interval")
    for name, value in categories.items():
        low, high = value["auc_ci"]
        table.add_row(name, str(value["n_fake"]), f"{value['auc']:.3f}", f"{low:.3f} - {high:.3f}")
    console = get_console()
    console.print(table)
    console.print(
        f"{minutes:.1f} minutes. FVRA-faceswap keeps lips and sound in sync: this method cannot "
        "see it, and 0.5 is what chance gives.\nAll of this is synthetic: it shows that the parts "
        "work together, not how well forgeries of real people are found.",
        highlight=False,
    )
    console.print(f"Open {folder / 'reports' / 'index.html'}", soft_wrap=True)
    console.print("Your own videos: avforensics download, then avforensics detect input=...")
