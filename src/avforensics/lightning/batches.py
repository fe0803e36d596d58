"""Batches by number, so that an interrupted run resumes with the next batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from torch.utils.data import Sampler

from avforensics.data.sampling import EpochSampler


@dataclass(eq=False)
class NumberedBatches(Sampler[list[tuple[int, int]]]):
    """The batches of all epochs as one sequence, entered at the next batch to train.

    Lightning counts the batches it has trained and keeps the count in every checkpoint. Starting
    from that count is right in every epoch and after a resume in mid-epoch, whenever Lightning
    makes its iterators.

    Parameters
    ----------
    order : EpochSampler
        Order of the global batches of one epoch.
    done : callable
        How many batches have been trained so far.
    """

    order: EpochSampler
    done: Callable[[], int]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self._batches(self.done())  # ask now, not when a worker wants the first batch

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.order.n // self.order.batch_size

    def _batches(self, number: int) -> Iterator[list[tuple[int, int]]]:
        part = self.order.batch_size // self.order.world
        end = number + len(self)
        while number < end:
            epoch, first = divmod(number, len(self))
            self.order.set_epoch(epoch, first)
            keys = iter(self.order)
            while number < end and (batch := list(islice(keys, part))):
                yield batch
                number += 1
