"""File names as people type them."""

from __future__ import annotations

import os
from pathlib import Path


def typed_path(text: str | os.PathLike) -> Path:
    """A path with ``~`` or ``~user`` in front replaced by that home.

    As in a shell, a name that begins so and means no user is taken as it is.
    """
    return Path(os.path.expanduser(text))  # noqa: PTH111 (Path.expanduser raises)
