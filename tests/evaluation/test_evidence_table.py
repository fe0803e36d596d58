"""scripts/evidence_table.py chooses on one half of the sources and reports on the other half."""

import json
import runpy
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "evidence_table.py"


def test_halves_share_no_source_and_every_fusion_is_measured(
    monkeypatch, many_people, decoders_bundle, tmp_path, capsys
):
    words = (
        "--bundle", decoders_bundle, "--reals", many_people.folder, "--fakes", many_people.folder,
        "--output", tmp_path / "out", "--source", "identity", "--resamples", "20",
        "--fusions", "mahalanobis", "min_p", "--sets", "three",
    )  # fmt: skip
    (tmp_path / "groups.csv").write_text("method,group\n,swap\n")
    words += ("--groups", tmp_path / "groups.csv")
    monkeypatch.setattr(sys, "argv", ["evidence_table.py", *map(str, words)])
    script = runpy.run_path(str(SCRIPT), run_name="__main__")
    found = json.loads((tmp_path / "out/evidence_table.json").read_text())
    block = found["summary"]["categories"]["swap"]
    assert found["chosen"] == next(iter(found["ranking"]))
    assert block["statistics"][found["chosen"]]["auc"] > 0.9
    assert block["statistics"]["mahalanobis of three"]["auc_ci"]
    assert 50 <= block["n_real"] <= 70 and 50 <= block["n_fake"] <= 70  # of 120 each
    text = (tmp_path / "out/evidence_table.md").read_text()
    assert "Chosen on the first half" in text and "against" in text.lower()
    videos = script["read"](script["parse"](), {"": "swap"})
    first, second = script["halves"](videos, seed=0)
    assert not {one.source for one in first} & {one.source for one in second}
    assert len(first) + len(second) == len(videos)
