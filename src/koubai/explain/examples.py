"""Examples by themselves: the loss of each one, and whether they influence each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai import numpy as knp
from koubai.diff import batched, reverse_mode
from koubai.errors import TracingError, UnsupportedError, UsageError
from koubai.graph import Node, constant, placeholder
from koubai.tensor import Tensor, vmap

__all__ = ["Pull", "alone", "each_alone", "refuse_interaction", "refuse_loss"]

Array = np.ndarray[Any, Any]
Loss = Callable[[Any, Any], Any]


def alone(loss: Loss, y: Any, t: Any) -> Any:
    """The loss of one example: that of a batch with it alone."""
    return knp.reshape(loss(y[None], t[None]), ())


def each_alone(loss: Loss, y: Any, t: Any) -> Any:
    """The losses of all examples, each by itself, as one array."""
    try:
        return vmap(lambda y, t: alone(loss, y, t))(y, t)
    except TracingError:  # a loss that decides by values
        return knp.stack([alone(loss, y[i], t[i]) for i in range(len(t))])


def refuse_loss(who: str, loss: Loss, y: Any, t: Any) -> None:
    """One call on all examples: errors of shapes and labels come out here, and what the loss returns is looked at.

    Raises
    ------
    UsageError
        If it is not one number as a tensor.
    """
    whole = loss(constant(y, Tensor, requires_grad=True), t)
    if not isinstance(whole, Tensor) or whole.size != 1:
        got = f"shape {whole.shape}" if isinstance(whole, Node) else type(whole).__name__
        raise UsageError(f"{who}: the loss must return a tensor with one number for the examples; got {got}")


class Pull:
    """A stack of gradients of `after`, brought back to `before`, all at once."""

    def __init__(self, before: Any, after: Any) -> None:
        self.before, self.after = before, after
        self.g = placeholder(after.type, Tensor)
        (self.back,) = reverse_mode([after], [self.g], [before], record=True)

    def __call__(self, stack: Array) -> Array:
        if self.back is None:
            return np.zeros((len(stack), *self.before.shape), self.before.dtype)
        return np.asarray(batched([self.back], [self.g], [stack], len(stack), record=False)[0])


def refuse_interaction(who: str, what: str, pull: Pull) -> None:
    """Refuse what makes of examples something in which an example's result depends on another example.

    Any two examples differ in some binary digit of their number. So for each digit the examples that have it send
    random gradients, and those that have it not must receive none; then the other way round.
    """
    shape = pull.after.shape
    numbers = np.arange(shape[0])
    sides = [(numbers >> k & 1) == bit for k in range((shape[0] - 1).bit_length()) for bit in (0, 1)]
    if not sides:
        return
    random = np.random.default_rng(0).uniform(1.0, 2.0, (len(sides), *shape)).astype(pull.after.dtype)
    senders = np.array(sides).reshape(len(sides), -1, *(1,) * (len(shape) - 1))
    back = pull(np.where(senders, random, 0)).reshape(len(sides), shape[0], -1)
    if (np.abs(back).max(axis=2, initial=0) > 0)[~np.array(sides)].any():
        raise UnsupportedError(
            f"{who}: in {what} the examples influence each other (as in batch normalization in training), so "
            f"that nothing here is of one example alone; call model.eval() first, or look at kb.record of the loss"
        )
