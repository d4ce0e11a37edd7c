"""Function: a layer whose forward and backward are written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from inspect import Parameter, signature
from typing import Any

import numpy as np

from koubai.diff import conform, reverse_mode
from koubai.errors import DTypeError, GradientShapeError, TracingError, UnsupportedError, UsageError
from koubai.graph import Node, Op, Type, Words, constant, type_of, value_of, variadic
from koubai.ops.define import shape_of
from koubai.ops.index import getitem
from koubai.ops.shape import stack
from koubai.ops.structure import outputs_of
from koubai.tensor.tensor import Tensor
from koubai.tensor.watch import watched

__all__ = ["Function", "argument_names", "layer_of"]


class Function:
    """A layer of one's own: subclass it and write `forward` and `backward` in plain NumPy.

    ``layer.forward(...)`` and ``layer.backward(...)`` are ordinary methods, for plain numbers and arrays. Called with
    tensors, ``layer(x, y)`` becomes one operation of the graph, and backpropagation asks `backward` for the
    gradients. Each such call works on a shallow copy of the layer, so that a layer which keeps its inputs on
    `self` may be used several times in one computation, and be checked numerically.

    The methods receive arrays (NumPy scalars for 0-d values): inputs that cannot be written to, and gradients
    that may be. A method may return a tuple: several outputs from `forward`, one gradient for each input of
    `forward` from `backward`, None where an input has no gradient.

    Attributes
    ----------
    differentiable_backward : bool
        False: backpropagation only, and once. Set it to True in a class whose `forward` and `backward` are
        written with operators and with functions that take tensors (`koubai.numpy`): then they are also run
        on tensors, and second derivatives and forward mode come from there.

    Notes
    -----
    Where only shapes and dtypes are known (in `koubai.vmap`, in compiling), `infer` finds those of the result by
    running `forward` on an example; override it if that is not possible. `koubai.vmap` runs the layer once
    for each example of the stack.

    Examples
    --------
    >>> import koubai as kb
    >>> class Mul(kb.Function):
    ...     def forward(self, x, y):
    ...         self.x, self.y = x, y
    ...         return x * y
    ...     def backward(self, dout):
    ...         return dout * self.y, dout * self.x
    >>> layer = Mul()
    >>> layer.forward(10, 20), layer.backward(1)
    (200, (20, 10))
    >>> x, y = kb.tensor(3.0, requires_grad=True), kb.tensor(4.0, requires_grad=True)
    >>> layer(layer(x, y), y).backward()
    >>> float(x.grad), float(y.grad)
    (16.0, 24.0)
    """

    differentiable_backward: bool = False

    def forward(self, *xs: Any) -> Any:
        """The outputs, from the inputs."""
        raise UnsupportedError(f"{type(self).__name__}: a kb.Function needs a method forward(self, ...)")

    def backward(self, *grads: Any) -> Any:
        """The gradients of the inputs, from those of the outputs."""
        raise UnsupportedError(
            f"{type(self).__name__}: a kb.Function needs a method backward(self, ...) that returns one gradient for "
            f"each input of forward"
        )

    def infer(self, *types: Type) -> Any:
        """Types of the outputs, from the types of the inputs: `forward` is run on an example.

        The example holds random numbers between 0.25 and 0.75 (zeros for integers and truth values).
        """
        try:
            with np.errstate(all="ignore"):
                result = _values(self, copy(self).forward(*map(_example, types)))
        except Exception as error:
            shown = ", ".join(map(str, types))
            raise TracingError(
                f"{type(self).__name__}: only the types of the inputs are known here ({shown}), and forward fails on "
                f"example numbers of these types: {error}. Override infer(self, *types) to return a kb.Type"
            ) from error
        return tuple(map(type_of, result)) if isinstance(result, tuple) else type_of(result)

    def __call__(self, *xs: Any) -> Any:
        """The layer as an operation of the graph; on plain numbers and arrays the same as `forward`."""
        watch = watched.get()
        if watch is not None:
            watch.meet(self)
        if not any(isinstance(x, Node) for x in xs):
            return self.forward(*xs)
        return _called(self, tuple(_operand(self, i, x) for i, x in enumerate(xs)))


def argument_names(layer: Function) -> list[str]:
    """The names of the inputs in forward's signature."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in signature(layer.forward).parameters.values() if p.kind in kinds]


def layer_of(node: Node) -> Function | None:
    """The `Function` whose call made this node, or None."""
    call = getattr(getattr(node.op, "forward", None), "__self__", None)
    return call.layer if isinstance(call, Call) else None


def _called(layer: Function, inputs: tuple[Any, ...]) -> Any:
    """The outputs as nodes; plain arrays for plain arrays."""
    call = Call(layer)
    if all(not isinstance(x, Node) or x.value is not None for x in inputs):
        # Before the graph asks for it, so that an error in forward reaches the user as it is.
        call.forward(*map(value_of, inputs))
    result = call.op()(*inputs)
    if not isinstance(result, Node):
        return result
    if result.op is None and isinstance(result.value, tuple):
        return tuple(constant(v, type(result)) for v in result.value)
    return outputs_of(result) if isinstance(result.type, tuple) else result


class Call:
    """One call of a layer in a graph: what its op does, and the copy of the layer that ran.

    `forward` and `pull` depend on their arguments only: when these are the ones of the last run, its copy is
    used again, otherwise the layer runs on a fresh copy.
    """

    def __init__(self, layer: Function) -> None:
        self.layer = copy(layer)
        self.name = type(layer).__name__
        self._ran: Function | None = None
        self._xs: tuple[Any, ...] = ()
        self._y: Any = None
        self._pulled: tuple[Any, ...] | None = None
        self._gs: tuple[Any, ...] = ()

    def op(self) -> Op:
        """A record for this call alone. (It points here; nothing points back, so that no cycle arises.)"""
        return Op(
            self.name,
            self.forward,
            self.layer.infer,
            Words(
                f"y = {self.name}(x_1, x_2, ...)",
                "dE/dx_k = backward(g)",
                "A layer of one's own.",
                "自作の層。",
                symbols=("x...",),
            ),
            vjp=variadic(self._vjp),
            jvp=variadic(self._jvp) if self.layer.differentiable_backward else None,
            batch=self._batch,
        )

    def forward(self, *xs: Any) -> Any:
        if self._ran is None or not _identical(xs, self._xs):
            ran = copy(self.layer)
            self._y = _values(self.layer, ran.forward(*map(_read_only, xs)))
            self._ran, self._xs, self._pulled = ran, xs, None
        return self._y

    def pull(self, gs: tuple[Any, ...], xs: tuple[Any, ...]) -> tuple[Any, ...]:
        """What `backward` returns, from arrays; kept, since each input asks for its own."""
        self.forward(*xs)
        if self._pulled is None or not _identical(gs, self._gs):
            result = self._ran.backward(*(np.array(g)[()] for g in gs))  # type: ignore[union-attr]
            self._pulled, self._gs = self._one_each(result, xs), gs
        return self._pulled

    def _batch(self, op: Op, size: int, batched: Sequence[bool], *xs: Any) -> Any:
        examples = zip(
            *([getitem(x, pattern=(i,)) for i in range(size)] if b else [x] * size for x, b in zip(xs, batched))
        )
        rows = [_called(self.layer, example) for example in examples]
        return tuple(map(stack, zip(*rows))) if isinstance(rows[0], tuple) else stack(rows)

    def _vjp(self, i: int, g: Any, y: Any, *xs: Any) -> Any:
        gs = g if isinstance(g, tuple) else (g,)
        if not any(isinstance(x, Node) for x in (*gs, *xs)):
            return self._gradient(i, self.pull(gs, xs)[i], xs[i])
        if self.layer.differentiable_backward:
            return self._backward_on_tensors(i, gs, xs)
        return self._backward_op(i, len(gs))(*gs, *xs)

    def _jvp(self, i: int, t: Any, y: Any, *xs: Any) -> Any:
        """Forward mode out of backward alone: backward is linear in the gradient that it receives, and the
        transpose of that linear map pushes changes forward."""
        several = isinstance(y.type, tuple) if isinstance(y, Node) else isinstance(y, tuple)
        types: Any = y.type if isinstance(y, Node) else tuple(map(type_of, y)) if several else type_of(y)
        blank = [np.zeros(of.shape, of.dtype)[()] for of in (types if several else (types,))]
        zeros = [constant(zero, Tensor, requires_grad=True) for zero in blank]
        pulled = self._backward_on_tensors(i, tuple(zeros), xs)
        record = any(isinstance(x, Node) for x in (t, *xs))
        found = reverse_mode([pulled], [t], zeros, record=record) if isinstance(pulled, Node) else [None] * len(zeros)
        changes = tuple(z.value if c is None else c for c, z in zip(found, zeros))
        return changes if several else changes[0]

    def _backward_on_tensors(self, i: int, gs: tuple[Any, ...], xs: tuple[Any, ...]) -> Any:
        ran = copy(self.layer)
        ran.forward(*xs)
        return self._gradient(i, self._one_each(ran.backward(*gs), xs)[i], xs[i])

    def _backward_op(self, i: int, count: int) -> Op:
        """The gradient of input i as an operation of the graph, which cannot be differentiated again."""

        def infer(*types: Type) -> Type:
            return Type(types[count + i].shape, types[count + i].dtype)

        def forward(*args: Any) -> Any:
            x = args[count + i]
            g = self._gradient(i, self.pull(args[:count], args[count:])[i], x)
            return conform(g, x if hasattr(x, "dtype") else np.asarray(x, np.float64)[()])

        def refuse(j: int, *args: Any, **params: Any) -> Any:
            raise UnsupportedError(
                f"{self.name}: a second derivative through a layer written by hand is not known. If its forward and "
                f"backward also run on tensors (operators and kb.numpy only), set differentiable_backward = True "
                f"in the class"
            )

        words = Words("y = backward(g, x_1, x_2, ...)", "unknown", "The gradient of a layer of one's own.",
                      "自作の層の勾配。", symbols=("g", "x..."))  # fmt: skip
        return Op(f"{self.name}.backward", forward, infer, words, vjp=variadic(refuse), jvp=variadic(refuse))

    def _one_each(self, result: Any, xs: Sequence[Any]) -> tuple[Any, ...]:
        """What `backward` returned, one gradient for each input, or an error that says how many are missing."""
        found = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        if len(found) != len(xs):
            names = ", ".join(self._argument(i) for i in range(len(xs)))
            raise UsageError(
                f"{self.name}: expected backward to return {len(xs)} gradients, one for each input of forward "
                f"({names}), got {len(found)}; return None for an input without gradient"
            )
        return found

    def _gradient(self, i: int, g: Any, x: Any) -> Any:
        """What `backward` returned for input i, which asks for its gradient, or an error if it does not fit."""
        shape = shape_of(x)
        if g is None:
            return np.zeros(shape, getattr(x, "dtype", np.float64))[()]
        g = g if isinstance(g, Node) else _values(self.layer, g, "backward")
        if g.shape == shape:
            return g
        hint = ""
        if g.shape[g.ndim - len(shape) :] == shape and g.ndim > len(shape):
            hint = "; likely cause: a missing sum over the batch"
        elif g.shape == shape[::-1]:
            hint = "; likely cause: a transposed matrix"
        raise GradientShapeError(
            f"{self.name}: backward returned a gradient of shape {g.shape} for {self._argument(i)}, expected the "
            f"shape {shape} of that input{hint}"
        )

    def _argument(self, i: int) -> str:
        names = argument_names(self.layer)
        return f"'{names[i]}'" if i < len(names) else f"input {i}"


def _identical(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b))


def _operand(layer: Function, i: int, x: Any) -> Any:
    if isinstance(x, (Node, np.ndarray, np.generic, int, float, complex)):
        return x
    raise DTypeError(
        f"{type(layer).__name__}: expected input {i} to be a tensor, an array or a number, got {type(x).__name__}"
    )


def _read_only(x: Any) -> Any:
    """The input as the layer sees it: writing into it would change what the graph has recorded."""
    if isinstance(x, np.ndarray):
        x = x.view()
        x.flags.writeable = False
    return x


def _values(layer: Function, y: Any, method: str = "forward") -> Any:
    """What a method returned as arrays: one, or a tuple of several."""
    if isinstance(y, (tuple, list)) and method == "forward":
        return tuple(_values(layer, item, "output") for item in y)
    if isinstance(y, Node):
        raise DTypeError(
            f"{type(layer).__name__}: {method} returned a Tensor where plain arrays were computed; it must not use "
            f"tensors from outside: pass them as inputs"
        )
    value = np.asarray(y)
    if value.dtype.kind not in "biufc":
        raise DTypeError(f"{type(layer).__name__}: expected numbers from {method}, got {type(y).__name__}")
    return value[()]


def _example(of: Type) -> Any:
    rng = np.random.default_rng(0)
    if of.dtype.kind not in "fc":
        return np.zeros(of.shape, of.dtype)[()]
    value = rng.uniform(0.25, 0.75, of.shape)
    if of.dtype.kind == "c":
        value = value + 1j * rng.uniform(0.25, 0.75, of.shape)
    return np.asarray(value, of.dtype)[()]
