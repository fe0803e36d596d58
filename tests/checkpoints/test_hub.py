"""Weights by name: shipped weights, a file, a folder, and a fake Hugging Face Hub."""

import json
import shutil
import sys
import types
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from avforensics import Detector
from avforensics.checkpoints import load_models, save_bundle
from avforensics.checkpoints.card import upload, write_release
from avforensics.checkpoints.hub import MODEL, PINNED, PINS, cached, setting_of
from avforensics.cli.positional import name_words
from avforensics.commands.push import run
from avforensics.errors import CheckpointError, ConfigError
from avforensics.files import sha256_file

NAME = "some-lab/lips"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, without a client to download from the Hub."""
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
    """A fake client that turns uploads into snapshots in a cache with the Hub's layout."""
    server = cache.parent / "server"

    class HfApi:
        def create_repo(self, repository, private, exist_ok):
            (server / repository).mkdir(parents=True, exist_ok=exist_ok)

        def upload_folder(
            self, repo_id, folder_path, commit_message, allow_patterns, delete_patterns
        ):
            for pattern in delete_patterns:
                for old in (server / repo_id).glob(pattern):
                    old.unlink()
            for file in Path(folder_path).iterdir():
                if any(fnmatch(file.name, pattern) for pattern in allow_patterns):
                    shutil.copyfile(file, server / repo_id / file.name)
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
            place = top / "snapshots" / commit / file.name
            place.unlink(missing_ok=True)
            place.symlink_to(blob)
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
    with pytest.raises(CheckpointError, match="the file has changed"):
        load_models({"weights": str(bundle), "sha256": ""})
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
    with pytest.raises(CheckpointError, match="unknown weights; use talkers, grid_compact"):
        setting_of("lips")
    with pytest.raises(CheckpointError, match=r"^weights/best\.safetensors: no such file$"):
        setting_of("weights/best.safetensors")
    with pytest.raises(CheckpointError, match="unknown weights"):
        setting_of("../lips")
    for revision in ("/etc", "../../x", "a/../b", "a\0b"):
        with pytest.raises(CheckpointError, match="must be a branch, a tag or a commit"):
            setting_of(f"{NAME}@{revision}")
    with pytest.raises(
        ConfigError, match=r"some-lab/lips is missing or incomplete in .*avforensics\[hub\]"
    ):
        setting_of(NAME)


def test_pushed_fetched_cached_and_refused_when_changed(
    hub, bundle, avforensics, refusal, tmp_path, monkeypatch
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
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # no network from here on
    assert same(load_models({"weights": f"{NAME}@main"}), fetched)
    detector = Detector.from_pretrained(NAME, faces="none", device="cpu", max_len=5)
    assert same(detector.models, fetched)

    model = cached(NAME) / MODEL
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.resolve().write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="the file has changed"):
        load_models({"weights": NAME})
    (tmp_path / "some.mp4").touch()
    said = refusal("detect", tmp_path / "some.mp4", f"checkpoint={NAME}")
    assert "the file has changed" in said
    snapshot = cached(NAME)
    (snapshot / PINS).unlink()  # even without pins, the cache names the file by its hash
    with pytest.raises(CheckpointError, match="the file has changed"):
        load_models({"weights": str(snapshot)})
    with pytest.raises(ConfigError, match=r"incomplete in .*; downloading it needs"):
        load_models({"weights": NAME})


def push(bundle, output, **settings):
    words = {"repo": None, "private": True, "license": None, "card": None, **settings}
    checkpoint = {"weights": str(bundle)}
    return run(OmegaConf.create({**words, "output": str(output), "checkpoint": checkpoint}))


def test_a_folder_of_its_own(hub, bundle, tmp_path):
    dotted = tmp_path / "made/grid.v1.safetensors"
    dotted.parent.mkdir()
    bundle.rename(dotted)
    for kind in ("all", "[1]"):
        dotted.with_name(f"grid.v1.calibration-{kind}.safetensors").write_text(kind)
    folder = tmp_path / "card"
    push(dotted, folder, repo=NAME)
    names = ["model.calibration-[1].safetensors", "model.calibration-all.safetensors"]
    assert [path.name for path in load_models({"weights": str(folder)}).calibrations] == names
    assert [path.name for path in load_models({"weights": NAME}).calibrations] == names

    (cached(NAME) / names[0]).unlink()  # an interrupted download
    assert cached(NAME) is None
    assert len(load_models({"weights": NAME}).calibrations) == 2

    dotted.with_name("grid.v1.calibration-[1].safetensors").unlink()
    push(dotted, folder, repo=NAME)  # replaces the earlier upload and removes files that are gone
    here = sorted(path.name for path in folder.iterdir())
    assert here == sorted(["README.md", PINS, MODEL, names[1]])
    assert sorted(path.name for path in (hub / NAME).iterdir()) == here
    write_release(load_models({"weights": str(folder)}), folder, name="itself")
    assert len(load_models({"weights": str(folder)}).calibrations) == 1

    (folder / names[0]).write_text("from elsewhere")
    with pytest.raises(CheckpointError, match=r"\[1\].*does not list this file"):
        setting_of(str(folder))
    (folder / names[0]).rename(folder / "passwords.txt")
    upload(folder, NAME)
    assert sorted(path.name for path in (hub / NAME).iterdir()) == here
    with pytest.raises(ConfigError, match=r"contains passwords\.txt, which push did not write"):
        push(dotted, folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/README.md").write_text("# Mine\n")
    with pytest.raises(ConfigError, match=r"contains README\.md, which push"):
        push(dotted, tmp_path / "mine")
    assert (tmp_path / "mine/README.md").read_text() == "# Mine\n"


def test_a_card_of_ones_own(bundle, tmp_path):
    card = tmp_path / "card.md"
    for text in ("# Mine\n", "---\nlicense: mit\n---\n# Mine\n"):
        card.write_text(text)
        push(bundle, tmp_path / "out", card=str(card))
        written = (tmp_path / "out/README.md").read_text()
        assert written.endswith(text) and written.startswith("---\n")
        assert written.count("---\n") == 2
    card.write_bytes("# Gerät\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"card\.md: not UTF-8 text"):
        push(bundle, tmp_path / "out", card=str(card))


def test_a_hash_is_checked_or_refused(bundle, tmp_path):
    for setting in (
        {"weights": "grid_compact"},
        {"asset": "grid_compact"},
        {"bundle": str(bundle)},
        {"search": "auto", "bundle": str(bundle)},
    ):
        with pytest.raises(CheckpointError, match=f"expected {'0' * 64}"):
            load_models({**setting, "sha256": "0" * 64})
    load_models({"asset": "grid_compact", "sha256": PINNED["grid_compact"].upper()})
    (tmp_path / "empty").mkdir()
    for setting in (
        {"weights": "released"},
        {"weights": str(tmp_path / "empty")},
        {"search": False, "sync": str(bundle)},
    ):
        with pytest.raises(ConfigError, match=r"checkpoint\.sha256 is the hash of a bundle"):
            load_models({**setting, "sha256": "0" * 64})


def test_what_the_hub_refuses_is_one_sentence(hub, refusal):
    with pytest.raises(CheckpointError, match=r"nobody/x@main: cannot be downloaded \(404 Client"):
        load_models({"weights": "nobody/x"})
    assert "push needs output=FOLDER" in refusal("push", "checkpoint=grid_compact")


def test_a_name_on_the_command_line():
    assert name_words("push", ["checkpoint=talkers", "a=1"]) == ["checkpoint=talkers", "a=1"]
    named = name_words("push", ["checkpoint=some-lab/lips"])
    assert named[0] == "checkpoint=named" and named[1].startswith("checkpoint.weights=")
