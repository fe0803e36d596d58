"""Validate the numbers and choices in settings."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields
from math import isfinite
from typing import Any

from avforensics.errors import ConfigError


def check_numbers(settings: Any, **most: float) -> None:
    """Check the fields of a dataclass that are annotated as ``int`` or ``float``.

    Parameters
    ----------
    settings : dataclass instance
        The module that defines it must use ``from __future__ import annotations``.
    **most : float
        Maximum absolute values, by field name.

    Raises
    ------
    ValueError
        A field does not have the annotated type, is not finite or is too large.
    """
    for field in fields(settings):
        value, kinds = getattr(settings, field.name), field.type.split(" | ")
        if value is None and "None" in kinds:
            continue
        if "int" in kinds and (isinstance(value, bool) or not isinstance(value, int)):
            raise ValueError(f"{field.name} must be a whole number, got {value!r}")
        if "float" in kinds and not is_finite(value):
            raise ValueError(f"{field.name} must be a number, got {value!r}")
        if field.name in most and abs(value) > most[field.name]:
            raise ValueError(f"{field.name} must be at most {most[field.name]:g}, got {value!r}")


def is_finite(value: Any) -> bool:
    """Return True if a value is a finite number; booleans are not numbers."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and isfinite(value)


def check_choice(
    name: str, value: Any, allowed: Collection, *, error: type[Exception] = ConfigError
) -> None:
    """Raise ``error``, which lists the allowed values, if a setting has another value."""
    if value not in allowed:
        raise error(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")


def escaped(value: str) -> str:
    """Escape ``${...}`` in a setting, so that OmegaConf takes it as text."""
    return re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", value)
