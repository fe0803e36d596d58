"""Without a terminal, plain lines are logged occasionally."""

import logging
import re
import time

import pytest
from rich import get_console

from avforensics import progress as module
from avforensics.progress import Progress, duration, speed, tracked


@pytest.fixture
def lines(caplog, monkeypatch):
    monkeypatch.setattr(module, "FIRST_LINE", 0.02)
    monkeypatch.setattr(module, "EVERY", 0.02)
    caplog.set_level(logging.INFO)
    return lambda: [record.message for record in caplog.records]


def wait(lines, count):
    deadline = time.monotonic() + 30
    while len(lines()) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def test_lines_come_during_one_long_item_and_at_the_end(lines):
    with Progress("cutting faces", 4, unit="videos") as progress:
        wait(lines, 2)
        progress.advance(2)
        wait(lines, len(lines()) + 2)
        progress.advance(2)
    said = lines()
    assert re.fullmatch(r"cutting faces: 0 of 4 videos in \d+ s", said[0])
    half = next(line for line in said if ": 2 of 4 videos" in line)
    assert re.search(r" in \d+ s, [\d.]+ (videos/s|s/video), \d+ \w+ left$", half)
    assert re.search(r": 4 of 4 videos in \d+ s, [\d.]+ (videos/s|s/video)$", said[-1])


def test_a_total_that_is_known_later_or_never(lines):
    with Progress("extracting") as progress:
        wait(lines, 1)
        progress.update(1, 3)
        progress.advance()
    assert lines()[0].startswith("extracting: 0 clips in")
    assert lines()[-1].startswith("extracting: 2 of 3 clips in")


def test_quiet_and_broken_off_and_nothing_to_do(lines):
    with Progress("x", 1, quiet=True) as progress:
        time.sleep(0.1)
        progress.advance()
    with Progress("x", 0):
        pass
    assert lines() == []
    with pytest.raises(KeyError), Progress("x", 2):
        raise KeyError
    assert all(": 0 of 2" in line for line in lines())


def test_items_are_followed(lines):
    assert list(tracked("abc", "reading", total=3)) == list("abc")
    assert lines()[-1].startswith("reading: 3 of 3 clips")


def test_on_a_terminal_there_is_a_bar_and_lines_are_for_the_log(lines, monkeypatch, caplog):
    monkeypatch.setattr(get_console(), "_force_terminal", True)
    with Progress("reading", 2) as progress:
        progress.advance(2)
    assert all(record.on_bar for record in caplog.records)


def test_words():
    assert [duration(s) for s in (3, 89, 600, 7500)] == ["3 s", "89 s", "10 min", "2 h 05 min"]
    assert [speed(r) for r in (12.34, 0.5)] == ["12.3 videos/s", "2.0 s/video"]
