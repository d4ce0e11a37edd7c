"""How values lie in memory that only the compiled code sees.

Images have the examples innermost where these fill a vector, so that vectors are full, and padding is a matter of
loop bounds; so has everything that meets them example by example. An array whose last axis is shorter than a vector
has its longest axis innermost. What meets arrays in C order, elementwise, lies in C order as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from koubai.compile.forms import native
from koubai.graph import Node
from koubai.ops import shape as s
from koubai.ops.lowering import Convolution, Draw, Fold, Loop, Part, Place, Scalar, View

__all__ = ["SHORT", "examples_last", "keeps_examples", "layouts_of"]

SHORT = 16  # an axis shorter than the widest vector


def keeps_examples(node: Any) -> bool:
    """Whether a reshape leaves the first axis as it is."""
    shape = node.inputs[0].shape
    return bool(shape) and node.ndim > 0 and shape[0] == node.shape[0]


def examples_last(ndim: int) -> list[int]:
    """The axes in order, but the first one innermost."""
    return [*range(1, ndim), *range(ndim)[:1]]


def layouts_of(
    order: Sequence[Any], kept: set[Any], given: set[Any], users: dict[Any, list[Any]]
) -> dict[Any, list[int] | None]:
    """For each stored node the order of its axes in memory, or None for C order."""
    fixed = given | {node for node in order if isinstance(native(node), (Draw, Part))}  # these come in C order
    images, kernels = _images(order)
    images = {x for x in images if x not in fixed or isinstance(native(x), Convolution)}
    wide = _spread(order, {x for x in images if x.shape[0] >= SHORT} - kernels, fixed, users, _alike)
    fixed |= (images | kernels) - wide
    for node in order:  # callbacks, loops and reshapes read and write C order
        how = native(node)
        if how is None or isinstance(how, Loop) or (node.op is s.reshape and node not in wide):
            fixed.add(node)
            fixed.update(x for x in node.inputs if isinstance(x, Node))
    fixed = _spread(order, fixed - wide, wide, users, _elementwise)
    found: dict[Any, list[int] | None] = {}
    for node in kept:
        if not isinstance(node.type, tuple):
            found[node] = examples_last(node.ndim) if node in wide else None if node in fixed else _layout(node.shape)
    return found


def _layout(shape: tuple[int, ...]) -> list[int] | None:
    """The order of the axes in memory, where C order would leave vectors half empty."""
    if len(shape) < 2 or shape[-1] >= SHORT or max(shape) <= shape[-1]:
        return None
    longest = max(range(len(shape)), key=lambda i: shape[i])
    return [*(i for i in range(len(shape)) if i != longest), longest]


def _images(order: Sequence[Any]) -> tuple[set[Any], set[Any]]:
    """Images that convolutions read and write, and kernels."""
    images: set[Any] = set()
    kernels: set[Any] = set()
    for node in order:
        how = native(node)
        if isinstance(how, Convolution):
            names = {"x": "ywx", "w": "xyw", "y": "xwy"}[how.result]
            for name, x in zip(names, (*node.inputs, node)):
                if isinstance(x, Node):
                    (kernels if name == "w" else images).add(x)
    return images, kernels


def _alike(node: Any, x: Any) -> bool:
    """Whether a node and one of its inputs want their examples at the same place."""
    if node.op is s.reshape:
        return keeps_examples(node)
    if isinstance(native(node), Scalar):
        return bool(x.shape == node.shape)
    return isinstance(native(node), (View, Fold, Place)) and min(x.ndim, node.ndim) > 1 and x.shape[0] == node.shape[0]


def _elementwise(node: Any, x: Any) -> bool:
    return isinstance(native(node), Scalar) and bool(x.shape == node.shape)


def _spread(
    order: Sequence[Any], start: set[Any], without: set[Any], users: dict[Any, list[Any]], linked: Callable[..., bool]
) -> set[Any]:
    """Everything that links join to the nodes of a set, not beyond those of another."""
    found = set(start)
    waiting = [x for x in order if x in start]
    while waiting:
        node = waiting.pop()
        above = [user for user in users.get(node, ()) if linked(user, node)]
        below = [x for x in node.inputs if isinstance(x, Node) and linked(node, x)]
        for other in above + below:
            if other not in found and other not in without:
                found.add(other)
                waiting.append(other)
    return found
