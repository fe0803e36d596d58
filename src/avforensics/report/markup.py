"""Putting text and data into HTML so that nothing in them can be taken for markup."""

from __future__ import annotations

import base64
import html
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from string import Template
from urllib.parse import quote

import numpy as np

from avforensics.files import atomic_path


def asset(name: str) -> str:
    """Text of one of the HTML, CSS and JS files beside this module."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def write_page(out: str | os.PathLike, template: str, **parts: str) -> None:
    """Fill a template's ``$names`` and write the page; ``parts`` are HTML already."""
    text = Template(asset(template)).substitute(parts)
    with atomic_path(out) as partial:
        # A file name may hold bytes that are no UTF-8; they must not stop the page.
        partial.write_text(text, encoding="utf-8", errors="replace")


def text(value: object) -> str:
    """Escape a value as text or as a quoted attribute."""
    return html.escape(str(value), quote=True)


def relative_link(path: str) -> str:
    """A relative path as an href that cannot be read as another scheme or host."""
    return "./" + quote(str(path).replace(os.sep, "/").lstrip("/"), errors="surrogateescape")


def data_block(name: str, data: object) -> str:
    """A ``<script>`` element that holds JSON and runs nothing."""
    encoded = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # "</script>" and "<!--" inside a string would end or change the element.
    encoded = encoded.replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return f'<script type="application/json" id="{name}">{encoded}</script>'


def numbers(values: np.ndarray, digits: int = 5) -> list[float | None]:
    """An array as JSON numbers with so many significant digits; what is not finite is null."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]


def packed(shares: np.ndarray) -> str:
    """Probabilities as base64 of little-endian uint16, 65535 = 1; NaN becomes 0."""
    levels = np.rint(np.nan_to_num(np.clip(shares, 0, 1)) * 65535).astype("<u2")
    return base64.b64encode(levels.tobytes()).decode("ascii")


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Pairs of heading and text as a definition list."""
    items = "".join(f"<div><dt>{text(key)}</dt><dd>{text(value)}</dd></div>" for key, value in rows)
    return f'<dl class="facts">{items}</dl>'


def banner(provenance: Mapping[str, object]) -> str:
    """The provenance's ``notice`` as a banner on top of the page; nothing without one."""
    notice = provenance.get("notice")
    return f'<p class="notice" role="alert">{text(notice)}</p>' if notice else ""


def provenance_section(provenance: Mapping[str, object]) -> str:
    """Hashes, versions and config as a folded table."""
    rows = "".join(
        f"<tr><th scope='row'>{text(key)}</th><td>{text(value)}</td></tr>"
        for key, value in _flat(provenance)
        if key != "notice"
    )
    return (
        '<details class="card"><summary>Provenance: files, versions, configuration</summary>'
        f'<div class="scroll"><table class="provenance"><tbody>{rows}</tbody></table></div>'
        "</details>"
    )


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested mappings as dotted names with plain values."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, (list, tuple)):
        yield prefix, ", ".join(str(item) for item in value)
    else:
        yield prefix, "not set" if value is None else value
