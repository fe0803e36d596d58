"""TalkingHeadBench: portraits driven by video or audio, by eight generators."""

from __future__ import annotations

import logging
from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.layout import Named, make_row, read_named
from avforensics.data.sources.tree import find_root, read_json
from avforensics.errors import ManifestError

log = logging.getLogger(__name__)


def talkingheadbench(root: str | Path, *, reals: str | Path | None = None) -> Manifest:
    """Read the folders of the fakes, and the list of the real videos.

    Fakes are named ``fake/GENERATOR/SPLIT/IMAGE--SIGNALS--GENERATOR.mp4``, or
    ``fake/additional_dataset/GENERATOR/*.mp4`` if they are for evaluation only. If a generator
    writes no audio, the audio is in ``audio/fake/SIGNALS.wav``
    (https://huggingface.co/datasets/luchaoqi/TalkingHeadBench, arXiv 2505.24866). The real videos
    come from CelebV-HQ and FaceForensics++; they are listed in ``true/true_dataset_split.json``
    (``real/real_dataset_split.json`` in later copies) and are not part of the download. The data
    card does not confirm that the WAV files are named like the driving signals, or that the JSON
    file maps splits to file names.

    Parameters
    ----------
    root : str or Path
    reals : str or Path, optional
        Folder with the real videos; None = ``true`` or ``real`` below the root.

    Returns
    -------
    Manifest
        ``identity`` of fakes is the portrait, ``category`` and ``method`` the generator; facts are
        ``signals`` (what drives the portrait) and ``protocol`` (``additional`` for the
        evaluation-only part).

    Raises
    ------
    ManifestError
        The folder ``fake`` is missing or has no files named in this way.
    """
    root = find_root(root, "fake")
    columns = {"identity": "{image}", "method": "{generator}", "split": "{split}"}
    columns["signals"] = "{signals}"
    name = r"(?:(?P<image>.+?)--(?P<signals>.+)--[^/]+?|[^/]+)\.\w+"
    parts = [
        Named(
            path=rf"fake/additional_dataset/(?P<generator>[^/]+)/{name}",
            label=1,
            columns=columns | {"split": "test", "protocol": "additional"},
        ),
        Named(
            path=rf"fake/(?P<generator>[^/]+)/(?P<split>train|val|test)/{name}",
            label=1,
            columns=columns,
        ),
    ]
    manifest = read_named(root, parts, what="TalkingHeadBench", ignore=r"(?:true|real)/.*")
    rows = [_with_sound(root, row) for row in manifest]
    return Manifest([*_talking_reals(root, reals), *rows])


def _with_sound(root: str, row: Row) -> Row:
    wav = f"{root}/audio/fake/{dict(row.about).get('signals', '')}.wav"
    return row._replace(audio=wav) if Path(wav).is_file() else row


def _talking_reals(root: str, reals: str | Path | None) -> list[Row]:
    tables = [f"{name}/{name}_dataset_split.json" for name in ("true", "real")]
    table = next((path for name in tables if (path := Path(root, name)).is_file()), None)
    if table is None:
        message = "TalkingHeadBench: %s is missing, so the manifest has no real videos"
        log.warning(message, " or ".join(tables))
        return []
    content = read_json(table)
    lists = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(v, list) and all(isinstance(n, str) for n in v) for v in lists):
        raise ManifestError(f"{table}: expected lists of file names by split")
    folder = find_root(table.parent if reals is None else reals, ".")
    return [
        make_row(folder, name, 0, {"identity": "{stem}", "split": "{split}"}, values)
        for split, names in content.items()
        for name in names
        for values in [{"stem": Path(name).stem, "split": split}]
    ]
