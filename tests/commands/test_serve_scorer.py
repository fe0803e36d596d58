"""How `avforensics serve` scores an upload, without the page."""

import pytest
from made_faces import still_face
from runs import composed, table

from avforensics.checkpoints import load_models
from avforensics.commands import serve
from avforensics.commands.detect import build_detector, build_faces
from avforensics.errors import MediaError
from avforensics.faces.track import Faces
from avforensics.media import MediaOptions, open_media
from avforensics.serving import scorer as scorer_module
from avforensics.serving.jobs import Stopped, Upload
from avforensics.serving.limits import Limits
from avforensics.serving.scorer import Scorer

FRAMES = 60


@pytest.fixture
def make_scorer(bundle):
    def make(*words, **limits):
        cfg = composed("serve", "checkpoint=bundle", f"checkpoint.bundle={bundle}", *words)
        models = load_models({"bundle": str(bundle)})
        detector, faces = build_detector(models, cfg), build_faces(models, cfg)
        return Scorer(detector, faces, None, {}, Limits(**limits))

    return make


@pytest.fixture
def job(make_clip, tmp_path):
    video = make_clip(tmp_path / "secret-folder" / "a.mp4", frames=FRAMES)
    told = []
    job = Upload("talk.mp4", video.parent, video)
    job.tell = lambda stage, share=0.0: told.append((stage, round(share, 2)))
    job.told = told
    return job


def test_every_face_has_a_row_and_each_step_is_told(make_scorer, job, monkeypatch):
    def find(path, settings, *, progress, **_):
        progress(30)
        faces = still_face("1", box=(4, 8, 28, 40)), still_face("2", box=(34, 8, 58, 40))
        return Faces(64, 64, FRAMES, faces, {}, detector="00")

    monkeypatch.setattr(scorer_module, "find_faces", find)
    answer = make_scorer("faces=auto")(job)
    assert answer.summary.endswith("; 2 faces tracked.")
    rows = table(answer.files["scores.csv"])
    assert [row["track"] for row in rows] == ["", "1", "2"]
    assert {row["path"] for row in rows} == {"talk.mp4"}
    stages = [stage for stage, _ in job.told]
    assert list(dict.fromkeys(stages)) == ["finding faces", "scoring", "writing the report"]
    assert job.told[0] == ("finding faces", 0.5)
    shares = [share for stage, share in job.told if stage == "scoring"]
    assert len(shares) == len(set(shares)) > 1  # the progress of both faces is counted
    assert shares == sorted(shares) and shares[-1] == 1
    page = answer.files["report.html"].read_text(encoding="utf-8")
    assert "talk.mp4" in page and "secret-folder" not in page


def closed(stage, share=0.0):
    raise Stopped("the page was closed")


def test_no_face_is_said(make_scorer, job, monkeypatch):
    found = Faces(64, 64, FRAMES, (), {}, detector="00")
    monkeypatch.setattr(scorer_module, "find_faces", lambda *_, **__: found)
    with pytest.raises(MediaError, match="no face was found"):
        make_scorer("faces=auto")(job)


def test_a_search_that_is_given_up_says_why(make_scorer, job, monkeypatch):
    def find(path, settings, *, progress, **_):
        progress(30)

    monkeypatch.setattr(scorer_module, "find_faces", find)
    job.tell = closed
    with pytest.raises(Stopped, match=r"^the page was closed$"):
        make_scorer("faces=auto")(job)


def test_it_stops_where_it_is_told_to(make_scorer, job):
    scorer, job.tell = make_scorer("faces=given"), closed
    with pytest.raises(Stopped):
        scorer(job)
    assert scorer.detector.extractor.engine._tails == {}


@pytest.mark.parametrize("faces", ["auto", "given"])
def test_a_video_that_does_not_say_how_long_it_is_ends_at_the_limit(
    make_scorer, job, monkeypatch, faces
):
    def find(path, settings, *, progress, **_):
        for frame in range(FRAMES):
            progress(frame)
        raise AssertionError("it was looked at to its end")

    monkeypatch.setattr(scorer_module, "find_faces", find)
    monkeypatch.setattr(scorer_module, "seconds", lambda video: 0.0)
    scorer = make_scorer(f"faces={faces}", "scoring.windows=all", max_minutes=1 / 60)
    with pytest.raises(MediaError, match=r": the video is longer than the 0\.0166667 minutes"):
        scorer(job)


def test_pictures_far_above_the_limit_are_left_out(bundle, make_clip, tmp_path, monkeypatch):
    pytest.importorskip("gradio", reason="the extra `app` is not installed")
    video = make_clip(tmp_path / "a.mp4", frames=20)

    def look(app, listening):
        with open_media(video, MediaOptions()) as media:
            list(media)

    monkeypatch.setattr(serve, "serve", look)
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")  # so that the settings of `build_app` are undone in the end
    words = ["checkpoint=bundle", f"checkpoint.bundle={bundle}", "faces=given", "port=0"]
    cfg = composed("serve", *words, "output_dir=x")
    serve.run(cfg)
    cfg.limits.max_pixels = 100
    with pytest.raises(MediaError, match="no frame of its video can be decoded"):
        serve.run(cfg)
