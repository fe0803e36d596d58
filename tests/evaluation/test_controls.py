"""Controls and perturbations: the same clips, read or scored in another way."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from runs import table

from avforensics.data.manifest import Manifest
from avforensics.errors import ConfigError
from avforensics.evaluation.controls import check_shifts, shift_result, variations
from avforensics.evaluation.robustness import (
    average_and_adversarial,
    cells,
    curves,
    edits,
    videos_line,
)
from avforensics.evaluation.rows import ScoredVideo
from avforensics.features.fill import extract_features
from avforensics.features.store import FeatureStore, write_info
from avforensics.media.wav import write_wav
from avforensics.scoring.sequences import SequencePolicy


def video(number, score, offset):
    known = {"path": f"{number}.mp4", "label": 0, "identity": f"id{number}"}
    return ScoredVideo(**known, score=score, baselines={"constant_offset": offset})


def test_shifted_videos_stand_among_the_same_unshifted_ones():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=40)
    plain = [video(i, float(score), 0.0) for i, score in enumerate(scores)]
    same = [video(i, float(score), 5.0) for i, score in enumerate(np.roll(scores, 1))]
    found = shift_result(plain, [*same, video(99, 5.0, 5.0)])
    assert found["n"] == 40
    assert found["auc"] == pytest.approx(0.5)
    assert found["auc_ci"][0] < 0.5 < found["auc_ci"][1]
    assert found["offset_auc"] == 1.0
    assert found["called_fake"] == pytest.approx(0.05)
    higher = [video(i, float(score) + 10, 5.0) for i, score in enumerate(scores)]
    found = shift_result(plain, higher)
    assert (found["auc"], found["called_fake"]) == (1.0, 1.0)
    assert shift_result(plain, []) == {"n": 0}
    forged = [replace(row, label=1, score=99.0) for row in plain]  # other sound, same pictures
    assert shift_result([*plain, *forged], higher) == found


def test_variations_change_one_thing_each():
    policy = SequencePolicy(max_len=20)
    found = variations(["windows", "audio", "trim", "shift"], policy, "")
    assert found == {
        "windows all": (SequencePolicy(max_len=20, windows="all"), ""),
        "audio context": (SequencePolicy(max_len=20, audio="context"), ""),
        "silence trimmed": (policy, "trim"),
    }
    assert variations(["trim"], policy, "trim") == {"silence kept": (policy, "")}
    for edit, control in (("trim", "shift"), ("shift=3", "shift"), ("GB=3", "trim")):
        with pytest.raises(ConfigError, match=f"the control {control} is an edit"):
            variations(["windows", control], policy, edit)
    assert variations(["windows"], policy, "GB=3")["windows all"][1] == "GB=3"
    with pytest.raises(ConfigError, match="cannot be combined with edit=trim"):
        edits(["GB"], [1], 0, "trim")
    assert edits(["GB"], [], 0, "trim") == {}
    with pytest.raises(ConfigError, match=r"controls must be among .* got 'silence'"):
        variations(["silence"], policy, "")
    with pytest.raises(ConfigError, match=r"within -15\.\.15"):
        check_shifts([5, 0])
    with pytest.raises(ConfigError, match=r"levels must be within 1..5"):
        edits(["GB"], [0], 0)


def test_every_run_is_shown_by_the_same_result():
    both = {"categories": {}, "averages": {"AVG-FV": {"auc": 0.9}}, "overall": {"auc": 0.7}}
    fewer = both | {"averages": {}, "overall": {"auc": 0.6}}  # a perturbed run lost a category
    assert curves({("GB", 0): both, ("GB", 3): fewer}) == {"GB": [(0, 0.7), (3, 0.6)]}
    assert curves({("GB", 0): both, ("GB", 3): both}) == {"GB": [(0, 0.9), (3, 0.9)]}
    reals = both | {"averages": {}, "overall": {}}  # one class has no AUC
    assert cells({("GB", 0): both, ("GB", 3): reals})[1][1:] == ["70.0", "-"]
    sizes = [both | {"overall": {"n_real": 2, "n_fake": n}} for n in (3, 2)]
    runs = {("GB", level): summary for level, summary in enumerate(sizes)}
    assert videos_line(runs) == "Metrics of 5 videos (fewer at GB 1: 4)"


def test_adversarial_is_the_worst_and_average_the_mean():
    by_name = {"GB": [(0, 0.9), (3, 0.7)], "CS": [(0, 0.9), (3, 0.8)], "VC": [(0, 0.9), (3, 0.9)]}
    levels, mean, worst = average_and_adversarial(by_name)
    assert levels == [0, 3]
    np.testing.assert_allclose(mean, [0.9, 0.8])
    np.testing.assert_allclose(worst, [0.9, 0.7])


def test_command_runs_controls_and_perturbations(
    tiny_bundle, clips_manifest, avforensics, refusal, tmp_path, capsys
):
    """Run controls on a set whose fakes begin with silence, and on a store of the same clips."""
    common = ["evaluate", f"checkpoint.bundle={tiny_bundle}", "intervals.resamples=20"]
    common += ["extract.workers=1", "extract.device=cpu", "scoring.max_len=10"]
    store = tmp_path / "store"

    def run(out, *words):
        # four of the clips cannot be read
        assert avforensics(*common, f"output_dir={tmp_path / out}", *words) == 1

    run(
        "a", "benchmark=manifest", f"root={clips_manifest}", f"features={store}",
        "controls.run=[trim,windows,audio,shift]", "controls.shifts=[-2,3]", "controls.clips=3",
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "silence trimmed" in said
    assert "+3 (+120 ms)" in said
    content = json.loads((tmp_path / "a/controls.json").read_text())
    assert list(content["runs"]) == ["as asked", "silence trimmed", "windows all", "audio context"]
    alone = {
        name: content["runs"][name]["overall"]["baselines"]["leading_silence"]["auc"]
        for name in ("as asked", "silence trimmed", "windows all")
    }
    # the flaw gives the fakes away until it is trimmed
    assert alone == {"as asked": 1.0, "silence trimmed": 0.5, "windows all": 1.0}
    # only one of these short clips has real sound at all delays, and the result says so
    assert content["runs"]["audio context"]["coverage"]["scored"] == 1
    trimmed = FeatureStore.open(f"{store}-trim")
    assert trimmed.info.edit == "trim"
    plain = FeatureStore.open(store)
    for index, entry in enumerate(plain):
        if entry.error is None:
            assert trimmed[index].clip.silence == 0.0
            dropped = round(entry.clip.silence * 25)
            assert entry.n_windows - dropped - trimmed[index].n_windows in (0, 1)
    # three real clips, one of which is too short once it is shifted
    assert {key: value["n"] for key, value in content["shifts"].items()} == {"-2": 2, "3": 2}
    assert (tmp_path / "a/controls.md").read_text().count("\n") > 8

    run(  # the other way round, in the existing store
        "c", "benchmark=manifest", f"root={clips_manifest}", f"features={store}",
        "scoring.windows=all", "controls.run=[windows]",
    )  # fmt: skip
    other = json.loads((tmp_path / "c/controls.json").read_text())["runs"]
    assert other["windows first"]["overall"] == content["runs"]["as asked"]["overall"]
    assert other["as asked"]["overall"] == content["runs"]["windows all"]["overall"]

    run("d", f"features={store}-trim", "controls.run=[trim]")  # a store names its edit
    other = json.loads((tmp_path / "d/controls.json").read_text())["runs"]
    assert other["as asked"]["overall"] == content["runs"]["silence trimmed"]["overall"]
    assert other["silence kept"]["overall"] == content["runs"]["as asked"]["overall"]
    words = [*common, f"output_dir={tmp_path / 'e'}", f"features={store}-trim"]
    assert "cannot be combined with edit=trim" in refusal(*words, "controls.run=[shift]")

    run(
        "b", f"features={store}", "robustness.levels=[5]", "seed=3",
        "robustness.perturbations=[JPEG,CC,LEVEL]", "breakdowns.threshold=0.0",
    )  # fmt: skip
    assert FeatureStore.open(f"{store}-JPEG=5_3").info.edit == "JPEG=5/3"
    rows = table(tmp_path / "b/robustness.csv")
    assert {(row["perturbation"], row["level"]) for row in rows} == {
        (name, level) for name in ("JPEG", "CC", "LEVEL") for level in "05"
    }
    overall = [row for row in rows if row["category"] == "overall"]
    assert {row["false_alarms"] for row in overall} == {"1.0"}  # every loss is above 0
    assert (tmp_path / "b/robustness_sound.png").exists()
    told = (tmp_path / "b/robustness.md").read_text()
    assert "False alarms: real videos above the threshold 0 (" in told
    with Image.open(tmp_path / "b/robustness.png") as image:
        assert np.asarray(image.convert("L")).std() > 10
    assert "adversarial" in capsys.readouterr().out


def test_a_store_reads_its_clips_again_with_their_own_sound(
    tiny_bundle, clips_manifest, avforensics, tmp_path
):
    """Forge only the sound: real and fake rows share picture files but have different sound."""
    rng, rows = np.random.default_rng(0), []
    for number, clip in enumerate(Manifest.read(clips_manifest)[i] for i in (0, 2)):
        for label in (0, 1):
            sound = tmp_path / f"{number} {label}.wav"
            write_wav(sound, rng.integers(-9000, 9000, 25 * 640, np.int16))
            rows.append(clip._replace(label=label, category="swap", audio=str(sound)))
    store = tmp_path / "store"
    checkpoint = {"bundle": str(tiny_bundle)}
    extract_features(Manifest(rows), store, checkpoint, workers=1)
    code = avforensics(
        "evaluate", f"features={store}", f"checkpoint.bundle={tiny_bundle}",
        f"output_dir={tmp_path / 'out'}", "scoring.max_len=10", "intervals.resamples=20",
        "extract.workers=1", "extract.device=cpu", "controls.run=[trim]",
    )  # fmt: skip
    assert code == 0
    plain, trimmed = FeatureStore.open(store), FeatureStore.open(f"{store}-trim")
    for index in range(len(rows)):  # there is no silence to trim
        np.testing.assert_allclose(trimmed.logits(index), plain.logits(index), atol=1e-5)


def test_partial_forgeries_are_localised(store_of_segments, decoders_bundle, avforensics, tmp_path):
    code = avforensics(
        "evaluate", f"features={store_of_segments.folder}",
        f"checkpoint.bundle={decoders_bundle}", f"output_dir={tmp_path}", "select.split=test",
        "intervals.resamples=20", "scoring.windows=all",
    )  # fmt: skip
    assert code == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    # six real and six partly forged clips; fully forged clips have no segments to find
    for name, found in metrics["localisation"].items():
        assert (found["n_videos"], found["n_segments"]) == (12, 6), name
        assert found["window_auc"] > 0.8, name
        assert found["ap_50"] > 0.5, name
        assert found["ar_5"] <= found["ar_100"], name
    assert set(metrics["localisation"]) == {"step_loss", "delays", "own_delay"}
    assert sum("6 segments in 12 videos" in note for note in metrics["notes"]) == 3


@pytest.mark.parametrize("edit", ["trim", "shift=-3"])
def test_segments_are_not_looked_for_where_an_edit_moved_them(
    store_of_segments, decoders_bundle, avforensics, tmp_path, edit
):
    folder = shutil.copytree(store_of_segments.folder, tmp_path / "store")
    write_info(folder, replace(store_of_segments.info, edit=edit))
    code = avforensics(
        "evaluate", f"features={folder}", f"checkpoint.bundle={decoders_bundle}",
        f"output_dir={tmp_path / 'out'}", "select.split=test", "intervals.resamples=20",
    )  # fmt: skip
    assert code == 0
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert "localisation" not in metrics
    assert sum("segments were not searched for" in note for note in metrics["notes"]) == 1
