"""AVLips: lip-synced fakes and real videos, optionally with audio as WAV files."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import files_below, find_root

PARTS = {"0_real": 0, "1_fake": 1}


def avlips(root: str | Path) -> Manifest:
    """Read ``{0_real,1_fake}/N.mp4`` and ``wav/{0_real,1_fake}/N.wav``.

    Returns
    -------
    Manifest
        ``audio`` is the WAV file if there is a ``wav`` folder. The set does not name people or
        methods: ``identity`` is the number of a file, which a real video and a fake may share, and
        the category of fakes is ``fake``.
    """
    root = find_root(root, *PARTS)
    wav = Path(root, "wav").is_dir()
    rows = []
    for part, label in PARTS.items():
        kind = "fake" if label else "real"
        names = sorted(files_below(f"{root}/{part}"), key=lambda name: (len(name), name))
        for name in names:
            stem = Path(name).stem
            audio = f"{root}/wav/{part}/{stem}.wav" if wav else ""
            rows.append(Row(f"{root}/{part}/{name}", label, kind, kind, stem, audio=audio))
    return Manifest(rows)
