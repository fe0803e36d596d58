"""A demo of minimal size, made once: everything runs, but nothing is learnt."""

import subprocess
import sys

import pytest

SETTINGS = [
    "epochs=1",
    "seconds=2.6",
    "shown=1",
    "splits.sync={identities: 4, clips: 2}",
    "splits.anomaly={identities: 8, clips: 2}",
    "splits.val={identities: 2, clips: 1}",
    "splits.test.identities=4",
    "splits.test.clips=1",
    "splits.test.fakes={RVFA: 3, FVRA-WL: 3, FVFA-WL: 3, FVRA-faceswap: 3}",
]


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory):
    """Folder of the demo."""
    folder = tmp_path_factory.mktemp("demo") / "a demo"
    command = [sys.executable, "-m", "avforensics", "demo", f"output_dir='{folder}'", *SETTINGS]
    subprocess.run(command, check=True)
    return folder
