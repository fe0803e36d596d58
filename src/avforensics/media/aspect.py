"""Pixels that are not square: what a file says of their shape, and when it is believed."""

from __future__ import annotations

from fractions import Fraction
from numbers import Rational

import av

# Anamorphic lenses, single fields and half-width recordings lie well within; what lies beyond is a
# mistake, and would show everybody as a line.
LEAST, MOST = Fraction(1, 4), Fraction(4)
ALIKE = 0.01  # shapes that differ by less come from rounding, not from a recorder
LARGEST = 2**26  # pixels: larger pictures are shrunk instead of enlarged


class PixelAspect:
    """Width over height of the stored pixels of one stream, while it is decoded.

    The container is believed before the codec, as players do. Where both say the same, the
    container has copied it, and what the codec says later on counts.

    Parameters
    ----------
    stream : av.VideoStream
        Of which one frame has been decoded.

    Attributes
    ----------
    now : Fraction
        Of the frame seen last; 1 where nothing, or nothing that can be believed, is said.
    refused : str
        What was said and not believed, e.g. ``"1000:1"``.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        self._codec = stream.codec_context
        self.refused = ""
        container, codec = _fraction(stream.sample_aspect_ratio), self._codec_says()
        believed = self._believed(container)
        self._fixed = believed is not None and not alike(believed, codec or 0)
        self.now = believed or self._believed(codec) or Fraction(1)

    def see(self, frame: av.VideoFrame) -> Fraction:
        """The pixels' shape in the next frame; it changes at key frames only."""
        if not self._fixed and frame.key_frame:
            self.now = self._believed(self._codec_says()) or Fraction(1)
        return self.now

    def _codec_says(self) -> Fraction | None:
        return _fraction(self._codec.sample_aspect_ratio)

    def _believed(self, said: Fraction | None) -> Fraction | None:
        if not said or said < 0:
            return None
        if LEAST <= said <= MOST:
            return Fraction(1) if alike(said, 1) else said
        self.refused = f"{said.numerator}:{said.denominator}"
        return None


def _fraction(said: Rational | None) -> Fraction | None:
    """A ratio as a Fraction: PyAV 19 has a type of its own that lacks `abs` and `round`."""
    return Fraction(said.numerator, said.denominator) if said else None


def alike(first: float | Fraction, second: float | Fraction) -> bool:
    """Whether two ratios, at least one of them positive, are the same but for rounding."""
    return abs(first - second) <= ALIKE * max(first, second)


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Size in square pixels of a stored picture: the side that was squeezed is made longer.

    Parameters
    ----------
    width, height : int
        As it is stored.
    aspect : Fraction
        Width over height of a stored pixel.

    Returns
    -------
    (int, int)
    """
    if aspect == 1:
        return width, height
    across, down = (aspect, Fraction(1)) if aspect > 1 else (Fraction(1), 1 / aspect)
    if width * across * height * down > LARGEST:
        across, down = across / max(aspect, 1 / aspect), down / max(aspect, 1 / aspect)
    return max(round(width * across), 1), max(round(height * down), 1)
