"""read_csv: a table of numbers and words becomes examples and targets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from koubai.data.dataset import Dataset
from koubai.data.records import MISSING, Records, number, read_records
from koubai.errors import DataError, UsageError

__all__ = ["read_csv"]

MOST_CLASSES = 20
MOST_WORDS = 100
TASKS = (None, "classification", "regression")


@dataclass(frozen=True, slots=True)
class _Column:
    """One column's cells: all numbers, or all words."""

    numbers: np.ndarray[Any, Any] | None
    words: list[str]


def read_csv(
    path: Any,
    target: str | int | None = None,
    *,
    task: str | None = None,
    categorical: Collection[str] = (),
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8-sig",
) -> Dataset:
    """Read a table from a CSV file.

    Parameters
    ----------
    path : str or Path
    target : str or int, optional
        The column to predict, by name or position (negative from the right). Default: the last.
    task : {"classification", "regression"}, optional
        By default decided by the target: words mean classification; numbers mean classification when all
        are whole, at most 20 differ, and each occurs twice on average; otherwise regression.
    categorical : collection of str
        Columns of numbers whose values are only names (a postal code, a kind).
    delimiter : str, optional
        By default the one of ``, ; tab |`` that divides the first lines most consistently.
    header : bool, optional
        Whether the first line names the columns; by default decided from the cells.
    encoding : str

    Returns
    -------
    Dataset
        `x` is float64 with one column for each column of numbers, and one for each word of a column of words
        (1 where the row has that word, otherwise 0; named ``column=word``). `t` is int64 class numbers, the
        classes in alphabetical or numerical order, or float64.

    Raises
    ------
    DataError
        In one sentence with file, line and column: a missing or empty file, unreadable text, rows of
        different lengths, a missing value, NaN or infinity, something else than a number among numbers, no
        column of the target's name, a target with a single value, more than 100 words in a column of words.

    Notes
    -----
    A column counts as numbers when at least half of its cells are numbers, so that a typing error among
    numbers is reported instead of making words of the whole column. Empty cells and ``? NA N/A NaN null`` are
    missing values; what to put there is for the data's owner to decide.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "fruit.csv"
    >>> _ = path.write_text("weight,colour,fruit\\n150,red,apple\\n120,yellow,banana\\n170,green,apple\\n")
    >>> data = read_csv(path, target="fruit")
    >>> data.feature_names
    ('weight', 'colour=green', 'colour=red', 'colour=yellow')
    >>> data.t, data.class_names
    (array([0, 1, 0]), ('apple', 'banana'))
    """
    if task not in TASKS:
        raise UsageError(f"read_csv: task must be 'classification' or 'regression', got {task!r}")
    records = read_records(path, delimiter, header, encoding)
    place = _target(records, target)
    as_words = {_find(records, name, "categorical") for name in categorical}
    if len(records.columns) < 2:
        raise DataError(
            f"{records.path}: only one column, {records.columns[0]!r} (cells end at {delimiter or ','!r}); "
            f"expected features beside the target, so check the delimiter"
        )
    columns = [_column(records, i, i in as_words) for i in range(len(records.columns))]
    t, class_names = _targets(records, place, columns[place], task)
    blocks, names = [], []
    for i, column in enumerate(columns):
        if i != place:
            block, block_names = _features(records, i, column)
            blocks.append(block)
            names.extend(block_names)
    return Dataset(
        np.concatenate(blocks, axis=1),
        t,
        name=str(path),
        feature_names=tuple(names),
        class_names=class_names,
        target_name=records.columns[place],
    )


def _target(records: Records, target: str | int | None) -> int:
    if target is None:
        return len(records.columns) - 1
    if isinstance(target, int):
        if not -len(records.columns) <= target < len(records.columns):
            raise DataError(
                f"{records.path}: no column at position {target}; the file has {len(records.columns)} columns"
            )
        return target % len(records.columns)
    return _find(records, target, "target")


def _find(records: Records, name: str, argument: str) -> int:
    if name in records.columns:
        return records.columns.index(name)
    near = get_close_matches(str(name), records.columns, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? The" if near else "the"
    shown = ", ".join(map(repr, records.columns[:20])) + (", ..." if len(records.columns) > 20 else "")
    raise DataError(f"{records.path}: {argument}: no column is named {name!r}; {hint} columns are {shown}")


def _column(records: Records, i: int, as_words: bool) -> _Column:
    cells = [row[i] for row in records.rows]
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            shown = f"the value is missing ({cell!r})" if cell else "the cell is empty"
            raise DataError(f"{records.place(row, i)}: {shown}; fill it in, or remove the row or the column")
    values = [number(cell) for cell in cells]
    count = len(values) - values.count(None)
    if as_words:
        return _Column(None, cells)
    if count * 2 < len(values):
        _refuse_decimal_commas(records, i, cells)
        return _Column(None, cells)
    for row, value in enumerate(values):
        if value is None:
            raise DataError(
                f"{records.place(row, i)}: expected a number as in {count} of the {len(cells)} rows, got "
                f"{_short(cells[row])}; correct the cell, or name the column in categorical="
            )
        if not np.isfinite(value):
            raise DataError(f"{records.place(row, i)}: {cells[row]} is not a finite number; correct or remove the row")
    return _Column(np.array(values, dtype=np.float64), cells)


def _refuse_decimal_commas(records: Records, i: int, cells: list[str]) -> None:
    """Numbers such as 1,5 must not become words, a feature for each."""
    commas = [
        row for row, cell in enumerate(cells) if cell.count(",") == 1 and number(cell.replace(",", ".")) is not None
    ]
    if len(commas) * 2 > len(cells):
        raise DataError(
            f"{records.place(commas[0], i)}: {_short(cells[commas[0]])} looks like a number with a decimal comma; "
            f"write the numbers with a point, or name the column in categorical="
        )


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")


def _features(records: Records, i: int, column: _Column) -> tuple[np.ndarray[Any, Any], list[str]]:
    name = records.columns[i]
    if column.numbers is not None:
        return column.numbers[:, None], [name]
    words = sorted(set(column.words))
    if len(words) > MOST_WORDS:
        raise DataError(
            f"{records.path}, column {name!r}: {len(words)} different words (such as "
            f"{_short(column.words[0])}), more than {MOST_WORDS}; leave out a column that only names the rows, or give "
            f"fewer kinds"
        )
    number_of = {word: k for k, word in enumerate(words)}
    block = np.zeros((len(column.words), len(words)))
    block[np.arange(len(block)), [number_of[word] for word in column.words]] = 1.0
    return block, [f"{name}={word}" for word in words]


def _targets(
    records: Records, i: int, column: _Column, task: str | None
) -> tuple[np.ndarray[Any, Any], tuple[str, ...] | None]:
    values = column.numbers
    name = records.columns[i]
    if task is None:
        task = "classification" if values is None or _look_like_classes(values) else "regression"
    if task == "regression":
        if values is None:
            raise DataError(
                f"{records.place(0, i)}: regression needs numbers in the target, got "
                f"{_short(column.words[0])}; choose another target, or task='classification'"
            )
        if np.ptp(values) == 0.0:
            raise DataError(
                f"{records.path}, column {name!r}: the target is {values[0]:g} in every row; choose another target"
            )
        return values, None
    if values is None:
        classes: list[Any] = sorted(set(column.words))
        t = np.searchsorted(classes, column.words).astype(np.int64)
        class_names = tuple(classes)
    else:
        kinds, inverse = np.unique(values, return_inverse=True)
        t = inverse.astype(np.int64)
        class_names = tuple(f"{k:.0f}" if k == np.floor(k) else f"{k:g}" for k in kinds)
    if len(class_names) < 2:
        raise DataError(
            f"{records.path}, column {name!r}: every row is of class {class_names[0]!r}; "
            f"at least two classes are needed"
        )
    if len(class_names) * 2 > len(t) and len(t) > MOST_CLASSES:
        raise DataError(
            f"{records.path}, column {name!r}: {len(class_names)} classes in {len(t)} rows; a class needs "
            f"examples, so choose another target, or task='regression'"
        )
    return t, class_names


def _look_like_classes(values: np.ndarray[Any, Any]) -> bool:
    kinds = np.unique(values)
    few = len(kinds) <= MOST_CLASSES and len(kinds) * 2 <= len(values)
    return few and bool((kinds == np.floor(kinds)).all())
