"""Write results of the benchmark scripts: a table between two marks in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def write(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Put a table between ``<!-- bench:NAME -->`` and ``<!-- /bench:NAME -->``."""
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"|{'|'.join(line)}|" if line[0] == "---" else _row(line) for line in lines)
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    DOCUMENT.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def processor() -> str:
    """Return the name of this machine's processor and its number of cores."""
    return f"{_cpuinfo('model name') or platform.processor()}, {os.cpu_count()} cores"


def has_bf16() -> bool:
    """Return True if the processor has instructions for bfloat16 (avx512_bf16, amx_bf16, bf16)."""
    return "bf16" in _cpuinfo("flags", "Features")


def _cpuinfo(*names: str) -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def commit() -> str:
    """Return the abbreviated commit of the measured code."""
    command = ["git", "-C", str(DOCUMENT.parent), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "no git"
