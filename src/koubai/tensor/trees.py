"""Nested tuples, lists and dicts of arrays, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["flatten", "tree_map"]


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of a container in order, and the function that puts leaves back.

    Dicts are read in the order of their keys' insertion; None is a container without leaves.

    Examples
    --------
    >>> leaves, rebuild = flatten({"a": 1, "b": (2, [3])})
    >>> leaves, rebuild([10, 20, 30])
    ([1, 2, 3], {'a': 10, 'b': (20, [30])})
    """
    leaves: list[Any] = []
    rebuild = _walk(tree, leaves)
    return leaves, lambda values: rebuild(iter(values))


def _walk(tree: Any, leaves: list[Any]) -> Callable[[Any], Any]:
    if tree is None:
        return lambda values: None
    if isinstance(tree, dict):
        inner = {key: _walk(value, leaves) for key, value in tree.items()}
        return lambda values: {key: build(values) for key, build in inner.items()}
    if isinstance(tree, (tuple, list)):
        items = [_walk(value, leaves) for value in tree]
        kind = type(tree)
        if hasattr(kind, "_fields"):  # a named tuple
            return lambda values: kind(*(build(values) for build in items))
        return lambda values: kind(build(values) for build in items)
    leaves.append(tree)
    return lambda values: next(values)


def tree_map(f: Callable[..., Any], tree: Any) -> Any:
    """The container with f applied to every leaf."""
    leaves, rebuild = flatten(tree)
    return rebuild([f(leaf) for leaf in leaves])
