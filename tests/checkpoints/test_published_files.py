"""The authors' files: read as a whole, and every way in which they can be invalid."""

import os

import pytest
import torch

from avforensics.checkpoints import load_models
from avforensics.checkpoints.architecture import describe
from avforensics.checkpoints.published import published_state, read_network
from avforensics.errors import CheckpointError
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.published import to_published


def test_four_files_are_read(published):
    models = load_models({"dir": published.folder})
    names = [name for name, _ in models.parts()]
    assert names == ["sync", "distribution", "activation", "projection"]
    assert not any(module.training for _, module in models.parts())
    assert set(models.hashes) == {p.name for p in published.folder.iterdir()}
    back = to_published(models.sync.state_dict(), sync=True)
    assert back.keys() == published.sync.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in published.sync.items())


@pytest.mark.reference
def test_released_decoders_come_back_bit_for_bit(reference):
    for part, name in (("distribution", "dist"), ("activation", "avfeature")):
        path = reference / f"{name}_regressive_model.pth"
        released = torch.load(path, map_location="cpu", weights_only=True)
        back = published_state(part, read_network(part, path))
        assert back.keys() == released.keys()
        assert all(torch.equal(back[n], tensor) for n, tensor in released.items())


@pytest.mark.reference
def test_released_files_under_each_others_name_are_told_apart(reference, tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes((reference / "avfeature_regressive_model.pth").read_bytes())
    with pytest.raises(CheckpointError, match=r"published avfeature_regressive_model\.pth"):
        load_models({"search": False, "distribution": path})


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{name}": t for name, t in state.items()}},
        lambda state: {"state_dict": {f"_orig_mod.module.{n}": t for n, t in state.items()}},
        lambda state: {"model": state, "optimizer": {"state": {0: {"step": 1}}}, "epoch": 3},
        lambda state: {"net": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"epoch": 1, "model_state_dict": state, "best": 0.5},
        lambda state: {"model": {f"net.{n}": t for n, t in state.items()}, "model_ema": state},
        lambda state: {"decoder": state, "args": {"lr": 0.1}},
        lambda state: {"checkpoint": {"state_dict": state}, "version": "2"},
    ],
)
def test_wrapped_state_dicts_are_accepted(published, tmp_path, wrap):
    path = tmp_path / "wrapped.pth"
    torch.save(wrap(published.distribution), path)
    back = published_state("distribution", read_network("distribution", path))
    assert all(torch.equal(back[n], tensor) for n, tensor in published.distribution.items())


@pytest.mark.parametrize("own", [True, False])
def test_a_training_checkpoint_brings_its_own_architecture_or_needs_none(tmp_path, own):
    sizes = {"inputs": 21, "outputs": 21, "width": 32, "heads": 4, "positions": 19} if own else {}
    network = PublishedDecoder(**sizes)
    state = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    state["metric.total"] = torch.zeros(1)
    path = tmp_path / "last.ckpt"
    described = {"architecture": describe(network)} if own else {}
    torch.save({"state_dict": state, "epoch": 1, **described}, path)
    read = read_network("distribution", path)
    assert read.max_len == network.max_len
    assert all(torch.equal(read.state_dict()[n], t) for n, t in network.state_dict().items())


def _without(state, name):
    return {n: t for n, t in state.items() if n != name}


WRONG = {
    "missing": (
        lambda s: _without(s, "lin1.bias"),
        r"tensor lin1\.bias \(256,\) is missing \(1 of 31 tensors are\)",
    ),
    "shape": (
        lambda s: s | {"lin2.weight": torch.zeros(25, 256)},
        r"tensor lin2\.weight has shape \(25, 256\), expected \(31, 256\)",
    ),
    "foreign": (
        lambda s: s | {"lin3.weight": torch.zeros(2)},
        r"tensor lin3\.weight does not belong to this network",
    ),
    "other network": (
        lambda s: {"conv1.weight": torch.zeros(2)},
        r"pos_embedding \(1, 49, 256\) is missing \(31 of 31 tensors are\), and conv1\.weight",
    ),
    "kind": (
        lambda s: s | {"lin1.bias": torch.zeros(256, dtype=torch.int8)},
        r"tensor lin1\.bias holds torch\.int8, expected torch\.float32",
    ),
    "not finite": (
        lambda s: s | {"lin1.bias": torch.full((256,), torch.nan)},
        r"tensor lin1\.bias has values that are not finite",
    ),
    "unusual type": (
        lambda s: s | {"lin1.bias": torch.zeros(256).to(torch.float8_e5m2)},
        r"tensor lin1\.bias has the unsupported type torch\.float8_e5m2",
    ),
    "no tensor": (lambda s: s | {"lin1.bias": 3}, r"entry 'lin1\.bias' is not a tensor"),
    "no state dict": (lambda s: [1, 2], "does not contain a state dict"),
    "several networks": (
        lambda s: {"generator": s, "critic": s},
        r"several networks \(generator, critic\); keep one",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(published, tmp_path, case):
    change, message = WRONG[case]
    path = tmp_path / "dist_regressive_model.pth"
    torch.save(change(dict(published.distribution)), path)
    with pytest.raises(CheckpointError, match=message) as raised:
        read_network("distribution", path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_the_published_shape_is_the_one_that_is_told(published, tmp_path):
    path = tmp_path / "sync_model.pth"
    torch.save(published.sync | {"vis_enc.conv1.weight": torch.zeros(64, 1, 1, 7, 7)}, path)
    expected = r"conv1\.weight has shape \(64, 1, 1, 7, 7\), expected \(64, 3, 1, 7, 7\)"
    with pytest.raises(CheckpointError, match=expected):
        read_network("sync", path)


def test_a_decoder_in_place_of_the_network(published):
    path = published.folder / "dist_regressive_model.pth"
    with pytest.raises(CheckpointError, match=r"vis_enc\.conv1\.weight .* is missing \(207 of 207"):
        read_network("sync", path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"", "the file is empty"),
        (
            lambda whole: b"\n<!DOCTYPE html><title>Google Drive - Quota exceeded</title>",
            "a web page",
        ),
        (
            lambda whole: b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "Git LFS pointer",
        ),
        (lambda whole: b"some text that is no checkpoint", "damaged or not a torch file"),
        (lambda whole: whole[:40], "truncated, damaged or not a torch file"),
        (lambda whole: whole[:5000], "truncated, damaged or not a torch file"),
        (lambda whole: whole[:3_000_000], "truncated, damaged or not a torch file"),
    ],
)
def test_files_that_hold_no_whole_weights(published, tmp_path, content, message):
    whole = (published.folder / "dist_regressive_model.pth").read_bytes()
    assert len(whole) > 3_000_000
    path = tmp_path / "sync_model.pth"
    path.write_bytes(content(whole))
    with pytest.raises(CheckpointError, match=message):
        read_network("sync", path)


class _Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_code_in_a_torch_file_is_refused(tmp_path):
    marker = tmp_path / "executed"
    path = tmp_path / "sync_model.pth"
    torch.save({"a": _Payload(marker)}, path)
    with pytest.raises(CheckpointError, match=r"rejected: .* but contains (posix|os|nt)\.system"):
        read_network("sync", path)
    assert not marker.exists()


def test_sizes_that_cannot_work_together(published, tmp_path):
    network = PublishedDecoder(inputs=21, outputs=21, width=32, heads=4)
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": network.state_dict(), "architecture": describe(network)}, path)
    with pytest.raises(CheckpointError, match="expects 21 delays, but the checkpoint has 31"):
        load_models({"dir": published.folder, "distribution": path})
