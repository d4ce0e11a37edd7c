"""Gradients example by example, and the rows that push a weight most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from koubai.errors import DTypeError, IndexingError, UnsupportedError, UsageError
from koubai.explain.examples import Pull, alone, each_alone, refuse_interaction, refuse_loss
from koubai.explain.table import table
from koubai.graph import constant, recording, value_of
from koubai.nn import Module, functional_call
from koubai.nn.examples import aligned, as_pair
from koubai.nn.losses.lookup import loss_function
from koubai.tensor import Tensor, grad, jvp, vmap

__all__ = ["Push", "Pushes", "example_gradients", "pushes"]

Array = np.ndarray[Any, Any]
MOST = 500_000_000
LOOSE = 1e-3  # of the outputs' size: what one example by itself may differ by from the same one in its batch


def example_gradients(model: Module, data: Any, loss: str | Callable[[Any, Any], Any]) -> dict[str, Array]:
    """The gradient of each example's loss with respect to each parameter: one run, no loop over the examples.

    Parameters
    ----------
    model : Module
        Runs in the modes in which its modules are; what layers store meanwhile is dropped.
    data : (x, t), or a Dataset
        As in `koubai.fit`.
    loss : str or callable
        As in `koubai.fit`, applied to each example by itself. Where the loss is a mean over the examples, the mean
        of these gradients is the gradient of the batch.

    Returns
    -------
    dict from path to array
        Of shape (examples, *shape of the parameter), for the parameters that are not frozen.

    Raises
    ------
    UnsupportedError
        If examples influence each other, as in batch normalization in training; or if the arrays would be too large.
    UsageError, ShapeError, DTypeError, DataError
        As in `koubai.fit`.

    Examples
    --------
    >>> import koubai as kb
    >>> model = kb.nn.Linear(2, 1)
    >>> x, t = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.zeros((3, 1))
    >>> slopes = kb.example_gradients(model, (x, t), "mse")
    >>> slopes["weight"].shape, bool((slopes["weight"][0, 1] == 0).all())
    ((3, 2, 1), True)
    """
    function, x, t = _prepared("example_gradients", model, data, loss)
    params = {name: p.numpy() for name, p in model.named_parameters() if p.requires_grad}
    return _gradients("example_gradients", model, function, params, x, t)


def _prepared(who: str, model: Module, data: Any, loss: Any) -> tuple[Callable[[Any, Any], Any], Array, Array]:
    """The loss, the examples, and the targets in the outputs' shape."""
    if not isinstance(model, Module):
        raise DTypeError(f"{who}: expected the model to be a kb.nn.Module, got {type(model).__name__}")
    function = loss_function(loss)
    x, t = as_pair(data, model, who)
    y = np.asarray(value_of(functional_call(model, {}, x)))
    t = aligned(t, y)
    refuse_loss(who, function, y, t)
    _refuse_mixed(who, model, x, y)
    return function, x, t


def _gradients(
    who: str, model: Module, loss: Callable[[Any, Any], Any], params: dict[str, Array], x: Array, t: Array
) -> dict[str, Array]:
    size = len(x) * sum(p.size for p in params.values())
    if size > MOST:
        raise UnsupportedError(f"{who}: the gradients would be {size:,} numbers, more than {MOST:,}; give fewer rows")

    def one(params: Any, x: Any, t: Any) -> Any:
        return alone(loss, functional_call(model, params, x[None])[0], t)

    found = vmap(grad(one), in_axes=(None, 0, 0))(params, x, t)
    return {name: np.asarray(value_of(g)) for name, g in found.items()}


def _refuse_mixed(who: str, model: Module, x: Array, y: Array) -> None:
    """Refuse a model in which an example's output depends on another example."""
    kind = type(model).__name__
    if x.dtype.kind == "f":
        start = constant(x, Tensor, requires_grad=True)
        kept = recording.set(True)
        try:
            refuse_interaction(who, kind, Pull(start, functional_call(model, {}, start)))
        finally:
            recording.reset(kept)
        return
    single = np.asarray(value_of(vmap(lambda x: functional_call(model, {}, x[None])[0])(x)))
    if np.abs(single - y).max(initial=0.0) > LOOSE * np.abs(y).max(initial=0.0):
        raise UnsupportedError(
            f"{who}: in {kind} an example by itself gives another output than in its batch; where batch normalization "
            f"is in training, call model.eval() first"
        )


@dataclass(frozen=True, slots=True)
class Push:
    """What one row does to a weight.

    Attributes
    ----------
    row : int
    gradient : float
        The derivative of this row's loss with respect to the weight. Gradient descent moves the weight the other way.
    """

    row: int
    gradient: float

    @property
    def direction(self) -> str:
        """``"up"`` or ``"down"``: where gradient descent on this row would move the weight; ``"-"`` for neither."""
        return "up" if self.gradient < 0 else "down" if self.gradient > 0 else "-"


@dataclass(frozen=True, slots=True)
class Pushes:
    """The rows that push a weight most.

    Attributes
    ----------
    wrt : str
        The weight: ``"hidden.weight[3, 1]"``.
    examples : int
        How many rows there are in all.
    gradient : float
        The mean of the gradients of all rows: where they all together push.
    rows : tuple of Push
        The strongest first.
    lang : {"en", "ja"}
        Of the text that ``str()`` makes.
    """

    wrt: str
    examples: int
    gradient: float
    rows: tuple[Push, ...]
    lang: Literal["en", "ja"] = "en"

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        data = asdict(self)
        del data["lang"]
        return data

    def __str__(self) -> str:
        if self.lang == "ja":
            head = f"{self.wrt}: 勾配の平均 {self.gradient:.6g}({self.examples} 行)"
            names, ways = ("行", "勾配", "重みの動き"), {"up": "増やす", "down": "減らす", "-": "-"}
        else:
            rows = f"{self.examples} row{'s' * (self.examples != 1)}"
            head = f"{self.wrt}: mean gradient {self.gradient:.6g} over {rows}"
            names, ways = ("row", "gradient", "pushes"), {"up": "up", "down": "down", "-": "-"}
        lines = [(str(p.row), f"{p.gradient:.6g}", ways[p.direction]) for p in self.rows]
        return "\n".join([head, *table([names, *lines], right_from=0)])


def pushes(
    model: Module,
    data: Any,
    loss: str | Callable[[Any, Any], Any],
    *,
    wrt: Any,
    index: int | tuple[int, ...] = (),
    top: int = 10,
    lang: Literal["en", "ja"] = "en",
) -> Pushes:
    """Which rows push this weight most: those whose own loss has the steepest slope along it.

    The slopes of all rows come out of one pass in forward mode, along that one weight.

    Parameters
    ----------
    model, data, loss
        As of `example_gradients`.
    wrt : str or Parameter
        The parameter, by its path or itself.
    index : int or tuple of int
        Which of its numbers.
    top : int
        How many rows to tell.
    lang : {"en", "ja"}
        Of the text.

    Raises
    ------
    IndexingError
        If the parameter has no such index.
    UsageError
        If the model has no such parameter, or the language is not spoken here.
    UnsupportedError
        As of `example_gradients`.

    Examples
    --------
    >>> import koubai as kb
    >>> model = kb.nn.Linear(1, 1, dtype=float)
    >>> model.weight.assign([[2.0]])
    >>> model.bias.assign([0.0])
    >>> x, t = np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [5.0], [5.9]])   # the second lies far off
    >>> print(kb.pushes(model, (x, t), "mse", wrt="weight", index=(0, 0), top=2))
    weight[0, 0]: mean gradient -1.13333 over 3 rows
    row  gradient  pushes
      1        -4      up
      2       0.6    down
    """
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or top < 1:
        raise UsageError(f"pushes: top must be a whole number from 1, got {top!r}")
    if lang not in ("en", "ja"):
        raise UsageError(f"pushes: lang must be 'en' or 'ja', got {lang!r}")
    function, x, t = _prepared("pushes", model, data, loss)
    name, theta = _named(model, wrt)
    place = _place(name, theta, index)
    try:
        slopes = _along(model, function, name, theta, place, x, t)
    except UnsupportedError:  # a layer without forward mode
        whole = _gradients("pushes", model, function, {name: theta}, x, t)[name]
        slopes = whole.reshape(len(x), -1)[:, np.ravel_multi_index(place, theta.shape) if place else 0]
    order = np.argsort(-np.abs(slopes), kind="stable")[:top]
    rows = tuple(Push(int(row), float(slopes[row])) for row in order)
    where = f"{name}[{', '.join(map(str, place))}]" if place else name
    return Pushes(where, len(x), float(slopes.mean()), rows, lang)


def _named(model: Module, wrt: Any) -> tuple[str, Array]:
    """The parameter's path and its present values."""
    found = dict(model.named_parameters())
    name = wrt if isinstance(wrt, str) else next((path for path, p in found.items() if p is wrt), None)
    if name not in found:
        what = repr(wrt) if isinstance(wrt, str) else f"that is the given {type(wrt).__name__}"
        raise UsageError(f"pushes: the model has no parameter {what}; it has {', '.join(found)}")
    assert name is not None
    return name, np.asarray(found[name].numpy())


def _place(name: str, theta: Array, index: Any) -> tuple[int, ...]:
    """The index as a tuple of whole numbers from 0."""
    place = tuple(index) if isinstance(index, (tuple, list)) else (index,)
    fits = len(place) == theta.ndim and all(isinstance(i, (int, np.integer)) for i in place)
    if not fits or not all(-n <= i < n for i, n in zip(place, theta.shape)):
        raise IndexingError(
            f"pushes: index must name one number of {name}, which has shape {theta.shape}; got {index!r}"
        )
    return tuple(int(i) % n for i, n in zip(place, theta.shape))


def _along(
    model: Module, loss: Callable[[Any, Any], Any], name: str, theta: Array, place: tuple[int, ...], x: Array, t: Array
) -> Array:
    """The slope of each example's loss along one number of one parameter."""
    direction = np.zeros_like(theta)
    direction[place] = 1

    def losses(theta: Any) -> Any:
        return each_alone(loss, functional_call(model, {name: theta}, x), t)

    return np.asarray(value_of(jvp(losses, (theta,), (direction,))[1]))
