"""Which clips a synthetic set holds: who, what, forged how, under which name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from avforensics.errors import ConfigError
from avforensics.media.types import FPS
from avforensics.synthetic.identity import Identity

AVCELEB = "SyntheticAVCeleb"
LAVDF = "SyntheticLAVDF"
LAVDF_SPLITS = {"val": "dev", "test": "test"}  # every other split is LAV-DF's train
# The folders of the real set. Nothing about a drawn person follows from the first of them.
REGIONS = (
    "African",
    "Asian (East)",
    "Asian (South)",
    "Caucasian (American)",
    "Caucasian (European)",
)


class Use(IntEnum):
    """What random numbers are for; each use has streams of its own."""

    PERSON = 0
    WORDS = 1
    SOUND = 2
    SCENE = 3
    PLAN = 4
    REMAKE = 5


class Kind(NamedTuple):
    """A category in the words of FakeAVCeleb: method, letter, type; and the ending of names."""

    method: str
    letter: str
    type: str
    ending: str


REAL = Kind("real", "A", "RealVideo-RealAudio", "")
FORGERIES = {
    "RVFA": Kind("rtvc", "B", "RealVideo-FakeAudio", "rtvc"),
    "FVRA-WL": Kind("wav2lip", "C", "FakeVideo-RealAudio", "wavtolip"),
    "FVFA-WL": Kind("wav2lip", "D", "FakeVideo-FakeAudio", "wavtolip"),
    "FVRA-faceswap": Kind("faceswap", "C", "FakeVideo-RealAudio", "faceswap"),
}
PARTIAL = "partial"
PARTIAL_MANNERS = ("RVFA", "FVRA-WL", "FVFA-WL")


class Take(NamedTuple):
    """One recording: the ``clip``-th of a person."""

    identity: int
    clip: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """Size of one split; no two splits share a person.

    Parameters
    ----------
    identities, clips : int
        Persons, and real clips of each.
    fakes : mapping of str to int
        Fakes by category: RVFA, FVRA-WL, FVFA-WL, FVRA-faceswap (a face swap that
        keeps lips and sound in sync), partial.

    Raises
    ------
    ConfigError
        Counts below one, an unknown category, or fakes with fewer than two identities.
    """

    identities: int
    clips: int
    fakes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.identities < 1 or not 1 <= self.clips <= 999:
            raise ConfigError(
                "a synthetic split needs 1 identity or more and 1 to 999 clips of each"
            )
        known = (*FORGERIES, PARTIAL)
        for category, count in self.fakes.items():
            if category not in known:
                raise ConfigError(
                    f"unknown category {category!r} of synthetic fakes; known: {', '.join(known)}"
                )
            if count < 0:
                raise ConfigError(f"the number of {category} fakes must not be negative: {count}")
        if any(self.fakes.values()) and self.identities < 2:
            raise ConfigError("synthetic fakes need a split with two identities or more")


@dataclass(frozen=True)
class Job:
    """One clip to make.

    Attributes
    ----------
    path : str
        Relative to the set's folder.
    split, category : str
        Category is ``"real"``, one of ``FORGERIES`` or ``"partial"``.
    manner : str
        What is done: the category, or for partial forgeries the one used in the span.
    source : Take
        Whose picture (and, unless forged, sound) it is.
    target : Take or None
        Where the forged sound, mouth or face comes from.
    span : tuple of int or None
        First frame and frame after the last of a partial forgery.
    number : int
        Makes the forger's random numbers differ between fakes of one source.
    """

    path: str
    split: str
    category: str
    manner: str
    source: Take
    target: Take | None = None
    span: tuple[int, int] | None = None
    number: int = 0

    @property
    def kind(self) -> Kind:
        """The manner in FakeAVCeleb's words."""
        return FORGERIES.get(self.manner, REAL)

    @property
    def segments(self) -> tuple[tuple[float, float], ...]:
        """Forged seconds of a partial forgery, else nothing."""
        return ((self.span[0] / FPS, self.span[1] / FPS),) if self.span else ()


def stream(seed: int, use: Use, *numbers: int) -> np.random.Generator:
    """The random numbers of one thing: nothing else that is made before or after moves them."""
    return np.random.default_rng([seed, int(use), *numbers])


def name(identity: int) -> str:
    """``id00001`` for the first person."""
    return f"id{identity + 1:05d}"


def region(identity: int) -> str:
    """Folder of a person; only the shape of the tree hangs on it."""
    return REGIONS[identity % len(REGIONS)]


def gender(seed: int, identity: int) -> str:
    """Folder of a person: ``men`` or ``women``."""
    return "men" if person(seed, identity).man else "women"


@lru_cache(maxsize=4096)
def person(seed: int, identity: int) -> Identity:
    """The ``identity``-th person of a set; one more split changes nobody."""
    return Identity.sample(stream(seed, Use.PERSON, identity))


def plan(splits: Mapping[str, Split], *, seed: int, n_frames: int) -> list[Job]:
    """List all clips, those of a person one after another.

    Parameters
    ----------
    splits : mapping of str to Split
        Persons are numbered through in this order.
    n_frames : int
        Frames of each clip.

    Returns
    -------
    list of Job
    """
    jobs: list[Job] = []
    first = 0
    for order, (split, sizes) in enumerate(splits.items()):
        people = range(first, first + sizes.identities)
        first += sizes.identities
        takes = [Take(who, clip) for who in people for clip in range(sizes.clips)]
        reals = [Job(_real_path(seed, take), split, "real", "real", take) for take in takes]
        fakes = []
        for number, category in enumerate((*FORGERIES, PARTIAL)):
            rng = stream(seed, Use.PLAN, order, number)
            count = sizes.fakes.get(category, 0)
            fakes += _fakes(rng, split, category, count, takes, seed, n_frames)
        jobs += sorted(reals + fakes, key=lambda job: job.source.identity)
    return _number_partials(jobs)


def _fakes(
    rng: np.random.Generator,
    split: str,
    category: str,
    count: int,
    takes: list[Take],
    seed: int,
    n_frames: int,
) -> list[Job]:
    """``count`` fakes, each from a real clip of its own while there are enough of them."""
    sources = [takes[i] for i in rng.permutation(len(takes))]
    jobs = []
    for number in range(count):
        source = sources[number % len(sources)]
        target = _target(rng, seed, source, takes)
        if category == PARTIAL:
            manner = PARTIAL_MANNERS[number % len(PARTIAL_MANNERS)]
            jobs.append(
                Job("", split, category, manner, source, target, _span(rng, n_frames), number)
            )
            continue
        kind = FORGERIES[category]
        folder = f"{AVCELEB}/{kind.type}/{region(source.identity)}/{gender(seed, source.identity)}"
        file = f"{_number(source)}_{number}_{name(target.identity)}_{kind.ending}.mp4"
        path = f"{folder}/{name(source.identity)}/{file}"
        jobs.append(Job(path, split, category, category, source, target, None, number))
    return jobs


def _target(rng: np.random.Generator, seed: int, source: Take, takes: list[Take]) -> Take:
    """Somebody else's clip; of the same gender where there is one, as forgers choose."""
    others = [take for take in takes if take.identity != source.identity]
    wanted = gender(seed, source.identity)
    alike = [take for take in others if gender(seed, take.identity) == wanted]
    pool = alike or others
    return pool[rng.integers(len(pool))]


def _span(rng: np.random.Generator, n_frames: int) -> tuple[int, int]:
    """A stretch of 30-60 % of the clip."""
    length = round(n_frames * rng.uniform(0.3, 0.6))
    first = int(rng.integers(0, n_frames - length + 1))
    return first, first + length


def _number(take: Take) -> str:
    """Name of a real clip's file, unlike that of any other in the set."""
    return f"{take.identity * 1000 + take.clip + 1:05d}"


def _real_path(seed: int, take: Take) -> str:
    who = take.identity
    folder = f"{AVCELEB}/{REAL.type}/{region(who)}/{gender(seed, who)}/{name(who)}"
    return f"{folder}/{_number(take)}.mp4"


def _number_partials(jobs: list[Job]) -> list[Job]:
    """Give partial forgeries LAV-DF's six-digit names, odd numbers: even ones are originals."""
    numbered, count = [], 0
    for job in jobs:
        if job.category == PARTIAL:
            folder = LAVDF_SPLITS.get(job.split, "train")
            job = replace(job, path=f"{LAVDF}/{folder}/{2 * count + 1:06d}.mp4")
            count += 1
        numbered.append(job)
    return numbered
