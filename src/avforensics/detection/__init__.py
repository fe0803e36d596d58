"""What surrounds scoring in ``avforensics detect``: inputs, what is kept, where it is written."""
