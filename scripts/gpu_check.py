"""Check on one GPU, offline, what cannot be checked on a CPU: tests, scoring, training, memory.

    python scripts/gpu_check.py                      # under ten minutes; writes docs/benchmarks.md
    python scripts/gpu_check.py --tiny --out FOLDER  # small models, also on a CPU; no document

Scoring and training use random weights and pictures, since only time, memory and the differences
between precisions matter. All results are in gpu_check.json in --out (default: outputs/gpu_check).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import machine, random_models, scores, seconds
from bench_table import commit, write
from torch.utils.flop_counter import FlopCounterMode

from avforensics.checkpoints import Models
from avforensics.lightning.anomaly import AnomalyModule
from avforensics.lightning.sync import SyncModule
from avforensics.media.types import HOP, Block
from avforensics.models.audio import AudioEncoder
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.fusion import CosineFusion
from avforensics.models.objectives import SoftCrossEntropy, SquaredError
from avforensics.models.projection import Projection
from avforensics.models.sync import CROP_SAMPLES, SyncNetwork
from avforensics.models.visual import WINDOW_FRAMES, VisualEncoder
from avforensics.pool import EngineOptions, Failed, Place, in_processes
from avforensics.scoring.engine import Engine, resolve_device
from avforensics.scoring.result import Features
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.spans import cut_spans, frames_needed

ROOT = Path(__file__).parents[1]
# name, precision, TF32, torch.compile
RUNTIMES = (
    ("float32", "float32", False, False),
    ("TF32", "float32", True, False),
    ("bf16", "bf16", True, False),
    ("bf16, compiled", "bf16", True, True),
)
Row = dict[str, Any]


def tiny_models(seed: int) -> Models:
    """Build small models with all parts; with fewer channels, bf16 gradients crash oneDNN."""
    torch.manual_seed(seed)
    sync = SyncNetwork(
        visual=VisualEncoder(
            widths=(16, 16, 16), depths=(1, 1, 1), strides=(1, 2, 2), pad_time=False
        ),
        audio=AudioEncoder(widths=(16,) * 7),
        fusion=CosineFusion(video_width=16, audio_width=16, plane=2, width=16),
        size=32,
    ).eval()
    projection = Projection(inputs=sync.activation_width, outputs=31)
    projection.components.normal_(std=0.03)
    decoder = partial(PublishedDecoder, width=32, heads=2, depth=1)
    return Models(sync=sync, projection=projection, distribution=decoder(), activation=decoder())


def block_of(models: Models, windows: int) -> Block:
    """Make moving noise with sound, long enough for ``windows`` windows."""
    random, size = np.random.default_rng(0), models.sync.size
    n_frames = frames_needed(windows, models.sync.max_delay)
    still = random.integers(0, 256, (size, size, 3), np.uint8)
    frames = np.stack([np.roll(still, 3 * t, axis=1) for t in range(n_frames)])
    return Block(frames, random.normal(0, 2500, n_frames * HOP).astype(np.int16))


def use_tf32(allowed: bool) -> None:
    """Allow or forbid TF32 in matrix products and convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def peak(device: torch.device, precision: str, side: int) -> float:
    """Measure operations per second of a large matrix product, the best of five runs."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=device, dtype=kind)
    return 2 * side**3 / min(seconds(lambda: a @ a, device) for _ in range(5))


def work_of(models: Models, block: Block, windows: int, device: torch.device) -> int:
    """Count the operations of the network for a clip."""
    sync = models.sync.to(device)
    frames = torch.from_numpy(block.frames[: windows + 4]).permute(0, 3, 1, 2).float().to(device)
    sound = torch.from_numpy(block.audio).float().to(device)
    crops = sound.unfold(0, CROP_SAMPLES, HOP)[: windows + 30]
    crops = torch.nn.functional.pad(crops, (0, 0, 0, windows + 30 - len(crops)))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        video = sync.video_tokens(sync.visual.frames(frames))
        sync.delay_rows(video, sync.audio_tokens(crops))
    return counter.get_total_flops()


def rows_of(engine: Engine, block: Block, windows: int) -> Features:
    """Compute the features of a clip that consists of one span."""
    (span,) = cut_spans([block], max_windows=windows, span_windows=windows)
    (found,) = engine.run([(0, span)])
    engine.forget(0)
    return found


def scorings(models: Models, device: torch.device, sizes: Mapping[str, int]) -> list[Row]:
    """Measure clips per second, score differences and share of the peak, for each runtime."""
    windows, clips = sizes["windows"], sizes["clips"]
    block = block_of(models, windows)
    operations = work_of(models, block, windows, device)
    rows, expected = [], None
    for name, precision, tf32, compiled in RUNTIMES:
        use_tf32(tf32)
        runtime = RuntimeOptions(device=str(device), precision=precision, compile=compiled)
        engine = Engine(models.sync, models.projection, runtime=runtime)

        once = partial(rows_of, engine, block, windows)
        first = seconds(once, device)
        found = scores(models, once())
        expected = expected or found
        took = seconds(lambda once=once: [once() for _ in range(clips)], device) / clips
        rows.append(
            {
                "runtime": name,
                "first_seconds": first,
                "clips_a_second": 1 / took,
                "share_of_peak": operations / took / peak(device, precision, sizes["side"]),
                "difference": max(abs(a - b) for a, b in zip(found, expected, strict=True)),
            }
        )
    use_tf32(False)
    return rows


def sync_batch(size: int, videos: int, clips: int) -> dict[str, torch.Tensor]:
    """Make a random batch in the format of `RandomClips`."""
    frames = torch.randint(0, 256, (videos, clips, WINDOW_FRAMES, size, size, 3))
    sound = 2500 * torch.randn(videos, clips, CROP_SAMPLES)
    return {"frames": frames.to(torch.uint8), "audio": sound.to(torch.int16)}


def anomaly_batch(videos: int) -> dict[str, torch.Tensor]:
    """Make a random batch in the format of `FeatureData`."""
    rows = torch.randn(videos, 50, 31)
    return {"logits": rows, "activations": rows, "length": torch.full((videos,), 50)}


def trainings(
    models: Models,
    device: torch.device,
    batches: Sequence[tuple[int, int]],
    precisions: Sequence[str] = ("float32", "bf16"),
) -> list[Row]:
    """Measure time and memory of a training step, at the paper's batch sizes."""
    decoder = partial(PublishedDecoder, width=256, heads=16, depth=2, dropout=0.1)
    objectives = {"distribution": SoftCrossEntropy(), "activation": SquaredError()}
    anomaly = AnomalyModule(objectives=objectives, decoder=decoder, optimizer=torch.optim.Adam)
    sync = SyncModule(network=models.sync, optimizer=torch.optim.Adam)
    kinds = [
        (f"sync, {v} videos x {c}", sync, sync_batch(models.sync.size, v, c)) for v, c in batches
    ]
    kinds.append(("anomaly, 16 videos x 50", anomaly, anomaly_batch(16)))
    rows = []
    for name, module, batch in kinds:
        for precision in precisions:
            row = {"training": name, "precision": precision}
            try:
                row |= training_step(module, batch, device, precision)
            except torch.OutOfMemoryError:
                row |= {"step_seconds": None, "gib": None}
            rows.append(row)
    return rows


def training_step(module: Any, batch: dict, device: torch.device, precision: str) -> Row:
    """Measure the best time of three steps after a warm-up step, and peak memory."""
    module = module.to(device).train()
    batch = {name: tensor.to(device) for name, tensor in batch.items()}
    optimizer = module.optimizer(module.parameters())
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = module.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    took = min(seconds(step, device) for _ in range(3))
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    return {"step_seconds": took, "gib": memory}


def prepare_worker(place: Place, tiny: bool, device: str) -> tuple[Models, Engine]:
    """Make the models and the engine of a process."""
    torch.set_num_threads(1)
    models = tiny_models(0) if tiny else random_models(0)
    runtime = RuntimeOptions(device=device, precision="bf16")
    return models, Engine(models.sync, models.projection, runtime=runtime)


def worker(jobs: Sequence[int], ready: tuple[Models, Engine], windows: int) -> Iterator[float]:
    """Score a clip for each job; yield the time when it is done."""
    models, engine = ready
    block = block_of(models, windows)
    for _ in jobs:
        rows_of(engine, block, windows)
        yield time.time()


def sharing(tiny: bool, device: torch.device, sizes: Mapping[str, int]) -> list[Row]:
    """Measure clips per second with one and with two processes on one device."""
    rows = []
    for workers in (1, 2):
        engine = EngineOptions(gpus_per_worker=1 / workers, timeout_minutes=5)
        jobs = dict(enumerate(range(sizes["clips"] * workers)))
        results = in_processes(
            partial(worker, windows=sizes["windows"]),
            jobs,
            workers=workers,
            engine=engine,
            prepare=partial(prepare_worker, tiny=tiny, device=str(device)),
        )
        found = [result for _, result in results]
        failed = [result.reason for result in found if isinstance(result, Failed)]
        if failed:
            rows.append({"processes": workers, "clips_a_second": None, "failed": failed[0]})
            continue
        ends = sorted(found)[workers:]  # each process's first job is slower
        rate = (len(ends) - 1) / max(ends[-1] - ends[0], 1e-9)
        rows.append({"processes": workers, "clips_a_second": rate})
    return rows


def marked_tests() -> str:
    """Run the tests that need a GPU; return the last line of output."""
    words = ("-m", "pytest", "-q", "-n", "0", "-m", "gpu", "-p", "no:cacheprovider")
    run = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return (run.stdout.strip().splitlines() or [run.stderr.strip()])[-1]


def table(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of docs/benchmarks.md."""
    rows = [("machine", found["machine"]), ("versions", found["versions"])]
    rows.append(("tests marked gpu", str(found["tests"])))
    for row in found["scoring"]:
        said = f"{row['clips_a_second']:.1f} clips a second, {row['share_of_peak']:.0%} of the "
        said += f"matmul peak, scores differ by {row['difference']:.1e} at most"
        rows.append((f"scoring, {row['runtime']}", said))
    for row in found["training"]:
        said = "not enough memory"
        if row["step_seconds"] is not None:
            said = f"{1000 * row['step_seconds']:.0f} ms"
            said += "" if row["gib"] is None else f", {row['gib']:.1f} GiB"
        rows.append((f"step of {row['training']}, {row['precision']}", said))
    for row in found["sharing"]:
        rate = row["clips_a_second"]
        said = row.get("failed") or f"{rate:.1f} clips a second"
        number = "one process" if row["processes"] == 1 else f"{row['processes']} processes"
        rows.append((f"{number} on one device, bf16", said))
    rows.append(("all of this", f"{found['seconds']:.0f} s"))
    return rows


def main(arguments: Sequence[str] | None = None) -> Mapping[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="small networks; no document, no tests")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "gpu_check")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    device = resolve_device(options.device)
    if device.type == "cpu" and not options.tiny:
        parser.error("there is no GPU; --tiny runs the same on a CPU")
    sizes = {"windows": 50, "clips": 10, "side": 8192}
    batches, build = [(16, 1), (40, 4)], random_models
    if options.tiny:
        sizes = {"windows": 6, "clips": 4, "side": 128}
        batches, build = [(2, 1), (2, 2)], tiny_models
    made: dict[str, Any] = {"machine": machine(device)}
    made["versions"] = f"torch {torch.__version__}, CUDA {torch.version.cuda}, {commit()}"
    steps: dict[str, Callable[[], Any]] = {
        "tests": (lambda: "left out") if options.tiny else marked_tests,
        "sharing": lambda: sharing(options.tiny, device, sizes),
        "scoring": lambda: scorings(build(0), device, sizes),
        "training": lambda: trainings(build(0), device, batches),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, step in steps.items():
        made[name] = step()
        made["seconds"] = time.monotonic() - started
        print(f"{name}: done after {made['seconds']:.0f} s", flush=True)
        (options.out / "gpu_check.json").write_text(json.dumps(made, indent=1))  # results so far
    if not options.tiny:
        write("gpu", ("what", "measured"), table(made))
    for what, said in table(made):
        print(f"{what}: {said}")
    return made


if __name__ == "__main__":
    main()
