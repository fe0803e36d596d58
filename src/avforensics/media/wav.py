"""Read and write mono int16 WAV files, such as the audio files next to clips."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from avforensics.errors import MediaError
from avforensics.files import atomic_path
from avforensics.media.types import SAMPLE_RATE


def write_wav(
    path: str | os.PathLike, audio: np.ndarray, *, sample_rate: int = SAMPLE_RATE
) -> None:
    """Write mono audio as a WAV file, atomically.

    Parameters
    ----------
    path : str or PathLike
        Output file. Its folder is created if it is missing.
    audio : int16 array, (samples,)
    sample_rate : int
        Samples per second.

    Raises
    ------
    ValueError
        ``audio`` is not int16 mono.
    """
    if audio.ndim != 1 or audio.dtype != np.int16:
        raise ValueError(f"audio must be int16 (samples,), got {audio.dtype} {audio.shape}")
    with atomic_path(path) as partial, wave.open(str(partial), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(audio.astype("<i2").tobytes())


def read_wav(
    path: str | os.PathLike,
    start: int = 0,
    count: int | None = None,
) -> np.ndarray:
    """Read all or part of a mono int16 WAV file.

    Parameters
    ----------
    start : int
        Index of the first sample to read.
    count : int, optional
        Number of samples; None = to the end.

    Returns
    -------
    int16 array, (samples,)
        Shorter than ``count`` at the end of the file.

    Raises
    ------
    MediaError
        The file is missing, is not a WAV file, or has a different rate, width or number of
        channels.
    """
    with _opened(path) as file:
        samples = file.getnframes()
        start = min(start, samples)
        file.setpos(start)
        data = file.readframes(samples - start if count is None else count)
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16, copy=False)


def wav_samples(path: str | os.PathLike) -> int:
    """Read the number of samples of a mono int16 WAV file from its header.

    Raises
    ------
    MediaError
        As in `read_wav`.
    """
    with _opened(path) as file:
        return file.getnframes()


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[wave.Wave_read]:
    try:
        with wave.open(str(path), "rb") as file:
            found = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            if found != (1, 2, SAMPLE_RATE):
                raise MediaError(path, f"not a mono 16-bit WAV file of {SAMPLE_RATE} Hz")
            yield file
    except FileNotFoundError:
        raise MediaError(path, "no such file") from None
    except (wave.Error, EOFError, OSError) as error:
        raise MediaError(path, f"not a readable WAV file ({error})") from None
