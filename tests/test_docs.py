"""The documentation site: all links work, and all documented names exist."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytest.importorskip("mkdocstrings", reason="the extra `docs` is not installed")
pytest.importorskip("material", reason="the extra `docs` is not installed")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    start = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="detect.html' in start and "github.com/OWNER" in start
    detector = (tmp_path / "site" / "api" / "scoring.html").read_text(encoding="utf-8")
    assert 'id="avforensics.detection.detector.Detector.score"' in detector
