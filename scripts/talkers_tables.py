"""Print the tables of docs/talkers.md: accuracy of delays, and AUC by generator.

python scripts/talkers_tables.py delays STORE --split test
python scripts/talkers_tables.py generators SCORES.csv MANIFEST.csv [SCORE_COLUMN ...]

STORE is a feature store of real clips (windows=all). SCORES.csv is what `avforensics evaluate`
wrote for a store with real clips and fakes; MANIFEST.csv is the manifest of these clips. The 95 %
intervals come from 2,000 resamples of identities.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
from sklearn.metrics import roc_auc_score

from avforensics.data.manifest import Manifest
from avforensics.data.tables import read_table
from avforensics.evaluation.alignment import estimate_delay
from avforensics.features.store import FeatureStore
from avforensics.tables import Table

RESAMPLES = 2000
TAU = 15  # frames; rows of 31 delays
LEAST_WINDOWS = 40  # minimum for comparing the halves of a clip
LEAST_REALS = 5  # minimum per page; with fewer, its fakes are compared with all real clips


def main() -> None:
    """Print one of the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    tables = parser.add_subparsers(required=True)
    delays = tables.add_parser("delays")
    delays.add_argument("store")
    delays.add_argument("--split", default=None)
    delays.set_defaults(run=lambda args: delay_table(args.store, args.split))
    generators = tables.add_parser("generators")
    generators.add_argument("scores")
    generators.add_argument("manifest")
    generators.add_argument("columns", nargs="*", default=["score"])
    generators.set_defaults(
        run=lambda args: generator_table(args.scores, args.manifest, args.columns)
    )
    args = parser.parse_args()
    args.run(args)


def delay_table(folder: str, split: str | None) -> None:
    """Print how often delays agree within recordings, between clip halves and over windows."""
    store = FeatureStore.open(folder)
    store = store.within(min(TAU, store.info.max_delay)).select(split=split, label=0)
    measures: dict[str, dict[str, list[tuple[str, float]]]] = defaultdict(lambda: defaultdict(list))
    recordings = defaultdict(list)
    for index, entry in enumerate(store):
        logits, valid_audio = store.logits(index), store.valid_audio(index)
        inner = logits[valid_audio] if valid_audio.sum() >= 5 else logits
        found = estimate_delay(inner)
        recordings[entry.category, entry.identity].append(found.delay)
        if valid_audio.sum() >= LEAST_WINDOWS:
            half = int(valid_audio.sum()) // 2
            ends = [estimate_delay(part).delay for part in (inner[:half], inner[half:])]
            measures["halves"][entry.category].append((entry.identity, abs(ends[0] - ends[1]) <= 1))
        middle = logits.shape[1] // 2
        near = np.abs(logits.argmax(axis=1) - middle - found.delay) <= 1
        measures["windows"][entry.category].append((entry.identity, near.mean()))
        if valid_audio.any():
            measures["inner windows"][entry.category].append(
                (entry.identity, near[valid_audio].mean())
            )
    for (source, identity), found in recordings.items():
        if len(found) > 1:
            median = np.median(found)
            measures["recording"][source] += [(identity, abs(d - median) <= 1) for d in found]
    names = ("recording", "halves", "windows", "inner windows")
    sources = sorted({source for group in measures.values() for source in group})
    table = [["source", *names]]
    table += [[source, *(_share(measures[name][source]) for name in names)] for source in sources]
    table.append(["**all**", *(_share([*chain(*measures[name].values())]) for name in names)])
    print(Table(table).markdown())


def _share(values: Sequence[tuple[str, float]]) -> str:
    if not values:
        return "-"
    numbers = np.array([float(value) for _, value in values])
    low, high = _interval([name for name, _ in values], lambda rows: numbers[rows].mean())
    return f"{100 * numbers.mean():.1f} % ({100 * low:.0f}-{100 * high:.0f}; {len(numbers)})"


def generator_table(scores: str, manifest: str, columns: Sequence[str]) -> None:
    """Print the AUC of each generator against real clips from the same page, or from all pages."""
    table = read_table(scores).with_path()
    method = {row.path: row.method for row in Manifest.read(manifest)}
    table.require("path", "label", "category", "identity", *columns)
    places = {name: table.index(name) for name in ("path", "label", "category", "identity")}
    rows = [{name: row[place] for name, place in places.items()} for row in table.rows]
    values = {
        name: np.array([float(row[table.index(name)] or "nan") for row in table.rows])
        for name in columns
    }
    fake = np.array([row["label"] == "1" for row in rows])
    pages = np.array([row["category"] for row in rows])
    people = [row["identity"] or row["path"] for row in rows]
    scored = np.all([np.isfinite(value) for value in values.values()], axis=0)
    cells = [["generator", "page", "n", "against", *(f"{name}, AUC" for name in columns)]]
    kinds = sorted({(pages[i], method.get(rows[i]["path"], "")) for i in np.flatnonzero(fake)})
    for page, kind in [*kinds, (None, None)]:
        ours = [
            i
            for i in np.flatnonzero(fake & scored)
            if page is None or (pages[i] == page and method.get(rows[i]["path"], "") == kind)
        ]
        own = np.flatnonzero(~fake & scored & (pages == page))
        against = own if len(own) >= LEAST_REALS else np.flatnonzero(~fake & scored)
        word = "same page" if len(own) >= LEAST_REALS else "all"
        if not ours:
            continue
        both = np.concatenate([ours, against])
        names = [people[i] for i in both]
        label = "**all fakes**" if page is None else kind
        row = [label, page or "", len(ours), f"{len(against)} {word}"]
        for name in columns:
            labels, numbers = fake[both], values[name][both]
            low, high = _interval(names, lambda r, y=labels, x=numbers: _auc(y[r], x[r]))
            row.append(f"{100 * _auc(labels, numbers):.0f} ({100 * low:.0f}-{100 * high:.0f})")
        cells.append(row)
    print(Table(cells).markdown())


def _auc(labels: np.ndarray, values: np.ndarray) -> float:
    return float(roc_auc_score(labels, values)) if 0 < labels.sum() < len(labels) else float("nan")


def _interval(
    names: Sequence[str], statistic: Callable[[np.ndarray], float]
) -> tuple[float, float]:
    """Return the 95 % interval over resamples of whole identities."""
    groups = defaultdict(list)
    for index, name in enumerate(names):
        groups[name].append(index)
    members = [np.array(group) for group in groups.values()]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        picks = rng.integers(len(members), size=len(members))
        drawn.append(statistic(np.concatenate([members[pick] for pick in picks])))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
