"""Measure speed and peak memory of finding faces and reading their crops, in 720p at 25 fps.

    python scripts/bench_faces.py                    # a synthetic head; writes docs/benchmarks.md
    python scripts/bench_faces.py VIDEO              # your own video with a face, any size
    python scripts/bench_faces.py --minutes 1 10 30

A sequence of twenty seconds (the video over a moving background, at 1280 x 720) is encoded once,
and its packets are repeated to make a file of each length. Each file is read in a separate process:
one pass finds and tracks the faces, then another reads each track as a moving 224 px crop with its
sound. Finally, two processes read the shortest file at once, as `preprocess` reads a folder on two
cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np
from bench_table import DOCUMENT, commit, processor, write
from long_files import peak_memory, repeat
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from avforensics.faces.crops import RECIPES
from avforensics.faces.find import find_faces
from avforensics.media import FPS, SoundSpool, open_media, write_clip
from avforensics.media.types import MediaOptions
from avforensics.media.video import VideoReader
from avforensics.synthetic.forge import make_clip
from avforensics.synthetic.plan import PlannedClip, Take

SECONDS = 20  # encoded once, then repeated
SIZE = 1280, 720


def synthetic_head(path: Path) -> None:
    """Write six seconds of a synthetic talking head, 224 pixels."""
    job = PlannedClip("head.mp4", "test", "real", "real", Take(identity=4, clip=0))
    frames, sound = make_clip(job, seed=0, n_frames=6 * FPS, size=224)
    write_clip(path, frames, sound)


def pictures(source: Path) -> Iterator[np.ndarray]:
    """Yield the video's frames, forwards and backwards, over moving stripes."""
    with VideoReader(source) as video:
        frames = [video.upright(frame).copy() for frame in islice(video, 10 * FPS)]
    height = SIZE[1]
    random = np.random.default_rng(0)
    ground = random.integers(60, 160, (18, 60, 3), np.uint8).repeat(40, 0).repeat(40, 1)
    turns = cycle([*frames, *frames[::-1]])
    for t, frame in enumerate(islice(turns, SECONDS * FPS)):
        canvas = ground[:, 2 * t % 1000 :][:height, : SIZE[0]].copy()
        width = min(round(frame.width * height / frame.height), SIZE[0])
        left = (SIZE[0] - width) // 2
        canvas[:, left : left + width] = np.asarray(frame.resize((width, height), Image.BICUBIC))
        yield canvas


def encode(source: Path, path: Path) -> None:
    """Write H.264 as cameras and web sites do: B-frames, a key frame every 2 s, 48 kHz."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.codec_context.gop_size, video.codec_context.max_b_frames = 2 * FPS, 2
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        noise = np.random.default_rng(1).normal(0, 2500, SECONDS * 48_000).astype(np.int16)
        for index, picture in enumerate(pictures(source)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for start in range(0, len(noise), 1024):
            piece = av.AudioFrame.from_ndarray(noise[None, start : start + 1024], "s16", "mono")
            piece.sample_rate, piece.pts, piece.time_base = 48_000, start, Fraction(1, 48_000)
            out.mux(sound.encode(piece))
        out.mux(sound.encode(None))


def measure(path: Path) -> None:
    """Find and cut the faces of one file; print counts, times and peak memory as JSON."""
    taken = {}

    def lap(name: str, clock: float, work: float) -> None:
        taken[name] = (time.perf_counter() - clock, time.process_time() - work)

    clock, work = time.perf_counter(), time.process_time()
    faces = find_faces(path)
    lap("find", clock, work)
    clock, work = time.perf_counter(), time.process_time()
    cut = 0
    with SoundSpool(path) as sound:
        for track in faces.tracks:
            with open_media(
                path,
                MediaOptions(size=224),
                start_frame=track.first_frame,
                crop=RECIPES["lrs"].crop(track),
                sound=sound,
            ) as stream:
                cut += sum(len(block.frames) for block in stream)
    lap("crop", clock, work)
    peak = peak_memory()
    found = {"mib": peak, "frames": faces.n_frames, "cut": cut, "tracks": len(faces.tracks)}
    print(json.dumps({**taken, **found}))


def together(paths: list[Path]) -> list[dict]:
    """Measure files at the same time, each in a separate process."""
    commands = [[sys.executable, __file__, "--measure", str(path)] for path in paths]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("a measurement failed")
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def row(minutes: float, found: list[dict]) -> list[str]:
    """Return a table row for files that were measured at the same time."""
    frames, cut = (sum(one[key] for one in found) for key in ("frames", "cut"))
    clock = max(one["find"][0] + one["crop"][0] for one in found)
    find, crop = (sum(one[key][1] for one in found) for key in ("find", "crop"))
    return [
        f"{minutes:g} min" if len(found) == 1 else f"{len(found)} x {minutes:g} min at once",
        f"{cut:,} of {frames:,}",
        f"{1000 * find / frames:.1f} ms",
        f"{1000 * crop / max(cut, 1):.1f} ms",
        f"{frames / FPS / clock:.1f}",
        f"{max(one['mib'] for one in found):.0f} MiB",
    ]


HEAD = (
    "video",
    "frames cut",
    "finding, CPU a frame",
    "cutting, CPU a frame",
    "times real time",
    "peak memory of a process",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path, nargs="?", help="shows a face; a drawn one without it")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 30])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    console, rows = Console(), []
    title = f"{processor()}, {commit()}"
    with tempfile.TemporaryDirectory() as folder:
        source, video = Path(folder) / "source.mp4", options.video
        if video is None:
            video = Path(folder) / "head.mp4"
            synthetic_head(video)
        encode(video, source)
        lengths = [(minutes, 1) for minutes in options.minutes] + [(min(options.minutes), 2)]
        for minutes, count in track(lengths, "reading", console=console):
            path = Path(folder) / f"{minutes:g}.mp4"
            repeat(source, path, max(round(minutes * 60 / SECONDS), 1), seconds=SECONDS)
            rows.append(row(minutes, together([path] * count)))
    table = Table(*HEAD, title=title)
    for cells in rows:
        table.add_row(*cells)
    console.print(table)
    if options.video is None:
        write("faces", HEAD, [*rows, [title, *[""] * (len(HEAD) - 1)]])
        console.print(f"written to {DOCUMENT}")


if __name__ == "__main__":
    main()
