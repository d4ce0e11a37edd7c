"""Compiled equals interpreted, element by element: every dtype, and the values at which formulas go wrong."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai.numpy as knp
from koubai.compile import Program, simplify
from koubai.errors import KoubaiError
from koubai.graph import Node, placeholder, registry, type_of
from koubai.ops.lowering import Choice, Scalar
from koubai.tensor import Tensor

REAL = [np.dtype(c) for c in "fd"]
DTYPES = [np.dtype(c) for c in "?bhilBHILfd"]
MIXED = [("b", "f"), ("l", "L"), ("L", "b"), ("B", "h"), ("?", "i"), ("d", "f"), ("i", "f"), ("f", "L"), ("I", "i")]
PAIRS = [(d, d) for d in DTYPES] + [(np.dtype(a), np.dtype(b)) for a, b in MIXED]
LENGTH = 23  # whole vectors and a rest

# Made of more than IEEE's basic operations; of all others every bit must agree.
ROUNDED = {
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "cos", "cosh", "entr", "erf",
    "erfc", "exp", "exp2", "expit", "expm1", "hypot", "kl_div", "log", "log10", "log1p", "log2", "log_expit",
    "logaddexp", "logaddexp2", "logit", "ndtr", "power", "rel_entr", "sin", "sinc", "sinh", "tan", "tanh",
    "xlog1py", "xlogy",
}  # fmt: skip
# Here NumPy itself takes one zero or the other, in vectors and in what is left over.
EITHER_ZERO = {"fmax", "fmin"}
# Sums that may cancel: as exact as the inputs.
CANCELS = {"kl_div", "logaddexp", "logaddexp2"}


def elementwise_ops(arity: int) -> list[Any]:
    """Those with so many inputs and no parameters, as the records' samples say."""
    found = []
    for op in registry().values():
        samples = op.samples()
        lowered = isinstance(op.lower, (Scalar, Choice)) and samples and not samples[0].params
        if lowered and len(samples[0].args) == arity and op.name != "power":
            found.append(op)
    return found


def values_of(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The corners of a dtype."""
    if dtype.kind == "b":
        return np.arange(LENGTH) % 2 == 1
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        corners = [info.min, info.min + 1, info.max, info.max - 1, info.max // 2, 0, 1, 2, 3, 7, 10, 31, 100]
        if dtype.kind == "i":
            corners += [-1, -2, -3, -7, -10, -100, info.min // 2]
        return np.resize(np.array(corners, dtype), LENGTH)
    info = np.finfo(dtype)
    corners = [np.nan, np.inf, 0.0, info.smallest_subnormal, info.tiny, info.max, 0.5, 1.0, 1.5, 2.5, 7.25]
    return np.array([*corners, *(-x for x in corners), 0.3], dtype)


@cache
def program(dtypes: tuple[np.dtype[Any], ...]) -> tuple[list[Any], Any]:
    """All ops on inputs of these dtypes: the ops that take them, and one program of all their results."""
    shapes = [(LENGTH,)] if len(dtypes) == 1 else [(LENGTH, 1), (LENGTH,)]
    examples = [values_of(dtype).reshape(shape) for dtype, shape in zip(dtypes, shapes)]
    inputs = [placeholder(type_of(x), Tensor) for x in examples]
    ops, outputs = [], []
    for op in elementwise_ops(len(dtypes)):
        try:
            outputs.append(op(*inputs))
        except KoubaiError:
            continue
        ops.append(op)
    return ops, Program(inputs, simplify(outputs, {x: x for x in inputs}))


def agree(name: str, got: Any, want: Any, *xs: Any) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype, name
    assert got.shape == want.shape, name
    if want.dtype.kind == "f" and name in ROUNDED:
        info = np.finfo(want.dtype)
        far = float(16 * info.eps if want.dtype == np.float64 else 8 * info.eps)
        atol = far * (1 + sum(np.abs(x.astype(float)) for x in xs)) if name in CANCELS else 4 * info.smallest_subnormal
        close = np.isclose(got, want, rtol=far, atol=atol, equal_nan=True)
        assert close.all(), (name, got[~close], want[~close], [np.broadcast_to(x, got.shape)[~close] for x in xs])
    else:
        np.testing.assert_array_equal(got, want, err_msg=name)
    if want.dtype.kind == "f" and name not in EITHER_ZERO | CANCELS:
        zero = want == 0
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]), err_msg=name)


def check(*xs: np.ndarray[Any, Any]) -> None:
    ops, run = program(tuple(x.dtype for x in xs))
    if len(xs) == 2:
        xs = (xs[0].reshape(LENGTH, 1), xs[1])
    with np.errstate(all="ignore"):
        for op, got in zip(ops, run(*xs), strict=True):
            agree(op.name, got, op.forward(*xs), *xs)


def elements(dtype: np.dtype[Any]) -> Any:
    """Moderate numbers more often than random bits give them."""
    if dtype.kind != "f":
        return hnp.arrays(dtype, LENGTH)
    anything, moderate = hnp.from_dtype(dtype), st.integers(-800, 800).map(lambda k: dtype.type(k / 16))
    return hnp.arrays(dtype, LENGTH, elements=st.one_of(moderate, anything))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_functions_of_one_variable_at_the_corners(dtype: np.dtype[Any]) -> None:
    check(values_of(dtype))


@pytest.mark.parametrize("dtypes", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_functions_of_two_variables_at_all_pairs_of_corners(dtypes: Any) -> None:
    check(*map(values_of, dtypes))


@settings(max_examples=40)
@given(st.sampled_from(DTYPES).flatmap(elements))
def test_functions_of_one_variable(x: Any) -> None:
    check(x)


@settings(max_examples=60)
@given(st.sampled_from(PAIRS).flatmap(lambda pair: st.tuples(*map(elements, pair))))
def test_functions_of_two_variables(pair: Any) -> None:
    check(*pair)


def test_most_ops_take_most_dtypes() -> None:
    """The tests above are about something."""
    assert len(program((np.dtype(float),))[0]) > 45
    assert len(program((np.dtype(float),) * 2)[0]) > 25
    assert len(program((np.dtype(np.uint8),) * 2)[0]) > 15
    assert not program((np.dtype(float),))[1].callbacks()


def program_of(f: Callable[..., Any], *xs: Any) -> Program:
    inputs = [placeholder(type_of(x), Tensor) for x in xs]
    y = f(*inputs)
    return Program(inputs, simplify(y if isinstance(y, list) else [y], {x: x for x in inputs}))


def compiled(f: Callable[..., Any], *xs: Any) -> tuple[Any, list[str]]:
    """The result of a compiled function, and the ops that it left to NumPy."""
    run = program_of(f, *xs)
    return run(*xs)[0], run.callbacks()


def equal(name: str, f: Callable[..., Any], *xs: Any, callbacks: Sequence[str] = ()) -> None:
    with np.errstate(all="ignore"):
        got, left = compiled(f, *xs)
        agree(name, got, f(*xs))
    assert left == list(callbacks)


def whole(x: float, dtype: np.dtype[Any]) -> Any:
    """A number as an integer, out of range as on x86-64; see docs/compiling.md."""
    least = -(2**63) if dtype.itemsize == 8 or dtype == np.uint32 else -(2**31)
    n = int(x) if least <= x < -least else least
    if dtype == np.uint64 and x >= 2.0**63:
        n = int(x) if x < 2.0**64 else 0
    return np.uint64(n % 2**64).astype(dtype)


EDGES = [2.0**k + d for k in (0, 7, 8, 15, 16, 31, 32, 63, 64) for d in (-1, -0.5, 0, 0.5, 1)]
FAR = [0.3, np.nan, np.inf, 1e10, 1e20, 3e38, *EDGES]


@pytest.mark.parametrize("dtype", "bhilqBHILQ")
@pytest.mark.parametrize("source", [np.float32, np.float64])
def test_integers_of_what_is_out_of_range(source: Any, dtype: Any) -> None:
    dtype, x = np.dtype(dtype), np.array([*FAR, *(-v for v in FAR)], source)
    want = np.array([whole(float(v), dtype) for v in x], dtype)
    got, _ = compiled(lambda x: x.astype(dtype), x)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal([compiled(lambda x: x.astype(dtype), v)[0] for v in x[::9]], want[::9])
    if platform.machine() in ("x86_64", "AMD64") and dtype != np.uint32:  # of which NumPy has two versions
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(x.astype(dtype), want)


def op(name: str) -> Any:
    return registry()[name]


POWERS = [0, 1, 2, 3, 4, 5, 0.0, 1.0, 2.0, 3.0, 0.5, -0.5, -1.0, -2.0, -3.0, 1.5, 7.0, 2.5, -1, -2]


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_constant_powers(p: float, dtype: Any) -> None:
    equal("power", lambda x: op("power")(x, p), values_of(dtype))
    run = program_of(lambda x: op("power")(x, p), dtype.type(1.5))
    with np.errstate(all="ignore"):
        for x in values_of(dtype):
            agree("power", run(x)[0], x**p)


@pytest.mark.parametrize("dtype", DTYPES[1:-2], ids=str)
def test_powers_of_integers_wrap_around(dtype: Any) -> None:
    x, powers = values_of(dtype), [0, 1, 2, 3, 5, 11]
    run = program_of(lambda x: [op("power")(x, p) for p in powers], x)
    for p, got in zip(powers, run(x), strict=True):
        agree("power", got, x**p)
    assert not run.callbacks()
    equal("power", lambda x: op("power")(x, 2.5), np.abs(x))


def test_powers_with_exponents_of_their_own() -> None:
    for dtype in REAL:
        equal("power", op("power"), values_of(dtype)[:, None], values_of(dtype))
    equal("power", lambda p: op("power")(2.5, p), values_of(REAL[1]))


def test_integers_to_negative_powers_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        compiled(op("power"), np.array([1, 2]), np.array([1, -1]))


@pytest.mark.parametrize("bounds", [(-1.5, 1.0), (1.0, -1.0), (np.nan, 1.0), (0.0, np.inf), (-2, 3)])
def test_clip_to_numbers(bounds: Any) -> None:
    for dtype in REAL:
        equal("clip", lambda x: op("clip")(x, *bounds), values_of(dtype))
    if isinstance(bounds[0], int):
        for dtype in DTYPES[1:5]:
            equal("clip", lambda x: op("clip")(x, *bounds), values_of(dtype))


def test_clip_to_arrays() -> None:
    x = values_of(REAL[0])
    with np.errstate(all="ignore"):
        got, left = compiled(op("clip"), x[:, None, None], x[:, None], x)
        np.testing.assert_array_equal(got, np.clip(x[:, None, None], x[:, None], x))
    assert not left


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_comparisons_with_numbers_that_the_dtype_cannot_hold(dtype: Any) -> None:
    names = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    cases = [(op(name), number) for name in names for number in (300, -1, 2**40, -(2**63), 0, 5, 2.5, True)]
    x = values_of(dtype)
    run = program_of(lambda x: [compare(x, number) for compare, number in cases], x)
    for (compare, number), got in zip(cases, run(x), strict=True):
        np.testing.assert_array_equal(got, compare.forward(x, number), err_msg=f"{compare.name} {number}")
    assert not run.callbacks()


@pytest.mark.parametrize("decimals", [-2, -1, 0, 1, 3])
def test_rounding_to_decimals(decimals: int) -> None:
    for dtype in DTYPES[1:]:
        x = values_of(dtype)
        if dtype.kind != "f":
            x = (x % 97).astype(dtype)  # so that the result is in range
        equal("round_to", lambda x: op("round_to")(x, decimals=decimals), x)


@pytest.mark.parametrize("params", [{}, {"nan": 1.5}, {"posinf": 7.0, "neginf": -np.inf}])
def test_replacing_what_is_not_a_number(params: dict[str, Any]) -> None:
    for dtype in DTYPES:
        equal("nan_to_num", lambda x: op("nan_to_num")(x, **params), values_of(dtype))


@pytest.mark.parametrize("target", DTYPES, ids=str)
def test_conversions(target: Any) -> None:
    for dtype in DTYPES:
        x = values_of(dtype)
        if dtype.kind == "f" and target.kind in "iu":  # what is out of range is the machine's affair
            info = np.iinfo(target)
            with np.errstate(all="ignore"):
                x = np.where((x > info.min) & (x < info.max) & (x < 2.0**62), x, dtype.type(3.75))
        name = "discrete" if target.kind in "biu" else "astype"
        equal(name, partial(op(name), dtype=target), x)


def test_unsigned_integers_of_large_numbers() -> None:
    x = np.array([2.0**63, 2.0**63 + 2.0**12, 2.0**64 - 2.0**11, 0.5, 2.0**62])
    equal("discrete", lambda x: op("discrete")(x, dtype=np.dtype(np.uint64)), x)


def test_no_product_and_sum_are_contracted() -> None:
    x = np.linspace(0.1, 1.3, LENGTH)
    equal("add", lambda x, z: x * z + z, x[:, None], x)


def test_a_choice_of_form_is_read_off_the_types_alone() -> None:
    assert compiled(lambda x: knp.power(x, 3), np.arange(4))[1] == []
    assert compiled(lambda x: x**x, np.arange(4))[1] == ["power"]
    assert isinstance(op("power").lower.choose(placeholder(type_of(np.ones(2)), Node), 2.0), Scalar)
