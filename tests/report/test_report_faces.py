"""The page of a video with several faces, its still pictures, and the annotated video."""

import base64
import io
import json
import re
from dataclasses import replace

import av
import numpy as np
import pytest
from media_files import decoded
from PIL import Image

from avforensics.errors import MediaError
from avforensics.faces.track import FaceTrack
from avforensics.media.stills import stills
from avforensics.media.writer import write_clip
from avforensics.report.annotations import boxes_of
from avforensics.report.faces import MOST_ROWS, curve_data, stride_for, strip_data
from avforensics.report.overlay import Overlay
from avforensics.report.page import write_video_report
from avforensics.report.plot_data import binned, plot_data_of
from avforensics.report.render import render_video
from avforensics.report.stills import FaceBoxes, still_addresses
from avforensics.scoring.outcome import Segment
from avforensics.scoring.timeline import timeline_of
from avforensics.scoring.tracks import FaceResult


@pytest.fixture
def two_faces(scored, face):
    """A face in the whole clip, which speaks in the first second, and a face from 1 s on."""
    first, second = scored(), scored(windows=26)
    second.features.first_window = 24
    second.steps.window += 24
    return [
        face(first, "1", 0, 75, spans=((0.0, 1.0),), speaks=0.4),
        face(second, "2", 25, 30, (0.6, 0.25, 0.85, 0.75), spans=((1.0, 2.2),), speaks=0.6),
    ]


def data_of(path):
    page = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="[^"]+" id="report">(.*?)</script>', page, re.S)[1]
    return page, json.loads(found)


def test_the_page_holds_curves_of_every_face(result, two_faces, face, outcome_of, tmp_path):
    nothing = replace(result, scores=[], error="too short", features=None, steps=None)
    segment = Segment(1.2, 1.8, 2.0, track="2")
    for one, p_value, reasons in zip(two_faces, (0.321, 0.123), ((), ("song",)), strict=True):
        one.result.p_value, one.result.not_applicable = p_value, reasons
    outcome = outcome_of(result, *two_faces, face(nothing, "3", 60, 15), segments=[segment])
    out = write_video_report(outcome, tmp_path / "page.html", provenance={})
    page, data = data_of(out)
    assert "<td>0.32</td>" in page and "<td>0.12</td>" not in page
    assert data["shown"] == 1  # speaks most
    assert (data["firstWindow"], data["windows"]) == (24, 26)
    assert data["views"][1] is None and data["views"][2] is None
    assert (data["views"][0]["firstWindow"], data["views"][0]["windows"]) == (0, 50)
    assert data["views"][0]["silence"] == [0, None]
    assert data["silence"] == [24, None]
    assert [bar["lane"] for bar in data["bars"]] == [0, 1, 1]
    assert [box["spans"] for box in data["boxes"]] == [[[0, 1]], [[1, 2.2]], []]
    assert page.count("data-face=") == 3 and page.count("disabled>face 3") == 1
    assert 'data-show="1"><img alt="" src="data:image/jpeg;base64,' in page
    assert "3 faces tracked and scored separately; not used: 1 face track too &lt;small&gt;" in page
    assert "50 windows of 5 frames, 0.00 s to 2.16 s" in page  # of faces 1 and 2 together
    assert "30 of 76 windows of 2 faces together" in page


def test_bars_share_a_lane_where_none_covers_another(result, face, outcome_of):
    faces = (face(result, first=at, frames=25) for at in (0, 12, 30, 50))
    bars = strip_data(boxes_of(outcome_of(result, *faces)))
    assert [bar["lane"] for bar in bars] == [0, 1, 0, 1]


def test_long_curves_are_thinned(scored):
    result = scored(windows=50)
    curves = plot_data_of(result, 0.0)
    assert stride_for([curves]) == 1
    data = curve_data(curves, 4, [None, None])
    assert (data["firstWindow"], data["windows"]) == (0, 13)
    observed = np.frombuffer(base64.b64decode(data["observed"]), "<u2").reshape(13, 31) / 65535
    np.testing.assert_allclose(observed[3], curves.probabilities[12:16].mean(0), atol=2e-5)
    assert data["window"] == list(range(13))  # windows 1..49 in bins of four
    assert data["loss"][1] == pytest.approx(curves.loss[3:7].mean())
    assert data["cumulative"][-1] == pytest.approx(curves.cumulative[-1], rel=1e-4)
    long = replace(curves, probabilities=np.zeros((MOST_ROWS + 1, 31)))
    assert stride_for([long]) == stride_for([long, curves]) == 2


def test_bins_keep_gaps():
    values, bins = binned(np.arange(6.0), np.array([3, 4, 5, 12, 13, 20]), 4)
    assert bins.tolist() == [0, 1, 3, 5]
    assert values.tolist() == [0, 1.5, 3.5, 5]


@pytest.fixture(scope="module")
def counting(tmp_path_factory):
    """A file of 300 frames whose left half counts them, with few key frames and a tone."""
    path = tmp_path_factory.mktemp("counting") / "count.mp4"
    frames = np.full((300, 64, 96, 3), 20, np.uint8)
    frames[:, :, :48] = (np.arange(300) % 100 * 2 + 30)[:, None, None, None]
    tone = (8000 * np.sin(np.arange(300 * 640) / 8)).astype(np.int16)
    write_clip(path, frames, tone, gop=100, b_frames=2)
    return path


def test_stills_are_of_their_moment(counting, tmp_path):
    moments = [11.5, 0.1, 4.02, 8.0]
    for moment, picture in zip(moments, stills(counting, moments), strict=True):
        level = np.asarray(picture)[:, :40].mean()
        assert level == pytest.approx(round(moment * 25) % 100 * 2 + 30, abs=5)
    assert list(stills(counting, [99.0])) == [None]
    assert list(stills(tmp_path / "gone.mp4", [1.0, 2.0])) == [None, None]


def test_a_still_shows_its_face(counting):
    face = FaceBoxes(label="f", time=np.array([1.0]), box=np.array([[0.6, 0.3, 0.8, 0.7]]))
    whole, cut = still_addresses(counting, [(2.0, None), (2.0, face)])
    pictures = []
    for address in (whole, cut):
        content = address.removeprefix("data:image/jpeg;base64,")
        pictures.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))))
    assert pictures[0].shape == (96, 144, 3)
    assert pictures[1].max() < 40  # only the dark half
    assert still_addresses("gone.mp4", [(1.0, None)]) == [""]


def test_the_annotated_video_marks_faces_and_keeps_the_sound(counting, scored, tmp_path):
    result = scored(path=counting, windows=200)
    track = FaceTrack("1", 50, np.tile([60.0, 20, 80, 50], (100, 1)), np.zeros(0), np.zeros(0))
    faces = [FaceResult(track, result, spans=((2.0, 4.0),))]
    overlay = Overlay(timeline_of(result), 96, 64, faces=faces, marked=[(3.0, 3.5)])
    assert overlay.size[0] == 480 and overlay.size[1] % 2 == 0
    out = tmp_path / "out.mp4"
    assert render_video(counting, out, overlay.draw, overlay.size) == 300
    pictures = decoded(out)
    assert len(pictures) == 300

    def edge(index):  # a point on the left edge of the box, enlarged five times
        return pictures[index][5 * 35, 5 * 60 : 5 * 60 + 2].mean(0)

    assert edge(10).max() < 60 and edge(160).max() < 60  # before and after the face
    assert edge(75)[1] > edge(75)[0] + 60  # green while it speaks
    assert edge(120).min() > 120  # white while it does not
    panel = slice(overlay.size[1] - 60, None)
    orange = (pictures[80][panel, 320:].astype(int) @ [1, 0, -1]).max()
    assert orange > (pictures[100][panel, 320:].astype(int) @ [1, 0, -1]).max() + 50

    with av.open(str(out)) as file:
        assert file.streams.audio[0].rate == 16000
    sounds = [decoded(file, "audio") for file in (out, counting)]
    assert abs(len(sounds[0]) - len(sounds[1])) <= 2048
    peaks = [np.abs(np.fft.rfft(sound[16000:32000])).argmax() for sound in sounds]
    assert peaks[0] == peaks[1] == pytest.approx(16000 / (16 * np.pi), abs=1)


def test_a_tall_thin_video_without_sound_at_a_size_that_players_take(scored, tmp_path):
    path = tmp_path / "mute.mp4"
    write_clip(path, np.full((20, 2000, 16, 3), 99, np.uint8), None)
    overlay = Overlay(timeline_of(scored(path=path, windows=10)), 16, 2000)
    assert overlay.size[0] == 480 and 2000 < overlay.size[1] < 2300
    assert render_video(path, tmp_path / "out.mp4", overlay.draw, overlay.size) == 20
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert not file.streams.audio


def test_a_stream_of_sound_that_is_not_there(counting, scored, tmp_path):
    overlay = Overlay(timeline_of(scored(path=counting, windows=10)), 96, 64)
    with pytest.raises(MediaError, match="no audio stream 4: the file has 1"):
        render_video(counting, tmp_path / "out.mp4", overlay.draw, overlay.size, audio_stream=4)
    assert not list(tmp_path.glob("*.mp4"))


def test_sound_that_changes_its_kind_is_rendered(tmp_path):
    """The sound is stereo for a second, then 5.1 at another rate, as in some broadcasts."""
    whole = b""
    for second, (layout, rate) in enumerate([("stereo", 48_000), ("5.1", 44_100)]):
        with av.open(str(tmp_path / "part.ts"), "w") as out:
            video = out.add_stream("mpeg2video", rate=25)
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            sound = out.add_stream("aac", rate=rate, layout=layout)
            for index in range(25):
                frame = av.VideoFrame(64, 64, "rgb24")
                frame.pts = 25 * second + index
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
            tone = np.sin(np.arange(rate) * (2 * np.pi * 1000 / rate)).astype(np.float32) / 2
            samples = np.tile(tone, (len(av.AudioLayout(layout).channels), 1))
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, second * rate
            out.mux([*sound.encode(frame), *sound.encode(None)])
        whole += (tmp_path / "part.ts").read_bytes()
    path, out = tmp_path / "whole.ts", tmp_path / "out.mp4"
    path.write_bytes(whole)
    render_video(path, out, lambda picture, _: picture, (64, 64))
    with av.open(str(out)) as file:
        assert file.streams.audio[0].rate == 48_000
    heard = decoded(out, "audio")
    assert len(heard) == pytest.approx(96_000, abs=4096)
    for second in (0, 1):
        spectrum = np.abs(np.fft.rfft(heard[second * 48_000 + 12_000 :][:24_000]))
        assert spectrum.argmax() * 2 == pytest.approx(1000, abs=4)
