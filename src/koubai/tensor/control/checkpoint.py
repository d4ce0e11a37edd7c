"""kb.checkpoint and its op: a call that is evaluated again in reverse mode instead of being remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from koubai.diff import pull, push, stack_up
from koubai.graph import Body, Node, Op, Sample, Words, joint_jvp, joint_vjp, register, trace
from koubai.ops.define import arrays
from koubai.ops.elementwise import multiply, tanh
from koubai.ops.lowering import Expand
from koubai.ops.shape import stacked
from koubai.ops.structure import barrier, outputs_of
from koubai.tensor.control.common import axis_dropped, lean, types_of
from koubai.tensor.tensor import Tensor
from koubai.tensor.transforms.binding import as_outputs
from koubai.tensor.trees import flatten

__all__ = ["call", "checkpoint"]


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that computes what `f` computes, and computes it again when it is differentiated.

    In the graph a call is one node: between forward and backward it holds its inputs and outputs, and nothing of
    what `f` computed on the way. Reverse mode evaluates `f` once more. A chain of n steps held in pieces of
    sqrt(n) steps needs memory for 2 sqrt(n) of them, for one more evaluation.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or nested containers of arrays; must not branch on their values. It runs once a
        call, on tensors of which only the types are known. Arguments that are not arrays are handed on as they
        are. Tensors that it reaches by itself, parameters among them, receive their gradient.

    Raises
    ------
    TracingError
        If `f` asks for a value.

    References
    ----------
    Griewank and Walther, "Algorithm 799: revolve" (2000); Chen, Xu, Zhang and Guestrin, "Training deep nets with
    sublinear memory cost" (2016).

    Examples
    --------
    >>> import koubai as kb
    >>> import koubai.numpy as knp
    >>> block = kb.checkpoint(lambda x: knp.sin(knp.sin(knp.sin(x))))
    >>> kb.grad(block)(1.0) == kb.grad(lambda x: knp.sin(knp.sin(knp.sin(x))))(1.0)
    np.True_
    """

    @wraps(f, updated=())
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        leaves, rebuild = flatten([list(args), kwargs])
        at = [i for i, x in enumerate(leaves) if isinstance(x, (np.ndarray, np.generic, Node))]
        rebuild_y: Callable[[list[Any]], Any] = list

        def run(*xs: Any) -> list[Any]:
            nonlocal rebuild_y
            given, options = rebuild([dict(zip(at, xs)).get(i, x) for i, x in enumerate(leaves)])
            ys, rebuild_y = as_outputs("checkpoint", f(*given, **options))
            return ys

        xs = [leaves[i] for i in at]
        body, captured = trace(run, types_of(xs), Tensor)
        return rebuild_y([*outputs_of(call(*captured, *xs, body=body))] if body.outputs else [])

    return recomputed


def _vjp(wanted: Sequence[bool], g: Any, y: Any, *xs: Any, body: Body) -> list[Any]:
    body = body.of(types_of(xs))
    asked = [t.differentiable and w for t, w in zip(body.types, wanted)]
    given = [i for i, t in enumerate(body.results) if t.differentiable and g[i] is not None]

    def step(*inputs: Any) -> list[Any]:
        gs = dict(zip(given, inputs[len(xs) :]))
        found = pull(body, inputs[: len(xs)], [gs.get(i) for i in range(len(body.results))], asked)
        return [x for x in found if x is not None]

    backward = trace(step, [*body.types, *(body.results[i] for i in given)], body.kind)[0]
    backward, inputs, _ = lean(backward, [*xs, *(g[i] for i in given)])
    found = iter(outputs_of(call(*inputs, body=backward)))
    return [next(found) if a else None for a in asked]


def _jvp(ts: Sequence[Any], y: Any, *xs: Any, body: Body) -> tuple[Any, ...]:
    body = body.of(types_of(xs))
    moving = [i for i, t in enumerate(ts) if t is not None]
    smooth = [i for i, t in enumerate(body.results) if t.differentiable]

    def step(*inputs: Any) -> list[Any]:
        moves = dict(zip(moving, inputs[len(xs) :]))
        changes = push(body, inputs[: len(xs)], [moves.get(i) for i in range(len(xs))])[1]
        return [changes[i] for i in smooth]

    forward = trace(step, [*body.types, *(body.types[i] for i in moving)], body.kind)[0]
    forward, inputs, _ = lean(forward, [*xs, *(ts[i] for i in moving)])
    moved = dict(zip(smooth, outputs_of(call(*inputs, body=forward))))
    return tuple(moved.get(i) for i in range(len(body.results)))


def _batch(op: Op, size: int, batched: Sequence[bool], *xs: Any, body: Body) -> tuple[Any, ...]:
    types = types_of(xs)
    body = body.of([row if b else t for t, row, b in zip(types, axis_dropped(types), batched)])
    wanted = body.reached_from(batched)
    together = trace(lambda *inputs: stack_up(body, inputs, batched, wanted, size), types, body.kind)[0]
    found = outputs_of(op(*xs, body=together))
    return tuple(y if w else stacked(y, False, size) for y, w in zip(found, wanted))


def _written_out(*xs: Any, body: Body) -> list[Any]:
    """The body's own ops, behind barriers: else a compiler would share them with the first evaluation, and keep
    its values for the second; and it would begin the second before its gradient has come back."""
    given = [x for x in xs if isinstance(x, Node)]
    apart = [barrier(x, *(z for z in given if z is not x)) if isinstance(x, Node) else x for x in xs]
    return body.of(types_of(xs))(*apart)


def _samples() -> list[Sample]:
    a, b = arrays((2, 3), (3,))
    f = lambda a, b: [multiply(tanh(a), b), tanh(b)]
    return [Sample((a, b), {"body": trace(f, types_of((a, b)), Tensor)[0]})]


call = register(Op(
    "checkpoint", lambda *xs, body: tuple(body(*xs)), lambda *types, body: tuple(body.of(types).results),
    vjp=joint_vjp(_vjp), jvp=joint_jvp(_jvp), batch=_batch, lower=Expand(_written_out),
    words=Words("y = f(x_1, x_2, ...)", "dE/dx_k = g df/dx_k",
                "A call that remembers its inputs only; the gradient evaluates it once more.",
                "入力だけを覚えておく関数呼び出し。勾配を求めるときに、もう一度計算する。", symbols=("x...",)),
    samples=_samples,
))  # fmt: skip
