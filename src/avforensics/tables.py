"""Tables for the terminal, Markdown, LaTeX and CSV, with cells escaped for each format."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich import box, get_console, table
from rich.console import Console
from rich.text import Text

WIDTH = 110  # width of tables that are not printed on a terminal
_INTERVAL = re.compile(r" \[([^,\]]+), ([^,\]]+)\]$")
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {character: f"\\{character}" for character in "&%$#_{}"}


@dataclass(frozen=True)
class Table:
    """A table of cells.

    Parameters
    ----------
    cells : sequence of sequence of str
        Rows, beginning with the header. In Markdown and LaTeX, the first column is left-aligned.
    words : collection of str
        Columns besides the first that are left-aligned on the terminal.
    ends : collection of str
        First cells of the rows that are followed by a rule.
    """

    cells: Sequence[Sequence[object]]
    title: str = ""
    words: Collection[str] = ()
    ends: Collection[str] = ()

    def show(self) -> None:
        """Print the table."""
        wide(get_console()).print(self.rich())

    def rich(self) -> table.Table:
        """Return a table for the terminal, with intervals below their values to save width."""
        title = Text(self.title) if self.title else None
        made = table.Table(title=title, padding=(0, 0, 0, 1), box=box.SIMPLE_HEAD)
        for place, name in enumerate(map(str, self.cells[0])):
            left = not place or name in self.words
            made.add_column(Text(name), justify="left" if left else "right", overflow="fold")
        for row in self.cells[1:]:
            texts = [str(cell) for cell in row]
            stacked = [Text(_INTERVAL.sub(r"\n\1–\2", text)) for text in texts]
            made.add_row(*stacked, end_section=texts[0] in self.ends)
        return made

    def markdown(self) -> str:
        """Return a Markdown table."""
        header, *rows = self.cells
        rule = ["---"] + ["---:"] * (len(header) - 1)
        escaped = ([str(cell).replace("|", r"\|") for cell in row] for row in (header, rule, *rows))
        return "".join("| " + " | ".join(row) + " |\n" for row in escaped)

    def latex(self, caption: str) -> str:
        """Return a LaTeX table (booktabs)."""
        header, *rows = ([_latex(cell) for cell in row] for row in self.cells)
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule",
            rf"{' & '.join(header)} \\",
            r"\midrule",
        ]
        for place, row in enumerate(rows, start=1):
            lines.append(rf"{' & '.join(row)} \\")
            if self.cells[place][0] in self.ends and place < len(rows):
                lines.append(r"\midrule")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])

    def csv(self) -> str:
        """Return comma-separated values; None becomes an empty cell."""
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(self.cells)
        return out.getvalue()


def wide(console: Console) -> Console:
    """Return the console if it is a terminal, else a console wide enough for tables."""
    return console if console.is_terminal else Console(width=WIDTH)


def _latex(cell: object) -> str:
    return "".join(_LATEX.get(character, character) for character in str(cell))
