"""Which clips of a benchmark are tested."""

from collections import Counter

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.evaluation import benchmark


def made_up(people=4, clips=2):
    """Real clips and fakes of two categories of each person; one real row is there twice."""
    rows = [
        Row(f"/set/{kind}/p{person}_{clip}.mp4", int(kind != "real"), kind, identity=f"p{person}")
        for kind in ("real", "a", "b")
        for person in range(people)
        for clip in range(clips)
    ]
    return Manifest([*rows, rows[0]])


def test_real_clips_of_a_control_are_of_many_people():
    drawn = benchmark.some_real(made_up(), 3, seed=0)
    assert {row.label for row in drawn} == {0}
    assert len({row.identity for row in drawn}) == len(drawn) == 3
    draws = {benchmark.some_real(made_up(), 3, seed=seed).digest for seed in range(5)}
    assert len(draws) > 1
    assert len(benchmark.some_real(made_up(), 20, seed=0)) == 8


def test_a_number_for_one_kind_says_nothing_of_the_others():
    def counts(**asked):
        return Counter(row.category for row in benchmark.tested_clips(made_up(), **asked))

    assert counts(real=3) == {"real": 3, "a": 8, "b": 8}
    assert counts(fake=3) == {"real": 8, "a": 3, "b": 3}
    assert counts(real=3, fake=0) == {"real": 3}
    assert counts(fake=2, one_per_identity=True) == {"real": 4, "a": 2, "b": 2}
    assert counts(one_per_identity=True) == {"real": 4, "a": 4, "b": 4}
