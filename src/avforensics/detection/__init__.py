"""The parts of ``avforensics detect`` around scoring: inputs, records and outputs."""
