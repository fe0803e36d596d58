"""Several seeds in one table: a plain recomputation, and the coverage of the wide interval."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from avforensics.errors import ConfigError
from avforensics.evaluation.repeats import cells, repeat, sentence
from avforensics.evaluation.rows import ScoredVideo, write_scores


def experiment(seed, runs=4, people=40, spread=0.4):
    """Make runs whose fakes score 1 higher on average, with a random shift per seed."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(people, 2)) * 0.7
    effects = 1 + spread * rng.normal(size=runs)
    return [
        [
            ScoredVideo(
                path=f"{person}_{fake}.mp4",
                label=fake,
                category="RVFA" if fake else "real",
                identity=f"id{person}",
                score=common[person, fake] + effect * fake + 0.3 * rng.normal(),
            )
            for person in range(people)
            for fake in (0, 1)
        ]
        for effect in effects
    ]


def test_mean_and_spread_are_those_of_the_runs():
    runs = experiment(0)
    found = repeat([runs[0], runs[1][::-1], *runs[2:]], resamples=200)
    labels = [row.label for row in runs[0]]
    for metric, of in (("auc", roc_auc_score), ("ap", average_precision_score)):
        values = [of(labels, [row.score for row in rows]) for rows in runs]
        one = found.results["overall"][metric]
        assert one.values == pytest.approx(values)
        assert (one.mean, one.spread) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
        assert one.interval[0] < one.interval_videos[0] < one.mean < one.interval[1]
    assert list(found.results) == ["overall", "RVFA"]
    assert sentence(found) == "4 runs on the 80 videos that every run scored"


def test_runs_that_agree_leave_the_chance_of_the_videos():
    rows = experiment(1)[0]
    one = repeat([rows] * 5, resamples=1000).results["overall"]["auc"]
    assert one.spread == 0
    assert one.interval == pytest.approx(one.interval_videos, abs=0.02)


@pytest.mark.slow
def test_the_interval_includes_both_kinds_of_chance():
    """The interval covers the mean over seeds and people; an interval over videos does not."""
    many = np.concatenate([_aucs(experiment(seed, runs=20, people=200)) for seed in range(50)])
    truth, inside = many.mean(), []
    for seed in range(100, 250):
        one = repeat(experiment(seed), metrics=("auc",), resamples=200).results["overall"]["auc"]
        pairs = (one.interval, one.interval_videos)
        inside.append([low <= truth <= high for low, high in pairs])
    both, videos = np.mean(inside, axis=0)
    assert both >= 0.91
    assert videos <= both - 0.1


def _aucs(runs):
    labels = [row.label for row in runs[0]]
    return [roc_auc_score(labels, [row.score for row in rows]) for rows in runs]


def test_the_table_of_a_command(avforensics, tmp_path, capsys):
    runs = experiment(2, runs=3)
    for number, rows in enumerate(runs):
        write_scores(rows, tmp_path / f"seed {number}.csv")
    words = ["evaluate", f"scores='{tmp_path}/seed 0.csv'"]
    others = f"repeats=['{tmp_path}/seed 1.csv','{tmp_path}/seed 2.csv']"
    words += [others, "intervals.resamples=50", f"output_dir={tmp_path / 'out'}"]
    assert avforensics(*words) == 0
    assert "3 runs on the 80 videos" in " ".join(capsys.readouterr().out.split())
    content = json.loads((tmp_path / "out/repeats.json").read_text())
    one = content["results"]["overall"]["auc"]
    assert one["values"] == pytest.approx(_aucs(runs))
    lines = (tmp_path / "out/repeats.md").read_text().splitlines()
    table = cells(repeat(runs, resamples=50))
    assert [line.count("|") for line in lines if line.startswith("|")] == [9] * (len(table) + 1)


def test_one_run_has_no_spread():
    with pytest.raises(ConfigError, match="at least 2 runs, got 1"):
        repeat(experiment(0)[:1])
