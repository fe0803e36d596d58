"""The pages in a real browser: no errors, no requests, and a playhead that follows the video."""

import base64
import re

import numpy as np
import pytest

from avforensics.media.writer import write_clip
from avforensics.report.index import write_index
from avforensics.report.page import write_video_report
from avforensics.scoring.outcome import Outcome, Segment

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
PrintOptions = pytest.importorskip("selenium.webdriver.common.print_page_options").PrintOptions


@pytest.fixture
def page(browser, asked):
    """Open a page; afterwards, check for console messages and requests."""

    def open_page(path):
        browser.get(path.as_uri())
        WebDriverWait(browser, 10).until(
            lambda b: b.execute_script("return document.readyState") == "complete"
        )
        return browser

    yield open_page
    assert browser.get_log("browser") == []
    urls = asked()
    assert urls and all(url.startswith(("file:", "blob:", "data:")) for url in urls), urls


@pytest.fixture
def report(page, tmp_path):
    """Return a function that writes the page of a video and opens it in the browser."""

    def open_report(outcome, name="page.html", provenance=None, **options):
        made = {"provenance": provenance or {}, **options}
        browser = page(write_video_report(outcome, tmp_path / name, **made))
        wait(browser, "video.readyState >= 2 && axis.width > 1")
        return browser

    return open_report


def wait(browser, script):
    """Wait until an expression is true; return its value."""
    return WebDriverWait(browser, 10, 0.05).until(
        lambda b: b.execute_script(f"return {script}"), script
    )


def playhead(browser):
    """Position of the playhead, in CSS pixels of the page."""
    return browser.execute_script(
        "return document.getElementById('playhead').getBoundingClientRect().x"
    )


# Pixels are read from a copy, since the browser warns about frequent reads of a canvas.
COPY = (
    "const c = document.getElementById(arguments[0]);"
    "const copy = new OffscreenCanvas(c.width, c.height)"
    ".getContext('2d', {willReadFrequently: true});"
    "copy.drawImage(c, 0, 0);"
)


def pixel(browser, canvas, x, y):
    """Colour of a canvas at a point in fractions of its size."""
    return browser.execute_script(
        f"{COPY} return Array.from(copy.getImageData("
        "arguments[1] * c.width, arguments[2] * c.height, 1, 1).data)",
        canvas,
        x,
        y,
    )


def has_drawing(browser, canvas):
    return browser.execute_script(
        f"{COPY} return copy.getImageData(0, 0, c.width, c.height).data.some(v => v > 0)", canvas
    )


def test_the_playhead_follows_the_video_and_a_click_seeks(result, report):
    browser = report(Outcome(result), "a # b.html", {"notice": "A test."})
    before = playhead(browser)
    browser.execute_script("video.currentTime = 1.0")
    wait(browser, "Math.abs(now - 1.0) < 0.01")
    moved = playhead(browser)
    axis = browser.execute_script("return [axis.plotWidth, axis.start, axis.end]")
    per_second = axis[0] / (axis[2] - axis[1])
    start = browser.execute_script("return report.firstWindow + 2") / 25
    assert axis[1:] == [0, 3]
    assert moved - before == pytest.approx((1.0 - start) * per_second, abs=2)
    assert "window 23" in browser.find_element("id", "readout").text
    assert "+3 frames (+120 ms)" in browser.find_element("id", "readout").text
    assert "step loss 2.00" in browser.find_element("id", "readout").text

    browser.find_element("id", "play").click()
    wait(browser, "now > 1.2")
    assert playhead(browser) > moved + 0.15 * per_second
    browser.find_element("id", "play").click()
    wait(browser, "video.paused")

    heat_map = browser.find_element("id", "observed")
    webdriver.ActionChains(browser).move_to_element(heat_map).click().perform()
    wait(browser, "Math.abs(video.currentTime - now) < 0.01 && !video.seeking")
    clicked = browser.execute_script("return video.currentTime")
    assert clicked == pytest.approx(1.5, abs=0.1)  # roughly the middle, since margins differ
    assert "under the pointer" in browser.find_element("id", "readout").text
    browser.find_element("id", "plots").send_keys("\ue014")  # arrow right
    wait(browser, f"Math.abs(video.currentTime - {clicked} - 0.04) < 0.01")


def test_the_heat_map_is_drawn_where_it_belongs(result, report):
    browser = report(Outcome(result))
    left, width, whole = browser.execute_script(
        "return [GUTTER.left, axis.plotWidth, plots.clientWidth]"
    )
    at = lambda time: (left + width * time / 3) / whole  # noqa: E731
    table = browser.execute_script("return report.table")
    ridge = (15 - 3 + 0.5) / 31  # delay +3, counted from the top
    assert sum(pixel(browser, "observed", at(1.7), ridge)[:3]) > sum(table[128])
    assert pixel(browser, "observed", at(1.7), 0.95)[:3] == pytest.approx(table[0], abs=6)
    unscored = pixel(browser, "observed", at(2.5), 0.95)
    assert unscored == pixel(browser, "predicted", at(0.1), 0.95)  # window 0 is not predicted
    assert unscored[:3] not in (table[0], table[1])


def test_segments_jump_and_boxes_are_drawn(result, face, outcome_of, report):
    segments = [Segment(2.0, 2.5, 2.0)]
    browser = report(outcome_of(result, face(result, frames=30), segments=segments))
    browser.execute_script("video.currentTime = 1")
    wait(browser, "Math.abs(now - 1) < 0.01")
    assert has_drawing(browser, "boxes")
    browser.execute_script("video.currentTime = 1.5")  # after the last box
    wait(browser, "Math.abs(now - 1.5) < 0.01")
    assert not has_drawing(browser, "boxes")
    browser.find_element("css selector", "[data-jump]").click()
    wait(browser, "now >= 2")  # it plays from there


def test_a_box_ends_with_its_shot(scored, face, outcome_of, report):
    """A face in frames 25 to 49, another face from the cut on, and a face in a single frame."""
    faces = [face(scored(), str(at), at, n) for at, n in ((25, 25), (50, 23), (10, 1))]
    browser = report(outcome_of(scored(), *faces))
    drawn = browser.execute_script(
        "return report.boxes.map(face => Array.from({length: 75}, (_, frame) => frame)"
        # the player's time is at the start of a frame or within it
        ".filter(frame => [0, 0.001, 0.02, 0.039].every(late => boxAt(face, frame / 25 + late))))"
    )
    assert drawn == [list(range(25, 50)), list(range(50, 73)), [10]]
    lingering = browser.execute_script(
        "return report.boxes.map(face => [...Array(75).keys()]"
        ".filter(frame => [0, 0.001, 0.02, 0.039].some(late => boxAt(face, frame / 25 + late))))"
    )
    assert lingering == drawn
    browser.execute_script("video.currentTime = 2.95")
    wait(browser, "Math.abs(now - 2.95) < 0.01")
    assert not has_drawing(browser, "boxes")


def test_a_long_video_zooms_and_says_what_the_excerpt_lacks(scored, tmp_path, report):
    path = tmp_path / "long.mp4"
    frames = (np.full((64, 64, 3), i % 200, np.uint8) for i in range(500))
    write_clip(path, frames, np.zeros(500 * 640, np.int16))
    result = scored(path, windows=496)
    result.media.n_frames = result.media.video_frames = 500
    browser = report(Outcome(result), clip_seconds=4.0)
    assert browser.execute_script("return axis.whole") == [0, 20]
    browser.execute_script("seek(15)")
    assert browser.find_element("id", "outside").is_displayed()
    browser.find_element("id", "narrower").click()
    view = browser.execute_script("return [axis.start, axis.end]")
    assert view == [10, 20]
    browser.execute_script("seek(clip.start + 1)")
    wait(browser, "Math.abs(video.currentTime - 1) < 0.01")
    assert not browser.find_element("id", "outside").is_displayed()
    # The user's own copy replaces the excerpt.
    browser.find_element("id", "whole-file").send_keys(str(path))
    wait(browser, "video.duration > 19 && video.readyState >= 2")
    browser.execute_script("seek(15)")
    wait(browser, "Math.abs(video.currentTime - 15) < 0.01")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_runs_out_of_the_screen(result, tmp_path, page, browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    overflow = "const root = document.documentElement; return root.scrollWidth - root.clientWidth"
    try:
        page(write_video_report(Outcome(result), tmp_path / "page.html", provenance={}))
        assert browser.execute_script(overflow) <= 0
        rows = [{"path": "x" * 200 + ".mp4", "status": "scored", "score": 1.0, "lam": 0.0}]
        page(write_index(rows, tmp_path / "index.html", provenance={}))
        assert browser.execute_script(overflow) <= 0
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_index_sorts_and_filters(tmp_path, page):
    rows = []
    for i in range(3000):
        scored = {"status": "scored", "score": i / 1000, "report": f"reports/{i}.html"}
        failed = {"status": "failed", "score": "", "error": "no audio stream"}
        rows.append({"path": f"clip {i}.mp4", "lam": 0.0, **(scored if i % 10 else failed)})
    browser = page(write_index(rows, tmp_path / "index.html", provenance={}))

    def first(column, count=3):
        return browser.execute_script(
            f"return [...document.querySelectorAll('tbody tr')].slice(0, {count})"
            f".map(row => row.cells[{column}].textContent)"
        )

    def shown():
        return browser.find_element("id", "shown").text

    assert first(0) == ["clip 2999.mp4", "clip 2998.mp4", "clip 2997.mp4"]
    assert browser.execute_script("return document.querySelectorAll('tbody tr').length") < 1000
    link = browser.find_element("css selector", "tbody a").get_attribute("href")
    assert link == (tmp_path / "reports" / "2999.html").as_uri()
    browser.find_element("css selector", "[data-sort=path]").click()
    assert first(0) == ["clip 0.mp4", "clip 1.mp4", "clip 2.mp4"]  # numbers are sorted as numbers
    browser.find_element("css selector", "[data-sort=path]").click()
    assert first(0, 1) == ["clip 2999.mp4"]
    browser.find_element("css selector", "[data-sort=score]").click()
    browser.find_element("css selector", "[data-sort=score]").click()
    assert first(0, 1) == ["clip 1.mp4"]  # failures come last in either order
    browser.find_element("css selector", "[data-status=failed]").click()
    assert shown() == "300 of 3,000 rows"
    browser.find_element("id", "filter").send_keys("AUDIO 299")
    assert first(0) == ["clip 2990.mp4"] and shown() == "1 of 3,000 rows"
    browser.find_element("id", "filter").send_keys("\ue009a", "\ue003")  # all, backspace
    browser.find_element("css selector", "[data-status=all]").click()
    browser.execute_script(
        "document.querySelector('[data-from]').dispatchEvent(new Event('click'))"
    )
    title = browser.execute_script("return document.querySelector('.target title').textContent")
    assert shown().split(" of ")[0] == title.split(" with ")[0]
    browser.find_element("id", "clear-range").click()
    assert shown() == "3,000 of 3,000 rows"


def test_a_column_of_the_index_shows_the_videos_that_it_counts(tmp_path, page):
    rows = []
    for i in range(40):
        shared = {"path": f"{i}.mp4", "status": "scored", "score": i / 100, "lam": 0.0}
        rows += [shared, shared | {"track": "1"}, shared | {"track": "2"}]
    browser = page(write_index(rows, tmp_path / "index.html", provenance={}))
    shown, counted = browser.execute_script(
        "return [...document.querySelectorAll('[data-from]')].map(bar => {"
        "bar.dispatchEvent(new Event('click'));"
        "return [find('shown').textContent.split(' of ')[0], bar.textContent.split(' with ')[0]]"
        "}).reduce(([a, b], [c, d]) => [[...a, Number(c)], [...b, Number(d)]], [[], []])"
    )
    assert shown == counted and sum(shown) == 40


def test_the_index_of_a_large_batch_opens(tmp_path, page):
    rows = [
        {"path": f"{i}.mp4", "status": "scored", "score": i / 1e5, "lam": 0.0}
        for i in range(200_000)
    ]
    browser = page(write_index(rows, tmp_path / "index.html", provenance={}))
    assert browser.find_element("id", "shown").text == "200,000 of 200,000 rows"
    assert browser.find_element("css selector", "tbody td").text == "199999.mp4"


def test_faces_are_chosen_and_the_speaker_is_coloured(scored, face, outcome_of, report):
    first, second = scored(), scored(windows=26)
    second.features.first_window, second.steps.window = 24, second.steps.window + 24
    second.features.sync_logits = np.roll(second.features.sync_logits, -8, axis=1)  # delay -5
    top = 0.1 + 0.6 * (np.arange(75) + 0.5) / 75
    box = np.column_stack([np.full(75, 0.1), top, np.full(75, 0.4), top + 0.2])
    faces = [
        face(first, "1", box=box, spans=((0.0, 2.0),), speaks=0.7),
        face(second, "2", box=box + np.array([0.5, 0, 0.5, 0]), spans=((2.0, 3.0),), speaks=0.3),
    ]
    browser = report(outcome_of(first, *faces, segments=[Segment(1.2, 1.6, 2.0, track="2")]))
    browser.execute_script("seek(1.5)")
    assert "+3 frames" in browser.find_element("id", "readout").text
    curves = "return [report.offDelay.length, report.loss.length, report.silence]"
    of_the_first = browser.execute_script(curves)
    moved = browser.execute_script(
        "return [boxAt(report.boxes[0], 1.5), boxAt(report.boxes[0], 9)]"
    )
    assert moved[0][1] == pytest.approx(0.1 + 0.6 * 1.5 / 3, abs=1e-3)  # between two boxes
    assert moved[1] is None
    left, width = browser.execute_script("return [GUTTER.left, axis.plotWidth]")
    whole = browser.execute_script("return plots.clientWidth")
    at = [(left + width * t / 3) / whole for t in (1.0, 2.5)]
    bar = [pixel(browser, "speakers", x, 0.25)[:3] for x in at]  # in the lane of face 1
    assert bar[0][1] > bar[0][0] + 80 and bar[1][1] < bar[1][0] + 20  # first green, then grey
    browser.find_element("css selector", "[data-face='1']").click()
    browser.execute_script("seek(1.5)")
    assert "−5 frames" in browser.find_element("id", "readout").text
    browser.find_element("css selector", "[data-face='0']").click()
    browser.execute_script("seek(1.5)")
    assert "+3 frames" in browser.find_element("id", "readout").text
    assert browser.execute_script(curves) == of_the_first
    browser.find_element("css selector", "[data-jump]").click()  # a stretch of the other face
    wait(browser, "report.shown === 1 && now >= 1.2 && now !== 1.5")


def test_twenty_minutes_of_two_people_fit_in_a_page(scored, face, outcome_of, tmp_path, report):
    spans = tuple((start, start + 5.0) for start in range(0, 1200, 10))
    faces = [
        face(scored(windows=29_996), str(i), frames=30_000, spans=spans, speaks=0.5) for i in (1, 2)
    ]
    segments = [Segment(s, s + 1.0, 2.0, track="2") for s in range(5, 1200, 20)]
    outcome = outcome_of(faces[0].result, *faces, segments=segments)
    browser = report(outcome)
    assert (tmp_path / "page.html").stat().st_size < 3_000_000
    browser.execute_script("seek(700)")
    assert "windows 17" in browser.find_element("id", "readout").text


@pytest.mark.parametrize(("width", "height"), [(21.0, 29.7), (21.59, 27.94)], ids=["A4", "Letter"])
def test_the_page_prints_on_a_few_sheets_without_its_player(result, report, width, height):
    browser = report(Outcome(result), provenance={"seed": 1})
    options = PrintOptions()
    options.page_width, options.page_height = width, height
    printed = base64.b64decode(browser.print_page(options))
    sheets = len(re.findall(rb"/Type\s*/Page\b(?!s)", printed))
    assert 1 <= sheets <= 4
    hidden = browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert hidden == {}
    shown = browser.execute_script(
        "return ['.player', '#score', '#observed', '.limits'].map("
        "name => document.querySelector(name).getClientRects().length > 0)"
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == [False, True, True, True]
    assert browser.execute_script("return [...folded].some(part => part.open)") is False
