"""Generate a synthetic set: make the missing planned clips in parallel."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from avforensics.errors import AVForensicsError, ConfigError
from avforensics.files import write_json
from avforensics.media.types import FPS
from avforensics.media.writer import write_clip
from avforensics.pool import Failed, cores, in_processes
from avforensics.synthetic.forge import make_clip
from avforensics.synthetic.plan import PARTIAL, PlannedClip, Split, plan
from avforensics.synthetic.tree import write_papers

VERSION = 4  # incremented when the same settings yield different clips
FAKES = {"RVFA": 60, "FVRA-WL": 60, "FVFA-WL": 60, "FVRA-faceswap": 60, PARTIAL: 60}
SPLITS = {
    "sync": Split(identities=40, clips=6),
    "anomaly": Split(identities=20, clips=4),
    "val": Split(identities=8, clips=3),
    "test": Split(identities=20, clips=3, fakes=FAKES),
}


@dataclass(frozen=True)
class SyntheticSet:
    """A generated set."""

    # contains SyntheticAVCeleb/ (with meta_data.csv), SyntheticLAVDF/ (with partial forgeries),
    # README.txt, synthetic.json and the manifest
    folder: Path
    manifest: Path  # manifest.csv: one row per clip
    counts: dict[str, int]  # number of clips by category
    made: int  # number of clips made by this call; the others existed already


def generate(
    out: str | os.PathLike,
    *,
    splits: Mapping[str, Split | Mapping] = SPLITS,
    seed: int = 0,
    seconds: float = 3.0,
    size: int = 112,
    strength: float = 1.0,
    silence: float = 0.0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SyntheticSet:
    """Generate synthetic talking heads; an interrupted call can be resumed.

    Equal settings produce equal bytes for any number of workers (with the same versions
    of numpy, Pillow and PyAV).

    Parameters
    ----------
    out : str or PathLike
        Folder of the set.
    splits : mapping of str to Split or mapping
        Sizes by split, e.g. ``{"test": {"identities": 20, "clips": 3, "fakes": {"RVFA": 60}}}``.
    seconds : float
        Length of a clip; rounded to whole frames of 40 ms.
    size : int
        Side of the square frames in pixels, even, 32 or more.
    strength : float
        Factor on the errors of mouths generated from audio (FVFA-WL).
    silence : float
        Seconds of silence at the start of forgeries, but not of real clips or partial forgeries.
        This flaw of FakeAVCeleb and AV-Deepfake1M (arXiv 2412.00175) is copied on purpose so that a
        control can expose it.
    workers : int, optional
        Number of processes; None = one per available core, 1 = this process. With more processes,
        scripts need ``if __name__ == "__main__":``, since processes are spawned.
    progress : callable, optional
        Called after each person with the number of finished clips and the number of all clips.

    Raises
    ------
    ConfigError
        A setting is invalid, or the folder holds a set with other settings.
    """
    sizes = _parse_splits(splits)
    n_frames = round(seconds * FPS)
    if n_frames < 25:
        raise ConfigError(f"seconds must be >= 1, got {seconds}")
    if size % 2 or size < 32:
        raise ConfigError(f"size must be even and >= 32, got {size}")
    if seed < 0 or strength < 0 or (workers is not None and workers < 1):
        raise ConfigError(
            "seed and strength must be >= 0 and workers must be >= 1, got "
            f"{seed}, {strength} and {workers}"
        )
    if not 0 <= silence < seconds:
        raise ConfigError(f"silence must be >= 0 and < {seconds}, got {silence}")
    folder = Path(out)
    made_with = {"seed": seed, "n_frames": n_frames, "size": size, "strength": strength}
    if silence:
        made_with["silence"] = silence
    _claim(folder, sizes, **made_with)
    jobs = plan(sizes, seed=seed, n_frames=n_frames)
    missing = [job for job in jobs if not (folder / job.path).exists()]
    work = partial(_make, str(folder), **made_with)
    people = groupby(missing, key=lambda job: job.source.identity)  # to reuse the cached head
    batches = dict(enumerate(list(group) for _, group in people))
    done = len(jobs) - len(missing)
    for number, result in in_processes(work, batches, workers=workers or cores()):
        if isinstance(result, Failed):
            raise AVForensicsError(f"clips of {batches[number][0].path}: {result.reason}")
        done += result
        if progress:
            progress(done, len(jobs))
    write_papers(folder, jobs, seed=seed, n_frames=n_frames)
    counts = dict(Counter(job.category for job in jobs))
    return SyntheticSet(folder, folder / "manifest.csv", counts, len(missing))


def _parse_splits(splits: Mapping[str, Split | Mapping]) -> dict[str, Split]:
    if not splits:
        raise ConfigError("splits must name at least one split")
    parsed = {}
    for name, value in splits.items():
        try:
            parsed[name] = value if isinstance(value, Split) else Split(**value)
        except TypeError:
            raise ConfigError(
                f"synthetic split {name} must have identities, clips and optionally fakes, "
                f"got {value}"
            ) from None
    return parsed


def _claim(folder: Path, sizes: dict[str, Split], **settings) -> None:
    """Record the settings in the folder; reject a folder with other settings."""
    splits = {name: {**asdict(split), "fakes": dict(split.fakes)} for name, split in sizes.items()}
    wanted = {"synthetic": True, "version": VERSION, **settings, "splits": splits}
    path = folder / "synthetic.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != wanted:
            raise ConfigError(
                f"{folder} holds a synthetic set with other settings (see its synthetic.json); "
                "remove it or choose another folder"
            )
        return
    write_json(path, wanted)


def _make(folder: str, people: Sequence[list[PlannedClip]], **settings) -> Iterator[int]:
    """Make and write the clips of each person; yield the number of clips."""
    for jobs in people:
        for job in jobs:
            frames, audio = make_clip(job, **settings)
            write_clip(Path(folder) / job.path, frames, audio, preset="veryfast")
        yield len(jobs)
