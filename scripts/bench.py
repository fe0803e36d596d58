"""Compare the speed of the one-pass scorer with the published way of using the same modules.

    python scripts/bench.py              # 50 windows of a clip; writes docs/benchmarks.md
    python scripts/bench.py --windows 5  # a quick look, on screen only
    python scripts/bench.py --device cuda
    python scripts/bench.py --bf16       # also in bfloat16 where the processor only emulates it

In the published way, the visual encoder runs on 31 copies of each window, the audio encoder on
its 31 crops and the fusion on the 31 pairs; then everything runs again for the second anomaly
model. Both ways take turns on small groups of windows, so that a busy machine slows both alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from bench_table import DOCUMENT, commit, has_bf16, processor, write
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from avforensics.checkpoints import Models
from avforensics.media.reader import open_media
from avforensics.media.types import HOP, Block
from avforensics.media.writer import write_clip
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.projection import Projection
from avforensics.models.sync import CROP_SAMPLES, SyncNetwork, published_sync_network
from avforensics.scoring.engine import Engine, resolve_device
from avforensics.scoring.result import Features
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.sequences import SequencePolicy, score_features
from avforensics.scoring.spans import cut_spans, frames_needed


def random_models(seed: int) -> Models:
    """Build networks of published size, with random weights for which logits differ by delay."""
    torch.manual_seed(seed)
    sync = published_sync_network()
    for name, tensor in sync.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
    sync.visual.bn1.running_var.mul_(1e4)  # frames are 0..255
    projection = Projection(inputs=sync.activation_width, outputs=31)
    projection.components.normal_(std=0.03)
    decoders = {"distribution": PublishedDecoder(), "activation": PublishedDecoder()}
    return Models(sync=sync, projection=projection, **decoders)


def make_clip(path: Path, n_frames: int) -> None:
    """Write a 224 px clip with moving shapes and with noise as sound."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:224, :224]
    waves = [
        128 + 90 * np.sin((x + 3 * t) / 17) * np.cos((y - 2 * t) / 23) for t in range(n_frames)
    ]
    frames = [np.stack([w, w.T, 255 - w], axis=-1).astype(np.uint8) for w in waves]
    write_clip(path, frames, random.normal(0, 2500, n_frames * HOP).astype(np.int16))


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    synchronise(device)
    started = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - started


def peak_gflops(device: torch.device, dtype: torch.dtype) -> float:
    """Measure the best rate of a 3-D convolution as in the network's last stage."""
    conv = torch.nn.Conv3d(512, 512, 3, padding=1, bias=False).to(device, dtype)
    batch = 8 if device.type == "cpu" else 64
    x = torch.randn(batch, 512, 5, 14, 14, device=device, dtype=dtype)
    with FlopCounterMode(display=False) as counter:
        conv(x)
    return counter.get_total_flops() / min(seconds(lambda: conv(x), device) for _ in range(5)) / 1e9


def published_rows(
    sync: SyncNetwork, frames: torch.Tensor, sound: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute a window's row (31,) and activations (1, 1024) in the published way."""
    copies = frames[k : k + 5].expand(31, -1, -1, -1, -1)
    crops = sound[k * HOP :].unfold(0, CROP_SAMPLES, HOP)[:31]
    features = sync.visual.frames(copies.flatten(0, 1)).unflatten(0, (31, 5)).transpose(1, 2)
    video = sync.fusion.video_tokens(sync.visual.windows(features))
    audio = sync.audio_tokens(crops)
    row = sync.fusion(video, audio)
    middle = sync.max_delay
    return row, sync.activations(video[middle, None], audio[middle, None])


class Race:
    """Run both ways on the same windows of one clip."""

    def __init__(self, models: Models, block: Block, *, windows: int, device: torch.device) -> None:
        self.models = models
        self.windows = windows
        self.device = device
        self.sync = models.sync.to(device)
        self.frames = torch.from_numpy(block.frames).permute(0, 3, 1, 2).float().to(device)
        self.sound = torch.from_numpy(np.pad(block.audio, 15 * HOP)).float().to(device)
        self.block = block

    def ours(self, precision: str) -> tuple[Features, float]:
        """Return the features of the one-pass engine, and the time that the network takes."""
        runtime = RuntimeOptions(device=str(self.device), precision=precision)
        engine = Engine(self.models.sync, self.models.projection, runtime=runtime)
        (span,) = cut_spans([self.block], max_windows=self.windows, span_windows=self.windows)
        found: list[Features] = []
        spent = seconds(lambda: found.extend(engine.run([("clip", span)])), self.device)
        return found[0], spent

    @torch.inference_mode()
    def published(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        """Yield the row, activations and time of each window; the time includes both passes."""
        for k in range(self.windows):
            started = time.perf_counter()
            row, _ = published_rows(self.sync, self.frames, self.sound, k)
            _, activation = published_rows(self.sync, self.frames, self.sound, k)
            synchronise(self.device)
            yield row.cpu(), activation.cpu(), time.perf_counter() - started


def scores(models: Models, features: Features) -> tuple[float, float]:
    decoders = models.distribution, models.activation
    _, (score,) = score_features(features, *decoders, SequencePolicy(max_len=50))
    return score.distribution_score, score.activation_score


def machine(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {os.cpu_count()} CPU cores"
    return processor()


def measure(
    windows: int, device: torch.device, console: Console, *, bf16: bool
) -> list[tuple[str, str]]:
    """Return the rows of the table, as pairs of name and value."""
    models = random_models(seed=0)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip, frames_needed(windows, models.sync.max_delay))
        started = time.perf_counter()
        with open_media(clip) as stream:
            blocks = list(stream)
        decode = time.perf_counter() - started
    block = Block(
        np.concatenate([b.frames for b in blocks]), np.concatenate([b.audio for b in blocks])
    )
    race = Race(models, block, windows=windows, device=device)
    _, warm = race.ours("float32")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    peaks = [peak_gflops(device, torch.float32)]
    console.print(f"one pass took {warm:.1f} s; the published way will take some {warm * 70:.0f} s")

    found, first = race.ours("float32")
    times, rows, activations = [first], [], []
    rough, first = race.ours("bf16") if bf16 else (None, 0.0)
    bf16_times = [first]
    spent = 0.0
    with Progress(console=console) as progress:
        task = progress.add_task("published way", total=windows)
        for k, (row, activation, took) in enumerate(race.published()):
            rows.append(row)
            activations.append(activation)
            spent += took
            progress.advance(task)
            if k % 10 == 9:  # measure ours again under the current load
                times.append(race.ours("float32")[1])
                peaks.append(peak_gflops(device, torch.float32))
                if bf16:
                    bf16_times.append(race.ours("bf16")[1])
    ours = statistics.mean(times)
    theirs = Features(
        sync_logits=torch.stack(rows).numpy(),
        projected=models.projection.cpu()(torch.cat(activations)).numpy(),
        valid_audio=found.valid_audio,
    )
    a, b = scores(models, found), scores(models, theirs)
    decoding = seconds(lambda: scores(models, found), torch.device("cpu"))

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        features = models.sync.visual.frames(race.frames[: windows + 4])
        video = models.sync.video_tokens(features)
        crops = race.sound.unfold(0, CROP_SAMPLES, HOP)[: windows + 30]
        models.sync.delay_rows(video, models.sync.audio_tokens(crops))
    gflop = counter.get_total_flops() / 1e9
    peak = max(peaks)
    out = [
        ("machine", machine(device)),
        ("versions", f"torch {torch.__version__}, Python {platform.python_version()}, {commit()}"),
        ("windows", f"{windows} of one clip, 31 delays each, float32"),
        ("published way", f"{spent:.1f} s"),
        ("one pass", f"{ours:.2f} s (mean of {len(times)} interleaved runs)"),
        ("**ratio**", f"**{spent / ours:.1f}**"),
        ("scores", f"{a[0]:.7f} and {a[1]:.7f}"),
        ("difference of scores", f"{abs(a[0] - b[0]):.1e} and {abs(a[1] - b[1]):.1e}"),
        ("work", f"{gflop / windows:.1f} GFLOP a window"),
        ("rate", f"{gflop / ours:.0f} GFLOP/s mean, {gflop / min(times):.0f} best"),
        ("peak of a 3x3x3 convolution", f"{peak:.0f} GFLOP/s best of {5 * len(peaks)}"),
        ("share of that peak", f"{gflop / min(times) / peak:.0%} (best against best)"),
        ("decoding and resizing", f"{decode:.2f} s for {len(block.frames)} frames"),
        ("both anomaly decoders", f"{decoding * 1000:.0f} ms"),
        ("peak memory of the one pass", f"{memory:.2f} GiB, torch and weights included"),
    ]
    if rough is not None:
        c, mean, best = scores(models, rough), statistics.mean(bf16_times), min(bf16_times)
        share = gflop / best / peak_gflops(device, torch.bfloat16)
        out += [
            ("bf16", f"{mean:.2f} s, {windows / 50 / mean:.2f} videos of 50 windows a second"),
            ("**bf16, ratio to the published way**", f"**{spent / mean:.1f}**"),
            ("bf16, difference of scores", f"{abs(a[0] - c[0]):.1e} and {abs(a[1] - c[1]):.1e}"),
            ("bf16, share of its peak", f"{share:.0%} (best against best)"),
        ]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=50, help="of one clip, 2 to 50")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--bf16", action="store_true", help="even without instructions for it")
    options = parser.parse_args()
    if not 2 <= options.windows <= 50:
        parser.error("--windows must be between 2 and 50")
    console = Console()
    device = resolve_device(options.device)
    bf16 = options.bf16 or device.type == "cuda" or has_bf16()
    rows = measure(options.windows, device, console, bf16=bf16)
    table = Table("what", "measured")
    for name, value in rows:
        table.add_row(name.strip("*"), value.strip("*"))
    console.print(table)
    if options.windows == 50:
        write("scoring", ("what", "measured"), rows)
        console.print(f"written to {DOCUMENT}")


if __name__ == "__main__":
    main()
