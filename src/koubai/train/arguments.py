"""Arguments of a training, checked and brought into the form in which steps take them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from koubai import optim
from koubai.errors import UsageError
from koubai.graph import Node, constant
from koubai.nn import Module
from koubai.tensor import Tensor
from koubai.train.prepare import (
    A_FEW,
    aligned,
    as_pair,
    first_outputs,
    refuse_lost_digits,
    refuse_probabilities,
    refuse_targets,
)

__all__ = ["checked", "clipping", "pure", "refuse_loss"]


def checked(model: Module, data: Any, loss: Any, what: str) -> tuple[Any, Any, tuple[int, ...]]:
    """Examples, targets and the shape of one output, all of which fit together."""
    x, t = as_pair(data, model, what)
    refuse_lost_digits(data, x, t, what)
    y = first_outputs(model, x)
    refuse_targets(loss, y, t, what)
    refuse_probabilities(loss, model, x[: len(y)])
    return x, aligned(t, y), y.shape[1:]


def refuse_loss(who: str, model: Module, loss: Callable[[Any, Any], Any], x: Any, t: Any) -> None:
    """One call on a few examples: errors of shape come out here, and what the loss returns is looked at."""
    y = constant(np.asarray(model.predict(x[:A_FEW])), Tensor, requires_grad=True)
    with np.errstate(all="ignore"):
        value = loss(y, t[:A_FEW])
    if not isinstance(value, Node) or value.shape != ():
        got = f"shape {value.shape}" if isinstance(value, Node) else type(value).__name__
        raise UsageError(f"{who}: the loss must return a tensor with one number, the mean over the examples; got {got}")
    if not value.requires_grad:
        raise UsageError(
            f"{who}: the loss does not depend on the outputs in a way that can be differentiated; compute it from "
            f"its first argument with operators and kb.numpy"
        )


def pure(who: str, optimizer: Any) -> Any:
    """The optimizer, which must be a pure pair."""
    found = optim.get(optimizer)
    if not hasattr(found, "init") or not hasattr(found, "update"):
        raise UsageError(
            f"{who}: {type(found).__name__} evaluates the loss several times a step, which a training in batches "
            f"cannot offer; call its step(model, closure) in a loop of your own"
        )
    return found


def clipping(who: str, clip: Any) -> Callable[[Any], Any] | None:
    """What is done to the gradients, as a function."""
    if clip is None or callable(clip):
        return clip  # type: ignore[no-any-return]
    if isinstance(clip, bool) or not isinstance(clip, (int, float)) or not clip > 0:
        raise UsageError(f"{who}: clip must be a number above 0 or a function, got {clip!r}")
    return partial(optim.clip_by_global_norm, max_norm=float(clip))
