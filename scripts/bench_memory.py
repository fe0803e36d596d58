"""Measure peak memory of scoring whole videos of growing length (scoring.windows=all).

    python scripts/bench_memory.py --minutes 1 10              # the compact network
    python scripts/bench_memory.py --minutes 0.2 1 --model paper
    python scripts/bench_memory.py --minutes 10 --detect CLIP --every 30    # memory over time

Each length is scored in a separate process. The files are 1080p; they are made by encoding ten
seconds once and repeating the packets. With ``--detect``, your clip is repeated instead, and
`avforensics detect` scores it with the shipped weights and writes its report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from long_files import peak_memory, repeat
from rich.console import Console
from rich.table import Table

from avforensics.checkpoints import Models
from avforensics.media.types import FPS, HOP
from avforensics.media.writer import write_clip
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.projection import Projection
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.runtime import RuntimeOptions

SECONDS = 10  # encoded once, then repeated
SIZE = 1080, 1920


def encode(path: Path) -> None:
    """Write ten seconds of moving stripes at 1080p with noise as sound."""
    random = np.random.default_rng(0)
    wide = random.integers(0, 256, (SIZE[0] // 40, SIZE[1] // 40 + 100, 3), np.uint8)
    wide = wide.repeat(40, 0).repeat(40, 1)
    frames = (wide[:, 4 * t : 4 * t + SIZE[1]] for t in range(SECONDS * FPS))
    write_clip(path, frames, random.normal(0, 2500, SECONDS * FPS * HOP).astype(np.int16))


def random_models(name: str) -> Models:
    """Build an untrained network of ``configs/model`` with untrained decoders."""
    torch.manual_seed(0)
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        chosen = compose("train", overrides=[f"model={name}"]).model
    sync = instantiate(chosen, _convert_="all")
    projection = Projection(inputs=sync.activation_width, outputs=31)
    decoders = {"distribution": PublishedDecoder(), "activation": PublishedDecoder()}
    return Models(sync=sync, projection=projection, **decoders)


def score(path: Path, model: str) -> None:
    """Score one file; print peak memory, time and number of windows as JSON."""
    started = time.perf_counter()
    scorer = ClipScorer(random_models(model), runtime=RuntimeOptions(device="cpu"), windows="all")
    (result,) = scorer.score_many([path])
    spent = time.perf_counter() - started
    peak = peak_memory() / 2**10
    print(json.dumps({"gib": peak, "seconds": spent, "windows": result.features.n_windows}))


def sampled(command: list[str], every: float) -> list[tuple[float, int]]:
    """Run a command and sample its resident memory; return pairs of seconds and MiB."""
    started, found = time.monotonic(), []
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    status = Path(f"/proc/{run.pid}/status")
    while True:
        try:
            run.wait(every)
        except subprocess.TimeoutExpired:
            kib = status.read_text().split("VmRSS:")[1].split()[0]
            found.append((time.monotonic() - started, int(kib) // 2**10))
            continue
        if run.returncode:
            raise SystemExit(f"exit code {run.returncode}")
        return found


def over_time(clip: Path, minutes: float, every: float) -> None:
    """Print the resident memory of `detect` on a clip that is repeated to last ``minutes``."""
    with av.open(str(clip)) as container:
        seconds = container.duration / av.time_base
    table = Table("seconds", "resident memory, MiB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        repeat(clip, path, round(minutes * 60 / seconds), seconds=seconds)
        words = ["detect", str(path), "scoring.windows=all", "--out", str(Path(folder) / "out")]
        for at, mib in sampled([sys.executable, "-m", "avforensics", *words], every):
            table.add_row(f"{at:.0f}", str(mib))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--model", default="compact", help="a file of configs/model")
    parser.add_argument("--detect", type=Path, metavar="CLIP", help="time series of `detect`")
    parser.add_argument("--every", type=float, default=15, help="seconds between its samples")
    parser.add_argument("--score", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.score:
        score(options.score, options.model)
        return
    if options.detect:
        for minutes in options.minutes:
            over_time(options.detect, minutes, options.every)
        return
    table = Table("minutes of 1080p", "windows", "peak memory, GiB", "seconds", "x real time")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        encode(source)
        for minutes in options.minutes:
            path = Path(folder) / f"{minutes:g}.mp4"
            repeat(source, path, round(minutes * 60 / SECONDS), seconds=SECONDS)
            command = [sys.executable, __file__, "--score", str(path), "--model", options.model]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(out.splitlines()[-1])
            table.add_row(
                f"{minutes:g}",
                str(found["windows"]),
                f"{found['gib']:.2f}",
                f"{found['seconds']:.0f}",
                f"{minutes * 60 / found['seconds']:.1f}",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
