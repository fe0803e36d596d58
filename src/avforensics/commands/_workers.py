"""Score the videos of `avforensics detect` in separate processes or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from avforensics.detection.artifacts import Artifacts
from avforensics.detection.faces import VideoScorer
from avforensics.detection.judging import Judge
from avforensics.detection.output import OutputFolder, Task, entry_of
from avforensics.detection.progress import BatchProgress
from avforensics.detection.verdict import judge_outcome
from avforensics.features.extraction import take_device
from avforensics.pool import EngineOptions, Failed, Place, check_visible, in_processes
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import VideoResult

Entry = dict[str, Any]


@dataclass(frozen=True)
class VideoWork:
    """Work of a process: score videos and write their files."""

    config: dict[str, Any]  # resolved configuration of the command
    artifacts: Artifacts  # files to write for each video

    def prepare(self, place: Place) -> tuple[VideoScorer, Judge | None]:
        """Load the weights and the calibration, once in each process."""
        from avforensics.commands.detect import prepare

        check_visible(self.artifacts.folder / "journal.jsonl")  # the folder might not be shared
        take_device(self.config["device"], place)
        _, scorer, judge = prepare(OmegaConf.create(self.config))
        return scorer, judge

    def work(
        self, tasks: Sequence[Task], ready: tuple[VideoScorer, Judge | None]
    ) -> Iterator[Entry]:
        """Score videos, write their files and yield a journal entry for each video."""
        scorer, judge = ready
        outcomes = scorer.score_many(task.clip for task in tasks)
        for task, outcome in zip(tasks, outcomes, strict=True):
            judge_outcome(outcome, scorer, judge)
            yield write_files(self.artifacts, task, outcome)


def write_files(artifacts: Artifacts, task: Task, outcome: Outcome) -> Entry:
    """Write a video's files and return its journal entry."""
    report, undrawn = artifacts.write(outcome, task.name, task.clip.audio)
    record = artifacts.write_result(outcome, task.clip, task.size, task.name)
    return entry_of(task, outcome, record, report=report, undrawn=undrawn)


def score_in_processes(
    cfg: DictConfig,
    output: OutputFolder,
    artifacts: Artifacts,
    *,
    workers: int | None,
    engine: EngineOptions,
) -> None:
    """Score the pending videos in other processes; this process writes the journal and tables."""
    how = VideoWork(OmegaConf.to_container(cfg, resolve=True), artifacts)
    tasks = dict(enumerate(output.tasks))
    results = in_processes(
        how.work,
        tasks,
        workers=workers,
        engine=engine,
        prepare=how.prepare,
        begin=lambda number: output.begin(tasks[number]),
    )
    with BatchProgress(len(tasks)) as progress:
        for number, entry in results:
            if isinstance(entry, Failed):
                failed = Outcome(VideoResult(tasks[number].path, error=entry.reason))
                entry = write_files(artifacts, tasks[number], failed)
            progress.finish(output.keep(entry))
    output.remove_partial_files()
