"""Bundles give back the same weights and outputs, and errors name the tensor."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from avforensics.checkpoints import Models, load_bundle, load_models, save_bundle
from avforensics.checkpoints.architecture import build, describe
from avforensics.errors import CheckpointError, ConfigError
from avforensics.files import sha256_file


def _assert_same(a, b):
    states = a.state_dict(), b.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert tensor.dtype == states[1][name].dtype
        assert torch.equal(tensor, states[1][name])


def test_round_trip_is_bit_equal(compact, tmp_path):
    path, again = tmp_path / "folder" / "model.safetensors", tmp_path / "again.safetensors"
    save_bundle(path, compact)
    save_bundle(again, compact)
    assert path.read_bytes() == again.read_bytes()
    read = load_bundle(path)
    assert [name for name, _ in read.parts()] == [name for name, _ in compact.parts()]
    for (_, ours), (_, theirs) in zip(compact.parts(), read.parts(), strict=True):
        _assert_same(ours, theirs)
        assert describe(ours) == describe(theirs)
    assert read.notice == "These weights mean nothing."
    assert read.metadata == compact.metadata | {"sources": compact.hashes}
    assert read.hashes == {path.name: sha256_file(path)}
    assert read.sync.crop == compact.sync.crop
    some = load_models({"bundle": path}, parts=["sync", "projection"])
    assert [name for name, _ in some.parts()] == ["sync", "projection"]
    frames, crops = torch.rand(2, 5, 3, 64, 64) * 255, torch.rand(2, 3200) * 1000
    with torch.inference_mode():
        assert torch.equal(compact.sync(frames, crops), read.sync(frames, crops))


def test_partial_bundles(compact, tmp_path):
    save_bundle(tmp_path / "sync.safetensors", Models(sync=compact.sync))
    decoders = Models(distribution=compact.distribution, activation=compact.activation)
    save_bundle(tmp_path / "decoders.safetensors", decoders)
    read = load_bundle(tmp_path / "sync.safetensors")
    assert [name for name, _ in read.parts()] == ["sync"]
    with pytest.raises(CheckpointError, match=r"no distribution model \(it has: sync\)"):
        read.require("sync", "distribution")
    read = load_bundle(tmp_path / "decoders.safetensors")
    assert [name for name, _ in read.parts()] == ["distribution", "activation"]


def test_parts_of_several_bundles_are_put_together(compact, tmp_path):
    compact.notice = None
    save_bundle(tmp_path / "base.safetensors", compact)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "base.safetensors"
    torch.nn.init.ones_(compact.distribution.to_row.weight)
    save_bundle(other, Models(distribution=compact.distribution, notice="A warning."))
    models = load_models({"bundle": tmp_path / "base.safetensors", "distribution": other})
    _assert_same(models.distribution, compact.distribution)
    assert models.notice == "A warning."
    assert models.hashes == {
        "base.safetensors": sha256_file(tmp_path / "base.safetensors"),
        "distribution/base.safetensors": sha256_file(other),
    }


def _rewritten(path, *, tensors=None, header=None):
    """Write a bundle again with changed tensors or a changed description."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["avforensics"])
    state = load_file(path)
    if tensors:
        tensors(state)
    if header:
        header(description)
    save_file(state, path, metadata={"avforensics": json.dumps(description)})


WRONG_TENSORS = {
    "missing": (
        lambda s: s.pop("distribution.to_row.bias"),
        r"tensor distribution\.to_row\.bias \(7,\) is missing",
    ),
    "shape": (
        lambda s: s.update({"activation.position": torch.zeros(1, 9, 16)}),
        r"tensor activation\.position has shape \(1, 9, 16\), expected \(1, 19, 16\)",
    ),
    "foreign": (
        lambda s: s.update({"other.weight": torch.zeros(1)}),
        r"tensor other\.weight does not belong",
    ),
}
WRONG_HEADERS = {
    "version": (lambda h: h.update(version=2), "unsupported bundle version 2; expected 1"),
    "part": (
        lambda h: h["architecture"].update(extra=h["architecture"]["activation"]),
        "part must be one of sync, distribution, activation, projection, got 'extra'",
    ),
    "class": (
        lambda h: h["architecture"]["activation"].update({"class": "os.system"}),
        r"activation: unknown network class 'os.system'; import the code that .*plugins=",
    ),
    "argument": (
        lambda h: h["architecture"]["activation"].update(colour=3),
        "activation: cannot build PublishedDecoder .*'colour'",
    ),
    "nonsense": (
        lambda h: h["architecture"]["activation"].update(width=17),
        "activation: cannot build PublishedDecoder .*width must be a multiple",
    ),
    "exchanged": (
        lambda h: h["architecture"].update(sync=h["architecture"]["activation"]),
        r"tensor sync\..* is missing",
    ),
    "no parts": (lambda h: h.update(architecture={}), "the bundle contains no model"),
    "unreadable": (lambda h: h.pop("architecture"), "the description of the bundle cannot be read"),
    "no version": (lambda h: h.pop("version"), "bundle cannot be read"),
    "part of text": (lambda h: h["architecture"].update(sync="x"), "bundle cannot be read"),
    "number of hashes": (lambda h: h.update(hashes=5), "bundle cannot be read"),
    "metadata of text": (lambda h: h.update(metadata="x"), "bundle cannot be read"),
    "notice": (lambda h: h.update(notice=["x"]), "bundle cannot be read"),
    "no heads": (lambda h: h["architecture"]["activation"].update(heads=0), "activation: cannot"),
    "no size": (lambda h: h["architecture"]["sync"].update(size="x"), "size must be a whole"),
    "no delay": (lambda h: h["architecture"]["sync"].update(max_delay=None), "max_delay must be"),
}


@pytest.mark.parametrize("case", [*WRONG_TENSORS, *WRONG_HEADERS])
def test_wrong_tensors_are_named_and_wrong_descriptions_refused(compact, tmp_path, case):
    path = tmp_path / "m.safetensors"
    save_bundle(path, compact)
    change, message = (WRONG_TENSORS | WRONG_HEADERS)[case]
    _rewritten(path, **{"tensors" if case in WRONG_TENSORS else "header": change})
    with pytest.raises(CheckpointError, match=message):
        load_bundle(path)


def test_truncated_and_foreign_files(compact, tmp_path):
    path = tmp_path / "m.safetensors"
    save_bundle(path, compact)
    whole = path.read_bytes()
    for kept in (0, 5, 900, 20_000):
        path.write_bytes(whole[:kept])
        with pytest.raises(CheckpointError, match=r"truncated, damaged or not a safet|is empty"):
            load_bundle(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="has no description"):
        load_bundle(path)


def test_a_network_of_an_unlisted_class_cannot_be_written(tmp_path):
    with pytest.raises(ConfigError, match=r"a network that contains Linear cannot be saved"):
        describe(torch.nn.Linear(2, 2))
    with pytest.raises(
        CheckpointError,
        match="the sync model must be a synchronisation network, got PublishedDecoder",
    ):
        Models(sync=build({"class": "PublishedDecoder", "width": 16, "heads": 2}))


def test_parts_that_do_not_fit_each_other(compact):
    with pytest.raises(CheckpointError, match="projection model expects 9 activations"):
        Models(sync=compact.sync, projection=build({"class": "Projection", "inputs": 9}))
    with pytest.raises(CheckpointError, match=r"6 projected activations, .* has 5"):
        wrong = build({"class": "Projection", "inputs": 9, "outputs": 5})
        Models(projection=wrong, activation=compact.activation)
