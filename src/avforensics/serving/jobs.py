"""A queue of uploads that a single worker scores, and their results."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from avforensics.errors import AVForensicsError, MediaError
from avforensics.serving.limits import Limits
from avforensics.serving.uploads import Uploads

log = logging.getLogger(__name__)

UNWATCHED = 30.0  # a video is dropped after this many seconds without a request from its page


class Stopped(AVForensicsError):
    """A job must stop, although nothing is wrong with its video."""


@dataclass(frozen=True)
class Answer:
    """Result of scoring a video."""

    summary: str  # a sentence
    files: dict[str, Path]  # name in URLs -> file in the job's folder


@dataclass(eq=False)
class Upload:
    """An upload, the state of its job and the result."""

    name: str  # file name as uploaded, for display
    folder: Path  # the job's own folder; its name is part of URLs, so it cannot be guessed
    video: Path  # the video, in that folder
    state: str = "waiting"  # ``waiting``, ``running``, ``done`` or ``failed``
    stage: str = "starting"  # current stage
    share: float = 0.0  # finished part of the stage, 0..1
    error: str | None = None  # why the job failed
    answer: Answer | None = None
    _upload: Path | None = None
    _state: tuple[int, int] | None = None  # identifies the uploaded file
    _watched: float = field(default_factory=time.monotonic)
    _deadline: float = float("inf")
    _ended: float = float("inf")

    @property
    def token(self) -> str:
        return self.folder.name

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed")

    def tell(self, stage: str, share: float = 0.0) -> None:
        """Report progress; called during scoring.

        Raises Stopped if the time limit is reached or the page has been closed.
        """
        self.stage, self.share = stage, min(max(share, 0.0), 1.0)
        if time.monotonic() > self._deadline:
            raise Stopped("scoring took longer than this page allows")
        if self.is_abandoned:
            raise Stopped("the page was closed")

    @property
    def is_abandoned(self) -> bool:
        return time.monotonic() - self._watched > UNWATCHED

    def abandon(self) -> None:
        """Mark the job as abandoned by its page."""
        self._watched = -float("inf")


class JobQueue:
    """Queue that scores uploads one at a time and deletes results after a while.

    An upload is deleted as soon as its job ends, whatever the outcome. Results are deleted
    `Limits.keep_minutes` later, and everything is deleted by `close`.

    Parameters
    ----------
    work : callable
        Scores an `Upload` and returns an `Answer`; must call `Upload.tell` often.
    folder : Path
        Uploads arrive in its subfolder ``uploads``; each job has a folder below ``jobs``.
    """

    def __init__(self, work: Callable[[Upload], Answer], folder: Path, *, limits: Limits) -> None:
        self.limits = limits
        self._work = work
        self.uploads = Uploads(folder / "uploads", limits)
        self._folder = folder / "jobs"
        self._jobs: dict[str, Upload] = {}
        self._waiting: deque[Upload] = deque()
        self._running: Upload | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name="scoring", daemon=True),
            threading.Thread(target=self._tidy, name="tidying", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, upload: str | os.PathLike, name: str | None = None) -> Upload:
        """Queue an uploaded file.

        The file stays in place until its job is over, because a web server may store identical
        uploads by two people at the same path.

        Parameters
        ----------
        upload : path
            Path inside the queue's folder ``uploads``.
        name : str, optional
            Display name; by default the file name.

        Raises
        ------
        AVForensicsError
            The path is not an upload and is left alone, or the upload has been deleted because it
            cannot be scored or too many videos are waiting.
        OSError
            The upload cannot be stored, e.g. because the disk is full, and has been deleted.
        """
        upload = self.uploads.find(upload)
        if upload is None or not upload.is_file():
            raise AVForensicsError("the upload was not found; please send it again")
        folder = self._folder / secrets.token_urlsafe(16)
        job = Upload(name or upload.name, folder, folder / upload.name, _upload=upload)
        try:
            self.limits.check(upload)
            job._state = _state(upload)
            folder.mkdir(parents=True)
            try:
                os.link(upload, job.video)
            except OSError:  # not every file system has hard links
                shutil.copyfile(upload, job.video)
            with self._changed:
                ahead = len(self._waiting) + (self._running is not None)
                if self._closed or ahead > self.limits.max_waiting:
                    raise AVForensicsError("too many videos are waiting; please try again later")
                self._jobs[job.token] = job
                self._waiting.append(job)
                self._changed.notify_all()
        except BaseException:
            self.uploads.delete(upload)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return job

    def before(self, job: Upload) -> int:
        """Return the number of videos ahead of a job; 0 once it is the job's turn."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._running is not None)

    def watch(self, job: Upload, seconds: float) -> None:
        """Wait until a job ends, at most ``seconds``; jobs that nobody watches are dropped."""
        job._watched = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: job.is_over, timeout=seconds)

    def find(self, token: str) -> Upload | None:
        """Return the job with this token, if it still exists."""
        with self._changed:
            return self._jobs.get(token)

    def close(self) -> None:
        """Stop all jobs and delete their files."""
        with self._changed:
            self._closed = True
            for job in self._jobs.values():
                job.abandon()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=UNWATCHED)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        while not self._closed:
            with self._changed:
                self._running = self._waiting.popleft() if self._waiting else None
                if self._running is None:
                    self._changed.wait(timeout=1.0)
            if self._running is not None:
                self._do(self._running)

    def _tidy(self) -> None:
        while not self._closed:
            self._forget()
            with self._changed:
                self._changed.wait_for(lambda: self._closed, timeout=1.0)

    def _do(self, job: Upload) -> None:
        job.state = "running"
        job._deadline = time.monotonic() + 60 * self.limits.timeout_minutes
        started = time.monotonic()
        try:
            job.tell("starting")
            job.answer = self._work(job)
        except Stopped as why:
            job.error = str(why)
        except MediaError as error:
            job.error = error.reason
        except AVForensicsError as error:
            job.error = str(error)
        except Exception as error:  # one video must not end the service
            log.exception("%r", job.name)
            job.error = f"scoring failed ({type(error).__name__})"
        took = time.monotonic() - started
        log.info("%r: %s (%.1f s)", job.name, job.error or job.answer.summary, took)
        self._delete_video(job)
        if job.error is not None:
            shutil.rmtree(job.folder, ignore_errors=True)
        with self._changed:
            job.state = "done" if job.error is None else "failed"
            job._ended = time.monotonic()
            self._running = None
            self._changed.notify_all()

    def _delete_video(self, job: Upload) -> None:
        """Delete the upload, unless a different one has replaced it."""
        with contextlib.suppress(OSError):
            if _state(job._upload) == job._state:
                self.uploads.delete(job._upload)
        job.video.unlink(missing_ok=True)

    def _forget(self) -> None:
        """Delete old results and abandoned uploads."""
        oldest = time.monotonic() - 60 * self.limits.keep_minutes
        with self._changed:
            gone = [job for job in self._jobs.values() if job._ended < oldest]
            gone += [job for job in self._waiting if job.is_abandoned]
            for job in gone:
                del self._jobs[job.token]
                if job in self._waiting:
                    self._waiting.remove(job)
            wanted = {job._upload for job in self._jobs.values() if not job.is_over}
        for job in gone:
            self._delete_video(job)
            shutil.rmtree(job.folder, ignore_errors=True)
        self.uploads.tidy(wanted)


def _state(path: Path) -> tuple[int, int]:
    """Identify a file, to notice when a different file replaces it."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns
