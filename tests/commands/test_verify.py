"""`avforensics verify`: results match their video and weights; any changed byte is detected."""

import csv
import json
import shutil

import numpy as np
import pytest
from omegaconf import OmegaConf

from avforensics.checkpoints.hub import PINNED
from avforensics.commands.verify import as_text
from avforensics.detection import record as record_module
from avforensics.detection.record import digest_of, read_record, schema, text_of
from avforensics.detection.rows import rows_of
from avforensics.detection.verification import compare, local_checkpoint, shipped
from avforensics.errors import ConfigError
from avforensics.files import sha256_file


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def written(avforensics, bundle, tmp_path, make_clip):
    """Result file of a scored clip, whose files are `NAMED`."""
    weights = shutil.copy(bundle, tmp_path / "weights.safetensors")
    clip = make_clip(tmp_path / "a clip.mp4", frames=60)
    code = avforensics(
        "detect", f"input={clip}", "output_dir=out", "checkpoint=bundle", "report=false",
        f"checkpoint.bundle={weights}", "device=cpu",
    )  # fmt: skip
    assert code == 0
    return tmp_path / "out/results/a_clip.json"


NAMED = ("video=a clip.mp4", "checkpoint.bundle=weights.safetensors")


def seal(record, path):
    """Write a changed result with the hash of its content."""
    path.write_text(text_of(record | {"digest": digest_of(record)}), encoding="ascii")


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_result_is_right_and_comes_out_again(avforensics, written, capsys):
    for files in (NAMED, []):
        words = ["verify", f"result={written}", "recompute=true", "device=cpu"]
        assert avforensics(*words, *files) == 0
        said = capsys.readouterr().out
        assert said.count(" right ") == 5  # schema, result, video, weights, numbers
        assert "WRONG" not in said and "not checked" not in said
    with (written.parents[1] / "scores.csv").open(newline="", encoding="utf-8") as file:
        (cells,) = csv.DictReader(file)
    (row,) = rows_of(read_record(written))
    made = {name: "" if value is None else str(value) for name, value in row.items()}
    assert cells | {"seconds": ""} == made, "scores.csv is made from the result files"


def test_one_changed_byte_fails(avforensics, written, tmp_path, capsys):
    result = ["verify", f"result={written}"]
    whole = written.read_bytes()
    digit = whole.index(b'"mean_maximum": 0.') + len(b'"mean_maximum": 0.') + 2
    flip(written, digit)
    assert avforensics(*result) == 1
    assert "WRONG" in capsys.readouterr().out
    written.write_bytes(whole[:-1] + b" \n")  # same content, different bytes
    assert avforensics(*result) == 1
    written.write_bytes(whole)
    for name, place in (("a clip.mp4", -1), ("weights.safetensors", -1)):
        flip(tmp_path / name, place)
        assert avforensics(*result) == 1
        assert "WRONG" in capsys.readouterr().out
        flip(tmp_path / name, place)
    assert avforensics(*result) == 0


def test_a_separate_audio_file_is_checked_too(avforensics, bundle, tmp_path, make_clip, capsys):
    clip = make_clip(tmp_path / "clip.mp4", frames=30)
    sound = make_clip(tmp_path / "sound.mp4", frames=30, seed=1)
    (tmp_path / "list.csv").write_text(f"path,audio\n{clip},{sound}\n")
    words = ("input=list.csv", "output_dir=out", f"checkpoint.bundle={bundle}", "device=cpu")
    assert avforensics("detect", *words, "checkpoint=bundle") == 0
    assert sha256_file(sound) in (tmp_path / "out/reports/clip.html").read_text()
    result = ["verify", "result=out/results/clip.json"]
    assert avforensics(*result) == 0
    flip(sound, -1)
    assert avforensics(*result) == 1
    assert "audio WRONG" in " ".join(capsys.readouterr().out.split())
    sound.rename(tmp_path / "moved, [1].mp4")
    assert avforensics(*result) == 0
    assert "give audio=FILE" in " ".join(capsys.readouterr().out.split())
    assert avforensics(*result, "audio=moved, [1].mp4") == 1


def test_numbers_of_another_video_are_found(avforensics, written, tmp_path, make_clip, capsys):
    other = make_clip(tmp_path / "other.mp4", frames=60, seed=5)
    words = ("verify", f"result={written}", NAMED[1], "recompute=true", "device=cpu")
    words += (f"video={other}",)
    assert avforensics(*words) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("WRONG") == 2  # the hash, the numbers
    assert "score.score" in said.replace("score. score", "score.score")


def test_only_named_files_are_opened(avforensics, written, tmp_path, monkeypatch, capsys):
    """Results may come from anyone: no Hub is contacted, and no path needs to be opened."""

    def record_with(**settings):
        record = read_record(written)
        record["settings"]["checkpoint"] = settings
        seal(record, written)

    asked = []
    monkeypatch.setattr("avforensics.checkpoints.hub.snapshot", lambda *name: asked.append(name))
    record_with(weights="someone/something")
    assert avforensics("verify", f"result={written}", NAMED[0]) == 0
    assert capsys.readouterr().out.count("not checked") == 1 and not asked
    for name in ("a clip.mp4", "weights.safetensors"):
        (tmp_path / name).rename(tmp_path / f"moved {name}")
        (tmp_path / name).write_bytes(b"WRONG where it is opened")
    assert avforensics("verify", f"result={written}", "recompute=true", "recorded=false") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("not checked") == 3 and said.count("give ") == 3 and not asked
    assert avforensics("verify", f"result={written}") == 1  # the video at the recorded path differs
    capsys.readouterr()
    named = ("video=moved a clip.mp4", "checkpoint.bundle=moved weights.safetensors")
    assert avforensics("verify", f"result={written}", *named) == 0
    assert capsys.readouterr().out.count(" right ") == 4
    assert avforensics("verify", f"result={written}", named[0], "checkpoint.bundle=no") == 1


def test_weights_of_this_package_need_not_be_named():
    assert shipped({"weights": {"grid_compact.safetensors": PINNED["grid_compact"]}}) == {
        "asset": "grid_compact"
    }
    assert shipped({"weights": {"other": "0" * 64}}) == shipped({"weights": {}}) == {}


def test_what_is_no_result_is_one_sentence(refusal, written, tmp_path):
    assert "nowhere.json: No such file" in refusal("verify", "result=nowhere.json")
    record = read_record(written)
    for changed, says in (
        (
            {"format": "avforensics.result/99"},
            "unsupported result version 99; this program reads versions 1",
        ),
        ({"format": "other"}, "not a result file of avforensics detect"),
        ({"status": "fine"}, "$.status: 'fine' is not one of"),
        ({"p_value": 1.5}, "$.p_value: 1.5 is greater than the maximum of 1"),
        ({"extra": 1}, "'extra' was unexpected"),
    ):
        (tmp_path / "changed.json").write_text(json.dumps(record | changed))
        assert says in refusal("verify", "result=changed.json")
    (tmp_path / "changed.json").write_bytes(b"\xff\x00")
    with pytest.raises(ConfigError, match="this is not a result file"):
        read_record(tmp_path / "changed.json")


def test_a_result_of_an_older_version_is_read(avforensics, written, monkeypatch, tmp_path):
    """Every version of results has its own schema, which is used to check it."""
    record = read_record(written)
    assert record["measures"]["seconds"] > 2 and record["not_applicable"] == []
    before = {name: record[name] for name in record if name not in ("measures", "not_applicable")}
    earlier = tmp_path / "earlier.json"  # a result from before these fields were added
    seal(before, earlier)
    assert "measures" not in read_record(earlier)
    segment = {"start": 1.0, "end": 2.0, "threshold": 0.5, "track": None}
    with pytest.raises(ConfigError, match="segments"):
        odd = before | {"segments": [segment | {"loss": 0.7}]}
        seal(odd, earlier)
        read_record(earlier)
    first = {name: odd[name] for name in odd if name != "false_segments_per_minute"}
    later = ("false_segments_per_minute", "channels_last", "engine", "workers")
    of_then = {k: v for k, v in record["settings"].items() if k not in later}
    file = {k: v for k, v in record["file"].items() if k != "audio_sha256"}
    first |= {"format": "avforensics.result/1", "settings": of_then, "file": file}
    seal(first, earlier)
    assert read_record(earlier)["segments"][0]["loss"] == 0.7
    words = ("verify", f"result={earlier}", "recompute=true", "device=cpu", *NAMED)
    assert avforensics(*words) == 0
    for version in record_module.VERSIONS:
        assert schema(version)["properties"]["format"] == {"const": f"avforensics.result/{version}"}
    monkeypatch.setattr(record_module, "VERSIONS", (*record_module.VERSIONS, 99))
    assert read_record(written)["format"] == "avforensics.result/2"


def test_a_result_chooses_no_cluster_and_no_code(avforensics, written, tmp_path, capsys):
    record = read_record(written)
    (tmp_path / "strange.py").write_text("open('imported', 'w')")
    record["settings"] |= {
        "engine": {"name": "ray", "address": "192.0.2.1:1", "strange": 1},
        "workers": 8,
        "plugins": "strange.py",
        "title": "${oc.env:HOME}",
    }
    seal(record, written)
    words = ("verify", f"result={written}", "recompute=true", "device=cpu", *NAMED)
    assert avforensics(*words) == 0
    assert capsys.readouterr().out.count(" right ") == 5
    assert not (tmp_path / "imported").exists()
    assert OmegaConf.create(as_text(record["settings"])).title == "${oc.env:HOME}"


def test_a_video_without_a_score_has_a_result_too(avforensics, bundle, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"this is no video")
    code = avforensics(
        "detect", "input=broken.mp4", "output_dir=out", "checkpoint=bundle",
        f"checkpoint.bundle={bundle}", "report=false",
    )  # fmt: skip
    assert code == 1
    record = read_record(tmp_path / "out/results/broken.json")
    assert (record["status"], record["score"], record["statistics"]) == ("failed", None, {})
    assert record["error"] and record["digest"] == digest_of(record)


@pytest.mark.parametrize("settings", [{"scoring": 5}, {"faces": 3}, {"scoring": {"lam": "abc"}}])
def test_settings_that_detect_cannot_use_are_one_sentence(refusal, written, settings):
    record = read_record(written)
    record["settings"] |= settings
    seal(record, written)
    said = refusal("verify", f"result={written}", "recompute=true", "device=cpu")
    assert f"{written}: scoring with the settings of this result failed (" in said


def test_numbers_that_are_none_are_written_as_null():
    record = record_module._plain({"a": np.float64("nan"), "b": (1, np.int64(2)), "c": [np.inf]})
    assert text_of(record) == json.dumps({"a": None, "b": [1, 2], "c": [None]}, indent=1) + "\n"


def test_small_differences_between_machines_are_allowed():
    names = ("score", "p_value", "statistics", "evidence", "likelihood_ratio", "offset_ms")
    segment = {"start": 1.0, "end": 2.0}
    before = dict.fromkeys(names) | {"status": "scored", "score": {"score": 2.0}}
    before |= {"format": "2", "segments": [segment]}
    now = before | {"score": {"score": 2.001}}
    assert compare(before, now, tolerance=1e-3)[0].passed
    assert not compare(before, now, tolerance=1e-4)[0].passed
    assert not compare(before, before | {"offset_ms": 40}, tolerance=1e-3)[0].passed
    assert not compare(before, before | {"status": "failed"}, tolerance=1e-3)[0].passed
    for segments in ([], [segment | {"end": 3.0}], [segment, segment]):
        again = before | {"segments": segments}
        assert not compare(before, again, tolerance=1e-3)[0].passed
        assert compare(before, again | {"format": "3"}, tolerance=1e-3)[0].passed


@pytest.mark.parametrize("setting", [None, ["x"], "x", {"bundle": 5}, {"weights": [7]}])
def test_a_malformed_checkpoint_of_a_result_names_no_weights(setting):
    assert local_checkpoint({"settings": {"checkpoint": setting}}) == {}
