"""Decide whether a score is meaningful: there must be speech, spoken by a visible mouth.

Everything is measured in the pass that reads a clip for scoring. `Meter` receives the blocks,
`Measures` holds the results, and `Limits.reasons` explains why a clip is not applicable.
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
