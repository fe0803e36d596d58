"""`avforensics selfcheck` finds faults that would change scores."""

import json

import numpy as np
import pytest

from avforensics.commands import selfcheck
from avforensics.detection import golden
from avforensics.media import reader


def test_this_machine_scores_as_it_should(avforensics, tmp_path, capsys):
    assert avforensics("selfcheck", f"output_dir={tmp_path}") == 0
    findings = json.loads((tmp_path / "selfcheck.json").read_text())["findings"]
    known = {finding["what"]: finding["found"] for finding in findings}
    assert known["frames by PyAV"] == "as expected"
    assert {"threads", "output_dir", "logits on cpu", "sound, 44.1 kHz to 16 kHz"} <= known.keys()
    assert "as expected" in capsys.readouterr().out


@pytest.fixture
def planted(monkeypatch):
    """Return a function that changes the output of the readers of `detect`."""

    def plant(change):
        blocks = reader.MediaStream.__iter__

        def changed(stream):
            for block in blocks(stream):
                change(block)
                yield block

        monkeypatch.setattr(reader.MediaStream, "__iter__", changed)

    return plant


def louder(block):
    block.audio[:] = block.audio // 2


def brighter(block):
    block.frames[0, 0, 0, 0] ^= 1


@pytest.mark.parametrize(("change", "what"), [(brighter, "frames by PyAV"), (louder, "sound")])
def test_a_decoder_that_gives_something_else_is_found(planted, change, what):
    planted(change)
    findings = {finding.what: finding for finding in golden.compare() if finding.changes_scores}
    assert any(name.startswith(what) for name in findings)
    if change is louder:
        assert "logits on cpu" in findings


def test_another_number_of_frames_is_a_finding():
    found = golden._compare_logits("cpu", np.zeros((3, 31)), np.zeros((4, 31)))
    assert (found.found, found.changes_scores) == ("3 windows instead of 4", True)
    found = golden._compare_decord(np.zeros((1, 96, 96, 3), np.uint8))
    assert found.changes_scores == ("instead of PyAV's 1" in found.found)  # if decord is installed


def test_a_version_outside_the_tested_range_is_found(monkeypatch):
    monkeypatch.setattr(selfcheck, "version", lambda name: "99" if name in ("av", "rich") else "2")
    monkeypatch.setattr(selfcheck, "requires", lambda name: ["av>=17,<20", "rich<16", "torch>=2"])
    av, rich = selfcheck.check_versions()
    assert (av.what, av.changes_scores, av.found) == ("av", True, "99; tested with <20,>=17")
    assert (rich.what, rich.changes_scores) == ("rich", False)
