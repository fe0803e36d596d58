"""Plan the clips of a synthetic set: people, recordings, forgeries and file names."""

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
LAVDF_SPLITS = {"val": "dev", "test": "test"}  # other splits become "train"
# Folders of the real set; synthetic people do not depend on them.
REGIONS = (
    "African",
    "Asian (East)",
    "Asian (South)",
    "Caucasian (American)",
    "Caucasian (European)",
)


class Use(IntEnum):
    """Uses of random numbers; each use has separate streams."""

    PERSON = 0
    WORDS = 1
    SOUND = 2
    SCENE = 3
    PLAN = 4
    REMAKE = 5


class Kind(NamedTuple):
    """FakeAVCeleb's terms for a category: method, letter, type and file suffix."""

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
    """A recording of a person; ``clip`` is its number."""

    identity: int
    clip: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """Size of one split; no two splits share a person.

    Parameters
    ----------
    identities, clips : int
        Number of people, and of real clips per person.
    fakes : mapping of str to int
        Number of fakes by category: RVFA, FVRA-WL, FVFA-WL, FVRA-faceswap (a face swap that
        keeps lips and audio in sync), partial.

    Raises
    ------
    ConfigError
        A number is out of range, a category is unknown, or there are fakes but only one identity.
    """

    identities: int
    clips: int
    fakes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.identities < 1 or not 1 <= self.clips <= 999:
            raise ConfigError(
                "a synthetic split needs identities >= 1 and clips within 1..999, got "
                f"{self.identities} and {self.clips}"
            )
        known = (*FORGERIES, PARTIAL)
        for category, count in self.fakes.items():
            if category not in known:
                raise ConfigError(
                    f"unknown category {category!r} of synthetic fakes; known: {', '.join(known)}"
                )
            if count < 0:
                raise ConfigError(f"the number of {category} fakes must be >= 0, got {count}")
        if any(self.fakes.values()) and self.identities < 2:
            raise ConfigError("synthetic fakes need a split with at least two identities")


@dataclass(frozen=True)
class PlannedClip:
    """A clip to make."""

    path: str  # relative to the set's folder
    split: str
    category: str  # ``"real"``, one of ``FORGERIES`` or ``"partial"``
    manner: str  # how the clip is forged: its category, or the category of a partial forgery's span
    source: Take  # recording of the video (and, unless forged, of the audio)
    target: Take | None = None  # recording of the forged audio, mouth or face
    span: tuple[int, int] | None = None  # start and end (exclusive) of a partial forgery in frames
    number: int = 0  # seed of the forgery, which differs between fakes of one source

    @property
    def kind(self) -> Kind:
        """How the clip is forged, in FakeAVCeleb's terms."""
        return FORGERIES.get(self.manner, REAL)

    @property
    def segments(self) -> tuple[tuple[float, float], ...]:
        """Forged segment of a partial forgery in seconds; empty for other clips."""
        return ((self.span[0] / FPS, self.span[1] / FPS),) if self.span else ()


def stream(seed: int, use: Use, *numbers: int) -> np.random.Generator:
    """Return a random generator that depends only on its own keys, not on other clips."""
    return np.random.default_rng([seed, int(use), *numbers])


def name(identity: int) -> str:
    """Return the name of a person, e.g. ``id00001`` for the first."""
    return f"id{identity + 1:05d}"


def region(identity: int) -> str:
    """Return the region folder of a person, which matters only for the layout of the tree."""
    return REGIONS[identity % len(REGIONS)]


def gender(seed: int, identity: int) -> str:
    """Return the gender folder of a person, ``men`` or ``women``."""
    return "men" if person(seed, identity).man else "women"


@lru_cache(maxsize=4096)
def person(seed: int, identity: int) -> Identity:
    """Return the ``identity``-th person of a set, independently of the splits."""
    return Identity.sample(stream(seed, Use.PERSON, identity))


def plan(splits: Mapping[str, Split], *, seed: int, n_frames: int) -> list[PlannedClip]:
    """List all clips, grouped by person.

    Parameters
    ----------
    splits : mapping of str to Split
        Splits by name; identities are numbered in the order of the splits.
    n_frames : int
        Frames per clip.
    """
    jobs: list[PlannedClip] = []
    first = 0
    for order, (split, sizes) in enumerate(splits.items()):
        people = range(first, first + sizes.identities)
        first += sizes.identities
        takes = [Take(who, clip) for who in people for clip in range(sizes.clips)]
        reals = [
            PlannedClip(
                _path(seed, REAL, take, f"{_number(take)}.mp4"), split, "real", "real", take
            )
            for take in takes
        ]
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
) -> list[PlannedClip]:
    """Plan ``count`` fakes, each from a different real clip as far as possible."""
    sources = [takes[i] for i in rng.permutation(len(takes))]
    jobs = []
    for number in range(count):
        source = sources[number % len(sources)]
        target = _target(rng, seed, source, takes)
        if category == PARTIAL:
            manner = PARTIAL_MANNERS[number % len(PARTIAL_MANNERS)]
            path, span = "", _span(rng, n_frames)  # the path follows in `_number_partials`
        else:
            manner, kind, span = category, FORGERIES[category], None
            file = f"{_number(source)}_{number}_{name(target.identity)}_{kind.ending}.mp4"
            path = _path(seed, kind, source, file)
        jobs.append(PlannedClip(path, split, category, manner, source, target, span, number))
    return jobs


def _target(rng: np.random.Generator, seed: int, source: Take, takes: list[Take]) -> Take:
    """Choose a clip of another person, of the same gender if possible, as a forger would."""
    others = [take for take in takes if take.identity != source.identity]
    wanted = gender(seed, source.identity)
    alike = [take for take in others if gender(seed, take.identity) == wanted]
    pool = alike or others
    return pool[rng.integers(len(pool))]


def _span(rng: np.random.Generator, n_frames: int) -> tuple[int, int]:
    """Sample a segment of 30-60 % of the clip."""
    length = round(n_frames * rng.uniform(0.3, 0.6))
    first = int(rng.integers(0, n_frames - length + 1))
    return first, first + length


def _number(take: Take) -> str:
    """Return a unique file name for a real clip."""
    return f"{take.identity * 1000 + take.clip + 1:05d}"


def _path(seed: int, kind: Kind, take: Take, file: str) -> str:
    who = take.identity
    return f"{AVCELEB}/{kind.type}/{region(who)}/{gender(seed, who)}/{name(who)}/{file}"


def _number_partials(jobs: list[PlannedClip]) -> list[PlannedClip]:
    """Number clips as in LAV-DF: six digits, odd for partial forgeries, even for originals."""
    numbered, count = [], 0
    for job in jobs:
        if job.category == PARTIAL:
            folder = LAVDF_SPLITS.get(job.split, "train")
            job = replace(job, path=f"{LAVDF}/{folder}/{2 * count + 1:06d}.mp4")
            count += 1
        numbered.append(job)
    return numbered
