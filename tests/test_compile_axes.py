"""Compiled equals interpreted along axes, over dtypes, shapes and special values; and what has no loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
import koubai.numpy as knp
from koubai.compile import Program, simplify
from koubai.graph import placeholder, registry, type_of
from koubai.ops.index import Slot, filled
from koubai.ops.lowering import form_of
from koubai.ops.reduce import places
from koubai.tensor import Tensor

assert kb.nn  # every op is registered

DTYPES = [np.dtype(c) for c in "?bhilBHILfd"]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1.0, -2.5, 3.0]

# Library work, complex numbers, or special functions: these run in NumPy.
WITHOUT_LOOPS = {
    "adjugate", "adjugate_slope", "argsort", "beta", "betaln", "cholesky", "det", "digamma", "eig", "eigh", "erfcinv",
    "erfinv", "fft", "gamma", "gammaln", "i0", "i1", "ifft", "inv", "irfft", "j0", "j1", "output", "pinv", "polygamma",
    "qr", "rfft", "searchsorted", "slogdet", "solve", "svd", "tril_inv",
    "discrete_output",
}  # fmt: skip


def op(name: str) -> Any:
    return registry()[name]


def run(f: Callable[..., Any], *xs: Any) -> tuple[Any, list[str]]:
    """The result of a compiled function, and the ops that it left to NumPy."""
    inputs = [placeholder(type_of(x), Tensor) for x in xs]
    program = Program(inputs, simplify([f(*inputs)], {x: x for x in inputs}))
    return program(*xs)[0], program.callbacks()


def same(name: str, *xs: Any, rtol: float = 0.0, **params: Any) -> None:
    """The op compiled and interpreted, to the last bit unless a tolerance is given."""
    with np.errstate(all="ignore"):
        got, left = run(lambda *xs: op(name)(*xs, **params), *xs)
        want = np.asarray(op(name).forward(*xs, **params))
    assert left == [], name
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=rtol, atol=0, err_msg=f"{name} {params}")
    if not rtol and want.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))


def arrays(dtype: np.dtype[Any], shape: Any) -> Any:
    """Few different values, so that there are ties, and the special ones among them."""
    if dtype.kind == "f":
        return hnp.arrays(dtype, shape, elements=st.sampled_from(SPECIAL).map(dtype.type))
    return hnp.arrays(dtype, shape, elements=st.sampled_from([0, 1, 2, 3, 100]).map(dtype.type))


SHAPES = [(7,), (3, 19), (19, 3), (2, 3, 5), (1, 4)]
ARRAYS = st.tuples(st.sampled_from(DTYPES), st.sampled_from(SHAPES)).flatmap(lambda pair: arrays(*pair))


@settings(max_examples=15)
@given(ARRAYS, st.data())
def test_reductions(x: Any, data: Any) -> None:
    axis = tuple(sorted(data.draw(st.sets(st.integers(0, x.ndim - 1)))))
    keepdims = data.draw(st.booleans())
    for name in ("any", "all", "count_nonzero", "max", "min"):
        same(name, x, axis=axis, keepdims=keepdims)
    for name in ("argmax", "argmin"):
        same(name, x, axis=x.ndim - 1, keepdims=keepdims)


@pytest.mark.parametrize("name", ["any", "all", "count_nonzero", "sum", "prod"])
def test_reductions_of_nothing(name: str) -> None:
    same(name, np.zeros((0, 3)), axis=(0,), keepdims=False)
    same(name, np.zeros((0, 3)), axis=(1,), keepdims=False)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_nothing_has_no_extremum(name: str) -> None:
    axis = 0 if name.startswith("arg") else (0,)
    for x in (np.zeros((0, 3)), np.zeros((0, 3), np.int32)):
        with pytest.raises(ValueError, match=r"zero-size|empty"):
            run(lambda x: op(name)(x, axis=axis, keepdims=False), x)


@settings(max_examples=15)
@given(ARRAYS, st.data())
def test_moving_elements(x: Any, data: Any) -> None:
    axis = tuple(data.draw(st.lists(st.integers(0, x.ndim - 1), max_size=3)))
    shift = tuple(data.draw(st.integers(-25, 25)) for _ in axis)
    same("roll", x, shift=shift, axis=axis)
    if x.ndim > 1:
        k = data.draw(st.integers(-4, 4))
        same("tril", x, k=k)
        same("triu", x, k=k)


def test_moving_nothing() -> None:
    same("roll", np.zeros((0, 2)), shift=(3, 1), axis=(0, 1))
    same("tril", np.zeros((0, 2)), k=0)


@settings(max_examples=15)
@given(ARRAYS, st.data())
def test_running_results(x: Any, data: Any) -> None:
    axis = data.draw(st.integers(0, x.ndim - 1))
    same("cumsum", x, axis=axis)
    same("cumprod", x, axis=axis)
    same("running_place", x, axis=axis, largest=data.draw(st.booleans()))


@pytest.mark.parametrize("dtypes", ["dd", "fd", "ll", "ff"])
def test_recurrences(dtypes: str) -> None:
    rng = np.random.default_rng(0)
    m, b = ((4 * rng.random((2, 3, 19))).astype(c) for c in dtypes)
    for axis in range(3):
        same("recurrence", m, b, axis=axis)
    same("recurrence", m[:, :0], b[:, :0], axis=1)


def test_running_results_of_what_is_fused_and_in_another_layout() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    f = lambda x: op("cumsum")(x * x + 1.0, axis=1) * 2.0
    np.testing.assert_array_equal(run(f, x)[0], f(x))
    f = lambda x: op("cumsum")(op("transpose")(x, axes=(1, 0)) - 1.0, axis=1)
    np.testing.assert_array_equal(run(f, x)[0], f(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 3, 4, 70, 1003])
def test_masks_have_the_interpreters_bits(dtype: Any, size: int) -> None:
    for step in (0, 7, 2**40 + 3, -1):
        for rate in (0.0, 0.3, 1.0):
            same("dropout_mask", np.ones((size, 1), dtype), np.int64(step), key=(7, 2**32 - 1), rate=rate)


def test_a_mask_does_not_need_its_input() -> None:
    x, step = np.ones((4, 8)), np.int64(3)
    f = lambda x, step: x * x * op("dropout_mask")(x * x, step, key=(1, 2), rate=0.5)
    inputs = [placeholder(type_of(v), Tensor) for v in (x, step)]
    program = Program(inputs, simplify([f(*inputs)], {x: x for x in inputs}))
    np.testing.assert_array_equal(program(x, step)[0], f(x, step))
    assert [nest.title[0].split()[2] for nest in program.source.nests] == ["dropout_mask", "multiply"]
    assert "random_word" in program.loops()


@settings(max_examples=30)
@given(
    st.sampled_from(DTYPES), st.integers(1, 40), st.sampled_from([-5, -4, -3, -2, -1, 2, 3, 4, 5]), st.integers(0, 3)
)
def test_slices_with_steps_are_read_and_written(dtype: Any, n: int, step: int, start: int) -> None:
    x = np.arange(3 * n).reshape(3, n).astype(dtype)
    pattern = (Ellipsis, slice(start if step > 0 else None, None, step))
    same("getitem", x, pattern=pattern)
    same("scatter", x[pattern], pattern=pattern, shape=x.shape)
    same("assign", x, np.flip(x[pattern]), pattern=pattern)


@settings(max_examples=15)
@given(ARRAYS, st.data())
def test_joining(x: Any, data: Any) -> None:
    axis = data.draw(st.integers(0, x.ndim - 1))
    parts = data.draw(st.integers(1, 5))
    same("concatenate", *[x] * parts, axis=axis)
    same("concatenate", x, x[:0] if axis == 0 else x, x.astype(np.float64), axis=axis)
    same("concatenate", *[x[..., None]] * parts, axis=x.ndim)


def test_each_part_is_joined_where_it_belongs() -> None:
    x = np.arange(38.0).reshape(2, 19)
    f = lambda x: op("concatenate")(*(op("reshape")(x * k, shape=(2, 19, 1)) for k in (1.0, 2.0, 3.0, 4.0)), axis=2)
    np.testing.assert_array_equal(run(f, x)[0], f(x))


PATTERNS = [
    (1,), (slice(None, None, -2), None, 0), (Ellipsis, slice(1, 3)), (2, 1), (Slot(0),), (Slot(0), Slot(1)),
    (slice(None), Slot(0)), (Slot(0), slice(1, 3)), (slice(0),),
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("dtypes", ["dd", "fd", "il", "bd"])
def test_assigning(pattern: Any, dtypes: str) -> None:
    """The last of several values stays, and takes on the array's dtype."""
    rng = np.random.default_rng(0)
    slots = [np.array([0, 2, -2, 0]), np.array([[1], [0], [1]])][: sum(isinstance(p, Slot) for p in pattern)]
    x = rng.integers(-9, 9, (4, 3)).astype(dtypes[0])
    region = x[filled(pattern, slots)]
    v = (9 * rng.random(np.shape(region))).astype(dtypes[1])[()]
    same("assign", x, v, *slots, pattern=pattern)
    f = lambda x, v, *slots: op("assign")(op("negative")(x), v + v, *slots, pattern=pattern)
    np.testing.assert_array_equal(run(f, x, v, *slots)[0], f(x, v, *slots))


def test_assigning_beyond_the_end_is_refused() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        run(lambda x, v, i: op("assign")(x, v, i, pattern=(Slot(0),)), np.zeros(3), np.ones(2), np.array([0, 3]))


@pytest.mark.parametrize("mode", ["full", "valid"])
@pytest.mark.parametrize("dtype", ["d", "f", "l", "h"])
def test_convolutions(mode: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    for shapes in (((30,), (5,)), ((5,), (5,)), ((2, 1, 19), (3, 4)), ((3,), (7,))):
        a, v = (rng.integers(-9, 9, shape).astype(dtype) for shape in shapes)
        if mode == "full" or a.shape[-1] >= v.shape[-1]:
            same("convolve", a, v, mode=mode)


@pytest.mark.parametrize("subscripts", ["ij,jk->ki", "ij,ij->i", "ij,ij->", "ij,kj->ijk", "aij,akj->iak"])
@pytest.mark.parametrize("dtype", ["d", "f", "l", "h", "?"])
def test_products_over_indices(subscripts: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 9, (4,) * len(k)).astype(dtype) for k in subscripts.split("->")[0].split(","))
    same("einsum", a, b, subscripts=subscripts)


@pytest.mark.parametrize("ord", [2, 1, 3, 2.5, 0.5, -1.0])
def test_norms(ord: float) -> None:
    x = np.random.default_rng(0).normal(size=(5, 19))
    for axis in ((0,), (1,), (0, 1)):
        same("norm", x, ord=ord, axis=axis, keepdims=False, rtol=1e-14)
        same("norm", x.astype(np.float32), ord=ord, axis=axis, keepdims=True, rtol=2e-6)
    same("norm", np.arange(12).reshape(3, 4) + 1, ord=ord, axis=(1,), keepdims=False, rtol=1e-14)
    assert np.isnan(run(lambda x: op("norm")(x, ord=ord, axis=(0,), keepdims=False), np.array([1.0, np.nan]))[0])


def test_the_tail_of_the_normal_distribution() -> None:
    for dtype, low in ((np.dtype(np.float64), -37.0), (np.dtype(np.float32), -12.5)):
        x = np.linspace(low, 9.0, 2000).astype(dtype)
        same("ndtr", x, rtol=float(6 * np.finfo(dtype).eps))


def unknown(x: Any) -> Any:
    return placeholder(type_of(x), Tensor) if isinstance(x, np.ndarray) else x


def test_the_ops_without_loops_are_these() -> None:
    """So that none is forgotten, and that their number falls only."""
    found = set()
    for name, op in registry().items():
        samples = [s for s in op.samples() if any(isinstance(x, np.ndarray) for x in s.args)]
        if not any(form_of(op(*map(unknown, s.args), **s.params)) for s in samples):
            found.add(name)
    assert found == WITHOUT_LOOPS


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(5, 3), (3, 5), (4, 4), (40, 7)])
def test_what_is_not_finite_stays_where_a_convolution_reaches_it(mode: Any, n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    for place, bad in [(0, np.nan), (-1, np.inf), (1, -np.inf)]:
        a, v = rng.normal(size=n), rng.normal(size=m)
        v[place] = bad
        for name in ("convolve", "correlate"):
            f = lambda a, v, name=name: getattr(knp, name)(a, v, mode)
            expected = getattr(np, name)(a, v, mode)
            np.testing.assert_allclose(kb.compile(f)(a, v), expected, rtol=1e-12)
            stack = kb.vmap(f, in_axes=(0, None))(np.stack([a, a]), v)
            np.testing.assert_allclose(stack, np.stack([expected, expected]), rtol=1e-12)


def test_positions_of_extrema_need_no_memory_for_positions() -> None:
    f = kb.compile(lambda x: knp.argmax(x, axis=0) + knp.argmin(x[::-1] * 2.0, axis=0))
    x = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_array_equal(f(x), x.argmax(0) + x[::-1].argmin(0))
    ((traced,),) = f.programs.values()
    assert not traced.program.source.plan.constants


def test_numbers_of_places_in_loops_that_are_made_one() -> None:
    x = np.ones((3, 4, 5))
    for axis in range(3):
        expected = np.indices(x.shape)[axis]
        np.testing.assert_array_equal(kb.compile(lambda x, axis=axis: places(x, axis=axis) * 2)(x), 2 * expected)
        turned = kb.compile(lambda x, axis=axis: places(x, axis=axis).T.reshape(-1)[::-2])(x)
        np.testing.assert_array_equal(turned, expected.T.reshape(-1)[::-2])
