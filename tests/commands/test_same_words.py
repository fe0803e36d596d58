"""Warnings about a file are worded alike in scores.csv, videos.csv, the report and probe."""

import html
import json
from types import SimpleNamespace

import numpy as np
import pytest
from av.stream import Disposition
from made_faces import still_face
from media_files import RATE, frames_at, mux, noise
from runs import composed, table

from avforensics.commands import detect, preprocess, probe
from avforensics.data import cut
from avforensics.detection import faces as scored
from avforensics.faces.track import Faces

FRAMES = 30
TIMES, SOUND = frames_at(25, FRAMES), noise(FRAMES / 25)
LATER = [time + 40 * (time >= 0.48) for time in TIMES]
HALF = round(0.48 * RATE)
QUIET = (SOUND / 300).astype(np.int16)
BOTH = np.stack([SOUND, -SOUND], axis=1)
LOST = SOUND.astype(np.float32) / 32768 + np.where(np.arange(len(SOUND)) == 9000, np.nan, 0)
RAW = {"audio_codec": "pcm_s16le"}
KINDS = {
    "tracks": {
        "sounds": [[(0, SOUND)], [(0, SOUND)]],
        "flags": [Disposition.comment, Disposition.default],
    },
    "clock": {"times": LATER, "sounds": [[(0, SOUND[:HALF]), (40.48, SOUND[HALF:])]]},
    "faint": {"sounds": [[(0, QUIET)]], **RAW},
    "antiphase": {"sounds": [[(0, BOTH)]], "layout": "stereo", **RAW},
    "short": {"sounds": [[(0, SOUND[: round(1.04 * RATE)])]], **RAW},
    "NaN": {"sounds": [[(0, LOST.astype(np.float32))]], "audio_codec": "pcm_f32le"},
    "cut off": {},
}
SAYS = {
    "tracks": "2 audio tracks: track 1",
    "clock": "the file's clock jumps ahead by 40.00 s",
    "faint": "the audio is faint",
    "antiphase": "channel FL of stereo was read alone",
    "short": "audio (1.04 s) shorter than video (1.20 s)",
    "NaN": "NaN or infinite audio samples replaced by zeros: 1",
    "cut off": "cut off: ",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a file of each kind; a face is found in all frames of each file."""
    for kind, options in KINDS.items():
        path = tmp_path / "in" / f"{kind}.mkv"
        path.parent.mkdir(exist_ok=True)
        mux(path, **{"times": TIMES, "sounds": [[(0, SOUND)]], **options})
    long = mux(tmp_path / "long.mkv", times=frames_at(25, 60), sounds=[[(0, noise(2.4))]], **RAW)
    content = long.read_bytes()
    path.write_bytes(content[: round(0.6 * len(content))])
    face = still_face(frames=FRAMES, box=(20, 20, 80, 80))
    found = Faces(128, 96, FRAMES, (face,), {}, detector="00")
    for module in (scored, cut):
        monkeypatch.setattr(module, "find_faces", lambda *_, **__: found)
    monkeypatch.setattr(detect, "FaceDetector", object)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()  # as Hydra does
    return path.parent


def call(verb, *overrides):
    return verb.run(composed(verb.__name__.rsplit(".", 1)[1], *overrides))


def words(path):
    """Warnings in a table, by the stem of the video's path."""
    rows = [row for row in table(path) if not row.get("track")]
    return {row["path"].rsplit("/", 1)[1].removesuffix(".mkv"): row["warnings"] for row in rows}


def test_every_output_says_the_same(folder, bundle, monkeypatch):
    told = {}
    shown = SimpleNamespace(print=lambda text, **_: told.update([_read(text)]))
    monkeypatch.setattr(probe, "get_console", lambda: shown)
    assert call(probe, f"input={folder}", "format=json") == 0
    assert call(preprocess, f"input={folder}", "output=cut", "size=64", "workers=1") == 0
    options = ["faces=auto", "applicability.measure=false", "calibration=null", "readers=1"]
    checkpoint = ["checkpoint=bundle", f"checkpoint.bundle={bundle}"]
    assert call(detect, f"input={folder}", "output_dir=out", *options, *checkpoint) == 0
    scores, videos = (words(folder.parent / name) for name in ("out/scores.csv", "cut/videos.csv"))
    pages = folder.parent / "out" / "reports"
    for kind, begins in SAYS.items():
        (sentence,) = (line for line in told[kind] if line.startswith(begins))
        assert sentence in scores[kind], kind
        assert sentence in videos[kind], kind
        (page,) = pages.glob(f"{kind.replace(' ', '*')}*.html")
        assert sentence in html.unescape(page.read_text(encoding="utf-8")), kind


def _read(text):
    record = json.loads(text)
    return record["path"].rsplit("/", 1)[1].removesuffix(".mkv"), record["warnings"]
