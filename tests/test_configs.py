"""Every file in configs/ composes, and every verb has a command and a configuration."""

import contextlib
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from avforensics import cli

CONFIGS = Path(__file__).parents[1] / "configs"
VERBS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
# Every option of every group, "group/option"; Hydra's own options are part of each verb.
OPTIONS = sorted(
    path.relative_to(CONFIGS).with_suffix("").as_posix()
    for path in CONFIGS.glob("*/**/*.yaml")
    if path.relative_to(CONFIGS).parts[0] != "hydra"
)
EXPERIMENTS = [option.removeprefix("experiment/") for option in OPTIONS if "experiment/" in option]


@pytest.fixture(autouse=True)
def composing():
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        yield


def test_verbs_and_configurations_are_the_same():
    assert sorted(cli.verbs()) == VERBS


def test_every_verb_says_what_it_does():
    for verb, line in cli.verbs().items():
        assert line, verb
        assert len(line) <= 100, verb


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_composes(verb):
    config = compose(verb, return_hydra_config=True)
    assert config.hydra.job.chdir is False
    del config.hydra
    assert "output_dir" in config
    _resolve(config)


@pytest.fixture(scope="module")
def offers():
    """Command lines (a verb, perhaps with an experiment), and the groups used by each."""
    found = []
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        for verb in VERBS:
            found.append(([verb], _groups(verb)))
            for experiment in EXPERIMENTS if "experiment" in found[-1][1] else ():
                words = [verb, f"experiment={experiment}"]
                with contextlib.suppress(HydraException):  # of another verb; tested elsewhere
                    found.append((words, _groups(*words)))
    return found


def _resolve(config):
    """Check that interpolations resolve, at least to a value that the user must give."""
    _fill(config)
    OmegaConf.to_container(config, resolve=True)


def _fill(config):
    for key in config:
        node = config._get_node(key)
        if OmegaConf.is_missing(config, key):
            config[key] = "given by the user"
        elif isinstance(node, DictConfig) and not node._is_none() and not node._is_interpolation():
            _fill(node)


def _groups(verb, *overrides):
    config = compose(verb, overrides=list(overrides), return_hydra_config=True)
    return set(config.hydra.runtime.choices)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_composes_where_it_is_offered(option, offers):
    group, _, name = option.rpartition("/")
    if option.startswith("experiment/"):  # experiments may be in subfolders
        group, name = "experiment", option.removeprefix("experiment/")
    lines = [words for words, groups in offers if group in groups]
    if group == "experiment":
        lines = [words for words in lines if len(words) == 1]
    assert lines, f"no verb and no experiment offers {group}"
    failures = {}
    for verb, *overrides in lines:
        try:
            config = compose(verb, overrides=[*overrides, f"{group}={name}"])
            if group == "experiment":  # experiments are complete settings, so everything is there
                _resolve(config)
            return
        except (HydraException, OmegaConfBaseException) as error:
            failures[" ".join([verb, *overrides])] = str(error).splitlines()[0]
    pytest.fail("\n".join(f"{line} {group}={name}: {why}" for line, why in failures.items()))
