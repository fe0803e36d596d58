"""HTML pages about one video and a batch, and figures for papers."""

from avforensics.report.annotations import Face, FaceBoxes, Segment
from avforensics.report.index import write_index
from avforensics.report.page import write_video_report
from avforensics.report.sentences import Calibrated

__all__ = [
    "Calibrated",
    "Face",
    "FaceBoxes",
    "Segment",
    "write_index",
    "write_video_report",
]
