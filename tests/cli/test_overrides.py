"""Values on the command line are taken as typed."""

import pytest
from hydra import compose, initialize_config_dir

from avforensics.cli.overrides import is_path_key, quote_override

NASTY = [
    "a b.mp4", "[x].mp4", "[x]", "a,b.mp4", "a=b.mp4", "1", "1.50", "true", "it's.mp4",
    'say "hi".mp4', "-leading.mp4", " spaces around ", "ünïcødé 视频.mp4", "back\\slash",
    "back\\,slash", "ends in \\", "\\'", "{a: 1}", "choice(a,b)", "~/x.mp4", "half${open.mp4",
    "a:b", "100%.mp4", "two\nlines", "tab\there", "a;b#c&d|e", "?x*", "(1).mp4", "@home",
]  # fmt: skip


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    (folder / "verb.yaml").write_text("input: ???\nscoring:\n  lam: 0\n")

    def read(*arguments):
        with initialize_config_dir(str(folder), version_base="1.3"):
            return compose("verb", overrides=list(arguments))

    return read


@pytest.mark.parametrize("value", NASTY)
def test_a_path_arrives_as_typed(composed, value):
    argument = quote_override(f"input={value}")
    assert composed(argument).input == value
    assert quote_override(argument) == argument  # a command line may be quoted twice (DDP)


def test_a_file_named_like_an_interpolation(composed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "odd \\${scoring.lam}.mp4"
    (tmp_path / name).touch()
    assert composed(quote_override(f"input={name}")).input == name


def test_an_interpolation_stays_one(composed):
    assert composed(quote_override("input=clips/${scoring.lam} [1].mp4")).input == "clips/0 [1].mp4"


@pytest.mark.parametrize(
    "argument",
    [
        "scoring.lam=[0,1]", "scoring.lam=0.5", "input=null", "input='already, quoted'",
        "input=plain/file.mp4", "trainer=ddp", "~scoring", "-m", "--config-dir=a,b", "plain",
        "+new.key={a: 1}",
    ],
)  # fmt: skip
def test_what_hydra_reads_rightly_is_left_alone(argument):
    assert quote_override(argument) == argument


def test_a_sweep_over_inputs_needs_multirun():
    assert quote_override("input=a.mp4,b.mp4") == "input='a.mp4,b.mp4'"
    assert quote_override("input=a.mp4,b.mp4", multirun=True) == "input=a.mp4,b.mp4"
    assert quote_override("input=[a],b(,c", multirun=True) == "input='[a],b(,c'"


def test_a_folder_that_lightning_quoted_badly():
    assert quote_override('hydra.run.dir="out "x""') == "hydra.run.dir='out \"x\"'"


def test_which_keys_name_files():
    assert all(map(is_path_key, ("input", "output_dir", "checkpoint.sync", "+benchmark.root")))
    assert not any(map(is_path_key, ("scoring.lam", "trainer.devices", "hydra/launcher")))
