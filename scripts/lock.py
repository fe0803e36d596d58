"""Write constraints.txt: the installed versions of all requirements in setup.cfg.

    python scripts/lock.py > constraints.txt      # `make lock`

Only direct and indirect requirements of the project and its extras are listed; other packages in
the environment are left out.
"""

from __future__ import annotations

import sys
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NAME = "avforensics"


def declared() -> list[Requirement]:
    """Return every requirement of the package and of its extras."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    return [Requirement(line) for text in texts for line in text.splitlines() if line.strip()]


def installed(requirements: list[Requirement]) -> dict[str, str]:
    """Return the versions of the installed requirements and of all packages that they need.

    Returns
    -------
    dict
        Normalised name -> version, sorted. Requirements whose marker does not hold here, and
        optional requirements that are not installed, are left out.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(one, "") for one in requirements]
    while waiting:
        one, extra = waiting.pop()
        if one.marker and not one.marker.evaluate({"extra": extra}):
            continue
        try:
            package = distribution(one.name)
        except PackageNotFoundError:
            continue
        name = canonicalize_name(one.name)
        found[name] = package.version
        for wanted in ({"", *one.extras}) - {e for n, e in seen if n == name}:
            seen.add((name, wanted))
            waiting += [(Requirement(text), wanted) for text in package.requires or ()]
    found.pop(NAME, None)
    return dict(sorted(found.items()))


def main() -> None:
    print("# The environment that the whole suite was last run in:")
    print(f"# Python {sys.version_info.major}.{sys.version_info.minor}, {sys.platform}. Use it by")
    print('#     pip install -c constraints.txt -e ".[dev]"')
    for name, version in installed(declared()).items():
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
