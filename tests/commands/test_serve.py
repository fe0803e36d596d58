"""`avforensics serve` in a real browser: upload, progress, report, downloads and refusals."""

import signal
import subprocess
import sys
import threading
import urllib.request
from inspect import signature
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from runs import composed, table

from avforensics.checkpoints import load_models
from avforensics.commands import serve
from avforensics.commands.detect import build_detector, build_faces, describe
from avforensics.report import write_video_report
from avforensics.serving.jobs import JobQueue
from avforensics.serving.limits import Limits
from avforensics.serving.page import build_app
from avforensics.serving.scorer import Scorer

pytest.importorskip("gradio", reason="the extra `app` is not installed")
uvicorn = pytest.importorskip("uvicorn")
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait

pytestmark = pytest.mark.slow
LIMITS = Limits(max_megabytes=1, max_minutes=0.5, max_waiting=4)


class Site:
    """The page on its own port, its folder, and a gate that holds up the scoring."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        words = ["checkpoint=bundle", f"checkpoint.bundle={bundle}", "faces=given"]
        cfg = composed("serve", *words)
        models = load_models(OmegaConf.to_container(cfg.checkpoint))
        detector, faces = build_detector(models, cfg), build_faces(models, cfg)
        scorer = Scorer(detector, faces, None, describe(models, cfg), LIMITS)
        self.gate = threading.Event()
        self.gate.set()
        self.folder = folder

        def work(job):
            while not self.gate.wait(0.05):
                job.tell("scoring", 0.25)
            return scorer(job)

        self.queue = JobQueue(work, folder, limits=LIMITS)
        app = build_app(self.queue, about=serve.about(LIMITS, models.notice))
        self.listening = serve.listen("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}/"
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, args=([self.listening],))
        self.thread.start()

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def close(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(60)
        self.queue.close()
        self.listening.close()


@pytest.fixture(scope="module")
def site(bundle, tmp_path_factory):
    site = Site(bundle, tmp_path_factory.mktemp("site"))
    yield site
    site.close()


@pytest.fixture
def page(browser, site, asked):
    """Open the page; afterwards, check for console errors and requests to other servers."""
    open_page(browser, site)
    yield browser
    shown = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert shown == []
    urls = asked()
    own = (site.address, "blob:", "data:")
    assert urls and all(url.startswith(own) for url in urls), urls


def open_page(browser, site):
    browser.get(site.address)
    until(browser, lambda b: b.find_elements("css selector", "input[type=file]"))


def until(browser, condition, seconds=60):
    return WebDriverWait(browser, seconds, 0.05).until(condition)


def choose(browser, path):
    browser.find_element("css selector", "input[type=file]").send_keys(str(path))


def drop(browser, path):
    """Drop a file on the drop zone, by way of an additional file input."""
    browser.execute_script(
        "window.lender = document.createElement('input'); lender.type = 'file';"
        "lender.id = 'lender'; document.body.append(lender);"
        "addEventListener('change', e => e.target === lender && e.stopPropagation(), true)"
    )
    browser.find_element("id", "lender").send_keys(str(path))
    browser.execute_script(
        "const data = new DataTransfer(); data.items.add(lender.files[0]); lender.remove();"
        "const zone = document.querySelector('input[type=file]').closest('button');"
        "zone.dispatchEvent(new DragEvent('drop',"
        "{dataTransfer: data, bubbles: true, cancelable: true}))"
    )


def note(browser, state):
    """Wait until the page shows a note of this state; return its text."""
    script = "return document.querySelector(arguments[0])?.innerText"
    return until(browser, lambda b: b.execute_script(script, f"[data-state={state}]"))


def test_a_video_is_dropped_scored_reported_and_deleted(site, page, make_clip, tmp_path, browser):
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path / "got")}
    )
    site.gate.clear()
    drop(page, make_clip(tmp_path / "talk & more.mp4", frames=60))
    until(page, lambda b: "talk & more.mp4: scoring" in note(b, "running"))
    assert page.find_element("tag name", "progress").get_attribute("value") == "0.25"
    site.gate.set()
    assert "talk & more.mp4: Anomaly score" in note(page, "done")
    frame = until(page, lambda b: b.find_element("css selector", "iframe.report"))
    assert frame.get_attribute("sandbox") == "allow-scripts allow-downloads"
    page.switch_to.frame(frame)
    until(page, lambda b: b.execute_script("return document.readyState") == "complete")
    assert page.find_element("tag name", "h1").text.startswith("talk")
    until(page, lambda b: b.execute_script("return video.readyState >= 2"))
    assert str(site.folder) not in page.page_source  # the page must not reveal the folder
    page.switch_to.default_content()
    for link in page.find_elements("css selector", "a[download]"):
        link.click()
    got = tmp_path / "got"
    until(page, lambda _: {p.name for p in got.glob("*")} == {"report.html", "scores.csv"})
    (row,) = table(got / "scores.csv")
    assert (row["path"], row["status"], row["n_windows"]) == ("talk & more.mp4", "scored", "50")
    assert sorted(path.name for path in site.files()) == ["report.html", "scores.csv"]


@pytest.fixture(scope="module")
def bad_files(make_clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "notes.mp4").write_text("this is no video\n" * 100)
    (folder / "large.mp4").write_bytes(bytes(1_200_000))
    make_clip(folder / "mute.mp4", sound=False)
    return folder


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("notes.mp4", "notes.mp4: not a media file, or damaged beyond recognition."),
        ("mute.mp4", "mute.mp4: no audio stream."),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(site, page, bad_files, name, sentence):
    before = set(site.files())
    choose(page, bad_files / name)
    assert note(page, "failed") == sentence
    assert page.find_elements("css selector", "iframe.report") == []
    until(page, lambda _: set(site.files()) == before)


@pytest.mark.parametrize("way", [choose, drop])
def test_a_large_file_is_refused_before_it_is_sent(site, page, bad_files, way):
    before = set(site.files())
    way(page, bad_files / "large.mp4")
    refused = page.find_element("id", "refused")
    until(
        page,
        lambda _: refused.text == "large.mp4: the file is 1.2 MB, but at most 1 MB are allowed.",
    )
    assert set(site.files()) == before
    choose(page, bad_files / "notes.mp4")
    note(page, "failed")
    assert not refused.is_displayed()


def test_two_at_once_one_after_the_other(site, page, make_clip, tmp_path):
    clip = make_clip(tmp_path / "same.mp4", frames=30)  # both tabs upload the same bytes
    site.gate.clear()
    choose(page, clip)
    note(page, "running")
    first = page.current_window_handle
    page.switch_to.new_window("tab")
    try:
        open_page(page, site)
        choose(page, clip)
        until(page, lambda b: "waits for another video" in note(b, "waiting"))
        site.gate.set()
        note(page, "done")
    finally:
        page.close()
        page.switch_to.window(first)
    note(page, "done")


def test_a_closed_page_gives_its_place_away(site, page, make_clip, tmp_path):
    before = set(site.files())
    site.gate.clear()
    page.switch_to.new_window("tab")
    open_page(page, site)
    choose(page, make_clip(tmp_path / "left.mp4", frames=30))
    note(page, "running")
    page.close()
    page.switch_to.window(page.window_handles[0])
    until(page, lambda _: set(site.files()) == before)
    site.gate.set()


def test_a_cleared_upload_gives_its_place_away(site, page, make_clip, tmp_path):
    before = set(site.files())
    site.gate.clear()
    choose(page, make_clip(tmp_path / "wrong.mp4", frames=30))
    note(page, "running")
    until(page, lambda b: b.find_elements("css selector", "button[aria-label=Clear]"))[0].click()
    until(page, lambda b: not b.find_elements("css selector", "[data-state]"))
    until(page, lambda _: set(site.files()) == before)
    site.gate.set()


def test_the_page_says_what_stays(site, page):
    said = page.find_element("tag name", "body").text
    assert "Its report contains up to a minute of the video" in said
    assert "and is deleted 60 minutes later." in said
    assert signature(write_video_report).parameters["clip_seconds"].default == 60


def test_the_verb_serves_and_leaves_nothing(bundle, tmp_path):
    words = ["checkpoint=bundle", f"checkpoint.bundle={bundle}", "faces=given", "port=0"]
    folders = [f"temporary={tmp_path}", f"output_dir={tmp_path / 'out'}"]
    command = [sys.executable, "-m", "avforensics", "serve", *words, *folders]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        address = next(line for line in lines if "http://" in line).split()[4]
        assert "A video is deleted as soon as it is scored." in next(lines)
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert list(tmp_path.glob("avforensics-*"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert not list(tmp_path.glob("avforensics-*"))
