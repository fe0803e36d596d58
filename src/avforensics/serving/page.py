"""The web page, made with gradio: upload, progress, report. It loads nothing from other sites."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from avforensics.errors import AVForensicsError, ConfigError, MediaError
from avforensics.serving import markup
from avforensics.serving.gate import Gate
from avforensics.serving.jobs import JobQueue

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

TITLE = "avforensics"
LONGEST_NAME = 200  # maximum number of characters in the name of an upload
TICK = 0.5  # seconds between two checks of a job

# gradio's scripts are inline and use eval; everything else comes from this server only.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'; "
    "form-action 'self'; base-uri 'self'"
)
# Reports have their own policy; its sandbox gives each report its own origin.
REPORT_POLICY = "sandbox allow-scripts allow-downloads; frame-ancestors 'self'"
TYPES = {".html": "text/html; charset=utf-8", ".csv": "text/csv; charset=utf-8"}


def require_gradio() -> None:
    """Raise ConfigError if the page's packages are not installed."""
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise ConfigError(
            'the page needs gradio, which is not installed: pip install "avforensics[app]"'
        ) from None


def follow(queue: JobQueue, upload: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the page's content as a note and a report, until an upload's job ends.

    The job stops if the iterator is closed, which happens when the page is closed.
    """
    yield markup.note("received", name), ""
    try:
        job = queue.submit(upload, name)
    except AVForensicsError as error:
        reason = error.reason if isinstance(error, MediaError) else str(error)
        log.info("%r: %s", name, reason)
        yield markup.note("failed", name, reason=reason), ""
        return
    except OSError as error:
        log.error("%r: %s", name, error)
        reason = f"the upload cannot be saved ({error.strerror})"
        yield markup.note("failed", name, reason=reason), ""
        return
    begun = time.monotonic()
    try:
        while not job.is_over:
            before = queue.before(job)
            if before:
                begun = time.monotonic()
                yield markup.note("waiting", name, before=before), ""
            else:
                seconds = time.monotonic() - begun
                yield markup.note("running", name, job=job, seconds=seconds), ""
            queue.watch(job, TICK)
    finally:
        job.abandon()
    if job.error is not None:
        yield markup.note("failed", name, reason=job.error), ""
    else:
        yield markup.note("done", name, job=job), markup.fill("report.html", job=job)


def build_app(queue: JobQueue, *, about: str, names: Iterable[str] = ()) -> FastAPI:
    """Build the web application: the page at ``/``, results below ``/results``.

    Parameters
    ----------
    about : str
        HTML above the drop zone.
    names : iterable of str
        Host names under which the page may be reached; see `Gate`.
    """
    # gradio reads these variables when the components are created
    os.environ["GRADIO_TEMP_DIR"] = str(queue.uploads.folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import gradio as gr
    from fastapi import FastAPI, HTTPException
    from fastapi.responses import FileResponse

    app = FastAPI(openapi_url=None)

    @app.get("/results/{token}/{name}")
    def result(token: str, name: str) -> FileResponse:
        job = queue.find(token)
        if job is None or job.answer is None or name not in job.answer.files:
            raise HTTPException(404, "This result no longer exists.")
        path = job.answer.files[name]
        headers = {"Content-Security-Policy": REPORT_POLICY, "Cache-Control": "no-store"}
        return FileResponse(path, media_type=TYPES[path.suffix], headers=headers)

    def score(upload: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
        if upload is not None:
            name = str(upload.get("orig_name") or "the file")[:LONGEST_NAME]
            yield from follow(queue, upload["path"], name)

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML(about)
        drop = gr.File(label="Drop a video here", file_count="single", height=140)
        gr.HTML(markup.REFUSED)
        note = gr.HTML(elem_id="note")
        report = gr.HTML(elem_id="report")
        event = drop.upload(
            score,
            drop,
            [note, report],
            preprocess=False,  # gradio would leave an empty file behind
            concurrency_limit=None,  # our own queue decides the order
            show_progress="hidden",
            api_visibility="private",
        )
        drop.clear(lambda: ("", ""), None, [note, report], cancels=event)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        css=markup.fill("page.css"),
        head=markup.fill("guard.html", limits=queue.limits),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        max_file_size=queue.limits.max_bytes,
        show_error=False,  # an unexpected error may name folders of this machine
    )
    page.has_launched = True  # until then gradio accepts any path as an upload
    functions = {number: len(function.inputs) for number, function in page.fns.items()}
    app.add_middleware(Gate, uploads=queue.uploads, names=names, functions=functions)
    app.add_middleware(Policy)
    return app


class Policy:
    """Middleware that adds `POLICY` to every response that does not set a policy itself."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        async def send_with_policy(message: dict) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                if not any(name.lower() == b"content-security-policy" for name, _ in headers):
                    headers.append((b"content-security-policy", POLICY.encode()))
            await send(message)

        await self.app(scope, receive, send_with_policy)
