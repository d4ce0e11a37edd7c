"""Op records held to their word: every promise of a record is checked on its own samples.

Each check takes an op and one of its samples and raises `GradientError` where the record breaks a promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from koubai.check.evaluate import evaluate
from koubai.check.judge import Tolerance, compare_along
from koubai.check.problem import Problem, random_direction
from koubai.diff import forward_mode, reverse_mode
from koubai.errors import GradientError
from koubai.graph import Node, Op, Sample, Type, constant, placeholder, type_of, verify
from koubai.ops.structure import outputs_of
from koubai.tensor import Tensor, vjp

__all__ = ["CHECKS", "check_op", "check_refusals", "check_words"]

STACK = 2
SINGLE = {np.dtype(np.float64): np.dtype(np.float32), np.dtype(np.complex128): np.dtype(np.complex64)}


def check_op(op: Op) -> None:
    """Check an op record on its samples: types, memory layouts, derivatives of first and second order, batching,
    tracing, and the inputs that it promises to refuse.

    Raises
    ------
    GradientError
        Names the op, the sample and the promise that is broken.

    Examples
    --------
    >>> import koubai as kb
    >>> softsign = kb.Op(
    ...     "my_softsign",
    ...     forward=lambda x: x / (1 + np.abs(x)),
    ...     infer=lambda x: x,
    ...     vjp=(lambda g, y, x: g / (1.0 + abs(x)) ** 2,),
    ...     jvp=(lambda t, y, x: t / (1.0 + abs(x)) ** 2,),
    ...     batch=lambda op, size, batched, x: op(x),
    ...     words=kb.Words("y = x/(1 + |x|)", "dy/dx = 1/(1 + |x|)^2", "A soft sign.", "なめらかな符号。"),
    ...     samples=lambda: [kb.Sample((np.array([0.5, -2.0]),))],
    ... )
    >>> check_op(softsign)
    """
    check_words(op)
    for k, sample in enumerate(op.samples()):
        for check in CHECKS.values():
            try:
                check(op, sample)
            except GradientError as error:
                raise GradientError(f"op {op.name}, sample {k}: {error}") from None
    check_refusals(op)


def check_words(op: Op) -> None:
    """Formula, derivative and a sentence in both languages are there, and samples too."""
    for part in ("formula", "derivative", "en", "ja"):
        if not getattr(op.words, part).strip():
            raise GradientError(f"op {op.name}: its words lack `{part}`")
    if not op.samples():
        raise GradientError(f"op {op.name}: it has no samples")


def check_refusals(op: Op) -> None:
    """Each refused input raises the declared exception with the declared words, by its value or by its type."""
    for k, refusal in enumerate(op.refuses()):
        try:
            op(*map(_tensor, refusal.args), **refusal.params)
            op.infer(*map(type_of, refusal.args), **refusal.params)
        except refusal.error as error:
            if refusal.says not in str(error):
                raise GradientError(
                    f"op {op.name}, refusal {k}: expected {refusal.says!r} in {str(error)!r}"
                ) from None
        else:
            raise GradientError(
                f"op {op.name}, refusal {k}: expected {refusal.error.__name__}, nothing was raised"
            )


def _tensor(x: Any) -> Any:
    return constant(x, Tensor) if isinstance(x, (np.ndarray, np.generic)) else x


# Types and values


def check_type(op: Op, sample: Sample) -> None:
    """`forward` returns what `infer` says, in double and in single precision; 0-d values are NumPy scalars."""
    narrow = tuple(_single(x) for x in sample.args)
    for args in (sample.args, narrow):
        if args is narrow and not any(a is not b for a, b in zip(args, sample.args)):
            continue
        inferred = op.infer(*map(type_of, args), **sample.params)
        result = _forward(op, args, sample.params)
        expected = inferred if isinstance(inferred, tuple) else (inferred,)
        found = result if isinstance(result, tuple) else (result,)
        if len(found) != len(expected):
            raise GradientError(f"forward gives {len(found)} outputs, infer {len(expected)}")
        for want, y in zip(expected, found):
            if not isinstance(y, (np.ndarray, np.generic)) or (isinstance(y, np.ndarray) and y.ndim == 0):
                raise GradientError(
                    f"forward gives {type(y).__name__}; expected an array, or a NumPy scalar for 0-d"
                )
            if (want.shape, want.dtype) != (y.shape, y.dtype):
                raise GradientError(f"forward gives {type_of(y)}, infer says {want}")


def _single(x: Any) -> Any:
    return x.astype(SINGLE[x.dtype]) if getattr(x, "dtype", None) in SINGLE else x


def _forward(op: Op, args: Sequence[Any], params: dict[str, Any]) -> Any:
    with np.errstate(all="ignore"):
        return op.forward(*args, **params)


def check_layout(op: Op, sample: Sample) -> None:
    """Strided and read-only inputs give the same, and no input is written to."""
    before = [np.copy(x) for x in sample.args]
    args = tuple(_strided(x) for x in sample.args)
    _same(
        "strided, read-only inputs",
        _forward(op, args, sample.params),
        _forward(op, sample.args, sample.params),
        1e-13,
    )
    if any(not np.array_equal(a, b, equal_nan=_may_hold_nan(b)) for a, b in zip(before, sample.args)):
        raise GradientError("forward writes into its input")


def _strided(x: Any) -> Any:
    if not isinstance(x, np.ndarray) or not x.ndim:
        return x
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    view = wide[..., ::2]
    view.flags.writeable = False
    return view


def _may_hold_nan(x: Any) -> bool:
    return np.asarray(x).dtype.kind in "fc"


def _same(what: str, found: Any, expected: Any, rtol: float = 1e-10) -> None:
    found = found if isinstance(found, tuple) else (found,)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for a, b in zip(found, expected, strict=True):
        if np.shape(a) != np.shape(b):
            raise GradientError(f"{what}: shape {np.shape(a)}, expected {np.shape(b)}")
        scale = float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b))) if np.size(b) else 0.0
        if not np.allclose(a, b, rtol=rtol, atol=rtol * max(scale, 1e-3), equal_nan=True):
            raise GradientError(f"{what}: {a!r}, expected {b!r}")


# Derivatives


def check_derivatives(op: Op, sample: Sample) -> None:
    """Both rules agree with numerical differentiation, and with each other: <w, Jv> = <J'w, v>."""
    problem = _problem(op, sample)
    if problem is not None:
        _compare(problem, Tolerance(rtol=sample.rtol), forward=_has_forward(op))


def check_second_order(op: Op, sample: Sample) -> None:
    """The gradient's own derivatives agree with its numerical differentiation."""
    problem = _problem(op, sample)
    if problem is None or not sample.second_order:
        return
    weights = tuple(random_direction(np.random.default_rng(0), problem.outputs))
    gradients = lambda *xs: vjp(problem, *xs)[1](weights)
    second = Problem(gradients, problem.leaves, subject="the gradient", names=problem.names)
    _compare(second, Tolerance(rtol=sample.rtol), forward=_has_forward(op))


def _has_forward(op: Op) -> bool:
    return op.linear or op.jvp is not None


def _active(sample: Sample) -> list[int]:
    return [i for i, x in enumerate(sample.args) if np.asarray(x).dtype.kind in "fc"]


def _problem(op: Op, sample: Sample) -> Problem | None:
    active = _active(sample)
    if op.vjp is None or not active:
        return None

    def f(*xs: Any) -> Any:
        args = list(sample.args)
        for i, x in zip(active, xs):
            args[i] = x
        result = op(*args, **sample.params)
        return outputs_of(result) if isinstance(result, Node) and isinstance(result.type, tuple) else result

    return Problem(f, [sample.args[i] for i in active], subject=op.name, names=[f"input {i}" for i in active])


def _compare(problem: Problem, tolerance: Tolerance, *, forward: bool) -> None:
    rng = np.random.default_rng(0)
    weights = random_direction(rng, problem.outputs)
    gradients = problem.reverse(weights)
    every = list(range(len(problem.leaves)))
    for moving in [every] + ([[i] for i in every] if len(every) > 1 else []):
        drawn = iter(random_direction(rng, [problem.leaves[i] for i in moving]))
        directions = [next(drawn) if i in moving else np.zeros_like(x) for i, x in enumerate(problem.leaves)]
        if not any(np.size(u) for u in directions):
            continue
        found = compare_along(problem, directions, weights, gradients, forward, tolerance)
        for c in found:
            if c.verdict != "agree":
                names = ", ".join(problem.names[i] for i in moving)
                raise GradientError(
                    f"{problem.subject}, {c.mode} mode, {names}: {c.analytic!r}, numerically {c.numerical!r} "
                    f"({c.verdict})"
                )
        if forward and not abs(found[0].analytic - found[1].analytic) <= 1e-8 * max(
            abs(found[0].analytic), 1e-2
        ):
            raise GradientError(f"<J'w, v> = {found[0].analytic!r}, but <w, Jv> = {found[1].analytic!r}")


# Batching


def check_batch(op: Op, sample: Sample) -> None:
    """The batch rule gives what a loop over the examples gives, whichever inputs are stacks."""
    if op.batch is None:
        return
    rng = np.random.default_rng(0)
    stacks = [np.stack([_varied(x, rng, k) for k in range(STACK)]) for x in sample.args]
    for batched in _patterns(len(stacks)):
        args = [stack if b else x for stack, b, x in zip(stacks, batched, sample.args)]
        rows = [
            _forward(
                op, [stack[k] if b else x for stack, b, x in zip(stacks, batched, sample.args)], sample.params
            )
            for k in range(STACK)
        ]
        expected = tuple(map(np.stack, zip(*rows))) if isinstance(rows[0], tuple) else np.stack(rows)
        with np.errstate(all="ignore"):
            found = op.batch(op, STACK, batched, *args, **sample.params)
        _same(f"batch {batched}", found, expected)


def _varied(x: Any, rng: np.random.Generator, k: int) -> Any:
    """Another example near x: moved a little if it is continuous, in another order if it is an index."""
    x = np.asarray(x)
    if x.dtype.kind in "fc":
        return x + (1e-3 * k * random_direction(rng, [x])[0]).astype(x.dtype)
    return x if k == 0 else x.reshape(-1)[::-1].reshape(x.shape)


def _patterns(n: int) -> Iterator[tuple[bool, ...]]:
    """Every choice of stacked inputs if these are few; otherwise each alone, and all."""
    if n <= 3:
        yield from (p for p in product((True, False), repeat=n) if any(p))
        return
    yield from (tuple(i == j for j in range(n)) for i in range(n))
    yield (True,) * n


# Tracing


def check_tracing(op: Op, sample: Sample) -> None:
    """Traced and then evaluated, the op and its derivatives are what they are at once; their graphs are legal."""
    args = sample.args
    inputs = [placeholder(type_of(x), Tensor, requires_grad=op.vjp is not None and np.asarray(x).dtype.kind in "fc")
              if isinstance(x, (np.ndarray, np.generic)) else x for x in args]  # fmt: skip
    if not any(isinstance(x, Node) for x in inputs):
        return
    feeds = {x: v for x, v in zip(inputs, args) if isinstance(x, Node)}
    result = op(*inputs, **sample.params)
    outputs = list(outputs_of(result)) if isinstance(result.type, tuple) else [result]
    verify(outputs)
    eager = _forward(op, args, sample.params)
    eager = eager if isinstance(eager, tuple) else (eager,)
    _same("traced and evaluated", tuple(evaluate(outputs, feeds)), eager)
    wrt = [x for x in inputs if isinstance(x, Node) and x.requires_grad]
    smooth = [y for y in outputs if y.dtype.kind in "fc" and y.requires_grad]
    if wrt and smooth:
        _check_traced_gradient(smooth, wrt, feeds)
        if _has_forward(op):
            _check_traced_change(smooth, wrt, feeds)


def _check_traced_gradient(outputs: list[Any], wrt: list[Any], feeds: dict[Any, Any]) -> None:
    gs = [placeholder(Type(y.shape, y.dtype), Tensor) for y in outputs]
    weights = random_direction(np.random.default_rng(0), evaluate(outputs, feeds))
    again, leaves = _replayed(outputs, feeds)
    traced = reverse_mode(outputs, gs, wrt, record=True)
    eager = reverse_mode(again, weights, [leaves[x] for x in wrt], record=False)
    _same_derivatives("traced gradient", traced, eager, {**feeds, **dict(zip(gs, weights))})


def _check_traced_change(outputs: list[Any], wrt: list[Any], feeds: dict[Any, Any]) -> None:
    ts = [placeholder(Type(x.shape, x.dtype), Tensor) for x in wrt]
    directions = random_direction(np.random.default_rng(0), [feeds[x] for x in wrt])
    again, leaves = _replayed(outputs, feeds)
    traced = forward_mode(outputs, wrt, ts, record=True)
    eager = forward_mode(again, [leaves[x] for x in wrt], directions, record=False)
    _same_derivatives("traced change", traced, eager, {**feeds, **dict(zip(ts, directions))})


def _same_derivatives(what: str, traced: list[Any], eager: list[Any], feeds: dict[Any, Any]) -> None:
    verify([g for g in traced if isinstance(g, Node)])
    if [g is None for g in traced] != [g is None for g in eager]:
        raise GradientError(f"{what}: not the same inputs receive one when traced and at once")
    found = [evaluate([g], feeds)[0] if isinstance(g, Node) else g for g in traced if g is not None]
    _same(what, tuple(found), tuple(g for g in eager if g is not None))


def _replayed(outputs: list[Any], feeds: dict[Any, Any]) -> tuple[list[Any], dict[Any, Any]]:
    """The same graph on leaves that hold values, and these leaves."""
    leaves = {x: constant(v, Tensor, requires_grad=x.requires_grad) for x, v in feeds.items()}
    return evaluate(outputs, leaves), leaves


CHECKS: dict[str, Callable[[Op, Sample], None]] = {
    "type": check_type,
    "layout": check_layout,
    "derivatives": check_derivatives,
    "second order": check_second_order,
    "batch": check_batch,
    "tracing": check_tracing,
}
