"""Messages: what each node of a layer sends to each node of the layer before, in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.diff import reverse_mode
from koubai.errors import DTypeError, UnsupportedError
from koubai.explain.chain import Step, acts_by_place, chain_of
from koubai.explain.examples import Pull, each_alone, refuse_interaction, refuse_loss
from koubai.explain.table import table
from koubai.nn import Module
from koubai.nn.examples import aligned, as_pair
from koubai.nn.losses.lookup import loss_function
from koubai.tensor import grad

__all__ = ["Messages", "messages"]

Array = np.ndarray[Any, Any]
MOST = 100_000_000


class Messages(list[Array]):
    """The messages of a pass: one array of shape (batch, N before, N after) for each step, the loss last.

    Attributes
    ----------
    names : tuple of str
        What each step is: path and class of a module, or ``"loss"``.
    """

    def __init__(self, arrays: Sequence[Array], names: Sequence[str]) -> None:
        super().__init__(arrays)
        self.names = tuple(names)

    def __str__(self) -> str:
        rows = [(name, "x".join(map(str, a.shape)), f"{np.linalg.norm(a):.4g}") for name, a in zip(self.names, self)]
        rows.insert(0, ("step", "examples x before x after", "norm"))
        return "\n".join(table(rows))


def messages(model: Module, x: Any, t: Any, loss: str | Callable[[Any, Any], Any]) -> Messages:
    """What each node sends to each node of the layer before: backpropagation as message passing.

    Node n' of a step sends to node n of the step before it

        delta[n <- n'] = dz'[n'] / dz[n] * (sum of the messages that n' itself received),

    and what n receives, summed over its senders, is dE/dz[n]. The loss sends first: it has received 1.

    Parameters
    ----------
    model : Module
        A `Sequential` (those inside of it count as their modules), or a model whose forward calls its modules one
        after the other; what it computes itself between two calls is a step too. It runs once, each module in the
        mode (training or not) in which it is; what layers store meanwhile is dropped.
    x, t : arrays
        Examples and targets, along the first axis; x is cast to the model's dtype, and so is t unless it holds
        integers.
    loss : str or callable
        As in `koubai.fit`; applied to each example by itself, so that nothing is divided by their number.

    Returns
    -------
    Messages
        A list with one array for each step in order, of shape (batch, N before, N after), all axes but the first
        taken as one; elementwise steps are diagonal matrices. The last array is the loss's, with N after = 1. The sum
        over the last axis is dE/dz for the values before the step, example by example.

    Raises
    ------
    UnsupportedError
        If the steps form no chain, if in one of them examples influence each other (batch normalization in
        training), if x holds indices, or if the arrays would be too large.
    UsageError, ShapeError, DTypeError, DataError
        As in `koubai.fit`.

    Examples
    --------
    >>> import koubai as kb
    >>> model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.Tanh(), kb.nn.Linear(3, 1))
    >>> sent = kb.messages(model, np.ones((5, 2)), np.zeros((5, 1)), "mse")
    >>> [a.shape for a in sent]
    [(5, 2, 3), (5, 3, 3), (5, 3, 1), (5, 1, 1)]
    >>> towards_hidden = sent[1].sum(axis=-1)   # dE/du of the hidden units, an example a row
    >>> slopes = np.ones((5, 2)).T @ towards_hidden / 5   # that of the weights: sum of what came in, times the input
    >>> w, kb_slopes = kb.value_and_grad(
    ...     lambda w: kb.nn.losses.mse(kb.nn.functional_call(model, {"0.weight": w}, np.ones((5, 2), "f4")),
    ...                                np.zeros((5, 1)))
    ... )(model[0].weight.numpy())
    >>> bool(np.allclose(slopes, kb_slopes, rtol=1e-5))
    True
    """
    if not isinstance(model, Module):
        raise DTypeError(f"messages: expected the model to be a kb.nn.Module, got {type(model).__name__}")
    function = loss_function(loss)
    x, t = as_pair((x, t), model, "messages")
    steps = chain_of("messages", model, x)
    y = steps[-1].after.value if steps else x
    t = aligned(t, y)
    refuse_loss("messages", function, y, t)
    received = np.asarray(grad(lambda y: each_alone(function, y, t).sum())(y))
    found = [received.reshape(len(x), -1, 1)]
    for step in reversed(steps):
        sent, received = _sent(step, received)
        found.append(sent)
    return Messages(found[::-1], [*(step.name for step in steps), "loss"])


def _sent(step: Step, received: Array) -> tuple[Array, Array]:
    """The messages of a step whose results have received these gradients, and what its inputs receive in all."""
    before, after = step.before, step.after
    rows, senders, receivers = len(before.value), received[0].size, before.value[0].size
    if rows * senders * receivers > MOST:
        raise UnsupportedError(
            f"messages: those of {step.name} would be {rows} x {receivers} x {senders} numbers, more than {MOST:,}; "
            f"give fewer examples, or a smaller layer"
        )
    if acts_by_place(before, after):
        (g,) = reverse_mode([after], [received], [before], record=False)
        flat = np.asarray(g).reshape(rows, receivers)
        sent = np.zeros((rows, receivers, receivers), flat.dtype)
        sent[:, range(receivers), range(receivers)] = flat
        return sent, np.asarray(g)
    pull = Pull(before, after)
    refuse_interaction("messages", step.name, pull)
    one_each = np.zeros((senders, rows, senders), received.dtype)
    one_each[range(senders), :, range(senders)] = received.reshape(rows, senders).T
    stack = pull(one_each.reshape(senders, *received.shape))
    sent = np.ascontiguousarray(stack.reshape(senders, rows, receivers).transpose(1, 2, 0))
    return sent, sent.sum(axis=-1).reshape(before.shape)
