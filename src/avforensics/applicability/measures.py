"""Measures that decide whether a score is meaningful."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

# Whether the largest or the smallest value of a measure favours a score most.
_BEST = dict.fromkeys(("seconds", "level", "speech", "spoken", "mouth", "detail"), max)
_BEST |= dict.fromkeys(("song", "still", "turn", "voice_over"), min)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Measures of the part of a clip that was read for scoring.

    A measure is None if it could not be taken.

    Attributes
    ----------
    seconds : float
        Length of the part.
    level : float
        RMS level of the loudest frame (0.04 s) in dBFS; -100 = digital silence.
    speech : float
        Seconds of speech.
    spoken : float
        Share of the loud time in which there is speech; loud frames are at most 10 dB below the
        95th percentile of frame levels.
    song : float
        Share of the voiced time in which the smoothed pitch changes by less than 0.15 semitones
        in 0.15 s; requires 1 s of voice.
    still : float
        Share of the time with a frozen image.
    mouth : float
        Median distance of the mouth corners, in pixels of the file's frames.
    turn : float
        Median head turn in degrees, estimated from eyes and nose.
    detail : float
        Median detail (mean gradient) of the lips relative to the skin around them.
    voice_over : float
        Share of the voiced time in which the mouth does not move.
    """

    seconds: float
    level: float | None = None
    speech: float | None = None
    spoken: float | None = None
    song: float | None = None
    still: float | None = None
    mouth: float | None = None
    turn: float | None = None
    detail: float | None = None
    voice_over: float | None = None

    def row(self) -> dict[str, float | None]:
        """Rounded values by name, for tables, without ``seconds``."""
        return {
            name: None if (value := getattr(self, name)) is None else round(value, 3)
            for name in NAMES
        }

    def best(self, others: Iterable[Measures]) -> Measures:
        """Combine several measures: for each of them, the value that favours a score most."""
        every = [self, *others]
        values = {
            name: [value for one in every if (value := getattr(one, name)) is not None]
            for name in _BEST
        }
        return Measures(
            **{name: _BEST[name](found) if found else None for name, found in values.items()}
        )

    @classmethod
    def parse(cls, values: Mapping[str, float | None]) -> Measures:
        """Inverse of `dataclasses.asdict`; names from other versions are ignored.

        Raises
        ------
        TypeError
            ``seconds`` is missing.
        """
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


NAMES = tuple(field.name for field in fields(Measures) if field.name != "seconds")
