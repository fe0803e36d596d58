"""``avforensics evaluate``: scores to metrics by category, with intervals, baselines and coverage.

  avforensics evaluate features=STORE checkpoint.bundle=FILE output_dir=OUT select.split=test
  avforensics evaluate benchmark=fakeavceleb root=FOLDER checkpoint=released output_dir=OUT
  avforensics evaluate -m features=STORE checkpoint.bundle=FILE scoring.lam=0,0.5,1
  avforensics evaluate ... 'controls.run=[trim,windows,audio,shift]'
  avforensics evaluate ... 'robustness.levels=[1,3,5]'

With a benchmark, features are extracted first, into a store that later runs use again; the same
command goes on after an interruption. OUT receives scores.csv, metrics.json (and .csv, .md, .tex),
roc.png, pr.png and scores.png. Exit code 0: all scored; 1: some failed and are listed; 2: wrong
usage.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf
from rich import get_console

from avforensics.checkpoints import Models, load_models
from avforensics.errors import ConfigError
from avforensics.evaluating import Evaluation, Outcome, Variation, require_data
from avforensics.evaluation.controls import (
    check_shifts,
    control_cells,
    markdown,
    rich_cells,
    shift_cells,
    shift_result,
    variations,
    write_controls,
)
from avforensics.evaluation.reproduce import cells as comparison_cells
from avforensics.evaluation.reproduce import compare_with_paper, published, write_reproduction
from avforensics.evaluation.results import show, wide, write_results
from avforensics.evaluation.robustness import cells as robustness_cells
from avforensics.evaluation.robustness import edits, write_robustness
from avforensics.evaluation.segments import localise, sentence
from avforensics.evaluation.summary import summarise
from avforensics.files import atomic_path
from avforensics.provenance import versions, write_json
from avforensics.report.figures import save_figures
from avforensics.scoring.sequences import SequencePolicy

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Evaluate a benchmark or a feature store into ``cfg.output_dir``.

    Returns
    -------
    int
        0 all scored, 1 some failed.

    Raises
    ------
    AVForensicsError
        The data, a checkpoint or a setting makes no sense; nothing was scored.
    """
    if isinstance(cfg.scoring.lam, ListConfig):
        raise ConfigError("evaluate takes one scoring.lam; -m scoring.lam=0,0.5 runs one for each")
    if cfg.reproduce is not None:
        published(cfg.reproduce)  # refuses what the paper does not have
    if cfg.benchmark is not None:
        require_data(cfg)
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    stage = Evaluation(cfg, models)
    if not stage.trainer.is_global_zero:
        logging.getLogger("avforensics").setLevel(logging.ERROR)
    checked = check_shifts(list(cfg.controls.shifts))
    beside = variations(list(cfg.controls.run), stage.asked.policy, cfg.edit)
    changes = edits(list(cfg.robustness.perturbations), list(cfg.robustness.levels), cfg.seed)
    outcome = stage.run(stage.asked)
    summary, failed = None, 0
    if stage.trainer.is_global_zero:
        summary = describe(cfg, outcome, models)
        failed = int(bool(summary["coverage"]["not_scored"]))
        write(cfg, outcome, summary)
        draw_examples(outcome, stage, cfg)
    if cfg.controls.run:
        shifts = checked if "shift" in cfg.controls.run else []
        control(cfg, stage, outcome, summary, beside, shifts)
    if changes:
        perturbed(cfg, stage, summary, changes)
    if stage.trainer.is_global_zero:
        log.info("wrote %s", cfg.output_dir)
    return failed


def write(cfg: DictConfig, outcome: Outcome, summary: dict) -> None:
    """Write and print the results of the main pass."""
    title = cfg.title or title_of(cfg)
    folder = Path(cfg.output_dir)
    write_results(outcome.rows, summary, folder, title)
    with atomic_path(folder / "config.yaml") as partial:
        partial.write_text(OmegaConf.to_yaml(cfg, resolve=True), encoding="utf-8")
    write_json(folder / "versions.json", versions())
    show(summary, get_console(), title)
    if cfg.reproduce is not None:
        experiment, found = published(cfg.reproduce), compare_with_paper(cfg.reproduce, summary)
        write_reproduction(cfg.reproduce, found, folder, markdown(comparison_cells(found)))
        if found:
            show_cells(comparison_cells(found), experiment["title"])
        else:
            log.info("%s: %s", experiment["title"], experiment["note"])
    for item in summary["coverage"]["not_scored"]:
        log.warning("not scored: %s: %s", item["path"], item["reason"])


def draw_examples(outcome: Outcome, stage: Evaluation, cfg: DictConfig) -> None:
    """Fig. 3 for the first clips of each category: delays, their prediction, cumulative losses."""
    scorer = stage.scorer_of(outcome.store)
    drawn: Counter[str] = Counter()
    for item, row in zip(outcome.found, outcome.rows, strict=True):
        category = row.category if row.label else "real"
        if row.scored and drawn[category] < cfg.examples:
            drawn[category] += 1
            folder = Path(cfg.output_dir, "examples", f"{category or 'fake'}_{drawn[category]}")
            save_figures(scorer.result(item.index), folder)


def control(
    cfg: DictConfig,
    stage: Evaluation,
    outcome: Outcome,
    summary: dict | None,
    beside: dict[str, tuple[SequencePolicy, str]],
    shifts: list[int],
) -> None:
    """Run the controls in all processes; the first writes and prints them."""
    asked = stage.asked
    runs, found = {"as asked": summary}, {}
    for name, (policy, edit) in beside.items():
        log.info("control: %s", name)
        runs[name] = brief(cfg, stage.run(Variation(policy=policy, edit=edit)))
    for frames in shifts:
        log.info("control: sound shifted by %+d frames", frames)
        edit = f"shift={frames}"
        shifted = stage.run(Variation(policy=asked.policy, edit=edit, real=cfg.controls.clips))
        found[frames] = shift_result(outcome.rows, shifted.rows, seed=cfg.seed)
    if not stage.trainer.is_global_zero:
        return
    write_controls(runs, found, cfg.output_dir)
    if beside:
        show_cells(control_cells(runs), "controls")
    if found:
        show_cells(shift_cells(found), "real videos with shifted sound")


def perturbed(
    cfg: DictConfig,
    stage: Evaluation,
    summary: dict | None,
    changes: dict[tuple[str, int], str],
) -> None:
    """Run every perturbation and level in all processes; the first draws the figure."""
    runs = {(name, 0): summary for name, _ in changes}
    for (name, level), edit in changes.items():
        log.info("perturbation: %s, level %d", name, level)
        runs[name, level] = brief(cfg, stage.run(Variation(policy=stage.asked.policy, edit=edit)))
    if stage.trainer.is_global_zero:
        write_robustness(runs, cfg.output_dir, cfg.title)
        show_cells(robustness_cells(runs), "perturbations")


def show_cells(cells: list[list[str]], title: str) -> None:
    """Print a table."""
    wide(get_console()).print(rich_cells(cells, title))


def brief(cfg: DictConfig, outcome: Outcome) -> dict:
    """The summary of a control."""
    intervals = cfg.intervals
    return summarise(
        outcome.rows, resamples=intervals.resamples, level=intervals.level, seed=cfg.seed
    )


def describe(cfg: DictConfig, outcome: Outcome, models: Models) -> dict:
    """The summary of a run, with its notes and what it was made with."""
    store = outcome.store
    summary = brief(cfg, outcome)
    found = localise(store, outcome.found, cfg.scoring.lam, outcome.naive_bayes)
    if found:
        summary["localisation"] = found
        summary["notes"] += [sentence(name, metrics) for name, metrics in found.items()]
        if cfg.scoring.windows != "all":
            summary["notes"].append(
                "segments after the first windows cannot be found: use scoring.windows=all"
            )
    if outcome.naive_bayes is None:
        summary["notes"].append(
            f"no naive Bayes baseline: no real videos of split {cfg.baselines.fit_split} beside "
            "those evaluated (baselines.features names a store that has some)"
        )
    notices = dict.fromkeys(notice for notice in (store.info.notice, models.notice) if notice)
    summary["notes"] += [notice.rstrip(".") for notice in notices]
    summary["made_with"] = {
        "features": str(store.folder),
        "edit": store.info.edit,
        "checkpoints": store.info.checkpoints | models.hashes,
        "config": OmegaConf.to_container(cfg, resolve=True),
    }
    return summary


def title_of(cfg: DictConfig) -> str:
    """What tells one run from another."""
    scoring = cfg.scoring
    parts = [
        cfg.benchmark.name if cfg.benchmark else "",
        cfg.edit,
        f"lam {scoring.lam:g}",
        f"{scoring.windows} {scoring.max_len} windows",
        f"audio {scoring.audio}",
    ]
    return ", ".join(part for part in parts if part)
