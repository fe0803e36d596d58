"""Whether a score means anything: is there speech, and does a visible mouth speak it?

Everything is measured while a clip is read for scoring, in the same pass. `Meter` takes the blocks,
`Measures` are the numbers, `Limits.reasons` says why a clip is not applicable.
"""

from avforensics.applicability.limits import DEFAULT_LIMITS, NOT_APPLICABLE, Limits, limits_of
from avforensics.applicability.measures import Measures
from avforensics.applicability.meter import Meter

__all__ = ["DEFAULT_LIMITS", "NOT_APPLICABLE", "Limits", "Measures", "Meter", "limits_of"]
