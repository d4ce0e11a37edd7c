"""Layers that read a sequence step by step: RNN, LSTM, GRU. Each layer and direction is one `koubai.scan`.

Equations, order of the gates and shapes are PyTorch's, with the batch first; weights are of shape (inputs,
outputs), as those of `Linear`.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, ClassVar

import numpy as np

from koubai.errors import ShapeError, UnsupportedError, UsageError
from koubai.nn import functional as F
from koubai.nn import init
from koubai.nn.activate import relu, sigmoid, tanh
from koubai.nn.module import Module
from koubai.nn.parameter import Parameter
from koubai.ops.shape import astype, concatenate, reshape, stack, transpose
from koubai.tensor import scan
from koubai.tensor.numpy.arguments import arrayed

__all__ = ["GRU", "LSTM", "RNN"]

State = tuple[Any, ...]


class Recurrent(Module):
    """What the recurrent layers share: parameters, layers and directions, and the loop over the steps.

    A subclass says how many `gates` and `states` a cell has, and in `cell` what one step does.
    """

    gates: ClassVar[int] = 1
    states: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        bidirectional: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        self.input_size, self.hidden_size, self.num_layers = F.positive(
            type(self).__name__, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers
        )
        self.bias, self.bidirectional = bool(bias), bool(bidirectional)
        inputs = self.input_size
        for ends in self._endings():
            for end in ends:
                self._declare(end, inputs, dtype)
            inputs = len(ends) * self.hidden_size

    def _declare(self, end: str, inputs: int, dtype: Any) -> None:
        """The parameters of one direction of one layer."""
        bound, wide = 1.0 / sqrt(self.hidden_size), self.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (inputs, wide), "weight_hh": (self.hidden_size, wide)}
        if self.bias:
            shapes |= {"bias_ih": (wide,), "bias_hh": (wide,)}
        for name, shape in shapes.items():
            setattr(self, name + end, Parameter(shape=shape, initializer=init.uniform(-bound, bound), dtype=dtype))

    def _endings(self) -> list[list[str]]:
        """What the parameters' names end in, for each direction of each layer."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [[f"_l{layer}{end}" for end in directions] for layer in range(self.num_layers)]

    def cell(self, z: Any, state: State, weight: Any, bias: Any) -> State:
        """The next state, from what comes of the inputs (z) and from the state before."""
        raise UnsupportedError(f"{type(self).__name__}: a recurrent layer needs a method cell")

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        x = F.floating(type(self).__name__, x)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{self.path or type(self).__name__}: expected an input of shape (batch, time, {self.input_size}), or "
                f"(time, {self.input_size}) for one sequence, got {x.shape}"
            )
        alone = x.ndim == 2
        starts = iter(self._starts(state, x))
        x = reshape(x, shape=(x.shape[0], 1, x.shape[1])) if alone else transpose(x, axes=(1, 0, 2))
        lasts = []
        for ends in self._endings():
            runs = [self._run(x, end, next(starts)) for end in ends]
            lasts += [last for last, _ in runs]
            x = runs[0][1] if len(runs) == 1 else concatenate(*(y for _, y in runs), axis=2)
        found = [stack(rows) for rows in zip(*lasts)]
        last = tuple(s[:, 0] for s in found) if alone else tuple(found)
        return x[:, 0] if alone else transpose(x, axes=(1, 0, 2)), last if len(last) > 1 else last[0]

    def _starts(self, state: Any, x: Any) -> list[Any]:
        """For each layer and direction the first state, or None where it is zero."""
        count = sum(map(len, self._endings()))
        if state is None:
            return [None] * count
        given = state if len(self.states) > 1 else (state,)
        if not isinstance(given, (tuple, list)) or len(given) != len(self.states):
            raise UsageError(f"{type(self).__name__}: expected the state to be a tuple ({', '.join(self.states)})")
        shape = (count, *x.shape[:-2], self.hidden_size)
        arrays = [arrayed(s) for s in given]
        for s, name in zip(arrays, self.states):
            if s.shape != shape:
                raise ShapeError(f"{type(self).__name__}: expected the state {name} of shape {shape}, got {s.shape}")
        rows = [s if x.ndim == 3 else reshape(s, shape=(count, 1, self.hidden_size)) for s in arrays]
        return [tuple(s[i] for s in rows) for i in range(count)]

    def _run(self, x: Any, end: str, start: State | None) -> tuple[State, Any]:
        """One layer in one direction, time first: the last state, and the outputs of all steps."""
        weight = getattr(self, f"weight_hh{end}")
        outer, inner = self._biases(end)
        z = F.linear(x, getattr(self, f"weight_ih{end}"), outer)  # for all steps at once
        zeros = np.zeros((x.shape[1], self.hidden_size), z.dtype)
        first = tuple(zeros for _ in self.states) if start is None else tuple(astype(s, dtype=z.dtype) for s in start)

        def step(state: State, row: Any) -> tuple[State, Any]:
            after = self.cell(row, state, weight, inner)
            return after, after[0]

        last, ys = scan(step, first, z, reverse=end.endswith("_reverse"))
        return last, ys

    def _biases(self, end: str) -> tuple[Any, Any]:
        """What is added to the inputs of all steps at once, and what in every step."""
        if not self.bias:
            return None, None
        return getattr(self, f"bias_ih{end}") + getattr(self, f"bias_hh{end}"), None

    def extra_repr(self) -> str:
        more = [f"num_layers={self.num_layers}"] * (self.num_layers > 1)
        more += ["bias=False"] * (not self.bias) + ["bidirectional=True"] * self.bidirectional
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *more])


class RNN(Recurrent):
    """A recurrent layer: each step sees the input and what the step before put out.

    ``h_t = tanh(x_t W_ih + b_ih + h_(t-1) W_hh + b_hh)``

    Parameters
    ----------
    input_size, hidden_size : int
        Features of a step's input, and of the state.
    nonlinearity : "tanh" or "relu"
    num_layers : int
        Layers on top of each other: the outputs of one are the inputs of the next.
    bias : bool
    bidirectional : bool
        Whether each layer reads the sequence backwards too; the outputs of both directions stand side by side.
    dtype : numpy dtype

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : Parameter (inputs, hidden_size), (hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0 : Parameter (hidden_size,)
        Of layer 0; ``_l1`` of the next, ``_l0_reverse`` of the other direction. All are uniform on
        ±1/sqrt(hidden_size) at first. (PyTorch's weights are these transposed.)

    Notes
    -----
    ``layer(x, state=None)`` takes x of shape (batch, time, input_size), or (time, input_size) for one sequence,
    and a first state (zero by default) of the shape of the last one. It returns

    - the outputs h_t of the last layer at every step, (batch, time, D hidden_size), with D = 2 directions if
      bidirectional, else 1;
    - the last state of each layer and direction, (D num_layers, batch, hidden_size).

    References
    ----------
    Elman, "Finding structure in time" (1990).

    Examples
    --------
    >>> import koubai as kb
    >>> ys, last = kb.nn.RNN(3, 4)(np.ones((5, 7, 3)))
    >>> ys.shape, last.shape
    ((5, 7, 4), (1, 5, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        nonlinearity: str = "tanh",
        *,
        num_layers: int = 1,
        bias: bool = True,
        bidirectional: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise UsageError(f"RNN: expected nonlinearity to be 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, num_layers=num_layers, bias=bias, bidirectional=bidirectional, dtype=dtype
        )

    def cell(self, z: Any, state: State, weight: Any, bias: Any) -> State:
        u = z + state[0] @ weight
        return (tanh(u) if self.nonlinearity == "tanh" else relu(u),)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", nonlinearity='relu'" if self.nonlinearity == "relu" else "")


class GRU(Recurrent):
    """A gated recurrent unit: gates decide how much of the state is used and how much is kept.

    With ``x = x_t``, ``h = h_(t-1)``, and the sigmoid s::

        r   = s(x W_ir + b_ir + h W_hr + b_hr)             reset
        z   = s(x W_iz + b_iz + h W_hz + b_hz)             update
        n   = tanh(x W_in + b_in + r * (h W_hn + b_hn))    new
        h_t = (1 - z) * n + z * h

    The gates stand side by side in the parameters, in the order r, z, n.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, bidirectional, dtype
        As of `RNN`, and so are arguments and results of a call.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : Parameter (inputs, 3 hidden_size), (hidden_size, 3 hidden_size)
    bias_ih_l0, bias_hh_l0 : Parameter (3 hidden_size,)

    References
    ----------
    Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation"
    (2014). As in PyTorch, the reset gate is applied after the product with W_hn.

    Examples
    --------
    >>> import koubai as kb
    >>> ys, last = kb.nn.GRU(3, 4, num_layers=2, bidirectional=True)(np.ones((5, 7, 3)))
    >>> ys.shape, last.shape
    ((5, 7, 8), (4, 5, 4))
    """

    gates = 3

    def cell(self, z: Any, state: State, weight: Any, bias: Any) -> State:
        (h,), n = state, self.hidden_size
        u = F.linear(h, weight, bias)
        reset, update = sigmoid(z[:, :n] + u[:, :n]), sigmoid(z[:, n : 2 * n] + u[:, n : 2 * n])
        new = tanh(z[:, 2 * n :] + reset * u[:, 2 * n :])
        return (new + update * (h - new),)

    def _biases(self, end: str) -> tuple[Any, Any]:
        return (getattr(self, f"bias_ih{end}"), getattr(self, f"bias_hh{end}")) if self.bias else (None, None)


class LSTM(Recurrent):
    """A long short-term memory: a cell c that is added to, and gates that say what enters, stays and shows.

    With ``u = x_t W_i + b_i + h_(t-1) W_h + b_h`` for each of the four, and the sigmoid s::

        i = s(u_i)    input          g = tanh(u_g)    new
        f = s(u_f)    forget         o = s(u_o)       output
        c_t = f * c_(t-1) + i * g
        h_t = o * tanh(c_t)

    They stand side by side in the parameters, in the order i, f, g, o.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, bidirectional, dtype
        As of `RNN`. So are arguments and results of a call, but the state is a pair (h, c), each of shape
        (D num_layers, batch, hidden_size).

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : Parameter (inputs, 4 hidden_size), (hidden_size, 4 hidden_size)
    bias_ih_l0, bias_hh_l0 : Parameter (4 hidden_size,)

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory" (1997); with the forget gate of Gers, Schmidhuber and
    Cummins, "Learning to forget" (2000).

    Examples
    --------
    >>> import koubai as kb
    >>> ys, (h, c) = kb.nn.LSTM(3, 4)(np.ones((5, 7, 3)))
    >>> ys.shape, h.shape, c.shape
    ((5, 7, 4), (1, 5, 4), (1, 5, 4))
    """

    gates = 4
    states = ("h", "c")

    def cell(self, z: Any, state: State, weight: Any, bias: Any) -> State:
        (h, c), n = state, self.hidden_size
        u = z + h @ weight
        enter, keep, show = sigmoid(u[:, :n]), sigmoid(u[:, n : 2 * n]), sigmoid(u[:, 3 * n :])
        c = keep * c + enter * tanh(u[:, 2 * n : 3 * n])
        return show * tanh(c), c
