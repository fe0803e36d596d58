"""Splits that share no identity and come out the same on every machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from avforensics.data.manifest import Manifest
from avforensics.errors import ManifestError
from avforensics.files import fingerprint

EXCLUDED = "excluded"


def split_by_identity(
    manifest: Manifest, shares: Mapping[str, float], *, seed: int = 0, keep: Collection[str] = ()
) -> Manifest:
    """Give every identity, with all its clips, to one split.

    The synchronisation network and the anomaly model must be trained on different people (paper
    Sec. 4.2), so ``shares`` usually names at least ``sync`` and ``anomaly``. Identities are put
    in the order of a hash of seed and name, and that order is cut: neither the order of rows nor
    Python's random state has a say.

    Parameters
    ----------
    manifest : Manifest
        Every row that is to be split needs an identity.
    shares : mapping of str to float
        Split name to its share of the identities; shares are relative to their sum. Every split
        gets at least one identity.
    keep : collection of str
        Splits already in the manifest that stay as they are (a set's own ``val`` and ``test``).
        Other clips of their identities are put into split ``"excluded"``, so that they are
        counted and in nobody's way.

    Returns
    -------
    Manifest
        The same rows in the same order with ``split`` filled in.

    Raises
    ------
    ManifestError
        Shares are nonsense, a row has no identity, or there are fewer identities than splits.
    """
    if not (shares and isinstance(shares, Mapping) and all(map(_is_share, shares.values()))):
        raise ManifestError(
            f"shares of splits must be numbers above 0, as in {{sync: 0.5, val: 0.5}}, not {shares}"
        )
    nameless = [row.path for row in manifest if not row.identity and row.split not in keep]
    if nameless:
        raise ManifestError(
            f"{len(nameless)} clips name no identity and cannot be split, e.g. {nameless[0]}"
        )
    kept = {row.identity for row in manifest if row.split in keep}
    pool = {row.identity for row in manifest if row.split not in keep} - kept
    if len(pool) < len(shares):
        raise ManifestError(
            f"{len(pool)} identit{'y' if len(pool) == 1 else 'ies'} cannot make {len(shares)} "
            f"splits that share none ({', '.join(shares)}); where each video of a folder shows "
            "somebody else, say source.identity=stem"
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
    """Draw so many real clips and so many of each fake category.

    Such as the paper's test set of 100 real + 100 per category (Sec. 4.1), whose list was never
    published. Clips are drawn in turn from one identity after the other, both in the order of a
    hash of the seed, so that as many identities as possible take part. Of doubled rows only the
    first counts.

    Parameters
    ----------
    real, fake : int or None
        Number of real clips, and of fake clips of each category; None = all that can be drawn.
    one_per_identity : bool
        Take at most one clip of an identity within each category.

    Raises
    ------
    ManifestError
        There are too few clips of a kind; the message says how many there are.
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
            raise ManifestError(f"{wanted} {what} are asked for and there are {len(drawn)}")
        chosen.update(drawn[:wanted])
    return Manifest(row for position, row in enumerate(manifest) if position in chosen)


def _in_turn(
    manifest: Manifest, people: dict[str, list[int]], seed: int, most: int | None
) -> list[int]:
    """Positions in rounds: the first clip of everybody, then the second, and so on."""
    ranked = []
    for name, positions in people.items():
        clips = sorted(positions, key=lambda p: _rank(seed, _inner_name(manifest[p].path)))
        ranked += [(turn, _rank(seed, name), p) for turn, p in enumerate(clips[:most])]
    return [position for _, _, position in sorted(ranked)]


def _inner_name(path: str) -> str:
    """The end of a path, which stays the same wherever the data set lies."""
    return "/".join(path.replace("\\", "/").rsplit("/", 3)[-3:])


def _cut(names: list[str], shares: Mapping[str, float]) -> dict[str, str]:
    total, passed, begin = sum(shares.values()), 0.0, 0
    split_of = {}
    for left, (split, share) in zip(range(len(shares) - 1, -1, -1), shares.items(), strict=True):
        passed += share
        end = len(names) if left == 0 else round(len(names) * passed / total)
        end = min(max(end, begin + 1), len(names) - left)  # one identity at least for everybody
        split_of.update(dict.fromkeys(names[begin:end], split))
        begin = end
    return split_of


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < float("inf")


def _rank(seed: int, name: str) -> str:
    return fingerprint(f"{seed}:{name}")
