"""What the command prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any, TextIO

import numpy as np

__all__ = ["confusion", "say_to"]

WIDEST = 20


def say_to(stream: TextIO) -> Callable[[str], None]:
    """A function that prints to `stream` at once, so that lines and progress come in order."""
    return lambda text: print(text, file=stream, flush=True)


def confusion(labels: Any, guesses: Any, names: Sequence[str]) -> str:
    """How often each class (rows) was taken for each (columns); the worst mistakes where there are many classes."""
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (labels, guesses), 1)
    if len(names) > WIDEST:
        return _worst(counts, names)
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_edge=False)
    table.add_column("")
    for name in names:
        table.add_column(Text(_short(name)), justify="right")
    for name, row in zip(names, counts):
        table.add_row(Text(_short(name)), *(str(n) if n else "." for n in row))
    console = Console(file=StringIO(), width=400, no_color=True)
    console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(["confusion (rows: what it is, columns: what the network says)", *map(str.rstrip, lines), ""])


def _worst(counts: Any, names: Sequence[str]) -> str:
    wrong = counts * (1 - np.eye(len(names), dtype=int))
    places = np.argsort(-wrong, axis=None, kind="stable")[:10]
    lines = []
    for a, b in zip(*np.unravel_index(places, wrong.shape)):
        if wrong[a, b]:
            lines.append(f"  {_short(names[a])} taken for {_short(names[b])}: {wrong[a, b]}")
    return "\n".join(["most frequent mistakes:", *lines, ""]) if lines else "no mistakes\n"


def _short(name: str) -> str:
    """A class's name on one line: what would move the cursor or change colours is not sent to the terminal."""
    name = "".join(c if c.isprintable() else "�" for c in " ".join(name.split()))
    return name if len(name) <= 16 else name[:15] + "…"
