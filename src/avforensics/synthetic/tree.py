"""Metadata of a synthetic set: FakeAVCeleb's and LAV-DF's tables, manifest, README."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.tables import write_table
from avforensics.files import atomic_path, sha256_file, write_text
from avforensics.media.types import FPS, HOP
from avforensics.synthetic.plan import (
    AVCELEB,
    LAVDF,
    LAVDF_SPLITS,
    PARTIAL,
    PlannedClip,
    gender,
    name,
    region,
)

META_HEADER = (
    *("source", "target1", "target2", "method", "category", "type", "race", "gender", "path"),
    "",  # the real header ends with a comma: its last column has no name
)
README = """SYNTHETIC TALKING HEADS

No person in these clips exists. avforensics draws and synthesises faces, voices, words and
forgeries from the seed in synthetic.json. Results on this set show whether a program works; they
say nothing about how well it detects forgeries of real people.

{avceleb}/   the folders and meta_data.csv of FakeAVCeleb: real clips (A), sound of another clip
             (B, rtvc), mouth of another clip (C, wav2lip), mouth re-made from a cloned voice
             (D, wav2lip), and a face swap that keeps lips and sound in sync (C, faceswap).
             The region folders only copy the real set's layout (spaces and brackets in names):
             the looks of a person do not depend on them.
{lavdf}/     partial forgeries and their originals, with the folders and metadata.min.json of
             LAV-DF: forged periods in seconds.
manifest.csv every clip once, with split, category and forged segments; splits share no identity.
"""


def write_papers(out: Path, jobs: list[PlannedClip], *, seed: int, n_frames: int) -> None:
    """Write all metadata of a set whose clips exist."""
    write_text(out / "README.txt", README.format(avceleb=AVCELEB, lavdf=LAVDF))
    whole = [job for job in jobs if job.category != PARTIAL]
    rows = [_meta_row(job, seed) for job in whole]
    write_table(out / AVCELEB / "meta_data.csv", META_HEADER, rows)
    parts = [job for job in jobs if job.category == PARTIAL]
    if parts:
        _write_lavdf(
            out, parts, {job.source: job for job in whole if job.category == "real"}, n_frames
        )
    seconds = n_frames / FPS
    Manifest(_manifest_row(out, job, seconds) for job in jobs).write(out / "manifest.csv")


def _meta_row(job: PlannedClip, seed: int) -> list[str]:
    folder, _, file = job.path.rpartition("/")
    target = [name(job.target.identity), str(job.number)] if job.target else ["-", "-"]
    who = job.source.identity
    kind = job.kind
    return [
        name(who),
        *target,
        kind.method,
        kind.letter,
        kind.type,
        region(who),
        gender(seed, who),
        file,
        "FakeAVCeleb" + folder.removeprefix(AVCELEB),
    ]


def _manifest_row(out: Path, job: PlannedClip, seconds: float) -> Row:
    path = out / job.path
    return Row(
        path=str(path.absolute()),
        label=int(job.category != "real"),
        category=job.category,
        method=job.kind.method,
        identity=name(job.source.identity),
        split=job.split,
        duration=seconds,
        hash=sha256_file(path),
        segments=job.segments,
    )


def _write_lavdf(out: Path, parts: list[PlannedClip], reals: dict, n_frames: int) -> None:
    """Copy the originals next to the partial forgeries, and list all of them."""
    entries = []
    for job in parts:
        _, folder, file = job.path.split("/")
        original = f"{folder}/{int(Path(file).stem) + 1:06d}.mp4"
        with atomic_path(out / LAVDF / original) as partial:
            shutil.copyfile(out / reals[job.source].path, partial)
        split = LAVDF_SPLITS.get(job.split, "train")
        entries.append(_lavdf_entry(f"{folder}/{file}", original, job, split, n_frames))
        entries.append(_lavdf_entry(original, None, None, split, n_frames))
    write_text(out / LAVDF / "metadata.min.json", json.dumps(entries))


def _lavdf_entry(
    file: str, original: str | None, job: PlannedClip | None, split: str, n_frames: int
) -> dict:
    periods = [list(segment) for segment in job.segments] if job else []
    return {
        "file": file,
        "n_fakes": len(periods),
        "fake_periods": periods,
        "duration": n_frames / FPS,
        "original": original,
        "modify_video": bool(job) and job.kind.type.startswith("FakeVideo"),
        "modify_audio": bool(job) and job.kind.type.endswith("FakeAudio"),
        "split": split,
        "video_frames": n_frames,
        "audio_channels": 1,
        "audio_frames": n_frames * HOP,
    }
