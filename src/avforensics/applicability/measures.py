"""The numbers that say whether a score means anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

# Which of two values speaks for a score.
_BEST = dict.fromkeys(("seconds", "level", "speech", "mouth", "detail"), max)
_BEST |= dict.fromkeys(("song", "still", "turn", "voice_over"), min)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What was measured of a clip, over the part that was read for scoring.

    A measure is None where it could not be taken.

    Attributes
    ----------
    seconds : float
        Length of that part.
    level : float
        Of the loudest frame (0.04 s), RMS in dB below full scale; -100 where there is nothing.
    speech : float
        Seconds of speech.
    song : float
        Share of the time with a voice in which a note is held for 0.4 s or more; needs a second of
        voice.
    still : float
        Share of the time in which the picture stands still.
    mouth : float
        Pixels of the file's picture from one corner of the mouth to the other, median.
    turn : float
        Degrees by which the head is turned to the side, median, estimated from eyes and nose.
    detail : float
        Detail (mean gradient) of the lips over that of the skin around them, median.
    voice_over : float
        Share of the time with a voice in which the mouth does not move.
    """

    seconds: float
    level: float | None = None
    speech: float | None = None
    song: float | None = None
    still: float | None = None
    mouth: float | None = None
    turn: float | None = None
    detail: float | None = None
    voice_over: float | None = None

    def row(self) -> dict[str, float | None]:
        """Rounded values by name, for tables; without the length."""
        return {
            name: None if (value := getattr(self, name)) is None else round(value, 3)
            for name in NAMES
        }

    def best(self, others: Iterable[Measures]) -> Measures:
        """Of each measure the value, of any of them, that speaks most for a score."""
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
        """From names and numbers as in `dataclasses.asdict`; names of other versions are left out.

        Raises
        ------
        TypeError
            The length is missing.
        """
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


NAMES = tuple(field.name for field in fields(Measures) if field.name != "seconds")
