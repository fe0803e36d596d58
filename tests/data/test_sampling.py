from itertools import chain

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from avforensics.data.sampling import NumberedBatches, NumberedSteps


def batches(n, *, done=0, **options):
    return list(NumberedBatches(n, done=lambda: done, **options))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_together_see_the_batches_of_one_process(world):
    whole = batches(37, batch_size=8, seed=3)
    parts = [batches(37, batch_size=8, seed=3, rank=r, world=world) for r in range(world)]
    assert [list(chain(*pieces)) for pieces in zip(*parts, strict=True)] == whole
    assert len(whole) == 4
    assert len({index for _, index in chain(*whole)}) == 32


def test_epochs_differ_and_repeat():
    first, second = (batches(50, batch_size=10, seed=1, done=done) for done in (0, 5))
    assert [i for _, i in chain(*first)] != [i for _, i in chain(*second)]
    assert {epoch for epoch, _ in chain(*second)} == {1}
    assert batches(50, batch_size=10, seed=1, done=5) == second
    assert batches(50, batch_size=10, seed=2) != first


def test_resume_in_mid_epoch():
    options = {"batch_size": 8, "seed": 1, "rank": 1, "world": 2}
    fourth, fifth = (batches(50, done=6 * epoch, **options) for epoch in (4, 5))
    assert batches(50, done=26, **options) == fourth[2:] + fifth[:2]


def test_order_is_the_same_on_every_machine():
    assert [i for _, i in chain(*batches(8, batch_size=4, seed=7))] == [0, 6, 7, 2, 4, 5, 1, 3]


def test_steps_go_on_where_training_stands_when_they_are_asked_for():
    done = 3
    order = NumberedSteps(3, lambda: done)
    done = 4
    steps, keys = iter(order), iter(NumberedBatches(6, batch_size=2, done=lambda: done))
    done = 0
    assert list(steps) == [(1, 1), (1, 2), (2, 0)]
    assert [epoch for (epoch, _), _ in keys] == [1, 1, 2]


class Echo(Dataset):
    def __getitem__(self, key):
        return torch.tensor(key)


def test_workers_that_live_on_hear_of_the_epoch():
    done = 0
    order = NumberedBatches(8, batch_size=4, done=lambda: done)
    loader = DataLoader(Echo(), batch_sampler=order, num_workers=1, persistent_workers=True)
    for epoch in (0, 1):
        done = epoch * len(order)
        keys = torch.cat(list(loader))
        assert keys[:, 0].tolist() == [epoch] * 8
        assert sorted(keys[:, 1].tolist()) == list(range(8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 7, "batch_size": 8}, "7 clips do not fill one batch of 8"),
        ({"n": 0, "batch_size": 1}, "0 clips"),
        ({"n": 9, "batch_size": 3, "world": 2}, "must be a multiple of 2 processes"),
        ({"n": 9, "batch_size": 2, "world": 2, "rank": 2}, "rank must be within 0..1, got 2"),
    ],
)
def test_nonsense(arguments, message):
    with pytest.raises(ValueError, match=message):
        NumberedBatches(done=lambda: 0, **arguments)
