"""`checkpoint=auto`: the published files if all exist, else the weights of the package."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import avforensics.configs
from avforensics.checkpoints import Models, load_models, save_bundle
from avforensics.checkpoints.locate import ENVIRONMENT, SHIPPED
from avforensics.errors import CheckpointError

CONFIGS = Path(avforensics.configs.__path__[0]) / "checkpoint"
NAMES = ("sync_model.pth", "dist_regressive_model.pth", "avfeature_regressive_model.pth", "pca.pkl")


def auto(**changed):
    return OmegaConf.to_container(OmegaConf.load(CONFIGS / "auto.yaml")) | changed


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Empty folder in which published files are searched for."""
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "published"))
    (tmp_path / "published").mkdir()
    return tmp_path / "published"


def test_published_files_win_where_all_are_found(published, folder):
    for name in NAMES:
        (folder / name).symlink_to(published.folder / name)
    models = load_models(auto())
    assert set(models.hashes) == set(NAMES)
    assert models.origin == f"weights: the authors' published files in {folder}"
    assert models.recipe is None


def test_the_shipped_weights_are_whole_and_name_their_crop():
    models = load_models(auto())
    models.require("sync", "distribution", "activation", "projection")
    assert set(models.hashes) == {f"{SHIPPED}.safetensors"}
    assert models.origin == f"weights: {SHIPPED}, shipped with this package"
    assert models.recipe is not None
    by_name = load_models(OmegaConf.to_container(OmegaConf.load(CONFIGS / f"{SHIPPED}.yaml")))
    assert by_name.hashes == models.hashes


def test_some_published_files_are_not_mixed_with_the_shipped_ones(published, folder):
    """The choice does not depend on the requested parts either."""
    for name in NAMES[1:]:
        (folder / name).symlink_to(published.folder / name)
    for parts in (None, ["distribution"]):
        models = load_models(auto(), parts=parts)
        assert set(models.hashes) == {f"{SHIPPED}.safetensors"}
        assert models.origin.endswith(f"({folder} lacks sync_model.pth)")


def test_what_is_named_is_used_or_missed(published, folder, compact, tmp_path):
    with pytest.raises(CheckpointError, match=r"elsewhere: sync_model\.pth"):
        load_models(auto(dir=str(tmp_path / "elsewhere")))
    with pytest.raises(CheckpointError, match=f"missing in {folder}: dist_regressive"):
        load_models(auto(sync=published.folder / "sync_model.pth"))
    save_bundle(tmp_path / "own.safetensors", Models(sync=compact.sync))
    models = load_models(auto(bundle=str(tmp_path / "own.safetensors")))
    assert set(models.hashes) == {"own.safetensors"} and models.origin is None


def test_the_recipe_goes_with_the_network(compact, tmp_path):
    mouth, plain = tmp_path / "mouth.safetensors", tmp_path / "plain.safetensors"
    save_bundle(mouth, Models(sync=compact.sync, metadata={"recipe": "mouth"}))
    save_bundle(plain, Models(sync=compact.sync, distribution=compact.distribution))
    assert load_models({"bundle": mouth}).recipe == "mouth"
    assert load_models({"bundle": mouth, "sync": plain}).recipe is None
    replaced = load_models({"bundle": plain, "sync": mouth})
    assert replaced.recipe == "mouth"
    save_bundle(tmp_path / "again.safetensors", replaced)
    assert load_models({"bundle": tmp_path / "again.safetensors"}).recipe == "mouth"
    # as `train` writes it in a bundle of anomaly models
    for notes in ({"sync": {"recipe": "lrs"}}, {"sync": {"sync": {"recipe": "lrs"}}, "epochs": 3}):
        assert Models(sync=compact.sync, metadata=notes).recipe == "lrs"


def test_calibrations_beside_a_bundle_are_listed(compact, tmp_path):
    save_bundle(tmp_path / "a [1].safetensors", Models(sync=compact.sync))
    names = ["a [1].calibration.safetensors", "a [1].calibration-all.safetensors"]
    for name in [*names, "a 1.calibration.safetensors", "b.calibration.safetensors"]:
        (tmp_path / name).touch()
    models = load_models({"bundle": tmp_path / "a [1].safetensors"})
    assert sorted(path.name for path in models.calibrations) == sorted(names)
