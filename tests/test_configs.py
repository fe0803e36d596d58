"""Every file in configs/ composes, and every verb has a command and a configuration."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from avforensics import cli

CONFIGS = Path(__file__).parents[1] / "configs"
VERBS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
# Every option of every group, "group/option"; hydra's own are part of each verb.
OPTIONS = sorted(
    path.relative_to(CONFIGS).with_suffix("").as_posix()
    for path in CONFIGS.glob("*/**/*.yaml")
    if path.relative_to(CONFIGS).parts[0] != "hydra"
)


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
    OmegaConf.to_container(config, resolve=True)  # interpolations lead somewhere


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_composes_in_some_verb(option):
    group, _, name = option.rpartition("/")
    failures = {}
    for verb in VERBS:
        for override in (f"{group}={name}", f"+{group}={name}"):
            try:
                OmegaConf.to_container(compose(verb, overrides=[override]), resolve=True)
            except (HydraException, OmegaConfBaseException) as error:
                failures[f"{verb} {override}"] = str(error).splitlines()[0]
            else:
                return
    pytest.fail("\n".join(f"{command}: {why}" for command, why in failures.items()))
