import json

import pytest

CATEGORIES = {"RVFA", "FVRA-WL", "FVFA-WL", "FVRA-faceswap"}


@pytest.mark.slow
def test_the_demo_ends_with_results_and_reports(small_demo):
    results = json.loads((small_demo / "results.json").read_text())
    assert results["synthetic"] is True
    assert set(results["auc"]) == CATEGORIES
    assert results["n"] == {"real": 4} | dict.fromkeys(CATEGORIES, 3)
    assert 0 < results["minutes"] < 60
    measured = json.loads((small_demo / "evaluation" / "metrics.json").read_text())
    assert {name: block["auc"] for name, block in measured["categories"].items()} == results["auc"]
    assert len(list((small_demo / "reports" / "reports").glob("*.html"))) == len(CATEGORIES) + 1
