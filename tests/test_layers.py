"""A lower layer never imports an upper one (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "avforensics"
FRAMEWORKS = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb"}
# Lowest first: a layer may import itself and what stands before it.
LAYERS = ["media", "faces", "models", "features", "checkpoints", "scoring", "report"]
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
