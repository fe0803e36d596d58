"""Progress of a long command: a bar on a terminal, otherwise occasional log lines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich import get_console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

log = logging.getLogger(__name__)

FIRST_LINE, EVERY = 10.0, 60.0  # seconds until the first line, and between later lines
Item = TypeVar("Item")
# `extra` of log calls that are not printed on a terminal, where a progress bar shows the same.
ON_BAR = {"on_bar": True}


class Progress:
    """Show how much of a task is done, its rate and the remaining time.

    On a terminal, progress is shown as a bar, and lines go only to the log file. Lines are logged
    at fixed intervals, so that they also appear during a long item, and once at the end.

    Parameters
    ----------
    title : str
        Name of the task, e.g. ``"extracting"``.
    total : int, optional
        Number of items; None = unknown.
    unit : str
        Name of the items, in the plural.
    final : bool
        Whether to log a line at the end.
    quiet : bool
        Show neither a bar nor lines, e.g. in all processes except the first.
    """

    def __init__(
        self,
        title: str,
        total: int | None = None,
        *,
        unit: str = "clips",
        final: bool = True,
        quiet: bool = False,
    ) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.done = 0
        self._final = final
        self._lines = not quiet
        console = get_console()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total)
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tell_by_the_clock, daemon=True)

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        self._bar.start()
        if self._lines:
            self._clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self._ended.set()
        if self._lines:
            self._clock.join()
        self._bar.stop()
        if self._lines and self._final and kind is None and self.total != 0:
            self._tell()

    def advance(self, count: int = 1) -> None:
        """Count finished items."""
        self.update(self.done + count)

    def update(self, done: int, total: int | None = None) -> None:
        """Set the number of finished items and, optionally, of all items."""
        self.done = done
        self.total = self.total if total is None else total
        self._bar.update(self._task, completed=done, total=self.total)

    @property
    def rate(self) -> float:
        """Items per second so far."""
        return self.done / max(time.monotonic() - self._started, 1e-9)

    @property
    def left(self) -> str:
        """Remaining time, in words."""
        return duration((self.total - self.done) / max(self.rate, 1e-9))

    def _tell_by_the_clock(self) -> None:
        pause = FIRST_LINE
        while not self._ended.wait(pause):
            self._tell()
            pause = EVERY

    def _tell(self) -> None:
        text = f"{self.title}: {self.done}"
        text += "" if self.total is None else f" of {self.total}"
        text += f" {self.unit} in {duration(time.monotonic() - self._started)}"
        if self.done:
            text += f", {speed(self.rate, self.unit)}"
            if self.total is not None and self.done < self.total:
                text += f", {self.left} left"
        log.info("%s", text, extra=ON_BAR)


def tracked(items: Iterable[Item], title: str, *, total: int) -> Iterator[Item]:
    """Yield the items; each counts as finished when the next one is requested."""
    with Progress(title, total) as progress:
        for item in items:
            yield item
            progress.advance()


class _Rate(ProgressColumn):
    """Items per second, or seconds per item."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(speed(task.speed, self.unit) if task.speed else "")


def speed(rate: float, unit: str = "videos") -> str:
    """Format a rate, given in items per second, with a readable unit."""
    if rate >= 1:
        return f"{rate:.1f} {unit}/s"
    return f"{1 / max(rate, 1e-9):.1f} s/{unit.removesuffix('s')}"


def duration(seconds: float) -> str:
    """Format a duration, e.g. ``2 h 05 min``, ``3 min``, ``12 s``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class ConsoleHandler(logging.Handler):
    """Print log records through rich's shared console; warnings and errors show their level.

    rich's progress bar draws on the same console, so lines appear above the bar.
    """

    def emit(self, record: logging.LogRecord) -> None:
        console = get_console()
        if getattr(record, "on_bar", False) and console.is_terminal:
            return
        try:
            text = self.format(record)
            if record.levelno >= logging.WARNING:
                text = f"{record.levelname.lower()}: {text}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        except Exception:
            self.handleError(record)
