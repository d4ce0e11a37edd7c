"""grad, vjp, jvp, jacobian, hessian, hvp, vmap: functions of functions.

Each call binds its arguments to fresh identity nodes that point to the caller's tensors, so that nested
derivatives cannot be confused (Siskind and Pearlmutter 2005), runs the function, and reads the graph that
results. When the arguments are tensors, or the function reaches an argument of an enclosing transform, the
gradient is recorded as part of that graph; otherwise it is computed on plain arrays and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from koubai.diff import batched, forward_mode, reverse_mode
from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Node, Type, constant, placeholder, recording, topological, type_of
from koubai.ops.shape import transpose
from koubai.ops.structure import bind
from koubai.tensor.tensor import Tensor
from koubai.tensor.trees import flatten, tree_map

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp", "vmap"]

Function = Callable[..., Any]


class _Bound:
    """Arguments of one call of a transform: fresh variables in place of the chosen ones."""

    def __init__(self, name: str, args: Sequence[Any], argnums: Sequence[int]) -> None:
        self.given_tensors = False
        self.variables: list[Variable] = []
        self.rebuilds = []
        self.counts = []
        self.args = list(args)
        drawn: dict[int, list[Variable]] = {}  # an argument that is named twice is one variable
        for n in argnums:
            if not -len(args) <= n < len(args):
                raise UsageError(f"{name}: argnums names argument {n}, but the function was given {len(args)}")
            leaves, rebuild = flatten(args[n])
            if n % len(args) in drawn:
                fresh = drawn[n % len(args)]
            else:
                fresh = drawn[n % len(args)] = [self._variable(name, n, leaf) for leaf in leaves]
                self.args[n] = rebuild(fresh)
            self.variables += fresh
            self.rebuilds.append(rebuild)
            self.counts.append(len(fresh))

    def _variable(self, name: str, n: int, x: Any) -> Any:
        if isinstance(x, Node):
            self.given_tensors = True
        else:
            x = _as_value(name, n, x)
        of = x.type if isinstance(x, Node) else type_of(x)
        if not of.differentiable:
            raise DTypeError(
                f"{name}: argument {n} has dtype {of.dtype}, which has no gradient; pass floating-point numbers "
                f"(x.astype(float)), or choose other arguments with argnums"
            )
        return Variable.of(x)

    def pack(self, results: Sequence[Any]) -> list[Any]:
        """Results, one a variable, in the shape of the chosen arguments."""
        packed, start = [], 0
        for rebuild, count in zip(self.rebuilds, self.counts):
            packed.append(rebuild(list(results[start : start + count])))
            start += count
        return packed


class Variable(Tensor):
    """An argument of a transform: an identity of its own, linked to what it stands for.

    Attributes
    ----------
    open : bool
        True while the transform's function runs: whatever is differentiated meanwhile must be recorded.
    """

    __slots__ = ("open",)
    open: bool

    @classmethod
    def of(cls, x: Any) -> Variable:
        node: Variable = constant(x.value if isinstance(x, Node) else x, cls, requires_grad=True)
        if node.value is None:
            node._type = x.type
        node.op, node.inputs, node.open = bind, (x,), True
        return node


def _as_value(name: str, n: int, x: Any) -> Any:
    if type(x) is int:
        x = float(x)
    if isinstance(x, (np.ndarray, np.generic, float, complex)):
        value = np.asarray(x)[()]
        if value.dtype.kind in "biufc":
            return value
    raise DTypeError(
        f"{name}: expected argument {n} to be an array, a number or a container of these, got {type(x).__name__}"
    )


def _outputs(name: str, y: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    leaves, rebuild = flatten(y)
    for leaf in leaves:
        if not isinstance(leaf, (Node, np.ndarray, np.generic, int, float, complex)):
            raise DTypeError(f"{name}: the function returned {type(leaf).__name__}, expected arrays or numbers")
    return [leaf if isinstance(leaf, Node) else constant(np.asarray(leaf)[()], Tensor) for leaf in leaves], rebuild


def _enclosed(outputs: Sequence[Node]) -> bool:
    """Whether the outputs reach an argument of a transform that is still running, or something traced."""
    return any(
        node.value is None or (isinstance(node, Variable) and node.open) for node in topological(outputs)
    )


class _Call:
    """One run of a function under a transform: its variables, its outputs, and how results are returned."""

    def __init__(self, name: str, f: Function, args: Sequence[Any], argnums: Sequence[int], has_aux: bool) -> None:
        self.bound = _Bound(name, args, argnums)
        # Inside kb.no_grad the function is differentiated all the same; only the result is cut off.
        self.detached = not recording.get()
        token = recording.set(True)
        try:
            y = f(*self.bound.args)
        finally:
            recording.reset(token)
            for x in self.bound.variables:
                x.open = False
        self.aux = None
        if has_aux:
            if not (isinstance(y, tuple) and len(y) == 2):
                raise UsageError(f"{name}: with has_aux=True the function must return a pair (output, aux)")
            y, self.aux = y
        self.outputs, self.rebuild = _outputs(name, y)
        self.record = self.bound.given_tensors or _enclosed(self.outputs)
        self.aux = tree_map(self.given_back, self.aux)

    def given_back(self, x: Any) -> Any:
        """Plain where the caller gave plain arrays, a tensor where tensors are about."""
        if self.record:
            if self.bound.given_tensors and isinstance(x, (np.ndarray, np.generic)):
                return constant(x, Tensor)
            return x.detach() if self.detached and isinstance(x, Tensor) and x.requires_grad else x
        return x.value if isinstance(x, Node) else x

    def value(self) -> Any:
        return self.rebuild([self.given_back(y) for y in self.outputs])

    def filled(self, gradients: Sequence[Any], targets: Sequence[Node]) -> list[Any]:
        """Zeros where nothing depends."""
        return [
            self.given_back(np.zeros(x.shape, x.dtype)[()] if g is None else g) for g, x in zip(gradients, targets)
        ]


def _argnums(argnums: int | Sequence[int]) -> tuple[tuple[int, ...], bool]:
    if isinstance(argnums, (int, np.integer)):
        return (int(argnums),), True
    return tuple(int(n) for n in argnums), False


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns ``f(*args)`` and its gradient. See `grad`.

    Examples
    --------
    >>> import koubai as kb
    >>> value, slope = kb.value_and_grad(lambda x: x * x)(3.0)
    >>> float(value), float(slope)
    (9.0, 6.0)
    """
    numbers, single = _argnums(argnums)

    @wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = _Call("grad", lambda *xs: f(*xs, **kwargs), args, numbers, has_aux)
        y = _scalar(call)
        seed = np.ones(y.shape, y.dtype)[()]
        found = reverse_mode([y], [seed], call.bound.variables, record=call.record)
        packed = call.bound.pack(call.filled(found, call.bound.variables))
        slopes = packed[0] if single else tuple(packed)
        value = call.value()
        return ((value, call.aux), slopes) if has_aux else (value, slopes)

    return differentiated


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of ``f``, whose output must have one element.

    Parameters
    ----------
    f : callable
        Takes arrays, numbers, or nested tuples, lists and dicts of these, and returns one real number.
    argnums : int or sequence of int
        Which arguments to differentiate by; a sequence gives a tuple of gradients.
    has_aux : bool
        With True, f returns a pair (output, aux), and the result is (gradient, aux).

    Returns
    -------
    callable
        Gives plain arrays for plain arrays and Tensors for Tensors, of the shape and dtype of the argument;
        zeros for an argument that does not matter. Can be differentiated again.

    Raises
    ------
    ShapeError
        If the output has more than one element (use `jacobian`).
    DTypeError
        If an argument is of integer dtype, or the output is complex.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.grad(lambda w: (w * 2.0 - 5.0) ** 2)(2.0)
    np.float64(-4.0)
    >>> kb.grad(kb.grad(kb.numpy.sin))(0.5) == -np.sin(0.5)
    np.True_
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, slopes = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return differentiated


def _scalar(call: _Call) -> Any:
    if len(call.outputs) != 1:
        raise ShapeError(f"grad: the function returned {len(call.outputs)} outputs, expected one number")
    (y,) = call.outputs
    if y.size != 1:
        raise ShapeError(
            f"grad: the output has shape {y.shape}, expected one element; reduce it (sum, mean) or use kb.jacobian"
        )
    if y.dtype.kind == "b":
        raise DTypeError("grad: the output is a truth value, which has no gradient; return a floating-point number")
    if y.dtype.kind == "c":
        raise DTypeError(
            "grad: the output is complex, so it has no single gradient; take .real, .imag or abs of it, "
            "or use kb.vjp with the direction that you mean"
        )
    return y


def vjp(f: Function, *xs: Any) -> tuple[Any, Function]:
    """``f(*xs)`` and its pullback: the map from a gradient of the output to gradients of the arguments.

    Returns
    -------
    y, pullback
        ``pullback(g)`` returns a tuple with one gradient an argument; g is cast to y's dtype. For complex
        values the gradient follows the steepest ascent of a real output, as in PyTorch: rules conjugate.

    Examples
    --------
    >>> import koubai as kb
    >>> y, pullback = kb.vjp(lambda a, b: a * b, 10.0, 20.0)
    >>> [float(g) for g in pullback(1.0)]
    [20.0, 10.0]
    """
    call = _Call("vjp", f, xs, range(len(xs)), has_aux=False)

    def pullback(g: Any) -> tuple[Any, ...]:
        leaves, _ = flatten(g)
        if len(leaves) != len(call.outputs):
            raise UsageError(f"pullback: expected {len(call.outputs)} gradients, got {len(leaves)}")
        record = call.record or any(isinstance(leaf, Node) for leaf in leaves)
        seeds = [_cotangent(leaf, y) for leaf, y in zip(leaves, call.outputs)]
        found = reverse_mode(call.outputs, seeds, call.bound.variables, record=record)
        lifted = [g if isinstance(g, Node) and record else None for g in found]
        filled = call.filled(found, call.bound.variables)
        return tuple(call.bound.pack([g if g is not None else z for g, z in zip(lifted, filled)]))

    return call.value(), pullback


def _cotangent(g: Any, y: Node) -> Any:
    if not isinstance(g, Node):
        g = np.asarray(g)
        if g.dtype.kind == "c" and y.dtype.kind != "c":
            raise DTypeError(f"pullback: the output is {y.dtype}, got a complex gradient")
        g = g.astype(y.dtype)[()]
    if g.shape != y.shape:
        raise ShapeError(f"pullback: expected a gradient of the output's shape {y.shape}, got {g.shape}")
    return g


def jvp(f: Function, xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*xs)`` and its change when the arguments change by `vs`: forward mode.

    Examples
    --------
    >>> import koubai as kb
    >>> y, dy = kb.jvp(lambda a, b: a * b, (10.0, 20.0), (1.0, 0.0))
    >>> float(dy)
    20.0
    """
    if not isinstance(xs, (tuple, list)) or not isinstance(vs, (tuple, list)) or len(xs) != len(vs):
        raise UsageError("jvp: expected a tuple of arguments and a tuple of as many directions")
    call = _Call("jvp", f, xs, range(len(xs)), has_aux=False)
    leaves, _ = flatten(list(vs))
    if len(leaves) != len(call.bound.variables):
        raise UsageError(f"jvp: expected {len(call.bound.variables)} directions, got {len(leaves)}")
    tangents = [_tangent(v, x) for v, x in zip(leaves, call.bound.variables)]
    if any(isinstance(v, Node) for v in leaves):
        call.bound.given_tensors = call.record = True
    changes = forward_mode(call.outputs, call.bound.variables, tangents, record=call.record)
    return call.value(), call.rebuild(call.filled(changes, call.outputs))


def _tangent(v: Any, x: Node) -> Any:
    if not isinstance(v, Node):
        v = np.asarray(v).astype(x.dtype, copy=False)[()]
    if v.shape != x.shape:
        raise ShapeError(f"jvp: expected a direction of the argument's shape {x.shape}, got {v.shape}")
    return v


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns all partial derivatives of an array by an array.

    Returns
    -------
    callable
        For an output of shape s and an argument of shape t an array of shape s + t, for containers a
        container of these, outputs outside. One batched pass in reverse mode, or in forward mode where the
        arguments have fewer elements than the outputs.

    Raises
    ------
    DTypeError
        If an argument is complex: there the derivative is not one array.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    numbers, single = _argnums(argnums)

    @wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = _Call("jacobian", lambda *xs: f(*xs, **kwargs), args, numbers, has_aux=False)
        xs, ys = call.bound.variables, call.outputs
        if any(x.dtype.kind == "c" for x in xs):
            raise DTypeError(
                "jacobian: an argument is complex, where the derivative depends on the direction; differentiate "
                "by real and imaginary parts, or use kb.jvp or kb.vjp with a direction"
            )
        forward = sum(x.size for x in xs) < sum(y.size for y in ys)
        table = _by_columns(call, xs, ys) if forward and _has_forward(ys) else _by_rows(call, xs, ys)
        results = []
        for row in table:
            packed = call.bound.pack([call.given_back(block) for block in row])
            results.append(packed[0] if single else tuple(packed))
        return call.rebuild(results)

    return differentiated


def _has_forward(ys: Sequence[Node]) -> bool:
    return all(node.op is None or node.op.linear or node.op.jvp for node in topological(ys))


def _basis(x: Node) -> np.ndarray[Any, Any]:
    return np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)  # type: ignore[attr-defined]


def _by_rows(call: _Call, xs: Sequence[Any], ys: Sequence[Any]) -> list[list[Any]]:
    """For each output the derivatives by each variable, one reverse pass an output."""
    table = []
    for y in ys:
        g = placeholder(y.type, Tensor)
        found = reverse_mode([y], [g], xs, record=True)
        known = [v for v in found if v is not None]
        stacks = batched(known, [g], [_basis(y)], y.size, record=call.record)
        if y.dtype.kind == "c":
            # A real variable receives the real part only: how it moves the imaginary part is asked with i.
            turned = batched(known, [g], [1j * _basis(y)], y.size, record=call.record)
            stacks = [a + 1j * b for a, b in zip(stacks, turned)]
        rest = iter(stacks)
        table.append([_block(None if v is None else next(rest), y, x) for v, x in zip(found, xs)])
    return table


def _by_columns(call: _Call, xs: Sequence[Any], ys: Sequence[Any]) -> list[list[Any]]:
    """The same by forward mode, one pass a variable."""
    columns = []
    for x in xs:
        t = placeholder(x.type, Tensor)
        found = forward_mode(ys, [x], [t], record=True)
        known = [v for v in found if v is not None]
        stacks = iter(batched(known, [t], [_basis(x)], x.size, record=call.record))
        columns.append([None if v is None else _last(next(stacks)) for v in found])
    return [[_block(column[i], y, x) for column, x in zip(columns, xs)] for i, y in enumerate(ys)]


def _last(stack: Any) -> Any:
    return transpose(stack, axes=(*range(1, stack.ndim), 0))


def _block(stack: Any, y: Any, x: Any) -> Any:
    shape = (*y.shape, *x.shape)
    return np.zeros(shape, y.dtype)[()] if stack is None else stack.reshape(shape)


def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns all second derivatives of a function with one output: the Jacobian of `grad`.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.hessian(lambda x: x[0] * x[0] * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, x: Any, v: Any) -> Any:
    """The Hessian of ``f`` at `x` times `v`, without the Hessian: forward mode over reverse mode.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    return jvp(grad(f), (x,), (v,))[1]


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """A function that applies `f`, written for one example, to a stack of examples at once.

    `f` runs once, on tensors of which only shape and dtype are known; the graph that it leaves is then
    computed for the whole stack. An ``if`` on a value raises; write `koubai.numpy.where`.

    Parameters
    ----------
    f : callable
    in_axes : int, None, or a sequence of these with one entry an argument
        Which axis of the argument counts the examples; None for an argument that all examples share.
    out_axes : int, or a sequence with one entry an output
        Where that axis goes in the output.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.vmap(lambda x: (x * x).sum())(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([ 5., 25.])
    """

    @wraps(f, updated=())
    def mapped(*args: Any, **kwargs: Any) -> Any:
        axes = tuple(in_axes) if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise UsageError(f"vmap: in_axes has {len(axes)} entries for {len(args)} arguments")
        stacks, inputs, prepared, given_tensors = _prepare(args, axes)
        size = _stack_size(stacks)
        y = f(*prepared, **kwargs)
        leaves, rebuild = flatten(y)
        outputs = [leaf if isinstance(leaf, Node) else np.asarray(leaf)[()] for leaf in leaves]
        nodes = [y for y in outputs if isinstance(y, Node)]
        record = given_tensors or _captures(nodes, set(inputs))
        results = batched(outputs, inputs, stacks, size, record=record)
        destinations = _flat_axes(out_axes, rebuild, len(leaves))
        results = [_moved(r, 0, axis) for r, axis in zip(results, destinations)]
        if record and given_tensors:
            results = [r if isinstance(r, Node) else constant(r, Tensor) for r in results]
        return rebuild(results)

    return mapped


def _captures(outputs: Sequence[Node], inputs: set[Any]) -> bool:
    """Whether the outputs depend on something to be differentiated or traced in another way than through the
    inputs: an argument of an enclosing transform, a tensor that requires a gradient."""
    return any(
        (isinstance(node, Variable) and node.open)
        or (node.op is None and node not in inputs and (node.value is None or node.requires_grad))
        for node in topological(outputs)
    )


def _prepare(args: Sequence[Any], axes: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any], bool]:
    """Stacks with their axis in front, the placeholders that stand for one example, and f's arguments."""
    stacks: list[Any] = []
    inputs: list[Any] = []
    prepared: list[Any] = []
    given_tensors = False
    for arg, axis in zip(args, axes):
        if axis is None:
            given_tensors = given_tensors or any(isinstance(x, Node) for x in flatten(arg)[0])
            prepared.append(arg)
            continue
        leaves, rebuild = flatten(arg)
        one = []
        for leaf, k in zip(leaves, _flat_axes(axis, rebuild, len(leaves))):
            if k is None:
                one.append(leaf)
                continue
            given_tensors = given_tensors or isinstance(leaf, Node)
            stack = leaf if isinstance(leaf, Node) else np.asarray(leaf)
            if not -stack.ndim <= k < stack.ndim:
                raise ShapeError(f"vmap: in_axes {k} does not exist in an argument of shape {stack.shape}")
            stack = _moved(stack, k, 0)
            wanted = isinstance(stack, Node) and stack.requires_grad
            example = placeholder(Type(tuple(stack.shape[1:]), stack.dtype), Tensor, requires_grad=wanted)
            stacks.append(stack)
            inputs.append(example)
            one.append(example)
        prepared.append(rebuild(one))
    return stacks, inputs, prepared, given_tensors


def _flat_axes(axes: Any, rebuild: Any, count: int) -> list[Any]:
    if axes is None or isinstance(axes, (int, np.integer)):
        return [axes] * count
    flat = []
    stack = [axes]
    while stack:
        top = stack.pop()
        if isinstance(top, dict):
            stack.extend(reversed(list(top.values())))
        elif isinstance(top, (tuple, list)):
            stack.extend(reversed(top))
        else:
            flat.append(top)
    if len(flat) != count:
        raise UsageError(f"vmap: {len(flat)} axes given for {count} arrays")
    return flat


def _stack_size(stacks: Sequence[Any]) -> int:
    sizes = {int(s.shape[0]) for s in stacks}
    if len(sizes) != 1:
        found = ", ".join(map(str, sorted(sizes))) or "none"
        raise ShapeError(f"vmap: expected stacks of one common length, got {found}")
    return sizes.pop()


def _moved(x: Any, source: int, target: int) -> Any:
    n = x.ndim
    source, target = source % n, target % n
    if source == target:
        return x
    order = [i for i in range(n) if i != source]
    order.insert(target, source)
    return transpose(x, axes=tuple(order))
