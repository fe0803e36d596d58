"""Compare statistics and fusions by kind of forgery: choose on half the sources, test on the rest.

  python scripts/evidence_table.py --bundle FILE --reals STORE --fakes STORE --groups GROUPS.csv \\
      --output OUT [--source category] [--split dev test]

Each STORE is a feature store of `avforensics extract`; both may be the same. Real videos of the
given splits are used; no model may have been trained on them. GROUPS.csv has the columns method and
group, the kind of forgery that the generator makes. Sources are the values of --source; all videos
of a source are in the same half. On the first half, every fusion of every set of statistics is
fitted on real videos and ranked by its mean AUC over groups. On the second half, the fusions fitted
on the first half are measured. OUT receives evidence_table.md and .json.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from avforensics.checkpoints import load_models
from avforensics.errors import ConfigError
from avforensics.evaluation.checks import as_scored
from avforensics.evaluation.comparison import cells, compare
from avforensics.evaluation.evidence import DEFAULT_STATISTICS, Evidence
from avforensics.evaluation.fusion import FUSIONS
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.stored import StoreScorer, count_delays, one_thread
from avforensics.evaluation.stored_score import StoredScore
from avforensics.evaluation.summary import summarise
from avforensics.evaluation.tables import statistics_cells
from avforensics.features.store import Entry, FeatureStore
from avforensics.scoring.sequences import SequencePolicy
from avforensics.scoring.statistics import STATISTICS, towards_fake
from avforensics.tables import Table

SETS = {
    "six": DEFAULT_STATISTICS,
    "three": ("mean_maximum", "constant_delay", "naive_bayes"),
    "eight": (*DEFAULT_STATISTICS, "score", "naive_bayes"),
}


@dataclass(frozen=True)
class Video:
    """A scored clip with its group and source."""

    entry: Entry
    found: StoredScore
    source: str
    group: str


def main() -> None:
    """Measure the clips, choose a fusion on the first half, and test it on the second half."""
    options = parse()
    groups = {}
    if options.groups:
        with Path(options.groups).open(newline="", encoding="utf-8") as file:
            groups = {row["method"]: row["group"] for row in csv.DictReader(file)}
    videos = read(options, groups)
    parts = [], []
    for video in videos:
        parts[video.entry.label == 0 and video.entry.split in options.reference].append(video)
    tested, reference = parts
    first, second = halves(tested, seed=options.seed)
    wanted = candidates(options.fusions, options.sets)
    chosen, ranking = choose(first, wanted, reference)
    rows = measured(first + reference, second, {name: wanted[name] for name in ranking})
    summary = summarise(rows, resamples=options.resamples, seed=options.seed)
    fused = [replace(row, score=row.statistics[chosen]) for row in rows]
    difference = compare(rows, fused, metrics=("auc",), resamples=options.resamples)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        Table(statistics_cells(summary)).markdown(),
        f"Chosen on the first half: {chosen}. Against the published score:",
        "",
        Table(cells(difference, ("auc",))).markdown(),
        f"First half: {told(first)}. Second half: {told(second)}.",
        "",
    ]
    (folder / "evidence_table.md").write_text("\n".join(lines), encoding="utf-8")
    content = {"chosen": chosen, "ranking": ranking, "summary": summary}
    (folder / "evidence_table.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    print("\n".join(lines))


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for name in ("bundle", "reals", "fakes", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--groups", default="")
    parser.add_argument("--source", default="category", choices=("category", "method", "identity"))
    parser.add_argument(
        "--training", default="", help="store whose split anomaly naive Bayes counts"
    )
    parser.add_argument("--max-len", type=int, default=50, help="windows in a sequence")
    parser.add_argument("--split", nargs="*", default=[], help="of the real videos; none = all")
    parser.add_argument(
        "--reference", nargs="*", default=[], help="splits whose real videos are in every fit alone"
    )
    parser.add_argument("--windows", default="first", choices=("first", "all"))
    parser.add_argument("--fusions", nargs="+", default=list(FUSIONS), choices=FUSIONS)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def read(options: argparse.Namespace, groups: dict[str, str]) -> list[Video]:
    """Score the clips; keep only clips that are measured on inner windows."""
    models = load_models({"bundle": options.bundle, "search": False})
    policy = SequencePolicy(windows=options.windows, max_len=options.max_len)
    stores = [FeatureStore.open(path) for path in dict.fromkeys((options.reals, options.fakes))]
    videos, short = [], 0
    counted = as_scored(FeatureStore.open(options.training or options.reals), models)
    trained = [
        index
        for index, entry in enumerate(counted)
        if entry.error is None and entry.label == 0 and entry.split == "anomaly"
    ]
    frequency = count_delays(counted, trained) if trained else None
    for store in stores:
        part = "both" if models.activation is not None else "distribution"
        scorer = StoreScorer(store, models, policy, part=part, delay_frequency=frequency)
        for index, entry in enumerate(store):
            splits = (*options.split, *options.reference)
            wanted = entry.label == 1 or not options.split or entry.split in splits
            if entry.error is not None or not wanted:
                continue
            with one_thread():
                found = scorer.score(index)
            if found.error is None and found.inner:
                source = getattr(entry, options.source) or entry.path
                group = groups.get(entry.method, entry.method) if entry.label else "real"
                videos.append(Video(entry, found, source, group))
            else:
                short += 1
    print(f"{len(videos)} clips, {short} too short or without a score")
    return videos


def halves(videos: list[Video], *, seed: int) -> tuple[list[Video], list[Video]]:
    """Split the sources into halves with about the same number of videos of each group."""
    order = np.random.default_rng(seed).permutation(sorted({video.source for video in videos}))
    counts = {name: Counter(v.group for v in videos if v.source == name) for name in order}
    order = sorted(order, key=lambda name: -sum(counts[name].values()))
    total = Counter(video.group for video in videos)
    held = [Counter(), Counter()]
    place = {}
    for name in order:
        costs = [
            sum(n * held[h][group] / total[group] for group, n in counts[name].items())
            for h in (0, 1)
        ]
        place[name] = int(np.argmin(costs))
        held[place[name]] += counts[name]
    parts = [[v for v in videos if place[v.source] == half] for half in (0, 1)]
    return parts[0], parts[1]


Candidates = dict[str, tuple[str, tuple[str, ...]]]


def candidates(fusions: list[str], sets: list[str]) -> Candidates:
    """Return fusions by name: each kind for each set, and each statistic alone, two-sided."""
    found = {f"{kind} of {name}": (kind, SETS[name]) for kind in fusions for name in sets}
    return found | {f"two-sided {name}": ("min_p", (name,)) for name in STATISTICS}


def fit(videos: list[Video], kind: str, names: tuple[str, ...]) -> Evidence | None:
    """Fit a fusion on the real videos; return None if too few have all statistics."""
    reals = [video for video in videos if video.entry.label == 0]
    reals = [v for v in reals if all(name in v.found.statistics for name in names)]
    try:
        return Evidence.fit(
            [video.found.statistics for video in reals],
            [video.entry.identity or video.entry.path for video in reals],
            names=names,
            kind=kind,
        )
    except ConfigError:
        return None


def choose(
    videos: list[Video], wanted: Candidates, reference: list[Video]
) -> tuple[str, dict[str, float]]:
    """Rank fusions by mean AUC over groups, where real videos have cross-fitted values."""
    ranking = {}
    for name, (kind, names) in wanted.items():
        evidence = fit(videos + reference, kind, names)
        if evidence is None:
            continue
        complete = [all(name in video.found.statistics for name in names) for video in videos]
        real = [video.entry.label == 0 for video in videos]
        aucs, reals = [], sum(map(min, complete, real))
        for group in sorted({video.group for video in videos} - {"real"}):
            fakes = [evidence.value(v.found.statistics) for v in videos if v.group == group]
            fakes = [value for value in fakes if value is not None]
            if fakes:
                labels = np.repeat([0, 1], [reals, len(fakes)])
                aucs.append(roc_auc_score(labels, [*evidence.scores[:reals], *fakes]))
        ranking[name] = float(np.mean(aucs))
    ranking = dict(sorted(ranking.items(), key=lambda item: -item[1]))
    return next(iter(ranking)), ranking


def measured(first: list[Video], second: list[Video], wanted: Candidates) -> list[ScoredVideo]:
    """Return rows of the second half: score, statistics, and fusions fitted on the first half."""
    fused = {name: fit(first, *how) for name, how in wanted.items()}
    rows = []
    for video in second:
        values = towards_fake(video.found.statistics)
        values.pop("score")
        values |= {name: evidence.value(video.found.statistics) for name, evidence in fused.items()}
        rows.append(
            ScoredVideo(
                path=f"{video.entry.path}#{video.found.index}",
                label=video.entry.label,
                category=video.group,
                identity=video.source,
                score=video.found.scores[0].score,
                statistics=values,
                baselines={"windows": float(video.entry.n_windows)},
            )
        )
    return rows


def told(videos: list[Video]) -> str:
    """Format the number of videos in each group and the number of sources."""
    counts = Counter(video.group for video in videos)
    return f"{', '.join(f'{n} {name}' for name, n in counts.most_common())}; " + (
        f"{len({video.source for video in videos})} sources"
    )


if __name__ == "__main__":
    main()
