"""`avforensics detect`: rows for good and bad files, kills, resuming and exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from runs import table
from safetensors.numpy import load_file

from avforensics.commands import detect as detect_command
from avforensics.detection import artifacts as artifacts_module
from avforensics.detection.record import read_record
from avforensics.evaluation.calibration import Calibration
from avforensics.media import write_wav
from avforensics.report import figures as figures_module
from avforensics.scoring import clips as clips_module

REQUIRED = (
    "path status error score distribution_score activation_score lam n_windows n_frames fps "
    "seconds skipped_packets sha256"
)


@pytest.fixture
def detect(run, tmp_path):
    """Run the command in this process; return its exit code."""

    def call(*arguments, report=False):
        code = run("detect", f"report={report}", *arguments)
        for path in tmp_path.glob("*/results/*.json"):
            read_record(path)  # every result of these tests must match its schema
        return code

    return call


def rows(folder="out"):
    return table(Path(folder) / "scores.csv")


def test_one_file(detect, tmp_path, capsys, make_clip):
    clip = make_clip(tmp_path / "a [1], take=2.mp4")
    every = "save_features=true", "figures=true"
    assert detect(f"input={clip}", "output_dir=out", *every, report=True) == 0
    (row,) = rows()
    assert list(row)[:13] == REQUIRED.split()
    assert (row["path"], row["status"], row["error"]) == (str(clip), "scored", "")
    assert (row["n_windows"], row["n_frames"], row["fps"]) == ("16", "20", "25.0")
    score = float(row["score"])
    assert score == pytest.approx(float(row["distribution_score"]))  # lam 0
    for name in ("testing_score.npy", "testing_scores.npy"):
        np.testing.assert_array_equal(np.load(tmp_path / "out" / name), [score])
    features = load_file(tmp_path / "out/features/a_1_take_2.safetensors")
    assert features["sync_logits"].shape == (16, 31)
    assert features["activations"].shape == (16, 80)
    assert features["step_distribution"].mean() == pytest.approx(score, rel=1e-5)
    assert (tmp_path / "out" / row["report"]).stat().st_size > 10_000
    record = read_record(tmp_path / "out/results/a_1_take_2.json")
    assert (record["status"], record["score"]["score"]) == ("scored", score)
    assert record["file"]["sha256"] == row["sha256"]
    assert record["offset_ms"] == int(row["offset_ms"])
    assert record["weights"].keys() == {"tiny.safetensors"}
    assert not record["measured_on_inner_windows"]  # no window has sound at every delay
    assert {"mean_maximum", "jump_rate"} <= record["statistics"].keys()
    assert record["command"][1:3] == ["detect", "checkpoint=bundle"]
    assert row["report"] in (tmp_path / "out/index.html").read_text()
    versions = json.loads((tmp_path / "out/versions.json").read_text())
    assert list(versions["checkpoints"]) == ["tiny.safetensors"]
    assert versions["packages"]["torch"]
    assert OmegaConf.load(tmp_path / "out/config.yaml").input == str(clip)
    assert list(tmp_path.glob("out/figures/*/*.pdf"))
    log = (tmp_path / "out/output.log").read_text()
    assert "1 scored, 0 failed" in log and "fontTools" not in log
    assert "Stand-in weights" in capsys.readouterr().out


def test_several_lams_cost_one_pass(detect, tmp_path, make_clip):
    make_clip(tmp_path / "a.mp4")
    assert detect("input=a.mp4", "output_dir=out", "scoring.lam=[0.5,0,2]") == 0
    (row,) = rows()
    distribution, activation = float(row["distribution_score"]), float(row["activation_score"])
    assert float(row["lam"]) == 0.5
    assert float(row["score"]) == pytest.approx(distribution + 0.5 * activation)
    by_lam = table(tmp_path / "out/scores_by_lam.csv")
    assert [float(r["lam"]) for r in by_lam] == [0.5, 0, 2]
    assert float(by_lam[2]["score"]) == pytest.approx(distribution + 2 * activation)
    assert detect("input=a.mp4", "output_dir=out", "scoring.lam=2") == 0
    assert not (tmp_path / "out/scores_by_lam.csv").exists(), "of another run"


def bad_files(folder: Path, make_clip) -> list[str]:
    """Make twelve files that cannot be scored, each for a different reason."""
    good = make_clip(folder / "good_00.mp4")
    (folder / "empty.mp4").touch()
    (folder / "garbage.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "head.mp4").write_bytes(good.read_bytes()[:200])
    whole = good.read_bytes()
    (folder / "no_index.mp4").write_bytes(whole.replace(b"moov", b"lost"))
    (folder / "folder.mp4").mkdir()
    (folder / "dangling.mp4").symlink_to(folder / "nowhere.mp4")
    make_clip(folder / "silent.mp4", sound=False)
    make_clip(folder / "short.mp4", frames=4)
    make_clip(folder / "one_window.mp4", frames=5)
    write_wav(folder / "sound.wav", np.zeros(16000, np.int16))
    (folder / "sound.wav").rename(folder / "sound.mp4")
    names = "empty garbage text head no_index folder dangling silent short one_window sound missing"
    return [f"{name}.mp4" for name in names.split()]


def test_twenty_good_and_twelve_bad_files(detect, tmp_path, capsys, make_clip):
    clips = tmp_path / "clips"
    bad = bad_files(clips, make_clip)
    good = [make_clip(clips / f"good_{i:02d}.mp4", seed=i).name for i in range(20)]
    listed = [name for pair in zip(good, bad, strict=False) for name in pair] + good[len(bad) :]
    text = "\ufeff# a list\r\n\r\n" + "".join(f"{name}\r\n" for name in [*listed, good[3]])
    (clips / "list.txt").write_text(text, encoding="utf-8", newline="")
    assert detect("input=clips/list.txt", "output_dir=out") == 1
    found = rows()
    assert [Path(row["path"]).name for row in found] == listed
    scored = [row for row in found if row["status"] == "scored"]
    failed = [row for row in found if row["status"] == "failed"]
    assert [Path(row["path"]).name for row in scored] == good
    assert [Path(row["path"]).name for row in failed] == bad
    assert all(row["error"] and "Error" not in row["error"] for row in failed), failed
    assert all(row["score"] == "" for row in failed)
    scores = np.load(tmp_path / "out/testing_score.npy")
    expected = [float(row["score"]) if row["score"] else np.nan for row in found]
    np.testing.assert_array_equal(scores, expected)
    assert len(set(scores[np.isfinite(scores)])) == 20
    out = capsys.readouterr().out
    assert "20 scored, 12 failed" in out
    assert "1 file listed more than once, but scored once" in out
    assert "failed: clips/missing.mp4: " in out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(detect, tmp_path, make_clip):
    make_clip(tmp_path / "a.mp4").chmod(0)
    assert detect("input=a.mp4", "output_dir=out") == 1
    assert "permission" in rows()[0]["error"].lower()


ODD_NAMES = ["a b.mp4", "a.b.c.mp4", "[x](y).mp4", "ünï 视频.mp4", "-dash.mp4", "it's=1,2.mp4"]
ODD_NAMES += ["%41#?.mp4"]


def test_odd_names_in_a_folder(detect, tmp_path, make_clip):
    clip = make_clip(tmp_path / "clip.mp4")
    folder = tmp_path / "videos, all"
    for name in ODD_NAMES:
        (folder / "sub").mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder / name)
        shutil.copy(clip, folder / "sub" / name)
    assert detect("input=videos, all", "output_dir=my [out]", "save_features=true") == 0
    found = rows("my [out]")
    assert len(found) == 2 * len(ODD_NAMES)
    assert {Path(row["path"]).name for row in found} == set(ODD_NAMES)
    assert len(list((tmp_path / "my [out]/features").iterdir())) == 2 * len(ODD_NAMES)
    assert len({row["score"] for row in found}) == 1
    shutil.copy(clip, "-dash.mp4")
    assert detect("input=-dash.mp4", "output_dir=out") == 0


def test_nothing_is_done_twice(detect, tmp_path, capsys, make_clip):
    for i in range(4):
        make_clip(tmp_path / f"v/{i}.mp4", seed=i)
    run = ("input=v", "output_dir=out")
    assert detect(*run) == 0
    before = rows()
    capsys.readouterr()
    assert detect(*run) == 0
    assert rows() == before  # `seconds` too
    assert "4 of 4 videos are already done" in capsys.readouterr().out

    make_clip(tmp_path / "v/1.mp4", seed=9)
    os.utime(tmp_path / "v/2.mp4")  # different time, same bytes
    assert detect(*run) == 0
    after = rows()
    assert after[1]["score"] != before[1]["score"]
    assert [after[i] for i in (0, 2, 3)] == [before[i] for i in (0, 2, 3)]
    assert "scoring 1 video again: the file has changed" in capsys.readouterr().out

    assert detect(*run, "scoring.max_len=9") == 0
    told = capsys.readouterr().out
    assert "scoring 4 videos again: scored with other settings (scoring.max_len 50 -> 9)" in told
    assert {row["n_windows"] for row in rows()} == {"9"}

    assert detect(*run, "scoring.max_len=9", report=True) == 0
    assert (
        "scoring 4 videos again: the report or the features are missing" in capsys.readouterr().out
    )
    assert detect(*run, "scoring.max_len=9", "resume=false") == 0
    assert "already done" not in capsys.readouterr().out


def test_products_are_of_the_score_beside_them(detect, tmp_path, make_clip):
    """After a run with other settings, features and figures of an earlier run are not reused."""
    clip = make_clip(tmp_path / "v/a.mp4")
    run = ("input=v", "output_dir=out")
    every = ("save_features=true", "figures=true")
    out = tmp_path / "out"
    products = "features/a.safetensors", "figures/a/delays.png", "reports/a.html"

    def of_the_score():
        losses = load_file(out / "features/a.safetensors")["step_distribution"]
        return losses.mean() == pytest.approx(float(rows()[0]["distribution_score"]), rel=1e-5)

    assert detect(*run, *every, report=True) == 0
    assert of_the_score()
    assert detect(*run, "scoring.max_len=9") == 0
    assert not any((out / name).exists() for name in products)
    assert detect(*run, "scoring.max_len=9", *every, report=True) == 0
    assert all((out / name).exists() for name in products)
    assert len(load_file(out / "features/a.safetensors")["step_distribution"]) == 8
    assert of_the_score()
    assert rows()[0]["report"] == "reports/a.html"

    clip.write_text("no video any more")
    assert detect(*run, "scoring.max_len=9") == 1
    assert not any((out / name).exists() for name in products)


def test_a_report_that_cannot_be_drawn_costs_no_score(detect, tmp_path, monkeypatch, make_clip):
    def broken(*arguments, **options):
        raise ValueError("odd")

    make_clip(tmp_path / "a.mp4")
    run = ("input=a.mp4", "output_dir=out", "figures=true")
    monkeypatch.setattr(artifacts_module, "write_video_report", broken)
    monkeypatch.setattr(figures_module, "save_figures", broken)
    assert detect(*run, report=True) == 0
    before = rows()
    assert before[0]["warnings"] == "no figures: ValueError: odd; no report: ValueError: odd"
    assert before[0]["report"] == ""
    assert detect(*run, report=True) == 0
    assert rows() == before  # even `seconds` is equal: nothing was scored again


def test_a_score_that_is_no_number_ends_no_batch(detect, tmp_path, monkeypatch, make_clip):
    for i in range(3):
        make_clip(tmp_path / f"v/{i}.mp4", frames=20 + i, seed=i)
    score_features = clips_module.score_features

    def odd(features, *arguments):
        if features.n_windows == 17:  # the second video
            features.sync_logits[:] = np.nan
        return score_features(features, *arguments)

    monkeypatch.setattr(clips_module, "score_features", odd)
    Calibration.fit([0.001] * 30).save("real")
    run = ("input=v", "output_dir=out", "calibration=real")
    assert detect(*run, report=True) == 0
    found = rows()
    assert [row["p_value"] for row in found] == [str(1 / 31), "", str(1 / 31)]
    assert [row["score"] == "" for row in found] == [False, True, False]
    assert "no p-value: the score is not a finite number" in found[1]["warnings"]
    assert detect(*run, report=True) == 0
    assert rows() == found

    def broken(outcome, *_):
        if outcome.result.path.stem == "1":
            raise ValueError("odd")

    monkeypatch.setattr(detect_command, "judge_outcome", broken)
    assert detect(*run, "resume=false") == 1
    assert [row["status"] for row in rows()] == ["scored", "failed", "scored"]
    assert rows()[1]["error"] == "ValueError: odd"


@pytest.mark.parametrize("faces", ["given", "none"])
def test_rows_of_a_manifest(detect, tmp_path, make_clip, faces):
    """Whole files, a part, and a file with its sound in another file are each scored once."""
    clips = tmp_path / "clips"
    clips.mkdir()
    make_clip(clips / "a.mp4", frames=40)
    make_clip(clips / "mute.mp4", seed=1, sound=False)
    make_clip(clips / "b.mp4", seed=2)
    table = "Path;Label;Start;Duration;Audio\na.mp4;real;;;\na.mp4;fake;0,4;0,8;\n"
    table += "mute.mp4;1;;;b.mp4\ngone.mp4;0;;;\n"
    (clips / "m.csv").write_text(table, encoding="utf-16")
    words = "input=clips/m.csv", "output_dir=out", f"faces={faces}"
    assert detect(*words, report=True) == 1
    found = rows()
    assert [Path(row["path"]).name for row in found] == ["a.mp4", "a.mp4", "mute.mp4", "gone.mp4"]
    assert [row["status"] for row in found] == ["scored"] * 3 + ["failed"]
    assert [row["n_frames"] for row in found] == ["40", "20", "20", ""]
    assert [(row["start"], row["end"]) for row in found[:3]] == [("", ""), ("0.4", "1.2"), ("", "")]
    assert len({row["report"] for row in found[:3]}) == 3
    assert detect(*words, report=True) == 1
    assert rows() == [*found[:3], {**rows()[3], "seconds": rows()[3]["seconds"]}]
    assert detect("input=out/scores.csv", "output_dir=again", f"faces={faces}") == 1
    assert [row["score"] for row in rows("again")][:2] == [row["score"] for row in found][:2]


def test_another_input_into_the_same_folder(detect, tmp_path, make_clip):
    for name in ("a/clip.mp4", "b/clip.mp4"):
        make_clip(tmp_path / name, seed=len(name))
    assert detect("input=a", "output_dir=out", report=True) == 0
    assert detect("input=.", "output_dir=out", report=True) == 0
    reports = [row["report"] for row in rows()]
    assert reports[0] == "reports/clip.html"
    assert reports[1].startswith("reports/clip-")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["input=nowhere"], "input=nowhere: there is no such file or folder"),
        (["input=nowhere.txt"], "nowhere.txt: no such file"),
        (["input=none"], "none: no video in this folder or below"),
        (["input=empty.txt"], "empty.txt: the list contains no video"),
        (["input=binary.txt"], "binary.txt: binary data, not text"),
        (["input="], "input is empty"),
        ([], "a value is missing: write input=..."),
        (["input=a.mp4", "scoring.max_len=51"], ""),
        (["input=a.mp4", "scoring.windows=some"], ""),
        (["input=a.mp4", "false_positive_rate=2"], "false_positive_rate must be within (0, 1)"),
        (["input=a.mp4", "false_segments_per_minute=0"], "false_segments_per_minute must be above"),
        (["input=a.mp4", "scoring.lam=[]"], "at least one lam is needed"),
        (["input=a.mp4", "device=gpu7"], ""),
        (["input=a.mp4", "checkpoint.bundle=nowhere.safetensors"], "nowhere.safetensors: "),
        (["input=a.mp4", "scoring.max_leng=3"], "detect has no setting 'scoring.max_leng'; did"),
    ],
)
def test_wrong_usage_is_one_sentence(detect, tmp_path, refusal, arguments, sentence, make_clip):
    make_clip(tmp_path / "a.mp4")
    (tmp_path / "none").mkdir()
    (tmp_path / "none/readme.md").touch()
    (tmp_path / "empty.txt").write_text("\n# nothing\n\n")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    said = refusal("output_dir=out", *arguments, by=detect)
    assert said.startswith(f"avforensics: {sentence}")
    assert not (tmp_path / "out/scores.csv").exists()


def test_a_report_waits_for_no_import_that_it_does_not_need(tmp_path, bundle, make_clip):
    make_clip(tmp_path / "a.mp4")
    code = (
        "import sys; from avforensics import cli; cli.main(); print(*sys.modules, file=sys.stderr)"
    )
    words = ["detect", "a.mp4", "--out", "out", "checkpoint=bundle", f"checkpoint.bundle={bundle}"]
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "out/reports/a.html").exists()
    loaded = set(done.stderr.split())
    assert "torch" in loaded
    unneeded = {"scipy", "matplotlib", "sklearn", "pytorch_lightning", "pandas", "jsonschema"}
    assert not loaded & unneeded


SLOW = """
import sys, time
from avforensics import cli
from avforensics.scoring.engine import Engine

network = Engine.run

def slow(self, batch):
    time.sleep(0.15)
    return network(self, batch)

Engine.run = slow
cli.command()
"""


@pytest.fixture
def started(bundle, tmp_path, make_clip):
    """Return a function that starts a slow batch and waits until videos are in its journal."""

    def start(finished: int) -> subprocess.Popen:
        for i in range(20):
            make_clip(tmp_path / f"v/{i:02d}.mp4", seed=i)
        (tmp_path / "slow.py").write_text(SLOW)
        words = ["input=v", "output_dir=out", "checkpoint=bundle", f"checkpoint.bundle={bundle}"]
        run = subprocess.Popen(
            [sys.executable, "slow.py", "detect", "report=false", *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # a suite started in the background ignores it, and children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        journal, until = tmp_path / "out/journal.jsonl", time.monotonic() + 300
        while not journal.exists() or journal.read_bytes().count(b"\n") < 1 + finished:
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < until, "nothing is written"
            time.sleep(0.02)
        return run

    return start


def test_a_kill_loses_and_doubles_nothing(detect, started, tmp_path):
    run = started(8)
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)
    finished = rows(tmp_path / "out")
    assert 5 <= len(finished) < 20
    # the arrays are written after the table, so a kill in between leaves the old arrays
    assert 1 <= np.isfinite(np.load(tmp_path / "out/testing_score.npy")).sum() <= len(finished)
    with (tmp_path / "out/journal.jsonl").open("ab") as file:
        file.write(b'{"video": "torn')
    (tmp_path / "out/.scores.99.partial.csv").write_text("half a ta")

    assert detect("input=v", "output_dir=out") == 0
    after = rows()
    assert [Path(row["path"]).stem for row in after] == [f"{i:02d}" for i in range(20)]
    assert after[: len(finished)] == finished  # `seconds` too: nothing was scored again
    assert not list((tmp_path / "out").glob(".*partial*"))
    shutil.rmtree(tmp_path / "out")
    assert detect("input=v", "output_dir=out") == 0
    assert [row["score"] for row in rows()] == [row["score"] for row in after]


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")],
)
def test_ctrl_c_and_sigterm_keep_what_is_done(started, tmp_path, number, code, word):
    run = started(3)
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert run.returncode == code, err
    assert "run the same command again to continue" in out
    assert err == f"avforensics: {word}; all written files are complete.\n"
    assert 3 <= len(rows(tmp_path / "out")) < 20


def test_a_full_disk_leaves_whole_files(detect, tmp_path, monkeypatch, capfd, make_clip):
    for i in range(4):
        make_clip(tmp_path / f"v/{i}.mp4", seed=i)
    write, calls = os.write, []

    def full(fd, data):
        if data.startswith(b'{"video"') and len(calls) >= 2:
            write(fd, data[:10])
            raise OSError(28, "No space left on device")
        calls.append(len(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    assert detect("input=v", "output_dir=out") == 1
    assert capfd.readouterr().err == (
        f"avforensics: {tmp_path / 'out/journal.jsonl'}: the disk is full\n"
    )
    monkeypatch.undo()
    lines = (tmp_path / "out/journal.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines]
    assert len(rows(tmp_path / "out")) == 1


@pytest.mark.slow
def test_a_sweep_with_a_launcher(detect, tmp_path, capfd):
    assert detect("-m", "hydra/launcher=joblib", "input=nowhere", "output_dir=out") == 2
    assert "input=nowhere: there is no such file or folder" in capfd.readouterr().err
