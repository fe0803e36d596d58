"""``python -m avforensics`` runs the command ``avforensics``."""

from avforensics.cli import command

if __name__ == "__main__":
    command()
