"""Log-mel against the textbook formula, computed here with numpy."""

import numpy as np
import torch

from avforensics.models.logmel import LogMel


def _slaney_hz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


def _slaney_banks():
    """Make 80 triangles of unit area between 0 and 8000 Hz, (80, 257)."""
    highest = 15 + 27 * np.log(8000 / 1000) / np.log(6.4)
    edges = _slaney_hz(np.linspace(0, highest, 82))
    hz = np.linspace(0, 8000, 257)
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.clip(np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid)), 0, None)
    return triangles * 2 / (high - low)


def _log_mel(crop):
    padded = np.pad(crop.astype(np.float64), 256, mode="reflect")
    hann = np.zeros(512)
    hann[96:416] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320)
    frames = np.stack([padded[160 * t : 160 * t + 512] * hann for t in range(20)])
    magnitude = np.abs(np.fft.rfft(frames)).T  # (257, 20)
    return np.log(_slaney_banks() @ magnitude + 1e-20)


def test_equals_the_formula():
    rng = np.random.default_rng(0)
    crops = rng.integers(-20_000, 20_000, (3, 3200)).astype(np.float32)
    ours = LogMel()(torch.from_numpy(crops))
    assert ours.shape == (3, 1, 80, 20)
    expected = np.stack([_log_mel(crop) for crop in crops])
    np.testing.assert_allclose(ours[:, 0], expected, atol=1e-4)


def test_silence_is_the_floor():
    silence = LogMel()(torch.zeros(1, 3200))
    np.testing.assert_allclose(silence, np.log(1e-20), rtol=1e-6)
