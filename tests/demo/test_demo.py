"""The demo, and notebooks that read its output; in one file, so that one process makes it."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CATEGORIES = {"RVFA", "FVRA-WL", "FVFA-WL", "FVRA-faceswap"}
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
def test_the_demo_ends_with_results_and_reports(small_demo):
    results = json.loads((small_demo / "results.json").read_text())
    assert results["synthetic"] is True
    assert set(results["auc"]) == CATEGORIES
    assert results["n"] == {"real": 4} | dict.fromkeys(CATEGORIES, 3)
    assert 0 < results["minutes"] < 60
    measured = json.loads((small_demo / "evaluation" / "metrics.json").read_text())
    assert {name: block["auc"] for name, block in measured["categories"].items()} == results["auc"]
    assert len(list((small_demo / "reports" / "reports").glob("*.html"))) == len(CATEGORIES) + 1


def test_there_are_five():
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, small_demo, monkeypatch):
    monkeypatch.setenv("AVFORENSICS_DEMO", os.fspath(small_demo))
    notebook = nbformat.read(path, as_version=4)
    before = shown(notebook)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=path.parent)
    assert shown(notebook) == before


def shown(notebook):
    """Number of pictures and HTML outputs in the cells."""
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    return [
        sum(kind in output.get("data", {}) for output in outputs)
        for kind in ("image/png", "text/html")
    ]


def test_the_notebook_of_videos_in_memory_shows_results():
    assert shown(nbformat.read(NOTEBOOKS[4], as_version=4)) == [0, 2]
