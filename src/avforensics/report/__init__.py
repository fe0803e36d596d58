"""HTML reports on single videos and on batches, and figures for papers."""

from avforensics.report.index import write_index
from avforensics.report.page import write_video_report
from avforensics.scoring.result import Calibrated

__all__ = [
    "Calibrated",
    "write_index",
    "write_video_report",
]
