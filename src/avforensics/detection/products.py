"""What is written for each video beside its row: result, report, features, figures."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Container, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from avforensics.detection.faces import Outcome
from avforensics.detection.kept import save_features
from avforensics.detection.pages import write_outcome_report
from avforensics.detection.record import RunRecord, record_of, write_record
from avforensics.detection.verdict import Verdict
from avforensics.media.types import MediaOptions
from avforensics.report.figures import save_figures
from avforensics.scoring.result import VideoResult
from avforensics.scoring.source import Clip

log = logging.getLogger(__name__)


class Products:
    """Writes one video's files into ``results/``, ``reports/``, ``features/`` and ``figures/``.

    Parameters
    ----------
    folder : Path
        The batch's folder.
    provenance : mapping
        Shown at the end of each report.
    media : MediaOptions
        How the videos are read, for the player.
    report, features, figures : bool
        What is wanted.
    rule : str
        How a video's score comes from those of its faces.
    run : RunRecord, optional
        Kept with each result; None = no result files.
    """

    def __init__(
        self,
        folder: Path,
        *,
        provenance: Mapping[str, Any],
        media: MediaOptions,
        report: bool = True,
        features: bool = False,
        figures: bool = False,
        rule: str = "speaker",
        run: RunRecord | None = None,
    ) -> None:
        self.folder = folder
        self.provenance = provenance
        self.media = media
        self.report = report
        self.features = features
        self.figures = figures
        self.rule = rule
        self.run = run
        self._drawing = Lock()  # matplotlib's settings are one for all threads

    def report_path(self, name: str) -> str:
        """Where a report lies, from the batch's folder."""
        return f"reports/{name}.html"

    def _result_path(self, name: str) -> str:
        return f"results/{name}.json"

    def _features_path(self, name: str) -> str:
        return f"features/{name}.safetensors"

    def _figures_path(self, name: str) -> str:
        return f"figures/{name}"

    def is_complete(self, name: str, undrawn: Container[str] = ()) -> bool:
        """Whether everything wanted is there, but for what could not be drawn."""
        wanted = [
            (self.run is not None, self._result_path(name)),
            (self.report and "report" not in undrawn, self.report_path(name)),
            (self.features, self._features_path(name)),
            (self.figures and "figures" not in undrawn, f"{self._figures_path(name)}/delays.png"),
        ]
        return all((self.folder / path).is_file() for needed, path in wanted if needed)

    def write(
        self,
        outcome: Outcome,
        name: str,
        verdict: Verdict,
    ) -> tuple[str | None, list[str]]:
        """Write what is wanted of a scored video, and nothing else is left of an earlier score.

        A report or figure that cannot be drawn is a warning on the result: the score stands.

        Returns
        -------
        str or None
            The report's path from the batch's folder, where there is one.
        list of str
            What could not be drawn: ``report``, ``figures``.

        Raises
        ------
        OSError
            The disk is full or cannot be written.
        """
        self._remove(name)
        result = outcome.result
        if result.error is not None:
            return None, []
        undrawn = []
        if self.features:
            save_features(outcome, self.folder / self._features_path(name))
        if self.figures and not self._try(result, "figures", self._draw, result, name):
            undrawn.append("figures")
        arguments = outcome, name, verdict
        if self.report and not self._try(result, "report", self._write_report, *arguments):
            undrawn.append("report")
        written = self.report and "report" not in undrawn
        return self.report_path(name) if written else None, undrawn

    def write_result(
        self, outcome: Outcome, verdict: Verdict, clip: Clip, size: int | None, name: str
    ) -> None:
        """Write ``results/NAME.json`` of any video, also of one without a score.

        Parameters
        ----------
        clip : Clip
            What was scored.
        size : int or None
            Of its file, in bytes.

        Raises
        ------
        OSError
            The disk is full or cannot be written.
        """
        if self.run is not None:
            record = record_of(outcome, verdict, clip, size, self.run)
            write_record(record, self.folder / self._result_path(name))

    def _remove(self, name: str) -> None:
        """Remove what there is of a name: a later run must not take it for its own."""
        for path in (self._result_path(name), self.report_path(name), self._features_path(name)):
            (self.folder / path).unlink(missing_ok=True)
        figures = self.folder / self._figures_path(name)
        if figures.is_dir():
            shutil.rmtree(figures)

    def _try(self, result: VideoResult, what: str, write, *arguments) -> bool:
        try:
            write(*arguments)
        except OSError as error:
            if error.errno is not None:
                raise
            return self._failed(result, what, error)
        except Exception as error:  # one odd video must not end a batch of thousands
            return self._failed(result, what, error)
        return True

    def _failed(self, result: VideoResult, what: str, error: Exception) -> bool:
        log.warning("%s: no %s (%s: %s)", result.path, what, type(error).__name__, error)
        log.debug("", exc_info=error)
        result.warnings.append(f"no {what}: {type(error).__name__}: {error}")
        return False

    def _draw(self, result: VideoResult, name: str) -> None:
        with self._drawing:
            save_figures(result, self.folder / self._figures_path(name))

    def _write_report(
        self,
        outcome: Outcome,
        name: str,
        verdict: Verdict,
    ) -> None:
        write_outcome_report(
            outcome,
            self.folder / self.report_path(name),
            provenance=self.provenance,
            rule=self.rule,
            calibrated=verdict.calibrated,
            stretches=verdict.stretches,
            media_options=self.media,
            index_link="../index.html",
        )
