"""Determine the pixel aspect of a stream, ignoring implausible declarations."""

from __future__ import annotations

from fractions import Fraction
from numbers import Rational

import av

# The pixel aspects of anamorphic video, single fields and half-width recordings lie well within
# these bounds; other values are errors.
LEAST, MOST = Fraction(1, 4), Fraction(4)
ALIKE = 0.01  # smaller relative differences are rounding errors
LARGEST = 2**26  # pixels; if lengthening one side exceeds this, the other side is shortened


class PixelAspect:
    """Pixel aspect (width over height) of a stream during decoding.

    As in video players, the container takes precedence over the codec. If they agree, the container
    has presumably copied the codec's value, so later changes of that value apply.

    Parameters
    ----------
    stream : av.VideoStream
        Stream whose first frame has been decoded.

    Attributes
    ----------
    now : Fraction
        Aspect of the last frame; 1 if no plausible value is declared.
    refused : str
        Implausible value that was ignored, e.g. ``"1000:1"``; empty if there is none.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        self._codec = stream.codec_context
        self.refused = ""
        container, codec = _fraction(stream.sample_aspect_ratio), self._codec_says()
        believed = self._believed(container)
        self._fixed = believed is not None and not alike(believed, codec or 0)
        self.now = believed or self._believed(codec) or Fraction(1)

    def at(self, frame: av.VideoFrame) -> Fraction:
        """Return the aspect of the next frame; it changes only at key frames."""
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
    """Convert a ratio to a Fraction; PyAV 19 has a ratio type without `abs` and `round`."""
    return Fraction(said.numerator, said.denominator) if said else None


def alike(first: float | Fraction, second: float | Fraction) -> bool:
    """Return True if two ratios, at least one of them positive, are equal up to rounding."""
    return abs(first - second) <= ALIKE * max(first, second)


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Return the size of a stored frame in square pixels, with the squeezed side lengthened.

    Parameters
    ----------
    width, height : int
        Stored size in pixels.
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
