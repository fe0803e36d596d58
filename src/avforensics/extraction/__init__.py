"""Clips of a manifest through the synchronisation network, once, into a feature store."""

from avforensics.extraction.fill import Filled, clip_key, extract_features
from avforensics.extraction.settings import ExtractionSettings

__all__ = ["ExtractionSettings", "Filled", "clip_key", "extract_features"]
