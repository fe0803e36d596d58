"""Entry point of ``python -m avforensics``."""

from avforensics.cli import command

if __name__ == "__main__":
    command()
