"""Jobs that raise, abort, end their process or hang have the same result in each engine."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from some_jobs import end, prepare, refuse, work

from avforensics.commands._workers import VideoWork
from avforensics.commands.preprocess import _cut
from avforensics.engine.crew import EngineOptions, Event, Place
from avforensics.engine.schedule import Schedule
from avforensics.errors import AVForensicsError, ConfigError
from avforensics.pool import Failed, in_processes

JOBS = ["fine", "raise", "fine", "exit", "abort", "fine", "crash", "hang", "fine"]
REASONS = {
    "raise": "RuntimeError: on purpose",
    "exit": "SystemExit: 4",
    "abort": "attempt 2 of 2",
    "crash": "attempt 2 of 2",
    "hang": "stopped after",
}
LOCAL = EngineOptions(timeout_minutes=0.02)
RAY = EngineOptions(name="ray", address="local", gpus_per_worker=0, timeout_minutes=0.1)
NO_RAY = importlib.util.find_spec("ray") is None
ENGINES = [
    LOCAL,
    pytest.param(
        RAY,
        marks=[pytest.mark.slow, pytest.mark.skipif(NO_RAY, reason="Ray is not installed")],
    ),
]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let workers import `some_jobs`."""
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, *sys.path]))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # the machine may be busy


def do(jobs, engine=LOCAL, workers=2, **options):
    found = list(
        in_processes(work, dict(enumerate(jobs)), workers=workers, engine=engine, **options)
    )
    assert sorted(key for key, _ in found) == list(range(len(jobs)))  # each once
    return dict(found)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_costs_no_more_than_itself(engine, tmp_path):
    jobs = [*JOBS, tmp_path / "twice"]
    found = do(jobs, engine, prepare=prepare)
    for key, job in enumerate(jobs):
        if job in REASONS:
            assert isinstance(found[key], Failed), job
            assert REASONS[job] in found[key].reason
        else:
            prepared, worked = found[key]
            assert prepared == worked != os.getpid()
    with pytest.raises(OSError, match="No space left"):  # would affect every other job
        do(["fine", "full disk", "fine"], engine)
    with pytest.raises(ConfigError, match="no weights here"):
        do(["fine", "fine"], engine, prepare=refuse)
    with pytest.raises(AVForensicsError, match=r"no worker process can be started: its .*(5|died)"):
        do(["fine", "fine"], engine, prepare=end)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_pays_for_none_of_its_jobs(workers):
    bad = ["raise", "exit"] if workers == 1 else ["raise", "abort"]
    options = EngineOptions(timeout_minutes=None if workers == 1 else 1)
    found = do(["fine", *bad, "fine", "fine"], options, workers=workers, batch=5)
    assert [isinstance(found[key], Failed) for key in range(5)] == [0, 1, 1, 0, 0]
    assert (found[0][1] == os.getpid()) == (workers == 1)  # a single worker is this process


@pytest.mark.parametrize(("bad", "reason"), [("unsent", "be sent"), ("unread", "be read")])
def test_a_result_that_cannot_be_sent_or_read_is_one_failure(bad, reason):
    jobs = ["fine", bad, "fine", "fine", *4 * ["fine"], "raise"]
    found = do(jobs, EngineOptions(timeout_minutes=1), batch=4)
    assert reason in found[1].reason
    assert [key for key, result in found.items() if isinstance(result, Failed)] in ([1, 8], [8, 1])


@pytest.mark.skipif(NO_RAY, reason="Ray is not installed")
def test_a_ray_that_does_not_start_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / (99 * "x")))  # too long for Ray's sockets
    with pytest.raises(ConfigError, match=r"^Ray could not be started: OSError: .* path length"):
        do(["fine", "fine"], RAY)
    monkeypatch.setattr("ray.init", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        do(["fine", "fine"], RAY)


class Silent:
    """A crew whose workers fail to start, although their processes do not end."""

    streams = True

    def __init__(self):
        self.here, self.killed = [], []

    def wanted(self, ready):
        return 1

    def hire(self):
        self.here.append(object())
        return self.here[-1]

    def wait(self, seconds):
        return [Event(worker, "raised", "no memory") for worker in self.here]

    def kill(self, worker):
        self.here.remove(worker)
        self.killed.append(worker)


def test_workers_that_fail_to_start_end_the_run():
    crew = Silent()
    with pytest.raises(AVForensicsError, match="no worker process can be started: no memory"):
        list(Schedule(crew, {0: "fine"}, tries=2).run())
    assert len(crew.killed) == 3


def test_a_worker_that_does_not_see_the_output_is_refused(tmp_path):
    artifacts = SimpleNamespace(folder=tmp_path)
    with pytest.raises(ConfigError, match=r"has no .*journal\.jsonl"):
        VideoWork({}, artifacts).prepare(Place(0, 1))
    with pytest.raises(ConfigError, match=r"has no .*clips"):
        _cut((None, "name"), folder=tmp_path / "clips", settings=None)


def test_a_job_is_begun_once_and_before_its_work(tmp_path):
    begun = []
    do(["fine", tmp_path / "twice", "fine"], begin=begun.append)
    assert sorted(begun) == [0, 1, 2]
    begun.clear()
    here = in_processes(
        work, dict(enumerate(["fine", "raise", "fine"])), workers=1, begin=begun.append
    )
    assert next(here)[0] == 0
    assert begun == [0]  # the other jobs have not started
    assert [key for key, _ in here] == [1, 2]
    assert begun == [0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "dask"}, "engine must be one of local, ray, got 'dask'"),
        ({"tries": 0}, "engine.tries must be at least 1"),
        ({"timeout_minutes": 0}, "engine.timeout_minutes must be above 0"),
        ({"timeout_minutes": "soon"}, "engine.timeout_minutes must be above 0"),
        ({"gpus_per_worker": -1}, "engine.gpus_per_worker must be at least 0"),
        ({"cpus_per_worker": 0}, "engine.cpus_per_worker must be above 0"),
        ({"address": 6379}, "engine.address must be HOST:PORT, auto or local, got 6379"),
    ],
)
def test_settings_without_meaning_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        EngineOptions(**settings)


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Nothing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "ray":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nothing())
from avforensics import cli
from avforensics.commands import detect, evaluate, extract, preprocess

for more in ([], ["engine=ray", "shard=1/2"], ["engine=ray", "size=64"]):
    words = ["preprocess", "in", "--out", "out", "faces=given", "workers=1", *more]
    sys.argv = ["avforensics", *words]
    print("code", cli.main())
"""


def test_without_ray_nothing_imports_it(tmp_path, make_video):
    make_video("in/1.mp4")
    make_video("in/2.mp4")
    command = [sys.executable, "-c", WITHOUT]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert [line for line in run.stdout.splitlines() if "code" in line] == [
        "code 0",
        *2 * ["code 2"],
    ]
    shares, missing = run.stderr.splitlines()
    assert "engine=ray distributes the work itself" in shares
    assert 'pip install "avforensics[ray]"' in missing
