"""The journal and the tables made from it."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from made_faces import still_face

from avforensics.detection import output as output_module
from avforensics.detection.names import unique_name
from avforensics.detection.output import OutputFolder, entry_of
from avforensics.detection.progress import BatchProgress, summarise
from avforensics.detection.record import RunRecord, record_of
from avforensics.errors import ConfigError
from avforensics.files import JsonLines, sha256_file, write_text
from avforensics.scoring.outcome import Outcome, Segment
from avforensics.scoring.result import Score, VideoResult
from avforensics.scoring.source import Clip
from avforensics.scoring.tracks import FaceResult


@pytest.fixture
def videos(tmp_path):
    paths = [tmp_path / "v" / f"{i}.mp4" for i in range(5)]
    paths[0].parent.mkdir()
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 10)
    return paths


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def result(path, score=1.0):
    if score is None:
        return VideoResult(path, error="broken")
    scores = [Score(0.0, score, score, 0.5, score)]
    return VideoResult(path, scores=scores, sha256=sha256_file(path))


def add(output, task, outcome, **options):
    record = record_of(outcome, task.clip, task.size, RunRecord())
    output.keep(entry_of(task, outcome, record, **options))


@contextmanager
def opened(folder, videos, settings=None, **options):
    """Open the output folder of these videos; by default, their files count as complete."""
    options = {"is_complete": lambda name, undrawn: True} | options
    with JsonLines(folder / "journal.jsonl") as journal:
        yield OutputFolder(folder, journal, videos, settings=settings or {"a": 1}, **options)


def scored(folder, videos, settings=None, *, only=None, score=1.0, **options):
    """Score the first ``only`` pending videos; return all pending names and the remarks."""
    with opened(folder, videos, settings, **options) as output:
        for task in output.tasks[:only]:
            add(output, task, Outcome(result(task.path, score)))
        output.write_tables()
    return [task.path.stem for task in output.tasks], output.remarks


def test_what_is_done_stands(folder, videos):
    assert scored(folder, videos, only=2) == (list("01234"), [])
    assert np.isnan(np.load(folder / "testing_scores.npy")).tolist() == [False] * 2 + [True] * 3
    assert scored(folder, videos) == (list("234"), [])
    assert scored(folder, videos) == ([], [])
    assert scored(folder, videos[::-1][:3]) == ([], [])
    assert len((folder / "scores.csv").read_text().splitlines()) == 1 + 3


def test_why_something_is_done_again(folder, videos):
    scored(folder, videos, score=None, only=1)
    assert scored(folder, videos) == (list("01234"), ["scoring 1 video again: failed before"])
    videos[1].write_bytes(b"other length")
    videos[2].write_bytes(b"\xff" * 10)
    assert scored(folder, videos) == (list("12"), ["scoring 2 videos again: the file has changed"])
    os.utime(videos[3], (1, 1))
    videos[4].unlink()  # or its disk is not mounted
    assert scored(folder, videos[:4]) == ([], [])
    assert scored(folder, videos) == ([], ["1 missing file: results are kept"])
    remarks = ["scoring 4 videos again: scored with other settings (a 1 -> 2, b.c)"]
    assert scored(folder, videos[:4], {"a": 2, "b": {"c": 1}})[1] == remarks
    assert scored(folder, videos[:4], {"a": 2, "b": {"c": 1}}, resume=False) == (list("0123"), [])


def test_a_changed_audio_file_is_scored_again(folder, videos):
    sound = videos[0].with_suffix(".wav")
    sound.write_bytes(b"sound")
    clips = [Clip(videos[0], audio=sound)]
    assert scored(folder, clips) == (["0"], [])
    os.utime(sound, (1, 1))  # copied
    assert scored(folder, clips) == ([], [])
    sound.write_bytes(b"noise")
    assert scored(folder, clips) == (
        ["0"],
        ["scoring 1 video again: the audio file has changed"],
    )
    sound.unlink()  # without it, no report can be made, but the score stays
    remarks = ["1 missing file: results are kept"]
    assert scored(folder, clips, is_complete=lambda *_: False) == ([], remarks)


def test_missing_reports_are_made(folder, videos):
    scored(folder, videos)
    todo, remarks = scored(folder, videos, is_complete=lambda name, undrawn: name != "3")
    assert todo == ["3"]
    assert remarks == ["scoring 1 video again: the report or the features are missing"]


def test_what_could_not_be_drawn_is_not_tried_again(folder, videos):
    def is_complete(name, undrawn):
        return name != "3" or "report" in undrawn

    with opened(folder, videos, is_complete=is_complete) as output:
        for task in output.tasks:
            undrawn = ["report"] if task.name == "3" else []
            add(output, task, Outcome(result(task.path)), undrawn=undrawn)
    assert scored(folder, videos, is_complete=is_complete) == ([], [])


def test_a_kill_among_files_of_other_settings_leaves_no_score_beside_them(folder, videos):
    scored(folder, videos[:2])
    with opened(folder, videos, {"a": 2}) as output:
        output.begin(output.tasks[0])
        output.begin(output.tasks[2])  # never scored before, so nothing is voided
    remarks = ["scoring 1 video again: interrupted while files were being written"]
    assert scored(folder, videos[:3]) == (["0", "2"], remarks)
    assert scored(folder, videos[:3]) == ([], [])


def test_every_table_calls_a_video_as_it_is_called_this_time(folder, videos, monkeypatch):
    def tables():
        names = "scores.csv", "scores_by_lam.csv", "segments.csv"
        return [(folder / name).read_text().splitlines()[1:] for name in names]

    with opened(folder, videos[:1]) as output:
        two = [Score(lam, 1.0, 1.0, 0.5, 1.0) for lam in (0.0, 2.0)]
        found = VideoResult(videos[0], scores=two, sha256=sha256_file(videos[0]))
        parts = {"faces": (FaceResult(still_face(), found),), "segments": [Segment(1.0, 2.0, 3.0)]}
        add(output, output.tasks[0], Outcome(found, **parts))
    assert all(str(videos[0]) in line for table in tables() for line in table)
    monkeypatch.chdir(videos[0].parent)
    assert scored(folder, [Path("0.mp4")]) == ([], [])
    assert [len(table) for table in tables()] == [2, 2, 1]
    assert all(line.startswith("0.mp4,") for table in tables() for line in table)
    journal, row = folder / "journal.jsonl", tables()[2]
    before = journal.read_text().replace('"measure":"step_loss","value"', '"loss"')
    journal.write_text(before)  # a journal of an earlier version
    assert '"loss":3.0' in before and scored(folder, [Path("0.mp4")]) == ([], [])
    assert tables()[2] == row


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_line_is_dropped(folder, videos, cut):
    scored(folder, videos, only=3)
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert scored(folder, videos)[0] == list("234")
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_damaged_line_is_counted(folder, videos):
    scored(folder, videos)
    journal = folder / "journal.jsonl"
    lines = journal.read_text().splitlines()
    lines[2] = lines[2][:50]
    journal.write_text("\n".join(lines) + "\n")
    todo, remarks = scored(folder, videos)
    assert todo == ["1"]
    assert remarks == ["skipped 1 damaged lines of journal.jsonl"]


def test_one_run_at_a_time(folder):
    with (
        JsonLines(folder / "journal.jsonl"),
        pytest.raises(ConfigError, match="another run is writing"),
        JsonLines(folder / "journal.jsonl"),
    ):
        pass
    with JsonLines(folder / "journal.jsonl") as journal:
        assert journal.records == []


def test_tables_take_a_small_share_of_the_time(folder, tmp_path, monkeypatch):
    """If a table takes 1 s and a video 0.1 s, few tables are written."""
    now = [0.0]
    written = []
    monkeypatch.setattr(output_module.time, "monotonic", lambda: now[0])

    def slow_table(*arguments):
        now[0] += 1.0
        written.append(now[0])

    monkeypatch.setattr(output_module, "write_csv", slow_table)
    with opened(folder, [tmp_path / f"{i}.mp4" for i in range(1000)]) as output:
        for task in output.tasks:
            now[0] += 0.1
            add(output, task, Outcome(result(task.path, None)))
    assert 100 < now[0] < 108
    assert 4 <= len(written) <= 7


def test_odd_values_survive(folder, tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b'/caf\xe9, "x"\n.mp4'))
    with opened(folder, [path]) as output:
        bad = VideoResult(path, scores=[Score(0.0, float("nan"), 1.0, 1.0, 1.0)])
        add(output, output.tasks[0], Outcome(bad))
    assert b"caf\xe9" in (folder / "scores.csv").read_bytes()
    assert np.isnan(np.load(folder / "testing_score.npy")).all()


def test_a_file_name_adds_no_line_to_the_log(caplog, capsys):
    caplog.set_level("INFO")
    known = dict.fromkeys(("error", "p_value", "score", "offset_ms", "n_windows"))
    path = "a\n9 scored, 0 failed\x1b[2J ü\u3000.mp4"
    bad = known | {"path": path, "status": "failed", "error": "odd"}
    good = bad | {"status": "scored", "score": 1.0, "offset_ms": 0, "n_windows": 50}
    with BatchProgress(2) as progress:
        progress.finish(bad)
        progress.finish(good)
    summarise([bad, good], "out")
    assert r"a\n9 scored, 0 failed\x1b[2J ü　.mp4: odd" in caplog.text
    assert "\x1b" not in caplog.text + capsys.readouterr().out
    assert not [line for line in caplog.messages if "\n" in line]


def test_names_are_unlike_each_other(tmp_path):
    taken = set()
    paths = ["a/x.mp4", "b/x.mp4", "b/X.mkv", "b/x.webm", "-.mp4", ".mp4", "ü [1].mp4", "z" * 300]
    wide = "\U0001d5d4" * 62 + ".mp4"  # four bytes per character
    for path in [*paths, f"a/{wide}", f"b/{wide}"]:
        name = unique_name(Path(path), taken)
        assert name.casefold() not in taken
        assert len(name) < 80
        write_text(tmp_path / f"{name}.safetensors", "")  # no name is too long
        assert name[0] not in ".-"
        assert not set(name) & set("/[] ?#%")
        taken.add(name.casefold())
    write_text(tmp_path / f"{'長' * 83}.mp4", "")  # nor is that of the temporary file
