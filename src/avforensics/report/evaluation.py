"""Write an HTML page that shows everything that `evaluate` wrote to its folder.

The page is created only from files in the folder, so it can be created again later and contains no
new results.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from avforensics.report.markup import write_page

# Files with results in the order of the page; missing files are left out.
TEXTS = (
    ("metrics.md", "Results"),
    ("reproduction.md", "Against published numbers"),
    ("comparison.md", "Against another run"),
    ("evidence.md", "Evidence compared with the score"),
    ("repeats.md", "Training seeds"),
    ("breakdowns.md", "Groups"),
    ("controls.md", "Controls"),
    ("robustness.md", "Perturbations"),
)
FIGURES = (
    ("roc.png", "Receiver operating characteristic, by category"),
    ("pr.png", "Precision and recall, by category"),
    ("scores.png", "Scores of real and fake videos"),
    ("robustness.png", "Perturbations of the picture"),
    ("robustness_sound.png", "Conditions of sound and of platforms"),
)


def remove_earlier(folder: str | os.PathLike) -> None:
    """Remove files of an earlier run that this run might not overwrite."""
    folder = Path(folder)
    for name, _ in (*TEXTS, *FIGURES):
        (folder / name).unlink(missing_ok=True)
    for name, _ in TEXTS:  # JSON versions of the same results
        (folder / name).with_suffix(".json").unlink(missing_ok=True)
    exchanged = "avforensics.scores.csv", "avforensics.scores.meta.json", "deepfakebench.csv"
    for name in ("robustness.csv", "index.html", *exchanged):
        (folder / name).unlink(missing_ok=True)


def write_evaluation_page(
    folder: str | os.PathLike, *, title: str, provenance: Mapping[str, object]
) -> Path:
    """Write ``index.html`` into the folder of an evaluation.

    Parameters
    ----------
    folder : path
        Folder that contains ``metrics.json``. Other files that `evaluate` wrote are included.
    provenance : mapping
        ``version`` and, if the weights have a notice, ``notice``.
    """
    folder = Path(folder)
    summary = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    texts = [
        (name, list(markdown_blocks((folder / file).read_text(encoding="utf-8"))))
        for file, name in TEXTS
        if (folder / file).is_file()
    ]
    figures = [
        (name, (folder / file).read_bytes()) for file, name in FIGURES if (folder / file).is_file()
    ]
    settings = folder / "config.yaml"
    return write_page(
        folder / "index.html",
        "evaluation.html",
        provenance=provenance,
        title=title,
        protocol=_protocol(summary),
        coverage=summary["coverage"],
        texts=texts,
        figures=figures,
        settings=settings.read_text(encoding="utf-8", errors="replace")
        if settings.is_file()
        else "",
    )


def markdown_blocks(text: str) -> Iterator[dict]:
    """Parse headings, tables and paragraphs of Markdown written by this program.

    Yields
    ------
    dict
        Parts of the text: ``kind`` (heading, table or text) with ``text`` or, for a table,
        ``header`` and ``rows``.
    """
    table: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
            table.append([cell.strip().replace(r"\|", "|") for cell in cells])
            continue
        if table:
            yield {"kind": "table", "header": table[0], "rows": table[2:]}
            table = []
        if line.startswith("#"):
            yield {"kind": "heading", "text": line.lstrip("# ")}
        elif line.strip():
            yield {"kind": "text", "text": line.strip().strip("*")}


def _protocol(summary: Mapping) -> list[tuple[str, str]]:
    """Return the protocol of the evaluation as pairs of name and value."""
    made = summary.get("made_with", {})
    config = made.get("config", {})
    scoring = config.get("scoring", {})
    benchmark = config.get("benchmark") or {}
    lists = benchmark.get("list") or {}
    found = {
        "set": benchmark.get("name") or config.get("scores") or made.get("features"),
        "list of clips": lists.get("path"),
        "split": (config.get("select") or {}).get("split"),
        "leading silence": "trimmed" if made.get("edit", config.get("edit")) == "trim" else "kept",
        "windows": f"{scoring.get('windows')}, {scoring.get('max_len')}",
        "audio": scoring.get("audio"),
        "lam": scoring.get("lam"),
        "intervals": "{level:.0%}, {resamples} resamples over identities".format(
            **config["intervals"]
        )
        if "intervals" in config
        else None,
        "manifest (SHA-256)": made.get("manifest"),
    }
    if config.get("scores"):
        for name in ("windows", "audio", "lam", "leading silence"):
            found.pop(name)
    for name, digest in (made.get("checkpoints") or {}).items():
        found[f"weights {name} (SHA-256)"] = digest
    return [(name, str(value)) for name, value in found.items() if value not in (None, "")]
