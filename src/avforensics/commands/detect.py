"""``avforensics detect``: score videos, the higher the more likely manipulated, with a report.

  avforensics detect FILE|FOLDER|LIST.txt|TABLE.csv... --out OUT [key=value ...]
  avforensics detect VIDEO checkpoint.bundle=FILE scoring.windows=all save_features=true

OUT receives scores.csv, a report and a result file for each video, an index of the reports, and
what is needed to run it again. Rerun the same command to resume. Exit code 0: all scored; 1: some
have no score; 2: wrong usage.
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
from avforensics.detection.choices import face_options
from avforensics.detection.faces import FaceOptions, Outcome, VideoScorer
from avforensics.detection.inputs import list_inputs
from avforensics.detection.judging import Judge, judge_for
from avforensics.detection.output import Job, OutputFolder
from avforensics.detection.products import Products
from avforensics.detection.progress import BatchProgress, summarise
from avforensics.detection.record import RunRecord
from avforensics.detection.verdict import verdict_of
from avforensics.faces.detector import FaceDetector
from avforensics.files import JsonLines, atomic_path
from avforensics.pool import cores
from avforensics.provenance import versions, write_json
from avforensics.report.index import write_index
from avforensics.scoring.detector import Detector
from avforensics.scoring.result import WITH_SCORE

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Score ``cfg.input`` into ``cfg.output_dir``."""
    inputs = list_inputs(cfg.input)
    for remark in inputs.remarks:
        log.warning("%s", remark)
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    detector = build_detector(models, cfg)
    faces = build_faces(models, cfg)
    scorer = VideoScorer(detector, faces)
    judge = build_judge(detector, faces, cfg)
    models.introduce(log)
    folder = Path(cfg.output_dir)
    provenance = describe(models, cfg)
    products = Products(
        folder,
        provenance=provenance,
        media=scorer.detector.media,
        report=cfg.report,
        features=cfg.save_features,
        figures=cfg.figures,
        rule=scorer.options.rule,
        run=run_record(models, judge, provenance),
    )
    with JsonLines(folder / "journal.jsonl") as journal:
        write_settings(folder, cfg, provenance)
        output = OutputFolder(
            folder,
            journal,
            inputs.clips,
            settings=score_settings(models, scorer, judge, cfg),
            is_complete=products.is_complete,
            resume=cfg.resume,
        )
        for remark in output.remarks:
            log.info("%s", remark)
        if output.kept:
            log.info("%d of %d videos are done already", output.kept, len(output.clips))
        try:
            score_all(scorer, output, products, judge)
        except BaseException:
            done = f"{len(output.rows)} of {len(output.clips)} videos are done"
            log.warning("stopped: %s; the same command goes on from there", done)
            raise
        finally:
            output.write_tables()
            if cfg.report:
                write_index(output.all_rows, folder / "index.html", provenance=provenance)
    summarise(output.rows, str(folder), output.dropped)
    if cfg.report:
        log.info("open %s", folder / "index.html")
    return int(any(row["status"] not in WITH_SCORE for row in output.rows))


def build_detector(models: Models, cfg: DictConfig) -> Detector:
    """The detector that a configuration describes."""
    lam = cfg.scoring.lam
    return Detector(
        models,
        device=cfg.device,
        precision=cfg.precision,
        compile=cfg.compile,
        lams=list(lam) if isinstance(lam, ListConfig) else [lam],
        max_len=cfg.scoring.max_len,
        windows=cfg.scoring.windows,
        audio=cfg.scoring.audio,
        batch_windows=cfg.batch_windows,
        readers=cfg.readers,
        keep_activations=cfg.save_features,
        video_stream=cfg.video_stream,
        audio_stream=cfg.audio_stream,
        applicability=limits_of(OmegaConf.to_container(cfg.applicability, resolve=True)),
    )


def build_faces(models: Models, cfg: DictConfig) -> FaceOptions:
    """What of a picture is scored, as a configuration says; ConfigError without the detector."""
    options = face_options(models, **OmegaConf.to_container(cfg.faces, resolve=True))
    if options.mode == "auto" or options.expected is not None:
        FaceDetector()  # is it installed? Better said once and now than for each video
    return options


def build_judge(detector: Detector, faces: FaceOptions, cfg: DictConfig) -> Judge | None:
    """What turns scores into p-values: the calibration that ``cfg`` names or the weights have."""
    return judge_for(
        cfg.get("calibration"),
        detector,
        false_positive_rate=cfg.false_positive_rate,
        crop=faces.crop,
    )


def score_settings(
    models: Models, scorer: VideoScorer, judge: Judge | None, cfg: DictConfig
) -> dict[str, Any]:
    """Everything but the file that a score depends on; the device is not among it."""
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
    return settings


def score_all(
    scorer: VideoScorer, output: OutputFolder, products: Products, judge: Judge | None
) -> None:
    """Score what is to do; reports and rows are written beside the network's work."""
    workers = max(1, cores() // 4)
    adding = Lock()
    with (
        BatchProgress(len(output.jobs)) as progress,
        ThreadPoolExecutor(workers, thread_name_prefix="results") as pool,
    ):

        def finish(job: Job, outcome: Outcome) -> None:
            verdict = verdict_of(outcome, scorer, judge)
            with adding:
                output.begin(job)
            report, undrawn = products.write(outcome, job.name, verdict)
            products.write_result(outcome, verdict, job.clip, job.size, job.name)
            segments = [stretch.row() for stretch in verdict.stretches]
            dropped = None if outcome.found is None else outcome.found.dropped
            with adding:
                row = output.add(
                    job,
                    outcome.result,
                    report=report,
                    undrawn=undrawn,
                    faces=outcome.faces,
                    segments=segments,
                    dropped=dropped,
                )
                progress.finish(row)

        unfinished: deque[Future[None]] = deque()
        outcomes = scorer.score_many(job.clip for job in output.jobs)
        for job, outcome in zip(output.jobs, outcomes, strict=True):
            unfinished.append(pool.submit(finish, job, outcome))
            while unfinished and (unfinished[0].done() or len(unfinished) > 2 * workers):
                unfinished.popleft().result()
        for future in unfinished:
            future.result()


def describe(models: Models, cfg: DictConfig) -> dict[str, Any]:
    """Where results come from, for reports and versions.json."""
    found = versions()
    return {
        "version": found["avforensics"],
        "notice": models.notice,
        "checkpoints": models.hashes,
        "versions": found,
        "config": OmegaConf.to_container(cfg, resolve=True),
    }


def run_record(models: Models, judge: Judge | None, provenance: Mapping[str, Any]) -> RunRecord:
    """What every result file of a run says of it."""
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
    """Write config.yaml and versions.json: enough to run it again."""
    text = OmegaConf.to_yaml(cfg, resolve=True)
    with atomic_path(folder / "config.yaml") as partial:
        partial.write_text(text, encoding="utf-8", errors="surrogateescape")
    write_json(
        folder / "versions.json",
        provenance["versions"] | {"checkpoints": provenance["checkpoints"]},
    )
