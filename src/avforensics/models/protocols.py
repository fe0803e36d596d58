"""Interfaces that a class of your own must implement to replace one of ours.

Each protocol describes one exchangeable part. A class needs no base class of ours, only the names
in a protocol; it must be an ``nn.Module`` decorated with ``@register``. Shapes: B batch, T frames,
N windows of five frames, M audio crops (3200 samples), P pairs, C channels, D values per token or
row, L windows per sequence. Gradients must flow through every method that returns a tensor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from torch import Tensor, nn


def missing(part: object, protocol: type) -> list[str]:
    """Names of a protocol that a class or object lacks."""
    names = dict.fromkeys([*protocol.__annotations__, *vars(protocol)])
    return [name for name in names if name[0] != "_" and not hasattr(part, name)]


def require(part: nn.Module, protocol: type, role: str) -> None:
    """Check that a part implements a protocol.

    Raises
    ------
    TypeError
        The part lacks names, which the message lists.
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
        True: windows are encoded separately, into any number of time steps. False: ``windows``
        slides over a run of frames and gives one time step per window, which is cheaper.
    """

    pad_time: bool

    def frames(self, frames: Tensor) -> Tensor:
        """Encode single frames, (T, 3, H, W) float RGB in 0..255 -> (T, C, h, w).

        Runs once per frame, however many windows contain it.
        """

    def windows(self, windows: Tensor) -> Tensor:
        """Encode windows, (B, C, T, h, w) outputs of ``frames`` -> (B, C', T', h', w').

        With ``pad_time``, T is 5 and T' is what the fusion expects. Without it, T >= 5
        and T' = T - 4.
        """


class AudioProtocol(Protocol):
    """Audio encoder, such as `AudioEncoder`: log-mel crops to features."""

    def __call__(self, log_mel: Tensor) -> Tensor:
        """Encode crops of 200 ms, (M, 1, 80, 20) -> (M, C, t)."""


class FusionProtocol(Protocol):
    """Fusion: how well a window and a crop match. Ours: `FusionTransformer`, `CosineFusion`.

    Attributes
    ----------
    width : int
        D of the tokens; an activation vector has 2 * D values.
    """

    width: int

    def video_tokens(self, features: Tensor) -> Tensor:
        """Tokens of the visual encoder's output, (B, C', T', h', w') -> (B, Tv, D)."""

    def audio_tokens(self, features: Tensor) -> Tensor:
        """Tokens of the audio encoder's output, (M, C, t) -> (M, Ta, D)."""

    def __call__(self, video: Tensor, audio: Tensor) -> Tensor:
        """Logits of pairs, (P, Tv, D) and (P, Ta, D) -> (P,)."""

    def all_pairs(
        self, video: Tensor, audio: Tensor, *, chunk: int = 256, recompute: bool = False
    ) -> Tensor:
        """Logits of all pairs within groups, (G, N, Tv, D) and (G, M, Ta, D) -> (G, N, M).

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
        tau, and 2 * tau + 1, the length of a row.
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
        """Tokens of windows, from features of a run of frames, (T, C, h, w) -> (N, Tv, D)."""

    def audio_tokens(self, crops: Tensor) -> Tensor:
        """Tokens of audio crops, (M, 3200) int16-scaled -> (M, Ta, D)."""

    def delay_rows(
        self, video: Tensor, audio: Tensor, starts: Tensor | None = None, *, chunk: int = 8
    ) -> Tensor:
        """Logits of every delay of each window, (N, Tv, D) and (M, Ta, D) -> (N, 2 * tau + 1)."""

    def activations(self, video: Tensor, audio: Tensor) -> Tensor:
        """Activation vectors of pairs at zero delay, (N, Tv, D) and (N, Ta, D) -> (N, A)."""


class DecoderProtocol(Protocol):
    """Autoregressive decoder of rows. Ours: `PublishedDecoder`, `CleanDecoder`, `RotaryDecoder`.

    The constructor takes ``inputs`` and ``outputs``, the widths of a row and of its prediction, and
    ``positions``, the length of the longest input.

    Attributes
    ----------
    row_width : int
        ``inputs``.
    max_len : int
        Longest sequence of windows that can be scored, ``positions + 1`` or more.
    """

    row_width: int
    max_len: int | float

    def __call__(self, rows: Tensor) -> Tensor:
        """Predict, (B, L, inputs) -> (B, L, outputs); step t predicts row t + 1 from rows 0..t."""


class ObjectiveProtocol(Protocol):
    """Objective: a decoder's input and its prediction error; most derive from `NextRow`.

    Attributes
    ----------
    reads : str
        ``"logits"``: rows of delay logits; ``"activations"``: projected activations.
    """

    reads: str

    def decoder_sizes(self, width: int, max_len: int) -> dict[str, int]:
        """Arguments of a decoder for ``max_len`` rows of ``width`` values."""

    def windows(self, decoder: DecoderProtocol) -> int | float:
        """Longest sequence of windows that can be scored with a decoder."""

    def row_width(self, decoder: DecoderProtocol) -> int:
        """Values per row of features that are scored with a decoder."""

    def fit(self, rows: Iterable[Tensor]) -> None:
        """Fit, before training, what gradients cannot; ``rows``: (n, D) for each clip."""

    def judge(self, decoder: DecoderProtocol, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and predictions of all rows but the first, (B, L, D) -> (B, L-1), (B, L-1, D)."""


class AnomalyProtocol(Protocol):
    """A whole anomaly model: a decoder with an objective (`AnomalyModel`), or `NaiveBayes`.

    Attributes
    ----------
    reads : str
        As in `ObjectiveProtocol`.
    row_width : int
        Values per row of features.
    max_len : int or float
        Longest sequence of windows; infinite if windows are scored separately.
    """

    reads: str
    row_width: int
    max_len: int | float

    def fit(self, rows: Iterable[Tensor]) -> None:
        """As in `ObjectiveProtocol`."""

    def __call__(self, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """Step losses and predictions, (B, L, D) -> (B, L - 1) and (B, L - 1, D)."""


class FeatureProtocol(Protocol):
    """Feature of activation vectors for an activation model, such as `Projection` (PCA).

    The constructor takes ``inputs`` (A) and ``outputs`` (D).

    Attributes
    ----------
    inputs, outputs : int
        A and D.
    linear : bool
        Whether the feature is an affine map. Only then can ``data.shift`` shift the audio without
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

        If given, only the first ``used`` values (the video half) are used.

        Raises
        ------
        ValueError
            There are too few activations.
        """

    def __call__(self, activations: Tensor) -> Tensor:
        """Compute the feature, (N, A) -> (N, D), float32, of each row independently."""
