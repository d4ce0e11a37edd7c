"""What comes before the optimizer's part of an update, as a function of tensors: losses and gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from koubai.diff import reverse_mode
from koubai.graph import Node
from koubai.nn import standing_in
from koubai.ops.structure import bind
from koubai.train.step import Step, added

__all__ = ["Slopes", "slopes"]


class Slopes(NamedTuple):
    """Loss and gradients of an update.

    Attributes
    ----------
    loss : the mean over the examples of all batches
    grads, clipped : dicts from path to gradient
    buffers : dict from path to what has become of the buffer
    outputs : list of the model's outputs, one a batch
    """

    loss: Any
    grads: dict[str, Any]
    clipped: dict[str, Any]
    buffers: dict[str, Any]
    outputs: list[Any]


def slopes(
    step: Step,
    params: Mapping[str, Any],
    buffers: dict[str, Any],
    x: Any,
    t: Any,
    rows: Sequence[Any],
    back: Callable[..., list[Any]] = reverse_mode,
) -> Slopes:
    """Loss and gradients for the rows of each batch.

    Parameters
    ----------
    params, buffers : dicts from path to tensor
    x, t : tensors
        All examples and targets.
    rows : one array of row numbers for each batch
    back : callable
        In place of `reverse_mode`, for who wants to see what happens there.
    """
    variables = {name: _variable(name, p, step.trained[name].requires_grad) for name, p in params.items()}
    total: Any = None
    grads: dict[str, Any] = {}
    outputs = []
    seen = sum(r.shape[0] for r in rows)
    for r in rows:
        with standing_in(step.model, {**variables, **buffers}) as present:
            y = step.model(x[r])
            loss = step.loss(y, t[r])  # which may read the model's parameters too
            buffers = present()
        outputs.append(y)
        found = back([loss], [loss.dtype.type(1)], list(variables.values()), record=True)
        part = {name: g for name, g in zip(variables, found) if g is not None}
        if len(rows) == 1:
            total, grads = loss, part
        else:
            grads = added(grads, part, r.shape[0])
            scaled = loss * loss.dtype.type(r.shape[0])
            total = scaled if total is None else total + scaled
    if len(rows) > 1:
        grads = {name: g / g.dtype.type(seen) for name, g in grads.items()}
        total = total / total.dtype.type(seen)
    clipped = grads if step.clip is None else step.clip(grads)
    return Slopes(total, grads, clipped, buffers, outputs)


def _variable(name: str, p: Any, wanted: bool) -> Any:
    node = bind(p)
    assert isinstance(node, Node)
    node.requires_grad, node.name = wanted, name
    return node
