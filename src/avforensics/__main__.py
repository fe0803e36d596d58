"""``python -m avforensics`` is the command ``avforensics``."""

import sys

from avforensics.cli import main

if __name__ == "__main__":
    sys.exit(main())
