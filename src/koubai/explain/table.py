"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import east_asian_width

__all__ = ["columns", "table"]


def table(rows: Sequence[Sequence[str]], right_from: int | None = None) -> list[str]:
    """Rows of cells as lines whose columns stand below each other.

    Parameters
    ----------
    rows : sequence of rows
        Each with the same number of cells, the head among them.
    right_from : int, optional
        From which column on cells are set to the right, as numbers are. By default all are set to the left.

    Examples
    --------
    >>> for line in table([("layer", "units"), ("層 1", "8")], right_from=1):
    ...     print(line)
    layer  units
    層 1       8
    """
    widths = [max(map(columns, column)) for column in zip(*rows)]
    left = len(widths) if right_from is None else right_from
    lines = []
    for row in rows:
        spaces = [" " * (width - columns(cell)) for cell, width in zip(row, widths)]
        cells = (cell + space if i < left else space + cell for i, (cell, space) in enumerate(zip(row, spaces)))
        lines.append("  ".join(cells).rstrip())
    return lines


def columns(text: str) -> int:
    """How wide a text is in a terminal: Chinese and Japanese characters take two columns."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
