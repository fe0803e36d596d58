"""The numbers that say whether a score means anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


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
    still : float
        Share of the time in which the picture stands still.
    """

    seconds: float
    level: float | None = None
    speech: float | None = None
    still: float | None = None

    def row(self) -> dict[str, float | None]:
        """Rounded values by name, for tables; without the length."""
        return {
            name: None if (value := getattr(self, name)) is None else round(value, 3)
            for name in NAMES
        }

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
