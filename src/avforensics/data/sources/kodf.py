"""KoDF: Korean speakers in full frames, with several kinds of fakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import files_below, find_root
from avforensics.errors import ManifestError

REALS = "original_videos"
KINDS = ("audio-driven", "dffs", "dfl", "fo", "fsgan")


def kodf(root: str | Path, *, kinds: Sequence[str] = KINDS) -> Manifest:
    """Read the real videos and the folders of fakes.

    Real videos are named like ``original_videos/<uuid>/<uuid>_022.mp4``, fakes like
    ``audio-driven/20200820/169273/169273_103564_5_0680.mp4``. The paper evaluates the audio-driven
    kind (Sec. 4.3). Videos of kind ``fsgan`` have no audio and cannot be scored. Frames show whole
    scenes: crop faces before scoring.

    Parameters
    ----------
    kinds : sequence of str
        Folders of fakes to read; ``category`` and ``method`` are their names. A missing folder is
        an error unless all kinds are requested.

    Returns
    -------
    Manifest
        ``identity`` is the folder of a file. Real videos are named by uuid and fakes by number,
        so the real person in a fake is unknown.
    """
    root = find_root(root, REALS, *KINDS)
    if unknown := set(kinds) - set(KINDS):
        raise ManifestError(
            f"KoDF has no kind {', '.join(sorted(unknown))}; kinds: {', '.join(KINDS)}"
        )
    wanted = [REALS, *kinds]
    missing = [name for name in wanted if not Path(root, name).is_dir()]
    if missing and tuple(kinds) != KINDS:
        raise ManifestError(f"{root}: no folder {missing[0]}")
    rows = []
    for kind in wanted:
        category = "real" if kind == REALS else kind
        for name in files_below(f"{root}/{kind}"):
            path = f"{root}/{kind}/{name}"
            identity = path.rsplit("/", 2)[1]
            rows.append(Row(path, int(kind != REALS), category, category, identity))
    return Manifest(rows)
