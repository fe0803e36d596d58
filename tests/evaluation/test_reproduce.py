"""The paper's numbers next to ours."""

import json
from pathlib import Path

import pytest

from avforensics import cli
from avforensics.errors import ConfigError
from avforensics.evaluation.reproduce import cells, compare_with_paper, published

PAPER = Path(__file__).parents[2] / "configs/experiment/paper"
EXPERIMENTS = sorted(
    path.relative_to(PAPER).with_suffix("").as_posix() for path in PAPER.rglob("*.yaml")
)


def block(ap, auc, half=0.02):
    intervals = {"ap_ci": [ap - half, ap + half], "auc_ci": [auc - half, auc + half]}
    return {"ap": ap, "auc": auc, "baselines": {}} | intervals


def test_ours_the_papers_the_difference_and_the_interval():
    summary = {
        "categories": {"RVFA": block(0.624, 0.70), "FVRA-WL": block(0.90, 0.937)},
        "averages": {},
        "overall": {},
    }
    compared = compare_with_paper("table1_lrs2", summary)
    found = {(item.result, item.metric): item for item in compared}
    assert len(found) == 12
    assert found["RVFA", "ap"].difference == pytest.approx(0)
    assert found["RVFA", "auc"].difference == pytest.approx(-0.016)
    assert found["RVFA", "auc"].inside is True
    assert found["FVRA-WL", "ap"].inside is False
    assert found["FVFA-FS", "auc"].ours is None
    assert found["FVFA-FS", "auc"].inside is None
    lines = cells(compared)
    assert ["RVFA", "AUC", "70.0 [68.0, 72.0]", "71.6", "-1.6", "yes"] in lines
    assert ["FVFA-FS", "AUC", "-", "95.8", "-", "-"] in lines


def test_the_papers_own_averages_are_those_of_its_categories():
    """A typo in one of the paper's numbers would break this equality."""
    for name in ("table1_lrs2", "table1_lrs3"):
        results = published(name)["results"]
        for metric in ("ap", "auc"):
            of_fakes = [results[key][metric] for key in results if key.startswith("FV")]
            assert len(of_fakes) == 4
            assert results["AVG-FV"][metric] == pytest.approx(sum(of_fakes) / 4, abs=0.051)
    both = published("table3/soft_ce")["results"], published("table4/lrs2_lrs2")["results"]
    assert both[0]["AVG-ALL"] == both[1]["AVG-ALL"]
    with pytest.raises(ConfigError, match=r"experiment must be one of .*'table9'"):
        published("table9")


def test_every_experiment_has_its_numbers_and_the_other_way_round():
    text = Path(cli.__file__).parents[1] / "evaluation/published.json"
    assert set(json.loads(text.read_text())["experiments"]) == set(EXPERIMENTS)
    for name in EXPERIMENTS:
        assert f"\nreproduce: {name}\n" in (PAPER / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", ["table1_lrs2", "table3/bce", "fig4", "fig6"])
def test_without_data_one_sentence_names_the_data_set(name, tmp_path, avforensics, capsys):
    assert avforensics("evaluate", f"experiment=paper/{name}", f"output_dir={tmp_path}") == 2
    err = capsys.readouterr().err
    expected = "avforensics: the data set fakeavceleb is needed: give its folder as root=FOLDER\n"
    assert set(err.splitlines(keepends=True)) == {expected}


def test_command_prints_the_comparison(tiny_bundle, clips_manifest, tmp_path, avforensics, capsys):
    """Table 1 on a set that has only one of the table's categories."""
    code = avforensics(
        "evaluate", "benchmark=manifest", f"root={clips_manifest}",
        "reproduce=table1_lrs2", f"checkpoint.bundle={tiny_bundle}", "scoring.max_len=10",
        f"output_dir={tmp_path / 'out'}", f"features={tmp_path / 'store'}", "extract.workers=1",
        "intervals.resamples=20", "examples=1",
    )  # fmt: skip
    assert code == 1
    said = capsys.readouterr().out
    assert "Table 1, FakeAVCeleb, trained on LRS2" in said
    content = json.loads((tmp_path / "out/reproduction.json").read_text())
    numbers = {(item["result"], item["metric"]): item for item in content["numbers"]}
    ours = json.loads((tmp_path / "out/metrics.json").read_text())["categories"]["RVFA"]["auc"]
    assert numbers["RVFA", "auc"]["difference"] == pytest.approx(ours - 0.716)
    assert numbers["AVG-FV", "auc"]["ours"] is None
    names = {path.name for path in (tmp_path / "out/examples").iterdir()}
    assert names == {"real_1", "RVFA_1"}
    assert (tmp_path / "out/examples/real_1/delays.png").stat().st_size > 5000
