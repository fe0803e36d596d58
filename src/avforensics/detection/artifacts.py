"""Write the files of each video: result, report, features and figures."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from avforensics.detection.record import RunRecord, record_of, write_record
from avforensics.detection.saved import save_features
from avforensics.media.types import MediaOptions
from avforensics.report.page import write_video_report
from avforensics.scoring.memory import release_after
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import VideoResult
from avforensics.scoring.source import Clip

log = logging.getLogger(__name__)

PLACES = {
    "result": "results/{}.json",
    "report": "reports/{}.html",
    "features": "features/{}.safetensors",
    "figures": "figures/{}",
}
_DRAWING = Lock()  # matplotlib's settings are shared by all threads


@dataclass(frozen=True, kw_only=True)
class Artifacts:
    """Writes each video's files into ``results/``, ``reports/``, ``features/`` and ``figures/``.

    Parameters
    ----------
    folder : Path
        Output folder of the batch.
    provenance : mapping
        Origin of the results, which is shown at the end of each report.
    media : MediaOptions
        Options for reading videos, for the player in the report.
    report, features, figures : bool
        Which of these outputs to write.
    run : RunRecord
        Data of the run to write with each result.
    """

    folder: Path
    provenance: Mapping[str, Any]
    media: MediaOptions
    report: bool = True
    features: bool = False
    figures: bool = False
    run: RunRecord

    def is_complete(self, name: str, undrawn: Container[str] = ()) -> bool:
        """Return True if all requested outputs exist, ignoring outputs that could not be drawn."""
        wanted = {
            "result": True,
            "report": self.report and "report" not in undrawn,
            "features": self.features,
            "figures/delays.png": self.figures and "figures" not in undrawn,
        }
        paths = (self._path(*what.split("/"), name=name) for what in wanted if wanted[what])
        return all(path.is_file() for path in paths)

    def write(
        self, outcome: Outcome, name: str, audio: Path | None = None
    ) -> tuple[str | None, list[str]]:
        """Write the requested outputs of a scored video, after deleting older outputs.

        If a report or figure fails, a warning is added to the result, and the score is kept.

        Parameters
        ----------
        audio : Path, optional
            Separate audio file that was scored.

        Returns
        -------
        str or None
            Path of the report relative to the output folder, if there is a report.
        list of str
            Names of outputs that could not be drawn: ``report``, ``figures``.

        Raises
        ------
        OSError
            The disk is full or cannot be written.
        """
        self._remove(name)
        result = outcome.result
        if result.error is not None:
            return None, []
        if self.features:
            save_features(outcome, self._path("features", name=name))
        wanted = {"figures": self._draw} if self.figures else {}
        wanted |= {"report": partial(self._write_report, audio=audio)} if self.report else {}
        undrawn = [what for what in wanted if not _tried(result, what, wanted[what], outcome, name)]
        release_after(outcome.n_windows)
        written = self.report and "report" not in undrawn
        return PLACES["report"].format(name) if written else None, undrawn

    def write_result(
        self, outcome: Outcome, clip: Clip, size: int | None, name: str
    ) -> dict[str, Any]:
        """Write ``results/NAME.json`` for a video with or without a score; return its content.

        Parameters
        ----------
        clip : Clip
            The scored clip.
        size : int or None
            Size of the file in bytes.

        Raises
        ------
        OSError
            The disk is full or cannot be written.
        """
        record = record_of(outcome, clip, size, self.run)
        write_record(record, self._path("result", name=name))
        return record

    def _path(self, what: str, *below: str, name: str) -> Path:
        return Path(self.folder, PLACES[what].format(name), *below)

    def _remove(self, name: str) -> None:
        """Remove all outputs of a video, so that later runs do not mistake them for their own."""
        for what in ("result", "report", "features"):
            self._path(what, name=name).unlink(missing_ok=True)
        figures = self._path("figures", name=name)
        if figures.is_dir():
            shutil.rmtree(figures)

    def _draw(self, outcome: Outcome, name: str) -> None:
        from avforensics.report.figures import save_figures  # slow import, needed only for figures

        with _DRAWING:
            save_figures(outcome.result, self._path("figures", name=name))

    def _write_report(self, outcome: Outcome, name: str, *, audio: Path | None) -> None:
        write_video_report(
            outcome,
            self._path("report", name=name),
            provenance=self.provenance,
            media_options=self.media,
            index_link="../index.html",
            audio=audio,
        )


def _tried(result: VideoResult, what: str, write: Callable, *arguments: Any) -> bool:
    """Draw an output and return True on success; a full disk still raises an error."""
    try:
        write(*arguments)
    except Exception as error:  # a single odd video must not end a large batch
        if isinstance(error, OSError) and error.errno is not None:
            raise
        log.warning("%s: no %s (%s: %s)", result.path, what, type(error).__name__, error)
        log.debug("", exc_info=error)
        result.warnings.append(f"no {what}: {type(error).__name__}: {error}")
        return False
    return True
