"""Data sets as people have them on disk, each turned into a manifest by one function.

Every function takes the folder of the set and reads the set's own lists and tables; video files
are not opened. Files that a list names and the disk lacks stay in the manifest, where
`Manifest.coverage` counts them; what cannot become a row is counted in a logged warning.
"""

from avforensics.data.sources.av_deepfake1m import av_deepfake1m
from avforensics.data.sources.avlips import avlips
from avforensics.data.sources.deepfake_timit import deepfake_timit
from avforensics.data.sources.dfdc import dfdc
from avforensics.data.sources.fakeavceleb import fakeavceleb
from avforensics.data.sources.folder import folder
from avforensics.data.sources.kodf import kodf
from avforensics.data.sources.lavdf import lavdf
from avforensics.data.sources.lrs import lrs2, lrs3
from avforensics.data.sources.table import table
from avforensics.data.sources.talkers import talkers
from avforensics.data.sources.voxceleb2 import voxceleb2

__all__ = [
    "av_deepfake1m",
    "avlips",
    "deepfake_timit",
    "dfdc",
    "fakeavceleb",
    "folder",
    "kodf",
    "lavdf",
    "lrs2",
    "lrs3",
    "table",
    "talkers",
    "voxceleb2",
]
