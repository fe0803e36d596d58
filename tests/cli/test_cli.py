"""The command line: verbs, exit codes, one-sentence errors and DDP's child processes."""

import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from hydra._internal.hydra import Hydra

from avforensics import cli, commands
from avforensics.errors import ConfigError

PROBE = '''
    """Write down how it was called.

    Second paragraph.
    """

    import json
    import os
    import sys
    from pathlib import Path

    from avforensics.errors import ConfigError


    def run(cfg):
        if cfg.action == "wrong":
            raise ConfigError("the setting is wrong")
        if cfg.action == "interrupt":
            raise KeyboardInterrupt
        if cfg.action == "full":
            raise OSError(28, "No space left on device", "some/file")
        if cfg.action == "bug":
            raise RuntimeError("a bug")
        if cfg.action == "missing":
            print(cfg.needed)
        seen = {"argv": sys.argv, "x": cfg.group.x}
        seen |= {"input": cfg.input, "output_dir": cfg.output_dir}
        Path(cfg.output_dir, "seen.json").write_text(json.dumps(seen))
        return cfg.code
'''
CONFIG = """
    defaults:
      - hydra: default
      - paths: default
      - _self_
    input: null # what is read
    needed: ???
    action: none
    code: 0
    group:
      x: 1
      number: 2
    output_dir: ${paths.outputs}/tryout/${now:%H-%M-%S-%f}
"""
SCRIPT = """
    import sys
    from avforensics import cli, commands
    commands.__path__.append({folder!r})
    if __name__ == "__main__":
        cli.command()
"""


@pytest.fixture
def tryout(tmp_path, monkeypatch):
    """Run a verb defined by the test; return the exit code and its working folder."""
    verbs = tmp_path / "verbs"
    verbs.mkdir()
    (verbs / "tryout.py").write_text(dedent(PROBE))
    (verbs / "tryout.yaml").write_text(dedent(CONFIG))
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(verbs)])
    monkeypatch.delitem(sys.modules, "avforensics.commands.tryout", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        argv = ["avforensics", "tryout", "--config-dir", str(verbs), *arguments]
        monkeypatch.setattr(sys, "argv", argv)
        code = cli.main()
        assert sys.argv == argv
        return code

    return call


def seen(folder):
    return json.loads((Path(folder) / "seen.json").read_text())


def test_alone_it_lists_the_verbs(capsys, monkeypatch, tryout):
    for argv in (["avforensics"], ["avforensics", "--help"]):
        monkeypatch.setattr(sys, "argv", argv)
        assert cli.main() == 0
        assert "tryout" in (out := capsys.readouterr().out)
        assert "Write down how it was called." in out


def test_version_and_an_unknown_verb(capsys, avforensics, refusal):
    assert avforensics("--version") == 0
    assert capsys.readouterr().out.startswith("avforensics ")
    assert "unknown command 'convrt'; did you mean 'convert'?" in refusal("convrt")


def test_the_verbs_exit_code(tryout):
    assert [tryout(f"code={code}", "output_dir=out") for code in (0, 1, 2)] == [0, 1, 2]


def test_inside_the_verb_argv_is_what_was_typed(tryout, tmp_path):
    assert tryout("input=a [1], b.mp4", "output_dir=my out") == 0
    found = seen("my out")
    assert found["input"] == "a [1], b.mp4"
    assert found["output_dir"] == str(tmp_path / "my out")
    assert found["argv"][:2] == ["avforensics", "tryout"]
    assert found["argv"][4:6] == ["input=a [1], b.mp4", "output_dir=my out"]
    # nothing is written but the run's folder
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my out", "verbs"]
    assert (tmp_path / "my out/.hydra/config.yaml").is_file()


def test_a_plain_command_composes_once(avforensics, make_video, tmp_path, monkeypatch):
    composed, compose = [], Hydra.compose_config
    monkeypatch.setattr(
        Hydra, "compose_config", lambda *args, **how: composed.append(how) or compose(*args, **how)
    )
    gc.disable()  # as in `command`
    try:
        assert avforensics("probe", make_video(), "--out", tmp_path / "out") == 0
        assert gc.isenabled()  # while the verb runs
    finally:
        gc.enable()
    assert len(composed) == 1
    assert (tmp_path / "out/.hydra/overrides.yaml").is_file()


def test_a_sweep_gives_each_job_a_folder_and_a_command_line(tryout, tmp_path):
    assert tryout("group.x=1,2", "-m", "output_dir=out", "input=a b", "code=1") == 1
    for job, x in (("0", 1), ("1", 2)):
        found = seen(tmp_path / "out" / job)
        assert (found["x"], found["output_dir"]) == (x, str(tmp_path / "out" / job))
        assert "-m" not in found["argv"]
        assert f"group.x={x}" in found["argv"]
        assert found["argv"][-1] == f"output_dir={tmp_path / 'out' / job}"
    assert not (tmp_path / "multirun").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["zzz=1"], "tryout has no setting 'zzz'; avforensics tryout --help lists them"),
        (["video.mp4"], "'video.mp4' is not of the form key=value"),
        (["paths=nowhere"], "paths=nowhere: no such option; options: default"),
        (["group.x=1,2"], "group.x has several values: write 'group.x=[1,2]' for a list"),
        (["group.x=${nope}"], "group.x: Interpolation key 'nope' not found"),
        (["action=wrong"], "the setting is wrong"),
        (["action=missing"], "a value is missing: write needed=..."),
        (["output_dir="], "output_dir is empty: write output_dir=..."),
        (["output_dir= "], "output_dir is empty: write output_dir=..."),
        (["output_dir=null"], "output_dir is empty: write output_dir=..."),
        (["output_dir=verbs/tryout.py"], "verbs/tryout.py: this is a file, not a folder"),
        (["plugins=[no_such_module]"], "plugins: no_such_module cannot be imported (No module"),
        (["plugins=no_such.py"], "plugins: no such file: no_such.py"),
        (["--config-dir", "nowhere"], "Additional config directory '"),
    ],
)
def test_a_mistake_is_one_sentence(tryout, refusal, monkeypatch, arguments, sentence):
    monkeypatch.setenv("AVFORENSICS_PLUGINS", "")
    said = refusal("output_dir=out", *arguments, by=tryout)
    assert said.startswith(f"avforensics: {sentence}")


@pytest.mark.parametrize(
    ("action", "code", "said"),
    [
        ("full", 1, "some/file: the disk is full"),
        ("interrupt", 130, "interrupted; all written files are complete."),
    ],
)
def test_a_full_disk_and_an_interrupt_are_one_sentence(tryout, capfd, action, code, said):
    assert tryout("output_dir=out", f"action={action}") == code
    assert capfd.readouterr().err == f"avforensics: {said}\n"


def test_a_bug_keeps_its_traceback_and_a_mistake_on_request(tryout, monkeypatch):
    with pytest.raises(RuntimeError, match="a bug"):
        tryout("output_dir=out", "action=bug")
    monkeypatch.setenv("AVFORENSICS_TRACEBACK", "1")
    with pytest.raises(ConfigError, match="the setting is wrong"):
        tryout("output_dir=out", "action=wrong")


def test_help_and_settings_of_a_verb(tryout, capsys):
    assert tryout("--help") == 0
    out = capsys.readouterr().out
    assert "Second paragraph." in out
    assert "  group.number=2\n" in out
    assert re.search(r"  input=null +what is read\n", out)
    assert re.search(r"  needed=\.\.\.\n", out)
    assert tryout("--cfg", "job", "group.x=7") == 0
    assert "x: 7" in capsys.readouterr().out


def test_code_and_configurations_of_ones_own(tryout, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("AVFORENSICS_PLUGINS", "")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "probe_plugin.py").write_text("import sys\nsys.probe_plugin = True\n")
    (tmp_path / "verbs" / "paths").mkdir()
    (tmp_path / "verbs" / "paths" / "mine.yaml").write_text("outputs: elsewhere\n")
    monkeypatch.setattr(sys, "probe_plugin", False, raising=False)
    assert tryout("paths=mine", "output_dir=out", "+plugins=own/probe_plugin.py") == 0
    assert sys.probe_plugin
    del sys.modules["probe_plugin"]


@pytest.mark.slow
def test_lightning_starts_its_other_processes_through_the_command_line(tmp_path):
    """Two DDP processes on the CPU get the same settings and folder, odd names included."""
    (tmp_path / "tryout.py").write_text(
        dedent('''
        """Train nothing on two processes."""
        import json, os
        from pathlib import Path
        import torch
        from pytorch_lightning import Trainer
        from pytorch_lightning.demos.boring_classes import BoringModel


        def run(cfg):
            trainer = Trainer(
                accelerator="cpu", devices=2, strategy="ddp", max_steps=1, logger=False,
                enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                default_root_dir=cfg.output_dir, limit_val_batches=0,
            )
            trainer.fit(BoringModel())
            text = json.dumps({"input": cfg.input, "output_dir": cfg.output_dir})
            Path(cfg.output_dir, f"rank{trainer.global_rank}.json").write_text(text)
            return 0
        ''')
    )
    (tmp_path / "tryout.yaml").write_text(dedent(CONFIG))
    script = tmp_path / "main.py"
    script.write_text(dedent(SCRIPT.format(folder=str(tmp_path))))
    arguments = ["tryout", "--config-dir", str(tmp_path), "input=it's [1], b.mp4"]
    arguments += ["paths.outputs=some, where"]
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    ranks = [json.loads(p.read_text()) for p in sorted(tmp_path.glob("some*/tryout/*/rank*.json"))]
    assert len(ranks) == 2
    assert ranks[0] == ranks[1]
    assert ranks[0]["input"] == "it's [1], b.mp4"


@pytest.mark.parametrize("words", [["--help"], ["detect", "--help"], ["train", "--cfg", "job"]])
def test_a_reader_that_leaves_is_no_error(words):
    """Close the pipe, as ``| head -1`` does."""
    command = [sys.executable, "-m", "avforensics", *words]
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("name", ["checkpoint.bundle", "input", "batch_windows", "features"])
def test_a_setting_without_a_value_is_known_all_the_same(name, refusal):
    said = refusal("evaluate" if name == "features" else "detect", f"~{name}")
    assert f"~{name}: the setting {name} has no value to delete; omit ~{name}" in said
    assert "did you mean" not in said


def test_a_setting_that_is_needed_cannot_be_deleted(refusal):
    said = refusal("probe", "input=a.mp4", "~decode")
    assert "probe needs the setting decode; omit ~decode" in said


def test_the_process_ends_with_the_exit_code_after_functions_of_atexit():
    code = """
import atexit, sys
from avforensics.cli import start
start.main = lambda: atexit.register(print, "cleaned up") and 3
start.command()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "cleaned up\n", "")
