"""Two local Ray nodes, one of which is lost during a run while another node joins."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from runs import table
from safetensors import safe_open
from safetensors.numpy import load_file
from test_pool import ENDLESS

from avforensics.features.shards import KEY, shard_paths
from avforensics.pool import EngineOptions, in_processes
from avforensics.progress import Progress

pytestmark = pytest.mark.slow
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
cloudpickle = pytest.importorskip("ray.cloudpickle", reason="Ray is not installed")
CLIPS = 12


@pytest.fixture(scope="module")
def cluster():
    """A head without CPUs and a node with one CPU; workers keep the normal priority."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    found = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    found.add_node(num_cpus=1, object_store_memory=80 << 20)
    yield found
    found.shutdown()


def kill(node) -> None:
    """Kill a node's raylet and workers at once, like a power cut."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for process in [raylet, *raylet.children(recursive=True)]:
        process.kill()


@pytest.fixture
def losing_a_node(cluster, monkeypatch):
    """Kill a node at the third result and add a node at the sixth; count the results."""
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
    """Make clips and their manifest."""
    lines = ["path,label"]
    for number in range(CLIPS):
        lines.append(f"{make_clip(tmp_path / 'in' / f'{number}.mp4', seed=number)},{number % 2}")
    (tmp_path / "in.csv").write_text("\n".join(lines))
    return tmp_path / "in.csv"


def everything(folder: Path) -> dict[str, object]:
    """Outputs of a run, without times and names that differ between runs."""
    made = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix in (".mp4", ".wav", ".json") and "clips" in path.parts:
            made[name] = path.read_bytes()
        elif path.suffix == ".safetensors" and "features" in path.parts:
            made[name] = {key: array.tobytes() for key, array in load_file(path).items()}
        elif path.name in ("manifest.csv", "scores.csv"):
            text = [{**row, "seconds": ""} for row in table(path)]
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
    assert command(*words("ray", *ray)) == 0  # nothing is left to do
    assert len(losing_a_node) == CLIPS


def meet(jobs):
    """Yield the raylet of each job, once two raylets have had jobs."""
    for folder in jobs:
        (folder / str(os.getppid())).touch()
        end = time.monotonic() + 60
        while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        yield os.getppid()


def test_a_node_that_joins_late_takes_part(cluster, tmp_path):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # nodes cannot import this module
    late = []

    def begin(key):
        if not late:
            late.append(cluster.add_node(num_cpus=1, object_store_memory=80 << 20))

    engine = EngineOptions(name="ray", address=cluster.address, gpus_per_worker=0)
    jobs = {0: tmp_path, 1: tmp_path}
    found = dict(in_processes(meet, jobs, workers=None, engine=engine, begin=begin))
    cluster.remove_node(late[0])
    assert len(set(found.values())) == 2


def preprocess(address, folder, **variables):
    """Start the command in a separate process, with additional environment variables."""
    words = ["preprocess", "in", "--out", "out", "faces=given", "size=32", "engine=ray"]
    command = [sys.executable, "-m", "avforensics", *words, f"engine.address={address}"]
    env = os.environ | variables
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=100)


def test_a_cluster_that_does_not_answer_is_one_sentence(inputs, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port, said in ((1, "no Ray cluster at"), (silent.getsockname()[1], "did not answer")):
            run = preprocess(f"127.0.0.1:{port}", tmp_path)
            assert run.returncode == 2
            assert said in run.stderr
            assert len(run.stderr.splitlines()) == 1


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    """Address of a head with one CPU that requires the token in the file ``token``."""
    (tmp_path / "token").write_text("1" * 64)
    (tmp_path / "other").write_text("2" * 64)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={port}"]
    ray += ["--block", "--num-cpus=1", "--include-dashboard=false"]
    env = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    with subprocess.Popen(
        ray, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as head:
        assert any("runtime started" in line for line in head.stdout)
        threading.Thread(target=head.stdout.read, daemon=True).start()
        yield f"127.0.0.1:{port}"
        head.terminate()


def test_a_wrong_token_is_one_sentence(guarded, inputs, tmp_path):
    said = f"the Ray cluster at {guarded} rejects this machine's token"
    for mode, name in (("token", "other"), ("token", "none"), ("disabled", "token")):
        path = str(tmp_path / name)
        run = preprocess(guarded, tmp_path, RAY_AUTH_MODE=mode, RAY_AUTH_TOKEN_PATH=path)
        assert (run.returncode, len(run.stderr.splitlines())) == (2, 1), run.stderr
        assert said in run.stderr
    path = str(tmp_path / "token")
    run = preprocess(guarded, tmp_path, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=path)
    assert run.returncode == 0, run.stderr
    assert len((tmp_path / "out" / "manifest.csv").read_text().splitlines()) == 1 + CLIPS


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
