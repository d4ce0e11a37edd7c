"""Readings of a body: what its steps do to gradients, to changes, and to stacks of examples.

Each is called inside of `koubai.graph.trace`, on nodes, so that what it leaves is a body again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.diff.batch import batched
from koubai.diff.forward import forward_mode
from koubai.diff.reverse import reverse_mode
from koubai.graph import Body, Node, Type, placeholder

__all__ = ["pull", "push", "stack_up", "zeros"]


def zeros(of: Type) -> Any:
    """Zeros of a type."""
    return np.zeros(of.shape, of.dtype)[()]


def pull(body: Body, xs: Sequence[Any], gs: Sequence[Any], wanted: Sequence[bool]) -> list[Any]:
    """What each wanted input receives when the outputs receive `gs` (None: nothing); None for the others."""
    pairs = [(y, g) for y, g in zip(body(*xs), gs) if g is not None and isinstance(y, Node)]
    wrt = [x for x, w in zip(xs, wanted) if w]
    found = reverse_mode([y for y, _ in pairs], [g for _, g in pairs], wrt, record=True)
    rest = (zeros(x.type) if g is None else g for x, g in zip(wrt, found))
    return [next(rest) if w else None for w in wanted]


def push(body: Body, xs: Sequence[Any], ts: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The outputs, and the change of each when the inputs change by `ts` (None: not at all)."""
    ys = body(*xs)
    moving = [(x, t) for x, t in zip(xs, ts) if t is not None]
    smooth = [y for y in ys if isinstance(y, Node)]
    found = iter(forward_mode(smooth, [x for x, _ in moving], [t for _, t in moving], record=True))
    changes = (next(found) if isinstance(y, Node) else None for y in ys)
    return ys, [zeros(of) if t is None else t for t, of in zip(changes, body.results)]


def stack_up(body: Body, xs: Sequence[Any], on: Sequence[bool], wanted: Sequence[bool], size: int) -> list[Any]:
    """The outputs when the inputs that `on` names are stacks of `size`; those that `wanted` names are stacks too."""
    examples = [
        placeholder(of, body.kind, requires_grad=of.differentiable) if b else x for of, x, b in zip(body.types, xs, on)
    ]
    ys = body(*examples)
    wrt, stacks = [x for x, b in zip(examples, on) if b], [x for x, b in zip(xs, on) if b]
    found = iter(batched([y for y, w in zip(ys, wanted) if w], wrt, stacks, size, record=True))
    return [next(found) if w else y for y, w in zip(ys, wanted)]
