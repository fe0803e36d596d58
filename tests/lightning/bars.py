"""Clips in which a bar follows the loudness of the sound, and a tiny network for them."""

from pathlib import Path

import numpy as np

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.lightning.callbacks import checkpoint
from avforensics.media.types import HOP
from avforensics.media.wav import write_wav
from avforensics.media.writer import write_clip

SIZE, FRAMES = 32, 36
# A network with a few thousand parameters. It has at least 8 channels: for fewer channels in
# channels-last format, oneDNN's gradient of a strided 1x1 convolution is wrong on AVX2 and writes
# past its memory.
TINY = [
    "model=small",
    f"model.size={SIZE}",
    "model.visual.widths=[8,8,8,8]",
    "model.audio.widths=[8,8,8,8,8,8,8]",
    "model.fusion.video_width=8",
    "model.fusion.audio_width=8",
    "model.fusion.plane=1",
    "model.fusion.width=8",
]


def loud_bar(seed: int, frames: int = FRAMES, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Make noise, and frames with a bar whose height is the loudness of the noise."""
    random = np.random.default_rng(seed)
    loudness = random.random(frames) ** 2
    pictures = np.full((frames, size, size, 3), 40, np.uint8)
    for picture, level in zip(pictures, loudness, strict=True):
        picture[size - 1 - int(level * (size - 2)) :, size // 4 : -size // 4] = 220
    noise = random.normal(0, 6000, frames * HOP) * np.repeat(loudness + 0.01, HOP)
    return pictures, noise.clip(-32000, 32000).astype(np.int16)


def write_bars(folder: Path, splits: dict[str, int]) -> Path:
    """Write clips, each with its own identity, and their manifest."""
    rows = []
    for split, count in splits.items():
        for _ in range(count):
            number = len(rows)
            path = folder / f"clip{number:02d}.mp4"
            pictures, sound = loud_bar(number)
            write_clip(path, pictures, sound, crf=10)
            write_wav(path.with_suffix(".wav"), sound)
            rows.append(Row(str(path), 0, identity=f"id{number:02d}", split=split))
    Manifest(rows).write(folder / "manifest.csv")
    return folder / "manifest.csv"


class Kill(Exception):
    """Stand-in for SIGKILL, to which no code of the run reacts."""


REAL_END = checkpoint.PeriodicCheckpoint.on_train_batch_end


def die_at(step: int | None, patch) -> None:
    """Make training die after ``step`` optimiser steps; None = let it finish."""

    def on_train_batch_end(self, trainer, *args):
        REAL_END(self, trainer, *args)
        if trainer.global_step == step:
            raise Kill

    patch.setattr(checkpoint.PeriodicCheckpoint, "on_train_batch_end", on_train_batch_end)
