"""Plugins: a user's code is imported only from places that the user names."""

import os
import sys
from importlib.metadata import EntryPoint

import pytest

from avforensics import registry
from avforensics.errors import ConfigError
from avforensics.registry import ENVIRONMENT, Registry, load_plugins


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(registry, "_installed", list)
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]


def plugin(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return folder / f"{name}.py"


def test_a_file_is_imported_once_and_remembered_for_other_processes(tmp_path):
    counted = tmp_path / "times"
    text = f"from pathlib import Path\nPath({str(counted)!r}).open('a').write('x')\n"
    path = plugin(tmp_path / "with space", "plugin_once", text)
    load_plugins(str(path))
    load_plugins([str(path)])
    load_plugins()
    assert counted.read_text() == "x"
    assert os.environ[ENVIRONMENT] == str(path)


def test_the_environment_names_modules(tmp_path, monkeypatch):
    plugin(tmp_path, "plugin_env", "seen = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(ENVIRONMENT, "plugin_env")
    numbers = Registry("number", {"one": 1})
    assert numbers["one"] == 1
    assert "plugin_env" not in sys.modules  # a known name needs no plugin
    assert "two" not in numbers
    assert sys.modules["plugin_env"].seen


def test_an_entry_point_is_imported_when_a_name_is_not_known(tmp_path, monkeypatch):
    plugin(tmp_path, "plugin_entry", "import plugin_target\nplugin_target.numbers.add('two', 2)\n")
    plugin(tmp_path, "plugin_target", "numbers = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    import plugin_target

    plugin_target.numbers = Registry("number", {"one": 1})
    entry = EntryPoint("mine", "plugin_entry", registry.GROUP)
    monkeypatch.setattr(registry, "_installed", lambda: [(entry.value, entry.name)])
    assert sorted(plugin_target.numbers) == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nowhere_at_all", None, r"nowhere_at_all cannot be imported \(No module named"),
        ("missing.py", None, "no such file: missing.py"),
        ("broken", "1 / 0\n", r"plugin_broken.py cannot be imported \(division by zero\)"),
        ("json", "", "json.py has the same name as another module; rename the file"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(tmp_path, name, text, message):
    if text is not None:
        name = str(plugin(tmp_path, name if name == "json" else f"plugin_{name}", text))
    with pytest.raises(ConfigError, match=f"^plugins: .*{message}") as error:
        load_plugins(name)
    assert "\n" not in str(error.value)


def test_the_same_thing_may_be_defined_again_but_a_name_has_one_owner():
    numbers = Registry("shape")

    def make():
        class Same:
            pass

        return Same

    numbers.add("a", make())
    again = numbers.add("a", make())
    assert numbers["a"] is again
    with pytest.raises(ValueError, match="a shape named 'a' is already registered"):
        numbers.add("a", int)
