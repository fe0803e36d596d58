"""The seven perturbations of the paper's Fig. 4, with the parameters of DeeperForensics-1.0.

Use ``@perturbation`` to add your own (docs/extending.md).

Perturbations act on whole RGB frames before any crop; `avforensics.media.conditions` changes audio.
As in the published code, colour arithmetic rounds down to whole grey levels, while blur and resize
round to the nearest level. Frames are streamed: only the encoder's look-ahead is held in memory.

Noise and blocks depend only on (seed, video, frame number), so the result does not depend on the
order, batch or process. All levels of a perturbation use the same random numbers.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from avforensics.fields import check_choice
from avforensics.media.writer import x264_options
from avforensics.registry import Registry

PAPER_PERTURBATIONS = ("CS", "CC", "BW", "GNC", "GB", "JPEG", "VC")
"""Perturbations of Fig. 4. Unlike ``BW_small``, ``BW`` has no effect below 256 px."""

_BLOCK, _GREY = 8, 128
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
# Factors from (b - y) and (r - y) to chroma. `gaussian_noise` uses OpenCV's inverses for YCrCb.
_CHROMA_SCALE = np.array([0.564, 0.713], dtype=np.float32)
_LUMA_RANGE, _CHROMA_RANGE = 219 / 255, 224 / 255  # 8-bit studio swing


@dataclass(frozen=True)
class Perturbation:
    """A degradation of frames, audio or both, with five levels.

    Attributes
    ----------
    title : str
        Name in tables and figures.
    levels : tuple of 5
        Parameter of each level from 1 to 5; level 0 changes nothing.
    function : callable or None
        Function that changes frames: ``(frame, p)`` or, if it uses random numbers,
        ``(frame, p, rng)`` -> frame, uint8 RGB (H, W, 3); with ``streams``,
        ``(frames, p, fps=)`` -> frames.
    sound : callable or None
        Function that changes audio: ``(pieces, p, rng)`` -> pieces, see
        `avforensics.media.conditions`.
    """

    title: str
    levels: tuple
    function: Callable | None = None
    streams: bool = False
    sound: Callable | None = None

    def __post_init__(self) -> None:
        if len(self.levels) != 5:
            raise ValueError(
                f"{self.title}: a perturbation must have 5 levels, got {len(self.levels)}"
            )

    @property
    def random(self) -> bool:
        """True if the function uses random numbers."""
        return len(inspect.signature(self.function).parameters) == 3


PERTURBATIONS: Registry[Perturbation] = Registry("perturbation")


def perturbation(
    name: str, *, title: str, levels: Sequence[float], streams: bool = False
) -> Callable[[Callable], Callable]:
    """Decorator that registers a function as a perturbation; parameters as in `Perturbation`.

    Select a registered function with ``evaluate robustness.perturbations=[NAME]`` or
    ``edit=NAME=3``.
    """

    def add(function: Callable) -> Callable:
        PERTURBATIONS.add(name, Perturbation(title, tuple(levels), function, streams))
        return function

    return add


def perturb(
    frames: Iterable[np.ndarray],
    name: str,
    level: int,
    *,
    seed: int = 0,
    video: str = "",
    fps: float | Fraction = 25,
) -> Iterator[np.ndarray]:
    """Apply a perturbation to a stream of frames.

    Parameters
    ----------
    frames : iterable of uint8 array, (H, W, 3), RGB
        Frames in order, all of the same size. They are not changed in place.
    name : str
        A key of :data:`PERTURBATIONS`.
    level : int
        Level from 0 to 5; 0 changes nothing.
    video : str
        Name of the video (its path in the manifest), from which ``GNC`` and ``BW`` derive their
        random numbers.
    fps : float or Fraction
        Frame rate for the encoder of ``VC``.

    Returns
    -------
    iterator of uint8 array, (H, W, 3)
        One changed frame for each input frame.

    Raises
    ------
    ValueError
        The perturbation or level does not exist.
    """
    check_choice("perturbation", name, PERTURBATIONS, error=ValueError)
    if level not in range(6):
        raise ValueError(f"level must be an integer from 0 to 5, got {level!r}")
    chosen = PERTURBATIONS[name]
    if level == 0 or chosen.function is None:
        return iter(frames)
    parameter = chosen.levels[level - 1]
    if chosen.streams:
        return chosen.function(frames, parameter, fps=fps)
    if chosen.random:
        return (
            chosen.function(frame, parameter, frame_rng(seed, video, index))
            for index, frame in enumerate(frames)
        )
    return (chosen.function(frame, parameter) for frame in frames)


def frame_rng(seed: int, video: str, index: int) -> np.random.Generator:
    """Create the random generator for one frame of a video."""
    text = f"{seed}\0{video}\0{index}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


@perturbation("CS", title="colour saturation", levels=(0.4, 0.3, 0.2, 0.1, 0.0))
def saturation(frame: np.ndarray, p: float) -> np.ndarray:
    """CS: move the chroma of YCbCr towards its midpoint, ``c -> 0.5 + (c - 0.5) * p``.

    YCbCr is linear in RGB, so this moves each pixel towards its own luma.
    """
    rgb = frame.astype(np.float32)
    luma = (rgb @ _LUMA)[..., None]
    return _to_uint8(luma + p * (rgb - luma))


@perturbation("CC", title="colour contrast", levels=(0.85, 0.725, 0.6, 0.475, 0.35))
def contrast(frame: np.ndarray, p: float) -> np.ndarray:
    """CC: multiply every value by ``p``; this also darkens the frame."""
    return _to_uint8(frame.astype(np.float32) * np.float32(p))


@perturbation("BW", title="block-wise", levels=(16, 32, 48, 64, 80))
def block_wise(frame: np.ndarray, p: float, rng: np.random.Generator) -> np.ndarray:
    """BW: draw ``min(h, w) // 256 * p`` grey 8 x 8 blocks at random positions."""
    return _blocks(frame, min(frame.shape[:2]) // 256 * int(p), rng)


@perturbation("BW_small", title="block-wise, also in small frames", levels=(16, 32, 48, 64, 80))
def block_wise_small(frame: np.ndarray, p: float, rng: np.random.Generator) -> np.ndarray:
    """BW_small: draw ``max(1, min(h, w) // 256) * p`` blocks, at least ``p`` in any frame."""
    return _blocks(frame, max(1, min(frame.shape[:2]) // 256) * int(p), rng)


@perturbation("GNC", title="Gaussian noise", levels=(0.001, 0.002, 0.005, 0.01, 0.05))
def gaussian_noise(frame: np.ndarray, p: float, rng: np.random.Generator) -> np.ndarray:
    """GNC: add noise with standard deviation ``sqrt(p)`` of full scale to Y, Cb and Cr; clip.

    As published, the noise is scaled for 8-bit studio YCbCr (Y has 219 levels, chroma 224). After
    conversion to RGB, the standard deviation of the luma noise is ``255 / 219 * sqrt(p)`` of full
    scale.
    """
    rgb = frame.astype(np.float32)
    luma = rgb @ _LUMA
    chroma = (rgb[..., [2, 0]] - luma[..., None]) * _CHROMA_SCALE
    noise = rng.standard_normal(frame.shape, dtype=np.float32) * np.float32(255 * np.sqrt(p))
    luma = luma + noise[..., 0] / _LUMA_RANGE
    blue, red = np.moveaxis(chroma + noise[..., 1:] / _CHROMA_RANGE, -1, 0)
    noisy = np.stack([luma + 1.403 * red, luma - 0.714 * red - 0.344 * blue, luma + 1.773 * blue])
    return _to_uint8(np.moveaxis(noisy, 0, -1))


@perturbation("GB", title="Gaussian blur", levels=(7, 9, 13, 17, 21))
def gaussian_blur(frame: np.ndarray, p: float) -> np.ndarray:
    """GB: blur with a ``p`` x ``p`` Gaussian of sigma ``p / 6``; mirror frames at their edges."""
    from scipy.ndimage import correlate1d  # slow import, not needed for scoring

    half = int(p) // 2
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / (p / 6)) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    blurred = frame.astype(np.float32)
    for axis in (0, 1):
        blurred = correlate1d(blurred, taps, axis, mode="mirror")
    return _to_uint8(blurred + 0.5)


@perturbation("JPEG", title="pixelation", levels=(2, 3, 4, 5, 6))
def pixelation(frame: np.ndarray, p: float) -> np.ndarray:
    """JPEG: resize to ``1 / p`` of the size and back, bilinearly; JPEG itself is not used.

    As published, there is no antialiasing, pixel centres are aligned, and each resize is followed
    by rounding.
    """
    height, width = frame.shape[:2]
    small = _bilinear(frame, max(1, height // int(p)), max(1, width // int(p)))
    return _bilinear(small, height, width)


@perturbation("VC", title="video compression", levels=(30, 32, 35, 38, 40), streams=True)
def video_compression(
    frames: Iterable[np.ndarray],
    crf: float,
    *,
    fps: float | Fraction = 25,
    preset: str = "medium",
) -> Iterator[np.ndarray]:
    """VC: compress with H.264 (libx264, 4:2:0) at a constant rate factor, in memory.

    The encoder uses one thread, so that the result does not depend on the number of cores. It needs
    even sizes, so the last row or column of an odd size is repeated and later removed.
    """
    encoder, decoder = None, av.CodecContext.create("h264", "r")
    height = width = 0
    for index, frame in enumerate(frames):
        if encoder is None:
            height, width = frame.shape[:2]
            rate = Fraction(fps).limit_denominator(1001)
            encoder = _encoder(height, width, rate, x264_options(int(crf), preset))
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(even, format="rgb24")
        picture.pts = index
        for packet in encoder.encode(picture):
            yield from _decoded(decoder, packet, height, width)
    if encoder is not None:
        for packet in [*encoder.encode(None), None]:
            yield from _decoded(decoder, packet, height, width)


def _encoder(
    height: int, width: int, fps: Fraction, options: dict[str, str]
) -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = width + width % 2, height + height % 2
    encoder.pix_fmt = "yuv420p"
    encoder.framerate, encoder.time_base = fps, 1 / fps
    encoder.thread_count = 1
    encoder.options = options
    return encoder


def _decoded(decoder, packet, height: int, width: int) -> Iterator[np.ndarray]:
    for picture in decoder.decode(packet):
        yield picture.to_ndarray(format="rgb24")[:height, :width]


def _blocks(frame: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    covered = frame.copy()
    height, width = frame.shape[:2]
    tops = rng.integers(0, max(1, height - _BLOCK), count)
    lefts = rng.integers(0, max(1, width - _BLOCK), count)
    for top, left in zip(tops, lefts, strict=True):
        covered[top : top + _BLOCK, left : left + _BLOCK] = _GREY
    return covered


def _bilinear(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, down = _between(frame.shape[0], height)
    columns, right = _between(frame.shape[1], width)
    down, right = down[:, None, None], right[None, :, None]
    source = frame.astype(np.float32)
    lines = source[rows] * (1 - down) + source[np.minimum(rows + 1, len(source) - 1)] * down
    after = np.minimum(columns + 1, frame.shape[1] - 1)
    return _to_uint8(lines[:, columns] * (1 - right) + lines[:, after] * right + 0.5)


def _between(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the old pixel before each new centre, and their distance (0 to 1)."""
    centres = np.clip((np.arange(new_size) + 0.5) * size / new_size - 0.5, 0, size - 1)
    before = np.floor(centres).astype(np.intp)
    return before, (centres - before).astype(np.float32)


def _to_uint8(values: np.ndarray) -> np.ndarray:
    # The small offset turns values such as 99.99999 into 100.
    return np.clip(values + 1e-3, 0, 255).astype(np.uint8)
