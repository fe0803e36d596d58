"""Measure how often the right speaker is named, in pairs of clips with the sound of one clip.

    python scripts/bench_speakers.py MANIFEST.csv --split test        # clips with one face each
    python scripts/bench_speakers.py FOLDER --pairs 50 --checkpoint model.safetensors

Pairs of real clips are drawn at random with a seed. Each pair is written side by side as one video
and scored as by ``detect faces=auto scoring.windows=all``. The table has the number of pairs with
two tracks, the number of pairs in which the right person is named most of the time, and the mean
share of the time in which the right person is named.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from avforensics.checkpoints import load_models
from avforensics.data.manifest import Manifest
from avforensics.detection.choices import face_options
from avforensics.detection.faces import VideoScorer
from avforensics.detection.inputs import list_inputs
from avforensics.media import read_audio, write_clip
from avforensics.media.video import VideoReader
from avforensics.scoring.clips import ClipScorer


def compose(left: Path, right: Path, heard: int, path: Path) -> None:
    """Write two clips of equal size side by side, cut to equal length, with the sound of one."""
    with VideoReader(left) as a, VideoReader(right) as b:
        frames = (
            np.concatenate([np.asarray(a.upright(one)), np.asarray(b.upright(other))], axis=1)
            for one, other in zip(a, b, strict=False)
        )
        sound = read_audio((left, right)[heard], origin=(a, b)[heard].origin)
        write_clip(path, frames, sound, crf=18)


def named(scorer: VideoScorer, path: Path) -> tuple[int, list[float]]:
    """Return the number of tracks, and each side's share of the speaking time, left first."""
    outcome = scorer.score(path)
    faces = sorted(outcome.faces, key=lambda face: face.track.boxes[:, 0].mean())
    return len(faces), [face.speaks for face in faces]


def clips_of(source: Path, split: str | None) -> list[Path]:
    if source.suffix == ".csv":
        return [Path(row.path) for row in Manifest.read(source).select(split=split, label=0)]
    return [clip.path for clip in list_inputs(source)]


def checkpoint(name: str) -> dict[str, str]:
    """Return the setting of `load_models` for a checkpoint."""
    return {"asset": name} if name == "grid_compact" else {"bundle": name, "search": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="a manifest or a folder of clips with one face")
    parser.add_argument("--split", help="of the manifest")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--checkpoint", default="grid_compact", help="a bundle, or grid_compact")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    clips = clips_of(options.clips, options.split)
    random = np.random.default_rng(options.seed)
    models = load_models(checkpoint(options.checkpoint))
    scorer = VideoScorer(ClipScorer(models, windows="all"), face_options(models, mode="auto"))
    two, right, shares = 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        for number in track(range(options.pairs), "pairs", console=Console(stderr=True)):
            left, other = random.choice(len(clips), 2, replace=False)
            heard = int(random.integers(2))
            path = Path(folder) / f"{number}.mp4"
            compose(clips[left], clips[other], heard, path)
            n_tracks, share = named(scorer, path)
            path.unlink()
            if n_tracks == 2:
                two += 1
                right += int(np.argmax(share) == heard)
                shares.append(share[heard])
    table = Table("pairs", "with two tracks", "of them named right", "share of the time")
    table.add_row(str(options.pairs), str(two), str(right), f"{100 * np.mean(shares):.1f} %")
    Console().print(table)


if __name__ == "__main__":
    main()
