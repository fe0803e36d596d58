"""Comparison of two runs on the same videos, in Python and on the command line."""

import csv
import json

import numpy as np
import pytest
from sklearn import metrics as sk

from avforensics.errors import ManifestError
from avforensics.evaluation.bootstrap import bootstrap_interval
from avforensics.evaluation.comparison import cells, compare, sentence
from avforensics.evaluation.rows import ScoredVideo, write_scores
from avforensics.evaluation.summary import PAPER_CATEGORIES


def run(shift=0.0, seed=0, noise=0.1):
    """Make a real video and a fake per category for forty people; fakes score ``shift`` higher."""
    rng, own = np.random.default_rng(0), np.random.default_rng(seed + 1)
    rows = []
    for person in range(40):
        for category in ("real", *PAPER_CATEGORIES):
            fake = int(category != "real")
            score = rng.normal() + (1 + shift) * fake + noise * own.normal()
            path, name = f"{category}/{person}.mp4", f"id{person}"
            rows.append(
                ScoredVideo(path=path, label=fake, category=category, identity=name, score=score)
            )
    return rows


def changed(row, **changes):
    return ScoredVideo(**{**vars(row), **changes})


def test_videos_are_paired_whatever_their_order():
    before, after = run(), run(shift=0.5)[:-3]
    found = compare(before, after[::-1], resamples=200)
    assert (found.n, found.left_out) == (237, 3)
    assert sentence(found) == "237 videos that both runs scored, 3 excluded"
    assert list(found.results) == ["overall", *PAPER_CATEGORIES, "AVG-FV", "AVG-ALL"]
    shared = before[:-3]
    for rows, value in ((shared, "a"), (after, "b")):
        labels, scores = [row.label for row in rows], [row.score for row in rows]
        auc = getattr(found.results["overall"]["auc"], value)
        assert auc == pytest.approx(sk.roc_auc_score(labels, scores))
        ap = getattr(found.results["overall"]["ap"], value)
        assert ap == pytest.approx(sk.average_precision_score(labels, scores))
    for name in ("overall", "AVG-FV", "AVG-ALL"):
        assert found.results[name]["auc"].interval[0] > 0
        assert found.results[name]["auc"].p_value == pytest.approx(2 / 201)


def test_averages_are_means_and_known_better_than_their_categories():
    found = compare(run(), run(seed=5), resamples=400).results
    of = {name: found[name]["auc"] for name in (*PAPER_CATEGORIES, "AVG-FV", "AVG-ALL")}
    assert of["AVG-ALL"].difference == pytest.approx(
        np.mean([of[name].difference for name in PAPER_CATEGORIES])
    )
    assert of["AVG-FV"].a == pytest.approx(np.mean([of[n].a for n in PAPER_CATEGORIES[1:]]))
    widths = [np.ptp(of[name].interval) for name in PAPER_CATEGORIES]
    assert np.ptp(of["AVG-ALL"].interval) < np.mean(widths)
    low, high = of["AVG-ALL"].interval  # two runs that differ only by noise
    assert low < 0 < high


def test_a_small_steady_gain_is_known_better_than_either_number():
    before, after = run(), run(shift=0.3)
    change = compare(before, after, resamples=500).results["overall"]["auc"]
    low, high = change.interval
    assert 0 < low < change.difference < high
    assert change.p_value == pytest.approx(2 / 501)
    columns = ("label", "score", "identity")
    alone = bootstrap_interval(
        *([getattr(row, name) for row in before] for name in columns), resamples=500
    )
    assert high - low < (alone[1] - alone[0]) / 2  # two separate intervals would overlap


def test_equal_runs_differ_by_nothing():
    change = compare(run(), run(), resamples=200).results["overall"]["auc"]
    assert (change.difference, change.interval, change.p_value) == (0, (0, 0), 1)


def test_a_plain_list_of_scores_is_understood():
    before = run()
    plain = [changed(row, category="", identity="") for row in run(shift=0.5)]
    found = compare(before, plain, resamples=20)
    assert found.results == compare(before, run(shift=0.5), resamples=20).results
    turned = compare(plain, before, resamples=20).results["RVFA"]["auc"]
    assert turned.difference == -found.results["RVFA"]["auc"].difference


def test_runs_that_cannot_be_compared():
    rows = run()
    other = [changed(rows[0], identity="somebody else"), *rows[1:]]
    with pytest.raises(ManifestError, match="disagree on its label or identity"):
        compare(rows, other)
    with pytest.raises(ManifestError, match="share 0 videos"):
        compare(rows, [ScoredVideo(path="elsewhere", label=0, score=1.0)])
    plain = [changed(row, category="", identity="") for row in rows]
    with pytest.raises(ManifestError, match="disagree on its label or identity"):
        compare(plain, [changed(plain[0], label=1), *plain[1:]])


def test_a_file_with_its_own_and_other_sound_is_two_videos():
    named = zip("aabcd", (0, 1, 0, 1, 0), (0.1, 0.9, 0.2, 0.3, 0.7), strict=True)
    rows = [ScoredVideo(path=path, label=label, score=score) for path, label, score in named]
    found = compare(rows, rows, resamples=5)
    assert (found.n, found.results["overall"]["auc"].a) == (5, pytest.approx(5 / 6))


def test_table():
    lines = cells(compare(run(), run(shift=0.5), resamples=50))
    assert lines[0][:6] == ["result", "metric", "other run", "this run", "difference", "p"]
    assert lines[0][6:] == ["DeLong p", "Holm"]
    assert len(lines) == 1 + 2 * 8
    assert lines[1][:2] == ["overall", "AUC"]
    assert lines[1][4].startswith("+") and lines[1][4].endswith("]")


def test_an_evaluation_against_an_earlier_one(
    avforensics, store, decoders_bundle, tmp_path, capsys
):
    words = ("evaluate", f"features={store.folder}", f"checkpoint.bundle={decoders_bundle}")
    words += ("select.split=test", "intervals.resamples=50")
    assert avforensics(*words, f"output_dir={tmp_path / 'a'}", "scoring.max_len=10") == 1
    code = avforensics(*words, f"output_dir={tmp_path / 'b'}", f"against={tmp_path / 'a'}")
    assert code == 1  # one clip has no score
    said = " ".join(capsys.readouterr().out.split())  # a title is wrapped to its table
    assert "59 videos that both runs scored" in said
    content = json.loads((tmp_path / "b/comparison.json").read_text())
    assert content["n"] == 59
    for name, run in (("a", "a"), ("b", "b")):
        metrics = json.loads((tmp_path / run / "metrics.json").read_text())
        for result in ("overall", "AVG-ALL"):
            block = metrics["averages"].get(result, metrics["overall"])
            found = content["results"][result]["auc"][name]
            assert found == pytest.approx(block["auc"])
    assert "| AVG-ALL | AUC |" in (tmp_path / "b/comparison.md").read_text()


def test_scores_of_any_detector(avforensics, refusal, tmp_path):
    """A list of paths, labels and scores gets the same tables, without a model."""
    write_scores(run(shift=0.5), tmp_path / "ours.csv")
    with (tmp_path / "theirs.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label", "score"])
        lines.writerows([row.path, row.label, row.score] for row in run())
    words = ("evaluate", f"output_dir={tmp_path / 'out'}", "intervals.resamples=20")
    code = avforensics(*words, f"scores={tmp_path / 'theirs.csv'}", f"against={tmp_path}/ours.csv")
    assert code == 0
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    rows = run()
    expected = sk.roc_auc_score([row.label for row in rows], [row.score for row in rows])
    assert metrics["overall"]["auc"] == pytest.approx(expected)
    assert metrics["coverage"]["scored"] == 240
    compared = json.loads((tmp_path / "out/comparison.json").read_text())["results"]
    assert compared["RVFA"]["auc"]["difference"] < 0
    assert (tmp_path / "out/roc.png").exists()
    for change, sentence_ in (
        (["scores=nowhere.csv"], "nowhere.csv: no such file"),
        ([f"scores={tmp_path}/ours.csv", "features=x"], "scores=FILE cannot be combined"),
        ([f"scores={tmp_path}/ours.csv", "controls.run=[trim]"], "scores=FILE cannot be combined"),
        ([f"scores={tmp_path}/ours.csv", "select.category=A"], "scores=FILE cannot be combined"),
        ([f"scores={tmp_path}/ours.csv", "calibration=x"], "scores=FILE cannot be combined"),
        ([f"scores={tmp_path}/ours.csv", "against=nowhere"], "nowhere: no such file"),
    ):
        assert sentence_ in refusal(*words, *change)


def test_the_output_of_detect_with_labels_added(avforensics, tmp_path, capsys):
    """A table as saved by a spreadsheet; rows of faces do not count as videos."""
    rows = run()[::7]
    lines = ["Path;Status;Score;Track;Label"]
    for row in rows:
        word = "Spoof" if row.label else "Bona-fide"
        score = f"{row.score}".replace(".", ",")
        lines += [f"{row.path};scored;{score};;{word}"]
        lines += [f"{row.path};scored;{9 - 9 * row.label};{track};{word}" for track in (1, 2)]
    (tmp_path / "scores.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    words = ("evaluate", f"scores={tmp_path}/scores.csv", "intervals.resamples=20")
    assert avforensics(*words, f"output_dir={tmp_path / 'out'}") == 0
    overall = json.loads((tmp_path / "out/metrics.json").read_text())["overall"]
    expected = sk.roc_auc_score([row.label for row in rows], [row.score for row in rows])
    assert overall["auc"] == pytest.approx(expected)
    assert "label 1 means fake; read Bona-fide as 0, Spoof as 1" in capsys.readouterr().out


def test_the_number_that_marks_a_fake_in_foreign_scores(avforensics, tmp_path):
    for fake in (1, 0):
        table = "path,label,score\n" + "".join(
            f"{i}.mp4,{int((i % 2) == fake)},{i % 2 + i / 9}\n" for i in range(8)
        )
        (tmp_path / "scores.csv").write_text(table)
        words = (f"scores={tmp_path}/scores.csv", f"scores_fake={fake}", "intervals.resamples=20")
        assert avforensics("evaluate", *words, f"output_dir={tmp_path / 'out'}") == 0
        metrics = json.loads((tmp_path / "out/metrics.json").read_text())
        assert metrics["overall"]["auc"] > 0.9
