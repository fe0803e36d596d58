"""Required contents of a wheel: every package, data file and configuration.

Requirements have lower and upper bounds, and the locked versions are within them.
"""

import subprocess
import sys
from configparser import ConfigParser
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "scripts"))
from lock import declared  # noqa: E402

SOURCE = ROOT / "src" / "avforensics"


def _setup() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_package_is_listed():
    folders = {path.parent.relative_to(SOURCE.parent) for path in SOURCE.rglob("*.py")}
    packages = {".".join(folder.parts) for folder in folders} | {"avforensics.configs"}
    assert set(_setup()["options"]["packages"].split()) == packages


def test_every_package_has_an_init():
    for folder in {path.parent for path in SOURCE.rglob("*.py")}:
        assert (folder / "__init__.py").is_file(), folder


def test_every_other_file_is_packed():
    data = _setup()["options.package_data"]
    patterns = {
        package: [pattern.strip() for pattern in value.replace("\n", ",").split(",")]
        for package, value in data.items()
    }
    others = [p for p in SOURCE.rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc"}]
    for path in others:
        owners = [
            (package, path.relative_to(SOURCE.parent.joinpath(*package.split("."))).as_posix())
            for package in patterns
            if path.is_relative_to(SOURCE.parent.joinpath(*package.split(".")))
        ]
        packed = any(fnmatch(name, one) for owner, name in owners for one in patterns[owner])
        assert packed, path.relative_to(ROOT)


def test_configurations_are_yaml_only():
    files = [p for p in (ROOT / "configs").rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert {p.suffix for p in files if p.name != "__init__.py"} == {".yaml"}


REQUIREMENTS = declared()


def _lock() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("one", REQUIREMENTS, ids=str)
def test_a_range_has_two_ends(one):
    """The next major version of anything may break this package, as PyAV 19 did."""
    operators = {each.operator for each in one.specifier}
    assert "==" in operators or (">=" in operators and operators & {"<", "<="}), one


@pytest.mark.parametrize("one", REQUIREMENTS, ids=str)
def test_the_installed_versions_are_in_range(one):
    try:
        found = version(one.name)
    except PackageNotFoundError:
        pytest.skip(f"{one.name} is not installed")
    assert one.specifier.contains(found, prereleases=True), found


def test_the_lock_names_every_requirement_in_range():
    """If this test fails, run `make lock` to rewrite constraints.txt."""
    lock = _lock()
    assert list(lock) == sorted(lock) and all(name == canonicalize_name(name) for name in lock)
    for one in REQUIREMENTS:
        assert canonicalize_name(one.name) in lock, (
            f"constraints.txt lacks {one.name}: run `make lock`"
        )
        assert one.specifier.contains(lock[canonicalize_name(one.name)]), one
    assert all(str(Version(number)) for number in lock.values())


def test_the_lock_follows_what_requirements_need():
    """Indirect requirements are pinned, too; packages that nothing requires are not."""
    script = (
        "from lock import installed, Requirement; print(*installed([Requirement('matplotlib')]))"
    )
    command, options = [sys.executable, "-c", script], {"capture_output": True, "text": True}
    run = subprocess.run(command, cwd=ROOT / "scripts", check=True, **options)
    found = run.stdout.split()
    assert {"matplotlib", "numpy", "python-dateutil"} <= set(found)
    assert not {"pytest", "torch", "avforensics"} & set(found)
