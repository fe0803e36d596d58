"""Every option of the group ``source`` composes and does what its name says."""

from importlib.resources import files

import pytest
from runs import composed

from avforensics.cli.run import run_command
from avforensics.data import sources
from avforensics.errors import ConfigError

CONFIGS = files("avforensics.configs")


def options(group):
    return sorted(path.name.removesuffix(".yaml") for path in (CONFIGS / group).iterdir())


def test_every_source_has_a_config():
    modules = {path.name.removesuffix(".py") for path in files(sources).iterdir()}
    named = {composed("manifest", f"source={name}").source._target_ for name in options("source")}
    assert {target.split(".")[-2] for target in named} == {
        name for name in modules if name[0] != "_" and name not in ("tree", "layout")
    }


@pytest.mark.parametrize("name", options("source"))
def test_a_source_without_its_folder_is_one_sentence(name, tmp_path):
    root = tmp_path / "not there"
    cfg = composed("manifest", f"source={name}", f"root='{root}'", f"output={tmp_path / 'm.csv'}")
    with pytest.raises(ConfigError, match="not there: no such f") as error:
        run_command("manifest", cfg)
    assert "\n" not in str(error.value)
