"""Reading ahead in threads."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from avforensics.media.types import HOP, Block
from avforensics.scoring.source import Clip, Source
from avforensics.scoring.spans import cut_spans

BLOCK = Block(np.zeros((25, 4, 4, 3), np.uint8), np.zeros(25 * HOP, np.int16))


class Endless:
    """Stands in for a video that never ends."""

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
