"""A lower layer never imports an upper one (docs/architecture.md)."""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "avforensics"
FRAMEWORKS = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb"}
# Lowest first: each package or module may import itself and those before it.
ORDER = re.findall(
    r"\w+",
    """errors fields smoothing colours interruption progress files tables registry engine pool
    provenance media faces applicability models checkpoints scoring report data synthetic features
    evaluation detection serving lightning commands cli __main__""",
)
PLAIN = ORDER[: ORDER.index("lightning")]  # without Lightning, Hydra or wandb


def imports(path: Path) -> set[str]:
    """Names of the modules that a file imports, at any place in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
    return found


def modules(name: str) -> list[Path]:
    """Files of the package or module with this name."""
    return [*(SOURCE / name).rglob("*.py"), *SOURCE.glob(f"{name}.py")]


def test_no_framework_below_the_outer_layer():
    for path in (path for name in PLAIN for path in modules(name)):
        used = {name.split(".")[0] for name in imports(path)} & FRAMEWORKS
        assert not used, f"{path.relative_to(SOURCE)} imports {used}"


def test_nothing_imports_what_stands_above_it():
    there = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in SOURCE.rglob("*.py")}
    assert there - {"__init__", "configs"} == set(ORDER)
    for place, name in enumerate(ORDER):
        for path in modules(name):
            parts = [name.split(".") for name in imports(path) if name.startswith("avforensics.")]
            upper = {part[1] for part in parts} & set(ORDER[place + 1 :])
            assert not upper, f"{path.relative_to(SOURCE)} imports {upper}"


def test_the_media_layer_is_tested_with_what_it_imports():
    """`.ci/media-layer` installs these packages, without torch, on the other Python versions."""
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
            elif (shared := ROOT / "tests" / f"{first}.py").is_file():
                waiting.append(shared)
            elif first not in sys.stdlib_module_names | beside:
                package = {"PIL": "pillow"}.get(first, first)
                assert package in packages, f"{path.relative_to(ROOT)} imports {name}"
    assert SOURCE / "files.py" in seen
    shared = ast.parse((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")).body
    assert not [
        one for one in shared if isinstance(one, ast.Import) and one.names[0].name == "torch"
    ]
