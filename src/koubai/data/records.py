"""The records of a CSV file as text: encoding, delimiter, quoting, header; every row of one length."""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from koubai.errors import DataError

__all__ = ["MISSING", "Records", "number", "read_records"]

DELIMITERS = (",", ";", "\t", "|")
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "-nan", "<na>"})
LARGEST = 2**31
LOOK_AT = 50


@dataclass(frozen=True, slots=True)
class Records:
    """Rows of text cells, the line of the file on which each begins, and the columns' names."""

    path: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def place(self, row: int, column: int | None = None) -> str:
        """``file, line n, column 'name'``, for an error's beginning."""
        where = f"{self.path}, line {self.lines[row]}"
        return where if column is None else f"{where}, column {self.columns[column]!r}"


def number(cell: str) -> float | None:
    """The number that a cell holds, or None. NaN and infinities are numbers here; ``1_000`` is not."""
    if "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def read_records(path: Any, delimiter: str | None, header: bool | None, encoding: str) -> Records:
    """Read and check the whole file; see `koubai.data.read_csv` for the arguments."""
    text = _text(Path(path), encoding)
    if delimiter is None:
        delimiter = _delimiter(text)
    rows, lines = _rows(text, str(path), delimiter)
    if not rows:
        raise DataError(f"{path}: the file is empty; expected a table with one example a line")
    if header is None:
        header = _has_header(rows)
    width = len(rows[0])
    for row, line in zip(rows, lines):
        if len(row) != width:
            first = "the header" if header else f"line {lines[0]}"
            raise DataError(
                f"{path}, line {line}: {len(row)} cells, but {first} has {width} (cells are divided by "
                f"{delimiter!r}); add or remove cells, or put quotes around a cell that holds {delimiter!r}"
            )
    columns = _columns(rows[0], str(path)) if header else tuple(f"column {i + 1}" for i in range(width))
    if header:
        rows, lines = rows[1:], lines[1:]
    if not rows:
        raise DataError(f"{path}: the file has a header but no rows; expected one example a line below it")
    return Records(str(path), columns, rows, lines)


def _text(path: Path, encoding: str) -> str:
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; give a CSV file")
    try:
        with open(path, "rb") as file:
            # A device or a pipe does not say its size, so that what is read is bounded too.
            size = os.fstat(file.fileno()).st_size
            content = file.read(LARGEST + 1) if size <= LARGEST else b""
        if max(size, len(content)) > LARGEST:
            raise DataError(f"{path}: more than 2 GiB, which is what a table may have; divide the file")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the path") from None
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: this is not text in {encoding.removesuffix('-sig')}; save the file as UTF-8, or "
            f"pass encoding= (for example 'latin-1' or 'cp932')"
        ) from None
    except LookupError:
        raise DataError(f"{path}: no encoding is named {encoding!r}; utf-8 is the usual one") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line}: a zero byte, so this is not a text file; give a CSV file")
    return text


def _delimiter(text: str) -> str:
    """The delimiter that cuts the first records into one number of cells, at least two.

    One that cuts the very first record so is preferred (``1,5;2,5`` below ``a;b`` has decimal commas), then
    the one with most cells.
    """
    best, most = ",", (False, 1)
    for delimiter in DELIMITERS:
        counts: Counter[int] = Counter()  # keeps the order in which the lengths occur
        try:
            for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter):
                if row:
                    counts[len(row)] += 1
                if counts.total() == LOOK_AT:
                    break
        except csv.Error:
            continue
        # One ragged line must not hide the delimiter: the most frequent length decides.
        width, times = counts.most_common(1)[0] if counts else (1, 0)
        rank = (width == next(iter(counts), 1), width)
        if times * 2 > counts.total() and width > 1 and rank > most:
            best, most = delimiter, rank
    return best


def _rows(text: str, path: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    rows, lines = [], []
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    begin = 1
    try:
        for row in reader:
            if row and not (len(row) == 1 and not row[0].strip()):
                rows.append([cell.strip() for cell in row])
                lines.append(begin)
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, line {begin}: unreadable CSV ({error}); check the quotes of the cells that begin there"
        ) from None
    return rows, lines


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns.

    It does where a column has a word there and only numbers below. Otherwise it does when none of its cells
    is a number and all differ.
    """
    first = rows[0]
    if any(not cell for cell in first) and len(rows) > 1 and all(number(c) is not None for c in first if c):
        return False
    below = [row for row in rows[1:] if len(row) == len(first)]
    for i, cell in enumerate(first):
        if number(cell) is None and cell.lower() not in MISSING:
            column = [row[i] for row in below]
            if column and all(number(c) is not None for c in column):
                return True
    words = [cell for cell in first if cell]
    return all(number(cell) is None for cell in words) and len(set(words)) == len(words)


def _columns(cells: list[str], path: str) -> tuple[str, ...]:
    names = tuple(cell or f"column {i + 1}" for i, cell in enumerate(cells))
    for i, name in enumerate(names):
        if name in names[:i]:
            raise DataError(
                f"{path}: columns {names.index(name) + 1} and {i + 1} are both named {name!r}; rename one of them"
            )
    return names
