"""A queue whose jobs wait for a signal."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from avforensics.serving.jobs import Answer, JobQueue
from avforensics.serving.limits import Limits


class Work:
    """Stand-in for scoring that records started jobs and ends them on request."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = threading.Event()
        self.error: Exception | None = None

    def __call__(self, job) -> Answer:
        self.begun.append(job.name)
        assert job.video.read_bytes()
        while not self.go.wait(0.01):
            job.tell("working", 0.5)
        if self.error is not None:
            raise self.error
        (job.folder / "report.html").write_text("<p>done</p>")
        return Answer("Done.", {"report.html": job.folder / "report.html"})


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def upload(make_video, tmp_path) -> Callable[..., Path]:
    """Return a function that stores a video as a web server stores an upload."""
    folder = tmp_path / "uploads"
    folder.mkdir(exist_ok=True)
    whole = make_video("whole.mp4", n_frames=30, size=32).read_bytes()

    def put(name: str = "a.mp4", content: bytes = whole) -> Path:
        path = folder / name / name
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".fresh")
        fresh.write_bytes(content)
        return fresh.replace(path)  # as in servers: an old file keeps its bytes

    return put


@pytest.fixture
def make_queue(work, tmp_path):
    """Return a function that makes a queue with given limits, which is closed in the end."""
    queues = []

    def make(**limits) -> JobQueue:
        queues.append(JobQueue(work, tmp_path, limits=Limits(**limits)))
        return queues[-1]

    yield make
    work.go.set()
    for queue in queues:
        queue.close()
