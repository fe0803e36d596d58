"""A detector accepts paths, bytes, file objects and arrays, and scores them alike."""

import base64
import io
import re
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import decoded
from PIL import Image

from avforensics.detection.detector import Detector
from avforensics.errors import MediaError
from avforensics.scoring import given
from avforensics.scoring.given import Arrays
from avforensics.scoring.result import Features, VideoResult
from avforensics.scoring.source import Clip


@pytest.fixture
def detector(models):
    settings = {"faces": "given", "calibration": None, "applicability": None}
    return Detector(models, device="cpu", windows="all", **settings)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Folder of temporary files, which must be gone afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def read(path):
    """Read frames and samples as a user would with PyAV."""
    with av.open(str(path)) as file:
        fps, rate = file.streams.video[0].average_rate, file.streams.audio[0].rate
    return Arrays(decoded(path), float(fps), decoded(path, "audio"), rate)


def score(result):
    return result.scores[0].score


def test_a_str_is_one_path(detector, make_video):
    path = make_video(n_frames=30)
    for one in (str(path), path, Clip(path), Clip(str(path))):
        (result,) = detector.score_many(one)
        assert (result.path, result.error, result.failure) == (path, None, None)


def test_bytes_and_file_objects_score_as_the_file(detector, make_video, temporary):
    path = make_video(n_frames=30)
    expected = detector.score(path)
    content = path.read_bytes()
    with path.open("rb") as file:
        file.seek(100)  # as after reading a header
        things = [content, bytearray(content), memoryview(content), io.BytesIO(content), file]
        results = list(detector.score_many([*things, file]))
        assert score(detector.score(file)) == score(expected)
    assert [score(result) for result in results] == [score(expected)] * 6
    assert {result.sha256 for result in results} == {expected.sha256}
    names = [str(result.path) for result in results]
    assert names == ["bytes"] * 3 + ["file object"] + [str(path)] * 2
    (alone,) = detector.score_many(content)
    assert score(alone) == score(expected)


@pytest.mark.parametrize(
    ("size", "fps"), [(96, 25), (66, Fraction(30000, 1001)), (40, 12), (40, 50)]
)
def test_arrays_score_as_the_file_that_they_are_from(detector, make_video, size, fps):
    path = make_video(n_frames=60, size=size, fps=fps)
    expected, arrays = detector.score(path), read(path)
    for result in (detector.score(arrays), detector.score(*arrays), detector.score(tuple(arrays))):
        assert result.features.n_windows == expected.features.n_windows
        np.testing.assert_allclose(
            result.features.sync_logits, expected.features.sync_logits, rtol=1e-3, atol=1e-3
        )
        assert score(result) == pytest.approx(score(expected), rel=1e-3)
    (alone,) = detector.score_many(tuple(arrays))
    assert (score(alone), str(alone.path)) == (score(result), "arrays")


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.astype(np.float32) / 2**15,
        lambda s: s.astype(np.float64) / 2**15,
        lambda s: s.astype(np.int32) * 2**16,
        lambda s: s[:, None],
        lambda s: np.stack([s, s]),
        lambda s: np.stack([s, s], axis=1),
        lambda s: np.repeat(s, 2)[::2],  # not contiguous
    ],
)
def test_kinds_of_samples(detector, change):
    random = np.random.default_rng(0)
    frames = np.repeat(random.integers(0, 255, (30, 5, 7, 3), np.uint8), 9, axis=1)
    samples = random.integers(-9000, 9000, 30 * 640).astype(np.int16)
    expected = detector.score(frames, 25, samples, 16000)
    found = detector.score(frames, np.float32(25), change(samples), np.int64(16000))
    assert score(found) == pytest.approx(score(expected), rel=1e-3)


FRAMES, SAMPLES = np.zeros((20, 32, 32, 3), np.uint8), np.zeros(20 * 640, np.int16)


@pytest.mark.parametrize(
    ("thing", "error", "says"),
    [
        (None, TypeError, "a video must be a path, the bytes of a file, .*got NoneType"),
        (7, TypeError, "got int '7'"),
        ({"path": "a.mp4"}, TypeError, "got dict"),
        (FRAMES, TypeError, r"got only an array, uint8 \(20, 32, 32, 3\)"),
        ((FRAMES, SAMPLES), TypeError, "got tuple"),
        (io.StringIO("x"), TypeError, "opened in binary mode"),
        ((FRAMES / 255, 25, SAMPLES, 16000), ValueError, r"frames must be uint8 .* got float64"),
        ((FRAMES.transpose(0, 3, 1, 2), 25, SAMPLES, 16000), ValueError, r"\(20, 3, 32, 32\)"),
        ((FRAMES[:0], 25, SAMPLES, 16000), ValueError, "frames must be"),
        ((FRAMES, 0, SAMPLES, 16000), ValueError, "fps must be > 0"),
        ((FRAMES, float("nan"), SAMPLES, 16000), ValueError, "fps must be > 0"),
        ((FRAMES, 25, SAMPLES, None), ValueError, "rate must be a number"),
        ((FRAMES, 25, SAMPLES[:0], 16000), ValueError, "samples must not be empty"),
        ((FRAMES, 25, SAMPLES.astype(np.int64), 16000), ValueError, "samples must be int16"),
        ((FRAMES, 25, SAMPLES + 3.0, 16000), ValueError, r"must be within -1\.\.1, got 3"),
        ((FRAMES, 25, np.zeros((100, 6), np.int16), 16000), ValueError, "one or two channels"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(detector, thing, error, says):
    with pytest.raises(error, match=says) as raised:
        detector.score(thing)
    assert "\n" not in str(raised.value)
    with pytest.raises(error):
        list(detector.score_many([thing]))


def test_several_must_be_several(detector):
    for thing in (None, 7, FRAMES, {"a.mp4": 1}):
        with pytest.raises(TypeError, match="videos must be a path"):
            detector.score_many(thing)
    with pytest.raises(TypeError, match="need fps, samples and rate"):
        detector.score(FRAMES, 25)
    assert list(detector.score_many([])) == []


def test_damaged_bytes_are_told_by_name(detector, make_video):
    with pytest.raises(MediaError, match=r"^bytes: not a media file"):
        detector.score(b"no video at all")
    with pytest.raises(MediaError, match=r"^bytes: the file is empty"):
        detector.score(b"")
    content = make_video(n_frames=30).read_bytes()
    results = list(detector.score_many([b"nothing", content]))
    assert [result.status for result in results] == ["failed", "scored"]
    assert [result.failure for result in results] == [None, None]


def test_a_batch_that_is_left_leaves_no_file(detector, make_video):
    content = make_video(n_frames=30).read_bytes()
    results = detector.score_many([content] * 3)
    next(results)
    results.close()


def test_a_result_prints_in_a_line_and_shows_the_map_of_delays(detector, make_video):
    result = detector.score(make_video("<b>&.mp4", n_frames=30))
    said = r"<VideoResult <b>&\.mp4: score [\d.]+, 26 windows(, \d warnings)?>"
    assert re.fullmatch(said, repr(result))
    shown = result._repr_html_()
    assert "&lt;b&gt;&amp;.mp4" in shown
    assert "<b>" not in shown
    assert f"{score(result):.4g}" in shown
    assert _picture(result).shape == (31, 26, 3)


def test_the_map_shows_each_window_its_delays():
    delays = np.arange(40) * 7 % 31
    logits = np.where(np.arange(31) == delays[:, None], 9.0, 0.0).astype(np.float32)
    features = Features(logits, projected=np.zeros((40, 0)), valid_audio=np.ones(40, bool))
    picture = _picture(VideoResult(Path("a.mp4"), features=features))
    from_the_top = picture[..., 1].argmax(axis=0)  # row of the latest delay
    np.testing.assert_array_equal(30 - from_the_top, delays)


def _picture(result):
    png = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", result._repr_html_())[1])
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_failure_prints_too():
    result = VideoResult(Path("a.mp4"), error="no audio stream")
    assert repr(result) == "<VideoResult a.mp4: failed: no audio stream>"
    shown = result._repr_html_()
    assert "no audio stream" in shown
    assert "<img" not in shown
    result = VideoResult(Path("a.mp4"), p_value=0.5)
    assert "50 %" in result._repr_html_()
    shown = replace(result, not_applicable=("silence",))._repr_html_()
    assert "silence" in shown and "50 %" not in shown


def test_what_is_given_is_listed_as_one_or_several():
    arrays = (FRAMES, 25, SAMPLES, 16000)
    for one in ("a.mp4", Path("a"), b"x", io.BytesIO(), arrays, Arrays(*arrays), list(arrays)):
        assert given.listed(one) == [one]
    for several in (["a", "b", "c", "d"], ("a", "b"), [b"1", b"2", b"3", b"4"], [arrays] * 4):
        assert given.listed(several) is several
