"""Identity-disjoint splits, the same on every machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from avforensics.data.manifest import Manifest
from avforensics.errors import ManifestError
from avforensics.files import fingerprint

EXCLUDED = "excluded"


def split_by_identity(
    manifest: Manifest, shares: Mapping[str, float], *, seed: int = 0, keep: Collection[str] = ()
) -> Manifest:
    """Assign every identity, with all its clips, to one split.

    The synchronisation network and the anomaly model must be trained on different people (paper
    Sec. 4.2), so ``shares`` usually names at least ``sync`` and ``anomaly``. Identities are sorted
    by a hash of seed and name and then divided, so neither the order of rows nor Python's random
    state matters.

    Parameters
    ----------
    manifest : Manifest
        Every row to be split needs an identity.
    shares : mapping of str to float
        Share of the identities for each split, relative to the sum of all shares. Every split gets
        at least one identity.
    keep : collection of str
        Existing splits that stay unchanged, such as ``val`` and ``test``. Other clips of their
        identities are put into the split ``"excluded"``, where they are counted but not used.

    Returns
    -------
    Manifest
        The same rows in the same order with ``split`` filled in.

    Raises
    ------
    ManifestError
        A share is invalid, a row has no identity, or there are fewer identities than splits.
    """
    if not (shares and isinstance(shares, Mapping) and all(map(_is_share, shares.values()))):
        raise ManifestError(
            f"shares must be numbers > 0, e.g. {{sync: 0.5, val: 0.5}}, got {shares}"
        )
    nameless = [row.path for row in manifest if not row.identity and row.split not in keep]
    if nameless:
        raise ManifestError(
            f"{len(nameless)} clips have no identity and cannot be split, e.g. {nameless[0]}"
        )
    kept = {row.identity for row in manifest if row.split in keep}
    pool = {row.identity for row in manifest if row.split not in keep} - kept
    if len(pool) < len(shares):
        raise ManifestError(
            f"{len(pool)} identit{'y' if len(pool) == 1 else 'ies'} cannot make {len(shares)} "
            f"disjoint splits ({', '.join(shares)}); if each video of a folder shows a "
            "different person, set source.identity=stem"
        )
    split_of = _cut(sorted(pool, key=lambda name: (_rank(seed, name), name)), shares)
    return Manifest(
        row if row.split in keep else row._replace(split=split_of.get(row.identity, EXCLUDED))
        for row in manifest
    )


def sample(
    manifest: Manifest,
    *,
    real: int | None,
    fake: int | None,
    seed: int = 0,
    one_per_identity: bool = False,
) -> Manifest:
    """Sample real clips and fakes of each category.

    The paper's test set, for example, has 100 real clips and 100 fakes per category (Sec. 4.1), but
    its list was never published. Clips are taken in rounds, one per identity, with identities and
    clips ordered by a seeded hash, so that as many identities as possible occur. Of duplicate rows,
    only the first counts.

    Parameters
    ----------
    real, fake : int or None
        Number of real clips, and of fakes per category; None = all.
    one_per_identity : bool
        Take at most one clip per identity and category.

    Raises
    ------
    ManifestError
        There are too few real clips, or too few fakes of a category.
    """
    groups: dict[tuple[int, str], dict[str, list]] = {}
    seen = set()
    for position, row in enumerate(manifest):
        if (key := row.source) in seen:
            continue
        seen.add(key)
        kind = (1, row.category) if row.label else (0, "real")
        groups.setdefault(kind, {}).setdefault(row.identity or row.path, []).append(position)
    chosen: set[int] = set()
    for (label, category), people in sorted(groups.items()):
        wanted = fake if label else real
        drawn = _in_turn(manifest, people, seed, 1 if one_per_identity else None)
        if wanted is not None and len(drawn) < wanted:
            what = f"fake clips of category {category or '(empty)'}" if label else "real clips"
            raise ManifestError(f"{wanted} {what} requested, but only {len(drawn)} available")
        chosen.update(drawn[:wanted])
    return Manifest(row for position, row in enumerate(manifest) if position in chosen)


def _in_turn(
    manifest: Manifest, people: dict[str, list[int]], seed: int, most: int | None
) -> list[int]:
    """Return positions in rounds: the first clip of each identity, then the second, etc."""
    ranked = []
    for name, positions in people.items():
        clips = sorted(positions, key=lambda p: _rank(seed, _inner_name(manifest[p].path)))
        ranked += [(turn, _rank(seed, name), p) for turn, p in enumerate(clips[:most])]
    return [position for _, _, position in sorted(ranked)]


def _inner_name(path: str) -> str:
    """Return the last three components of a path, which do not depend on the data set's folder."""
    return "/".join(path.replace("\\", "/").rsplit("/", 3)[-3:])


def _cut(names: list[str], shares: Mapping[str, float]) -> dict[str, str]:
    total, passed, begin = sum(shares.values()), 0.0, 0
    split_of = {}
    for left, (split, share) in zip(range(len(shares) - 1, -1, -1), shares.items(), strict=True):
        passed += share
        end = len(names) if left == 0 else round(len(names) * passed / total)
        end = min(max(end, begin + 1), len(names) - left)  # at least one identity per split
        split_of.update(dict.fromkeys(names[begin:end], split))
        begin = end
    return split_of


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < float("inf")


def _rank(seed: int, name: str) -> str:
    return fingerprint(f"{seed}:{name}")
