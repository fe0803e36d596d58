"""Files that a checkpoint setting refers to."""

from pathlib import Path

import pytest

from avforensics.checkpoints import Models, load_models, save_bundle
from avforensics.checkpoints.locate import ENVIRONMENT, checkpoint_folder
from avforensics.errors import CheckpointError, ConfigError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _link(source: Path, folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).symlink_to(source / name)
    return folder


DECODERS = ("dist_regressive_model.pth", "avfeature_regressive_model.pth", "pca.pkl")
PARTS = ("distribution", "activation", "projection")


def test_folder_named_in_the_setting_wins(published, tmp_path, monkeypatch):
    folder = _link(published.folder, tmp_path / "here", *DECODERS)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "elsewhere"))
    assert set(load_models({"dir": str(folder)}, parts=PARTS).hashes) == set(DECODERS)


def test_environment_then_cache(published, tmp_path, monkeypatch):
    cached = _link(published.folder, tmp_path / "cache/avforensics/checkpoints", *DECODERS)
    assert checkpoint_folder() == cached
    assert load_models({}, parts=PARTS).projection is not None
    named = _link(published.folder, tmp_path / "named", "pca.pkl")
    monkeypatch.setenv(ENVIRONMENT, str(named))
    assert checkpoint_folder() == named
    assert set(load_models({}, parts=["projection"]).hashes) == {"pca.pkl"}
    with pytest.raises(CheckpointError, match=f"missing in {named}: dist_regressive"):
        load_models({}, parts=["distribution"])
    monkeypatch.delenv(ENVIRONMENT)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checkpoint_folder() == tmp_path / ".cache/avforensics/checkpoints"


def test_missing_files_are_named_with_their_source_and_place(published, tmp_path):
    folder = _link(published.folder, tmp_path / "some", "avfeature_regressive_model.pth")
    with pytest.raises(CheckpointError) as raised:
        load_models({"dir": folder})
    message = str(raised.value)
    assert f"missing in {folder}: sync_model.pth" in message
    assert "1BxaPiZmpiOJDsbbq8ZIDHJU7--RJE7Br" in message
    assert "dist_regressive_model.pth, pca.pkl (from https://github.com/cfeng16/" in message
    assert "avfeature" not in message
    assert "avforensics download" in message
    assert "\n" not in message


def test_named_files_replace_found_ones(published, tmp_path):
    folder = _link(published.folder, tmp_path / "some", *DECODERS[1:])
    setting = {"dir": folder, "distribution": published.folder / DECODERS[0]}
    assert set(load_models(setting, parts=PARTS).hashes) == set(DECODERS)


def test_nothing_is_searched_where_the_setting_says_so(published):
    setting = {"search": False, "pca": published.folder / "pca.pkl", "sync": None}
    models = load_models(setting)
    assert [name for name, _ in models.parts()] == ["projection"]
    with pytest.raises(CheckpointError, match="no sync model"):
        load_models(setting, parts=["sync", "projection"])


def test_parts_that_a_bundle_lacks(compact, tmp_path):
    path = tmp_path / "sync.safetensors"
    save_bundle(path, Models(sync=compact.sync))
    assert load_models({"bundle": path}).distribution is None
    with pytest.raises(CheckpointError, match="no distribution model"):
        load_models({"bundle": path}, parts=["sync", "distribution"])
    with pytest.raises(CheckpointError, match="the bundle has no distribution model"):
        load_models({"search": False, "distribution": path})


def test_mistakes_in_the_setting(tmp_path):
    for name in ("sync", "pca"):
        with pytest.raises(CheckpointError, match=rf"e\.pth: no such .*by checkpoint\.{name}\)"):
            load_models({name: tmp_path / "nowhere.pth"})
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors: no such file"):
        load_models({"bundle": tmp_path / "nowhere.safetensors"})
    with pytest.raises(CheckpointError, match=r"no checkpoint 'grid_gigantic' in .*grid_compact"):
        load_models({"asset": "grid_gigantic"})
    with pytest.raises(CheckpointError, match="names no file"):
        load_models({"search": False})
    with pytest.raises(ConfigError, match=r"unknown setting checkpoint\.snyc"):
        load_models({"snyc": "x"})
