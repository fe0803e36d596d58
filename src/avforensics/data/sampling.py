"""Order of training clips: independent of the number of processes, resumable at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from itertools import starmap

import numpy as np
from torch.utils.data import Sampler


@dataclass(eq=False)
class NumberedSteps(Sampler[tuple[int, int]]):
    """An epoch's worth of keys ``(epoch, step)``, starting with the next step to train.

    Lightning counts the trained steps and stores the count in every checkpoint. This count gives
    the right starting point in every epoch, also after resuming in mid-epoch, no matter when
    Lightning creates its iterators.

    Parameters
    ----------
    steps : int
        Steps per epoch.
    done : callable
        Returns the number of trained steps.
    """

    steps: int
    done: Callable[[], int]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        first = self.done()  # evaluated now, not when a worker requests the first step
        return (divmod(number, self.steps) for number in range(first, first + self.steps))

    def __len__(self) -> int:
        return self.steps


@dataclass(eq=False)
class NumberedBatches(Sampler[list[tuple[int, int]]]):
    """Batches of keys ``(epoch, index)`` in seeded order; see `NumberedSteps`.

    The order depends only on ``seed`` and epoch. Rank ``r`` takes the ``r``-th contiguous part of
    each global batch, so the concatenated parts of all ranks equal the batch of a single process.
    Keys contain the epoch because persistent workers hold a copy of the dataset and would not
    notice a new epoch.

    Pass the sampler to ``DataLoader(dataset, batch_sampler=...)``, and disable sampler replacement
    (Lightning: ``use_distributed_sampler=False``).

    Parameters
    ----------
    n : int
        Number of items.
    batch_size : int
        Items per global batch, over all ranks; a multiple of ``world``.
    done : callable
        Returns the number of trained batches.
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
    done: Callable[[], int]
    seed: int = 0
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank must be within 0..{self.world - 1}, got {self.rank}")
        if self.batch_size < 1 or self.batch_size % self.world:
            raise ValueError(
                f"batch_size must be a multiple of {self.world} processes, got {self.batch_size}"
            )
        if self.n < self.batch_size:
            raise ValueError(f"{self.n} clips do not fill one batch of {self.batch_size}")
        self.order = lru_cache(maxsize=2)(self._order)

    def _order(self, epoch: int) -> np.ndarray:
        """Return all ranks' indices of an epoch, before they are cut into batches: int64, (n,)."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.n)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return starmap(self._batch, NumberedSteps(len(self), self.done))

    def _batch(self, epoch: int, number: int) -> list[tuple[int, int]]:
        part = self.batch_size // self.world
        begin = number * self.batch_size + self.rank * part
        return [(epoch, int(index)) for index in self.order(epoch)[begin : begin + part]]

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return self.n // self.batch_size
