import random
from collections import Counter

import pytest

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.splits import sample, split_by_identity
from avforensics.errors import ManifestError

SHARES = {"sync": 0.5, "anomaly": 0.3, "val": 0.1, "test": 0.1}


def people(n, clips=3, root="/data/set"):
    numbers = [(i, clip) for i in range(n) for clip in range(clips)]
    return Manifest(Row(f"{root}/p{i}/{clip}.mp4", 0, identity=f"p{i}") for i, clip in numbers)


def test_every_identity_in_one_split_and_shares_are_kept():
    manifest = split_by_identity(people(200), SHARES)
    manifest.check_disjoint()
    counts = {"sync": 300, "anomaly": 180, "val": 60, "test": 60}
    assert Counter(row.split for row in manifest) == counts


def test_order_of_rows_and_place_have_no_say():
    manifest = people(50)
    shuffled = list(manifest)
    random.Random(1).shuffle(shuffled)
    first = {row.identity: row.split for row in split_by_identity(manifest, SHARES)}
    second = {row.identity: row.split for row in split_by_identity(Manifest(shuffled), SHARES)}
    assert first == second
    other_seed = {row.identity: row.split for row in split_by_identity(manifest, SHARES, seed=1)}
    assert first != other_seed


def test_the_cut_is_the_same_on_every_machine():
    splits = [row.split for row in split_by_identity(people(8, clips=1), {"a": 1, "b": 1})]
    assert splits == list("bbabaaba")


def test_every_split_gets_somebody():
    manifest = split_by_identity(people(4), {"sync": 1000, "anomaly": 1, "val": 1, "test": 1})
    assert {row.split for row in manifest} == {"sync", "anomaly", "val", "test"}
    manifest.check_disjoint()


def test_kept_splits_stay_and_their_people_are_excluded_elsewhere():
    rows = [
        row._replace(split="val") if row.path.endswith("p3/0.mp4") else row for row in people(9)
    ]
    manifest = split_by_identity(Manifest(rows), {"sync": 1, "anomaly": 1}, keep=["val"])
    of_p3 = [row.split for row in manifest if row.identity == "p3"]
    assert of_p3 == ["val", "excluded", "excluded"]
    manifest.check_disjoint("sync", "anomaly", "val")
    counts = {"sync": 12, "anomaly": 12, "val": 1, "excluded": 2}
    assert Counter(row.split for row in manifest) == counts


@pytest.mark.parametrize(
    ("manifest", "shares", "message"),
    [
        (people(2), SHARES, "2 identities cannot make 4 disjoint splits"),
        (people(1), SHARES, "1 identity cannot make 4 .* set source.identity=stem"),
        (people(9), {}, "numbers > 0"),
        (people(9), {"sync": 0}, "numbers > 0"),
        (people(9), {"sync": float("nan")}, "numbers > 0"),
        (people(9), {"sync": "half"}, "numbers > 0, e.g. .*, got {'sync': 'half'}"),
        (people(9), ["sync"], "numbers > 0"),
        (Manifest([Row("/a.mp4", 0)]), {"sync": 1}, "1 clips have no identity"),
    ],
)
def test_nonsense_is_one_sentence(manifest, shares, message):
    with pytest.raises(ManifestError, match=message):
        split_by_identity(manifest, shares)


def test_sample_draws_so_many_of_each_kind_over_as_many_people_as_possible():
    real = people(20, clips=10)
    fakes = [
        Row(f"/data/set/{category}/p{i}/{clip}.mp4", 1, category=category, identity=f"p{i}")
        for category in ("RVFA", "FVRA-WL")
        for i in range(20)
        for clip in range(5)
    ]
    manifest = Manifest([*real, *fakes, *fakes[:3]])
    drawn = sample(manifest, real=30, fake=20)
    counts = {(0, ""): 30, (1, "RVFA"): 20, (1, "FVRA-WL"): 20}
    assert Counter((row.label, row.category) for row in drawn) == counts
    assert len({row.identity for row in drawn.select(category="RVFA")}) == 20
    assert set(Counter(row.identity for row in drawn.select(label=0)).values()) == {1, 2}
    assert len(set(drawn)) == len(drawn)
    assert sample(manifest, real=30, fake=20).digest == drawn.digest
    assert sample(manifest, real=30, fake=20, seed=1).digest != drawn.digest


def test_a_clip_and_its_forgery_by_sound_alone_are_two():
    real = people(4, clips=1)
    fakes = [row._replace(label=1, category="swap", audio=f"{row.path}.wav") for row in real]
    drawn = sample(Manifest([*real, *fakes]), real=None, fake=3)
    assert Counter(row.label for row in drawn) == {0: 4, 1: 3}
    assert Manifest([*real, *fakes]).doubled() == ()


def test_sample_is_the_same_wherever_the_set_lies():
    ends = [
        [row.path.rsplit("/", 2)[1:] for row in sample(people(9, root=root), real=12, fake=0)]
        for root in ("/data/set", "/mnt/other/set")
    ]
    assert ends[0] == ends[1]


def test_too_few_to_sample():
    with pytest.raises(ManifestError, match="10 real clips requested, but only 9 available"):
        sample(people(3), real=10, fake=0)
    with pytest.raises(ManifestError, match="4 real clips requested, but only 3 available"):
        sample(people(3), real=4, fake=0, one_per_identity=True)


def test_of_a_kind_without_a_number_all_that_can_be_drawn_are_taken():
    real = people(3, clips=2)
    fakes = [row._replace(path=row.path + "f", label=1, category="f") for row in real]
    manifest = Manifest([*real, *fakes, real[0]])  # one row is there twice
    every = list(manifest)[:-1]
    assert list(sample(manifest, real=None, fake=None)) == every
    for real, fake, once, counts in (
        (2, None, False, (2, 6)),
        (None, 1, False, (6, 1)),
        (None, 1, True, (3, 1)),
    ):
        drawn = sample(manifest, real=real, fake=fake, one_per_identity=once)
        assert Counter(row.label for row in drawn) == dict(enumerate(counts))
