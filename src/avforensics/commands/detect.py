"""``avforensics detect``: score videos (higher = more likely manipulated) and write reports.

  avforensics detect FILE|FOLDER|LIST.txt|TABLE.csv... --out OUT [key=value ...]
  avforensics detect VIDEO checkpoint.bundle=FILE scoring.windows=all save_features=true

OUT receives scores.csv, a report and a result file for each video, an index of the reports, and the
settings needed to repeat the run. Rerun the same command to resume. Exit code 0: all scored; 1:
some have no score; 2: wrong usage.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from avforensics.applicability import limits_of
from avforensics.checkpoints import Models, load_models
from avforensics.commands._workers import score_in_processes, write_files
from avforensics.detection.artifacts import Artifacts
from avforensics.detection.choices import face_options
from avforensics.detection.faces import FaceOptions, VideoScorer
from avforensics.detection.inputs import list_inputs
from avforensics.detection.judging import Judge, judge_for
from avforensics.detection.output import OutputFolder, Task
from avforensics.detection.progress import BatchProgress, summarise
from avforensics.detection.record import RunRecord
from avforensics.detection.verdict import judge_outcome
from avforensics.engine.crew import is_fatal, reason_of
from avforensics.faces.detector import FaceDetector
from avforensics.files import JsonLines, write_json, write_text
from avforensics.pool import EngineOptions, cores, stays_here
from avforensics.provenance import versions
from avforensics.report.index import write_index
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import WITH_SCORE, VideoResult
from avforensics.scoring.runtime import RuntimeOptions

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Score ``cfg.input`` and write the results to ``cfg.output_dir``."""
    clips = list_inputs(cfg.input)
    engine = EngineOptions(**cfg.engine)
    workers = 1 if cfg.workers is None and engine.name == "local" else cfg.workers
    models, scorer, judge = prepare(cfg)
    folder = Path(cfg.output_dir)
    provenance = describe(models, cfg)
    artifacts = Artifacts(
        folder=folder,
        provenance=provenance,
        media=scorer.detector.media,
        report=cfg.report,
        features=cfg.save_features,
        figures=cfg.figures,
        run=run_record(models, judge, provenance),
    )
    with JsonLines(folder / "journal.jsonl") as journal:
        write_settings(folder, cfg, provenance)
        output = OutputFolder(
            folder,
            journal,
            clips,
            settings=score_settings(models, scorer, judge, cfg),
            is_complete=artifacts.is_complete,
            resume=cfg.resume,
        )
        for remark in output.remarks:
            log.info("%s", remark)
        if output.kept:
            log.info("%d of %d videos are already done", output.kept, len(output.clips))
        try:
            if stays_here(len(output.tasks), workers, engine):
                score_all(scorer, output, artifacts, judge)
            else:
                score_in_processes(cfg, output, artifacts, workers=workers, engine=engine)
        except BaseException:
            done = f"{len(output.rows)} of {len(output.clips)} videos are done"
            log.warning("stopped: %s; run the same command again to continue", done)
            raise
        finally:
            output.write_tables()
            if cfg.report:
                write_index(output.all_rows, folder / "index.html", provenance=provenance)
    summarise(output.rows, str(folder), output.dropped)
    if cfg.report:
        log.info("open %s", folder / "index.html")
    return int(any(row["status"] not in WITH_SCORE for row in output.rows))


def prepare(cfg: DictConfig) -> tuple[Models, VideoScorer, Judge | None]:
    """Load the configured weights, a scorer that uses them, and a judge of its scores."""
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    scorer = VideoScorer(build_detector(models, cfg), build_faces(models, cfg))
    judge = judge_for(
        cfg.get("calibration"),
        scorer.detector,
        false_positive_rate=cfg.false_positive_rate,
        false_segments_per_minute=cfg.false_segments_per_minute,
        crop=scorer.options.crop,
    )
    models.introduce(log)
    return models, scorer, judge


def build_detector(models: Models, cfg: DictConfig) -> ClipScorer:
    """Build the configured detector."""
    lam = cfg.scoring.lam
    return ClipScorer(
        models,
        runtime=RuntimeOptions.of(cfg),
        lams=list(lam) if isinstance(lam, ListConfig) else [lam],
        max_len=cfg.scoring.max_len,
        windows=cfg.scoring.windows,
        audio=cfg.scoring.audio,
        keep_activations=cfg.get("save_features", False),
        applicability=limits_of(OmegaConf.to_container(cfg.applicability, resolve=True)),
    )


def build_faces(models: Models, cfg: DictConfig) -> FaceOptions:
    """Read the configured face crop; raise ConfigError if a needed face detector is missing."""
    options = face_options(models, **OmegaConf.to_container(cfg.faces, resolve=True))
    if options.mode == "auto" or options.expected is not None:
        FaceDetector()  # fail early if the detector is not installed
    return options


def score_settings(
    models: Models, scorer: VideoScorer, judge: Judge | None, cfg: DictConfig
) -> dict[str, Any]:
    """Return all settings that a score depends on, except the file and the device."""
    settings = {
        "checkpoints": list(models.hashes.values()),
        "scoring": OmegaConf.to_container(cfg.scoring, resolve=True),
        "precision": cfg.precision,
        "media": asdict(scorer.detector.media),
    }
    if (limits := scorer.detector.applicability) is not None:
        settings["applicability"] = asdict(limits)
    if scorer.options.mode != "given":
        settings["faces"] = asdict(scorer.options)
    if judge is not None:
        settings["calibration"] = [judge.sha256, judge.false_positive_rate]
        if judge.segment_threshold is not None:
            settings["calibration"].append(judge.false_segments_per_minute)
    return settings


def score_all(
    scorer: VideoScorer, output: OutputFolder, artifacts: Artifacts, judge: Judge | None
) -> None:
    """Score the pending videos; reports and rows are written while the network runs."""
    workers = max(1, cores() // 4)
    adding = Lock()
    with (
        BatchProgress(len(output.tasks)) as progress,
        ThreadPoolExecutor(workers, thread_name_prefix="results") as pool,
    ):

        def finish(task: Task, outcome: Outcome) -> None:
            try:
                judge_outcome(outcome, scorer, judge)
            except Exception as error:  # one odd video must not end the batch, as in `pool`
                if is_fatal(error):
                    raise
                log.debug("", exc_info=error)
                outcome = Outcome(VideoResult(task.path, error=reason_of(error)))
            with adding:
                output.begin(task)
            entry = write_files(artifacts, task, outcome)
            with adding:
                progress.finish(output.keep(entry))

        unfinished: deque[Future[None]] = deque()
        outcomes = scorer.score_many(task.clip for task in output.tasks)
        for task, outcome in zip(output.tasks, outcomes, strict=True):
            unfinished.append(pool.submit(finish, task, outcome))
            while unfinished and (unfinished[0].done() or len(unfinished) > 2 * workers):
                unfinished.popleft().result()
        for future in unfinished:
            future.result()


def describe(models: Models, cfg: DictConfig) -> dict[str, Any]:
    """Describe the provenance of the results, for reports and versions.json."""
    found = versions()
    return {
        "version": found["avforensics"],
        "notice": models.notice,
        "checkpoints": models.hashes,
        "versions": found,
        "config": OmegaConf.to_container(cfg, resolve=True),
    }


def run_record(models: Models, judge: Judge | None, provenance: Mapping[str, Any]) -> RunRecord:
    """Return the data on the run that every result file records."""
    calibration = None
    if judge is not None:
        calibration = {"file": str(judge.path), "sha256": judge.sha256}
    return RunRecord(
        weights=models.hashes,
        calibration=calibration,
        settings=provenance["config"],
        versions=provenance["versions"],
        command=sys.argv,
        notice=models.notice,
    )


def write_settings(folder: Path, cfg: DictConfig, provenance: dict[str, Any]) -> None:
    """Write config.yaml and versions.json, which suffice to repeat the run."""
    text = OmegaConf.to_yaml(cfg, resolve=True)
    write_text(folder / "config.yaml", text, errors="surrogateescape")
    write_json(
        folder / "versions.json",
        provenance["versions"] | {"checkpoints": provenance["checkpoints"]},
    )
