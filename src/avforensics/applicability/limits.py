"""Limits for the measures; beyond them, a score is meaningless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from avforensics.applicability.measures import Measures
from avforensics.errors import ConfigError
from avforensics.fields import check_numbers
from avforensics.media.silence import FAINTEST

NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits for the measures. configs/applicability/default.yaml contains the same numbers.

    Parameters
    ----------
    min_level : float
        Minimum level in dBFS; audio that never reaches it is silence.
    min_speech : float
        Minimum duration of speech in seconds; for short clips, half the length of the clip.
    min_spoken : float
        Minimum share of the loud time that is speech.
    max_song : float
        Maximum share of the voiced time with a steady pitch.
    max_still : float
        Maximum share of the time with a frozen image.
    min_mouth : float
        Minimum width of the mouth in pixels.
    max_turn : float
        Maximum head turn in degrees.
    min_detail : float
        Minimum detail of the lips relative to the skin around them.
    max_voice_over : float
        Maximum share of the voiced time in which no mouth moves.

    Raises
    ------
    ValueError
        A value is invalid.
    """

    min_level: float = FAINTEST
    min_speech: float = 0.3
    min_spoken: float = 0.35
    max_song: float = 0.12
    max_still: float = 0.9
    min_mouth: float = 12.0
    max_turn: float = 60.0
    min_detail: float = 0.4
    max_voice_over: float = 0.65

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.min_level > 0:
            raise ValueError(f"min_level must be <= 0 dB, got {self.min_level}")
        if self.min_speech < 0:
            raise ValueError(f"min_speech must be >= 0, got {self.min_speech}")
        for name in ("min_spoken", "max_song", "max_still", "max_voice_over"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise ValueError(f"{name} must be within 0..1, got {share}")
        if not 0 <= self.max_turn <= 90:
            raise ValueError(f"max_turn must be within 0..90 degrees, got {self.max_turn}")
        if min(self.min_mouth, self.min_detail) < 0:
            raise ValueError(
                f"min_mouth and min_detail must be >= 0, got {self.min_mouth} and {self.min_detail}"
            )

    def reasons(self, measures: Measures) -> tuple[str, ...]:
        """Return the reasons why a score is meaningless; empty if it is meaningful."""
        return (*self._of_sound(measures), *self._of_picture(measures))

    def _of_sound(self, found: Measures) -> Iterator[str]:
        least = min(self.min_speech, found.seconds / 2)
        if found.level is not None and found.level < self.min_level:
            yield (
                f"silence: never above {_apart(found.level, self.min_level)} dB "
                f"(at least {self.min_level:g} dB needed)"
            )
        elif found.speech is not None and found.speech < least:
            yield (
                f"no speech: only {_apart(found.speech, least, 2)} s of {found.seconds:.1f} s "
                f"(at least {least:.2g} s needed)"
            )
        elif found.spoken is not None and found.spoken < self.min_spoken:
            yield (
                "no speech: in only "
                f"{_apart(100 * found.spoken, 100 * self.min_spoken)} % of the loud time "
                f"(at least {100 * self.min_spoken:g} % needed)"
            )
        elif found.song is not None and found.song > self.max_song:
            yield _too_much("song: the pitch is steady", "voice", found.song, self.max_song)

    def _of_picture(self, found: Measures) -> Iterator[str]:
        if found.still is not None and found.still > self.max_still:
            yield _too_much("frozen picture: still", "time", found.still, self.max_still)
            return
        if found.turn is not None and found.turn > self.max_turn:
            yield (
                f"face turned away: by {_apart(found.turn, self.max_turn)} degrees "
                f"(at most {self.max_turn:g} allowed)"
            )
        if found.mouth is not None and found.mouth < self.min_mouth:
            yield (
                f"mouth too small: {_apart(found.mouth, self.min_mouth)} pixels "
                f"(at least {self.min_mouth:g} needed)"
            )
        if found.detail is not None and found.detail < self.min_detail:
            yield (
                f"mouth covered: only {_apart(found.detail, self.min_detail, 2)} times the detail "
                f"of the skin around it (at least {self.min_detail:g} needed)"
            )
        elif found.voice_over is not None and found.voice_over > self.max_voice_over:
            said = "voice-over: no mouth moves"
            yield _too_much(said, "time with a voice", found.voice_over, self.max_voice_over)


def _too_much(said: str, whole: str, share: float, limit: float) -> str:
    shown = _apart(100 * share, 100 * limit)
    return f"{said} for {shown} % of the {whole} (at most {100 * limit:g} % allowed)"


def _apart(value: float, limit: float, digits: int = 0) -> str:
    """Format a value with at least as many digits as tell it from the limit."""
    while digits < 6 and round(value, digits) == round(limit, digits):
        digits += 1
    return f"{value:.{digits}f}"


DEFAULT_LIMITS = Limits()


def limits_of(settings: Mapping[str, Any]) -> Limits | None:
    """Create limits from a command's settings; None if ``measure`` is false.

    Raises
    ------
    ConfigError
        A value is invalid or a limit is unknown.
    """
    limits = {name: value for name, value in settings.items() if name != "measure"}
    known = {field.name for field in fields(Limits)}
    if strange := sorted(limits.keys() - known):
        raise ConfigError(f"unknown setting applicability.{strange[0]}; known: {', '.join(known)}")
    try:
        found = Limits(**limits)
    except ValueError as error:
        raise ConfigError(f"applicability: {error}") from None
    return found if settings.get("measure", True) else None
