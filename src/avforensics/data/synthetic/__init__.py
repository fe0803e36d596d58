"""Synthetic talking heads: real MP4 files of people who do not exist, real and forged."""

from avforensics.data.synthetic.articulation import Articulation, articulate
from avforensics.data.synthetic.generate import SPLITS, SyntheticSet, generate
from avforensics.data.synthetic.identity import Identity
from avforensics.data.synthetic.plan import Split
from avforensics.data.synthetic.render import render
from avforensics.data.synthetic.speech import synthesise_speech

__all__ = [
    "SPLITS",
    "Articulation",
    "Identity",
    "Split",
    "SyntheticSet",
    "articulate",
    "generate",
    "render",
    "synthesise_speech",
]
