"""Create HTML pages from the templates next to this module, escaping all values."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from avforensics.files import write_text
from avforensics.report.sentences import number, percent, signed


@cache
def environment(package: str) -> Environment:
    """Create the environment for a package's templates, with autoescape and filters."""

    def read(name: str) -> str:
        return files(package).joinpath(name).read_text(encoding="utf-8")

    templates = Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # tojson escapes "<" as \u003c, so that no text can end the surrounding <script> element
    templates.policies["json.dumps_kwargs"] = {
        "ensure_ascii": False,
        "allow_nan": False,
        "separators": (",", ":"),
    }
    templates.globals["asset"] = lambda name: Markup(read(name))
    templates.filters |= {
        "css_text": lambda text: Markup("".join(f"\\{ord(c):06x}" for c in text)),
        "base64": lambda data: base64.b64encode(data).decode("ascii"),
        "flat": _flat,
        "link": relative_link,
        "number": number,
        "percent": percent,
        "signed": signed,
    }
    return templates


def write_page(
    out: str | os.PathLike, template: str, *, provenance: Mapping[str, object], **values: object
) -> Path:
    """Fill a template of this package and write the page atomically."""
    text = environment(__package__).get_template(template).render(provenance=provenance, **values)
    # file names that are not valid UTF-8 must not cause an error
    write_text(out, text, errors="replace")
    return Path(out)


def relative_link(path: str) -> str:
    """Convert a relative path to an href that cannot be read as a scheme or host."""
    return "./" + quote(str(path).replace(os.sep, "/").lstrip("/"), errors="surrogateescape")


def numbers(values: np.ndarray, digits: int = 5) -> list[float | None]:
    """Round to ``digits`` significant digits for JSON; values that are not finite become null."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]


def packed(shares: np.ndarray) -> str:
    """Encode probabilities as base64 of little-endian uint16, 65535 = 1; NaN becomes 0."""
    levels = np.rint(np.nan_to_num(np.clip(shares, 0, 1)) * 65535).astype("<u2")
    return base64.b64encode(levels.tobytes()).decode("ascii")


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Flatten nested mappings to pairs of a dotted name and a value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(item) for item in value)
    else:
        yield prefix, "not set" if value is None else value
