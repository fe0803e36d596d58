"""File names as people type them."""

from pathlib import Path

import pytest

from avforensics.paths import typed_path


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
