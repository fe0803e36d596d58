"""Synthetic feature stores of clips whose delay drifts as slowly as in real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tiny_network import tiny_sync

from avforensics.checkpoints import Models, save_bundle
from avforensics.checkpoints.states import network_digest
from avforensics.features.shards import Extracted, ShardWriter, read_clips
from avforensics.features.store import Entry, StoreInfo, write_index, write_info


def clip_features(
    number: int, windows: int, *, tau: int, width: int, jump: bool = False
) -> dict[str, np.ndarray]:
    """Make rows with one clear delay, and activations that drift; ``jump`` makes both erratic."""
    rng = np.random.default_rng(number)
    delay = rng.integers(-1, 2) + np.zeros(windows)
    drift = rng.normal(size=(1, 4)) + 0.1 * rng.normal(size=(windows, 4)).cumsum(0)
    if jump:
        delay += rng.integers(-tau + 1, tau, windows)
        drift = rng.normal(size=(windows, 4))
    index = np.arange(-tau, tau + 1)
    logits = -((index - delay[:, None]) ** 2) + 0.3 * rng.normal(size=(windows, 2 * tau + 1))
    mixing = np.random.default_rng(99).normal(size=(4, 2 * width))
    activations = 20 * drift @ mixing + rng.normal(size=(windows, 2 * width))
    return {
        "sync_logits": logits.astype(np.float32),
        "valid_audio": np.ones(windows, bool),
        "activations": activations.astype(np.float32),
    }


def write_store(
    folder: Path,
    *,
    real: dict[str, int],
    fake: int = 0,
    windows: int = 12,
    tau: int = 3,
    width: int = 6,
    valid_audio: slice = slice(None),
) -> Path:
    """Write a store of ``real`` clips by split, and ``fake`` test clips whose delay jumps.

    ``valid_audio`` selects the windows with real sound at all delays.
    """
    sync = tiny_sync(tau=tau, width=width)
    save_bundle(folder / "sync.safetensors", Models(sync=sync, notice="Made of numbers."))
    sizes = {"max_delay": tau, "activation_width": 2 * width, "max_windows": None}
    kind = {"activations": "float32", "precision": "float32", "notice": "Made of numbers."}
    info = StoreInfo(network=network_digest(sync), **sizes, **kind)
    kinds = [(split, 0) for split, count in real.items() for _ in range(count)]
    kinds += [("test", 1)] * fake
    with ShardWriter(folder) as writer:
        for number, (_, label) in enumerate(kinds):
            length = windows - 3 * (number % 5 == 4)  # every fifth is shorter
            found = clip_features(number, length, tau=tau, width=width, jump=bool(label))
            found["valid_audio"] = np.isin(np.arange(length), np.arange(length)[valid_audio])
            writer.add(Extracted(key=str(number), size=1, mtime_ns=1), **found)
    write_info(folder, info)
    clips, _ = read_clips(folder)
    entries = [
        Entry(path=f"/c{n}.mp4", label=label, split=split, identity=f"id{n}", clip=clips[str(n)])
        for n, (split, label) in enumerate(kinds)
    ]
    write_index(folder, entries)
    return folder
