"""Interfaces that a custom class must implement to replace a built-in one.

Each protocol describes one exchangeable part. A class must be an ``nn.Module`` decorated with
``@register`` and have the protocol's attributes and methods; no other base class is needed. Shapes:
B batch, T frames, N windows of five frames, M audio crops (3200 samples), P pairs, C channels, D
values per token or row, L windows per sequence. Gradients must flow through every method that
returns a tensor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from torch import Tensor, nn


def missing(part: object, protocol: type) -> list[str]:
    """Return the names in a protocol that a class or object lacks."""
    names = dict.fromkeys([*protocol.__annotations__, *vars(protocol)])
    return [name for name in names if name[0] != "_" and not hasattr(part, name)]


def require(part: nn.Module, protocol: type, role: str) -> None:
    """Check that a part implements a protocol.

    Raises
    ------
    TypeError
        The part lacks some names of the protocol; the message lists them.
    """
    if lacking := missing(part, protocol):
        raise TypeError(
            f"{type(part).__name__} cannot be the {role}: it lacks {', '.join(lacking)} "
            f"(see avforensics.models.protocols.{protocol.__name__})"
        )


class VisualProtocol(Protocol):
    """Visual encoder, such as `VisualEncoder`: frames to one feature map per window.

    Attributes
    ----------
    pad_time : bool
        If True, windows are encoded separately, into any number of time steps. If False,
        ``windows`` slides over a run of frames and returns one time step per window, which is
        cheaper.
    """

    pad_time: bool

    def frames(self, frames: Tensor) -> Tensor:
        """Encode single frames, (T, 3, H, W) float RGB in 0..255 -> (T, C, h, w).

        This runs once per frame, however many windows contain the frame.
        """

    def windows(self, windows: Tensor) -> Tensor:
        """Encode windows of frame features, (B, C, T, h, w) -> (B, C', T', h', w').

        With ``pad_time``, T is 5 and T' is what the fusion expects. Without it, T >= 5
        and T' = T - 4.
        """


class AudioProtocol(Protocol):
    """Audio encoder, such as `AudioEncoder`: log-mel crops to features."""

    def __call__(self, log_mel: Tensor) -> Tensor:
        """Encode crops of 200 ms, (M, 1, 80, 20) -> (M, C, t)."""


class FusionProtocol(Protocol):
    """Fusion, such as `FusionTransformer`: how well a window and a crop match.

    Attributes
    ----------
    width : int
        Number of values per token, D; an activation vector has 2 * D values.
    """

    width: int

    def video_tokens(self, features: Tensor) -> Tensor:
        """Convert the visual encoder's output to tokens, (B, C', T', h', w') -> (B, Tv, D)."""

    def audio_tokens(self, features: Tensor) -> Tensor:
        """Convert the audio encoder's output to tokens, (M, C, t) -> (M, Ta, D)."""

    def __call__(self, video: Tensor, audio: Tensor) -> Tensor:
        """Compute the logits of pairs, (P, Tv, D) and (P, Ta, D) -> (P,)."""

    def all_pairs(
        self, video: Tensor, audio: Tensor, *, chunk: int = 256, recompute: bool = False
    ) -> Tensor:
        """Compute the logits of all pairs in each group, (G, N, Tv, D), (G, M, Ta, D) -> (G, N, M).

        ``chunk`` is the number of pairs per pass; ``recompute`` saves memory in the backward pass.
        """


class SyncProtocol(Protocol):
    """A whole synchronisation network. `SyncNetwork` combines the three parts above.

    Attributes
    ----------
    visual, audio, fusion : Module
        Parts of the network.
    size : int
        Side of the square input frames in pixels.
    crop : tuple of float or None
        Part of the upright frame that the network was trained on (left, top, right, bottom as
        fractions).
    max_delay, n_delays : int
        Maximum delay tau in frames, and number of delays per row, 2 * tau + 1.
    activation_width : int
        Length of an activation vector.
    """

    visual: nn.Module
    audio: nn.Module
    fusion: nn.Module
    size: int
    crop: tuple[float, float, float, float] | None
    max_delay: int
    n_delays: int
    activation_width: int

    def video_tokens(
        self, features: Tensor, starts: Tensor | None = None, *, chunk: int = 8
    ) -> Tensor:
        """Compute tokens of windows from a run of frame features, (T, C, h, w) -> (N, Tv, D)."""

    def audio_tokens(self, crops: Tensor) -> Tensor:
        """Compute tokens of audio crops, (M, 3200) int16-scaled -> (M, Ta, D)."""

    def delay_rows(
        self, video: Tensor, audio: Tensor, starts: Tensor | None = None, *, chunk: int = 8
    ) -> Tensor:
        """Compute logits of each window's delays, (N, Tv, D), (M, Ta, D) -> (N, 2 * tau + 1)."""

    def activations(self, video: Tensor, audio: Tensor) -> Tensor:
        """Compute activation vectors of pairs at zero delay, (N, Tv, D), (N, Ta, D) -> (N, A)."""


class DecoderProtocol(Protocol):
    """Autoregressive decoder of rows, such as `CleanDecoder`.

    The constructor takes ``inputs`` and ``outputs``, the widths of a row and of its prediction, and
    ``positions``, the maximum input length.

    Attributes
    ----------
    row_width : int
        Width of a row, ``inputs``.
    max_len : int
        Maximum number of windows per sequence, ``positions + 1`` or more.
    """

    row_width: int
    max_len: int | float

    def __call__(self, rows: Tensor) -> Tensor:
        """Predict row t + 1 at step t, from rows 0..t: (B, L, inputs) -> (B, L, outputs)."""


class ObjectiveProtocol(Protocol):
    """Objective, which defines a decoder's input and its prediction error; see `NextRow`.

    Attributes
    ----------
    reads : str
        ``"logits"`` = rows of delay logits, ``"activations"`` = projected activations.
    """

    reads: str

    def decoder_sizes(self, width: int, max_len: int) -> dict[str, int]:
        """Return a decoder's arguments for ``max_len`` rows of ``width`` values."""

    def windows(self, decoder: DecoderProtocol) -> int | float:
        """Return the maximum number of windows per sequence for a decoder."""

    def row_width(self, decoder: DecoderProtocol) -> int:
        """Return the number of values in each row of features scored with a decoder."""

    def fit(self, rows: Iterable[Tensor]) -> None:
        """Fit parameters without gradients, before training; ``rows``: (n, D) for each clip."""

    def judge(self, decoder: DecoderProtocol, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Return losses and predictions after the first row, (B, L, D) -> (B, L-1), (B, L-1, D)."""


class AnomalyProtocol(Protocol):
    """A whole anomaly model: a decoder with an objective (`AnomalyModel`), or `NaiveBayes`.

    Attributes
    ----------
    reads : str
        As in `ObjectiveProtocol`.
    row_width : int
        Values per row of features.
    max_len : int or float
        Maximum number of windows per sequence; infinite if windows are scored separately.
    """

    reads: str
    row_width: int
    max_len: int | float

    def fit(self, rows: Iterable[Tensor]) -> None:
        """As in `ObjectiveProtocol`."""

    def __call__(self, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Return step losses and predictions, (B, L, D) -> (B, L - 1) and (B, L - 1, D)."""


class FeatureProtocol(Protocol):
    """Feature computed from activation vectors, such as `Projection` (PCA).

    The constructor takes ``inputs`` (A) and ``outputs`` (D).

    Attributes
    ----------
    inputs, outputs : int
        Length A of an activation vector and length D of the feature.
    linear : bool
        Whether the feature is an affine map; ``data.shift`` can then shift the audio without
        recomputing the feature.
    """

    inputs: int
    outputs: int
    linear: bool

    @classmethod
    def fit(
        cls, activations: Tensor, *, outputs: int, used: int | None = None, seed: int = 0
    ) -> FeatureProtocol:
        """Fit to activations of real training videos, (N, A), before the anomaly model is trained.

        If ``used`` is given, only the first ``used`` values (the video half) contribute.

        Raises
        ------
        ValueError
            There are too few activations.
        """

    def __call__(self, activations: Tensor) -> Tensor:
        """Compute the feature, (N, A) -> (N, D), float32, of each row independently."""
