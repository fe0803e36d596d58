"""avforensics evaluate on a store: the files and messages that it writes."""

import json

import pytest
from runs import table


def test_a_store_to_tables_and_figures(avforensics, store, decoders_bundle, tmp_path, capsys):
    out = tmp_path / "out"
    code = avforensics(
        "evaluate", f"features={store.folder}", f"checkpoint.bundle={decoders_bundle}",
        f"output_dir={out}", "select.split=test", "scoring.max_len=20", "scoring.lam=0.5",
        "intervals.resamples=50",
    )  # fmt: skip
    assert code == 1  # one of the store's clips could not be read
    names = {path.name for path in out.iterdir()}
    assert names >= {"scores.csv", "metrics.json", "metrics.csv", "metrics.md", "metrics.tex"}
    assert names >= {"roc.png", "pr.png", "scores.png", "config.yaml", "versions.json"}
    metrics = json.loads((out / "metrics.json").read_text())
    assert 0 <= metrics["overall"]["auc"] <= 1
    block = metrics["categories"]["FVFA-GAN"]
    assert block.keys() >= {"auc", "auc_ci", "ap", "ap_balanced", "eer", "n_real", "n_fake"}
    low, high = block["auc_ci"]
    assert 0 <= low <= block["auc"] <= high <= 1
    assert (block["n_real"], block["n_fake"]) == (9, 10)
    assert (metrics["coverage"]["listed"], metrics["coverage"]["scored"]) == (60, 59)
    assert metrics["made_with"]["config"]["scoring"]["lam"] == 0.5
    rows = table(out / "scores.csv")
    assert len(rows) == 60
    assert rows[0]["error"] == "damaged"
    text = capsys.readouterr().out
    assert "59 of 60 listed videos scored" in text
    assert "whether the method applies to 59 of the clips is unknown" in " ".join(text.split())
    assert "Random weights: scores mean nothing" in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("features=/nowhere", "no feature store"),
        ("select.split=val", "splits: anomaly, test"),
        ("scoring.max_len=60", "max_len 60"),
        ("scoring.lam=[0,1]", "one scoring.lam"),
        ("intervals.level=95", "must be within"),
    ],
)
def test_mistakes_are_one_sentence(refusal, store, decoders_bundle, tmp_path, change, sentence):
    words = [f"features={store.folder}", f"checkpoint.bundle={decoders_bundle}"]
    words = [word for word in words if word.split("=")[0] != change.split("=")[0]]
    assert sentence in refusal("evaluate", *words, change, f"output_dir={tmp_path / 'out'}")
