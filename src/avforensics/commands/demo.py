"""``avforensics demo``: score your clip next to forgeries of it, then train on synthetic people.

  avforensics demo FILE           starts with your clip of a speaking face
  avforensics demo                starts with a synthetic head
  avforensics demo train=false    stops before training

First the shipped weights score the clip and forgeries of its sound; clip/index.html shows them side
by side. Then clips of synthetic talking heads are generated, both models are trained on the real
clips, and real and forged clips of other synthetic people are scored. Each step is a command of
this program and is printed before it runs. The people do not exist and the forgeries are simple:
the numbers show that the parts work together, not how well forgeries of real people are detected.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich import get_console

from avforensics.checkpoints import load_models
from avforensics.checkpoints.locate import SHIPPED
from avforensics.commands.detect import describe
from avforensics.data.manifest import Manifest
from avforensics.detection.choices import face_options
from avforensics.detection.faces import VideoScorer
from avforensics.detection.judging import judge_for
from avforensics.detection.showcase import Showcase, Shown
from avforensics.errors import AVForensicsError, ConfigError, MediaError
from avforensics.files import typed_path, write_json, write_text
from avforensics.media.types import FPS, SAMPLE_RATE
from avforensics.media.writer import write_clip
from avforensics.scoring.clips import ClipScorer
from avforensics.synthetic.forge import make_clip
from avforensics.synthetic.plan import Split, plan
from avforensics.tables import Table

log = logging.getLogger(__name__)

TRAINING = ("sync", "val")  # splits that are read repeatedly, so cutting them into clips pays off
DELAYS = 15  # tau of the scored rows
MARK = "demo.json"  # marks folders that this command made and may remove
CALIBRATION, RATE = "auto", 0.05  # the weights' own calibration, and its false-alarm rate
HEAD_FRAMES, HEAD_SIDE = 150, 256  # length and size of the head shown without a user's clip
OWN = (
    "Your clip and forgeries of it. Only the sound differs; the pictures are identical. The score "
    "should rise where the sound is wrong. This method does not detect forgeries that keep lips "
    "and sound in sync."
)
HEAD = (
    "A synthetic head, not a real person, and forgeries of it; set video=FILE to use your own "
    "clip. The weights were trained on real faces, so the numbers only show what the page looks "
    "like."
)


def run(cfg: DictConfig) -> int:
    """Run all steps in ``cfg.output_dir``."""
    folder = Path(cfg.output_dir)
    video = None if cfg.video is None else _own(typed_path(cfg.video).absolute(), folder)
    _start_anew(folder)
    started = time.monotonic()
    show(video or _head(cfg, folder), cfg, own=video is not None)
    log.info("%.0f s so far.", time.monotonic() - started)
    if cfg.train:
        log.info(
            "\nNext, both models are trained from scratch, which takes minutes; Ctrl-C stops here."
        )
        train(cfg, folder, started)
    return 0


def show(video: Path, cfg: DictConfig, *, own: bool) -> Path:
    """Score a clip of a video and forgeries of it, and write the page that shows them."""
    folder = Path(cfg.output_dir, "clip")
    models = load_models({"search": False, "asset": SHIPPED})
    models.origin = f"weights: {SHIPPED}, shipped with this package"
    models.introduce(log)
    detector = ClipScorer(models, windows="all", lams=[0.0])
    # faces are detected whatever the weights were trained on, so any video works
    scorer = VideoScorer(detector, face_options(models, mode="auto"))
    judge = judge_for(CALIBRATION, detector, crop=scorer.options.crop, false_positive_rate=RATE)
    showcase = Showcase(video, folder, seconds=cfg.seconds_shown)
    shown = showcase.score(scorer, judge)
    provenance = describe(models, cfg)
    seconds = len(shown[0].version.sound) / SAMPLE_RATE
    what, lead = "A synthetic head", HEAD
    if own:
        what, lead = f"{video.name}, {seconds:.1f} s from {showcase.start:.1f} s on", OWN
    page = showcase.write_page(title=what, lead=lead, provenance=provenance)
    _tell_clip(what, shown, folder / "results.json")
    for left_out in showcase.left_out:
        log.info("not made: %s", left_out)
    showcase.write_reports(provenance=provenance)
    get_console().print(f"Open {page}", soft_wrap=True)
    return page


def _own(video: Path, folder: Path) -> Path:
    """Check that the user's video is a file outside ``folder``, which will be emptied."""
    if not video.is_file():
        raise MediaError(video, "no such file")
    if video.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{video} is in {folder}, which demo deletes and rewrites; choose another output_dir"
        )
    return video


def _head(cfg: DictConfig, folder: Path) -> Path:
    """Make a clip of a synthetic head."""
    log.info("No video=FILE is given: a synthetic head is used instead.")
    job = plan({"test": Split(identities=1, clips=1)}, seed=cfg.seed, n_frames=HEAD_FRAMES)[0]
    frames, sound = make_clip(job, seed=cfg.seed, n_frames=HEAD_FRAMES, size=HEAD_SIDE)
    path = folder / "clip" / "synthetic head.mp4"
    write_clip(path, frames, sound)
    return path


def _tell_clip(what: str, shown: Sequence[Shown], out: Path) -> None:
    """Print the scores of all versions, and write them as JSON."""
    results = [
        {
            "version": item.version.name,
            "forged": item.version.forged,
            "score": item.outcome.result.scores[0].score,
            "p_value": item.outcome.result.p_value,
            "evidence": item.outcome.result.evidence,
            "evidence_p_value": item.outcome.result.evidence_p_value,
        }
        for item in shown
    ]
    write_json(out, {"weights": SHIPPED, "clip": what, "versions": results})
    columns = {"score": "score", "p_value": "p-value", "evidence_p_value": "p of evidence"}
    columns = {key: name for key, name in columns.items() if results[0][key] is not None}
    table = [["version", *columns.values(), "what was done"]]
    for item, result in zip(shown, results, strict=True):
        if item.outcome.result.not_applicable:  # as on the page
            result = {"score": result["score"]}
        cells = [f"{result[key]:.3f}" if result.get(key) is not None else "-" for key in columns]
        table.append([item.version.title, *cells, item.version.done])
    Table(table, what, words=["what was done"]).show()


def train(cfg: DictConfig, folder: Path, started: float) -> None:
    """Train both models on synthetic people and score clips of other synthetic people."""
    clips = folder / "set" / "manifest.csv"
    _synthesise(cfg, folder)
    manifest = Manifest.read(clips)
    chosen = Manifest(row for row in manifest if row.split in TRAINING)
    chosen.write(folder / "training.csv")
    _step(
        "preprocess", input=folder / "training.csv", output=folder / "clips", faces="given",
        crop=list(cfg.crop), size=cfg.size, output_dir=folder / "logs" / "preprocess",
    )  # fmt: skip
    _step(
        "train", experiment="synthetic_compact", seed=cfg.seed, output_dir=folder / "sync",
        **{"trainer.max_epochs": cfg.epochs, "data.manifest": folder / "clips" / "manifest.csv"},
        **{"model.crop": list(cfg.crop)},
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


def _start_anew(folder: Path) -> None:
    """Remove the files of an earlier demo; refuse a folder with other files."""
    mark = folder / MARK
    others = [path for path in folder.glob("*") if path.name not in (".hydra", "output.log")]
    if others and not mark.exists():
        raise ConfigError(f"{folder} was not made by demo; choose another output_dir")
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
    """Print a command of this program and run it in a separate process.

    Raises AVForensicsError unless the command ends with exit code 0.
    """
    if verb in ("evaluate", "detect"):  # synthetic heads do not speak like people
        settings["applicability.measure"] = "false"
    words = [verb, *(f"{key}={value}" for key, value in settings.items())]
    log.info("\n$ avforensics %s", " ".join(map(_shown, words)))
    ended = subprocess.run(
        [sys.executable, "-m", "avforensics", *words],
        check=False,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    if ended.returncode:
        raise AVForensicsError(f"the step {verb!r} ended with exit code {ended.returncode}")


def _shown(word: str) -> str:
    """Return a word of a command line without the path of the working folder."""
    return word.replace(f"{Path.cwd()}{os.sep}", "")


def _list_examples(manifest: Manifest, path: Path, *, each: int) -> None:
    """Write the first test clips of every category, one path per line."""
    by_category: dict[str, list[str]] = {}
    for row in manifest:
        if row.split == "test":
            by_category.setdefault(row.category, []).append(os.fspath(row.path))
    lines = [line for paths in by_category.values() for line in paths[:each]]
    write_text(path, "\n".join(lines) + "\n", errors="surrogateescape")


def _tell(folder: Path, *, minutes: float) -> None:
    """Write results.json; print the results and where the reports are."""
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
    write_json(folder / "results.json", results)
    table = [["forgery (synthetic)", "clips", "AUC", "95 % interval"]]
    for name, value in categories.items():
        low, high = value["auc_ci"] or (float("nan"), float("nan"))
        table.append([name, value["n_fake"], f"{value['auc']:.3f}", f"{low:.3f} - {high:.3f}"])
    Table(table).show()
    console = get_console()
    console.print(
        f"{minutes:.1f} minutes. FVRA-faceswap keeps lips and sound in sync, so this method cannot "
        "detect it; chance is 0.5.\nAll clips are synthetic: the results show that the parts work "
        "together, not how well forgeries of real people are detected.",
        highlight=False,
    )
    console.print(f"Open {folder / 'reports' / 'index.html'}", soft_wrap=True)
    console.print("Your own videos: avforensics demo video=FILE, or avforensics detect input=...")
