"""Reading and writing score files of other harnesses."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from runs import table
from sklearn.metrics import roc_auc_score

from avforensics.errors import ManifestError
from avforensics.evaluation.comparison import read_run
from avforensics.evaluation.exchange import write_c5, write_frames
from avforensics.evaluation.rows import ScoredVideo, write_scores

MADE = {"dataset": "lips", "detector": "talkers", "source": "avforensics:talkers", "digest": None}
HEX = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
META = {  # fields that C5 requires in a meta file
    "type": "object",
    "required": ["detector", "protocol", "labels", "coverage", "created", "schema"],
    "properties": {
        "schema": {"const": "dfwb.scores/1"},
        "detector": {"required": ["name", "version", "source", "contract_version"]},
        "protocol": {
            "required": ["id", "split", "pack", "pack_version", "scheme_sha256"],
            "properties": {"scheme_sha256": HEX},
        },
        "coverage": {"required": ["expected", "ok", "missing", "error"]},
    },
}


def videos():
    rng = np.random.default_rng(0)
    rows = [
        ScoredVideo(
            path=f"/set/{'fake' if n % 2 else 'real'}/{n}.mp4",
            label=n % 2,
            category="wav2lip" if n % 2 else "real",
            identity=f"id{n // 2}",
            score=float(rng.normal(n % 2)),
        )
        for n in range(8)
    ]
    rows.append(replace(rows[0], path="/set/real/x.mp4", score=None, error="no such file"))
    rows.append(replace(rows[1], path="/set/fake/y.mp4", score=None, error="no face"))
    return rows


def test_c5_reads_back_the_same(tmp_path):
    path = tmp_path / "a.scores.csv"
    write_c5(videos(), path, MADE)
    meta = json.loads((tmp_path / "a.scores.meta.json").read_text())
    jsonschema.validate(meta, META)
    assert meta["coverage"] == {"expected": 10, "ok": 8, "missing": 1, "error": 1}
    lines = path.read_text().splitlines()
    assert lines[0].startswith("dataset,key,compression,label,score,status")
    assert lines[1].startswith("lips,real/0.mp4,,0,0.")
    again = read_run(path)
    for one, other in zip(videos(), again, strict=True):
        assert one.path.removeprefix("/set/") == other.path.removeprefix("lips/")
        assert (one.label, one.score, one.identity) == (other.label, other.score, other.identity)
        assert (one.category, one.error) == (other.category, other.error)
    meta["coverage"]["ok"] = 7
    (tmp_path / "a.scores.meta.json").write_text(json.dumps(meta))
    with pytest.raises(ManifestError, match=r"coverage is .* but the rows of a\.scores\.csv say"):
        read_run(path)


def test_c5_of_others(tmp_path):
    path = tmp_path / "v1.scores.csv"
    header = "dataset,key,compression,label,score,status,logit,label_key,method,n_clips,x_note\n"
    path.write_text(
        header
        + "toy,real/0,,0,0.1,ok,-2.2,T-REAL,original,1,\n"
        + "toy,a/0,c23,2,0.8,ok,1,T-A,blend,1,\ntoy,a/1,c23,2,,missing,,T-A,blend,,no clip\n"
    )
    rows = read_run(path)
    assert [(row.path, row.label, row.score) for row in rows] == [
        ("toy/real/0", 0, 0.1),
        ("toy/c23/a/0", 1, 0.8),
        ("toy/c23/a/1", 1, None),
    ]
    assert rows[1].category == "blend" and rows[1].attributes["compression"] == "c23"
    assert rows[2].error == "missing" and rows[2].attributes["x_note"] == "no clip"
    for wrong, message in (
        ("0,1.5,ok", "within 0..1"),
        ("0,0.5,fine", "status must be one of ok"),
        ("real,0.5,ok", "label must be 0 .* got 'real'"),
        (",0.5,ok", "label must be 0"),
        ("-1,0.5,ok", "label must be 0"),
    ):
        path.write_text(f"{header}toy,a,,{wrong},,,,,\n")
        with pytest.raises(ManifestError, match=message):
            read_run(path)


def test_scores_of_another_kind_are_not_taken_for_ours(tmp_path):
    path = tmp_path / "v1.scores.csv"
    header = "dataset,key,compression,label,score,status,x_score,x_avforensics_score\n"
    path.write_text(f"{header}toy,a,,1.0,0.9,ok,-3.1,7\n")
    (row,) = read_run(path)
    assert (row.label, row.score) == (1, 0.9)


def test_frames_of_deepfakebench(tmp_path):
    path = tmp_path / "frames.csv"
    rows = ["d/real/001/000.png,0.1,0", "d/real/001/010.png,0.3,0", "d\\fake\\001\\000.png,0.9,1"]
    path.write_text("\n".join(["image,pred,label", *rows]))
    assert [(row.path, row.label, row.score) for row in read_run(path)] == [
        ("d/real/001", 0, 0.2),
        ("d/fake/001", 1, 0.9),
    ]
    path.write_text("image,pred,label\na/1.png,0.1,0\na/2.png,0.1,1\n")
    with pytest.raises(ManifestError, match="frames of a have different labels"):
        read_run(path)


def test_frames_for_deepfakebench_read_back_the_same(tmp_path):
    path, rows = tmp_path / "frames.csv", videos()
    rows[1] = replace(rows[1], path="/set/fake/0.mp4")  # a fake with the name of a real clip
    rows[1] = replace(rows[1], path="/set/fake/a/b.mp4")
    rows[3] = replace(rows[3], path="/set/fake/a__b.mp4")
    write_frames(rows, path)
    scored = [row for row in rows if row.score is not None]
    again = read_run(path)
    assert len(scored) == len(again) == len(rows) - 2
    for one, other in zip(scored, again, strict=True):
        assert (one.path, one.label, one.score) == (other.path, other.label, other.score)
        assert (one.category, one.identity) == (other.category, other.identity)
        assert other.attributes == {}
    lines = table(path)
    preds, labels = [float(line["pred"]) for line in lines], [int(line["label"]) for line in lines]
    folders = {line["image"].split("/")[-2] for line in lines}  # DeepfakeBench groups by them
    assert len(folders) == len(lines) and all(0 < pred < 1 for pred in preds)
    expected = roc_auc_score([row.label for row in scored], [row.score for row in scored])
    assert roc_auc_score(labels, preds) == expected


def test_the_command_writes_and_reads_them(avforensics, refusal, tmp_path):
    write_scores(videos()[:8], tmp_path / "scores.csv")
    words = ["evaluate", "intervals.resamples=20"]
    made = [*words, f"scores={tmp_path}/scores.csv", f"output_dir={tmp_path / 'a'}"]
    assert avforensics(*made, "exchange=dfwb") == 0
    file = tmp_path / "a" / "avforensics.scores.csv"
    last = [*words, f"scores={file}", f"output_dir={tmp_path / 'b'}", "report=true"]
    assert avforensics(*last, f"against={file}") == 0
    (tmp_path / "b" / "robustness.png").write_bytes(b"of an earlier run")
    assert "Against another run" in (tmp_path / "b" / "index.html").read_text()
    assert avforensics(*last) == 0
    assert not list((tmp_path / "b").glob("comparison.*"))
    first, second = (
        json.loads((tmp_path / name / "metrics.json").read_text())["overall"] for name in "ab"
    )
    assert first["auc"] == second["auc"] and first["auc_ci"] == second["auc_ci"]
    tex = (tmp_path / "b" / "metrics.tex").read_text()  # a table that LaTeX can read
    assert tex.count("\\begin{") == tex.count("\\end{") > 0
    assert tex.count("{") == tex.count("}")
    page = (tmp_path / "b" / "index.html").read_text()
    assert "8 of 8 listed videos scored" in page and page.count("data:image/png;base64,") == 3
    assert "Against another run" not in page
    assert f"<td>{100 * first['auc']:.1f}" in page and "<script" not in page
    last = [*words, f"scores={file}", f"output_dir={tmp_path / 'c'}", "exchange=deepfakebench"]
    assert avforensics(*last) == 0
    assert len(read_run(tmp_path / "c" / "deepfakebench.csv")) == 8
    said = refusal(*words, f"scores={file}", "exchange=xls")
    assert "exchange must be null, dfwb or deepfakebench" in said
