"""Small trees laid out like the real sets; adapters open no videos, so the videos are empty."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes files, by path below a folder, from text or as JSON."""

    def make(files, root=tmp_path):
        contents = files if isinstance(files, dict) else dict.fromkeys(files, "")
        for name, content in contents.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return Path(root)

    return make
