"""What is written for each video beside its row: report, features, figures."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from safetensors.numpy import save

from avforensics.files import atomic_path
from avforensics.media.types import MediaOptions
from avforensics.report.figures import save_figures
from avforensics.report.page import write_video_report
from avforensics.report.sentences import Calibrated
from avforensics.scoring.result import VideoResult

log = logging.getLogger(__name__)


class Products:
    """Writes one video's files into ``reports/``, ``features/`` and ``figures/``.

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
    ) -> None:
        self.folder = folder
        self.provenance = provenance
        self.media = media
        self.report = report
        self.features = features
        self.figures = figures
        self._drawing = Lock()  # matplotlib's settings are one for all threads

    def report_path(self, name: str) -> str:
        """Where a report lies, from the batch's folder."""
        return f"reports/{name}.html"

    def is_complete(self, name: str) -> bool:
        """Whether everything wanted is there."""
        wanted = [
            (self.report, self.report_path(name)),
            (self.features, f"features/{name}.safetensors"),
            (self.figures, f"figures/{name}/delays.png"),
        ]
        return all((self.folder / path).is_file() for needed, path in wanted if needed)

    def write(
        self, result: VideoResult, name: str, calibrated: Calibrated | None = None
    ) -> str | None:
        """Write what is wanted of a scored video.

        A report or figure that cannot be drawn is a warning on the result: the score stands.

        Returns
        -------
        str or None
            The report's path from the batch's folder, where there is one.

        Raises
        ------
        OSError
            The disk is full or cannot be written.
        """
        if result.error is not None:
            return None
        if self.features:
            save_features(result, self.folder / f"features/{name}.safetensors")
        if self.figures:
            self._try(result, "figures", self._draw, result, name)
        if self.report and self._try(
            result, "report", self._write_report, result, name, calibrated
        ):
            return self.report_path(name)
        return None

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
            save_figures(result, self.folder / "figures" / name)

    def _write_report(self, result: VideoResult, name: str, calibrated: Calibrated | None) -> None:
        write_video_report(
            result,
            self.folder / self.report_path(name),
            provenance=self.provenance,
            calibrated=calibrated,
            media_options=self.media,
            index_link="../index.html",
        )


def save_features(result: VideoResult, path: str | os.PathLike) -> None:
    """Write what the network and the decoders said of one video, as safetensors.

    ``sync_logits`` (N, 31), ``activations`` (N, 1024), ``pca`` (N, D), ``heard`` (N,), and for the
    S predicted windows ``step_window``, ``step_distribution``, ``step_activation`` (S,) and
    ``prediction`` (S, 31). Metadata: path, sha256, first_window.
    """
    features, steps = result.features, result.steps
    arrays = {
        "sync_logits": features.sync_logits,
        "activations": features.activations,
        "pca": features.projected,
        "heard": features.heard.astype(np.uint8),
        "step_window": steps.window,
        "step_distribution": steps.distribution,
        "step_activation": steps.activation,
        "prediction": steps.prediction,
    }
    content = save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None},
        metadata={
            "path": str(result.path).encode("utf-8", "backslashreplace").decode(),
            "sha256": result.sha256 or "",
            "first_window": str(features.first_window),
        },
    )
    with atomic_path(path) as partial:
        partial.write_bytes(content)
