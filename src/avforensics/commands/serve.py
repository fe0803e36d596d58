"""``avforensics serve``: serve a local web page that scores uploaded videos.

  avforensics serve checkpoint=bundle checkpoint.bundle=model.safetensors
  avforensics serve port=8000 limits.max_megabytes=200 limits.max_minutes=5 scoring.windows=all

The page offers uploads, progress, reports and downloads. By default, only this machine can reach it
(host=127.0.0.1). The server scores one video at a time and deletes each video as soon as it is
scored. The report, which contains up to a minute of the video, is kept for limits.keep_minutes.
Ctrl-C stops the server.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from avforensics.commands.detect import describe, prepare
from avforensics.errors import ConfigError
from avforensics.files import typed_path
from avforensics.media.container import no_picture_above
from avforensics.serving.jobs import JobQueue
from avforensics.serving.limits import Limits
from avforensics.serving.markup import fill
from avforensics.serving.page import build_app, require_gradio
from avforensics.serving.scorer import Scorer

log = logging.getLogger(__name__)

# Settings that visitors have no use for, and that name folders and hosts.
OF_SERVER = {"host", "names", "port", "temporary", "output_dir", "paths", "plugins"}


def run(cfg: DictConfig) -> int:
    """Serve the page until interrupted."""
    require_gradio()
    limits = Limits(**OmegaConf.to_container(cfg.limits, resolve=True))
    models, videos, judge = prepare(cfg)
    provenance = for_visitors(describe(models, cfg))
    scorer = Scorer(videos.detector, videos.options, judge, provenance, limits)
    with (
        listen(cfg.host, cfg.port) as listening,
        tempfile.TemporaryDirectory(prefix="avforensics-", dir=cfg.temporary) as folder,
        temporary_files_in(folder),
        no_picture_above(limits.most_pixels),
    ):
        queue = JobQueue(scorer, Path(folder), limits=limits)
        try:
            names = [cfg.host, *cfg.names]
            app = build_app(queue, about=about(limits, models.notice), names=names)
            host, port = listening.getsockname()[:2]
            log.info("the page is at http://%s:%d (Ctrl-C stops the server)", host, port)
            log.info("%s", what_stays(limits))
            serve(app, listening)
        finally:
            queue.close()
    return 0


def for_visitors(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the server's own settings and the folders of its files from a provenance."""
    config = {k: v for k, v in provenance["config"].items() if k not in OF_SERVER}
    config["checkpoint"] = {k: _without_folder(v) for k, v in config["checkpoint"].items()}
    config["calibration"] = _without_folder(config.get("calibration"))
    return {**provenance, "config": config}


def _without_folder(value: Any) -> Any:
    """Return the name of an existing file, or another value unchanged."""
    is_file = isinstance(value, str) and typed_path(value).exists()
    return Path(value).name if is_file else value


@contextlib.contextmanager
def temporary_files_in(folder: str) -> Iterator[None]:
    """Put all temporary files of this process, such as a video's sound, into a folder."""
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 means any free port.

    Raises
    ------
    ConfigError
        The address is in use or is not one of this machine, or ``host`` is empty.
    """
    if not host:
        raise ConfigError("host is empty: use 0.0.0.0 to accept connections from every network")
    if not 0 <= port <= 65535:
        raise ConfigError(f"port must be 0 to 65535, got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            str(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()  # early connections wait until the server is up
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {host}:{port} ({error.strerror}); try port=0"
        ) from None
    return listening


def serve(app: object, listening: socket.socket) -> None:
    """Run the web server until Ctrl-C or SIGTERM."""
    import uvicorn

    # uvicorn raises the signal again after stopping, but clean-up must still run
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def about(limits: Limits, notice: str | None) -> str:
    """Return HTML that says what the page does and which videos it accepts."""
    return fill("about.html", limits=limits, notice=notice, what_stays=what_stays(limits))


def what_stays(limits: Limits) -> str:
    """Explain what is kept of a video, and for how long."""
    return (
        "A video is deleted as soon as it is scored. Its report contains up to a minute of the "
        f"video and is deleted {limits.keep_minutes:g} minutes later."
    )
