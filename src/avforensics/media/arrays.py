"""Write frames and audio from memory to a file, without loss."""

from __future__ import annotations

import os
from fractions import Fraction
from numbers import Real

import av
import numpy as np

# NumPy types -> FFmpeg sample formats; floats range from -1 to 1
SAMPLES = {"int16": "s16", "int32": "s32", "uint8": "u8", "float32": "flt", "float64": "dbl"}
CODECS = {"s16": "s16le", "s32": "s32le", "u8": "u8", "flt": "f32le", "dbl": "f64le"}
LAYOUTS = {1: "mono", 2: "stereo"}


def write_arrays(
    path: str | os.PathLike, frames: np.ndarray, fps: float, samples: np.ndarray, rate: int
) -> None:
    """Write frames and audio samples to a file, without loss.

    Parameters
    ----------
    path : str or PathLike
        Output file. Its format is NUT, which supports any frame rate.
    frames : uint8 array, (T, H, W, 3)
        Upright RGB frames.
    fps : float
        Frames per second.
    samples : array, (n,) or (n, channels) or (channels, n)
        Audio in one or two channels that starts with the first frame. The type is int16, int32,
        uint8 or float (-1 to 1).
    rate : int
        Samples per second.

    Raises
    ------
    ValueError
        An array has the wrong shape or type, or a rate is out of range.
    """
    frames = _checked_frames(frames)
    samples = _checked_samples(samples)
    fps = _checked_rate("fps", fps)
    rate = _checked_rate("rate", rate)
    if rate.denominator != 1:
        raise ValueError(f"rate must be an integer, got {float(rate)}")
    with av.open(f"file:{os.fspath(path)}", "w", format="nut") as out:
        video = out.add_stream("ffv1", rate=fps)
        video.height, video.width, video.pix_fmt = *frames.shape[1:3], "bgr0"
        video.codec_context.thread_count = 1
        kind, layout = SAMPLES[samples.dtype.name], LAYOUTS[samples.shape[1]]
        sound = out.add_stream(f"pcm_{CODECS[kind]}", rate=int(rate), layout=layout)
        heard = 0
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, 1 / fps
            out.mux(video.encode(frame.reformat(format="bgr0")))
            last = index + 1 == len(frames)
            until = len(samples) if last else round((index + 1) / fps * rate)
            until = min(until, len(samples))
            if heard < until:
                piece = np.ascontiguousarray(samples[heard:until]).reshape(1, -1)
                chunk = av.AudioFrame.from_ndarray(piece, format=kind, layout=layout)
                chunk.sample_rate = int(rate)
                chunk.pts, chunk.time_base = heard, 1 / rate
                out.mux(sound.encode(chunk))
                heard = until
        out.mux(video.encode(None))
        out.mux(sound.encode(None))


def _checked_frames(frames: np.ndarray) -> np.ndarray:
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        raise ValueError(
            f"frames must be uint8 (T, H, W, 3), RGB, got {frames.dtype} {frames.shape}"
        )
    return frames


def _checked_samples(samples: np.ndarray) -> np.ndarray:
    """Check samples and return them as (n, channels)."""
    found = np.asarray(samples)
    found = found.astype(np.float32) if found.dtype == np.float16 else found
    if found.ndim == 1:
        found = found[:, None]
    elif found.ndim == 2 and found.shape[0] in LAYOUTS and found.shape[1] not in LAYOUTS:
        found = found.T
    if found.dtype.name not in SAMPLES or found.ndim != 2 or found.shape[1] not in LAYOUTS:
        raise ValueError(
            "samples must be int16, int32, uint8 or float (n,) or (n, channels) with one or two "
            f"channels, got {np.asarray(samples).dtype} {np.shape(samples)}"
        )
    if not len(found):
        raise ValueError("samples must not be empty: a video without audio cannot be scored")
    if found.dtype.kind == "f":
        loudest = float(np.abs(found[np.isfinite(found)]).max(initial=0))
        if loudest > 2:  # resampled audio may slightly exceed 1
            raise ValueError(f"float samples must be within -1..1, got {loudest:g}")
    return found


def _checked_rate(name: str, value: float) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if not 0 < float(value) <= 1e6:
        raise ValueError(f"{name} must be > 0 and <= 1e6, got {value}")
    exact = value if isinstance(value, Fraction) else Fraction(float(value))
    return exact.limit_denominator(1001)
