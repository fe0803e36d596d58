"""Check that this machine decodes and scores a bundled clip correctly, using golden values."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from avforensics.checkpoints import load_models
from avforensics.checkpoints.locate import SHIPPED
from avforensics.checkpoints.states import network_digest
from avforensics.errors import AVForensicsError
from avforensics.files import atomic_path
from avforensics.media.clips import ClipReader
from avforensics.media.reader import open_media
from avforensics.media.types import MediaOptions
from avforensics.scoring.extractor import FeatureExtractor
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.source import Clip

ASSETS = Path(str(resources.files("avforensics"))) / "assets"
CLIP, VALUES = ASSETS / "selfcheck.mp4", ASSETS / "selfcheck.safetensors"
SOUND_LEVELS = 2  # largest difference in levels (of 65,536); the order of sums affects rounding
LOGITS = {"cpu": 1e-3, "cuda": 2e-2}  # largest differences; TF32 convolutions differ by < 1e-2
SIZE = 96  # side in pixels of the clip's frames and of the shipped network's input


@dataclass(frozen=True)
class Golden:
    """Measurements of the clip.

    Attributes
    ----------
    frames : str
        SHA-256 of all frames, (T, 96, 96, 3) uint8 RGB.
    sound : int16 array, (T * 640,)
        Audio, mono, 16 kHz.
    logits : float32 array, (T - 4, 31)
        Logits computed with the shipped weights on the CPU in float32.
    network : str
        Digest of the shipped weights.
    """

    frames: str
    sound: np.ndarray
    logits: np.ndarray
    network: str


@dataclass(frozen=True)
class Finding:
    """One finding of the check.

    Attributes
    ----------
    changes_scores : bool
        Whether scores on this machine differ from scores on other machines.
    """

    what: str
    found: str
    changes_scores: bool = False


def decoded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Decode frames, uint8 (T, 96, 96, 3), and audio, int16 (T * 640,), as `detect` does."""
    with open_media(path, MediaOptions(size=SIZE)) as stream:
        blocks = list(stream)
    return (
        np.concatenate([block.frames for block in blocks]),
        np.concatenate([block.audio for block in blocks]),
    )


def logits_of(path: Path, device: str) -> tuple[np.ndarray, str]:
    """Compute the logits of all windows, (T - 4, 31) float32, and the digest of the weights."""
    models = load_models({"asset": SHIPPED, "search": False}, parts=["sync"])
    runtime = RuntimeOptions(device=device)
    extractor = FeatureExtractor(models.sync, runtime=runtime, measure=False)
    (found,) = extractor.extract([Clip(path)])
    if found.features is None:
        raise AVForensicsError(f"{path}: {found.error}")
    return found.features.sync_logits, network_digest(models.sync)


def measure(path: Path) -> Golden:
    """Measure a clip on this machine."""
    frames, sound = decoded(path)
    logits, network = logits_of(path, "cpu")
    return Golden(sha256(frames.tobytes()).hexdigest(), sound, logits, network)


def save(values: Golden) -> None:
    """Write the golden values into the package."""
    arrays = {"sound": values.sound, "logits": values.logits.astype(np.float32)}
    texts = {"frames": values.frames, "network": values.network}
    with atomic_path(VALUES) as partial:
        save_file(arrays, partial, metadata=texts)


def load() -> Golden:
    """Load the golden values from the package."""
    with safe_open(VALUES, framework="numpy") as file:
        texts = file.metadata()
        arrays = {name: file.get_tensor(name) for name in ("sound", "logits")}
    return Golden(frames=texts["frames"], network=texts["network"], **arrays)


def compare(cuda: bool = False) -> list[Finding]:
    """Decode and score the clip with every installed reader, and compare with golden values.

    Parameters
    ----------
    cuda : bool
        Whether to score the clip on the GPU as well.
    """
    golden = load()
    frames, sound = decoded(CLIP)
    same = sha256(frames.tobytes()).hexdigest() == golden.frames
    findings = [Finding("frames by PyAV", "as expected" if same else "pixels differ", not same)]
    findings.append(_compare_decord(frames))
    findings.append(_compare_sound(sound, golden.sound))
    for device in ("cpu", "cuda") if cuda else ("cpu",):
        logits, network = logits_of(CLIP, device)
        if network != golden.network:
            findings.append(Finding("shipped weights", "differ from the release", True))
        findings.append(_compare_logits(device, logits, golden.logits))
    return findings


def _compare_logits(device: str, logits: np.ndarray, expected: np.ndarray) -> Finding:
    what = f"logits on {device}"
    if logits.shape != expected.shape:
        return Finding(what, f"{len(logits)} windows instead of {len(expected)}", True)
    apart = float(np.abs(logits - expected).max())
    found = f"differ by at most {apart:.2g} ({LOGITS[device]:g} is allowed)"
    return Finding(what, found, not apart <= LOGITS[device])


def _compare_decord(frames: np.ndarray) -> Finding:
    what = "frames by decord"
    if find_spec("decord") is None:
        return Finding(what, "not installed; PyAV reads clips more slowly")
    reader = ClipReader(CLIP)
    if reader.reader != "decord":
        return Finding(what, f"not usable here; {reader.reader} reads clips")
    if reader.n_frames > len(frames):
        return Finding(what, f"{reader.n_frames} frames instead of PyAV's {len(frames)}", True)
    apart = frames[: reader.n_frames].astype(int) - reader.frames(0, reader.n_frames)
    levels = int(np.abs(apart).max())
    found = f"differ from PyAV's by up to {levels} levels" if levels else "as PyAV's"
    return Finding(what, found, levels > 0)


def _compare_sound(sound: np.ndarray, expected: np.ndarray) -> Finding:
    what = "sound, 44.1 kHz to 16 kHz"
    if len(sound) != len(expected):
        return Finding(what, f"{len(sound)} samples instead of {len(expected)}", True)
    levels = int(np.abs(sound.astype(int) - expected).max())
    found = f"differs by at most {levels} of 65,536 levels ({SOUND_LEVELS} are allowed)"
    return Finding(what, found, levels > SOUND_LEVELS)
