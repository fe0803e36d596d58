#!/usr/bin/env python
"""The published command line, run by ``avforensics detect``.

    python scripts/detect.py --test_video_path list.txt --device cuda:0 --max-len 50 \
        --n_workers 4 --bs 1 --lam 0 --output_dir out --checkpoints folder

``testing_score.npy`` and its copy ``testing_scores.npy`` hold the scores in the order of the input,
with NaN for videos that could not be scored; scores.csv has the reasons.
"""

from __future__ import annotations

import argparse
import sys

from avforensics import cli


def parser() -> argparse.ArgumentParser:
    """Build a parser of the published flags and of an additional flag for the checkpoints."""
    flags = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    flags.add_argument(
        "--test_video_path",
        required=True,
        help="a text file with a path a line; or a video, or a folder of videos",
    )
    flags.add_argument("--output_dir", required=True, help="folder for the scores")
    flags.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    flags.add_argument("--max-len", type=int, default=50, help="windows in a sequence")
    flags.add_argument("--lam", type=float, default=0.0, help="weight of the activation score")
    flags.add_argument("--n_workers", type=int, default=None, help="videos read at a time")
    flags.add_argument(
        "--bs", type=int, default=1, help="no effect: batches are made across videos"
    )
    flags.add_argument("--resize", type=int, default=224, help="224 only: the size of the network")
    flags.add_argument("--fps", type=int, default=25, help="25 only: videos are converted to it")
    flags.add_argument("--sample_rate", type=int, default=16000, help="16000 only: likewise")
    flags.add_argument(
        "--checkpoints",
        default=None,
        help="folder of sync_model.pth, dist_regressive_model.pth, avfeature_regressive_model.pth "
        "and pca.pkl; without it they are looked for as `checkpoint=released` does",
    )
    return flags


def arguments(words: list[str]) -> list[str]:
    """Translate published flags to arguments of ``avforensics detect``."""
    flags = parser()
    given = flags.parse_args(words)
    for name, value in (("fps", 25), ("sample_rate", 16000), ("resize", 224)):
        if getattr(given, name) != value:
            flags.error(
                f"--{name} {getattr(given, name)}: the models were trained for {value} only"
            )
    settings = {
        "checkpoint": "released",
        "faces": "given",
        "input": given.test_video_path,
        "output_dir": given.output_dir,
        "device": given.device,
        "scoring.max_len": given.max_len,
        "scoring.lam": given.lam,
        "readers": given.n_workers or None,
        "checkpoint.dir": given.checkpoints,
    }
    return [f"{key}={value}" for key, value in settings.items() if value is not None]


if __name__ == "__main__":
    sys.argv[1:] = ["detect", *arguments(sys.argv[1:])]
    cli.command()
