"""Every option of the groups source and recipe composes and does what its name says."""

from importlib.resources import files

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from avforensics.cli import run_command
from avforensics.data import sources
from avforensics.data.normalise import Recipe
from avforensics.errors import ConfigError

CONFIGS = files("avforensics.configs")


def options(group):
    return sorted(path.name.removesuffix(".yaml") for path in (CONFIGS / group).iterdir())


def composed(verb, *overrides):
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        return compose(verb, list(overrides))


def test_every_source_has_a_config():
    modules = {path.name.removesuffix(".py") for path in files(sources).iterdir()}
    named = {composed("manifest", f"source={name}").source._target_ for name in options("source")}
    assert {target.split(".")[-2] for target in named} == {
        name for name in modules if name[0] != "_" and name != "tree"
    }


@pytest.mark.parametrize("name", options("source"))
def test_a_source_without_its_folder_is_one_sentence(name, tmp_path):
    root = tmp_path / "not there"
    cfg = composed("manifest", f"source={name}", f"root='{root}'", f"output={tmp_path / 'm.csv'}")
    with pytest.raises(ConfigError, match="not there: there is no such f") as error:
        run_command("manifest", cfg)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", options("recipe"))
def test_recipes(name):
    cfg = composed("normalise", f"recipe={name}", "manifest=m.csv", "output=out")
    recipe = instantiate(cfg.recipe)
    assert isinstance(recipe, Recipe)
    if name.startswith("grid"):  # square pixels from GRID's frames of 360 x 288
        left, top, right, bottom = recipe.crop
        assert (right - left) * 360 == pytest.approx((bottom - top) * 288, abs=0.01)


def test_a_wrong_recipe_is_one_sentence(tmp_path):
    (tmp_path / "m.csv").write_text("path,label\nx.mp4,0\n")
    settings = (f"manifest={tmp_path / 'm.csv'}", f"output={tmp_path / 'out'}", "recipe.size=95")
    with pytest.raises(ConfigError, match="size must be even"):
        run_command("normalise", composed("normalise", *settings))
