"""Order of training clips, independent of the number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field

import numpy as np
from torch.utils.data import Sampler


@dataclass(eq=False)
class EpochSampler(Sampler[tuple[int, int]]):
    """Keys ``(epoch, index)`` in seeded order, cut into global batches.

    The order depends on ``seed`` and epoch only. Rank ``r`` takes the ``r``-th contiguous part of
    each global batch, so the concatenated parts of all ranks equal the batch of a single process.
    Keys contain the epoch because persistent workers hold a copy of the dataset and would not
    notice a new epoch.

    Use it with ``DataLoader(dataset, batch_size=batch_size // world, sampler=...)`` and disable
    sampler replacement (Lightning: ``use_distributed_sampler=False``).

    Parameters
    ----------
    n : int
        Number of items.
    batch_size : int
        Items per global batch, over all ranks; a multiple of ``world``.
    rank, world : int
        Index of this process and number of processes.

    Raises
    ------
    ValueError
        ``n`` is less than ``batch_size``, or a number is invalid.
    """

    n: int
    _: KW_ONLY
    batch_size: int
    seed: int = 0
    rank: int = 0
    world: int = 1
    epoch: int = field(default=0, init=False)
    first_batch: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank must be within 0..{self.world - 1}, got {self.rank}")
        if self.batch_size < 1 or self.batch_size % self.world:
            raise ValueError(
                f"batch_size must be a multiple of {self.world} processes, got {self.batch_size}"
            )
        if self.n < self.batch_size:
            raise ValueError(f"{self.n} clips do not fill one batch of {self.batch_size}")

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Set the epoch and its first global batch."""
        self.epoch = epoch
        self.first_batch = first_batch

    def order(self) -> np.ndarray:
        """All indices of this epoch, for all ranks, before cutting: int64, (n,)."""
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.n)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order, part = self.order(), self.batch_size // self.world
        end = self.n - self.n % self.batch_size
        for begin in range(self.first_batch * self.batch_size, end, self.batch_size):
            batch = order[begin : begin + self.batch_size]
            for index in batch[self.rank * part : (self.rank + 1) * part]:
                yield self.epoch, int(index)

    def __len__(self) -> int:
        """Number of keys of this rank in this epoch."""
        batches = self.n // self.batch_size - self.first_batch
        return batches * (self.batch_size // self.world)
