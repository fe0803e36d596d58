"""What a wheel must hold: every package, every file beside the code, every configuration."""

from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
