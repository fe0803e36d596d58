"""Open and hash the files of a manifest."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import av

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row, facts
from avforensics.data.tables import write_table
from avforensics.errors import MediaError
from avforensics.files import sha256_file
from avforensics.media.container import declared_length, open_container
from avforensics.media.tracks import pick_stream

log = logging.getLogger(__name__)

MOST_LISTED = 10  # maximum number of problems named on the terminal; the file lists all


class Problem(NamedTuple):
    """An unusable row: its index, the file and the reason."""

    index: int
    path: str
    reason: str


def probe(
    manifest: Manifest,
    *,
    media: bool = True,
    hashes: bool = False,
    workers: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Manifest, list[Problem]]:
    """Check the files of all rows.

    Parameters
    ----------
    media : bool
        Open files without decoding them; fill in a missing `duration` if the file declares it, and
        the facts ``codec``, ``height`` (pixels) and ``kbit_s`` (of the whole file, kbit/s). False =
        check only whether files exist.
    hashes : bool
        Fill in `hash`.
    workers : int
        Number of threads.
    advance : callable
        Called after each row, for a progress bar.

    Returns
    -------
    manifest : Manifest
        All rows, in order.
    problems : list of Problem
        One problem for each unusable row, in order.
    """

    def look(index: int, row: Row) -> tuple[Row, Problem | None]:
        try:
            for path in filter(None, (row.path, row.audio)):
                if not os.path.isfile(path):  # noqa: PTH113 (rows hold text)
                    raise MediaError(path, "no such file")
            if media:
                row = _opened(row)
            if hashes:
                row = row._replace(hash=sha256_file(row.path))
            return row, None
        except MediaError as error:
            return row, Problem(index, str(error.path), error.reason)
        except OSError as error:
            return row, Problem(index, row.path, error.strerror or str(error))
        finally:
            advance()

    with ThreadPoolExecutor(workers) as pool:
        looked = list(pool.map(look, range(len(manifest)), manifest))
    problems = [problem for _, problem in looked if problem]
    return Manifest(row for row, _ in looked), problems


def write_problems(path: str | Path, problems: Sequence[Problem]) -> int:
    """Write the list of unusable files as CSV, and log the first few.

    Returns
    -------
    int
        Exit code of the command: 1 if there are problems, else 0.
    """
    write_table(path, ("path", "reason"), [problem[1:] for problem in problems])
    for problem in problems[:MOST_LISTED]:
        log.warning("%s: %s", problem.path, problem.reason)
    if problems:
        log.warning("%d files cannot be used: %s", len(problems), path)
    return int(bool(problems))


def _opened(row: Row) -> Row:
    """Complete a row with what its file declares; raise MediaError if the file is unusable."""
    with open_container(row.path) as container:
        picture = pick_stream(container, "video", 0)
        if not row.audio:
            pick_stream(container, "audio", 0)
        end = declared_length(container, (container.start_time or 0) / av.time_base, guess=True)
        about = {"codec": picture.codec_context.name, "height": picture.codec_context.height}
        if end:
            about["kbit_s"] = round(container.size * 8 / 1000 / end)
    if row.audio:
        with open_container(row.audio) as container:
            pick_stream(container, "audio", 0)
    if row.duration is None and end is not None and end > row.start:
        row = row._replace(duration=round(end - row.start, 3))
    return row._replace(about=facts(dict(row.about) | about))
