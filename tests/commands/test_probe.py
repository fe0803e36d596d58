"""`avforensics probe`: the content of a file, as a table and as JSON."""

import json

import pytest
from media_files import frames_at, mux
from rich.console import Console
from runs import composed

from avforensics.commands import probe
from avforensics.errors import ConfigError


@pytest.fixture
def folder(make_video, tmp_path):
    make_video("a [1].mp4", n_frames=25)
    (tmp_path / "broken.mp4").write_bytes(bytes(2000))
    return tmp_path


@pytest.fixture
def call(monkeypatch):
    """Return a function that runs the command with a console of 80 columns."""
    monkeypatch.setattr(probe, "get_console", lambda: Console(width=80))
    return lambda *overrides: probe.run(composed("probe", *overrides))


def test_json_of_a_folder(folder, call, capsys):
    assert call(f"input={folder}", "format=json") == 1
    out = capsys.readouterr().out
    good, bad = (json.loads(line) for line in out.splitlines() if line.startswith("{"))
    assert bad["error"] == "not a media file, or damaged beyond recognition"
    assert good["error"] is None and good["n_frames"] == 25 and good["warnings"] == []
    assert [track["chosen"] for track in good["tracks"]] == [True, True]
    assert "mp4" in good["container"] and -60 < good["level"] < 0


def test_table_fits_80_columns(folder, call, capsys):
    assert call(f"input='{folder / 'a [1].mp4'}'") == 0
    out = capsys.readouterr().out
    assert "a [1].mp4" in out and "96 × 96, 25 fps" in out and " s found" in out
    assert max(map(len, out.splitlines()[1:])) <= 80, "the path is not broken"


def test_packets_alone(folder, call, capsys):
    arguments = [f"input='{folder / 'a [1].mp4'}'", "decode=false", "format=json"]
    assert call(*arguments) == 0
    (line,) = (one for one in capsys.readouterr().out.splitlines() if one.startswith("{"))
    assert json.loads(line)["video_frames"] == 0


def test_the_sound_of_a_manifest_is_read(folder, call, capsys):
    mux(folder / "mute.mp4", times=frames_at(25, 25))
    (folder / "m.csv").write_text('path,start,audio\nmute.mp4,,"a [1].mp4"\n"a [1].mp4",0.2,\n')
    assert call(f"input={folder / 'm.csv'}", "format=json") == 0
    lines = [one for one in capsys.readouterr().out.splitlines() if one.startswith("{")]
    assert [len(json.loads(line)["tracks"]) for line in lines] == [3, 2]


def test_another_format_is_refused(folder, call):
    with pytest.raises(ConfigError, match="format must be one of table, json, got 'xml'"):
        call(f"input={folder}", "format=xml")
