"""Positional inputs, --out and shell completion."""

import pytest
from runs import composed
from test_overrides import NASTY

from avforensics.cli.completion import complete
from avforensics.cli.overrides import quote_override
from avforensics.cli.positional import INPUTS, SEVERAL, name_words
from avforensics.errors import ConfigError


def parsed(verb, *arguments):
    return composed(verb, *map(quote_override, name_words(verb, arguments)))


def test_every_name_arrives_as_typed():
    names = [*NASTY, "-m", "--out", "${scoring.lam}.mp4", "key=value", "null", "", "input=x"]
    assert list(parsed("detect", "--", *names).input) == names
    for name in ("a b.mp4", "[x].mp4", "-dash.mp4", "1", "${paths.data}"):
        assert parsed("detect", "--", name).input == name
    cfg = parsed("detect", "a b.mp4", "scoring.lam=0.5", "b[1].mp4", "--out", "my=out")
    assert (list(cfg.input), cfg.scoring.lam) == (["a b.mp4", "b[1].mp4"], 0.5)
    assert cfg.output_dir == "my=out"


def test_a_word_with_an_equals_sign_is_a_file_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "device=cuda.mp4").touch()
    cfg = parsed("detect", "device=cuda.mp4", "device=cpu")
    assert (cfg.input, cfg.device) == ("device=cuda.mp4", "cpu")


@pytest.mark.parametrize("verb", sorted(INPUTS))
def test_words_fill_a_setting_of_each_verb(verb):
    cfg = parsed(verb, "a.x", "--out=b.x")
    assert cfg[INPUTS[verb]] == "a.x"
    assert cfg.get("output", cfg.output_dir) == "b.x"
    if verb not in SEVERAL:
        with pytest.raises(ConfigError, match=f"{verb} takes one input, got 2: a, b"):
            name_words(verb, ["a", "b"])


def test_what_cannot_be_meant_is_a_sentence(capsys):
    for verb, usage in {"detect": "[INPUT ...] ", "render": "[INPUT] ", "train": ""}.items():
        with pytest.raises(SystemExit):
            name_words(verb, ["--out"])
        assert (
            f"usage: avforensics {verb} {usage}[--out OUT] [key=value ...]"
            in capsys.readouterr().err
        )
    with pytest.raises(ConfigError, match="got its input twice"):
        name_words("detect", ["a.mp4", "input=b.mp4"])
    with pytest.raises(ConfigError, match=r"got two outputs: output=\.\.\. and --out c"):
        name_words("render", ["a.mp4", "--out", "c", "output=b"])
    with pytest.raises(ConfigError, match="train accepts only key=value arguments"):
        name_words("train", ["--", "a.mp4"])
    typed = ["a=b", "-m", "c", "--cfg", "job", "--config-dir", "d"]
    assert name_words("train", typed) == typed  # c: Hydra reports what is wrong with it
    assert name_words("train", ["a=b", "--out", "c", "-m"]) == ["a=b", "output_dir='c'", "-m"]


def test_weights_by_name_leave_options_sweeps_and_inputs_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = ["checkpoint=named", "checkpoint.weights='a b'"]
    assert name_words("train", ["checkpoint=a b", "x=1"]) == [*named, "x=1"]
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/mine.yaml").touch()
    for typed in (
        ["checkpoint=talkers"],
        ["-m", "checkpoint=talkers,released"],
        ["-m", "checkpoint=glob(*)"],
        ["--config-dir", str(tmp_path), "checkpoint=mine"],
        ["--config-dir", str(tmp_path), "-m", "checkpoint=mine,talkers"],
        ["--config-dir", "checkpoint=mine"],  # a folder with this name
    ):
        assert name_words("train", typed) == typed
    swept = name_words("train", ["-m", "checkpoint=talkers,a/b"])
    assert swept == ["checkpoint=named", "checkpoint.weights='talkers','a/b'", "-m"]
    assert quote_override(swept[1], multirun=True) == swept[1]
    assert parsed("detect", "--", "checkpoint=mine").input == "checkpoint=mine"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("avforensics pro", ["probe"]),
        ("avforensics detect faces=a", ["faces=auto"]),
        ("avforensics detect 'a b.mp4' -m scoring.wind", ["scoring.windows="]),
        ("avforensics evaluate benchmark=kodf benchmark.full", ["benchmark.full_frames="]),
        ("avforensics nosuch x", []),
    ],
)
def test_completion_offers_verbs_options_and_settings(line, offered, monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", line)
    complete("query=bash", ["detect", "probe"])
    assert capsys.readouterr().out.split() == offered


def test_completion_prints_the_shells_script(capsys):
    complete("bash", [])
    assert "complete -o nospace" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="must be one of bash, fish, zsh, got 'tcsh'"):
        complete("tcsh", [])
