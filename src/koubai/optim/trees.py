"""Parameters by name: any tree of arrays as a flat dict, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["named_leaves", "rebuilt"]


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of nested dicts, lists and tuples by their path; a lone array has the empty path.

    Examples
    --------
    >>> named_leaves({"head": {"weight": 1.0, "bias": 2.0}, "scales": [3.0, 4.0]})
    {'head.weight': 1.0, 'head.bias': 2.0, 'scales.0': 3.0, 'scales.1': 4.0}
    """
    found: dict[str, Any] = {}
    _collect(tree, "", found)
    return found


def _children(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return tree.items()
    if isinstance(tree, (list, tuple)):
        return enumerate(tree)
    return None


def _collect(tree: Any, path: str, found: dict[str, Any]) -> None:
    children = _children(tree)
    if children is None:
        found[path] = tree
        return
    for key, child in children:
        _collect(child, f"{path}.{key}" if path else str(key), found)


def rebuilt(tree: Any, leaves: Mapping[str, Any], path: str = "") -> Any:
    """A tree of the same build with the leaves of these paths."""
    children = _children(tree)
    if children is None:
        return leaves[path]
    new = {key: rebuilt(child, leaves, f"{path}.{key}" if path else str(key)) for key, child in children}
    if isinstance(tree, Mapping):
        return new
    if hasattr(tree, "_fields"):  # a named tuple
        return type(tree)(*new.values())
    return type(tree)(new.values())
