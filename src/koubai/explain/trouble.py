"""The first value that is not finite: where it came up, and what it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from koubai.diff import messages
from koubai.errors import DTypeError, UsageError
from koubai.explain.export import plain
from koubai.explain.search import first_not_finite
from koubai.explain.spot import Names, Spot
from koubai.explain.wording import ADVICE, sentence
from koubai.graph import Node, constant, topological, tracing, value_of
from koubai.graph.apply import users_frame
from koubai.nn import Module, standing_in
from koubai.nn.examples import aligned
from koubai.nn.losses.lookup import loss_function
from koubai.tensor import Tensor
from koubai.tensor.seed import first_gradient

__all__ = ["Trouble", "find_trouble", "trouble_of"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """The first NaN or infinity of a computation.

    Attributes
    ----------
    spot : Spot
        What happened and where, as plain data: kind, op, index, value, operands, layer, line.
    epoch, step : int or None
        In a training: which epoch, and which step of it, both from 1.

    Notes
    -----
    ``str()`` is the sentence in English; `ja` is the Japanese one.
    """

    spot: Spot
    epoch: int | None = None
    step: int | None = None

    @property
    def kind(self) -> str:
        """What went wrong.

        ``"forward"``: an op made it of finite inputs. ``"backward"``: a message of the backward pass is not finite
        though what it is computed from is. ``"sum"``: finite messages add up to it. ``"leaf"``: it came in with data
        or a parameter. ``"clip"``, ``"update"``: clipping or the optimizer made it of finite gradients.
        """
        return self.spot.kind

    @property
    def op(self) -> str | None:
        """The name of the op; None where no op did it."""
        return self.spot.op

    @property
    def layer(self) -> str | None:
        """The path of the layer in which it came up."""
        return self.spot.layer

    @property
    def index(self) -> tuple[int, ...]:
        """The first element that is not finite."""
        return self.spot.index

    @property
    def value(self) -> Any:
        """What stands there: NaN or an infinity."""
        return self.spot.value

    @property
    def en(self) -> str:
        """One sentence in English."""
        return sentence(self.spot, "en", self.epoch, self.step)

    @property
    def ja(self) -> str:
        """One sentence in Japanese."""
        return sentence(self.spot, "ja", self.epoch, self.step)

    def what(self, lang: str = "en") -> str:
        """The sentence without epoch and step."""
        return sentence(self.spot, lang, None, None)

    def advice(self, lang: str = "en") -> str | None:
        """What to do about it, where the op says so much."""
        found = ADVICE.get((self.spot.kind, self.spot.op or ""))
        return None if found is None else found[lang]

    def __str__(self) -> str:
        return self.en

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists, numbers and strings; what is not finite as strings."""
        data = {**asdict(self.spot), "epoch": self.epoch, "step": self.step, "en": self.en, "ja": self.ja}
        found: dict[str, Any] = plain(data)
        return found


def find_trouble(
    output: Any, x: Any = None, t: Any = None, loss: Any = None, *, gradient: Any = None
) -> Trouble | None:
    """The first NaN or infinity, forward or backward, and what it was made of; None where all is finite.

    Forward it is the first value that is not finite though everything it was computed from is, of those that spoil the
    output: an infinity that a later op made harmless (1 / inf) is none. If the output is finite, the backward pass
    is looked through for the first message that is not finite though the upstream gradient and the values are.
    A NaN that was in the data or in a parameter from the start is named as that.

    Parameters
    ----------
    output : Tensor or Module
        What was computed; or a model, whose loss is then computed here, in the mode (train or eval) that it is in. Its
        buffers and the ``.grad`` of its parameters stay as they are.
    x, t : arrays
        With a model: examples and targets.
    loss : str or callable
        With a model: a name of `koubai.nn.losses`, or ``loss(outputs, targets)``.
    gradient : array, optional
        What the output itself receives in the backward pass; 1 by default.

    Returns
    -------
    Trouble or None

    Raises
    ------
    UsageError, ShapeError, DTypeError
        If arguments are missing, or the output has several elements and no gradient is given.

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> p = kb.tensor([[0.5, 0.5], [1.0, 0.0]], requires_grad=True, name="p")
    >>> with np.errstate(divide="ignore"):
    ...     loss = -np.log(p).sum()
    >>> found = kb.find_trouble(loss)
    >>> found.what().partition(",")[0], found.index
    ('log of 0 gives -inf at row 1', (1, 1))
    """
    if isinstance(output, Module):
        if x is None or t is None or loss is None:
            raise UsageError("find_trouble: with a model, pass x, t and loss: find_trouble(model, x, t, 'mse')")
        return _in_model(output, x, t, loss_function(loss), gradient)
    if not isinstance(output, Tensor):
        raise DTypeError(f"find_trouble: expected a tensor or a kb.nn.Module, got {type(output).__name__}")
    output._concrete("find_trouble()")
    return trouble_of(output, gradient, Names(topological([output])))


def trouble_of(output: Any, gradient: Any, names: Names) -> Trouble | None:
    """The first value that is not finite on the way to the output, or on the way back."""
    with np.errstate(all="ignore"):
        sent: Iterable[Any] = ()
        leaves: list[Node] = []
        found: dict[Node, Any] = {}
        if output.requires_grad:
            leaves = [node for node in topological([output]) if node.op is None and node.requires_grad]
            # A rule may refuse what is not finite (svd, eigh): the forward pass is looked at before the first message.
            sent = _lazily(lambda: messages([output], [_first(output, gradient)], leaves, found, record=False))
        spot = first_not_finite(output, sent, leaves, found, names)
    return None if spot is None else Trouble(spot)


def _first(output: Any, gradient: Any) -> Any:
    return first_gradient("find_trouble", output, gradient)


def _lazily(make: Callable[[], Iterable[Any]]) -> Iterable[Any]:
    yield from make()


def _in_model(model: Module, x: Any, t: Any, loss: Any, gradient: Any) -> Trouble | None:
    frame = users_frame(2)
    token = tracing.set(True)  # what does not depend on a parameter is recorded too
    try:
        with np.errstate(all="ignore"), standing_in(model, {}):
            y = model(_leaf(model, x, "x"))
            output = loss(y, _leaf(model, aligned(np.asarray(value_of(t)), y), "t"))
    finally:
        tracing.reset(token)
    names = Names(topological([output]), here=(frame.f_code, frame.f_lasti))
    return trouble_of(output, gradient, names)


def _leaf(model: Module, value: Any, name: str) -> Any:
    array = np.asarray(value.value if isinstance(value, Node) else value)
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"find_trouble: expected {name} to hold numbers, got dtype {array.dtype}")
    kind = model.input_dtype(array.dtype) if name == "x" or array.dtype.kind == "f" else array.dtype
    node = constant(array.astype(kind, copy=False)[()], Tensor)
    node.name = name
    return node
