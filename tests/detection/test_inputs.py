"""Inputs from files, folders and lists."""

import os
from pathlib import Path

import pytest

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.detection.inputs import list_inputs
from avforensics.errors import AVForensicsError
from avforensics.scoring.source import Clip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def paths(source):
    return [clip.path for clip in list_inputs(source)]


def test_a_file_and_a_file_that_is_missing(here):
    touch("a.mp4", "no_suffix")
    assert paths("a.mp4") == [Path("a.mp4")]
    assert paths("no_suffix") == [Path("no_suffix")]
    several = ["a.mp4", "missing.MOV"]
    assert paths(several) == [*map(Path, several)]  # both of them become rows


def test_a_folder_is_searched_and_sorted(here, caplog):
    touch("v/b.mp4", "v/a.MKV", "v/sub/c.webm", "v/notes.txt", "v/._a.mp4", "v/.hidden/d.mp4")
    (here / "v/again").symlink_to(here / "v")  # a circle
    assert paths("v") == [Path("v/a.MKV"), Path("v/b.mp4"), Path("v/sub/c.webm")]
    assert caplog.messages == ["skipped 1 file with a name that begins with a dot"]


def test_several_inputs_are_joined_each_video_once(here, caplog):
    touch("v/a.mp4", "v/b.mp4", "c.mp4")
    assert paths(["c.mp4", "v", "v/a.mp4"]) == [Path("c.mp4"), Path("v/a.mp4"), Path("v/b.mp4")]
    assert caplog.messages == ["input: 1 file listed more than once, but scored once"]


def test_a_linked_folder_is_followed(here):
    touch("real/a.mp4")
    (here / "v").mkdir()
    (here / "v/link").symlink_to(here / "real")
    assert paths("v") == [Path("v/link/a.mp4")]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list(here, mark, end, caplog):
    lines = ["# comment", "", "b c.mp4", "  ", "/abs/ü.mp4", "./b c.mp4"]
    lines += ["sub/../b c.mp4", " a.mp4 "]
    (here / "l").mkdir()
    (here / "l/list.txt").write_bytes((mark + end.join(lines)).encode("utf-8"))
    assert paths("l/list.txt") == [Path("l/b c.mp4"), Path("/abs/ü.mp4"), Path("l/a.mp4")]
    assert caplog.messages == ["l/list.txt: 2 files listed more than once, but scored once"]


def test_a_list_of_utf_16(here):
    (here / "list.txt").write_text("ü.mp4\r\nb.mp4", encoding="utf-16")
    assert paths("list.txt") == [Path("ü.mp4"), Path("b.mp4")]


def test_a_list_counts_from_its_folder_else_from_here(here):
    touch("here.mp4", "both.mp4", "l/both.mp4")
    (here / "l/list.txt").write_text("here.mp4\nboth.mp4\nnowhere.mp4\n")
    found = [Path("here.mp4"), Path("l/both.mp4"), Path("l/nowhere.mp4")]
    assert paths("l/list.txt") == found


def test_bytes_that_are_no_utf_8(here):
    name = b"caf\xe9.mp4"
    (here / "list.txt").write_bytes(name + b"\n")
    assert os.fsencode(paths("list.txt")[0]) == name


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "input is empty"),
        ("nowhere", "there is no such file or folder"),
        ("nowhere.mp4", "input=nowhere.mp4: there is no such file or folder"),
        (["nowhere.mp4"], "input=nowhere.mp4: there is no such file or folder"),
        ("nowhere.txt", "nowhere.txt: no such file"),
        ("empty", "no video in this folder or below"),
        ("empty.txt", "the list contains no video"),
        ("binary.txt", "binary data, not text"),
        ("nowhere.csv", "nowhere.csv: no such file"),
        ("faces.csv", "no column path; the columns in its first line: face, label"),
        ("start.csv", "line 3, row 2: start and duration must be numbers of seconds"),
    ],
)
def test_nothing_to_do_is_an_error(here, source, sentence):
    touch("empty/readme.md")
    (here / "empty.txt").write_text("# nothing\n\n")
    (here / "binary.txt").write_bytes(b"\x00\x01")
    (here / "faces.csv").write_text("face,label\n1,0\n")
    (here / "start.csv").write_text("path,start\na.mp4,1\nb.mp4,soon\n")
    with pytest.raises(AVForensicsError, match=sentence):
        list_inputs(source)


def test_a_name_that_begins_with_a_tilde(here):
    touch("~no_such_user.mp4")
    (here / "list.txt").write_text("~no_such_user.mp4\n~gone.mp4\n")
    assert paths("~no_such_user.mp4") == [Path("~no_such_user.mp4")]
    several = [Path("~no_such_user.mp4"), Path("~gone.mp4")]
    assert paths("list.txt") == paths([*map(str, several)]) == several


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.txt", "m.parquet", "m.arrow"])
def test_rows_of_a_manifest(here, name, caplog):
    (here / "l").mkdir()
    touch("l/a.mp4", "here.mp4")
    rows = [
        Row(str(here / "l/a.mp4"), 0),
        Row(str(here / "l/a.mp4"), 1, start=0.5, duration=1.0),
        Row(str(here / "l/b c.mp4"), 1, audio=str(here / "l/b c.wav")),
        Row(str(here / "l/a.mp4"), 1),
    ]
    if name.endswith(("parquet", "arrow")):
        pytest.importorskip("pyarrow")
    Manifest(rows).write(here / "l" / name)
    assert list_inputs(f"l/{name}") == [
        Clip(Path("l/a.mp4")),
        Clip(Path("l/a.mp4"), start=0.5, duration=1.0),
        Clip(Path("l/b c.mp4"), audio=Path("l/b c.wav")),
    ]
    assert caplog.messages == [f"l/{name}: 1 file listed more than once, but scored once"]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.mp4,1\nhere.mp4,whatever\n",
        "File;Remark\na.mp4;\nhere.mp4;x\n",
        "path,status,score,track,start,end\na.mp4,scored,1,,,\na.mp4,scored,1,1,0.0,2.0\n"
        "here.mp4,failed,,,,\n",
        "path\na.mp4\nhere.mp4\n",
        "a.mp4,1\nhere.mp4,0\n",
        "a.mp4;fake\nhere.mp4;real\n",
        "a.mp4\nhere.mp4\n",
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
def test_tables_that_name_files(here, text, name):
    touch("l/a.mp4", "here.mp4")
    (here / "l" / name).write_text(text)
    assert list_inputs(f"l/{name}") == [Clip(Path("l/a.mp4")), Clip(Path("here.mp4"))]


def test_a_name_that_ends_as_a_label_does(here):
    touch("take 1", "b.mp4 0.mp4")
    (here / "list.txt").write_text("take 1\nb.mp4 0.mp4\nc.mp4 1\n")
    assert paths("list.txt") == [Path("take 1"), Path("b.mp4 0.mp4"), Path("c.mp4")]
