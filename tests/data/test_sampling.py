from itertools import chain

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from avforensics.data.sampling import EpochSampler


def batches(sampler, size):
    keys = list(sampler)
    return [keys[i : i + size] for i in range(0, len(keys), size)]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_together_see_the_batches_of_one_process(world):
    whole = batches(EpochSampler(37, batch_size=8, seed=3), 8)
    parts = [
        batches(EpochSampler(37, batch_size=8, seed=3, rank=r, world=world), 8 // world)
        for r in range(world)
    ]
    assert [list(chain(*pieces)) for pieces in zip(*parts, strict=True)] == whole
    assert len(whole) == 4
    assert len({index for _, index in chain(*whole)}) == 32


def test_epochs_differ_and_repeat():
    sampler, again = (EpochSampler(50, batch_size=10, seed=1) for _ in range(2))
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert [i for _, i in first] != [i for _, i in second]
    assert {epoch for epoch, _ in second} == {1}
    again.set_epoch(1)
    assert list(again) == second
    assert list(EpochSampler(50, batch_size=10, seed=2)) != first


def test_resume_in_mid_epoch():
    sampler = EpochSampler(50, batch_size=8, seed=1, rank=1, world=2)
    sampler.set_epoch(4)
    whole = list(sampler)
    sampler.set_epoch(4, first_batch=2)
    assert list(sampler) == whole[8:]
    assert len(sampler) == 16
    sampler.set_epoch(5)
    assert len(list(sampler)) == len(sampler) == 24


def test_order_is_the_same_on_every_machine():
    assert [i for _, i in EpochSampler(8, batch_size=4, seed=7)] == [0, 6, 7, 2, 4, 5, 1, 3]


class Echo(Dataset):
    def __getitem__(self, key):
        return torch.tensor(key)


def test_workers_that_live_on_hear_of_the_epoch():
    sampler = EpochSampler(8, batch_size=4)
    loader = DataLoader(
        Echo(), batch_size=4, sampler=sampler, num_workers=1, persistent_workers=True
    )
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
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
        EpochSampler(**arguments)
