"""What the ops around a body share: cutting inputs into groups, asking their types, dropping what is not used."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from itertools import islice
from typing import Any

from koubai.graph import Body, Node, Type, type_of

__all__ = ["axis_dropped", "lean", "parts", "types_of"]


def parts(xs: Sequence[Any], *counts: int) -> Iterator[list[Any]]:
    """`xs` cut into pieces of these lengths, and what is left.

    Examples
    --------
    >>> list(parts("abcde", 1, 2))
    [['a'], ['b', 'c'], ['d', 'e']]
    """
    rest = iter(xs)
    for count in counts:
        yield list(islice(rest, count))
    yield list(rest)


def types_of(xs: Sequence[Any]) -> list[Type]:
    """The types of nodes and arrays; a Python number's is that of its NumPy scalar."""
    found = [x.type if isinstance(x, Node) else type_of(x) for x in xs]
    return [Type(t.shape, t.dtype) for t in found]


def axis_dropped(types: Sequence[Type]) -> list[Type]:
    """The types of the rows of arrays."""
    return [Type(t.shape[1:], t.dtype) for t in types]


def lean(body: Body, xs: Sequence[Any], needed: Container[int] = ()) -> tuple[Body, list[Any], list[bool]]:
    """The body and its inputs without those that it has no use for and that are not `needed`, and which are left."""
    kept = [u or i in needed for i, u in enumerate(body.used())]
    return Body([x for x, k in zip(body.inputs, kept) if k], body.outputs), [x for x, k in zip(xs, kept) if k], kept
