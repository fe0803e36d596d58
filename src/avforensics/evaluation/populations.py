"""Fit evidence, segment alarms and likelihood ratios to stored clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from avforensics.errors import ConfigError, ManifestError
from avforensics.evaluation.alarms import SegmentAlarms
from avforensics.evaluation.benchmark import Names, fits
from avforensics.evaluation.evidence import Evidence, fewest
from avforensics.evaluation.stored_score import StoredScore, score_of
from avforensics.evaluation.strength import LikelihoodRatio, Sample
from avforensics.features.store import Entry, FeatureStore
from avforensics.fields import check_choice
from avforensics.scoring.own_delay import own_delay_curve
from avforensics.scoring.sequences import SequencePolicy
from avforensics.scoring.statistics import check_statistics

GENERATORS = ("method", "category")


def who(entry: Entry) -> str:
    """Return the identity of the person in a video, or the path if the identity is unknown."""
    return entry.identity or entry.path


def traces(entry: Entry, source: str | None = None) -> list[str]:
    """Name a video's person, file and source, to find videos seen in calibration.

    Parameters
    ----------
    source : {"category", "method"} or None
        The column that names sources.
    """
    found = [who(entry)]
    if entry.clip.sha256:
        found.append(f"file {entry.clip.sha256}")
    if source is not None and getattr(entry, source):
        found.append(f"source {getattr(entry, source)}")
    return found


def fit_evidence(
    store: FeatureStore,
    found: Mapping[int, StoredScore],
    *,
    statistics: Sequence[str],
    fusion: str,
    sides: str,
    delay_frequency: np.ndarray | None,
    fakes: Sequence[Entry] = (),
    source: str | None = None,
    seed: int = 0,
) -> tuple[Evidence | None, list[int], str]:
    """Fit evidence to real clips, either with or without inner windows.

    Parameters
    ----------
    found : mapping of int to StoredScore
        Scored real clips by index.
    statistics, fusion, sides, delay_frequency, seed
        As in `Evidence.fit`.
    fakes : sequence of Entry
        Forgeries to which the likelihood ratio is fitted; their people and files count as seen.
    source : {"category", "method"} or None
        The column that names sources.

    Returns
    -------
    Evidence or None
    list of int
        Indices of the clips used, in the order of the evidence's scores.
    str
        Reason why there is no evidence, or a note on omitted clips; may be empty.

    Raises
    ------
    ConfigError
        A setting is invalid, or a statistic cannot be computed.
    """
    names = check_statistics(statistics)
    alike = [[index for index in found if found[index].inner == inner] for inner in (True, False)]
    least = fewest(names, fusion)
    inner = len(alike[0]) >= min(len(alike[1]), least)
    used = alike[0 if inner else 1]
    if len(used) < least:
        reason = (
            f"no evidence: {fusion} of {len(names)} statistics needs {least} real videos of "
            f"{'sufficient' if inner else 'similar'} length, got {len(used)}"
        )
        return None, [], reason
    groups = [who(store[index]) for index in used]
    if len(set(groups)) < 2:
        return None, [], "no evidence: all real videos show one person, but at least two are needed"
    evidence = Evidence.fit(
        [found[index].statistics for index in used],
        groups,
        names=names,
        kind=fusion,
        sides=sides,
        inner=inner,
        delay_frequency=delay_frequency,
        seen=[
            name
            for entry in (*map(store.__getitem__, found), *fakes)
            for name in traces(entry, source if entry.label == 0 else None)
        ],
        source=source,
        seed=seed,
    )
    left_out = len(found) - len(used)
    what = "shorter" if inner else "longer"
    note = f"the evidence excludes {left_out} {what} real videos" if left_out else ""
    return evidence, used, note


def fit_segments(
    store: FeatureStore, found: Mapping[int, StoredScore], policy: SequencePolicy
) -> SegmentAlarms | None:
    """Fit segment alarms to real clips; return None if only the first windows are scored."""
    if policy.windows != "all":
        return None
    curves = (
        own_delay_curve(store.logits(index), store.valid_audio(index), policy) for index in found
    )
    return SegmentAlarms.fit(curve for curve in curves if curve is not None)


def forgeries(store: FeatureStore, *, split: Names = None, category: Names = None) -> list[int]:
    """Return the indices of the forgeries in a store, selected by split and category.

    Raises
    ------
    ManifestError
        No forgery matches.
    """
    wanted = fits(split, category)
    chosen = [index for index, entry in enumerate(store) if entry.label == 1 and wanted(entry)]
    if not chosen:
        raise ManifestError(f"{store.folder}: no forgeries{selection(split, category)}")
    return chosen


def selection(split: Names = None, category: Names = None) -> str:
    """Format a selection for messages, e.g. `` of category a or b in split test``."""
    return "".join(
        f" {words} {' or '.join([names] if isinstance(names, str) else names)}"
        for words, names in (("of category", category), ("in split", split))
        if names
    )


def fit_likelihood(
    reals: tuple[FeatureStore, Sequence[int], np.ndarray],
    fakes: tuple[FeatureStore, Mapping[int, StoredScore]],
    evidence: Evidence | None,
    *,
    of: str,
    part: str,
    method: str,
    generator: str,
    fewest: int,
    seed: int = 0,
) -> LikelihoodRatio:
    """Fit a likelihood ratio to real videos and forgeries.

    Parameters
    ----------
    reals : (FeatureStore, sequence of int, float array)
        Store, indices of clips, and their values (cross-fitted evidence, or scores).
    fakes : (FeatureStore, mapping of int to StoredScore)
        Scored forgeries by index.
    evidence : Evidence or None
        Evidence fitted to ``reals``; required for ``of="evidence"``.
    of, method, fewest, seed
        As in `LikelihoodRatio.fit`.
    part : {"both", "distribution", "activation"}
        Part of the score to use for the forgeries, as for the real clips.
    generator : {"method", "category"}
        The column that names the generator of a forgery.

    Raises
    ------
    ConfigError
        A setting is invalid, or there is no evidence.
    """
    check_choice("fakes.generator", generator, GENERATORS)
    check_choice("likelihood.of", of, ("evidence", "score"))
    if of == "evidence" and evidence is None:
        raise ConfigError(
            "likelihood.of=evidence needs evidence, but none was fitted; use likelihood.of=score"
        )
    store, found = fakes
    entries, values = [], []
    for index, one in found.items():
        value = score_of(one.scores[0], part=part)
        if of == "evidence":
            value = evidence.value(one.statistics) if one.inner == evidence.inner else None
        if value is not None:
            entries.append(store[index])
            values.append(value)
    of_reals = [reals[0][index] for index in reals[1]]
    return LikelihoodRatio.fit(
        Sample(np.asarray(reals[2]), [who(entry) for entry in of_reals]),
        Sample(
            np.array(values, np.float64),
            [who(entry) for entry in entries],
            [getattr(entry, generator) or "(not named)" for entry in entries],
        ),
        of=of,
        kinds=[entry.category for entry in entries if entry.category],
        method=method,
        fewest=fewest,
        seed=seed,
    )
