"""Weights by name: shipped, a file, a folder, and a stand-in for the Hugging Face Hub."""

import json
import shutil
import sys
import types
from pathlib import Path

import pytest
import torch

from avforensics import Detector
from avforensics.checkpoints import load_models, save_bundle
from avforensics.checkpoints.hub import MODEL, PINNED, PINS, cached, setting_of
from avforensics.cli.positional import name_words
from avforensics.errors import CheckpointError, ConfigError
from avforensics.files import sha256_file

NAME = "some-lab/lips"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, and nobody to fetch from."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    return tmp_path / "hub"


@pytest.fixture
def bundle(tmp_path, compact):
    path = tmp_path / "weights [1].safetensors"
    compact.notice = "Only for tests."
    save_bundle(path, compact)
    return path


@pytest.fixture
def hub(monkeypatch, cache):
    """A stand-in for the client: uploads become snapshots of a cache, laid out as the Hub's."""
    server = cache.parent / "server"

    class HfApi:
        def create_repo(self, repository, private, exist_ok):
            (server / repository).mkdir(parents=True, exist_ok=exist_ok)

        def upload_folder(self, repo_id, folder_path, commit_message):
            shutil.copytree(folder_path, server / repo_id, dirs_exist_ok=True)
            return f"https://hub.example/{repo_id}"

    def snapshot_download(repository, revision, allow_patterns, cache_dir):
        if not (server / repository).is_dir():
            raise OSError("404 Client Error\nno such repository")
        top = Path(cache_dir, f"models--{repository.replace('/', '--')}")
        commit = "c0ffee"
        for folder in ("refs", "blobs", f"snapshots/{commit}"):
            (top / folder).mkdir(parents=True, exist_ok=True)
        (top / "refs" / revision).write_text(commit)
        for file in (server / repository).iterdir():
            blob = top / "blobs" / sha256_file(file)
            shutil.copyfile(file, blob)
            (top / "snapshots" / commit / file.name).symlink_to(blob)
        return str(top / "snapshots" / commit)

    module = types.SimpleNamespace(HfApi=HfApi, snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return server


def same(one, other):
    return all(
        torch.equal(a, b)
        for (_, x), (_, y) in zip(one.parts(), other.parts(), strict=True)
        for a, b in zip(x.state_dict().values(), y.state_dict().values(), strict=True)
    )


def test_a_file_and_a_folder(bundle):
    models = load_models({"weights": str(bundle)})
    assert same(models, load_models({"bundle": str(bundle)}))
    assert same(load_models({"weights": str(bundle.parent)}), models)
    digest = sha256_file(bundle)
    assert load_models({"weights": str(bundle), "sha256": digest}).hashes == {bundle.name: digest}
    with pytest.raises(CheckpointError, match=f"SHA-256 is {digest}, expected {'0' * 64}"):
        load_models({"weights": str(bundle), "sha256": "0" * 64})
    (bundle.parent / "other.safetensors").write_bytes(bundle.read_bytes())
    with pytest.raises(CheckpointError, match="more than one bundle: other"):
        setting_of(str(bundle.parent))


def test_shipped_weights_have_pinned_hashes(monkeypatch):
    for name in PINNED:
        assert setting_of(name) == {"search": False, "asset": name}
    models = load_models({"weights": "grid_compact"})
    assert set(models.hashes.values()) == {PINNED["grid_compact"]}
    assert models.calibrations
    monkeypatch.setitem(PINNED, "grid_compact", "0" * 64)
    with pytest.raises(CheckpointError, match="the file has changed"):
        load_models({"weights": "grid_compact"})
    assert setting_of("released") == {"search": True}


def test_names_that_mean_nothing():
    with pytest.raises(CheckpointError, match="no such weights; use talkers, grid_compact"):
        setting_of("lips")
    with pytest.raises(ConfigError, match=r"some-lab/lips is not in .*avforensics\[hub\]"):
        setting_of(NAME)


def test_pushed_fetched_cached_and_refused_when_changed(
    hub, bundle, avforensics, tmp_path, monkeypatch, capsys
):
    words = [f"checkpoint='{bundle}'", f"repo={NAME}", f"output={tmp_path / 'card'}", "license=mit"]
    assert avforensics("push", *words) == 0
    card = (tmp_path / "card/README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    assert "**Only for tests.**" in card and f'from_pretrained("{NAME}")' in card
    pins = json.loads((tmp_path / "card" / PINS).read_text())["sha256"]
    assert pins == {MODEL: sha256_file(tmp_path / "card" / MODEL)}
    assert pins[MODEL] in card

    fetched = load_models({"weights": NAME})
    assert same(fetched, load_models({"bundle": str(bundle)}))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # from now on without a network
    assert same(load_models({"weights": f"{NAME}@main"}), fetched)
    detector = Detector.from_pretrained(NAME, faces="none", device="cpu", max_len=5)
    assert same(detector.models, fetched)

    model = cached(NAME) / MODEL
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.resolve().write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="the file has changed"):
        load_models({"weights": NAME})
    (cached(NAME) / PINS).unlink()  # without pins, the cache still names the file by its hash
    with pytest.raises(CheckpointError, match="the file has changed"):
        load_models({"weights": NAME})
    assert avforensics("detect", "none.mp4", f"checkpoint={NAME}") == 2
    assert "the file has changed" in capsys.readouterr().err


def test_what_the_hub_refuses_is_one_sentence(hub, avforensics, capsys):
    with pytest.raises(CheckpointError, match=r"nobody/x@main: cannot be fetched \(404 Client"):
        load_models({"weights": "nobody/x"})
    assert avforensics("push", "checkpoint=grid_compact") == 2
    assert "push needs output=FOLDER" in capsys.readouterr().err


def test_a_name_on_the_command_line():
    assert name_words("push", ["checkpoint=talkers", "a=1"]) == ["checkpoint=talkers", "a=1"]
    named = name_words("push", ["checkpoint=some-lab/lips"])
    assert named[0] == "checkpoint=named" and named[1].startswith("checkpoint.weights=")
