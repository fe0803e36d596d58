"""Measure training items per second that the clip reader delivers, in total and per core.

    python scripts/bench_reader.py                        # on synthetic clips
    python scripts/bench_reader.py --manifest FILE.csv    # on your own clips
    python scripts/bench_reader.py --workers 0 2 8        # numbers of loader processes

An item is one clip of 5 frames of a video (phase 1 of the curriculum), four such clips of one video
(phase 2), or a span of 75 frames. "A core" means per second of processor time of this process and
its workers.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from rich import get_console
from rich.table import Table
from torch.utils.data import DataLoader

from avforensics.data.clips import RandomClips, SpanClips
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sampling import NumberedBatches
from avforensics.media.types import HOP
from avforensics.media.wav import write_wav
from avforensics.media.writer import write_clip

FRAMES = 75


def made_up_clips(folder: Path, *, size: int, n: int) -> Manifest:
    """Write 3 s clips of moving noise, which is smooth enough to compress as well as faces do."""
    rng = np.random.default_rng(0)
    rows = []
    for index in range(n):
        waves = rng.uniform(1, 6, (3, 2))
        y, x = np.mgrid[:size, :size] / size
        time_axis = np.arange(FRAMES)[:, None, None, None] / 25
        phase = 2 * np.pi * (waves[:, 0] * x[..., None] + waves[:, 1] * y[..., None])
        frames = 127 + 90 * np.sin(phase[None] + 3 * time_axis) + rng.normal(0, 4, phase.shape)
        sound = rng.normal(0, 3000, FRAMES * HOP).astype(np.int16)
        path = folder / f"{index}.mp4"
        write_clip(path, frames.clip(0, 255).astype(np.uint8), sound, crf=18, gop=12)
        write_wav(path.with_suffix(".wav"), sound)
        rows.append(Row(str(path), 0, identity=str(index)))
    return Manifest(rows)


def measure(dataset, *, workers: int, seconds: float) -> tuple[float, float]:
    """Return items per second of wall-clock time, and per second of processor time."""
    done = 0
    order = NumberedBatches(len(dataset), batch_size=4, done=lambda: done)
    loader = DataLoader(
        dataset,
        batch_sampler=order,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="forkserver" if workers else None,
    )
    for _ in loader:  # starts the workers and fills the page cache
        pass
    items, begin, cpu = 0, time.perf_counter(), processor_time(loader)
    while time.perf_counter() - begin < seconds:
        done += len(order)
        items += sum(len(batch["index"]) for batch in loader)
    return (
        items / (time.perf_counter() - begin),
        items / (processor_time(loader) - cpu),
    )


def processor_time(loader: DataLoader) -> float:
    """Return processor seconds used by this process and the loader's running workers (Linux)."""
    ticks = 0
    for worker in getattr(loader._iterator, "_workers", []):
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, help="clips of preprocess; default: made here")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 224])
    parser.add_argument("--clips", type=int, default=24, help="how many to make")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    args = parser.parse_args()
    table = Table("pixels", "item", "workers", "items/s", "frames/s", "items/s a core")
    with tempfile.TemporaryDirectory() as folder:
        sets = {}
        if args.manifest:
            sets["as stored"] = Manifest.read(args.manifest)
        else:
            for size in args.sizes:
                sets[str(size)] = made_up_clips(Path(folder, str(size)), size=size, n=args.clips)
        for size, manifest in sets.items():
            datasets = {
                "1 x 5 frames": (RandomClips(manifest), 5),
                "4 x 5 frames": (RandomClips(manifest, clips_per_video=4), 20),
                f"1 x {FRAMES} frames": (SpanClips(manifest, span=FRAMES), FRAMES),
            }
            for name, (dataset, frames) in datasets.items():
                for workers in args.workers:
                    wall, core = measure(dataset, workers=workers, seconds=args.seconds)
                    numbers = (f"{wall:.0f}", f"{wall * frames:.0f}", f"{core:.0f}")
                    table.add_row(size, name, str(workers), *numbers)
    get_console().print(table)


if __name__ == "__main__":
    main()
