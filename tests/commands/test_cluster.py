"""Two local Ray nodes, one of which is lost in mid-run while another one joins."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from avforensics.features.shards import KEY, shard_paths
from avforensics.progress import Progress

pytestmark = pytest.mark.slow
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
CLIPS = 12


@pytest.fixture(scope="module")
def cluster():
    """A head without CPUs and a node with one; workers not niced, as the machine may be busy."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    found = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    found.add_node(num_cpus=1, object_store_memory=80 << 20)
    yield found
    found.shutdown()


def kill(node) -> None:
    """End a node's raylet and its workers at once, as a power cut does."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for process in [raylet, *raylet.children(recursive=True)]:
        process.kill()


@pytest.fixture
def losing_a_node(cluster, monkeypatch):
    """Function: at the third result a node is killed, at the sixth one joins; counts results."""
    node = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    cluster.wait_for_nodes()
    results, advance, joined = [], Progress.advance, []

    def watched(progress, count=1):
        results.append(time.monotonic())
        if len(results) == 3:
            kill(node)
        if len(results) == 6:
            joined.append(cluster.add_node(num_cpus=1, object_store_memory=80 << 20))
        advance(progress, count)

    monkeypatch.setattr(Progress, "advance", watched)
    yield results
    cluster.remove_node(node, allow_graceful=False)
    for one in joined:
        cluster.remove_node(one)


@pytest.fixture
def inputs(tmp_path, make_clip):
    """Clips and their manifest."""
    lines = ["path,label"]
    for number in range(CLIPS):
        lines.append(f"{make_clip(tmp_path / 'in' / f'{number}.mp4', seed=number)},{number % 2}")
    (tmp_path / "in.csv").write_text("\n".join(lines))
    return tmp_path / "in.csv"


def everything(folder: Path) -> dict[str, object]:
    """What a run has made, without times and names that differ from run to run."""
    made = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix in (".mp4", ".wav", ".json") and "clips" in path.parts:
            made[name] = path.read_bytes()
        elif path.suffix == ".safetensors" and "features" in path.parts:
            made[name] = {key: array.tobytes() for key, array in load_file(path).items()}
        elif path.name in ("manifest.csv", "scores.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                text = [{**row, "seconds": ""} for row in csv.DictReader(file)]
            made[name] = json.dumps(text).replace(str(folder), "")
    for path in (*shard_paths(folder), *shard_paths(folder / "store")):
        tensors = load_file(path)
        for clip in lines_of(path):
            part = slice(clip["offset"], clip["offset"] + clip["n_windows"])
            assert clip["key"] not in made, "a clip is in the shards twice"
            made[clip["key"]] = {name: array[part].tobytes() for name, array in tensors.items()}
    return made


def lines_of(path: Path) -> list[dict]:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()[KEY])


WORDS = {
    "preprocess": ["INPUT", "faces=given", "size=32"],
    "extract": ["INPUT"],
    "detect": ["INPUT", "save_features=true", "report=false"],
    "evaluate": [
        "benchmark=manifest",
        "root=INPUT",
        "features=OUT/store",
        "intervals.resamples=20",
    ],
}


@pytest.mark.parametrize("verb", WORDS)
def test_a_lost_node_costs_nothing(
    verb, run, avforensics, cluster, inputs, losing_a_node, tmp_path
):
    def words(out, *more):
        said = [word.replace("INPUT", str(inputs)).replace("OUT", out) for word in WORDS[verb]]
        return [verb, *said, "--out", out, *more]

    command = avforensics if verb == "preprocess" else run
    workers = "extract.workers=2" if verb == "evaluate" else "workers=2"
    assert command(*words("local", workers, "engine.timeout_minutes=9")) == 0
    losing_a_node.clear()
    ray = ["engine=ray", f"engine.address={cluster.address}"]
    assert command(*words("ray", *ray)) == 0
    assert len(losing_a_node) == CLIPS
    made = everything(tmp_path / "ray")
    assert made == everything(tmp_path / "local")
    assert len(made) >= CLIPS
    assert not list((tmp_path / "ray").rglob(".*.partial*"))
    for journal in (*(tmp_path / "ray").glob("journal.jsonl"), *tmp_path.glob("ray/ledger.jsonl")):
        records = [json.loads(line) for line in journal.read_text().splitlines()]
        names = [record["name"] for record in records if "name" in record]
        assert len(names) == len(set(names)) == CLIPS
    assert command(*words("ray", *ray)) == 0  # there is nothing left to do
    assert len(losing_a_node) == CLIPS


def preprocess(address, folder, **variables):
    """The command in a process of its own, with other environment variables."""
    words = ["preprocess", "in", "--out", "out", "faces=given", "size=32", "engine=ray"]
    command = [sys.executable, "-m", "avforensics", *words, f"engine.address={address}"]
    env = os.environ | variables
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=100)


def test_a_cluster_that_does_not_answer_is_one_sentence(inputs, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port, said in ((1, "no Ray cluster at"), (silent.getsockname()[1], "no answer")):
            run = preprocess(f"127.0.0.1:{port}", tmp_path)
            assert run.returncode == 2
            assert said in run.stderr
            assert len(run.stderr.splitlines()) == 1


# `preprocess` with jobs that never end
ENDLESS = """
import os, sys, time
from avforensics import cli
from avforensics.commands import preprocess

def endless(job, folder, settings):
    (folder / f"{job[1]}.pid").write_text(str(os.getpid()))
    while True:
        time.sleep(0.05)

preprocess._cut = endless
if __name__ == "__main__":
    cli.command()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_workers_of_a_cluster_end_with_the_command(number, cluster, inputs, tmp_path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    words = [str(inputs), "--out", "out", "faces=given"]
    words += ["engine=ray", f"engine.address={cluster.address}"]
    run = subprocess.Popen([sys.executable, "endless.py", "preprocess", *words], cwd=tmp_path)
    end = time.monotonic() + 100
    while not (found := [*tmp_path.glob("out/**/*.pid")]) and time.monotonic() < end:
        time.sleep(0.1)
    process = psutil.Process(int(found[0].read_text()))
    run.send_signal(signal.Signals[number])
    run.wait(20)
    psutil.wait_procs([process], timeout=5)
    assert not process.is_running()
