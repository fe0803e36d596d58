"""Selection of the tested clips of a benchmark."""

from collections import Counter

import pytest
from runs import composed

from avforensics.checkpoints import load_models
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import CheckpointError, ConfigError
from avforensics.evaluation import benchmark
from avforensics.lightning.evaluation import Evaluation


def made_up(people=4, clips=2):
    """Make real clips and fakes of two categories per person; one real row occurs twice."""
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


def test_people_who_were_trained_on_are_known(store):
    tested = [entry for entry in store if entry.split == "test"]
    assert benchmark.also_trained(tested, store, ["sync", "anomaly"]) == set()
    people = {entry.identity for entry in store if entry.split == "anomaly"}
    assert benchmark.also_trained(store, store, ["anomaly"]) == people
    assert len(people) == 10


@pytest.fixture
def stage(tiny_bundle, tmp_path):
    """Return a function that makes the test stage for the split ``test`` of a manifest."""

    def make(rows, *words, models=None):
        Manifest(rows).write(tmp_path / "clips.csv")
        words = ("benchmark=manifest", f"root='{tmp_path}/clips.csv'", "select.split=test", *words)
        cfg = composed("evaluate", *words)
        return Evaluation(cfg, models or load_models({"bundle": tiny_bundle}))

    return make


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["scoring.max_len=60"], "max_len 60"),
        (["scoring.lam=-1"], "lam must be >= 0"),
        (["part=sound"], "part must be one of"),
        (["statistic=median"], "statistic must be one of"),
        (["statistic=max", "part=activation"], "statistic=max needs part=both"),
    ],
)
def test_what_cannot_be_scored_is_said_before_anything_is_read(stage, words, sentence):
    with pytest.raises(ConfigError, match=sentence):
        stage([], *words)


def test_a_missing_model_is_said_before_anything_is_read(stage, tiny_bundle):
    models = load_models({"bundle": tiny_bundle})
    models.activation = None
    with pytest.raises(CheckpointError, match="no activation model"):
        stage([], "scoring.lam=1", models=models)
    assert len(stage(made_up(), "part=distribution", "select.split=null", models=models).listed)


def test_tested_people_who_were_trained_on_are_found_in_the_whole_set(stage):
    rows = [row._replace(split=("anomaly", "test")[i % 2]) for i, row in enumerate(made_up())]
    made = stage(rows)
    assert {row.split for row in made.manifest} == {"test"}
    assert made.also_trained(made.manifest) == {"p0", "p1", "p2", "p3"}


def test_and_in_the_store_of_the_baselines(stage, store):
    person = next(entry.identity for entry in store if entry.split == "anomaly")
    rows = [row._replace(split="test") for row in made_up()]
    rows[0] = rows[0]._replace(identity=person)
    made = stage(rows, f"baselines.features='{store.folder}'")
    assert made.also_trained(made.manifest) == {person}
    assert stage(rows).also_trained(made.manifest) == set()
