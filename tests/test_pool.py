"""How many processes there are when no setting says it."""

import os

import pytest
from hydra import compose, initialize_config_module

from avforensics import pool
from avforensics.commands import normalise, preprocess
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.extraction.fill import _processes


class Begun(Exception):
    """Raised instead of the work, with the number of processes."""


@pytest.fixture
def shared_node(monkeypatch):
    """A job with three cores of a node of 64."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5, 6, 7}, raising=False)


def test_cores_are_those_of_the_job(shared_node, monkeypatch):
    assert pool.cores() == 3
    assert _processes(None, 10_000, "cpu") == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # not every system has it
    assert pool.cores() == 64


@pytest.mark.parametrize("verb", ["normalise", "preprocess"])
def test_a_process_for_each_core_of_the_job(shared_node, monkeypatch, tmp_path, make_video, verb):
    def begin(work, jobs, *, workers, title):
        raise Begun(workers)

    Manifest([Row(str(make_video()), 0)]).write(tmp_path / "in.csv")
    if verb == "preprocess":
        pytest.importorskip("cv2", reason="the extra `faces` is not installed")
    command, name = (normalise, "manifest") if verb == "normalise" else (preprocess, "input")
    monkeypatch.setattr(command, "do_jobs", begin)
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        cfg = compose(verb, [f"{name}={tmp_path / 'in.csv'}", f"output={tmp_path / 'out'}"])
    with pytest.raises(Begun, match=r"^3$"):
        command.run(cfg)
