"""A benchmark from end to end: extraction and scores are the same for any number of ranks."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from runs import table

from avforensics import cli
from avforensics.data.manifest import Manifest
from avforensics.features.store import FeatureStore


def words(clips_manifest, tiny_bundle, out, store, *more):
    return [
        "evaluate", "benchmark=manifest", f"root={clips_manifest}", f"features={store}",
        f"checkpoint.bundle={tiny_bundle}", f"output_dir={out}", "intervals.resamples=20",
        "extract.max_seconds=0", "extract.workers=1", "extract.device=cpu",
        "applicability.measure=false",  # noise is not speech
        *more,
    ]  # fmt: skip


def start(arguments):
    """Start a command in its own process group, with one thread per process."""
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
    """Read the scores, to the last written digit, and the metrics."""
    scores = table(folder / "scores.csv")
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["made_with"]
    return scores, metrics


@pytest.fixture(scope="module")
def alone(clips_manifest, tiny_bundle, tmp_path_factory):
    """Results and store of one process with one thread, as in `start`, to get the same digits."""
    folder = tmp_path_factory.mktemp("alone")
    before, threads = sys.argv, torch.get_num_threads()
    torch.set_num_threads(1)
    made = words(clips_manifest, tiny_bundle, folder / "out", folder / "store")
    sys.argv = ["avforensics", *made]
    try:
        assert cli.main() == 1  # four clips cannot be read
    finally:
        sys.argv = before
        torch.set_num_threads(threads)
    return folder


def test_missing_and_unreadable_files_are_counted(alone, clips_manifest):
    scores, metrics = results(alone / "out")
    assert [bool(row["score"]) for row in scores] == [True] * 7 + [False] * 4
    coverage = metrics["coverage"]
    assert (coverage["listed"], coverage["scored"], coverage["failed"]) == (11, 7, 4)
    reasons = {item["path"].rsplit("/", 1)[1]: item["reason"] for item in coverage["not_scored"]}
    assert set(reasons) == {"absent.mp4", "broken.mp4", "mute.mp4", "empty.mp4"}
    assert all(reasons.values())
    assert "audio" in reasons["mute.mp4"]
    assert Manifest.read(alone / "out/manifest.csv").rows == Manifest.read(clips_manifest).rows


def test_the_store_is_used_again(alone, clips_manifest, tiny_bundle, tmp_path, avforensics):
    shards = {path.name: path.stat().st_mtime_ns for path in (alone / "store/shards").iterdir()}
    store = alone / "store"
    arguments = words(clips_manifest, tiny_bundle, tmp_path, store, "scoring.max_len=10")
    assert avforensics(*arguments) == 1
    now = {path.name: path.stat().st_mtime_ns for path in (alone / "store/shards").iterdir()}
    assert now.items() >= shards.items()
    before, after = results(alone / "out")[0], results(tmp_path)[0]
    assert [row["path"] for row in before] == [row["path"] for row in after]
    assert before[0]["score"] != after[0]["score"]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_any_number_of_processes_gives_the_same(
    alone, clips_manifest, tiny_bundle, tmp_path, processes
):
    arguments = words(clips_manifest, tiny_bundle, tmp_path / "out", tmp_path / "store")
    process = start([*arguments, f"trainer.devices={processes}"])
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 1, said
    assert results(tmp_path / "out") == results(alone / "out")
    # each process did its share, and nothing was done twice
    shards = [path.name for path in (tmp_path / "store/shards").iterdir()]
    assert len({name.split("-")[1] for name in shards}) == processes
    assert len(shards) == 11


@pytest.mark.slow
def test_more_processes_than_clips(clips_manifest, tiny_bundle, tmp_path):
    """One of three processes has nothing to score, and two have no clip of the control."""
    Manifest(Manifest.read(clips_manifest)[2:4]).write(tmp_path / "two.csv")
    shift = ("controls.run=[shift]", "controls.shifts=[1]", "controls.clips=1")
    found = []
    for processes in (1, 3):
        folder = tmp_path / str(processes)
        arguments = words(tmp_path / "two.csv", tiny_bundle, folder, folder / "store", *shift)
        process = start([*arguments, f"trainer.devices={processes}"])
        said, _ = process.communicate(timeout=400)
        assert process.returncode == 0, said
        controls = json.loads((folder / "controls.json").read_text())
        found.append((results(folder), controls["shifts"]))
    assert found[0] == found[1]
    assert found[0][0][1]["coverage"]["scored"] == 2


@pytest.mark.slow
def test_a_kill_costs_nothing_that_was_done(alone, clips_manifest, tiny_bundle, tmp_path):
    store = tmp_path / "store"
    arguments = words(clips_manifest, tiny_bundle, tmp_path / "out", store)
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
    assert len(FeatureStore.open(store)) == 11


def test_a_store_made_for_more_clips_is_not_cut_down(
    alone, clips_manifest, tiny_bundle, tmp_path, avforensics
):
    fewer, store = tmp_path / "fewer.csv", tmp_path / "store"
    chosen = list(Manifest.read(clips_manifest))[:4]
    Manifest(chosen).write(fewer)
    shutil.copytree(alone / "store", store)
    before = FeatureStore.open(store)
    assert avforensics(*words(fewer, tiny_bundle, tmp_path, store)) == 0
    assert [row["path"] for row in results(tmp_path)[0]] == [row.path for row in chosen]
    after = list(FeatureStore.open(store))
    assert len(after) == len(before) and all(entry in after for entry in before)


def test_what_is_missing_is_one_sentence(tiny_bundle, tmp_path, refusal):
    for change, sentence in (
        (["benchmark=fakeavceleb"], "the data set fakeavceleb is needed: give its folder"),
        (["benchmark=lavdf", "root=/nowhere"], "the data set lavdf is needed, but /nowhere"),
        ([], "nothing to evaluate"),
        (["edit=trim", "features=x"], "so it needs benchmark="),
        (["benchmark=manifest", "edit=blur", f"root={tmp_path}/m.csv"], "m.csv does not exist"),
    ):
        common = (f"checkpoint.bundle={tiny_bundle}", f"output_dir={tmp_path / 'out'}")
        assert sentence in refusal("evaluate", *common, *change)
