"""Read arrays from an untrusted scikit-learn pickle, without scikit-learn.

A pickle can call any function it names. Here, names map only to inert stand-ins: numpy arrays and
scalars are rebuilt from their raw bytes, scikit-learn objects become ``Record`` (their attributes),
and any other name stops the reader before anything is called. Supports pickle protocols 2 to 5, as
written by scikit-learn 1.0 to 1.9 with numpy 1 and 2.
"""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.checkpoints.states import check_weight_file
from avforensics.errors import CheckpointError


class Record:
    """The attributes of a scikit-learn object, without its class."""

    def __init__(self, *_: Any) -> None:
        self.fields: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("an object's state is not a dictionary")
        self.fields = state


class _DType:
    """Stand-in for numpy.dtype that supports plain numbers: a kind, a size and a byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[biuf][1248]", code):
            raise pickle.UnpicklingError(f"an array of type {code!r} is not an array of numbers")
        self.numpy = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.numpy = self.numpy.newbyteorder(state[1])


class _Array:
    """Stand-in for numpy.ndarray; ``values`` is set once the bytes have been read."""

    values: np.ndarray

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, raw = state
        self.values = _from_bytes(raw, dtype, shape, "F" if fortran else "C")


def _from_bytes(raw: Any, dtype: _DType, shape: tuple, order: str) -> np.ndarray:
    if not isinstance(dtype, _DType) or not isinstance(raw, bytes | bytearray):
        raise pickle.UnpicklingError("an array's content is not raw numbers")
    if len(raw) != (needed := math.prod(shape) * dtype.numpy.itemsize):
        raise pickle.UnpicklingError(
            f"an array of shape {shape} has {len(raw)} bytes, expected {needed}"
        )
    return np.frombuffer(raw, dtype.numpy).reshape(shape, order=order).copy()


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(raw: Any, dtype: _DType, shape: tuple, order: str, *_: Any) -> _Array:
    array = _Array()
    array.values = _from_bytes(raw, dtype, shape, order)
    return array


def _scalar(dtype: _DType, raw: Any) -> Any:
    return _from_bytes(raw, dtype, (), "C").item()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Restore bytes, which pickles of protocol 2 and below store as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}
for _core in ("numpy.core", "numpy._core"):  # before and since numpy 2
    _STAND_INS[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _STAND_INS[f"{_core}.multiarray", "scalar"] = _scalar
    _STAND_INS[f"{_core}.numeric", "_frombuffer"] = _frombuffer


class _ForbiddenGlobal(Exception):
    """The pickle names something outside numpy and scikit-learn."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        if module.partition(".")[0] == "sklearn":
            return type(name, (Record,), {})
        raise _ForbiddenGlobal(f"{module}.{name}")


def read_pickle(path: Path) -> Any:
    """Read a pickle of scikit-learn objects.

    Returns
    -------
    Record, list, tuple, dict or number
        Use ``array_of`` on the fields of a ``Record``.

    Raises
    ------
    CheckpointError
        The file is missing or damaged, or names anything but numbers and scikit-learn classes.
        No function that the pickle names is called.
    """
    check_weight_file(path)
    try:
        with path.open("rb") as file:
            return _ArrayUnpickler(file).load()
    except _ForbiddenGlobal as error:
        raise CheckpointError(
            f"{path}: rejected: the pickle asks for {error}, which a PCA does not need"
        ) from None
    except Exception as error:  # damaged pickles raise nearly every type of error
        raise CheckpointError(f"{path}: truncated, damaged or not a pickle ({error})") from None


def array_of(record: Record, name: str) -> np.ndarray | None:
    """Return an array attribute of a record, or None if it is absent or None."""
    value = record.fields.get(name)
    return value.values if isinstance(value, _Array) else None
