"""Measure time and memory of `avforensics detect`: start-up, many short clips, a long video.

    python scripts/bench_command.py                     # a drawn head; writes docs/benchmarks.md
    python scripts/bench_command.py VIDEO --minutes 5 --clips 1000
    python scripts/bench_command.py --against ../before/src   # another checkout, taking turns

Every command runs in a separate process, with one OpenMP thread, the shipped weights and compiled
Python files, as in an installed package. The table has the minimum processor time over all turns,
since other work on the machine affects it less, and the minimum wall time in brackets.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from bench_faces import SECONDS, encode, synthetic_head
from bench_table import DOCUMENT, commit, processor, write
from long_files import peak_memory, repeat

from avforensics.media import FPS, write_clip
from avforensics.media.audio import AudioReader
from avforensics.media.types import HOP
from avforensics.media.video import VideoReader

HERE = Path(__file__).parents[1] / "src"
SHORT = 2  # seconds of a short clip


@dataclass(frozen=True)
class Taken:
    """Processor and wall time in seconds, peak memory in MiB of one process."""

    cpu: float
    wall: float
    mib: float


def timed(source: Path, *words: str) -> Taken:
    """Run ``avforensics`` from a source folder and measure it."""
    command = [sys.executable, "-m", "avforensics", *words]
    env = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # the first turn compiles
    clock = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - clock
        if code := os.waitstatus_to_exitcode(status):
            said.seek(0)
            raise SystemExit(f"exit code {code}: {said.read()[-2000:].decode(errors='replace')}")
    return Taken(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def short_clip(video: Path, path: Path) -> None:
    """Write the first seconds of a video with their sound."""
    with VideoReader(video) as reader:
        frames = [np.asarray(reader.upright(frame)) for frame in islice(reader, SHORT * FPS)]
        origin = reader.origin
    with AudioReader(video, origin=origin) as reader:
        sound = np.concatenate(list(reader))[: len(frames) * HOP]
    write_clip(path, frames, sound)


def commands(folder: Path, video: Path | None, clips: int, minutes: float) -> dict[str, list[str]]:
    """Make the files; return the arguments of each command, without its output folder."""
    if video is None:
        video = folder / "head.mp4"
        synthetic_head(video)
    (folder / "short").mkdir()
    short_clip(video, folder / "one.mp4")
    for number in range(clips):
        shutil.copyfile(folder / "one.mp4", folder / "short" / f"{number:04d}.mp4")
    encode(video, folder / "part.mp4")
    count = max(round(minutes * 60 / SECONDS), 1)
    repeat(folder / "part.mp4", folder / "long.mp4", count, seconds=SECONDS)
    found = {"help": ["--help"], "help of a verb": ["detect", "--help"]}
    for name, words in (
        ("one clip", ["one.mp4"]),
        (f"{clips:,} clips of {SHORT} s", ["short"]),
        (f"{minutes:g} min at 720p, all windows", ["long.mp4", "scoring.windows=all"]),
    ):
        path = str(folder / words[0])
        found[name] = ["detect", path, "faces=auto", "checkpoint=talkers", *words[1:]]
    return found


def row(name: str, sides: list[list[Taken]]) -> list[str]:
    """Return a table row: before (if measured), now, peak memory and the speed-up."""
    cells = [name]
    best = [[min(getattr(t, key) for t in side) for key in ("cpu", "wall")] for side in sides]
    for cpu, wall in best:
        cells.append(f"{cpu:.2f} s ({wall:.1f} s)")
    peak, own = max(t.mib for t in sides[-1]), peak_memory()  # a child's count begins with ours
    cells.append(f"{peak:.0f} MiB" if peak > 1.1 * own else f"below {own:.0f} MiB")
    if len(sides) > 1:
        cells.append(f"{best[0][0] / best[1][0]:.2f}")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path, nargs="?", help="shows a face; a drawn one without it")
    parser.add_argument("--against", type=Path, help="src folder of another checkout")
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--only", default="", help="commands whose name contains this, on screen")
    options = parser.parse_args()
    sources = [HERE] if options.against is None else [options.against.resolve(), HERE]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        todo = commands(folder, options.video, options.clips, options.minutes)
        for what, words in todo.items():
            if options.only not in what:
                continue
            sides: list[list[Taken]] = [[] for _ in sources]
            for turn in range(options.turns):
                for number, (source, side) in enumerate(zip(sources, sides, strict=True)):
                    out = folder / f"out-{turn}-{number}"
                    extra = ["--out", str(out)] if len(words) > 2 else []
                    side.append(timed(source, *words, *extra))
                    shutil.rmtree(out, ignore_errors=True)
            rows.append(row(what, sides))
            print(*rows[-1], sep="  ", flush=True)
    head = ["`avforensics`: processor (wall) time", "now", "peak memory"]
    if options.only:
        return
    if options.against is not None:
        head = [head[0], "before", *head[1:], "times as quick"]
    last = [f"{processor()}, {commit()}", *[""] * (len(head) - 1)]
    write("command", head, [*rows, last])
    print(f"written to {DOCUMENT}")


if __name__ == "__main__":
    main()
