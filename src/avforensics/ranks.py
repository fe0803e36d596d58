"""Which of several commands this one is, where a cluster started many at once."""

from __future__ import annotations

import os

# Only srun sets the second pair: a batch script around it is no rank, though it has a SLURM_PROCID.
_LAUNCHERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


def rank_and_world() -> tuple[int, int]:
    """Rank and number of commands as torchrun or srun says, else ``(0, 1)``."""
    for rank, world in _LAUNCHERS:
        if rank in os.environ and world in os.environ:
            return int(os.environ[rank]), int(os.environ[world])
    return 0, 1
