"""mkdocs hook: make README.md the first page of the site, with links relative to docs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]


def on_files(files: Files, *, config: Any) -> Files:
    """Add the page; links to files outside docs/ become plain text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    text = re.sub(r"(?<!!)\[([^]]*)\]\((?!https?:)(?![\w/]+\.md)[^)]*\)", r"\1", text)
    files.append(File.generated(config, "index.md", content=text))
    return files
