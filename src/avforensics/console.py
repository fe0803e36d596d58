"""Log lines on the terminal, above a progress bar where there is one."""

from __future__ import annotations

import logging

from rich import get_console

# `extra` of a log call whose news a progress bar shows already: not printed on a terminal.
ON_BAR = {"on_bar": True}


class ConsoleHandler(logging.Handler):
    """Print log records through rich's shared console; warnings and errors say what they are.

    rich's progress bar draws on the same console, so lines appear above it and not through it.
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
