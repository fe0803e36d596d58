"""Order of training clips, independent of the number of processes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Keys ``(epoch, index)`` in seeded order, cut into global batches.

    The order depends on ``seed`` and epoch only. Of each global batch, rank ``r`` takes the
    ``r``-th contiguous part, so that the parts of all ranks, concatenated, are the batch of a
    single process. Keys contain the epoch because persistent workers hold a copy of the dataset
    and would not learn of a new epoch.

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
    shuffle : bool
        False keeps the order 0..n-1 (validation).
    drop_last : bool
        Drop the last incomplete batch. False gives each rank its part of it, which may be empty:
        no item is repeated.

    Raises
    ------
    ValueError
        ``n`` is less than a batch, or a number is invalid.
    """

    def __init__(
        self,
        n: int,
        *,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        shuffle: bool = True,
        drop_last: bool = True,
    ) -> None:
        if not 0 <= rank < world:
            raise ValueError(f"rank must be within 0..{world - 1}, got {rank}")
        if batch_size < 1 or batch_size % world:
            raise ValueError(
                f"batch_size must be a multiple of {world} processes, got {batch_size}"
            )
        if n < 1 or (drop_last and n < batch_size):
            raise ValueError(f"{n} clips do not fill one batch of {batch_size}")
        self.n = n
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.epoch = 0
        self.first_batch = 0

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Set the epoch and the global batch at which to begin."""
        self.epoch = epoch
        self.first_batch = first_batch

    def order(self) -> np.ndarray:
        """All indices of this epoch, for all ranks, before cutting: int64, (n,)."""
        if not self.shuffle:
            return np.arange(self.n)
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.n)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order, part = self.order(), self.batch_size // self.world
        end = self.n - self.n % self.batch_size if self.drop_last else self.n
        for begin in range(self.first_batch * self.batch_size, end, self.batch_size):
            batch = order[begin : begin + self.batch_size]
            for index in batch[self.rank * part : (self.rank + 1) * part]:
                yield self.epoch, int(index)

    def __len__(self) -> int:
        """Number of keys of this rank in this epoch."""
        part = self.batch_size // self.world
        batches, rest = divmod(self.n, self.batch_size)
        last = 0 if self.drop_last else min(max(rest - self.rank * part, 0), part)
        return max((batches - self.first_batch) * part + last, 0)
