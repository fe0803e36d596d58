"""Reading ahead in threads."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from avforensics.media.types import HOP, Block
from avforensics.scoring.source import Clip, Source, read_ahead
from avforensics.scoring.spans import cut_spans

BLOCK = Block(np.zeros((25, 4, 4, 3), np.uint8), np.zeros(25 * HOP, np.int16))


class Endless:
    """Stand-in for a video that never ends."""

    report = None

    def __iter__(self) -> Iterator[Block]:
        while True:
            time.sleep(0.001)
            yield BLOCK


@pytest.mark.parametrize("spans", [0, 3])
def test_reading_ends_where_it_is_stopped(spans):
    before = set(threading.enumerate())
    source = Source(Clip(Path(__file__)))
    source.start(lambda clip: contextlib.nullcontext(Endless()), cut_spans)
    (thread,) = set(threading.enumerate()) - before
    read = source.spans()
    for _ in range(spans):
        next(read)
    source.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert source.error is None


class Short(list):
    """Stand-in for a video of three seconds in two spans."""

    report = None


def test_the_next_clip_is_read_while_the_last_span_of_one_is_used():
    asked = []

    def clips() -> Iterator[Clip]:
        for name in ("a", "b", "c"):
            asked.append(name)
            yield Clip(Path(name))

    def opened(clip: Clip):
        return contextlib.nullcontext(Short([BLOCK] * 3 if clip.path.name != "b" else []))

    sources = read_ahead(clips(), opened, cut_spans, readers=1)
    seen = [(source.clip.path.name, "".join(asked)) for source in sources for _ in source.spans()]
    assert seen == [("a", "a"), ("a", "ab"), ("c", "abc"), ("c", "abc")]  # "b" has no span
