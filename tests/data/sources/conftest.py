"""Small trees in the shape of the real sets; adapters open no videos, so these are empty."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def tree(tmp_path):
    """Make files by their paths below a folder: text, or what JSON makes of anything else."""

    def make(files, root=tmp_path):
        contents = files if isinstance(files, dict) else dict.fromkeys(files, "")
        for name, content in contents.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return Path(root)

    return make
