"""The page of one video: self-contained, escaped, with the correct numbers."""

import base64
import html
import json
import re

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from markupsafe import escape
from media_files import decoded

from avforensics.media.types import MediaOptions
from avforensics.media.writer import write_clip
from avforensics.report.excerpt import choose_segment, cut_excerpt
from avforensics.report.page import write_video_report
from avforensics.scoring.outcome import Outcome, Segment
from avforensics.scoring.result import Calibrated

UNTAGGED = 2  # in ITU-T H.273

PROVENANCE = {
    "version": "1.2.3",
    "checkpoint": {"sync": {"sha256": "ab" * 32}},
    "config": {"scoring": {"lam": [0, 1], "windows": "first"}, "seed": None},
}


def read(path):
    return path.read_text(encoding="utf-8")


def embedded(page: str, name: str) -> str:
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', page, re.S)[1]


def make_page(result, folder, **told) -> str:
    outcome = result if isinstance(result, Outcome) else Outcome(result, **told)
    out = write_video_report(outcome, folder / "page.html", provenance=PROVENANCE)
    assert [file.name for file in folder.iterdir()] == ["page.html"]
    return read(out)


def assert_self_contained(page: str) -> None:
    """Check that nothing in the page can start a request."""
    for link in re.findall(r"""(?:src|href|action|poster)\s*=\s*["']?([^"'\s>]*)""", page):
        assert not re.match(r"(?:[a-z]+:)?//|(?!data:)[a-z]+:", link), link
    assert not re.search(r"url\((?!['\"]?data:)|@import|https?://|<link[^>]+stylesheet", page)
    assert "default-src 'none'" in page


def test_numbers_survive_the_way_into_the_page(scored, tmp_path):
    result = scored(lams=(1.0, 0.0))
    page = make_page(result, tmp_path)
    assert_self_contained(page)
    data = json.loads(embedded(page, "report"))
    observed = np.frombuffer(base64.b64decode(data["observed"]), "<u2").reshape(50, 31) / 65535
    logits = result.features.sync_logits.astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(observed - expected).max() < 1e-5
    predicted = np.frombuffer(base64.b64decode(data["predicted"]), "<u2").reshape(49, 31) / 65535
    assert np.abs(predicted - 1 / 31).max() < 1e-5
    assert data["window"] == list(range(1, 50))
    assert data["loss"][0] == pytest.approx(0.375)
    assert data["cumulative"][-1] == pytest.approx(49 * result.scores[0].score, rel=1e-4)
    assert data["clip"] == {"start": 0.0, "end": 3.0}
    assert data["silence"] == [0, None]
    assert len(data["colours"]) == 256 * 6


def test_the_player_holds_the_scored_part_as_h264_and_aac(result, tmp_path):
    page = make_page(result, tmp_path)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(base64.b64decode(embedded(page, "clip")))
    with av.open(str(clip)) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]
    levels = decoded(clip).mean(axis=(1, 2, 3))
    assert len(levels) == 75
    assert np.allclose(levels, 2 * np.arange(75) + 40, atol=6)


def test_the_sentences_are_in_the_page(result, tmp_path):
    page = html.unescape(make_page(result, tmp_path))
    assert "not a probability" in page
    assert "+120 ms" in page and "later than the picture" in page
    assert "0.84 s of the 3.00 s" in page
    assert "config.scoring.windows" in page and "ab" * 32 in page and "5e" * 32 in page
    assert 'class="notice" role="alert"' not in page


def test_notice_calibration_and_warnings_are_shown(result, tmp_path):
    result.warnings = ["audio is silent", "a <b> & c"]
    result.media.warnings = ["audio is silent"]
    out = write_video_report(
        Outcome(result, calibrated=Calibrated(p_value=0.02, n_real=500)),
        tmp_path / "page.html",
        provenance={"notice": "Stand-in weights: this score means nothing."},
        index_link="../index.html",
    )
    page = read(out)
    assert '<p class="notice" role="alert">Stand-in weights: this score means nothing.</p>' in page
    assert "2\N{NO-BREAK SPACE}% of 500 real videos have a score at least as high" in page
    assert page.count("audio is silent") == 1
    assert "a &lt;b&gt; &amp; c" in page
    assert 'href="./../index.html"' in page


def test_a_hostile_file_name_stays_text(clip, scored, face, outcome_of, tmp_path):
    name = """</script><script>alert(1)</script> "x' &amp; [1] <!-- ü $title.mp4"""
    path = tmp_path / name.replace("/", "∕")
    path.write_bytes(clip.read_bytes())
    (tmp_path / "out").mkdir()
    hostile = "</script><!--"
    faces = face(scored(path), hostile), face(scored(path), "<img src=x>")
    segment = Segment(0.5, 1.0, 2.0, track=hostile)
    page = make_page(outcome_of(scored(path), *faces, segments=[segment]), tmp_path / "out")
    assert_self_contained(page)
    assert "alert(1)</script>" not in page.replace("∕", "/")
    assert page.count("<img") == 1  # the segment's picture
    assert f"<h1>{escape(path.name)}</h1>" in page
    assert page.count("<script") == 3 == page.count("</script>")
    assert json.loads(embedded(page, "report"))["boxes"][0]["label"] == f"face {hostile}"


def test_a_name_that_is_no_utf8_does_not_stop_the_page(clip, scored, tmp_path):
    path = tmp_path / "bad\udcff.mp4"
    path.write_bytes(clip.read_bytes())
    (tmp_path / "out").mkdir()
    assert "bad?.mp4" in make_page(scored(path), tmp_path / "out")


def test_a_file_that_has_gone_or_become_shorter_still_gets_its_plots(scored, tmp_path):
    gone, short = scored(tmp_path / "gone.mp4"), scored()
    short.features.first_window, short.steps.window = 200, short.steps.window + 200
    for result, reason in ((gone, "no such file"), (short, "the file ends before it")):
        page = make_page(result, tmp_path)
        assert reason in page and "<video" not in page
        assert json.loads(embedded(page, "report"))["clip"] is None


def test_what_was_not_scored_gets_no_page(result, tmp_path):
    result.error = "no audio stream"
    with pytest.raises(ValueError, match="not scored"):
        write_video_report(Outcome(result), tmp_path / "page.html", provenance={})
    result.error, result.features = None, None
    with pytest.raises(ValueError, match="no features or steps"):
        write_video_report(Outcome(result), tmp_path / "page.html", provenance={})
    assert not list(tmp_path.iterdir())


def test_segments_and_boxes_reach_the_page(result, face, outcome_of, tmp_path):
    seen = face(result, frames=6, box=(0.125, 0.25, 0.5, 0.625))
    segment = Segment(1.2, 1.6, 2.0, threshold=1.0, track="1")
    page = make_page(outcome_of(result, seen, segments=[segment]), tmp_path)
    data = json.loads(embedded(page, "report"))
    assert data["segments"] == [{"start": 1.2, "end": 1.6}]
    assert data["boxes"][0]["box"][1] == [0.125, 0.25, 0.5, 0.625]
    assert 'data-jump="1.200"' in page and '<canvas id="boxes">' in page
    assert "mean loss 2<" in page


def test_of_a_long_video_the_most_unusual_stretch_is_shown():
    time = (np.arange(1, 7496) + 2.5) / 25  # five minutes
    loss = np.full(len(time), 0.1)
    loss[5000:5250] = 3.0  # from 200 s on
    first, last = choose_segment((0.0, 300.0), 300.0, 60.0, time, loss)
    assert last - first == 1500
    assert abs((first + last) / 50 - 205) < 1
    assert choose_segment((0.0, 2.16), 100.0, 60.0, time[:49], loss[:49]) == (0, 79)
    loss[:] = 0
    loss[-1] = 1
    assert choose_segment((0.0, 300.0), 300.0, 60.0, time, loss) == (6000, 7500)
    assert choose_segment((0.0, 300.0), 300.0, 60.0, time[:0], loss[:0]) == (0, 1500)


def test_an_excerpt_from_the_middle_is_small_upright_and_in_step(tmp_path):
    path = tmp_path / "turned.mp4"
    frames = np.zeros((100, 320, 480, 3), np.uint8)
    frames[50:, :, :240] = 250  # the left half turns white at 2 s
    sound = np.zeros(100 * 640, np.int16)
    sound[50 * 640 :] = 12000 * np.sin(np.arange(50 * 640) / 5)  # a tone starts with it
    write_clip(path, frames, sound, rotation=90)
    loss = np.concatenate([np.zeros(40), np.ones(50)])
    sizes = {"longest": 2.0, "long_side": 240, "options": MediaOptions()}
    excerpt = cut_excerpt(path, (0.0, 4.0), (np.arange(90) + 2.5) / 25, loss, **sizes)
    assert (excerpt.width, excerpt.height) == (160, 240)
    assert excerpt.end - excerpt.start == 2.0 and abs(excerpt.start - 1.68) < 0.05
    (tmp_path / "excerpt.mp4").write_bytes(excerpt.data)
    pictures = decoded(tmp_path / "excerpt.mp4")
    white = [int(picture.max() > 128) for picture in pictures]
    turn = 50 - round(excerpt.start * 25)
    assert white == [0] * turn + [1] * (50 - turn)
    # Turned counter-clockwise, the left half is at the bottom.
    assert pictures[-1][180:].mean() > 200 and pictures[-1][:60].mean() < 50
    heard = decoded(tmp_path / "excerpt.mp4", "audio")
    assert abs(int(np.argmax(np.abs(heard) > 0.1)) - turn * 640) < 320
    write_clip(tmp_path / "other.mp4", frames, sound[::-1].copy())  # the tone ends at 2 s
    sizes["audio"] = tmp_path / "other.mp4"
    excerpt = cut_excerpt(path, (0.0, 4.0), (np.arange(90) + 2.5) / 25, loss, **sizes)
    (tmp_path / "excerpt.mp4").write_bytes(excerpt.data)
    heard = np.abs(decoded(tmp_path / "excerpt.mp4", "audio").ravel()) > 0.1
    assert heard[: (turn - 1) * 640].mean() > 0.5 and not heard[(turn + 3) * 640 :].any()


@pytest.mark.parametrize("matrix", [UNTAGGED, Colorspace.ITU709])
def test_an_excerpt_keeps_its_colours(tmp_path, matrix):
    patches = np.random.default_rng(0).integers(20, 235, (3, 5, 3), np.uint8)
    picture = patches.repeat(64, axis=0).repeat(64, axis=1)
    known = Colorspace.ITU601 if matrix == UNTAGGED else matrix
    frame = av.VideoFrame.from_ndarray(picture, "rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=known)
    frame.colorspace = matrix
    write_clip(tmp_path / "a.mp4", [frame] * 50, np.zeros(50 * 640, np.int16), crf=10, gop=1)
    whole = {"longest": 1.0, "long_side": 240, "options": MediaOptions(), "intact": True}
    excerpt = cut_excerpt(tmp_path / "a.mp4", (0.0, 2.0), np.zeros(0), np.zeros(0), **whole)
    (tmp_path / "excerpt.mp4").write_bytes(excerpt.data)
    with av.open(str(tmp_path / "excerpt.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert [packet.is_keyframe for packet in packets] == [True] + 24 * [False]
        container.seek(0)
        shown = next(container.decode(video=0))
        middles = shown.to_ndarray(format="rgb24")[24::48, 24::48].astype(int)
    assert shown.colorspace == matrix
    assert np.abs(middles - patches).max() < 8


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_small_whole_clip_is_copied_and_anything_else_encoded(tmp_path, monkeypatch, b_frames):
    frames = np.random.default_rng(0).integers(0, 255, (50, 5, 6, 3), np.uint8)
    frames = frames.repeat(16, axis=1).repeat(16, axis=2)
    sound = np.zeros(50 * 640, np.int16)
    sound[25 * 640 :] = 12000 * np.sin(np.arange(25 * 640) / 5)

    def cut(path, *, intact=True, longest=60.0):
        excerpt = cut_excerpt(
            path, (0.0, 2.0), np.zeros(0), np.zeros(0),
            longest=longest, long_side=240, options=MediaOptions(), intact=intact,
        )  # fmt: skip
        (tmp_path / "excerpt.mp4").write_bytes(excerpt.data)
        return excerpt, decoded(tmp_path / "excerpt.mp4")

    stored = {}
    for fps in (25, 30):
        write_clip(tmp_path / f"{fps}.mp4", frames, sound, fps=fps, b_frames=b_frames)
        stored[fps] = decoded(tmp_path / f"{fps}.mp4")
    excerpt, shown = cut(tmp_path / "25.mp4")
    assert np.array_equal(shown, stored[25])
    assert (excerpt.start, excerpt.end, excerpt.width, excerpt.height) == (0.0, 2.0, 96, 80)
    with av.open(str(tmp_path / "excerpt.mp4")) as container:
        assert container.streams.video[0].start_time == 0
    heard = decoded(tmp_path / "excerpt.mp4", "audio")
    assert abs(int(np.argmax(np.abs(heard) > 0.1)) - 25 * 640) < 320
    behind = tmp_path / "behind.mp4"
    behind.write_bytes(b"HTTP/1.1 200 OK\r\n\r\n" + (tmp_path / "25.mp4").read_bytes())
    assert np.array_equal(cut(behind)[1], stored[25])
    write_clip(tmp_path / "wide.mp4", frames.repeat(4, axis=2), sound, b_frames=b_frames)
    assert cut(tmp_path / "wide.mp4")[0].width == 384
    monkeypatch.setattr("avforensics.report.excerpt.SMALL", 0)
    assert cut(tmp_path / "wide.mp4")[0].width == 240
    for other in (cut(tmp_path / "25.mp4", intact=False), cut(tmp_path / "25.mp4", longest=1.0)):
        assert not np.array_equal(other[1][0], stored[25][0])
    assert len(cut(tmp_path / "30.mp4")[1]) == 42  # at 25 frames per second


def test_evidence_is_said_and_escaped_and_limits_always(scored, tmp_path):
    result = scored()
    result.evidence = 3.25
    said = ("More usual than <most>.", "Inconclusive: about as probable.")
    calibrated = Calibrated(p_value=0.2, n_real=50, statements=said)
    page = make_page(result, tmp_path, calibrated=calibrated)
    assert "<dd>3.25; higher = more unusual</dd>" in page
    assert "<p>More usual than &lt;most&gt;.</p><p>Inconclusive: about as probable.</p>" in page
    assert "What this method cannot see" in page and "face swaps, are not detected." in page
    plain = make_page(scored(), tmp_path)
    assert "Evidence" not in plain
    assert "What this method cannot see" in plain
