"""Read and write media: decoding, clips, audio."""

from avforensics.media.audio import read_audio
from avforensics.media.clips import ClipReader
from avforensics.media.crop import MovingCrop
from avforensics.media.reader import MediaStream, open_media
from avforensics.media.spool import SoundSpool
from avforensics.media.types import FPS, HOP, SAMPLE_RATE, Block, MediaOptions, MediaReport
from avforensics.media.wav import read_wav, write_wav
from avforensics.media.writer import write_clip

__all__ = [
    "FPS",
    "HOP",
    "SAMPLE_RATE",
    "Block",
    "ClipReader",
    "MediaOptions",
    "MediaReport",
    "MediaStream",
    "MovingCrop",
    "SoundSpool",
    "open_media",
    "read_audio",
    "read_wav",
    "write_clip",
    "write_wav",
]
