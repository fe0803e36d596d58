"""Memory of long runs."""

import platform
from pathlib import Path

import numpy as np
import pytest

from avforensics.scoring import memory
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import Features, VideoResult
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.tracks import FaceResult


def resident() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library does so")
def test_freed_pieces_between_used_ones_are_returned():
    pieces = [bytes(100_000) + bytes([n % 256]) for n in range(600)]
    used = pieces[::20]
    del pieces
    before = resident()
    memory.release_freed()
    assert before - resident() > 30_000_000
    assert len(used) == 30


def test_memory_is_released_while_a_video_is_scored(models, make_video, monkeypatch):
    released = []
    monkeypatch.setattr(memory, "EVERY", 20)
    monkeypatch.setattr(memory, "release_freed", lambda: released.append(True))
    scorer = ClipScorer(models, windows="all", runtime=RuntimeOptions(device="cpu"))
    assert next(iter(scorer.score_many([make_video(n_frames=150)]))).error is None
    assert 2 <= len(released) <= 7


def test_windows_count_over_all_faces_and_over_short_videos(monkeypatch):
    rows = Features(np.zeros((40, 31)), np.zeros((40, 0)), np.ones(40, bool))
    found = VideoResult(Path("a.mp4"), features=rows)
    monkeypatch.setattr(memory, "EVERY", 100)
    monkeypatch.setattr(memory, "_unreleased", 0)
    released = []
    monkeypatch.setattr(memory, "release_freed", lambda: released.append(True))
    faces = tuple(FaceResult(None, found) for _ in range(2))
    for outcome in (Outcome(found), Outcome(found, faces), Outcome(found)):
        memory.release_after(outcome.n_windows)
    assert len(released) == 1 and memory._unreleased == 40
