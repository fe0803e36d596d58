"""Controls: does the result hold without leading silence, on whole videos, or on valid audio only?

A further control tests whether real videos with shifted audio are called fake. This module does
not run any network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike

import numpy as np

from avforensics.errors import ConfigError
from avforensics.evaluation.bootstrap import bootstrap_interval
from avforensics.evaluation.metrics import score_metrics
from avforensics.evaluation.output import percent
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.tables import blocks
from avforensics.files import write_json, write_text
from avforensics.scoring.edits import MAX_SHIFT
from avforensics.scoring.sequences import SequencePolicy
from avforensics.tables import Table

CONTROLS = ("trim", "windows", "audio", "shift")
SILENCE = "leading_silence"
ALARM_RATE = 0.05  # share of unshifted real videos above the threshold of ``called_fake``
FEWEST_FOR_PERCENTILE = 5  # videos


def variations(
    names: Sequence[str], policy: SequencePolicy, edit: str
) -> dict[str, tuple[SequencePolicy, str]]:
    """Return the policy and the edit of each control that rescores all videos, by row name.

    Raises
    ------
    ConfigError
        A control is unknown, or is an edit that conflicts with ``edit``.
    """
    unknown = sorted(set(names) - set(CONTROLS))
    if unknown:
        raise ConfigError(f"controls must be among {', '.join(CONTROLS)}, got {unknown[0]!r}")
    allowed = {"": ("trim", "shift"), "trim": ("trim",)}.get(edit, ())
    refused = [name for name in ("trim", "shift") if name in names and name not in allowed]
    if refused:
        raise ConfigError(
            f"the control {refused[0]} is an edit, and only one edit can be applied: it cannot be "
            f"combined with edit={edit}"
        )
    windows = {"first": "all", "all": "first"}[policy.windows]
    audio = {"pad": "context", "context": "pad"}[policy.audio]
    other_edit = "" if edit == "trim" else "trim"
    found = {
        "windows": (f"windows {windows}", replace(policy, windows=windows), edit),
        "audio": (f"audio {audio}", replace(policy, audio=audio), edit),
        "trim": ("silence trimmed" if other_edit else "silence kept", policy, other_edit),
    }
    return {found[name][0]: found[name][1:] for name in names if name in found}


def shift_result(
    plain: Sequence[ScoredVideo], shifted: Sequence[ScoredVideo], *, seed: int = 0
) -> dict:
    """Compare real videos with shifted audio to the same videos without a shift.

    Parameters
    ----------
    plain, shifted : sequence of ScoredVideo
        Scored videos. Real videos in both lists are compared, and fakes are ignored.

    Returns
    -------
    dict
        ``n`` (number of pairs), mean scores ``plain`` and ``shifted``, ``auc`` of shifted against
        plain with ``auc_ci``, ``offset_auc`` of the constant-offset baseline (which should find
        shifts), and ``called_fake`` (share of shifted scores above the 95th percentile of the plain
        scores).
    """
    by_path = {row.path: row for row in plain if row.counts and row.label == 0}
    pairs = [(by_path[row.path], row) for row in shifted if row.counts and row.path in by_path]
    if len(pairs) < 2:
        return {"n": len(pairs)}
    rows = [pair[place] for place in (0, 1) for pair in pairs]
    labels = np.repeat([0, 1], len(pairs))
    scores = np.array([row.score for row in rows])
    offsets = np.array([row.baselines["constant_offset"] for row in rows])
    names = [row.identity or row.path for row in rows]
    interval = bootstrap_interval(labels, scores, names, resamples=1000, seed=seed)
    before, after = scores[: len(pairs)], scores[len(pairs) :]
    return {
        "n": len(pairs),
        "plain": float(before.mean()),
        "shifted": float(after.mean()),
        "auc": score_metrics(labels, scores)["auc"],
        "auc_ci": None if interval is None else list(interval),
        "offset_auc": score_metrics(labels, offsets)["auc"],
        "called_fake": None
        if len(pairs) < FEWEST_FOR_PERCENTILE
        else float((after > np.quantile(before, 1 - ALARM_RATE)).mean()),
    }


def check_shifts(shifts: Sequence[int]) -> list[int]:
    """Return sorted shifts; raises ConfigError if one is 0 or beyond the network's delays."""
    if any(not 0 < abs(shift) <= MAX_SHIFT for shift in shifts):
        raise ConfigError(
            f"shifts must be within -{MAX_SHIFT}..{MAX_SHIFT} frames and not 0, got {list(shifts)}"
        )
    return sorted(shifts)


def control_cells(summaries: Mapping[str, Mapping]) -> list[list[str]]:
    """Return each control's AUC per category, and the AUC of silence alone; header first."""
    found = {name: dict(blocks(summary)) for name, summary in summaries.items()}
    columns = list(dict.fromkeys(column for of_run in found.values() for column in of_run))
    table = [["AUC", *columns, "silence alone", "scored"]]
    for name, of_run in found.items():
        silence = of_run.get("overall", {}).get("baselines", {}).get(SILENCE, {})
        coverage = summaries[name]["coverage"]
        aucs = (_auc(of_run.get(column, {})) for column in columns)
        scored = f"{coverage['scored']}/{coverage['listed']}"
        table.append([name, *aucs, _auc(silence), scored])
    return table


def shift_cells(shifts: Mapping[int, Mapping]) -> list[list[str]]:
    """Return one line per shift, header first."""
    table = [["frames", "videos", "mean score", "unshifted", "AUC", "offset AUC", "called fake"]]
    for frames, found in shifts.items():
        called = found.get("called_fake")
        table.append(
            [
                f"{frames:+d} ({40 * frames:+d} ms)",
                str(found["n"]),
                *(f"{found[name]:.4g}" if name in found else "-" for name in ("shifted", "plain")),
                _auc(found),
                percent(found.get("offset_auc")),
                "-" if called is None else f"{100 * called:.0f} %",
            ]
        )
    return table


def write_controls(
    summaries: Mapping[str, Mapping], shifts: Mapping[int, Mapping], folder: str | PathLike
) -> None:
    """Write controls.json (every number) and controls.md (both tables)."""
    write_json(f"{folder}/controls.json", {"runs": summaries, "shifts": shifts})
    tables = [control_cells(summaries)] if len(summaries) > 1 else []
    tables += [shift_cells(shifts)] if shifts else []
    write_text(f"{folder}/controls.md", "\n".join(Table(cells).markdown() for cells in tables))


def _auc(block: Mapping) -> str:
    return percent(block.get("auc"), block.get("auc_ci"))
