"""Where a measure says that a score means nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from avforensics.applicability.measures import Measures
from avforensics.errors import ConfigError
from avforensics.fields import check_numbers

NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the measures; configs/applicability/default.yaml holds the same numbers.

    Parameters
    ----------
    min_level : float
        dB below full scale; what is never louder is silence.
    min_speech : float
        Seconds.
    max_still : float
        Share of the time, 0 to 1.

    Raises
    ------
    ValueError
        A value has no meaning.
    """

    min_level: float = -66.0
    min_speech: float = 0.3
    max_still: float = 0.9

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.min_level > 0:
            raise ValueError(f"min_level must be 0 dB or less, got {self.min_level}")
        if self.min_speech < 0:
            raise ValueError(f"min_speech must be 0 s or more, got {self.min_speech}")
        if not 0 <= self.max_still <= 1:
            raise ValueError(f"max_still must lie within 0..1, got {self.max_still}")

    def reasons(self, measures: Measures) -> tuple[str, ...]:
        """Why a score means nothing, a few words each; empty where it is applicable."""
        return tuple(self._reasons(measures))

    def _reasons(self, found: Measures) -> Iterator[str]:
        if found.level is not None and found.level < self.min_level:
            yield f"silence: never above {found.level:.0f} dB (at least {self.min_level:g} dB)"
        elif found.speech is not None and found.speech < self.min_speech:
            yield (
                f"no speech: {found.speech:.2f} s of {found.seconds:.1f} s "
                f"(at least {self.min_speech:g} s)"
            )
        if found.still is not None and found.still > self.max_still:
            yield (
                f"frozen picture: still for {100 * found.still:.0f} % of the time "
                f"(at most {100 * self.max_still:g} %)"
            )


DEFAULT_LIMITS = Limits()


def limits_of(settings: Mapping[str, Any]) -> Limits | None:
    """Limits from the settings of a command; None where ``measure`` is false.

    Raises
    ------
    ConfigError
        A value has no meaning, or there is no such limit.
    """
    limits = {name: value for name, value in settings.items() if name != "measure"}
    known = {field.name for field in fields(Limits)}
    if strange := sorted(limits.keys() - known):
        raise ConfigError(f"applicability has no {', '.join(strange)}, but {', '.join(known)}")
    try:
        found = Limits(**limits)
    except ValueError as error:
        raise ConfigError(f"applicability: {error}") from None
    return found if settings.get("measure", True) else None
