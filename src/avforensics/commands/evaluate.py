"""``avforensics evaluate``: compute metrics by category, with intervals, baselines and coverage.

  avforensics evaluate features=STORE checkpoint.bundle=FILE output_dir=OUT select.split=test
  avforensics evaluate benchmark=fakeavceleb root=FOLDER checkpoint=released output_dir=OUT
  avforensics evaluate -m features=STORE checkpoint.bundle=FILE scoring.lam=0,0.5,1
  avforensics evaluate ... 'controls.run=[trim,windows,audio,shift]'
  avforensics evaluate ... 'robustness.levels=[1,3,5]'
  avforensics evaluate ... 'breakdowns.columns=[gender,language,method]'
  avforensics evaluate ... against=EARLIER_OUT
  avforensics evaluate ... 'repeats=[OUT_OF_SEED_1,OUT_OF_SEED_2]'
  avforensics evaluate scores=FILE.csv report=true

The last three commands give the difference from an earlier run on the same videos, with its
interval; the mean and spread over several trainings; and the same tables for existing scores of any
detector (columns path, label, score).

With a benchmark, features are extracted first, into a store that later runs reuse. Rerun the same
command to resume. OUT receives scores.csv, metrics.json (and .csv, .md, .tex), roc.png, pr.png and
scores.png. Exit code 0: all scored; 1: some failed and are listed; 2: wrong usage.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf
from rich import get_console

import avforensics
from avforensics.checkpoints import load_models
from avforensics.commands._beside import Beside, threshold_of
from avforensics.errors import ConfigError
from avforensics.evaluation.bootstrap import check_intervals
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.comparison import read_run
from avforensics.evaluation.controls import (
    check_shifts,
    control_cells,
    shift_cells,
    shift_result,
    variations,
    write_controls,
)
from avforensics.evaluation.exchange import write_c5, write_frames
from avforensics.evaluation.figures import write_figures
from avforensics.evaluation.reproduce import cells as comparison_cells
from avforensics.evaluation.reproduce import compare_with_paper, published, write_reproduction
from avforensics.evaluation.robustness import alarm_cells, edits, false_alarms, write_robustness
from avforensics.evaluation.robustness import cells as robustness_cells
from avforensics.evaluation.rows import ScoredVideo, printable, write_scores
from avforensics.evaluation.segments import localise
from avforensics.evaluation.segments import sentence as found_segments
from avforensics.evaluation.setting import scoring_setting
from avforensics.evaluation.stored_score import not_measured
from avforensics.evaluation.summary import summarise
from avforensics.evaluation.tables import rich_table, write_summary
from avforensics.files import write_json, write_text
from avforensics.lightning.evaluation import Evaluated, Evaluation, Variation, require_data
from avforensics.provenance import versions
from avforensics.report.evaluation import remove_earlier, write_evaluation_page
from avforensics.report.figures import save_figures
from avforensics.scoring.edits import moves_time
from avforensics.scoring.sequences import SequencePolicy
from avforensics.tables import Table, wide

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Evaluate a benchmark or a feature store, and write the results to ``cfg.output_dir``."""
    if isinstance(cfg.scoring.lam, ListConfig):
        raise ConfigError(
            "evaluate needs exactly one scoring.lam; use -m scoring.lam=0,0.5 for several runs"
        )
    check_intervals(cfg.intervals.resamples, cfg.intervals.level)
    if cfg.exchange not in (None, "dfwb", "deepfakebench"):
        raise ConfigError(f"exchange must be null, dfwb or deepfakebench, got {cfg.exchange!r}")
    if cfg.reproduce is not None:
        published(cfg.reproduce)  # rejects an unknown experiment
    known = Beside.read(cfg)
    if cfg.scores is not None:
        return tabulate(cfg, known)
    if cfg.benchmark is not None:
        require_data(cfg)
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    if models.origin and cfg.benchmark is None:  # with a benchmark, the extraction logs it
        log.info("%s", models.origin)
    stage = Evaluation(cfg, models)
    if not stage.trainer.is_global_zero:
        logging.getLogger("avforensics").setLevel(logging.ERROR)
    if known.calibration is not None:
        if cfg.statistic != "mean":
            raise ConfigError(
                "breakdowns.calibration sets a threshold for mean scores, so it cannot be combined "
                f"with statistic={cfg.statistic}"
            )
        setting = scoring_setting(models, stage.policy, cfg.scoring.lam, part=cfg.part)
        known.calibration.check_setting(setting)
    checked = check_shifts(list(cfg.controls.shifts))
    beside = variations(list(cfg.controls.run), stage.policy, stage.edit)
    changes = edits(
        list(cfg.robustness.perturbations), list(cfg.robustness.levels), cfg.seed, stage.edit
    )
    outcome = stage.run(stage.asked)
    summary, failed = None, 0
    if stage.trainer.is_global_zero:
        summary = describe(cfg, outcome, stage)
        failed = int(bool(summary["coverage"]["not_scored"]))
        if stage.manifest is not None:
            stage.manifest.write(Path(cfg.output_dir, "manifest.csv"))
        write(cfg, outcome.rows, summary, known)
        draw_examples(outcome, stage, cfg)
    if cfg.controls.run:
        shifts = checked if "shift" in cfg.controls.run else []
        control(cfg, stage, outcome, summary, beside, shifts)
    if changes:
        perturbed(cfg, stage, outcome, summary, changes, known.calibration)
    if stage.trainer.is_global_zero:
        write_report(cfg, models.notice)
        log.info("wrote %s", cfg.output_dir)
    return failed


def tabulate(cfg: DictConfig, known: Beside) -> int:
    """Write tables and figures for existing scores of any detector."""
    asked = [cfg.benchmark, cfg.features, cfg.edit, cfg.calibration, cfg.controls.run]
    asked += [cfg.robustness.levels, cfg.examples, *cfg.select.values()]
    if any(asked):
        raise ConfigError(
            "scores=FILE cannot be combined with benchmark, features, select, edit, calibration, "
            "controls, robustness or examples"
        )
    rows = read_run(cfg.scores, fake=cfg.scores_fake)
    summary = brief(cfg, rows)
    config = OmegaConf.to_container(cfg, resolve=True)
    summary["made_with"] = {"scores": str(cfg.scores), "config": config}
    write(cfg, rows, summary, known)
    write_report(cfg)
    log.info("wrote %s", cfg.output_dir)
    return int(bool(summary["coverage"]["not_scored"]))


def write(cfg: DictConfig, rows: Sequence[ScoredVideo], summary: dict, known: Beside) -> None:
    """Write and print the results of the main pass."""
    rows = known.described(cfg, rows)
    title = printable(cfg.title or title_of(cfg))
    folder = Path(cfg.output_dir)
    remove_earlier(folder)
    write_scores(rows, folder / "scores.csv")
    write_summary(summary, folder)
    write_figures(rows, folder, title)
    text = OmegaConf.to_yaml(cfg, resolve=True)
    write_text(folder / "config.yaml", text, errors="surrogateescape")
    write_json(folder / "versions.json", versions())
    wide(get_console()).print(rich_table(summary, title))
    if cfg.reproduce is not None:
        experiment, found = published(cfg.reproduce), compare_with_paper(cfg.reproduce, summary)
        write_reproduction(cfg.reproduce, found, folder)
        if found:
            Table(comparison_cells(found), experiment["title"]).show()
        else:
            log.info("%s: %s", experiment["title"], experiment["note"])
    known.write(cfg, rows, summary)
    if cfg.exchange == "dfwb":
        write_c5(rows, folder / "avforensics.scores.csv", exchange_of(cfg, summary))
    if cfg.exchange == "deepfakebench":
        write_frames(rows, folder / "deepfakebench.csv")
    for item in summary["coverage"]["not_scored"]:
        log.warning("%s: not scored: %s", item["path"], item["reason"])
    for item in summary["coverage"]["not_applicable"]:
        log.warning("%s: not applicable: %s", item["path"], item["reason"])


def write_report(cfg: DictConfig, notice: str | None = None) -> None:
    """If ``cfg.report`` is set, write index.html, a page on everything in ``cfg.output_dir``."""
    if not cfg.report:
        return
    provenance = {"version": avforensics.__version__, "notice": notice}
    title = printable(cfg.title or title_of(cfg))
    write_evaluation_page(cfg.output_dir, title=title, provenance=provenance)


def exchange_of(cfg: DictConfig, summary: dict) -> dict[str, str | None]:
    """Describe the run for an exchange file."""
    name = cfg.benchmark.name if cfg.benchmark else "scores" if cfg.scores else "features"
    detector = "scores" if cfg.scores else str(cfg.checkpoint.get("name"))
    return {
        "dataset": name,
        "detector": detector,
        "source": f"avforensics:{detector}",
        "digest": summary["made_with"].get("manifest"),
    }


def draw_examples(outcome: Evaluated, stage: Evaluation, cfg: DictConfig) -> None:
    """Draw Fig. 3 for the first clips of each category: delays, prediction, cumulative losses."""
    if not cfg.examples:
        return
    scorer = stage.scorer_of(outcome.store)
    drawn: Counter[str] = Counter()
    for item, row in zip(outcome.found, outcome.rows, strict=True):
        category = row.category if row.label else "real"
        if row.counts and drawn[category] < cfg.examples:
            drawn[category] += 1
            folder = Path(cfg.output_dir, "examples", f"{category or 'fake'}_{drawn[category]}")
            save_figures(scorer.result(item.index), folder)


def control(
    cfg: DictConfig,
    stage: Evaluation,
    outcome: Evaluated,
    summary: dict | None,
    beside: dict[str, tuple[SequencePolicy, str]],
    shifts: list[int],
) -> None:
    """Run the controls in all processes; the first process writes and prints them."""
    runs, found = {"as asked": summary}, {}
    for name, (policy, edit) in beside.items():
        log.info("control: %s", name)
        changed = stage.run(Variation(policy=policy, edit=edit))
        if stage.trainer.is_global_zero:
            runs[name] = brief(cfg, changed.rows)
    for frames in shifts:
        log.info("control: sound shifted by %+d frames", frames)
        edit = f"shift={frames}"
        shifted = stage.run(Variation(policy=stage.policy, edit=edit, real=cfg.controls.clips))
        if stage.trainer.is_global_zero:
            found[frames] = shift_result(outcome.rows, shifted.rows, seed=cfg.seed)
    if not stage.trainer.is_global_zero:
        return
    write_controls(runs, found, cfg.output_dir)
    if beside:
        Table(control_cells(runs), "controls").show()
    if found:
        Table(shift_cells(found), "real videos with shifted sound").show()


def perturbed(
    cfg: DictConfig,
    stage: Evaluation,
    outcome: Evaluated,
    summary: dict | None,
    changes: dict[tuple[str, int], str],
    calibration: Calibration | None,
) -> None:
    """Run every perturbation and level in all processes; the first process draws the figures."""
    threshold, origin = None, ""
    if stage.trainer.is_global_zero:
        threshold, origin = threshold_of(cfg, outcome.rows, calibration)
        log.info("threshold for false alarms: %s", origin)
    plain = described_alarms(cfg, outcome.rows, summary, threshold)
    runs = {(name, 0): plain for name, _ in changes}
    for (name, level), edit in changes.items():
        log.info("perturbation: %s, level %d", name, level)
        changed = stage.run(Variation(policy=stage.policy, edit=edit))
        if stage.trainer.is_global_zero:
            short = brief(cfg, changed.rows)
            runs[name, level] = described_alarms(cfg, changed.rows, short, threshold)
    if stage.trainer.is_global_zero:
        alarms = (
            ""
            if threshold is None
            else f"real videos above the threshold {threshold:.4g} ({origin})"
        )
        write_robustness(runs, cfg.output_dir, cfg.title, f"False alarms: {alarms}")
        Table(robustness_cells(runs), "perturbations").show()
        if cells := alarm_cells(runs):
            Table(cells, f"false alarms: {alarms}").show()


def described_alarms(
    cfg: DictConfig, rows: Sequence[ScoredVideo], summary: dict | None, threshold: float | None
) -> dict | None:
    """Add the false alarms at the threshold to the summary, if both are given."""
    if summary is None or threshold is None:
        return summary
    intervals = OmegaConf.to_container(cfg.intervals)
    return summary | {"false_alarms": false_alarms(rows, threshold, seed=cfg.seed, **intervals)}


def brief(cfg: DictConfig, rows: Sequence[ScoredVideo]) -> dict:
    """Summarise scored videos."""
    return summarise(rows, seed=cfg.seed, **OmegaConf.to_container(cfg.intervals))


def describe(cfg: DictConfig, outcome: Evaluated, stage: Evaluation) -> dict:
    """Summarise a run, with notes and provenance."""
    store, models = outcome.store, stage.models
    summary = brief(cfg, outcome.rows)
    notes, found = summary["notes"], {}
    if not moves_time(store.info.edit):
        pairs = zip(outcome.found, outcome.rows, strict=True)
        judged = [one for one, row in pairs if not row.not_applicable]
        found = localise(store, judged, cfg.scoring.lam, outcome.delay_frequency)
    elif any(store[item.index].segments for item in outcome.found):
        notes.append(
            f"segments were not searched for: edit={store.info.edit} moves them, but the manifest "
            "lists the segments of the original files"
        )
    if found:
        summary["localisation"] = found
        notes += [found_segments(name, metrics) for name, metrics in found.items()]
        if cfg.scoring.windows != "all":
            notes.append(
                "segments after the first windows cannot be found: use scoring.windows=all"
            )
    if cfg.benchmark is not None and cfg.benchmark.full_frames:
        notes.append(
            f"the videos of {cfg.benchmark.name} show more than a face, but whole frames were "
            "scaled down for the network; docs/evaluation.md explains how to crop the faces first"
        )
    if outcome.delay_frequency is None:
        notes.append(
            f"no naive Bayes baseline: split {cfg.baselines.fit_split} has no real videos apart "
            "from the evaluated ones; set baselines.features to a store with other real videos"
        )
    if stage.doubled:
        notes.append(
            f"{stage.doubled} files are listed more than once; each counts once per category"
        )
    if people := stage.also_trained(store[item.index] for item in outcome.found):
        notes.append(
            f"{len(people)} of the tested identities are also in a training split, so the results "
            "say nothing about people who were not used for training"
        )
    chosen = [item.index for item in outcome.found]
    if unknown := not_measured(store, chosen, stage.limits):
        notes.append(unknown)
    notices = dict.fromkeys(notice for notice in (store.info.notice, models.notice) if notice)
    notes += [notice.rstrip(".") for notice in notices]
    summary["made_with"] = {
        "manifest": None if stage.manifest is None else stage.manifest.digest,
        "features": str(store.folder),
        "edit": store.info.edit,
        "checkpoints": store.info.checkpoints | models.hashes,
        "config": OmegaConf.to_container(cfg, resolve=True),
    }
    return summary


def title_of(cfg: DictConfig) -> str:
    """Make a title from the settings that distinguish one run from another."""
    if cfg.scores is not None:
        return str(cfg.scores)
    scoring = cfg.scoring
    parts = [
        cfg.benchmark.name if cfg.benchmark else "",
        cfg.edit,
        f"lam {scoring.lam:g}",
        f"{scoring.windows} {scoring.max_len} windows",
        f"audio {scoring.audio}",
    ]
    return ", ".join(part for part in parts if part)
