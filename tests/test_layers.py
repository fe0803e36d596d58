"""A lower layer never imports an upper one (docs/architecture.md)."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "avforensics"
FRAMEWORKS = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb"}
# Lowest first: a layer may import itself and what stands before it.
LAYERS = [
    "media",
    "faces",
    "applicability",
    "models",
    "features",
    "checkpoints",
    "scoring",
    "report",
]
PLAIN = [*LAYERS, "evaluation"]


def imports(path: Path) -> set[str]:
    """Names of the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
    return found


@pytest.mark.parametrize("layer", PLAIN)
def test_no_framework_below_the_outer_layer(layer):
    for path in (SOURCE / layer).rglob("*.py"):
        used = {name.split(".")[0] for name in imports(path)} & FRAMEWORKS
        assert not used, f"{path.relative_to(SOURCE)} imports {used}"


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_imports_an_upper_one(layer):
    upper = {
        "commands",
        "cli",
        "lightning",
        "detection",
        "serving",
        *LAYERS[LAYERS.index(layer) + 1 :],
    }
    for path in (SOURCE / layer).rglob("*.py"):
        parts = [name.split(".") for name in imports(path) if name.startswith("avforensics.")]
        used = {name[1] for name in parts} & upper
        assert not used, f"{path.relative_to(SOURCE)} imports {used}"


def test_the_media_layer_is_tested_with_what_it_imports():
    """`.ci/media-layer` installs these packages, and no torch, on the other interpreters."""
    script = (ROOT / ".ci" / "media-layer").read_text(encoding="utf-8")
    packages = set(re.search(r"^PACKAGES=\((.*)\)$", script, re.MULTILINE).group(1).split())
    waiting = [*(SOURCE / "media").glob("*.py"), *(ROOT / "tests" / "media").glob("*.py")]
    beside, seen = {path.stem for path in waiting}, set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports(path):
            first, *rest = name.split(".")
            if first == "avforensics":
                file = SOURCE.joinpath(*rest).with_suffix(".py")
                waiting.append(
                    file if rest and file.is_file() else SOURCE.joinpath(*rest, "__init__.py")
                )
            elif first not in sys.stdlib_module_names | beside:
                package = {"PIL": "pillow"}.get(first, first)
                assert package in packages, f"{path.relative_to(ROOT)} imports {name}"
    assert SOURCE / "files.py" in seen
    shared = ast.parse((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")).body
    assert not [
        one for one in shared if isinstance(one, ast.Import) and one.names[0].name == "torch"
    ]
