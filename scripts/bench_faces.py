"""Speed and peak memory of finding faces and reading their crops, for 720p at 25 frames a second.

    python scripts/bench_faces.py VIDEO                    # a video with a face, any size
    python scripts/bench_faces.py VIDEO --minutes 1 10 30

Twenty seconds are made of the video (its picture over a moving ground, at 1280 x 720) and their
packets repeated to each length. Each length is read in a process of its own: one pass that finds
and follows the faces, then one that reads each track as a moving 224 px crop with its sound.
Processor seconds are given beside the clock's: on a busy machine only they mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np
from long_files import peak_memory, repeat
from PIL import Image
from rich.console import Console
from rich.table import Table

from avforensics.faces.crops import RECIPES
from avforensics.faces.find import find_faces
from avforensics.media import FPS, SoundSpool, open_media
from avforensics.media.types import MediaOptions
from avforensics.media.video import VideoReader

SECONDS = 20  # encoded once, then repeated
SIZE = 1280, 720


def pictures(source: Path):
    """The video's own frames, there and back, over stripes that wander."""
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
    """H.264 as cameras and sites write it: B-frames, a key frame every two seconds, 48 kHz."""
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
    """Find and cut the faces of one file and print what it took, as JSON."""
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


def row(minutes: float, found: dict) -> list[str]:
    seconds = found["frames"] / FPS
    clock = found["find"][0] + found["crop"][0]
    work = found["find"][1] + found["crop"][1]
    return [
        f"{minutes:g}",
        str(found["tracks"]),
        f"{found['cut']:,} of {found['frames']:,}",
        f"{1000 * found['find'][1] / found['frames']:.1f}",
        f"{1000 * found['crop'][1] / max(found['cut'], 1):.1f}",
        f"{seconds / clock:.1f}",
        f"{seconds / work:.1f}",
        f"{found['mib']:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path, nargs="?", help="shows a face")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    if options.video is None:
        parser.error("give a video with a face")
    table = Table(
        "minutes",
        "tracks",
        "frames cut",
        "ms of CPU a frame, finding",
        "cutting",
        "x real time",
        "x real time by CPU, one core",
        "peak memory, MiB",
        title=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        encode(options.video, source)
        for minutes in options.minutes:
            path = Path(folder) / f"{minutes:g}.mp4"
            repeat(source, path, max(round(minutes * 60 / SECONDS), 1), seconds=SECONDS)
            command = [sys.executable, __file__, "--measure", str(path)]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            table.add_row(*row(minutes, json.loads(out.splitlines()[-1])))
    Console().print(table)


if __name__ == "__main__":
    main()
