"""The op `scan`: a body evaluated once for each row, with values that it hands on to itself.

Its inputs stand in three groups, those of the body likewise: `fixed` ones, the same in every step; `carries` many
values that a step takes from the step before; and arrays with one row a step. The body returns the new carries,
then what becomes a row of each stacked output. The op returns the last carries and the stacks.

Every derivative is a scan again. In reverse mode it runs the other way round. Its carries are what the carries
receive, and the sums of what the fixed inputs receive. Each step computes the body anew from the carry that the
step had, and pulls the gradients back through it. Where what a fixed input receives is a matrix product, the steps
hand out its factors instead, and the sum over all of them is one large product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.diff import pull, push, stack_up, zeros
from koubai.errors import DTypeError, ShapeError
from koubai.graph import (
    Body,
    Node,
    Op,
    Refusal,
    Sample,
    Type,
    Words,
    joint_jvp,
    joint_vjp,
    register,
    trace,
)
from koubai.ops.define import arrays
from koubai.ops.elementwise import add, multiply, tanh
from koubai.ops.lowering import Loop
from koubai.ops.matmul import matmul, swapped
from koubai.ops.shape import concatenate, reshape, stacked, transpose
from koubai.ops.structure import outputs_of
from koubai.tensor.control.common import axis_dropped, lean, parts, types_of
from koubai.tensor.tensor import Tensor

__all__ = ["loop"]


def _fitted(*inputs: Any, **params: Any) -> Body:
    """The body for inputs of these types."""
    same, rows = parts(types_of(inputs), params["fixed"] + params["carries"])
    body: Body = params["body"]
    return body.of([*same, *axis_dropped(rows)])


# Meaning


def _infer(*types: Type, body: Body, fixed: int, carries: int, length: int, reverse: bool) -> tuple[Type, ...]:
    kept, starts, rows = parts(types, fixed, carries)
    for i, t in enumerate(rows):
        if t.shape[:1] != (length,):
            raise ShapeError(f"scan: expected array {i} to have {length} rows, one a step, got shape {t.shape}")
    after, ys = parts(body.of([*kept, *starts, *axis_dropped(rows)]).results, carries)
    for i, (start, end) in enumerate(zip(starts, after)):
        if start != end:
            raise (ShapeError if start.shape != end.shape else DTypeError)(
                f"scan: carry {i} starts as {start}, but a step makes {end} of it; a carry must keep its type"
            )
    return (*after, *(Type((length, *t.shape), t.dtype) for t in ys))


def _forward(*inputs: Any, body: Body, fixed: int, carries: int, length: int, reverse: bool) -> tuple[Any, ...]:
    types = _infer(*types_of(inputs), body=body, fixed=fixed, carries=carries, length=length, reverse=reverse)
    kept, carry, rows = parts(inputs, fixed, carries)
    stacks = [np.empty(t.shape, t.dtype) for t in types[carries:]]
    steps = range(length)
    for k in reversed(steps) if reverse else steps:
        try:
            found = body(*kept, *carry, *[x[k] for x in rows])
        except Exception as error:
            error.add_note(f"in step {k} of a scan over {length} rows")
            raise
        carry = found[:carries]
        for stack, y in zip(stacks, found[carries:]):
            stack[k] = y
    return (*(np.asarray(c, t.dtype)[()] for c, t in zip(carry, types)), *stacks)


# Derivatives


def _vjp(wanted: Sequence[bool], g: Any, y: Any, *inputs: Any, **params: Any) -> list[Any]:
    fixed, carries, length = params["fixed"], params["carries"], params["length"]
    ends = fixed + carries
    body = _fitted(*inputs, **params)
    # A carry passes the gradient on to the step before, whether what the first one receives is asked for or not.
    asked = [t.differentiable and (w or fixed <= i < ends) for i, (t, w) in enumerate(zip(body.types, wanted))]
    received = [i for i, t in enumerate(body.results) if i >= carries and t.differentiable and g[i] is not None]
    at = [i for i, a in enumerate(asked) if a]
    backward, products = _backward(body, fixed, ends, asked, received)
    starts: list[Any] = []
    for i in [i for i in at if i < ends]:
        handed = g[i - fixed] if i >= fixed else None
        starts.append(None if i in products else zeros(body.types[i]) if handed is None else handed)
    used = backward.used()[fixed + len(starts) :]
    history = _history([i for i in range(carries) if used[i]], body, y, inputs, params)
    rows = [*history, *inputs[ends:], *(g[i] for i in received)]
    results = _looped(backward, inputs[:fixed], starts, rows, length, not params["reverse"])
    others = [i for i in at if i not in products]
    found = dict(zip(others, results))
    factors = iter(results[len(others) :])
    found.update((i, _product(next(factors), next(factors))) for i in products)
    return [found.get(i) if w else None for i, w in enumerate(wanted)]


def _backward(
    body: Body, fixed: int, ends: int, asked: Sequence[bool], received: Sequence[int]
) -> tuple[Body, list[int]]:
    """One step of the way back, and for which fixed inputs it hands out the factors of a product.

    Its inputs are the fixed ones; the sums, and what the carries receive; the carries that the step had, the rows,
    and what the outputs `received`. Its outputs are the new sums, what the carries before and the rows receive, and
    pairs of factors.
    """
    at = [i for i, a in enumerate(asked) if a]
    summed, handed = [i for i in at if i < fixed], [i for i in at if fixed <= i < ends]
    products: list[int] = []

    def step(*xs: Any) -> list[Any]:
        kept, sums, slopes, here, there = parts(xs, fixed, len(summed), len(handed), len(asked) - fixed)
        gs = dict(zip((*(i - fixed for i in handed), *received), (*slopes, *there)))
        found = pull(body, [*kept, *here], [gs.get(i) for i in range(len(body.results))], asked)
        products[:] = [i for i in summed if _is_product(found[i])]
        factors = [x for i in products for x in (swapped(found[i].inputs[0]), found[i].inputs[1])]
        added = [s + found[i] for s, i in zip(sums, summed) if i not in products]
        return [*added, *(found[i] for i in at if i >= fixed), *factors]

    hands = [body.types[i] for i in (*summed, *handed)]
    types = [*body.types[:fixed], *hands, *body.types[fixed:], *(body.results[i] for i in received)]
    return trace(step, types, body.kind)[0], products


def _is_product(x: Any) -> bool:
    return isinstance(x, Node) and x.op is matmul and all(len(v.shape) == 2 for v in x.inputs)


def _product(a: Any, b: Any) -> Any:
    """The sum of a_k^T b_k over all steps: one large product, where a sum in the loop would be many small ones."""
    a, b = (reshape(x, shape=(x.shape[0] * x.shape[1], x.shape[2])) for x in (a, b))
    return matmul(swapped(a), b)


def _history(met: Sequence[int], body: Body, y: Any, inputs: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """For each carry the values that the steps took, stacked; None for one that is not `met`.

    A carry that is stacked as an output too is there already. The others are computed anew, by a scan that stacks
    them.
    """
    fixed, carries, length = params["fixed"], params["carries"], params["length"]
    after, ys = body.outputs[:carries], body.outputs[carries:]
    stacks = dict(zip(ys, outputs_of(y)[carries:]))
    missing = list(dict.fromkeys(after[i] for i in met if after[i] not in stacks))
    if missing:
        again = Body(body.inputs, (*after, *missing))
        stacks.update(zip(missing, outputs_of(loop(*inputs, **{**params, "body": again}))[carries:]))
    history: list[Any] = []
    for i in range(carries):
        if i not in met:
            history.append(None)
            continue
        first = reshape(inputs[fixed + i], shape=(1, *body.types[fixed + i].shape))
        if params["reverse"]:
            history.append(concatenate(stacks[after[i]], first, axis=0)[1:])
        else:
            history.append(concatenate(first, stacks[after[i]], axis=0)[:length])
    return history


def _looped(
    body: Body, kept: Sequence[Any], starts: Sequence[Any], rows: Sequence[Any], length: int, reverse: bool
) -> tuple[Any, ...]:
    """The outputs of a scan around a body, without the inputs that the body has no use for; None is no carry."""
    carried = {len(kept) + i for i, x in enumerate(starts) if x is not None}
    body, inputs, left = lean(body, [*kept, *starts, *rows], carried)
    fixed = sum(left[: len(kept)])
    return outputs_of(loop(*inputs, body=body, fixed=fixed, carries=len(carried), length=length, reverse=reverse))


def _jvp(ts: Sequence[Any], y: Any, *inputs: Any, **params: Any) -> tuple[Any, ...]:
    fixed, carries = params["fixed"], params["carries"]
    ends = fixed + carries
    body = _fitted(*inputs, **params)
    # A carry may come to change in a later step.
    at = [i for i, t in enumerate(body.types) if t.differentiable and (ts[i] is not None or fixed <= i < ends)]
    counts = [sum(low <= i < high for i in at) for low, high in ((0, fixed), (fixed, ends), (ends, len(inputs)))]
    smooth = [i for i, t in enumerate(body.results) if t.differentiable]

    def step(*xs: Any) -> list[Any]:
        kept, t_kept, carry, t_carry, here, t_here = parts(xs, fixed, counts[0], carries, counts[1], len(inputs) - ends)
        moves = dict(zip(at, (*t_kept, *t_carry, *t_here)))
        ys, changes = push(body, [*kept, *carry, *here], [moves.get(i) for i in range(len(inputs))])
        return [*ys[:carries], *(changes[i] for i in smooth)]

    kept, carry, here = parts(range(len(inputs)), fixed, carries)
    t_kept, t_carry, t_here = parts(at, *counts[:2])
    types = [body.types[i] for i in (*kept, *t_kept, *carry, *t_carry, *here, *t_here)]
    change = [zeros(body.types[i]) if i in t_carry and ts[i] is None else ts[i] for i in range(len(inputs))]
    found = _looped(
        trace(step, types, body.kind)[0],
        [*(inputs[i] for i in kept), *(change[i] for i in t_kept)],
        [*(inputs[i] for i in carry), *(change[i] for i in t_carry)],
        [*(inputs[i] for i in here), *(change[i] for i in t_here)],
        params["length"], params["reverse"],
    )  # fmt: skip
    moved = dict(zip(smooth, found[carries:]))
    return tuple(moved.get(i) for i in range(len(body.results)))


# Batching


def _batch(op: Op, size: int, batched: Sequence[bool], *inputs: Any, **params: Any) -> tuple[Any, ...]:
    fixed, carries = params["fixed"], params["carries"]
    ends = fixed + carries
    one = [t if not b else Type(t.shape[1:], t.dtype) for t, b in zip(types_of(inputs), batched)]
    body = params["body"].of([*one[:ends], *axis_dropped(one[ends:])])
    on, reached = list(batched), body.reached_from(batched)
    while any(r and not b for r, b in zip(reached[:carries], on[fixed:ends])):
        on[fixed:ends] = [r or b for r, b in zip(reached[:carries], on[fixed:ends])]
        reached = body.reached_from(on)
    wanted = [*on[fixed:ends], *reached[carries:]]
    types = [Type((size, *t.shape), t.dtype) if b else t for t, b in zip(body.types, on)]
    together = trace(lambda *xs: stack_up(body, xs, on, wanted, size), types, body.kind)[0]
    kept, carry, rows = parts(inputs, fixed, carries)
    carry = [stacked(x, b, size) if o else x for x, b, o in zip(carry, batched[fixed:], on[fixed:])]
    rows = [_exchanged(x) if b else x for x, b in zip(rows, batched[ends:])]
    found = outputs_of(op(*kept, *carry, *rows, **{**params, "body": together}))
    last, ys = parts([x if w else stacked(x, False, size) for x, w in zip(found, wanted)], carries)
    return (*last, *(_exchanged(y) if w else y for y, w in zip(ys, wanted[carries:])))


def _exchanged(x: Any) -> Any:
    """The axis of the examples and the axis of the steps exchanged."""
    return transpose(x, axes=(1, 0, *range(2, x.ndim)))


# Record


def _sample(step: Any, *xs: Any, fixed: int, carries: int, reverse: bool = False, **fields: Any) -> Sample:
    kinds = [np.asarray(x) for x in xs]
    types = [Type(x.shape[1:] if i >= fixed + carries else x.shape, x.dtype) for i, x in enumerate(kinds)]
    body = trace(step, types, Tensor)[0]
    params = {"body": body, "fixed": fixed, "carries": carries, "length": len(xs[-1]), "reverse": reverse}
    return Sample(xs, params, **fields)


def _samples() -> list[Sample]:
    w, h, xs, none = arrays((2, 2), (1, 2), (3, 1, 2), (0, 1, 2))
    count, numbers = np.int64(2), np.array([3, 1, 2])

    def recurrent(w: Any, h: Any, x: Any) -> list[Any]:
        after = tanh(add(matmul(h, w), x))
        return [after, after]

    def counted(k: Any, c: Any, x: Any, n: Any) -> list[Any]:
        return [add(k, n), multiply(c, add(tanh(c), x)), k, tanh(c)]

    return [
        _sample(recurrent, w, h, xs, fixed=1, carries=1),
        _sample(recurrent, w, h, xs, fixed=1, carries=1, reverse=True),
        _sample(recurrent, w, h, none, fixed=1, carries=1),
        _sample(counted, count, h, xs, numbers, fixed=0, carries=2),
        _sample(lambda w, x: [matmul(x, w)], w, xs, fixed=1, carries=0),
    ]


def _refusals() -> list[Refusal]:
    sample = _samples()[0]
    w, h, xs = sample.args
    grown = _sample(lambda c, x: [concatenate(c, x, axis=0)], h, xs, fixed=0, carries=1)
    return [
        Refusal((w, h, xs[:2]), sample.params, ShapeError, "3 rows, one a step, got shape (2, 1, 2)"),
        Refusal((h, xs), grown.params, ShapeError, "starts as float64[1, 2], but a step makes float64[2, 2]"),
    ]


loop = register(Op(
    "scan", _forward, _infer, vjp=joint_vjp(_vjp), jvp=joint_jvp(_jvp), batch=_batch,
    lower=Loop(_fitted),
    words=Words("(c[t + 1], y[t]) = f(c[t], x[t])", "dE/dx_k = sum_t h[t] df/dx_k, h[t] = (dE/dc[t + 1], g[t])",
                "A loop: each step hands a value on to the next. Its gradient is a loop back through the steps.",
                "ループ。各ステップは値を次のステップへ渡す。勾配はステップを逆順にたどるループになる。",
                symbols=("x...",)),
    samples=_samples, refuses=_refusals,
))  # fmt: skip
