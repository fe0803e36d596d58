"""A value of the wrong kind gives a one-sentence error that names the setting, for any verb."""

import pytest
from hydra import compose, initialize_config_module

from avforensics.cli.validation import check_kinds
from avforensics.errors import ConfigError


def check(verb, *overrides):
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        cfg = compose(verb, overrides=list(overrides), return_hydra_config=True)
        check_kinds(verb, cfg, cfg.hydra.overrides.task, cfg.hydra.runtime.choices)


@pytest.mark.parametrize(
    ("verb", "override", "sentence"),
    [
        ("detect", "scoring.max_len=ten", "scoring.max_len must be a whole number, got ten"),
        ("detect", "scoring.max_len=2.5", "scoring.max_len must be a whole number, got 2.5"),
        ("detect", "scoring.lam=nan", "scoring.lam must be a number, got nan"),
        ("detect", "scoring.lam=[1,a]", "scoring.lam must be a number, got a"),
        ("detect", "false_positive_rate=true", "false_positive_rate must be a number, got true"),
        ("detect", "report=yes", "report must be true or false, got yes"),
        ("detect", "device=null", "device cannot be null"),
        ("detect", "readers=-2", "readers must be at least 1, got -2"),
        ("detect", "batch_windows=x", "batch_windows must be a whole number, got x"),
        ("serve", "faces.find.every=a", "faces.find.every must be a whole number, got a"),
        ("preprocess", "faces.find.gap=[1]", r"faces.find.gap must be a number, got \[1\]"),
        ("forge", "kinds=swap", r"kinds must be a list, as in 'kinds=\[swap\]'"),
        ("forge", "select=test", "select must be a group of settings, as in select.split="),
        ("sweep", "lam=[x]", "lam must be a number, got x"),
        ("preprocess", "output=null", "output is empty: write output=..."),
        ("preprocess", "output=", "output is empty: write output=..."),
        ("evaluate", "seed=-1", "seed must be at least 0, got -1"),
        ("evaluate", "intervals.resamples=0", "intervals.resamples must be at least 1, got 0"),
        ("serve", "port=null", "port cannot be null"),
        ("serve", "limits=null", "limits cannot be null"),
        ("serve", "faces.find=null", "faces.find cannot be null"),
        ("detect", "readers=1e3", "readers must be a whole number, got 1000.0"),
        ("detect", "scoring.max_len=20.0", "scoring.max_len must be a whole number, got 20.0"),
        ("manifest", "sample.real=-1", "sample.real must be at least 0, got -1"),
    ],
)
def test_a_value_of_another_kind_is_refused(verb, override, sentence):
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        check(verb, override)


@pytest.mark.parametrize(
    "words",
    [
        ("detect", "scoring.lam=[0,0.5,1]", "scoring.lam=0.5", "readers=null", "readers=3"),
        ("detect", "faces=auto", "faces.crop={anchor: box}", "faces.find.gap=1", "device=cuda:1"),
        ("preprocess", "crop={anchor: box, side: 1.5}", "longest=7.5", "shard=2/8"),
        ("forge", "select.split=null", "kinds=[jump]"),
        ("evaluate", "benchmark=fakeavceleb", "benchmark.sample.real=null"),
        ("train", "experiment=anomaly", "components=null", "features=x"),
        ("evaluate", "baselines.fit_split=null"),
        ("evaluate", "title=2024", "select.category=[a,b]", "robustness.levels=[1,2]"),
        ("sweep", "sweep=fig5_length", "lam=[0,0.5]"),
        ("train", "trainer.devices=auto", "data=clips", "seed=3"),
        ("serve", "limits.max_minutes=0.5", "+limits.more=1"),
        ("manifest", "split.shares={a: 1}", "select.split=3"),
    ],
)
def test_values_that_mean_something_pass(words):
    check(*words)


@pytest.mark.parametrize(
    ("verb", "override", "options"),
    [
        ("preprocess", "faces=null", "auto, given, none, trained"),
        ("detect", "scoring=null", "default"),
        ("detect", "faces=2", "auto, given, none, trained"),
    ],
)
def test_a_group_takes_the_name_of_an_option(refusal, tmp_path, verb, override, options):
    said = refusal(verb, "input=x", override, f"output_dir={tmp_path}")
    assert said == f"avforensics: {override}: no such option; options: {options}\n"


def test_the_command_line_says_so_and_ends_with_2(refusal, tmp_path):
    said = refusal("manifest", "seed=abc", f"output_dir={tmp_path}", "root=x", "output=y")
    assert said == "avforensics: seed must be a whole number, got abc\n"
