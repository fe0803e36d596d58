"""Decide whether a score is meaningful, which requires speech from a visible mouth.

A clip is measured while it is read for scoring. `Meter` receives the blocks, `Measures` holds the
results, and `Limits.reasons` explains why a score is not meaningful.
"""

from avforensics.applicability.limits import DEFAULT_LIMITS, NOT_APPLICABLE, Limits, limits_of
from avforensics.applicability.measures import Measures
from avforensics.applicability.meter import Meter, Speaking, of_video
from avforensics.applicability.mouth import MouthView

__all__ = [
    "DEFAULT_LIMITS",
    "NOT_APPLICABLE",
    "Limits",
    "Measures",
    "Meter",
    "MouthView",
    "Speaking",
    "limits_of",
    "of_video",
]
