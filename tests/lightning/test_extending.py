"""docs/extending.md as it is: user classes are trained and saved, and score videos."""

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bars import Kill, die_at, loud_bar
from runs import table

from avforensics import cli, registry
from avforensics.checkpoints import load_bundle
from avforensics.checkpoints.architecture import build
from avforensics.errors import CheckpointError
from avforensics.evaluation.baselines import BASELINES
from avforensics.media.perturbations import PERTURBATIONS
from avforensics.media.wav import write_wav
from avforensics.media.writer import write_clip
from avforensics.models.registered import CLASSES
from avforensics.scoring.statistics import STATISTICS

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Overrides that make each command small; the page's own settings are not changed.
SMALL = {
    "train": [
        "trainer.max_epochs=2", "callbacks.estimate=null", "callbacks.curve=null",
        "callbacks.last.every_n_steps=1", "trainer.log_every_n_steps=1",
    ],
    "sync": ["data.workers=0", "data.phases=[{batch_size: 2, span: 16}]", "data.disjoint=false"],
    "anomaly": ["data.batch_size=2", "max_len=12"],
    "evaluate": [
        "intervals.resamples=20", "scoring.max_len=12", "extract.workers=1",
        "applicability.measure=false",  # bars and tones are not speech
    ],
    "detect": ["scoring.max_len=12", "report=false"],
}  # fmt: skip


def written(folder):
    """Write the page's code and settings to a folder; return its command lines."""
    commands = []
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "bash":
            commands += text.replace("\\\n", " ").splitlines()
        if kind in ("python", "yaml"):
            name, body = text.split("\n", 1)
            path = folder / name.removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(f"{body}\n\n")
    return [shlex.split(line)[1:] for line in commands if line.startswith("avforensics ")]


def write_set(root):
    """Write clips of `mine.my_set`: real clips by split, and test clips with swapped sound."""
    for number, split in enumerate(["sync"] * 4 + ["anomaly"] * 6 + ["val"] * 2 + ["test"] * 2):
        pictures, sound = loud_bar(number)
        kinds = {"real": sound}
        if split == "test":
            kinds["swapped"] = loud_bar(number + 50)[1]
        for kind, heard in kinds.items():
            path = root / split / kind / f"person{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_clip(path, pictures, heard, crf=10)
            write_wav(path.with_suffix(".wav"), heard)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Folder in which the page's commands ran, with each training killed and resumed."""
    folder = tmp_path_factory.mktemp("page")
    lines = written(folder)
    write_set(folder / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv(registry.ENVIRONMENT, "")
        with pytest.raises(CheckpointError):  # imports all our classes, so that they stay known
            build({"class": "unknown"})
        for names in (CLASSES, PERTURBATIONS, BASELINES, STATISTICS):
            patch.setattr(names, "_entries", dict(names._entries))
        for words in lines:
            if words[0] == "train":
                die_at(3, patch)
                with pytest.raises(Kill):
                    avforensics(words, patch)
                die_at(None, patch)
                words = [*words, "ckpt=last"]
            assert avforensics(words, patch) == 0, " ".join(words)
        yield folder
    sys.modules.pop("mine", None)


def avforensics(words, patch):
    """Run a small version of a command of the page in this process."""
    verb = words[0]
    small = list(SMALL.get(verb, ()))
    if verb == "train":
        small += SMALL["anomaly" if "experiment=anomaly" in words else "sync"]
    patch.setattr(sys, "argv", ["avforensics", *words, *small])
    return cli.main()


def test_every_kind_of_class_went_through_training_into_the_bundle(page):
    models = load_bundle(page / "anomaly" / "model.safetensors")
    names = [
        type(part).__name__
        for part in (
            models.sync.visual, models.sync.audio, models.sync.fusion, models.projection,
            models.distribution.decoder, models.distribution.objective,
        )
    ]  # fmt: skip
    assert names == [
        "MeanOfFrames", "BandMixer", "DotFusion", "MostVarying", "RunningMean", "AbsoluteError",
    ]  # fmt: skip
    trained = json.loads((page / "sync" / "metrics.json").read_text())
    assert (trained["epochs"], trained["steps"]) == (2, 4)
    start = type(models.sync.visual)(width=8)
    assert not torch.equal(models.sync.visual.patches.weight, start.patches.weight)
    assert len(set(models.projection.chosen.tolist())) == 4


def test_videos_are_scored_with_it(page):
    rows = table(page / "scores" / "scores.csv")
    assert len(rows) == 4
    assert all(np.isfinite(float(row["score"])) for row in rows)


def test_it_is_evaluated_with_ones_own_set_perturbation_baseline_and_statistic(page):
    metrics = json.loads((page / "evaluation" / "metrics.json").read_text())
    assert (metrics["coverage"]["listed"], metrics["coverage"]["scored"]) == (4, 4)
    assert metrics["categories"].keys() == {"swapped"}
    assert "length" in metrics["categories"]["swapped"]["baselines"]
    assert "steps_back" in metrics["categories"]["swapped"]["statistics"]
    assert "dark,5,swapped" in (page / "evaluation" / "robustness.csv").read_text()


def test_a_bundle_of_a_class_that_is_not_registered_is_refused(page, monkeypatch, capfd):
    own = {name: cls for name, cls in CLASSES._entries.items() if cls.__module__ != "mine"}
    monkeypatch.setattr(CLASSES, "_entries", own)
    monkeypatch.setenv(registry.ENVIRONMENT, "")
    words = ["checkpoint=bundle", "checkpoint.bundle=anomaly/model.safetensors"]
    words += ["input=set/test", "output_dir=refused"]
    assert avforensics(["detect", *words], monkeypatch) == 2
    err = capfd.readouterr().err
    assert err.startswith("avforensics: anomaly/model.safetensors: ")
    assert "unknown network class" in err
    assert "import the code that registers it (plugins=...)" in err
    assert err.count("\n") == 1
