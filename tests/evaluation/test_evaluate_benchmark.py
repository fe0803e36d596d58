"""A benchmark end to end: extraction into a store, scores, and the same for any number of ranks."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from avforensics import cli
from avforensics.checkpoints import Models, save_bundle
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.features.projection import Projection
from avforensics.features.store import FeatureStore
from avforensics.media import write_clip
from avforensics.models.audio import AudioEncoder
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.fusion import CosineFusion
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder

LENGTHS = (40, 17, 25, 33, 6, 30, 21)  # seven clips: no process count above 1 divides them


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Every part, random weights."""
    torch.manual_seed(0)
    models = Models(
        sync=SyncNetwork(
            visual=VisualEncoder(
                widths=(4, 6, 8), depths=(1, 1, 1), strides=(1, 2, 2), pad_time=False
            ),
            audio=AudioEncoder(widths=(4, 4, 4, 4, 4, 8, 12)),
            fusion=CosineFusion(video_width=8, audio_width=12, plane=2, width=10),
            size=32,
        ),
        distribution=PublishedDecoder(width=32, heads=2, depth=1),
        activation=PublishedDecoder(width=32, heads=2, depth=1),
        projection=Projection(inputs=20, outputs=31),
    )
    torch.nn.init.normal_(models.projection.components)
    path = tmp_path_factory.mktemp("bundle") / "tiny.safetensors"
    save_bundle(path, models)
    return path


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """Seven clips, an eighth without a file and one that is no video."""
    folder = tmp_path_factory.mktemp("benchmark")
    rng = np.random.default_rng(0)
    rows = []
    for number, frames in enumerate(LENGTHS):
        path = folder / f"clip {number}.mp4"
        sound = rng.integers(-9000, 9000, frames * 640).astype(np.int16)
        write_clip(path, rng.integers(0, 256, (frames, 32, 32, 3), np.uint8), sound)
        fake = number % 2
        rows.append(Row(str(path), fake, "RVFA" if fake else "real", identity=f"id{number // 2}"))
    (folder / "broken.mp4").write_bytes(b"this is no video")
    rows.append(Row(str(folder / "absent.mp4"), 0, "real", identity="id8"))
    rows.append(Row(str(folder / "broken.mp4"), 1, "RVFA", identity="id9"))
    Manifest(rows).write(folder / "manifest.csv")
    return folder / "manifest.csv"


def words(benchmark, bundle, out, store, *more):
    return [
        "evaluate",
        "benchmark=manifest",
        f"root={benchmark}",
        f"checkpoint.bundle={bundle}",
        f"output_dir={out}",
        f"features={store}",
        "extract.max_seconds=0",
        "extract.workers=1",
        "extract.device=cpu",
        "intervals.resamples=20",
        *more,
    ]


def start(arguments):
    """A command in a process group of its own, with one thread a process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "avforensics", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def results(folder):
    with (folder / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["made_with"]
    return scores, metrics


@pytest.fixture(scope="module")
def alone(benchmark, bundle, tmp_path_factory):
    """What one process finds, and its store."""
    folder = tmp_path_factory.mktemp("alone")
    before = sys.argv
    sys.argv = ["avforensics", *words(benchmark, bundle, folder / "out", folder / "store")]
    try:
        assert cli.main() == 1  # two clips cannot be read
    finally:
        sys.argv = before
    return folder


def test_missing_and_unreadable_files_are_counted(alone):
    scores, metrics = results(alone / "out")
    assert [bool(row["score"]) for row in scores] == [True] * 7 + [False] * 2
    coverage = metrics["coverage"]
    assert (coverage["listed"], coverage["scored"], coverage["failed"]) == (9, 7, 2)
    reasons = {item["path"].rsplit("/", 1)[1]: item["reason"] for item in coverage["not_scored"]}
    assert set(reasons) == {"absent.mp4", "broken.mp4"}
    assert all(reasons.values())


def test_the_store_is_used_again(alone, benchmark, bundle, tmp_path, monkeypatch):
    shards = {path.name: path.stat().st_mtime_ns for path in (alone / "store/shards").iterdir()}
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "avforensics",
            *words(benchmark, bundle, tmp_path, alone / "store", "scoring.max_len=10"),
        ],
    )
    assert cli.main() == 1
    now = {path.name: path.stat().st_mtime_ns for path in (alone / "store/shards").iterdir()}
    assert now.items() >= shards.items()
    before, after = results(alone / "out")[0], results(tmp_path)[0]
    assert [row["path"] for row in before] == [row["path"] for row in after]
    assert before[0]["score"] != after[0]["score"]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_any_number_of_processes_gives_the_same(alone, benchmark, bundle, tmp_path, processes):
    arguments = words(benchmark, bundle, tmp_path / "out", tmp_path / "store")
    process = start([*arguments, f"trainer.devices={processes}"])
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 1, said
    assert results(tmp_path / "out") == results(alone / "out")
    # each process has done its share, and nothing was done twice
    shards = [path.name for path in (tmp_path / "store/shards").iterdir()]
    assert {name.split("-")[1] for name in shards} == {
        f"{rank:03d}.safetensors" for rank in range(processes)
    }
    assert len(shards) == 9


@pytest.mark.slow
def test_a_kill_costs_nothing_that_was_done(alone, benchmark, bundle, tmp_path):
    store = tmp_path / "store"
    arguments = words(benchmark, bundle, tmp_path / "out", store)
    process = start([*arguments, "trainer.devices=2"])
    deadline = time.monotonic() + 300
    while len(list(store.glob("shards/*"))) < 2 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in store.glob("shards/[0-9]*")}
    assert len(done) >= 1
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    process = start([*arguments, "trainer.devices=3"])
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 1, said
    assert results(tmp_path / "out") == results(alone / "out")
    assert {name: (store / "shards" / name).stat().st_mtime_ns for name in done} == done
    assert len(FeatureStore.open(store)) == 9


def test_what_is_missing_is_one_sentence(bundle, tmp_path, monkeypatch, capsys):
    for change, sentence in (
        (["benchmark=fakeavceleb"], "the data set fakeavceleb is needed: give its folder"),
        (["benchmark=lavdf", "root=/nowhere"], "the data set lavdf is needed, and there is no"),
        ([], "nothing to evaluate"),
        (["edit=trim", "features=x"], "it needs a benchmark"),
        (["benchmark=manifest", "edit=blur", f"root={tmp_path}/m.csv"], "there is no"),
    ):
        monkeypatch.setattr(
            sys,
            "argv",
            [
                "avforensics",
                "evaluate",
                f"checkpoint.bundle={bundle}",
                f"output_dir={tmp_path / 'out'}",
                *change,
            ],
        )
        assert cli.main() == 2
        err = capsys.readouterr().err
        assert sentence in err
        assert err.count("\n") == 1
