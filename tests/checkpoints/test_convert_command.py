"""`avforensics convert`: from four files to one bundle and back."""

import pytest
import torch
from runs import composed

from avforensics.checkpoints import Models, load_bundle, save_bundle
from avforensics.commands import convert
from avforensics.errors import CheckpointError, ConfigError
from avforensics.files import sha256_file
from avforensics.models.published import to_published


def _run(*overrides):
    return convert.run(composed("convert", *overrides))


def test_four_files_to_a_bundle_and_back(published, tmp_path):
    bundle, folder = tmp_path / "released.safetensors", tmp_path / "back"
    assert _run(f"checkpoint.dir={published.folder}", f"output={bundle}", "notes='a note'") == 0
    models = load_bundle(bundle)
    assert [n for n, _ in models.parts()] == ["sync", "distribution", "activation", "projection"]
    assert models.metadata["sources"] == {
        path.name: sha256_file(path) for path in published.folder.iterdir()
    }
    assert models.metadata["notes"] == "a note"
    assert models.notice is None
    assert torch.equal(
        to_published(models.sync.state_dict(), sync=True)["vis_enc.conv1.weight"],
        published.sync["vis_enc.conv1.weight"],
    )
    setting = ["checkpoint=bundle", f"checkpoint.bundle={bundle}", "to=published"]
    assert _run(*setting, f"output={folder}") == 0
    states = {
        "sync_model.pth": published.sync,
        "dist_regressive_model.pth": published.distribution,
        "avfeature_regressive_model.pth": published.activation,
    }
    assert {path.name for path in folder.iterdir()} == set(states)
    for name, expected in states.items():
        back = torch.load(folder / name, weights_only=True)
        assert back.keys() == expected.keys()
        assert all(torch.equal(back[n], tensor) for n, tensor in expected.items())


def test_a_notice_is_kept(compact, tmp_path):
    source, output = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_bundle(source, compact)
    setting = ["checkpoint=bundle", f"checkpoint.bundle={source}", f"output={output}"]
    assert _run(*setting) == 0
    assert load_bundle(output).notice == compact.notice
    assert _run(*setting, "notice='Only a test.'") == 0
    assert load_bundle(output).notice == "Only a test."


def test_a_single_decoder(published, tmp_path):
    output = tmp_path / "decoder.safetensors"
    path = published.folder / "dist_regressive_model.pth"
    assert _run("checkpoint=files", f"checkpoint.distribution={path}", f"output={output}") == 0
    assert [name for name, _ in load_bundle(output).parts()] == ["distribution"]


def test_our_own_architecture_has_no_published_form(compact, tmp_path):
    bundle = tmp_path / "m.safetensors"
    save_bundle(bundle, Models(distribution=compact.distribution))
    setting = ["checkpoint=bundle", f"checkpoint.bundle={bundle}", "to=published"]
    with pytest.raises(CheckpointError, match=r"cannot be written to dist_regressive_model\.pth"):
        _run(*setting, f"output={tmp_path / 'back'}")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "needs output="),
        (["output=model.bin"], "must end in .safetensors, got model.bin"),
        (["to=onnx", "output=x"], "to must be bundle or published, got onnx"),
    ],
)
def test_mistakes(published, overrides, message):
    pca = f"checkpoint.pca={published.folder / 'pca.pkl'}"
    with pytest.raises(ConfigError, match=message):
        _run("checkpoint=files", pca, *overrides)
