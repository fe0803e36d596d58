"""``avforensics probe``: show what a media file contains and how it would be read.

  avforensics probe FILE|FOLDER|LIST.txt... [format=json] [decode=false]

Prints a report on each file: container, tracks, which tracks are read, picture, sound, clock,
damage, and the warnings that `detect` and `preprocess` would give. Exit code 0: all can be read; 1:
some cannot, each with its reason; 2: wrong usage.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich import box, get_console
from rich.table import Table
from rich.text import Text

from avforensics.detection.inputs import list_inputs
from avforensics.errors import MediaError
from avforensics.fields import check_choice
from avforensics.media import MediaOptions, MediaReport, open_media
from avforensics.media.remarks import describe, of_file

log = logging.getLogger(__name__)

FORMATS = ("table", "json")


def run(cfg: DictConfig) -> int:
    """Print a report on each video of ``cfg.input``."""
    decode = cfg.decode
    check_choice("format", cfg.format, FORMATS)
    files = dict.fromkeys((clip.path, clip.audio) for clip in list_inputs(cfg.input))
    options = MediaOptions(video_stream=cfg.video_stream, audio_stream=cfg.audio_stream)
    failed = 0
    for path, audio in files:
        report = reason = None
        try:
            report = examine(path, options, audio=audio, decode=decode)
        except MediaError as error:
            reason = error.reason
        except Exception as error:  # one file must never end the batch
            reason = f"reading failed: {type(error).__name__}: {error}"
        failed += report is None
        show = show_json if cfg.format == "json" else show_table
        show(path, report, reason)
    if len(files) > 1:
        log.info("%d can be read, %d cannot", len(files) - failed, failed)
    return int(failed > 0)


def examine(path: Path, options: MediaOptions, *, audio: Path | None, decode: bool) -> MediaReport:
    """Report on a file and its separate audio; without ``decode``, only packets are read."""
    with open_media(path, options, audio_path=audio) as stream:
        if decode:
            return stream.examine()
        stream.report.warnings.extend(of_file(stream.report))
        return stream.report


def show_json(path: Path, report: MediaReport | None, reason: str | None) -> None:
    """Print the report on a file as a JSON object on one line."""
    record: dict[str, Any] = {"path": str(path), "error": reason}
    if report is not None:
        record |= asdict(report)
    text = json.dumps(record, ensure_ascii=True)
    get_console().print(text, markup=False, highlight=False, soft_wrap=True)


def show_table(path: Path, report: MediaReport | None, reason: str | None) -> None:
    """Print the report on a file as a table of two columns."""
    table = Table(show_header=False, box=box.SIMPLE)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [("cannot be read", reason)] if report is None else _rows(report)
    for name, value in rows:
        table.add_row(name, Text(str(value)))
    console = get_console()
    console.print(Text(str(path)), soft_wrap=True)
    console.print(table)


def _rows(report: MediaReport) -> Iterator[tuple[str, str]]:
    yield "container", report.container
    for track in report.tracks:
        yield f"{track.kind}{'' if track.chosen else ', not read'}", describe(track)
    yield "picture", _picture(report)
    if report.found:
        length = f"{report.found:.2f} s found"
        if report.declared is not None:
            length += f", {report.declared:.2f} s declared"
        yield "length", length
    if report.audio_samples:
        level = "silent" if report.level is None else f"{report.level:.1f} dB"
        yield "sound", f"{level} (full scale is 0), {report.channels or 'channels mixed'}"
        yield "damaged packets", str(report.skipped_packets)
    for number, warning in enumerate(report.warnings):
        yield "" if number else "warnings", warning


def _picture(report: MediaReport) -> str:
    told = [f"{report.width} × {report.height}", f"{report.fps:.4g} fps"]
    if report.rotation:
        told.append(f"turned by {report.rotation}°")
    if report.display_aspect is not None:
        told.append(f"shown at {report.display_aspect:.3f} : 1")
    told += filter(None, (report.colour_transfer, report.tone_map))
    return ", ".join(told)
