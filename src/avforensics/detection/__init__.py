"""The parts of ``avforensics detect`` around the scoring: inputs, records and outputs."""
