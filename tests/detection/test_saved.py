"""Errors of ``render results=FOLDER`` for unsuitable folders and records."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from avforensics.detection.saved import find_saved
from avforensics.errors import ConfigError


def line(**told):
    return json.dumps({"video": "/x/a.mp4", "name": "a", **told})


SCORED = line(row={"status": "scored"})


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "this run has no result for a.mp4"),
        (["5", "[1]", "{}", "no json", '{"video": "a.mp4"}'], "this run has no result for a.mp4"),
        ([line(row={"status": "failed", "error": "e"})], "a.mp4 has no score: e"),
        ([SCORED, line(void=True)], "this run has no result for a.mp4"),
        ([SCORED], "run detect with save_features=true"),
    ],
)
def test_foreign_journals_are_one_sentence(tmp_path, lines, sentence):
    (tmp_path / "journal.jsonl").write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(ConfigError, match=sentence):
        find_saved(tmp_path, Path("a.mp4"))


@pytest.mark.parametrize("scored_as", ["a.mp4", "/elsewhere/a.mp4"])
def test_another_file_of_the_same_name_is_refused(tmp_path, monkeypatch, scored_as):
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").write_bytes(b"one video")
    row = {"status": "scored", "sha256": sha256(b"another video").hexdigest()}
    record = {"video": str(Path(scored_as).absolute()), "name": "a", "row": row}
    Path("journal.jsonl").write_text(json.dumps(record) + "\n")
    Path("features").mkdir()
    Path("features/a.safetensors").touch()
    with pytest.raises(ConfigError, match=r"a\.mp4 is not the file that was scored"):
        find_saved(tmp_path, Path("a.mp4"))
