import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_four():
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, small_demo, monkeypatch):
    monkeypatch.setenv("AVFORENSICS_DEMO", os.fspath(small_demo))
    notebook = nbformat.read(path, as_version=4)
    shown = sum("image/png" in output.get("data", {}) for output in outputs(notebook))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=path.parent)
    assert sum("image/png" in output.get("data", {}) for output in outputs(notebook)) == shown


def outputs(notebook):
    return [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
