"""DeepSpeak v1.1 and v2: webcam recordings, with avatars, lip-syncs and swaps made from them."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.sources.layout import Listed, Named, cells_by, read_listed, read_named
from avforensics.data.sources.tree import find_root


def deepspeak(root: str | Path) -> Manifest:
    """Read the annotations of either release, or the file names of a copy without annotations.

    The annotations are ``annotations-real.csv`` (``video-file``, ``identity``),
    ``annotations-fake.csv`` (``video-file``, ``kind``, ``engine``, ``identity-source``,
    ``identity-target``, ``audio-config`` and others) and ``annotations-split-def.csv``
    (``identity``, ``split``), as https://huggingface.co/datasets/faridlab/deepspeak_v2 and
    ``deepspeak_v1_1`` provide them (arXiv 2408.05366; the columns follow public loaders, since the
    set itself is gated). The videos may be in any folder below the root. In a copy without
    annotations, real videos are named ``IDENTITY-RECORDING.mp4`` and fakes of v1
    ``ENGINE--SOURCE-TARGET--RECORDING-RECORDING--NUMBER.mp4``.

    Returns
    -------
    Manifest
        ``identity`` is the person shown (for fakes, the target), ``method`` the engine,
        ``category`` the kind of fake in the annotations or else the engine, and ``split`` the
        identity's split. Facts are ``voice`` (the configuration of the audio), ``source_identity``
        and, from the annotations, ``gender``, ``race``, ``age`` and ``language``.

    Raises
    ------
    ManifestError
        The folder has neither annotations nor file names of the expected form.
    """
    root = find_root(root, ".")
    folder = Path(root)
    table = next((path.parent for path in sorted(folder.rglob("annotations-*.csv"))), folder)
    split = dict(cells_by(table / "annotations-split-def.csv", "identity", "split"))
    who = {"gender": "{gender}", "race": "{race}", "age": "{age}", "language": "{language}"}
    if not list(table.glob("annotations-real.csv")) + list(table.glob("annotations-fake.csv")):
        manifest = _deepspeak_names(root)
    else:
        inner = table.relative_to(folder).as_posix()
        inside = "" if inner == "." else f"{inner}/"
        parts = [
            Listed(
                tables=f"{inside}annotations-real.csv",
                path="{video_file}",
                label="real",
                words={"real": 0},
                columns={"identity": "{identity}", **who},
                needed=("video_file", "identity"),
            ),
            Listed(
                tables=f"{inside}annotations-fake.csv",
                path="{video_file}",
                label="fake",
                words={"fake": 1},
                columns={
                    "identity": "{identity_target}",
                    "method": "{engine}",
                    "category": "{kind}",
                    "voice": "{audio_config}",
                    "source_identity": "{identity_source}",
                    **who,
                },
                needed=("video_file", "engine", "identity_target"),
            ),
        ]
        manifest = read_listed(root, parts, what="DeepSpeak")
    return Manifest(
        row._replace(split=split[row.identity]["split"]) if row.identity in split else row
        for row in manifest
    )


def _deepspeak_names(root: str) -> Manifest:
    made = r"(?P<engine>[a-z0-9_]+)--(?P<source>\d+)-(?P<target>\d+)--\d+-\d+(?:--\d+)?"
    parts = [
        Named(
            path=rf"(?:.*/)?{made}\.\w+",
            label=1,
            columns={
                "identity": "{target}",
                "method": "{engine}",
                "source_identity": "{source}",
            },
        ),
        Named(
            path=r"(?:.*/)?(?P<identity>\d+)-\d+\.\w+",
            label=0,
            columns={"identity": "{identity}"},
        ),
    ]
    return read_named(root, parts, what="DeepSpeak")
