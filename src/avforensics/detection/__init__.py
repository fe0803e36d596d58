"""Inputs, records and outputs of ``avforensics detect``."""
