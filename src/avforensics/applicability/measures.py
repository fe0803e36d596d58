"""Measures that decide whether a score is meaningful."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

# For each measure, whether its largest or its smallest value is most favourable for scoring.
_BEST = dict.fromkeys(("seconds", "level", "speech", "spoken", "mouth", "detail"), max)
_BEST |= dict.fromkeys(("song", "still", "turn", "voice_over"), min)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Measures of the part of a clip that was read for scoring.

    A measure is None if it could not be determined.

    Attributes
    ----------
    seconds : float
        Length of the part in seconds.
    level : float
        RMS level of the loudest frame (0.04 s) in dBFS; -100 = digital silence.
    speech : float
        Duration of speech in seconds.
    spoken : float
        Share of the loud frames that contain speech. A frame is loud if its level is at most 10 dB
        below the 95th percentile of levels.
    song : float
        Share of the voiced time in which the smoothed pitch changes by less than 0.15 semitones in
        0.15 s. None if the voiced time is less than 1 s.
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
        """Return the rounded values (without ``seconds``) by name, for tables."""
        return {
            name: None if (value := getattr(self, name)) is None else round(value, 3)
            for name in NAMES
        }

    def best(self, others: Iterable[Measures]) -> Measures:
        """Combine the measures of several clips: take the most favourable value of each measure."""
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
        """Create measures from the output of `dataclasses.asdict`; ignore unknown names.

        Raises
        ------
        TypeError
            ``seconds`` is missing.
        """
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


NAMES = tuple(field.name for field in fields(Measures) if field.name != "seconds")
