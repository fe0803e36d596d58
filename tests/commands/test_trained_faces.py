"""The crop of the weights decides what is scored; calibrations are next to the weights."""

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_faces import still_face
from omegaconf import OmegaConf
from runs import table

from avforensics import Detector
from avforensics.checkpoints import save_bundle
from avforensics.commands import detect as detect_command
from avforensics.commands.train import clips_recipe
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.detection import faces as faces_module
from avforensics.detection.choices import face_options
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.setting import scoring_setting
from avforensics.faces import framing
from avforensics.faces.crops import RECIPES
from avforensics.faces.sidecar import recipe_of_clips
from avforensics.faces.track import Faces
from avforensics.media import write_clip
from avforensics.scoring.offset import delay_probabilities
from avforensics.scoring.sequences import SequencePolicy

FRAMES = 60


def square_of(side, picture=(64, 64)):
    """Make the faces of a video of 60 frames: a face with a square box, or no face if side is 0."""
    left, top = (length / 2 - side / 2 for length in picture)
    face = still_face(box=(left, top, left + side, top + side))
    return Faces(*picture, FRAMES, (face,) if side else (), {}, detector="00")


@pytest.fixture
def seen(monkeypatch):
    """A face of 30 pixels in every video; a test may replace it."""
    found = {"faces": square_of(30)}

    def find(path, settings, *, start_frame=0, max_frames=None, **_):
        return found["faces"]

    monkeypatch.setattr(faces_module, "find_faces", find)
    monkeypatch.setattr(framing, "find_faces", find)
    monkeypatch.setattr(detect_command, "FaceDetector", object)
    return found


@pytest.fixture
def of_mouths(tmp_path, make_models):
    """A checkpoint trained on crops of mouths."""
    models = make_models()
    models.metadata["recipe"] = "mouth"
    save_bundle(tmp_path / "mouth [1].safetensors", models)
    return tmp_path / "mouth [1].safetensors"


@pytest.fixture
def detect(tmp_path, monkeypatch, avforensics):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    sound = random.integers(-8000, 8000, FRAMES * 640).astype(np.int16)
    for name, width in (("a.mp4", 8), ("wide.mp4", 14)):
        pictures = random.integers(0, 256, (FRAMES, 8, width, 3), np.uint8)
        write_clip(tmp_path / name, pictures.repeat(8, 1).repeat(8, 2), sound)

    def call(checkpoint, *words):
        given = [f"checkpoint.bundle={checkpoint}", "input=a.mp4", "output_dir=out", *words]
        return avforensics("detect", "report=false", "applicability.measure=false", *given)

    return call


def rows():
    return table(Path("out/scores.csv"))


def test_faces_follow_the_crop_of_the_weights(detect, seen, bundle, of_mouths):
    assert detect(bundle) == 0
    assert [row["track"] for row in rows()] == [""]
    assert detect(of_mouths) == 0
    assert [row["track"] for row in rows()] == ["", "1"]
    assert rows()[0]["warnings"] == ""


def test_the_recipe_may_be_settings_of_ones_own(make_models):
    models = make_models()
    models.metadata["sync"] = {"recipe": {"anchor": "box", "side": 1.5}}
    options = face_options(models)
    assert (options.mode, options.recipe.side) == ("auto", 1.5)
    assert face_options(make_models()).mode == "given"


@pytest.mark.parametrize(
    ("clip", "face", "mode", "said"),
    [
        ("wide.mp4", 30, "given", "the video is 112x64"),
        ("a.mp4", 30, "given", "a face takes up 47% of this video's width"),
        ("a.mp4", 46, "none", "a face takes up 72% of this video's width"),  # a tight face crop
        ("a.mp4", 66, "given", ""),  # a mouth, in which the detector sees a face
        ("a.mp4", 0, "none", ""),
    ],
)
def test_a_contradiction_is_said(detect, seen, of_mouths, clip, face, mode, said):
    seen["faces"] = square_of(face)
    assert detect(of_mouths, f"faces={mode}", f"input={clip}") == 0
    (row,) = rows()
    assert row["status"] == "scored"
    trained = "the network was trained on crops of faces (crop=mouth), but"
    assert row["warnings"] == (f"{trained} {said}" if said else "")


def test_weights_that_name_no_crop_are_not_doubted(detect, seen, bundle, monkeypatch):
    monkeypatch.setattr(framing, "find_faces", None)
    assert detect(bundle, "faces=given", "input=wide.mp4") == 0
    assert rows()[0]["warnings"] == ""


def test_how_large_a_face_is_in_a_crop(detect, seen):
    """With the recipe `lrs`, a face takes up 71 % of the width; below 43 %, the crop differs."""
    for side, unlike in ((45, False), (30, False), (26, True)):
        seen["faces"] = square_of(side)
        assert bool(framing.unlike_crop("a.mp4", RECIPES["lrs"])) == unlike, side


@pytest.fixture
def calibrate(of_mouths, make_models):
    """Return a function that writes calibrations next to the checkpoint, one per windows policy."""

    def write(*policies, crop="mouth"):
        for windows in policies:
            setting = scoring_setting(make_models(), SequencePolicy(windows=windows), 0.0)
            path = of_mouths.with_name(f"{of_mouths.stem}.calibration-{windows}.safetensors")
            Calibration.fit(np.linspace(1e-6, 9, 40), setting=setting | {"crop": crop}).save(path)

    return write


def test_the_calibration_of_the_weights_gives_p_values(detect, seen, of_mouths, calibrate, capfd):
    calibrate("all", "first")
    assert detect(of_mouths) == 0
    first = float(rows()[0]["p_value"])
    assert 0 < first <= 1
    assert detect(of_mouths, "scoring.windows=all") == 0
    assert rows()[0]["p_value"]
    assert detect(of_mouths, "calibration=null") == 0  # scored again, since the setting differs
    assert rows()[0]["p_value"] == ""
    capfd.readouterr()
    assert detect(of_mouths, "scoring.lam=0.5") == 0
    assert rows()[0]["p_value"] == ""
    told = capfd.readouterr().out
    assert "no calibration of these weights can be used: the calibration does not match" in told


def test_a_calibration_of_another_crop_is_not_taken(detect, seen, of_mouths, calibrate, capfd):
    calibrate("first", crop="lrs")
    assert detect(of_mouths) == 0
    assert rows()[0]["p_value"] == ""
    assert "the calibration was made with crop=lrs" in capfd.readouterr().out.replace("\n", " ")


def test_python_does_as_the_command(detect, seen, of_mouths, calibrate):
    calibrate("first")
    assert detect(of_mouths) == 0
    detector = Detector.from_checkpoints(bundle=of_mouths, device="cpu")
    result = detector.score("a.mp4")
    assert result.p_value == pytest.approx(float(rows()[0]["p_value"]))
    assert result.scores[0].score == pytest.approx(float(rows()[0]["score"]), abs=1e-6)
    (outcome,) = detector.outcomes(["a.mp4"])
    assert [face.track.name for face in outcome.faces] == ["1"]
    plain = Detector.from_checkpoints(bundle=of_mouths, faces="none", calibration=None)
    assert plain.score("a.mp4").p_value is None
    content = Path("a.mp4").read_bytes()
    for of_bytes, one in ((detector.score(content), result), (plain.score(content), None)):
        assert of_bytes.path == Path("bytes")
        assert one is None or of_bytes.scores == one.scores
    assert len(list(detector.score_many("a.mp4"))) == 1


def test_python_without_any_setting_takes_the_weights_of_the_package(monkeypatch, tmp_path):
    monkeypatch.setenv("AVFORENSICS_CHECKPOINTS", str(tmp_path))
    for windows in ("first", "all"):
        detector = Detector(device="cpu", windows=windows)
        assert detector.models.origin.endswith("shipped with this package")
        assert detector.scorer.options.mode == "auto"
        assert detector.policy.windows == windows
        assert detector.judge is not None, "the weights have a calibration for it"


@pytest.fixture
def sidecar():
    """Return a function that records a clip's crop recipe next to the clip."""

    def write(clip, recipe):
        record = {"settings": {"recipe": asdict(RECIPES[recipe])}}
        Path(clip).with_suffix(".json").write_text(json.dumps(record))

    return write


@pytest.fixture
def command(detect, of_mouths, avforensics):
    """Return a function that runs a verb on a manifest of one clip and returns the exit code."""

    def call(verb, clip, *words, start=0.0):
        Manifest([Row(path=str(Path(clip).absolute()), label=0, start=start)]).write("m.csv")
        given = [f"checkpoint.bundle={of_mouths}", *words]
        return avforensics(verb, *given)

    return call


EXTRACT = ("extract", "manifest=m.csv", "output_dir=store", "workers=1")
EVALUATE = ("evaluate", "benchmark=manifest", "root=m.csv", "features=store", "output_dir=out")


@pytest.mark.parametrize(
    ("verb", "words"), [(EXTRACT[0], EXTRACT[1:]), (EVALUATE[0], EVALUATE[1:])]
)
@pytest.mark.parametrize("clip", ["wide.mp4", "a.mp4"])
def test_features_of_whole_pictures_are_refused(command, seen, refusal, verb, words, clip):
    said = refusal(verb, clip, *words, by=command)
    assert f"{clip}: the network was trained on crops of faces (crop=mouth), but" in said
    assert "avforensics preprocess input=MANIFEST output=CLIPS crop=mouth size=64" in said
    assert not Path("store/shards").exists()


def test_clips_of_preprocess_are_believed(command, seen, sidecar):
    sidecar("a.mp4", "mouth")
    assert command(EXTRACT[0], "a.mp4", *EXTRACT[1:]) == 0
    assert list(Path("store/shards").iterdir())


def test_how_clips_were_cut_goes_into_the_bundle(detect, sidecar, make_models):
    Manifest([Row(path=str(Path("a.mp4").absolute()), label=0)]).write("m.csv")
    module = SimpleNamespace(models=make_models())
    cfg = OmegaConf.create({"data": {"manifest": "m.csv"}})
    assert clips_recipe(cfg, module) is None
    sidecar("a.mp4", "lrs")
    assert clips_recipe(cfg, module) == "lrs"
    sidecar("wide.mp4", "mouth")
    assert recipe_of_clips(["a.mp4"]) == "lrs" and recipe_of_clips(["a.mp4", "wide.mp4"]) is None
    module.models.sync.crop = (0, 0.5, 1, 1)  # the network crops its input itself
    assert clips_recipe(cfg, module) is None
    assert clips_recipe(OmegaConf.create({"data": {"folder": "store"}}), module) is None


@pytest.mark.reference
def test_a_real_face_by_default_and_against_the_crop(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("AVFORENSICS_CHECKPOINTS", str(tmp_path))
    clip = shared / "media/grid_s1/lwwm2p.mp4"
    found = Detector(device="cpu").score(clip)
    whole = Detector(device="cpu", faces="given").score(clip)
    sure, unsure = (delay_probabilities(r.features.sync_logits).max(1) for r in (found, whole))
    assert sure.mean() > unsure.mean()
    assert found.warnings == [] and "trained on crops of faces" in whole.warnings[0]
