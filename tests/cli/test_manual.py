"""Help on a verb: only its groups and settings, each with the comment from the YAML file."""

import re
import subprocess
import sys

import pytest

from avforensics.cli import verbs
from avforensics.cli.manual import manual


def meaning(text, key):
    return re.search(rf"^  {re.escape(key)}=\S* *(.*)$", text, re.MULTILINE)[1]


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_one(verb):
    text = manual(verb)
    assert re.match(r"(Groups \(group=option\):\n\n  |Settings \(key=value\):\n\n  )", text)
    assert "\n  output_dir=" in text
    assert "\n  hydra." not in text
    settings = text.partition("Settings (key=value):\n\n")[2].splitlines()
    bare = {line.strip() for line in settings if not re.search(r"\S  +\S", line)}
    if verb not in ("train", "evaluate"):  # these two list arguments of classes of other libraries
        assert not {line for line in bare if not line.startswith("splits.")}


def test_settings_have_the_comments_of_their_files():
    text = manual("detect")
    assert meaning(text, "report").startswith("reports/NAME.html")
    assert meaning(text, "scoring.lam").startswith("weight of the activation score")
    assert "\n  faces=trained: auto, given, none, trained\n" in text
    assert "benchmark" not in text
    assert "_target_" not in text
    assert text.index("  input=...") < text.index("  scoring.lam=")


def test_chosen_options_are_shown():
    assert "faces.find." not in manual("detect", ["faces=given"])
    assert "faces.find." in manual("detect")
    text = manual("train", ["experiment=anomaly", "trainer=gpu"])
    assert "\n  trainer=gpu: " in text
    assert meaning(text, "trainer.use_distributed_sampler")  # defined in cpu, which gpu extends
    assert meaning(text, "max_len") == "N, windows per sequence"
    assert "\n  decoder.heads=16\n" in text
    text = manual("evaluate", ["benchmark=kodf"])
    assert meaning(text, "benchmark.full_frames").startswith("true: its videos show more")


def test_configurations_of_ones_own_are_shown(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("size: 12 # side in pixels\n")
    text = manual("train", ["model=mine"], [str(tmp_path)])
    assert meaning(text, "model.size") == "side in pixels"
    assert re.search(r"^  model=mine: .*mine", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "module", "shown"),
    [
        (["train", "--help"], "torch", "trainer.max_epochs=10"),
        (["--help"], "hydra", "avforensics VERB --help"),
    ],
)
def test_help_does_not_wait_for_slow_imports(words, module, shown):
    code = f"import sys; from avforensics import cli; cli.main(); print({module!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("False\n")
    assert shown in done.stdout
