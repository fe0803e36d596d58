"""Sweeps give the points of single evaluations, in one table and one figure, in seconds."""

import json
import shutil

import numpy as np
import pytest
import torch
from made_up_store import ACTIVATIONS, evaluated, make_store
from PIL import Image
from runs import table

from avforensics.checkpoints import Models, load_models, save_bundle
from avforensics.errors import ConfigError, ManifestError
from avforensics.evaluation.stored import choose
from avforensics.evaluation.summary import OTHERS
from avforensics.evaluation.sweep import (
    Point,
    axes_of,
    best,
    read_runs,
    short_table,
    sweep_store,
    write_sweep,
)  # fmt: skip
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.projection import Projection
from avforensics.scoring.sequences import SequencePolicy


def test_a_point_is_what_an_evaluation_alone_gives(store, decoders):
    choice = {"lams": [0.0, 2.0], "max_lens": [10, 25], "resamples": 20}
    points = sweep_store(store, decoders, choose(store, split="test"), **choice)
    assert [point.settings for point in points] == [
        {"lam": lam, "max_len": n} for n in (10, 25) for lam in (0.0, 2.0)
    ]
    policy = SequencePolicy(max_len=25)
    _, alone = evaluated(store, decoders, policy, lam=2.0, resamples=20)
    for name, block in alone["categories"].items():
        found = points[3].summary["categories"][name]
        ours, theirs = ({k: b[k] for k in b if k not in OTHERS} for b in (found, block))
        assert ours == theirs
    assert points[3].summary["coverage"] == alone["coverage"]
    assert axes_of(points) == ["lam", "max_len"]
    top = best(points).summary["averages"]["AVG-ALL"]["auc"]
    assert top == max(point.summary["averages"]["AVG-ALL"]["auc"] for point in points)


def test_a_statistic_is_a_point_of_its_own(store, decoders):
    chosen = choose(store, split="test", category="RVFA")
    names = ["score", "at_delay"]  # the published score is a point in any case
    points = sweep_store(
        store, decoders, chosen, lams=[0.0], max_lens=[50], statistics=names, resamples=5
    )
    assert [point.settings["score"] for point in points] == names
    _, alone = evaluated(store, decoders, SequencePolicy())
    expected = alone["categories"]["RVFA"]["statistics"]["at_delay"]["auc"]
    assert points[1].summary["categories"]["RVFA"]["auc"] == expected
    with pytest.raises(ConfigError, match="unknown statistic 'loudness'"):
        sweep_store(store, decoders, chosen, lams=[0], max_lens=[5], statistics=["loudness"])


def test_command_writes_one_table_and_one_figure(
    avforensics, store, decoders_bundle, tmp_path, capsys
):
    words = (f"features={store.folder}", f"checkpoint.bundle={decoders_bundle}")
    code = avforensics(
        "sweep", *words, f"output_dir={tmp_path}", "lam=[0,1]", "max_len=[5,10,20]",
        "intervals.resamples=20", "select.split=test",
    )  # fmt: skip
    assert code == 1  # a clip of the store could not be read
    assert "highest AUC" in capsys.readouterr().out
    rows = table(tmp_path / "sweep.csv")
    assert len(rows) == 6 * (5 + 2 + 1)  # categories, averages, overall
    assert {(row["lam"], row["max_len"]) for row in rows} == {
        (lam, n) for lam in ("0.0", "1.0") for n in ("5", "10", "20")
    }
    assert all(0 <= float(row["auc"]) <= 1 for row in rows)
    assert (tmp_path / "sweep.md").read_text().count("\n") == 2 + 6
    with Image.open(tmp_path / "sweep.png") as image:
        assert min(image.size) > 300
        assert np.asarray(image.convert("L")).std() > 10


def test_runs_of_evaluate_are_collected(avforensics, store, decoders_bundle, tmp_path, capsys):
    words = (f"features={store.folder}", f"checkpoint.bundle={decoders_bundle}")
    avforensics(
        "evaluate", "-m", *words, f"output_dir={tmp_path / 'runs'}",
        "scoring.lam=0,0.5", "scoring.max_len=5", "intervals.resamples=5", "select.split=test",
    )  # fmt: skip
    assert "collected 2 runs" in capsys.readouterr().out
    rows = table(tmp_path / "runs/sweep.csv")
    assert list(rows[0])[:2] == ["lam", "category"]  # without settings that are equal in all runs
    assert {row["lam"] for row in rows} == {"0", "0.5"}
    points = read_runs(tmp_path / "runs", ["scoring.lam", "scoring.max_len"])
    choice = {"lams": [0.0, 0.5], "max_lens": [5], "resamples": 5}
    models = load_models({"bundle": decoders_bundle})
    direct = sweep_store(store, models, choose(store, split="test"), **choice)
    assert sorted(short_table(points)[1:]) == sorted(short_table(direct)[1:])
    copy = shutil.copy(decoders_bundle, tmp_path / "copy.safetensors")
    avforensics(
        "evaluate", "-m", words[0], f"output_dir={tmp_path / 'weights'}",
        f"checkpoint={decoders_bundle},{copy}", "intervals.resamples=5", "select.split=test",
    )  # fmt: skip
    assert "collected 2 runs" in capsys.readouterr().out  # a setting without a default, too
    with pytest.raises(ManifestError, match=r"no setting scoring\.tau"):
        read_runs(tmp_path / "runs", ["scoring.tau"])
    with pytest.raises(ManifestError, match=r"no metrics\.json"):
        read_runs(tmp_path, ["scoring.lam"])


def test_one_model_alone_is_swept(avforensics, refusal, store, decoders, tmp_path, capsys):
    alone = Models(distribution=decoders.distribution)
    save_bundle(tmp_path / "m.safetensors", alone)
    words = (f"features={store.folder}", f"checkpoint.bundle={tmp_path / 'm.safetensors'}")
    words += ("lam=[0]", "max_len=[20]", "intervals.resamples=20", "select.split=test")
    out = (f"output_dir={tmp_path / 'out'}", "part=distribution")
    assert avforensics("sweep", *words, *out, "statistics=[naive_bayes]") == 1
    said = capsys.readouterr().out
    assert "videos without a score: 1 (damaged), e.g. /data/real/id00_0.mp4" in said
    assert "videos without a score: 59 (no naive_bayes)" in said
    found = {
        row["category"]: row["auc"]
        for row in table(tmp_path / "out/sweep.csv")
        if row["score"] == "score"
    }
    _, expected = evaluated(store, decoders, SequencePolicy(max_len=20))
    assert float(found["overall"]) == expected["overall"]["auc"]
    assert avforensics("sweep", *words, "lam=[1]", f"output_dir={tmp_path / 'out'}") == 2
    assert "write lam=[...] and max_len=[...]" in refusal("sweep", *words, "scoring.lam=1")


def test_the_best_point_is_best_by_one_result():
    both = {"categories": {}, "averages": {"AVG-ALL": {"auc": 0.9}}, "overall": {"auc": 0.5}}
    fewer = both | {"averages": {}, "overall": {"auc": 0.6}}
    points = [Point({"lam": 0}, both), Point({"lam": 1}, fewer)]
    assert best(points).settings == {"lam": 1}


def test_settings_of_runs_may_be_anything(tmp_path, store, decoders):
    (point,) = sweep_store(
        store, decoders, choose(store, split="test"), lams=[0], max_lens=[10], resamples=5
    )
    kinds = ((None, {"lam": 0}), ("RVFA", {"lam": 1}), (["RVFA", "x"], {"lam": 0}), (3, None))
    for number, (category, scoring) in enumerate(kinds):
        config = {"select": {"category": category}, "scoring": scoring}
        content = {**point.summary, "made_with": {"config": config}}
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "metrics.json").write_text(json.dumps(content))
    points = read_runs(tmp_path, ["select.category", "scoring"])
    assert axes_of(points) == ["category", "scoring"]
    assert [line[0] for line in short_table(points)[1:]] == ["null", "RVFA", '["RVFA", "x"]', "3"]
    write_sweep(points, tmp_path)
    assert (tmp_path / "sweep.png").stat().st_size > 5000


def test_mistakes_are_one_sentence(refusal, tmp_path):
    assert "either features=STORE or runs=FOLDER" in refusal("sweep", f"output_dir={tmp_path}")


@pytest.mark.slow
def test_thirty_points_with_decoders_of_the_published_size(avforensics, tmp_path, capsys):
    make_store(tmp_path / "store", people=6, windows=80, failed=0)
    torch.manual_seed(0)
    models = Models(
        distribution=PublishedDecoder(),
        activation=PublishedDecoder(),
        projection=Projection(inputs=ACTIVATIONS, outputs=31),
    )
    torch.nn.init.normal_(models.projection.components)
    save_bundle(tmp_path / "m.safetensors", models)
    words = (f"features={tmp_path / 'store'}", f"checkpoint.bundle={tmp_path / 'm.safetensors'}")
    code = avforensics(
        "sweep", *words, f"output_dir={tmp_path / 'out'}", "select.split=test",
        "intervals.resamples=1000",
    )  # fmt: skip
    assert code == 0
    assert len({(row["lam"], row["max_len"]) for row in table(tmp_path / "out/sweep.csv")}) == 30
