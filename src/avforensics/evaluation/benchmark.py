"""Select the tested clips of a benchmark, and name the folder of their features."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from os import PathLike

from avforensics.data.lists import pick, read_list
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.splits import sample
from avforensics.errors import ManifestError
from avforensics.features.store import Entry

Names = str | Collection[str] | None


def fits(split: Names = None, category: Names = None, method: Names = None) -> Callable:
    """Return a predicate that selects the tested rows of a manifest or a store.

    Real videos are tested regardless of ``category`` and ``method``, since every category is
    measured against them. None = any value.
    """
    splits, categories, methods = map(_names, (split, category, method))

    def test(row: Row | Entry) -> bool:
        of_kind = row.label == 0 or (
            (categories is None or row.category in categories)
            and (methods is None or row.method in methods)
        )
        return of_kind and (splits is None or row.split in splits)

    return test


def tested_clips(
    manifest: Manifest,
    *,
    split: Names = None,
    category: Names = None,
    method: Names = None,
    listed: str | PathLike | None = None,
    listed_fake: int = 1,
    strict: bool = True,
    real: int | None = None,
    fake: int | None = None,
    one_per_identity: bool = False,
    seed: int = 0,
) -> Manifest:
    """Select the tested clips: a given list, a seeded sample, or all.

    Parameters
    ----------
    manifest : Manifest
        The whole benchmark.
    split, category, method
        As in `fits`.
    listed : path, optional
        A list of clips, see `avforensics.data.lists.read_list`; replaces sampling.
    listed_fake : int
        Label of fakes in the list.
    strict : bool
        Reject a list with entries that match no clip.
    real, fake : int, optional
        Number of real clips, and of fakes per category, to draw; None = all.

    Raises
    ------
    ManifestError
        No clip is left, or there are fewer clips than requested.
    """
    chosen = Manifest(filter(fits(split, category, method), manifest))
    if listed is not None:
        chosen = pick(chosen, read_list(listed, fake=listed_fake), strict=strict)
    elif real is not None or fake is not None or one_per_identity:
        chosen = sample(chosen, real=real, fake=fake, seed=seed, one_per_identity=one_per_identity)
    if not len(chosen):
        there = ", ".join(sorted({row.split or "(empty)" for row in manifest})) or "none"
        raise ManifestError(f"no clip of the benchmark matches the selection; splits: {there}")
    return chosen


def some_real(manifest: Manifest, count: int, seed: int) -> Manifest:
    """Draw at most ``count`` real clips with a seed, spread over identities."""
    real = sample(manifest, real=None, fake=0)
    return sample(real, real=min(count, len(real)), fake=0, seed=seed)


def also_trained(
    tested: Iterable[Row | Entry], known: Iterable[Row | Entry], splits: Collection[str]
) -> set[str]:
    """Return identities (or paths, if unknown) of tested clips that also occur in training.

    Parameters
    ----------
    known : iterable of Row or Entry
        Clips that may include training clips.
    splits : collection of str
        Training splits.
    """
    trained = {clip.identity or clip.path for clip in known if clip.split in splits}
    return trained & {clip.identity or clip.path for clip in tested}


def store_name(
    benchmark: str, manifest: Manifest, network: str, *, max_windows: int | None, edit: str = ""
) -> str:
    """Return the name of a feature folder, which identifies the clips and their features."""
    windows = "all" if max_windows is None else f"first{max_windows}"
    made_of = [benchmark, manifest.digest[:8], network[:8], windows]
    return "-".join([*made_of, edit.replace("/", "_")] if edit else made_of)


def _names(value: Names) -> set[str] | None:
    return None if value is None else {value} if isinstance(value, str) else set(value)
