"""Constant delays are estimated from rows: by recording, by clip, or not at all."""

import numpy as np
import pytest
from made_up_store import make_store
from runs import composed

from avforensics.cli.run import run_command
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError
from avforensics.evaluation.alignment import AlignmentSettings, align, estimate_delay


def rows(n, delay, *, strength=3.0, seed=0):
    """Make logits of n windows whose best delay is mostly ``delay``."""
    made = np.random.default_rng(seed).normal(size=(n, 31)).astype(np.float32)
    if delay is not None:
        made[:, 15 + delay] += strength
    return made


@pytest.mark.parametrize("delay", [-7, 0, 4])
def test_the_delay_of_a_clip(delay):
    found = estimate_delay(rows(60, delay))
    assert found.delay == delay
    assert found.margin > 50
    assert found.share > 0.6
    assert found.windows == 60


def test_without_windows_nothing_is_claimed():
    found = estimate_delay(rows(0, None))
    assert (found.delay, found.margin, found.share, found.windows) == (0, 0.0, 0.0, 0)


def test_a_recording_decides_for_clips_that_are_unsure_alone():
    clips = [rows(40, 3, strength=1.5, seed=s) for s in range(4)] + [rows(12, 3, strength=0.3)]
    found = align(clips, ["show"] * 5, AlignmentSettings(sure=20))
    assert {one.basis for one in found} == {"recording"}
    assert {one.delay for one in found} == {3}


def test_single_clips_need_windows_and_certainty():
    clips = [rows(40, 2), rows(10, 2), rows(40, 2, strength=0.4, seed=5)]
    found = align(clips, ["", "", "other"], AlignmentSettings(sure=15, least_share=0.0))
    assert [one.basis for one in found] == ["clip", "unsure", "unsure"]
    assert [one.delay for one in found] == [2, 0, 0]


def test_a_voice_over_is_left_out_and_does_not_speak_for_its_recording():
    clips = [rows(60, 5), rows(60, 5, seed=1), rows(60, None, seed=2)]
    found = align(clips, ["a", "a", "a"], AlignmentSettings())
    assert [one.voice_over for one in found] == [False, False, True]
    assert found[0].delay == 5


def test_delays_beyond_belief_stay():
    assert align([rows(60, 14)], [""], AlignmentSettings(most=12))[0].basis == "unsure"


@pytest.mark.parametrize("wrong", [{"sure": -1}, {"least_windows": 0}, {"least_share": 1}])
def test_settings_out_of_range(wrong):
    with pytest.raises(ValueError, match="must"):
        AlignmentSettings(**wrong)


def run(*overrides):
    return run_command("align", composed("align", *overrides))


def test_the_command_writes_delays_and_says_what_it_left_out(tmp_path, caplog):
    store = make_store(tmp_path / "store", people=4, categories=("RVFA",), failed=0)
    rows = [
        Row(entry.path, entry.label, entry.category, identity=entry.identity, split=entry.split)
        for entry in store
    ]
    Manifest([*rows, Row("/data/new.mp4", 0)]).write(tmp_path / "clips.csv")
    where = [f"features={tmp_path / 'store'}", f"output={tmp_path / 'aligned.csv'}"]
    believing = ["settings.sure=5", "settings.least_windows=10"]
    with caplog.at_level("INFO"):
        assert run(f"manifest={tmp_path / 'clips.csv'}", *where, *believing) == 0
    aligned = {row.path: row for row in Manifest.read(tmp_path / "aligned.csv")}
    real = [row for row in rows if row.label == 0]
    assert {aligned[row.path].delay for row in real} == {0}
    assert "/data/new.mp4" in aligned, "a clip without features stays"
    assert f"1 of {len(rows) + 1} clips have no features" in caplog.text
    assert len((tmp_path / "aligned.estimates.csv").read_text().splitlines()) == len(rows) + 2
    Manifest([Row("/data/other.mp4", 0)]).write(tmp_path / "other.csv")
    with pytest.raises(ConfigError, match="no clip of"):
        run(f"manifest={tmp_path / 'other.csv'}", *where)
    with pytest.raises(ConfigError, match="least_share must be"):
        run(f"manifest={tmp_path / 'clips.csv'}", *where, "settings.least_share=2")
