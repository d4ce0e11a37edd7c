"""Orders and parts: a seeded permutation, splitting into two parts, batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from koubai.data.dataset import Dataset
from koubai.errors import DataError, ShapeError, UsageError
from koubai.ops import random

__all__ = ["batches", "permutation", "split"]


def permutation(n: int, *key: int) -> np.ndarray[Any, Any]:
    """The numbers 0 to n - 1 in an order that the integers `key` alone decide (Philox, counter-based).

    Parameters
    ----------
    n : int
    *key : int
        Any number of integers; the same ones give the same order.

    Examples
    --------
    >>> sorted(permutation(5, 0).tolist())
    [0, 1, 2, 3, 4]
    """
    return random.permutation(order_key(*key), n)


def order_key(*key: int) -> random.Key:
    """The key of the random numbers behind `permutation`."""
    seed, *labels = key or (0,)
    return random.key_of(seed, "order", *labels)


def split(*data: Any, fraction: float = 0.2, seed: int = 0, stratify: Any = None) -> tuple[Any, Any]:
    """Divide examples into two parts at random, the second with `fraction` of them.

    Parameters
    ----------
    *data : a Dataset; or arrays of one length; or one tuple of arrays
    fraction : float
        Between 0 and 1; each part gets at least one example.
    seed : int
        The same seed gives the same parts.
    stratify : array, bool or None
        Labels whose proportions both parts keep (each class to the nearest whole example; the remainders go
        to the classes with the largest ones). None: the targets of a Dataset with classes, otherwise no
        stratifying. True: the last array. False: no stratifying.

    Returns
    -------
    (train, test)
        Of what was given: Datasets, or tuples of arrays.

    Raises
    ------
    UsageError
        If `fraction` is not between 0 and 1.
    DataError
        If there are fewer than two examples, or `stratify` meets a class with a single one.

    Examples
    --------
    >>> from koubai.data import load
    >>> train, test = split(load("iris"), fraction=0.2)
    >>> len(train), len(test), np.bincount(test.t).tolist()
    (120, 30, [10, 10, 10])
    >>> (x_train, t_train), (x_test, t_test) = split(*load("iris"), seed=1)
    >>> x_train.shape, t_test.shape
    ((120, 4), (30,))
    """
    if len(data) == 1 and isinstance(data[0], tuple):
        data = data[0]
    if not data:
        raise UsageError("split: nothing to split; give a Dataset or arrays of one length")
    if not 0.0 < fraction < 1.0:
        raise UsageError(f"split: fraction must lie between 0 and 1 (both excluded), got {fraction}")
    whole = data[0] if len(data) == 1 and isinstance(data[0], Dataset) else None
    arrays = [whole.x, whole.t] if whole is not None else [np.asarray(a) for a in data]
    n = _common_length(arrays)
    if n < 2:
        raise DataError(f"split: at least two examples are needed to make two parts, got {n}")
    labels = _labels(whole, arrays, stratify, n)
    order = permutation(n, seed)
    if labels is None:
        count = min(max(round(n * fraction), 1), n - 1)
        second = order[:count]
    else:
        second = _stratified(order, labels[order], fraction, whole)
    chosen = np.zeros(n, dtype=bool)
    chosen[second] = True
    first, second = order[~chosen[order]], order[chosen[order]]
    if whole is not None:
        return whole.take(first), whole.take(second)
    return tuple(a[first] for a in arrays), tuple(a[second] for a in arrays)


def _common_length(arrays: list[Any]) -> int:
    lengths = [len(a) if a.ndim else 0 for a in arrays]
    if len(set(lengths)) != 1:
        raise ShapeError(f"split: expected arrays of one length, got lengths {', '.join(map(str, lengths))}")
    return lengths[0]


def _labels(whole: Dataset | None, arrays: list[Any], stratify: Any, n: int) -> Any:
    if stratify is None:
        return whole.t if whole is not None and whole.class_names is not None else None
    if stratify is False:
        return None
    labels = arrays[-1] if stratify is True else np.asarray(stratify)
    if labels.shape != (n,):
        raise ShapeError(f"split: stratify wants one label an example, ({n},), got shape {labels.shape}")
    return labels


def _stratified(order: Any, labels: Any, fraction: float, whole: Dataset | None) -> Any:
    """The rows of the second part: from each class its share, the largest remainders first (Hamilton)."""
    classes, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        lonely: Any = classes[counts.argmin()]
        if whole is not None and whole.class_names is not None:
            lonely = repr(whole.class_names[int(lonely)])
        name = whole.name if whole is not None and whole.name else "split"
        raise DataError(
            f"{name}: class {lonely} has only one example, which cannot be in both parts; remove it or add more, or, "
            f"in Python, pass stratify=False"
        )
    n = len(labels)
    total = min(max(round(n * fraction), len(classes)), n - len(classes))
    exact = counts * fraction
    share = np.clip(np.floor(exact).astype(int), 1, counts - 1)
    ranking = np.argsort(-(exact - share), kind="stable")
    for k in ranking:
        if share.sum() >= total:
            break
        if share[k] < counts[k] - 1:
            share[k] += 1
    rows = [order[inverse == k][: share[k]] for k in range(len(classes))]
    return np.concatenate(rows)


def batches(
    x: Any,
    t: Any,
    batch_size: int = 32,
    *,
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
) -> Iterator[tuple[Any, Any]]:
    """One pass over the examples in batches ``(x, t)``.

    Parameters
    ----------
    x, t : arrays of one length
    batch_size : int
    seed : int
        Decides the order; give another one for each pass.
    shuffle : bool
        False keeps the order of the rows.
    drop_last : bool
        Leave out a last batch that is smaller than the others.

    Examples
    --------
    >>> import numpy as np
    >>> [len(t) for x, t in batches(np.zeros((7, 2)), np.arange(7), batch_size=3)]
    [3, 3, 1]
    """
    x, t = np.asarray(x), np.asarray(t)
    n = _checked_batches(x, t, batch_size)
    order = permutation(n, seed) if shuffle else np.arange(n)
    return _walk(x, t, order, batch_size, n - n % batch_size if drop_last else n)


def _checked_batches(x: Any, t: Any, batch_size: int) -> int:
    if x.ndim == 0 or t.ndim == 0 or len(x) != len(t):
        raise ShapeError(f"batches: expected x and t of one length, got shapes {x.shape} and {t.shape}")
    if len(x) == 0:
        raise DataError("batches: the set is empty; give at least one example")
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise UsageError(f"batches: batch_size must be a whole number from 1, got {batch_size!r}")
    return len(x)


def _walk(x: Any, t: Any, order: Any, size: int, stop: int) -> Iterator[tuple[Any, Any]]:
    for start in range(0, stop, size):
        rows = order[start : min(start + size, stop)]
        yield x[rows], t[rows]
