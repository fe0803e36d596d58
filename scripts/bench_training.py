"""Measure training steps per second on a CPU, in float32 and, if supported, in bfloat16.

    python scripts/bench_training.py                 # writes docs/benchmarks.md
    python scripts/bench_training.py --turns 1 --show  # a quick look, on screen
    python scripts/bench_training.py --bf16          # also on a processor that emulates it

`train experiment=talkers` runs on clips made here, in a separate process with one OpenMP thread,
once for few and once for more steps: the difference gives the rate without start-up time. Decoding
and augmentation are included. The anomaly models are trained on random numbers, in this process.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from bench_command import HERE, timed
from bench_reader import made_up_clips
from bench_table import DOCUMENT, commit, has_bf16, processor, write
from gpu_check import tiny_models, trainings

from avforensics.data.manifest import Manifest

PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}
CLIPS, FRAMES = 32, 160  # number of three-second clips; frames per step in experiment=talkers


def spent(folder: Path, steps: int, precision: str) -> float:
    """Return the processor time of a training run, including decoding."""
    words = ["train", "experiment=talkers", f"data.manifest={folder / 'clips.csv'}"]
    words += ["callbacks.statistics=null", f"trainer.max_steps={steps}"]
    words += [f"trainer.precision={PRECISIONS[precision]}", "--out", str(folder / "run")]
    return timed(HERE, *words).cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs=2, default=(4, 14), help="of the two runs")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="even without instructions for it")
    parser.add_argument("--show", action="store_true", help="write no document")
    options = parser.parse_args()
    few, more = options.steps
    precisions = [name for name in PRECISIONS if name == "float32" or options.bf16 or has_bf16()]
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = list(made_up_clips(folder, size=96, n=CLIPS))
        rows = [row._replace(split="sync" if n else "val") for n, row in enumerate(clips)]
        Manifest(rows).write(folder / "clips.csv")
        for turn in range(1, options.turns + 1):
            for precision in precisions:
                start, end = (spent(folder, steps, precision) for steps in (few, more))
                rate = (more - few) / (end - start)
                said = f"{rate:.2f} a second of processor time ({rate * FRAMES:.0f} frames)"
                found.append((f"talkers, {precision}, turn {turn}", said))
                print(*found[-1], sep=": ", flush=True)
    torch.set_num_threads(1)
    for turn in range(1, options.turns + 1):
        for row in trainings(tiny_models(0), torch.device("cpu"), [], precisions):
            what = f"{row['training']}, {row['precision']}, turn {turn}"
            found.append((what, f"{1 / row['step_seconds']:.2f} a second of wall time"))
            print(*found[-1], sep=": ", flush=True)
    if not options.show:
        found.append((f"{processor()}, {commit()}", ""))
        write("training", ("steps of a training", "measured"), found)
        print(f"written to {DOCUMENT}")


if __name__ == "__main__":
    main()
