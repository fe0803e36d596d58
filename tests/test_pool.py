"""The default number of processes; processes end with the command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import composed

from avforensics import pool
from avforensics.commands import preprocess
from avforensics.features.fill import _processes


class Begun(Exception):
    """Raised in place of the work, with the number of processes."""


@pytest.fixture
def shared_node(monkeypatch):
    """Make a job that may use three cores of a node with 64."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5, 6, 7}, raising=False)


def test_cores_are_those_of_the_job(shared_node, monkeypatch):
    assert pool.cores() == 3
    assert _processes(None, 10_000, "cpu") == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # does not exist on every system
    assert pool.cores() == 64


def test_a_process_for_each_core_of_the_job(shared_node, monkeypatch, tmp_path, make_video):
    def begin(work, jobs, *, workers, engine):
        raise Begun(workers)

    monkeypatch.setattr(preprocess, "in_processes", begin)
    options = (f"input={make_video()}", f"output={tmp_path / 'out'}", "faces=given")
    with pytest.raises(Begun, match=r"^3$"):
        preprocess.run(composed("preprocess", *options))


# `preprocess` with jobs that never end
ENDLESS = """
import os, sys, time
from avforensics import cli
from avforensics.commands import preprocess
from avforensics.files import atomic_path

def endless(job, folder, settings):
    with atomic_path(folder / job[1] / "1.mp4") as partial:
        partial.touch()
        (folder / f"{job[1]}.pid").write_text(str(os.getpid()))
        while True:
            time.sleep(0.05)

preprocess._cut = endless
if __name__ == "__main__":
    cli.command()
"""


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


@pytest.fixture
def endless(tmp_path, make_video):
    """Start `preprocess` with two processes; return their process ids."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    for i in range(9):
        make_video(f"in/{i}.mp4")
    command = [sys.executable, "endless.py", "preprocess", "faces=given", "input=in", "output=out"]
    run = subprocess.Popen(
        [*command, "workers=2"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a suite started in the background ignores it, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )

    def numbers() -> list[int]:
        return [int(path.read_text() or 0) for path in tmp_path.glob("out/**/*.pid")]

    try:
        assert wait_until(lambda: len(numbers()) == 2 and all(numbers()), 120), run.poll()
        yield run, numbers()
    finally:
        run.kill()
        run.communicate()
        for number in filter(is_running, numbers()):
            os.kill(number, signal.SIGKILL)


LINE = "avforensics: {}; all written files are complete.\n"


@pytest.mark.parametrize(
    ("number", "times", "code", "said"),
    [
        (signal.SIGINT, 1, 130, LINE.format("interrupted")),
        (signal.SIGINT, 2, 130, LINE.format("interrupted")),
        (signal.SIGTERM, 1, 143, LINE.format("ended by SIGTERM")),
    ],
)
@pytest.mark.parametrize("whole_group", [True, False])
def test_what_ends_a_command_ends_its_processes(
    endless, tmp_path, number, times, code, said, whole_group
):
    run, processes = endless
    for _ in range(times):
        (os.killpg if whole_group else os.kill)(run.pid, number)
        time.sleep(0.1)
    _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (code, said)
    assert wait_until(lambda: not any(map(is_running, processes)), 5)
    assert not list(tmp_path.glob("out/**/.*.partial*"))


def test_processes_end_with_a_command_that_is_killed(endless, tmp_path):
    run, processes = endless
    run.kill()
    assert wait_until(lambda: not any(map(is_running, processes)), 5)
    assert not list(tmp_path.glob("out/**/.*.partial*"))
