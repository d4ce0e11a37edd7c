"""Nested tuples, lists and dicts of arrays, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from koubai.errors import UsageError

__all__ = ["flatten", "leaf_names", "matched", "tree_map"]


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


def leaf_names(name: str, tree: Any) -> list[str]:
    """What to call each leaf of a container that has this name, in the order of `flatten`.

    Examples
    --------
    >>> leaf_names("carry", {"w": (1, 2), "b": 3})
    ["carry['w'][0]", "carry['w'][1]", "carry['b']"]
    """
    names: list[str] = []
    waiting = [(name, tree)]
    while waiting:
        name, x = waiting.pop()
        if isinstance(x, dict):
            waiting += [(f"{name}[{key!r}]", value) for key, value in reversed(x.items())]
        elif isinstance(x, (tuple, list)):
            waiting += [(f"{name}[{i}]", value) for i, value in reversed(list(enumerate(x)))]
        elif x is not None:
            names.append(name)
    return names


def matched(what: str, tree: Any, like: Any, *, shared: tuple[type, ...] = ()) -> list[Any]:
    """What `tree` holds for each leaf of `like`, in the order in which `flatten` finds the leaves of `like`.

    Dicts are matched by key, whatever their order; a tuple may stand for a list.

    Parameters
    ----------
    what : str
        What `tree` is, for the message of the error.
    shared : tuple of types
        Entries of these types stand for every leaf of a container.

    Raises
    ------
    UsageError
        If the containers are not of the same form.

    Examples
    --------
    >>> matched("directions", {"b": 1, "a": (2, 3)}, {"a": [10, 20], "b": 30})
    [2, 3, 1]
    """
    if shared and isinstance(tree, shared):
        return [tree] * len(flatten(like)[0])
    if isinstance(like, dict):
        if not isinstance(tree, dict) or set(tree) != set(like):
            raise UsageError(f"{what}: expected a dict with the keys {list(like)}, got {_form(tree)}")
        return [x for key in like for x in matched(f"{what}[{key!r}]", tree[key], like[key], shared=shared)]
    if isinstance(like, (tuple, list)):
        if not isinstance(tree, (tuple, list)) or len(tree) != len(like):
            raise UsageError(f"{what}: expected a {_form(like)}, got {_form(tree)}")
        pairs = enumerate(zip(tree, like))
        return [x for i, pair in pairs for x in matched(f"{what}[{i}]", *pair, shared=shared)]
    if like is None or tree is None or isinstance(tree, (dict, tuple, list)):
        if like is tree:
            return []
        raise UsageError(f"{what}: expected {'None' if like is None else 'an array'}, got {_form(tree)}")
    return [tree]


def _form(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"dict with the keys {list(tree)}"
    if isinstance(tree, (tuple, list)):
        return f"{type(tree).__name__} of {len(tree)}"
    return "None" if tree is None else type(tree).__name__


def tree_map(f: Callable[..., Any], tree: Any) -> Any:
    """The container with f applied to every leaf."""
    leaves, rebuild = flatten(tree)
    return rebuild([f(leaf) for leaf in leaves])
