"""Load and save weights: the authors' published files and our own safetensors bundles."""

from avforensics.checkpoints.bundle import load_bundle, save_bundle
from avforensics.checkpoints.locate import load_models
from avforensics.checkpoints.parts import Models

__all__ = ["Models", "load_bundle", "load_models", "save_bundle"]
