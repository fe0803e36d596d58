"""The queue behind the page: order, refusals, and deletion of all files."""

import errno
import os
import time
from pathlib import Path

import pytest

from avforensics.errors import AVForensicsError, MediaError
from avforensics.serving import jobs, markup, uploads
from avforensics.serving.page import follow


def files(tmp_path: Path) -> set[str]:
    """Names of all files in uploads and jobs."""
    folders = (tmp_path / "uploads", tmp_path / "jobs")
    # os.walk tolerates files that are removed meanwhile
    return {name for folder in folders for *_, names in os.walk(folder) for name in names}


def eventually(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def test_one_after_the_other(make_queue, work, upload, tmp_path):
    queue = make_queue()
    submitted = [queue.submit(upload(name)) for name in ("a.mp4", "b.mp4", "c.mp4")]
    eventually(lambda: work.begun == ["a.mp4"])
    assert [queue.before(job) for job in submitted] == [0, 1, 2]
    eventually(lambda: (submitted[0].stage, submitted[0].share) == ("working", 0.5))
    work.go.set()
    eventually(lambda: all(job.state == "done" for job in submitted))
    assert work.begun == ["a.mp4", "b.mp4", "c.mp4"]
    assert files(tmp_path) == {"report.html"}
    assert queue.find(submitted[1].token) is submitted[1]
    assert queue.find("../jobs") is None


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MediaError("a.mp4", "damaged")])
def test_after_an_error_nothing_is_left_and_the_next_one_is_served(
    make_queue, work, upload, tmp_path, error
):
    queue = make_queue()
    work.error = error
    work.go.set()
    job = queue.submit(upload())
    eventually(lambda: job.is_over)
    assert job.error in ("damaged", "scoring failed (RuntimeError)")
    assert files(tmp_path) == set()
    work.error = None
    job = queue.submit(upload())
    eventually(lambda: job.state == "done")


def test_too_many_wait(make_queue, work, upload, tmp_path):
    queue = make_queue(max_waiting=1)
    queue.submit(upload("a.mp4"))
    eventually(lambda: work.begun)
    queue.submit(upload("b.mp4"))
    with pytest.raises(AVForensicsError, match="too many videos are waiting"):
        queue.submit(upload("c.mp4"))
    assert files(tmp_path) == {"a.mp4", "b.mp4"}


def test_what_takes_too_long_is_stopped(make_queue, work, upload, tmp_path):
    queue = make_queue(timeout_minutes=0.2 / 60)
    job = queue.submit(upload())
    eventually(lambda: job.is_over)
    assert job.error == "scoring took longer than this page allows"
    assert files(tmp_path) == set()


def test_nobody_waits_for_it(make_queue, work, upload, tmp_path):
    queue = make_queue()
    first, second = queue.submit(upload("a.mp4")), queue.submit(upload("b.mp4"))
    eventually(lambda: work.begun)
    second.abandon()
    first.abandon()
    eventually(lambda: first.is_over)
    assert first.error == "the page was closed"
    eventually(lambda: files(tmp_path) == set())
    assert work.begun == ["a.mp4"]


def test_a_page_that_stops_asking_gives_its_place_away(make_queue, upload, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "UNWATCHED", 0.2)
    job = make_queue().submit(upload())
    eventually(lambda: job.is_over)
    assert files(tmp_path) == set()


def test_reports_are_kept_for_a_while(make_queue, work, upload, tmp_path):
    queue = make_queue(keep_minutes=1.0 / 60)
    work.go.set()
    job = queue.submit(upload())
    eventually(lambda: job.state == "done")
    assert queue.find(job.token) is job
    eventually(lambda: queue.find(job.token) is None)
    eventually(lambda: files(tmp_path) == set())


def no_links(source, target):
    raise OSError(errno.EPERM, "Operation not permitted", str(source))


@pytest.mark.parametrize("link", [os.link, no_links])
def test_the_same_bytes_twice(make_queue, work, upload, tmp_path, monkeypatch, link):
    monkeypatch.setattr(os, "link", link)
    queue = make_queue()
    place = upload()
    first, second = queue.submit(place), queue.submit(place)  # servers name files by their content
    assert upload() == place  # a third has come while the first is worked on
    work.go.set()
    eventually(lambda: first.is_over and second.is_over)
    assert (first.state, second.state) == ("done", "done")
    third = queue.submit(place)
    eventually(lambda: third.state == "done")
    assert files(tmp_path) == {"report.html"}


def test_what_nobody_asks_about_is_deleted(make_queue, work, upload, tmp_path):
    queue = make_queue()
    queue.submit(upload("a.mp4"))
    eventually(lambda: work.begun)
    waiting = queue.submit(upload("b.mp4"))
    upload("new.mp4"), upload("old.mp4")
    (tmp_path / "uploads" / "broken-off").write_bytes(b"60 %")
    long_ago = time.time() - uploads.STALE - 60
    for path in ("b.mp4/b.mp4", "old.mp4/old.mp4", "broken-off"):
        os.utime(tmp_path / "uploads" / path, (long_ago, long_ago))
    eventually(lambda: files(tmp_path) == {"a.mp4", "b.mp4", "new.mp4"})
    eventually(lambda: not (tmp_path / "uploads" / "old.mp4").exists())
    work.go.set()
    eventually(lambda: waiting.state == "done")


def test_closing_deletes_everything(make_queue, work, upload, tmp_path):
    queue = make_queue()
    job = queue.submit(upload("a.mp4"))
    queue.submit(upload("b.mp4"))
    eventually(lambda: work.begun)
    queue.close()
    assert job.is_over
    assert not (tmp_path / "jobs").exists()
    with pytest.raises(AVForensicsError):
        queue.submit(upload("c.mp4"))


def test_what_the_page_shows_from_upload_to_report(make_queue, work, upload):
    queue = make_queue()
    blocked = queue.submit(upload("other.mp4"))
    eventually(lambda: work.begun)
    shown = follow(queue, upload(), "<my> talk.mp4")
    assert "&lt;my&gt; talk.mp4</b> has arrived" in next(shown)[0]
    assert "waits for another video" in next(shown)[0]
    work.go.set()
    notes = [*shown]
    assert blocked.state == "done"
    note, report = notes[-1]
    assert "Done." in note and "&lt;my&gt;" in note and "<my>" not in note
    assert 'sandbox="allow-scripts allow-downloads"' in report


def test_leaving_the_page_gives_the_upload_up(make_queue, work, upload, tmp_path):
    shown = follow(make_queue(), upload(), "a.mp4")
    next(shown), next(shown)
    shown.close()
    eventually(lambda: files(tmp_path) == set())


def test_a_mistake_is_a_sentence(make_queue, upload, tmp_path):
    *_, (note, report) = follow(make_queue(), upload("notes.mp4", b"no video"), "notes.mp4")
    reason = "not a media file, or damaged beyond recognition"
    assert note == markup.note("failed", "notes.mp4", reason=reason)
    assert report == ""
    assert files(tmp_path) == set()


def test_a_full_disk_is_a_sentence(make_queue, upload, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(jobs.shutil, "copyfile", full)
    *_, (note, report) = follow(make_queue(), upload(), "a.mp4")
    reason = "the upload cannot be saved (No space left on device)"
    assert (note, report) == (markup.note("failed", "a.mp4", reason=reason), "")
    assert files(tmp_path) == set()
