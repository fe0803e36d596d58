"""`avforensics serve`: errors before the page appears."""

import sys
import tempfile

import pytest
from omegaconf import OmegaConf
from runs import composed

from avforensics.commands.serve import for_visitors, listen, temporary_files_in
from avforensics.errors import ConfigError


def test_without_gradio_it_says_what_to_install(monkeypatch, tmp_path, refusal):
    monkeypatch.setitem(sys.modules, "gradio", None)
    said = refusal("serve", f"output_dir={tmp_path}")
    assert said.endswith('is not installed: pip install "avforensics[app]"\n')


def test_an_address_that_is_taken():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen at 127.0.0.1:{port} \(.*in use"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("no such host", 80, "cannot listen at"),
        ("127.0.0.1", 99999, "port must be 0 to 65535"),
        ("", 0, "host is empty"),
        (0, 0, "host is empty"),
    ],
)
def test_an_address_that_is_none(host, port, said):
    with pytest.raises(ConfigError, match=said):
        listen(host, port)


def test_reports_name_no_folder_of_the_server(tmp_path):
    (tmp_path / "m.safetensors").touch()
    words = (f"checkpoint.bundle={tmp_path}/m.safetensors", f"output_dir={tmp_path}")
    cfg = composed("serve", "checkpoint=bundle", *words, f"temporary={tmp_path}")
    config = OmegaConf.to_container(cfg, resolve=True)
    found = for_visitors({"version": "1", "config": config})
    assert str(tmp_path) not in str(found)
    assert found["config"]["checkpoint"]["bundle"] == "m.safetensors"
    assert found["config"]["scoring"]["max_len"] == 50 and found["version"] == "1"
    del config["calibration"]  # ~calibration
    assert for_visitors({"config": config})["config"]["calibration"] is None


def test_temporary_files_lie_with_the_uploads(tmp_path):
    before = tempfile.gettempdir()
    with temporary_files_in(str(tmp_path)), tempfile.NamedTemporaryFile() as file:
        assert file.name.startswith(f"{tmp_path}/")
    assert tempfile.gettempdir() == before
