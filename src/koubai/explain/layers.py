"""The numbers of a network of dense layers at one example: what explanations of it put in for symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.check.slope import slope_of
from koubai.explain.dense import DenseLayer
from koubai.explain.formula import parse
from koubai.explain.instances import instance
from koubai.explain.record import record
from koubai.explain.replay import Agreement, Replay, agreement_with
from koubai.graph import Node, value_of
from koubai.nn import sigmoid, softmax
from koubai.nn.losses.lookup import loss_function
from koubai.tensor import jvp

__all__ = ["LOSSES", "Layer", "LossWords", "Numbers", "words_of"]

Number = Callable[..., Any]  # of indices


@dataclass(frozen=True, slots=True)
class LossWords:
    """A loss of one example with K outputs, for people.

    Attributes
    ----------
    error : str
        E, as a formula.
    slope : str
        dE/dy_k.
    output : str
        What the loss does to the last layer's outputs first: "sigmoid", "softmax", or nothing.
    """

    error: str
    slope: str
    output: str = ""


LOSSES = {
    "mse": LossWords("(sum_k (y_k - t_k)^2)/K", "2 (y_k - t_k)/K"),
    "mae": LossWords("(sum_k |y_k - t_k|)/K", "sign(y_k - t_k)/K"),
    "binary_cross_entropy": LossWords(
        "-(sum_k (t_k ln(y_k) + (1 - t_k) ln(1 - y_k)))/K", "(y_k - t_k)/(K y_k (1 - y_k))", "sigmoid"
    ),
    "cross_entropy": LossWords("-sum_k t_k ln(y_k)", "-t_k/y_k", "softmax"),
}
SQUASHING = {"sigmoid": sigmoid, "softmax": softmax}


class Layer:
    """A dense layer at one example, with the letters that count its units: `a` before it, `b` in it.

    Attributes
    ----------
    below : str
        The symbol of what comes in: x for the first layer, y for others.
    before, u, y : arrays
        What comes in, what goes into the activation, what comes out. Where the loss has an activation of its own
        for the last layer, u and y are those of that one.
    delta : Tensor
        The node that holds u.
    inner : str
        The activation inside of the loss; empty where there is none.
    """

    def __init__(self, layer: DenseLayer, a: str, b: str, first: bool, inside_the_loss: str = "") -> None:
        self.layer, self.a, self.b = layer, a, b
        self.below = "x" if first else "y"
        self.inner = inside_the_loss
        self.before = _row(layer.before)
        self.u, self.y = (
            (_row(layer.y), squashed(self.inner, _row(layer.y))) if self.inner else (_row(layer.u), _row(layer.y))
        )
        self.delta = layer.y if self.inner else layer.u
        self.w = np.asarray(layer.linear.weight.value)
        self.bias = layer.linear.bias if isinstance(layer.linear.bias, Node) else None

    @property
    def kind(self) -> str:
        """The activation's name; empty where there is none."""
        return self.inner or self.layer.kind

    def slope(self, k: int) -> float:
        """The derivative of the activation at one unit."""
        if self.inner:
            return float(self.y[k] * (1 - self.y[k]))
        activation = self.layer.activation
        if activation is None:
            return 1.0
        u = np.asarray(self.layer.u.value)
        return float(jvp(activation, (u,), (np.ones_like(u),))[1][0, k])

    def moved(self, k: int, h: float) -> float:
        """The output of one unit when its u is moved by h."""
        if self.inner:
            return float(squashed(self.inner, self.u[k] + h))
        u = np.array(self.layer.u.value, float)
        u[0, k] += h
        assert self.layer.activation is not None
        return float(np.asarray(self.layer.activation(u))[0, k])


class Numbers:
    """All numbers of a network at one example, and numerical differentiation beside its gradients.

    Parameters
    ----------
    layers : sequence of DenseLayer
        Evaluated at one example, whose input requires a gradient.
    error : Tensor
        The loss there.
    target : array
        The example's target, of shape (1, K); of a class number (1,).
    loss : str or callable
    """

    def __init__(self, layers: Sequence[DenseLayer], error: Any, target: Any, loss: Any) -> None:
        self.error = error
        self.record = record(error)
        self.replay = Replay(self.record)
        self.words = words_of(loss)
        inner = self.words.output if self.words is not None else ""
        last = len(layers) - 1
        self.layers = [
            Layer(layer, *(("j", "k") if n == last else ("i", "j")), n == 0, inner if n == last else "")
            for n, layer in enumerate(layers)
        ]
        self.top = self.layers[-1]
        self.units = len(self.top.u)
        is_class = inner == "softmax" and np.ndim(target) == 1
        self.t = np.eye(self.units)[int(target[0])] if is_class else np.ravel(target)

    def of(self, layer: Layer) -> Mapping[str, Number]:
        """The numbers to put in for the symbols in formulas of a layer, by index."""
        a, b = layer.a, layer.b
        arrays = {f"{layer.below}_{a}": layer.before, f"u_{b}": layer.u, f"y_{b}": layer.y, f"w_{a}{b}": layer.w,
                  "t_k": self.t, "t_q": self.t, "u_q": self.top.u}  # fmt: skip
        if layer.bias is not None:
            arrays[f"b_{b}"] = np.asarray(layer.bias.value)
        found: dict[str, Number] = {key: _by_index(array) for key, array in arrays.items()}
        found |= {"K": lambda: self.units, f"delta_{b}": self.delta(layer), f"dy_{b}/du_{b}": layer.slope}
        found[f"dE/dy_{b}"] = self.error_slope() if layer is self.top else self.gradient(layer.layer.y)
        return found

    def gradient(self, tensor: Any) -> Number:
        """The recorded gradient of a tensor, by index; of one of shape (1, units) by the unit."""
        grad = np.asarray(self.record[tensor].grad)
        assert grad.ndim
        return lambda *index: grad[(0, *index) if len(index) < grad.ndim else index]

    def delta(self, layer: Layer) -> Number:
        """The gradient of u."""
        return self.gradient(layer.delta)

    def error_slope(self) -> Number:
        """dE/dy_k: recorded, or where the loss computes y itself, by its formula."""
        if not self.top.inner:
            return self.gradient(self.top.layer.y)
        assert self.words is not None
        general = parse(self.words.slope)
        return lambda k: instance(general, {"k": k}, {}, self._outputs(self.top.y)).evaluate({})

    def _outputs(self, y: Any) -> dict[str, Number]:
        return {"y_k": lambda k: float(y[k]), "t_k": lambda k: float(self.t[k]), "K": lambda: self.units}

    # Agreement with numerical differentiation

    def at(self, tensor: Any, *index: int) -> Agreement | None:
        """Of one element of a tensor's gradient."""
        return self.replay.agreement(self.record[tensor], [index])

    def at_output(self, k: int) -> Agreement | None:
        """Of dE/dy_k; None where y_k, inside of the loss, is rounded to 0 or 1 and its formula has no value."""
        if not self.top.inner:
            return self.at(self.top.layer.y, 0, k)
        slope = self.error_slope()(k)
        return _compared(lambda h: self._error_with(k, h), slope) if np.isfinite(slope) else None

    def _error_with(self, k: int, h: float) -> float:
        """E where y_k alone is moved."""
        assert self.words is not None
        y = np.array(self.top.y, float)
        y[k] += h
        formula = instance(parse(self.words.error), {}, {"k": self.units}, self._outputs(y), most=self.units)
        return float(formula.evaluate({}))

    def at_slope(self, layer: Layer, k: int) -> Agreement | None:
        """Of the derivative of an activation."""
        if not layer.inner and layer.layer.activation is None:
            return None
        return _compared(lambda h: layer.moved(k, h), layer.slope(k))

    def by_way_of(self, layer: Layer, j: int, k: int) -> Agreement | None:
        """Of what reaches input j by way of unit k only: u_k is moved as far as the input would move it."""
        weight, node = float(layer.w[j, k]), self.record[layer.delta]
        return _compared(lambda h: self.replay.moved(node, (0, k), h * weight), weight * float(self.delta(layer)(k)))


def words_of(loss: Any) -> LossWords | None:
    """Those of a loss of this library, by name or itself; a function of the user's may have the same name."""
    return next((words for name, words in LOSSES.items() if loss == name or loss is loss_function(name)), None)


def _row(x: Any) -> Any:
    return np.asarray(x.value)[0]


def _by_index(array: Any) -> Number:
    return lambda *index: array[index]


def squashed(how: str, u: Any) -> Any:
    """What a loss does to the last layer's outputs."""
    return np.asarray(value_of(SQUASHING[how](np.asarray(u, float))))


def _compared(f: Callable[[float], float], gradient: Any) -> Agreement:
    return agreement_with(slope_of(lambda h: np.array([f(h)]), 2.0**-7), float(gradient))
