"""Meaningless scores are kept and marked in tables, pages, the exit code and metrics."""

import json
from pathlib import Path

import numpy as np
import pytest
from runs import table
from voices import speech

from avforensics.media import write_clip

FRAMES = 20


@pytest.fixture
def videos(tmp_path, make_clip):
    """Make a normal, a frozen and a silent video, and two normal ones labelled as fakes."""
    folder = tmp_path / "v"
    for seed, name in enumerate(("fine.mp4", "fake_1.mp4", "fake_2.mp4")):
        make_clip(folder / name, seed=seed)
    still = np.full((FRAMES, 64, 64, 3), 90, np.uint8)
    still[:, 20:40, 20:40] = 200
    write_clip(folder / "frozen.mp4", still, speech(FRAMES))
    moving = np.random.default_rng(0).integers(0, 256, (FRAMES, 8, 8, 3), np.uint8)
    silent = moving.repeat(8, 1).repeat(8, 2)
    write_clip(folder / "silent.mp4", silent, np.zeros(FRAMES * 640, np.int16))
    return folder


def test_the_score_is_kept_and_marked(run, videos, capsys):
    arguments = ("input=v", "output_dir=out", "save_features=true")
    assert run("detect", *arguments) == 0  # this is not a failure
    found = {Path(row["path"]).name: row for row in table("out/scores.csv")}
    statuses = {name: row["status"] for name, row in found.items()}
    marked = dict.fromkeys(("frozen.mp4", "silent.mp4"), "not_applicable")
    assert statuses == dict.fromkeys(found, "scored") | marked
    frozen = found["frozen.mp4"]
    assert frozen["score"] and not frozen["error"]
    assert "frozen picture" in frozen["not_applicable"] and float(frozen["still"]) == 1
    assert "silence" in found["silent.mp4"]["not_applicable"]
    assert not found["fine.mp4"]["not_applicable"] and float(found["fine.mp4"]["speech"]) > 0.3
    assert "not_applicable" in capsys.readouterr().out
    page = Path("out", frozen["report"]).read_text(encoding="utf-8")
    assert "Not applicable" in page and "frozen picture" in page
    assert "Not applicable" not in Path("out", found["fine.mp4"]["report"]).read_text("utf-8")
    index = Path("out/index.html").read_text(encoding="utf-8")
    assert "not_applicable" in index and "frozen picture" in index
    assert run("detect", *arguments) == 0
    assert "5 of 5 videos are already done" in capsys.readouterr().out
    drawn = run("render", f"input={videos}/frozen.mp4", "output=x.mp4", "results=out")
    assert drawn == 0 and Path("x.mp4").is_file()


def test_other_limits_judge_anew_and_none_marks_nothing(run, videos):
    detect = ("detect", "input=v", "output_dir=out", "report=false")
    assert run(*detect) == run(*detect, "applicability.max_still=1") == 0
    marked = {Path(r["path"]).name for r in table("out/scores.csv") if r["status"] != "scored"}
    assert marked == {"silent.mp4"}
    assert run(*detect, "applicability.measure=false") == 0
    assert {row["status"] for row in table("out/scores.csv")} == {"scored"}
    assert {row["speech"] for row in table("out/scores.csv")} == {""}


def test_evaluation_counts_them_apart(run, videos, bundle):
    lines = ["path,label,category,method,identity,split,start,duration,segments,audio,hash"]
    for path in sorted(videos.iterdir()):
        fake = path.name.startswith("fake")
        kind, segments = ("x", "0.2-0.4") if fake else ("", "")
        lines.append(f"{path},{int(fake)},{kind},,{path.stem},test,0,,{segments},,")
    Path("m.csv").write_text("\n".join(lines) + "\n")
    assert run("extract", "manifest=m.csv", "output_dir=store", "workers=1") == 0
    evaluate = ("features=store", "select.split=test", "scoring.max_len=10")
    assert run("evaluate", *evaluate, "output_dir=a") == 0
    summary = json.loads(Path("a/metrics.json").read_text())
    coverage = summary["coverage"]
    assert (coverage["listed"], coverage["scored"], coverage["failed"]) == (5, 5, 0)
    apart = {Path(one["path"]).name: one["reason"] for one in coverage["not_applicable"]}
    assert set(apart) == {"frozen.mp4", "silent.mp4"} and "frozen" in apart["frozen.mp4"]
    assert (summary["overall"]["n_real"], summary["overall"]["n_fake"]) == (1, 2)
    assert "2 of them are not applicable" in Path("a/metrics.md").read_text()
    found = {Path(row["path"]).name: row for row in table("a/scores.csv")}
    assert found["frozen.mp4"]["score"] and "frozen" in found["frozen.mp4"]["not_applicable"]
    assert run("evaluate", "scores=a/scores.csv", "output_dir=again") == 0
    again = json.loads(Path("again/metrics.json").read_text())
    assert again["overall"]["auc"] == summary["overall"]["auc"]
    assert run("evaluate", *evaluate, "output_dir=b", "applicability.measure=false") == 0
    whole = json.loads(Path("b/metrics.json").read_text())
    assert whole["overall"]["n_real"] == 3 and not whole["coverage"]["not_applicable"]
    assert [one["localisation"]["step_loss"]["n_videos"] for one in (summary, whole)] == [3, 5]
