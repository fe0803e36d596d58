"""Writing files: leftover files and error messages when the disk is full."""

import errno
import os
from pathlib import Path

import av
import pytest

from avforensics.files import JsonLines, atomic_path, typed_path


def full(filename=None, kind=OSError):
    return kind(errno.ENOSPC, "No space left on device", *([filename] if filename else []))


@pytest.mark.parametrize("kind", [OSError, av.error.OSError])
@pytest.mark.parametrize("name", [None, "{}", "file:{}"])
def test_a_full_disk_is_told_with_the_file_that_was_to_be(tmp_path, name, kind):
    with (
        pytest.raises(OSError, match="No space left") as error,
        atomic_path(tmp_path / "clip.mp4") as partial,
    ):
        raise full(name and name.format(partial), kind)
    assert (error.value.errno, error.value.filename) == (
        errno.ENOSPC,
        str(tmp_path / "clip.mp4"),
    )
    with pytest.raises(OSError, match="No space left") as error, atomic_path(tmp_path / "a"):
        raise full("/another/file", kind)
    assert error.value.filename == "/another/file"


def test_a_full_disk_is_told_with_the_file_of_lines(tmp_path, monkeypatch):
    def write(fd, data):
        raise full()

    path = tmp_path / "ledger.jsonl"
    with JsonLines(path) as lines, monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(OSError, match="No space left") as error:
            lines.append({})
    assert error.value.filename == str(path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("~", "/home/me"),
        ("~/a.mp4", "/home/me/a.mp4"),
        ("a~/b", "a~/b"),
        ("~no_such_user.mp4", "~no_such_user.mp4"),
        (Path("~no_such_user/a"), "~no_such_user/a"),
    ],
)
def test_a_tilde_is_a_home_where_it_means_one(monkeypatch, text, path):
    monkeypatch.setenv("HOME", "/home/me")
    assert typed_path(text) == Path(path)
