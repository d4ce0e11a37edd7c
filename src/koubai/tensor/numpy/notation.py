"""einsum: NumPy's notation, brought to products of two arrays in which no operand repeats an index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from string import ascii_letters
from typing import Any

import numpy as np

from koubai.errors import ShapeError, UnsupportedError, UsageError
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.ops.diagonals import diagonal_of
from koubai.ops.products import einsum as contract
from koubai.tensor.numpy.arguments import arrayed, refuse

__all__ = ["contracted", "einsum", "einsum_path"]

Shape = tuple[int, ...]


def einsum(*operands: Any, out: Any = None, optimize: Any = True, **kwargs: Any) -> Any:
    """Products of arrays summed over indices, in Einstein's notation. As `numpy.einsum`.

    y[result indices] = sum over all other indices of the product of the operands.

    Parameters
    ----------
    *operands
        A string such as ``"ij,jk->ik"`` and the arrays, or arrays and lists of integers in turn
        (``a, [0, 1], b, [1, 2], [0, 2]``). Without an arrow the result has the indices that occur once, in
        alphabetical order. ``...`` stands for axes that broadcast; an index that one operand repeats takes
        a diagonal.
    optimize : bool, str or list
        With three operands or more, the order of the products: as of `numpy.einsum_path`. True and False
        both mean "greedy": pairs are multiplied one after the other, each as a matrix product.

    Returns
    -------
    Array or tensor; each operand's gradient costs about as much as the products themselves.

    Raises
    ------
    UsageError
        If the notation is malformed.
    ShapeError
        If a length or a number of axes does not fit the notation.

    Examples
    --------
    >>> import koubai as kb
    >>> a, b = np.arange(6.0).reshape(2, 3), np.ones((3, 2))
    >>> kb.numpy.einsum("ij,ji->", a, b)
    np.float64(15.0)
    """
    refuse("einsum", out=out)
    _keywords(kwargs)
    subscripts, arrays = _notation(operands)
    xs = [arrayed(x) for x in arrays]
    given, parts, result = _reading(subscripts, tuple(tuple(x.shape) for x in xs))
    xs = [x if x.shape == shape else s.reshape(x, shape=shape) for x, shape in zip(xs, given)]
    if kwargs.get("dtype") is not None:
        xs = [s.astype(x, dtype=np.dtype(kwargs["dtype"])) for x in xs]
    return contracted(xs, parts, result, optimize)


def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """The order in which to multiply the operands of `einsum`, and a description of it. As `numpy.einsum_path`."""
    subscripts, arrays = _notation(operands)
    blanks = [np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in map(arrayed, arrays)]
    return np.einsum_path(subscripts, *blanks, optimize=optimize, einsum_call=einsum_call)  # type: ignore[arg-type]


def _keywords(kwargs: dict[str, Any]) -> None:
    for name, value in kwargs.items():
        if name not in ("dtype", "order", "casting"):
            raise UsageError(f"einsum: unexpected argument {name!r}")
        if name == "dtype" and value is not None and np.dtype(value).kind not in "fc":
            raise UnsupportedError(f"einsum: dtype={value} is not a floating-point dtype; convert the result instead")


def _notation(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """The subscripts as a string, and the arrays, from either form."""
    if not operands:
        raise UsageError("einsum: expected subscripts and arrays, got nothing")
    if isinstance(operands[0], str):
        if len(operands) < 2:
            raise UsageError(f"einsum: {operands[0]!r} came without arrays")
        return operands[0].replace(" ", ""), list(operands[1:])
    arrays, lists = list(operands[0 : len(operands) // 2 * 2 : 2]), list(operands[1::2])
    subscripts = ",".join(map(_letters, lists))
    return (f"{subscripts}->{_letters(operands[-1])}" if len(operands) % 2 else subscripts), arrays


def _letters(sublist: Any) -> str:
    """The letters of a list of index numbers, as NumPy counts them: A to Z, then a to z."""
    text = ""
    for k in sublist:
        if k is Ellipsis:
            text += "..."
        elif isinstance(k, (int, np.integer)) and 0 <= k < 52:
            text += chr(ord("A") + k) if k < 26 else chr(ord("a") + k - 26)
        else:
            raise UsageError(f"einsum: expected index numbers from 0 to 51 or ..., got {k!r}")
    return text


@lru_cache(maxsize=4096)
def _reading(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[list[Shape], list[str], str]:
    """For operands of these shapes: the shapes without axes that broadcast, their indices, the result's."""
    parts, result = _explicit(subscripts, [len(shape) for shape in shapes])
    return *_without_single_axes(shapes, parts), result


def _explicit(subscripts: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """Indices of each operand and of the result, with letters in place of the ellipses."""
    left, arrow, result = subscripts.partition("->")
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise UsageError(f"einsum: {subscripts!r} names {len(parts)} operands, but {len(ndims)} arrays came")
    for part in (*parts, result):
        letters = part.replace("...", "", 1)
        if not all(k in ascii_letters for k in letters):
            raise UsageError(f"einsum: expected letters, one ... an operand, and ->, got {part!r} in {subscripts!r}")
    widths = [_width(part, n, number, subscripts) for number, (part, n) in enumerate(zip(parts, ndims))]
    free = [k for k in ascii_letters if k not in subscripts]
    width = max(widths)
    if width > len(free):
        raise UnsupportedError("einsum: more than 52 different indices; there are no more letters to name them")
    spread = "".join(free[:width])
    parts = [part.replace("...", spread[width - w :]) for part, w in zip(parts, widths)]
    if not arrow:
        joined = left.replace(",", "").replace(".", "")
        result = "..." + "".join(sorted(k for k in set(joined) if joined.count(k) == 1))
    elif width and "..." not in result:
        raise UsageError(f"einsum: the operands of {subscripts!r} have axes under ..., so the result needs ... too")
    return parts, _checked_result(result.replace("...", spread), parts, subscripts)


def _width(part: str, ndim: int, number: int, subscripts: str) -> int:
    """How many axes an operand's ellipsis stands for."""
    named = len(part.replace("...", ""))
    if named > ndim or (named < ndim and "..." not in part):
        raise ShapeError(f"einsum: operand {number} of {subscripts!r} is {part!r}, but the array has {ndim} axes")
    return ndim - named


def _checked_result(result: str, parts: Sequence[str], subscripts: str) -> str:
    for k in result:
        if result.count(k) > 1:
            raise UsageError(f"einsum: the result of {subscripts!r} names index {k!r} twice")
        if not any(k in part for part in parts):
            raise UsageError(f"einsum: the result of {subscripts!r} names index {k!r}, which no operand has")
    return result


def _without_single_axes(shapes: Sequence[Shape], parts: Sequence[str]) -> tuple[list[Shape], list[str]]:
    """Shapes without the axes of length one that broadcast against a longer axis of the same index."""
    length: dict[str, int] = {}
    for shape, part in zip(shapes, parts):
        for k, n in zip(part, shape):
            if length.get(k, 1) == 1:
                length[k] = n
            elif n not in (1, length[k]):
                raise ShapeError(f"einsum: index {k!r} has length {length[k]} in one place and {n} in another")
    kept_shapes, kept_parts = [], []
    for number, (shape, part) in enumerate(zip(shapes, parts)):
        for k in part:
            lengths = {n for j, n in zip(part, shape) if j == k}
            if len(lengths) > 1:
                raise ShapeError(
                    f"einsum: operand {number} repeats index {k!r} on axes of different lengths, shape {shape}"
                )
        kept = [i for i, (k, n) in enumerate(zip(part, shape)) if n == length[k]]
        kept_shapes.append(tuple(shape[i] for i in kept))
        kept_parts.append("".join(part[i] for i in kept))
    return kept_shapes, kept_parts


def contracted(xs: Sequence[Any], parts: Sequence[str], result: str, optimize: Any = True) -> Any:
    """The product of operands whose equal indices have equal lengths, two at a time."""
    terms = [_tidied(x, part, [*parts[:i], *parts[i + 1 :], result]) for i, (x, part) in enumerate(zip(xs, parts))]
    for group in _order(terms, result, optimize):
        chosen = [terms[i] for i in sorted(group)]
        terms = [term for i, term in enumerate(terms) if i not in group]
        while len(chosen) > 1:
            first, second = chosen.pop(0), chosen.pop(0)
            chosen.insert(0, _multiplied(first, second, [part for _, part in (*chosen, *terms)], result))
        terms += chosen
    ((x, part),) = terms
    if part == result:
        return x
    return s.transpose(x, axes=tuple(part.index(k) for k in result))


def _tidied(x: Any, part: str, others: Sequence[str]) -> tuple[Any, str]:
    """An operand with its diagonals taken, and summed over the indices that nobody else names."""
    for k in sorted(set(part)):
        while part.count(k) > 1:
            i = part.index(k)
            j = part.index(k, i + 1)
            x = diagonal_of(x, 0, i, j)
            part = part[:i] + part[i + 1 : j] + part[j + 1 :] + k
    alone = tuple(i for i, k in enumerate(part) if not any(k in other for other in others))
    if alone:
        dtype = x.dtype
        x = r.sum(x, axis=alone, keepdims=False)
        if x.dtype != dtype:  # sum widens small integers, einsum does not
            x = s.discrete(x, dtype=dtype)
    return x, "".join(k for i, k in enumerate(part) if i not in alone)


def _multiplied(a: tuple[Any, str], b: tuple[Any, str], rest: Sequence[str], result: str) -> tuple[Any, str]:
    """The product of two terms, summed over the indices that neither the result nor another term needs."""
    needed = set(result).union(*rest)
    have = dict.fromkeys(a[1] + b[1])
    kept = result if not rest else "".join(k for k in have if k in needed)
    return contract(a[0], b[0], subscripts=f"{a[1]},{b[1]}->{kept}"), kept


def _order(terms: Sequence[tuple[Any, str]], result: str, optimize: Any) -> Sequence[tuple[int, ...]]:
    if len(terms) <= 2:
        return [(0, 1)] if len(terms) == 2 else []
    how = "greedy" if isinstance(optimize, (bool, type(None))) else optimize
    subscripts = f"{','.join(part for _, part in terms)}->{result}"
    shapes = tuple(tuple(x.shape) for x, _ in terms)
    if isinstance(how, str):
        return _path(subscripts, shapes, how)
    return [tuple(step) for step in how if not isinstance(step, str)]


@lru_cache(maxsize=1024)
def _path(subscripts: str, shapes: Sequence[tuple[int, ...]], how: str) -> list[tuple[int, ...]]:
    blank = np.zeros(())
    path, _ = np.einsum_path(subscripts, *(np.broadcast_to(blank, shape) for shape in shapes), optimize=how)
    return [tuple(step) for step in path[1:]]
