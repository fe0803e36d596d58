"""The structure of metrics.json, the notes on its numbers, and its other formats."""

import csv
import io
import json
import os

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from sklearn import metrics as sk

from avforensics.errors import ManifestError
from avforensics.evaluation.figures import write_figures
from avforensics.evaluation.rows import ScoredVideo, read_scores, write_scores
from avforensics.evaluation.summary import PAPER_CATEGORIES, summarise
from avforensics.evaluation.tables import (
    coverage_line,
    rich_table,
    to_csv,
    to_latex,
    to_markdown,
    write_summary,
)


def _benchmark(seed=0, per_category=40, effect=1.5, categories=PAPER_CATEGORIES):
    """Make a small FakeAVCeleb: 40 people, each with a real video and fakes of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(40):
        name, person = f"id{number:05d}", rng.normal(scale=0.3)
        for category in ("real", *categories):
            fake = int(category != "real")
            silence = rng.normal() + (2 * fake if category == "FVFA-WL" else 0)
            rows.append(
                ScoredVideo(
                    path=f"{category}/{name} (a).mp4",
                    label=fake,
                    category=category,
                    identity=name,
                    score=float(person + rng.normal() + effect * fake),
                    baselines={"random": float(rng.random()), "leading_silence": silence},
                )
            )
    return rows


@pytest.fixture(scope="module")
def rows():
    return _benchmark()


@pytest.fixture(scope="module")
def summary(rows):
    return summarise(rows, resamples=200)


def test_each_category_is_ranked_against_the_same_real_videos(rows, summary):
    assert list(summary["categories"]) == list(PAPER_CATEGORIES)
    for name, block in summary["categories"].items():
        chosen = [row for row in rows if row.label == 0 or row.category == name]
        labels, scores = [r.label for r in chosen], [r.score for r in chosen]
        assert block["auc"] == pytest.approx(sk.roc_auc_score(labels, scores))
        assert block["ap"] == pytest.approx(sk.average_precision_score(labels, scores))
        assert (block["n_real"], block["n_fake"], block["prevalence"]) == (40, 40, 0.5)
        for metric in ("auc", "ap", "ap_balanced", "eer"):
            low, high = block[f"{metric}_ci"]
            assert low < block[metric] < high
        for rate in (1, 5, 10):
            low, high = block[f"tpr_at_fpr_{rate}_ci"]
            assert low <= block[f"tpr_at_fpr_{rate}"] <= high
    assert summary["overall"]["n_fake"] == 200
    assert summary["overall"]["prevalence"] == pytest.approx(5 / 6)
    expected = sk.roc_auc_score([r.label for r in rows], [r.score for r in rows])
    assert summary["overall"]["auc"] == pytest.approx(expected)


def test_averages_are_means_over_categories(summary):
    categories, averages = summary["categories"], summary["averages"]
    for metric in ("auc", "ap"):
        of_all = [categories[name][metric] for name in PAPER_CATEGORIES]
        assert averages["AVG-ALL"][metric] == pytest.approx(np.mean(of_all))
        assert averages["AVG-FV"][metric] == pytest.approx(np.mean(of_all[1:]))
        low, high = averages["AVG-FV"][f"{metric}_ci"]
        assert low < averages["AVG-FV"][metric] < high
    widths = {name: np.diff(block["auc_ci"])[0] for name, block in categories.items()}
    assert np.diff(averages["AVG-ALL"]["auc_ci"])[0] < np.mean(list(widths.values()))


def test_baselines_stand_beside_each_result_and_expose_a_flaw(summary):
    blocks = [summary["overall"], *summary["categories"].values(), *summary["averages"].values()]
    for block in blocks:
        assert set(block["baselines"]) == {"random", "leading_silence"}
        assert block["baselines"]["random"]["auc_ci"]
    flawed = summary["categories"]["FVFA-WL"]["baselines"]["leading_silence"]
    assert flawed["auc"] > 0.85
    assert flawed["auc_ci"][0] > 0.75
    low, high = summary["categories"]["RVFA"]["baselines"]["leading_silence"]["auc_ci"]
    assert low < 0.5 < high


def test_unscored_videos_count_as_chance_beside_coverage(rows):
    kept = [row for row in rows if row.category in ("real", "RVFA", "FVFA-WL")]
    lost = [
        ScoredVideo(path=row.path, label=row.label, category=row.category, error="no face")
        if number % 5 == 0
        else row
        for number, row in enumerate(kept)
    ]
    summary = summarise(lost, resamples=20)
    for name, block in (("overall", summary["overall"]), *summary["categories"].items()):
        chosen = [row for row in lost if row.label == 0 or name in ("overall", row.category)]
        pairs = [
            0.5 if None in (real.score, fake.score) else float(fake.score > real.score)
            for real in chosen
            if not real.label
            for fake in chosen
            if fake.label
        ]
        assert block["auc_unscored"] == pytest.approx(np.mean(pairs))
        assert 0.5 < block["auc_unscored"] < block["auc"]
    assert "AUC, unscored = chance" in to_markdown(summary)
    whole = summarise(kept, resamples=20)
    assert whole["overall"]["auc_unscored"] == pytest.approx(whole["overall"]["auc"])
    assert "unscored" not in to_markdown(whole)


def test_coverage_counts_and_names_what_has_no_score(rows):
    broken = [
        ScoredVideo(path="a.mp4", label=0, error="no audio stream"),
        ScoredVideo(path="b.mp4", label=1, category="RVFA", score=float("nan")),
    ]
    summary = summarise([*rows, *broken], resamples=20)
    coverage = summary["coverage"]
    assert [coverage[name] for name in ("listed", "scored", "failed")] == [242, 240, 2]
    reasons = {item["path"]: item["reason"] for item in coverage["not_scored"]}
    assert reasons == {"a.mp4": "no audio stream", "b.mp4": "score is nan"}
    assert coverage_line(summary) == "240 of 242 listed videos scored (2 failed)"
    assert "a.mp4: no audio stream" in to_markdown(summary)
    assert summary["overall"]["auc"] == summarise(rows, resamples=20)["overall"]["auc"]


def test_missing_category_class_or_baseline_is_said_not_hidden(rows):
    partial = summarise([r for r in rows if r.category != "FVFA-GAN"], resamples=20)
    assert not partial["averages"]
    assert "AVG-FV omitted: no scored video of FVFA-GAN" in partial["notes"]
    real = summarise([r for r in rows if r.label == 0], resamples=20)
    assert real["overall"] == {}
    assert "all 40 scored videos are real" in real["notes"][0]
    assert "no video was scored" in summarise([], resamples=20)["notes"][0]
    one = [
        ScoredVideo(path="1", label=0, score=0.1, baselines={"leading_silence": 1.0}),
        ScoredVideo(path="2", label=1, score=0.2, baselines={}),
    ]
    block = summarise(one, resamples=20)
    nothing = dict.fromkeys(("auc", "ap", "ap_balanced")) | {"n": 1}
    assert block["overall"]["baselines"]["leading_silence"] == nothing
    assert block["overall"]["auc_ci"] is None
    assert "2 videos have no identity" in block["notes"][0]
    to_csv(block), to_latex(block), rich_table(block)


def test_a_video_counted_twice_is_refused(rows):
    with pytest.raises(ManifestError, match="scored more than once"):
        summarise([*rows, rows[3]])
    twice_listed = ScoredVideo(path=rows[1].path, label=1, category="other", score=1.0)
    assert summarise([*rows, twice_listed], resamples=20)["coverage"]["scored"] == 241


def test_every_form_is_written_and_says_the_same(rows, summary, tmp_path):
    write_summary(summary, tmp_path / "out")
    suffixes = sorted(path.suffix for path in (tmp_path / "out").iterdir())
    assert suffixes == [".csv", ".json", ".md", ".tex"]
    loaded = json.loads((tmp_path / "out/metrics.json").read_text())
    assert loaded == summary
    table = list(csv.DictReader(io.StringIO(to_csv(summary))))
    assert len(table) == (5 + 2 + 1) * 3
    first = table[0]
    assert (first["category"], first["scores"]) == ("RVFA", "model")
    assert float(first["auc"]) == summary["categories"]["RVFA"]["auc"]
    high = summary["categories"]["RVFA"]["tpr_at_fpr_5_ci"][1]
    assert float(first["tpr_at_fpr_5_ci_high"]) == high
    assert float(first["auc_ci_low"]) == summary["categories"]["RVFA"]["auc_ci"][0]
    auc = f"{100 * summary['categories']['RVFA']['auc']:.1f}"
    console = Console(file=io.StringIO(), width=220)
    console.print(rich_table(summary, "Table 1"))
    latex = to_latex(summary)
    for text in (console.file.getvalue(), to_markdown(summary), latex):
        assert f"{auc} [" in text or f" {auc} " in text
        assert "240 of 240 listed videos scored" in text
        assert "AVG-FV" in text
    assert "### with baselines\n\n| category | AUC | random AUC |" in to_markdown(summary)
    assert r"95 \% intervals" in latex
    assert r"leading\_silence AUC" in latex
    assert latex.count(r"\midrule") == 3


def test_figures_are_drawn(rows, tmp_path):
    write_figures(rows, tmp_path, "a run")
    for path in (tmp_path / "roc.png", tmp_path / "pr.png", tmp_path / "scores.png"):
        image = np.asarray(Image.open(path).convert("RGB"))
        assert min(image.shape[:2]) > 400
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50
    write_figures([row for row in rows if row.label == 0], tmp_path)


def test_scores_file_round_trips(tmp_path):
    rows = [
        ScoredVideo(path="a, b.mp4", label=0, identity="x", score=0.1, baselines={"random": 0.25}),
        ScoredVideo(path='c"d.mp4', label=1, category="Ü", score=None, error="no face, sorry"),
    ]
    write_scores(rows, tmp_path / "scores.csv")
    again = read_scores(tmp_path / "scores.csv")
    assert again[0] == rows[0]
    assert (again[1].error, again[1].score, again[1].category) == ("no face, sorry", None, "Ü")
    assert again[1].baselines == {"random": None}


def test_a_file_name_need_not_be_text(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    rows = [
        ScoredVideo(path=f"/{name}/{n}.mp4", label=n % 2, category=name, identity=name, score=n)
        for n in range(4)
    ]
    failed = ScoredVideo(path=f"/{name}/x.mp4", label=0, error="no face")
    summary = summarise([*rows, failed], resamples=20)
    write_scores([*rows, failed], tmp_path / "scores.csv")
    write_summary(summary, tmp_path)
    write_figures([*rows, failed], tmp_path)
    assert read_scores(tmp_path / "scores.csv")[0].path == rows[0].path
    for suffix in ("md", "tex", "csv"):
        text = (tmp_path / f"metrics.{suffix}").read_text(encoding="utf-8")
        assert "caf" in text


def test_a_scores_file_with_a_video_twice_or_that_is_not_there(tmp_path):
    (tmp_path / "scores.csv").write_text("path,label,score\na,1,1\na,1,1\n")
    with pytest.raises(ManifestError, match="more than once"):
        read_scores(tmp_path / "scores.csv")
    with pytest.raises(ManifestError, match="no such file"):
        read_scores(tmp_path / "absent.csv")
