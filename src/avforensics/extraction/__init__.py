"""Features of a manifest's clips into a store: by the synchronisation network, or from outside."""

from avforensics.extraction.external import ExternalFeatures, import_features
from avforensics.extraction.fill import Filled, clip_key, extract_features
from avforensics.extraction.settings import ExtractionSettings

__all__ = [
    "ExternalFeatures",
    "ExtractionSettings",
    "Filled",
    "clip_key",
    "extract_features",
    "import_features",
]
