"""Files, folders and lists."""

import os
from pathlib import Path

import pytest

from avforensics.detection.inputs import list_inputs
from avforensics.errors import ConfigError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def test_a_file_and_a_file_that_is_missing(here):
    touch("a.mp4", "no_suffix")
    assert list_inputs("a.mp4").paths == [Path("a.mp4")]
    assert list_inputs("no_suffix").paths == [Path("no_suffix")]
    assert list_inputs("missing.MOV").paths == [Path("missing.MOV")]  # becomes a row


def test_a_folder_is_searched_and_sorted(here):
    touch("v/b.mp4", "v/a.MKV", "v/sub/c.webm", "v/notes.txt", "v/._a.mp4", "v/.hidden/d.mp4")
    (here / "v/again").symlink_to(here / "v")  # a circle
    inputs = list_inputs("v")
    assert inputs.paths == [Path("v/a.MKV"), Path("v/b.mp4"), Path("v/sub/c.webm")]
    assert inputs.remarks == ["1 file with a name that begins with a dot: left out"]


def test_a_linked_folder_is_followed(here):
    touch("real/a.mp4")
    (here / "v").mkdir()
    (here / "v/link").symlink_to(here / "real")
    assert list_inputs("v").paths == [Path("v/link/a.mp4")]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list(here, mark, end):
    lines = [
        "# comment",
        "",
        "b c.mp4",
        "  ",
        "/abs/ü.mp4",
        "./b c.mp4",
        "sub/../b c.mp4",
        " a.mp4 ",
    ]
    (here / "l").mkdir()
    (here / "l/list.txt").write_bytes((mark + end.join(lines)).encode("utf-8"))
    inputs = list_inputs("l/list.txt")
    assert inputs.paths == [Path("l/b c.mp4"), Path("/abs/ü.mp4"), Path("l/a.mp4")]
    assert inputs.remarks == ["l/list.txt: 2 files listed more than once: scored once"]


def test_a_list_of_utf_16(here):
    (here / "list.txt").write_text("ü.mp4\r\nb.mp4", encoding="utf-16")
    assert list_inputs("list.txt").paths == [Path("ü.mp4"), Path("b.mp4")]


def test_a_list_counts_from_its_folder_else_from_here(here):
    touch("here.mp4", "both.mp4", "l/both.mp4")
    (here / "l/list.txt").write_text("here.mp4\nboth.mp4\nnowhere.mp4\n")
    assert list_inputs("l/list.txt").paths == [
        Path("here.mp4"),
        Path("l/both.mp4"),
        Path("l/nowhere.mp4"),
    ]


def test_bytes_that_are_no_utf_8(here):
    name = b"caf\xe9.mp4"
    (here / "list.txt").write_bytes(name + b"\n")
    assert os.fsencode(list_inputs("list.txt").paths[0]) == name


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "input is empty"),
        ("nowhere", "there is no such file or folder"),
        ("nowhere.txt", "the list cannot be read"),
        ("empty", "no video in this folder or below"),
        ("empty.txt", "the list names no video"),
        ("binary.txt", "this is not a text file"),
    ],
)
def test_nothing_to_do_is_an_error(here, source, sentence):
    touch("empty/readme.md")
    (here / "empty.txt").write_text("# nothing\n\n")
    (here / "binary.txt").write_bytes(b"\x00\x01")
    with pytest.raises(ConfigError, match=sentence):
        list_inputs(source)


def test_a_name_that_begins_with_a_tilde(here):
    touch("~no_such_user.mp4")
    (here / "list.txt").write_text("~no_such_user.mp4\n~gone.mp4\n")
    assert list_inputs("~no_such_user.mp4").paths == [Path("~no_such_user.mp4")]
    assert list_inputs("list.txt").paths == [Path("~no_such_user.mp4"), Path("~gone.mp4")]
