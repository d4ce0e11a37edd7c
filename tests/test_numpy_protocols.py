"""NumPy's functions, ufuncs, operators and methods on tensors; and what they refuse, with its message."""

from __future__ import annotations

import copy
import inspect
import operator
import pickle
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp

A = np.arange(1.0, 7.0).reshape(2, 3)


def wanted(x: Any = A) -> Any:
    return kb.tensor(x, requires_grad=True)


def assert_tensor(found: Any, expected: Any) -> None:
    assert isinstance(found, kb.Tensor)
    assert found.requires_grad
    assert found.shape == np.shape(expected)
    np.testing.assert_array_equal(found.numpy(), expected)


# NumPy's functions called on tensors


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.tanh(x), lambda x: np.add(x, 1), lambda x: np.multiply([1, 2, 3], x), lambda x: np.sum(x, axis=0),
        lambda x: np.mean(x), lambda x: np.concatenate([x, np.ones((1, 3))]), lambda x: np.stack([A, x]),
        lambda x: np.where(A > 2, x, 0.0), lambda x: np.reshape(x, 6), lambda x: np.transpose(x), lambda x: np.max(x),
        lambda x: np.add.reduce(x), lambda x: np.add.reduce(x, axis=1, keepdims=True),
        lambda x: np.add.reduce(x, axis=None),
        lambda x: np.multiply.reduce(x, axis=1), lambda x: np.maximum.reduce(x), lambda x: np.minimum.reduce(x, 1),
        lambda x: np.add.accumulate(x), lambda x: np.multiply.accumulate(x, axis=1),
        lambda x: np.maximum.accumulate(x, 1),
        lambda x: np.add.outer(x, [1.0, 2.0]), lambda x: np.multiply.outer(x, x), lambda x: np.subtract.outer(2.0, x),
        lambda x: np.matmul(x, A.T), lambda x: np.linalg.norm(x), lambda x: np.clip(x, 2, 3), lambda x: np.sort(x),
        lambda x: np.real(x), lambda x: np.power(x, 2), lambda x: np.square(x), lambda x: np.std(x),
        lambda x: np.diff(x),
        lambda x: np.full_like(A, 1.0) * x, lambda x: np.pad(x, 1), lambda x: np.einsum("ij->i", x),
    ],
)  # fmt: skip
def test_numpys_functions_give_tensors(call: Any) -> None:
    assert_tensor(call(wanted()), call(A))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "mod"])
@pytest.mark.parametrize(
    "other", [A * 0.5 + 1, np.float64(2.0), np.float32(2.0), 2, 2.5, [1.0, 2.0, 3.0], np.array(2.0)]
)
def test_operators_on_both_sides(name: str, other: Any) -> None:
    f = getattr(operator, name)
    assert_tensor(f(wanted(), other), f(A, other))
    assert_tensor(f(other, wanted()), f(np.asarray(other), A))


@pytest.mark.parametrize("other", [A * 0.5 + 1, np.float64(2.0), 2, 2.5])
def test_divmod_and_floor(other: Any) -> None:
    for found, expected in [(divmod(wanted(), other), divmod(A, other)), (divmod(other, wanted()), divmod(other, A))]:
        np.testing.assert_array_equal(found[0].numpy(), expected[0])
        assert not found[0].requires_grad
        assert_tensor(found[1], expected[1])
    np.testing.assert_array_equal((wanted() // other).numpy(), A // other)


def test_matmul_operator() -> None:
    assert_tensor(wanted() @ A.T, A @ A.T)
    assert_tensor(A.T @ wanted(), A.T @ A)


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_have_no_gradient(name: str) -> None:
    f = getattr(operator, name)
    for other in (3, A[::-1], kb.tensor(A[::-1])):
        found = f(wanted(), other)
        assert not found.requires_grad
        assert found.dtype == bool
        np.testing.assert_array_equal(found.numpy(), f(A, getattr(other, "value", other)))
        reflected = f(getattr(other, "value", other), wanted())
        np.testing.assert_array_equal(reflected.numpy(), f(getattr(other, "value", other), A))


def test_integer_operators() -> None:
    i = np.arange(6)
    t = kb.tensor(i)
    for name in ("lshift", "rshift", "and_", "or_", "xor"):
        f = getattr(operator, name)
        np.testing.assert_array_equal(f(t, 2).numpy(), f(i, 2))
        np.testing.assert_array_equal(f(2, t).numpy(), f(2, i))
    np.testing.assert_array_equal((~t).numpy(), ~i)


def test_in_place_operators_rebind() -> None:
    x = y = wanted()
    y += 1.0
    y *= 2.0
    assert y is not x
    np.testing.assert_array_equal(x.numpy(), A)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 2.0))


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_python_numbers_are_weak(dtype: Any) -> None:
    x = kb.tensor(A, dtype=dtype, requires_grad=True)
    for y in (x * 2.0, 2.0 * x, x + 1, x**2, x / 3, -x, np.exp(x) * 0.5, x.mean(), x.std(), x.sum() * 2.0):
        assert y.dtype in (dtype, np.float32)
    (x * 2.0).sum().real.backward()
    assert x.grad.dtype == dtype


def test_promotion_is_numpys() -> None:
    for a in (np.float32(1), np.int32(1), np.float64(1), np.complex64(1), np.True_):
        for b in (np.ones(2, np.float32), np.ones(2, np.int64), np.ones(2, np.complex128)):
            assert (kb.tensor(a) + kb.tensor(b)).dtype == (a + b).dtype


# Refusals


def test_out_is_refused() -> None:
    target = np.zeros((2, 3))
    for call in (
        lambda: np.add(wanted(), 1, out=target), lambda: np.add(wanted(), 1, target),
        lambda: knp.exp(wanted(), out=target),
        lambda: np.sum(wanted(), axis=0, out=target[0]), lambda: wanted().cumsum(out=target),
    ):  # fmt: skip
        with pytest.raises(kb.UnsupportedError, match="nothing is written in place"):
            call()
    with pytest.raises(TypeError, match="out="):
        target += wanted()
    assert not target.any()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: np.gcd.reduce(x), "numpy.gcd.reduce is not defined"),
        (lambda x: np.add.reduceat(x, [0, 1]), "add.reduceat"),
        (lambda x: np.add.at(x, 0, 1.0), "add.at"),
        (lambda x: np.common_type(x), "numpy.common_type is not defined for tensors"),
        (lambda x: knp.common_type(x), "numpy.common_type is not defined for tensors"),
        (lambda x: np.exp(x, where=A > 0), "kb.numpy.where"),
        (lambda x: np.copyto(x, 1.0), "kb.numpy.where"),
        (lambda x: np.put(x, 0, 1.0), r"\.at\["),
        (lambda x: np.fill_diagonal(x, 1.0), r"\.at\["),
        (lambda x: np.quantile(x, 0.5, weights=A, method="inverted_cdf"), "weights= is not supported"),
        (lambda x: np.pad(x, 1, lambda *a: None), "named modes"),
        (lambda x: operator.setitem(x, 0, 1.0), r"t\.at\[i\]\.set"),
        (lambda x: np.sort(x.astype(complex).real, axis=5), "axis 5 does not exist"),
        (lambda x: np.asarray(x), r"detach\(\)\.numpy"),
    ],
)
def test_refusals_name_the_remedy(call: Any, says: str) -> None:
    with pytest.raises((kb.KoubaiError, TypeError), match=says):
        call(wanted())


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: x.reshape(4), kb.ShapeError, "same size"),
        (lambda x: x.reshape(-1, 4), kb.ShapeError, "cannot take the shape"),
        (lambda x: x.reshape("a"), kb.DTypeError, "expected a shape"),
        (lambda x: x.sum(axis=2), kb.ShapeError, "axis 2 does not exist in an array with 2 axes"),
        (lambda x: x.sum(axis=(0, 0)), kb.ShapeError, "named twice"),
        (lambda x: x.sum(axis=0.5), kb.DTypeError, "integer"),
        (lambda x: x + np.ones(4), ValueError, "broadcast"),
        (lambda x: x[5], IndexError, "out of bounds"),
        (lambda x: x[0.5], kb.IndexingError, "expected integers"),
        (lambda x: x[np.array([0.5])], kb.IndexingError, "integers or truth values"),
        (lambda x: x[0, 0, 0], IndexError, "too many"),
        (lambda x: x["a"], kb.IndexingError, "got str"),
        (lambda x: knp.concatenate([x, x[0]]), kb.ShapeError, "agree outside axis 0"),
        (lambda x: knp.concatenate(x[0, 0]), TypeError, "iteration over a 0-d tensor"),
        (lambda x: knp.stack([x, x[0]]), kb.ShapeError, "one shape"),
        (lambda x: knp.split(x, 2, axis=1), kb.ShapeError, "array_split"),
        (lambda x: knp.squeeze(x, 0), kb.ShapeError, "length 2"),
        (lambda x: knp.take(x, [0.5]), kb.DTypeError, "integer indices"),
        (lambda x: knp.take_along_axis(x, np.array([0]), 1), kb.ShapeError, "2 axes"),
        (lambda x: knp.array([x, x[0]]), kb.ShapeError, "nested lists of one shape"),
        (lambda x: knp.transpose(x, (0,)), kb.ShapeError, "expected 2 axes"),
        (lambda x: knp.interp(x, [0.0, 1.0], [1.0]), kb.ShapeError, "xp and fp"),
        (lambda x: knp.gradient(x, 1.0, 2.0, 3.0), kb.UsageError, "spacing"),
        (lambda x: knp.quantile(x, 1.5), kb.UsageError, "0 to 1"),
        (lambda x: knp.max(x, where=A > 2), kb.UsageError, "initial="),
        (lambda x: knp.choose([3, 0, 0], [x, x]), kb.IndexingError, "outside 0 to 1"),
        (lambda x: x.sort(), kb.UsageError, r"kb\.numpy\.sort"),
        (lambda x: x.view(int), kb.UsageError, "astype"),
        (lambda x: x & 1, TypeError, "bitwise_and"),
        (lambda x: x + "a", TypeError, "unsupported operand"),
        (lambda x: x + np.array(["a"]), kb.DTypeError, "expected numbers"),
        (lambda x: knp.add(x), kb.DTypeError, "expected 2 inputs"),
        (lambda x: knp.exp(x, colour=1), kb.DTypeError, "unknown argument 'colour'"),
        (lambda x: len(x[0, 0]), TypeError, "no length"),
    ],
)
def test_errors_say_what_is_wrong(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call(wanted())


# Methods and attributes


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.sum(), lambda x: x.sum(0), lambda x: x.sum(axis=1, keepdims=True), lambda x: x.mean(-1),
        lambda x: x.prod(), lambda x: x.var(ddof=1), lambda x: x.std(0), lambda x: x.max(), lambda x: x.min(axis=0),
        lambda x: x.cumsum(), lambda x: x.cumprod(1), lambda x: x.reshape(3, 2), lambda x: x.reshape((-1,)),
        lambda x: x.ravel(), lambda x: x.flatten(), lambda x: x.T, lambda x: x.mT, lambda x: x.transpose(1, 0),
        lambda x: x.transpose((1, 0)), lambda x: x.swapaxes(0, 1), lambda x: x[None].squeeze(), lambda x: x.clip(2, 5),
        lambda x: x.conj(), lambda x: x.copy(), lambda x: x.diagonal(), lambda x: x.dot(A.T), lambda x: x.trace(),
        lambda x: x.take([0, 1]), lambda x: x.repeat(2, axis=0), lambda x: x.compress([True, False], axis=0),
        lambda x: x.astype(np.float32), lambda x: x.real, lambda x: x.astype(complex).imag, lambda x: abs(-x),
        lambda x: +x, lambda x: x.view(),
    ],
)  # fmt: skip
def test_methods_are_ndarrays(call: Any) -> None:
    assert_tensor(call(wanted()), call(A))


def test_astype_takes_numpys_arguments() -> None:
    assert wanted().astype(dtype=np.float32, copy=False).dtype == np.float32
    with pytest.raises(TypeError, match="casting 'safe'"):
        wanted().astype(np.float32, casting="safe")


def test_an_axis_that_does_not_exist_is_numpys_error_too() -> None:
    for family in (ValueError, IndexError, kb.AxisError):
        with pytest.raises(family, match="axis 2 does not exist"):
            wanted().sum(axis=2)


def test_methods_without_gradient() -> None:
    t = wanted()
    assert t.argmax().item() == 5
    assert t.argsort(axis=1).tolist() == A.argsort(axis=1).tolist()
    assert t.round().requires_grad is False
    assert [x.tolist() for x in (t > 3).nonzero()] == [x.tolist() for x in (A > 3).nonzero()]
    assert t.any().item() is True
    assert t.all().item() is True
    assert t.tobytes() == A.tobytes()
    assert kb.tensor([0.2, 0.7]).searchsorted(0.5).item() == 1
    assert round(kb.tensor(1.26), 1).item() == 1.3


def test_iteration_and_containment() -> None:
    t = wanted()
    assert [row.tolist() for row in t] == A.tolist()
    assert [x.item() for x in t.flat] == list(A.flat)
    first, _ = t
    assert_tensor(first, A[0])
    assert 3.0 in t
    assert 9.0 not in t


def test_a_tensor_as_index_and_number() -> None:
    assert [10, 20, 30][kb.tensor(1)] == 20
    assert A[kb.tensor(1)].tolist() == A[1].tolist()
    assert list(range(kb.tensor(2))) == [0, 1]
    assert float(kb.tensor(2.5)) == 2.5
    assert wanted()[kb.tensor([1, 0]), kb.tensor(2)].tolist() == [6.0, 3.0]
    assert wanted()[kb.tensor([True, False])].tolist() == [A[0].tolist()]


def test_copies_and_pickles() -> None:
    t = wanted()
    twin = copy.deepcopy(t)
    assert twin is not t
    assert_tensor(twin, A)
    assert_tensor(pickle.loads(pickle.dumps(t)), A)


# The surface


def test_every_name_of_numpys_is_there() -> None:
    missing = [name for name in np.__all__ if not hasattr(knp, name)]
    assert missing in ([], ["__array_namespace_info__"])


def test_every_function_has_a_docstring() -> None:
    functions = {name: value for name, value in vars(knp).items() if inspect.isfunction(value) and name[0] != "_"}
    assert len(functions) > 300
    assert [name for name, value in functions.items() if not value.__doc__] == []


def test_signatures_are_numpys() -> None:
    # What NumPy names, koubai names; it may leave out nothing that can be passed by name.
    for name, value in vars(knp).items():
        original = getattr(np, name, None)
        if name[0] == "_" or not hasattr(value, "__wrapped__") or original is None or isinstance(original, np.ufunc):
            continue
        try:
            theirs = inspect.signature(original).parameters
        except ValueError:
            continue
        ours = inspect.signature(value).parameters
        if any(p.kind is p.VAR_KEYWORD for p in ours.values()):
            continue
        named = [p for p, of in theirs.items() if of.kind in (of.POSITIONAL_OR_KEYWORD, of.KEYWORD_ONLY)]
        assert not (set(named) - set(ours)), name


def test_plain_arrays_stay_plain() -> None:
    results = (knp.exp(A), knp.sum(A, axis=0), knp.zeros(2), knp.array([1.0]), knp.linspace(0, 1, 3), knp.argmax(A))
    for x in results:
        assert not isinstance(x, kb.Tensor)
    out = np.zeros((2, 3))
    assert knp.exp(A, out=out) is out


def test_modules() -> None:
    import koubai.numpy.fft
    import koubai.numpy.linalg

    assert knp.linalg.norm is koubai.numpy.linalg.norm
    assert knp.fft.fft is koubai.numpy.fft.fft
    assert knp.pi == np.pi
    assert knp.float32 is np.float32
    assert knp.random.default_rng(0).random() == np.random.default_rng(0).random()


@pytest.mark.parametrize("value", [1.5, [1.0, 2.0], []])
def test_becoming_an_array(value: Any) -> None:
    t = kb.tensor(value)
    for found in (np.asarray(t), np.array(t), np.asarray(t, np.float32), np.array([t, t])[0], np.int64(t)):
        assert not isinstance(found, kb.Tensor)
        np.testing.assert_array_equal(found, np.asarray(value).astype(found.dtype))
    with pytest.raises(ValueError, match="copy"):
        np.array(t, np.float32, copy=False)


UFUNC_OPTIONS = [
    lambda m, x: m.equal(x, [1.0, 3.0], dtype=bool), lambda m, x: m.add(x, 1, dtype=np.float32),
    lambda m, x: m.deg2rad(x, where=True, out=None), lambda m, x: m.fabs(x, dtype="f4"),
    lambda m, x: m.divmod(x, 0.7, casting="same_kind"), lambda m, x: m.float_power(x, 2, order="C"),
    lambda m, x: m.modf(x > 0), lambda m, x: m.frexp(m.array([1, 2]) * (x > 0)), lambda m, x: m.ldexp(x, True),
    lambda m, x: m.degrees(x > 0), lambda m, x: m.exp(x, None), lambda m, x: m.tanh(x, out=(None,)),
    lambda m, x: m.add.reduce(x), lambda m, x: m.maximum.accumulate(x, dtype="f4"),
    lambda m, x: m.multiply.outer(x, x), lambda m, x: m.logaddexp.reduce(x), lambda m, x: m.hypot.accumulate(x),
    lambda m, x: m.subtract.reduce(x, keepdims=True),
]  # fmt: skip


@pytest.mark.parametrize("call", UFUNC_OPTIONS)
def test_options_and_methods_of_ufuncs_are_numpys(call: Any) -> None:
    x = np.array([1.25, 2.0])
    for ours in (call(knp, kb.tensor(x)), call(np, kb.tensor(x))):
        theirs = call(np, x)
        for mine, yours in zip(ours if isinstance(ours, tuple) else [ours],
                               theirs if isinstance(theirs, tuple) else [theirs]):  # fmt: skip
            assert mine.dtype == yours.dtype
            np.testing.assert_allclose(mine.numpy(), yours, rtol=1e-6)


def test_a_dtype_that_numpy_has_no_loop_for_is_refused() -> None:
    x = kb.tensor([1.0, 2.0])
    for call in (lambda: knp.equal(x, x, dtype=float), lambda: knp.add(x, x, dtype=bool), lambda: knp.degrees(x + 1j)):
        with pytest.raises(kb.DTypeError, match="not defined for"):
            call()
    with pytest.raises(kb.UnsupportedError, match="one axis"):
        np.hypot.reduce(kb.tensor(np.ones((2, 2))), axis=None)


def test_scipys_special_functions_find_koubais() -> None:
    scipy_special = pytest.importorskip("scipy.special")
    x = wanted(A)
    assert_tensor(scipy_special.erf(x), kb.special.erf(A))
    assert_tensor(scipy_special.xlogy(x, A), kb.special.xlogy(A, A))


def test_writing_in_place_through_numpy_is_refused() -> None:
    t = kb.tensor([1.0, 2.0])
    with pytest.raises(kb.UnsupportedError, match="put_along_axis"):
        np.put_along_axis(t, np.array([0]), 5.0, 0)


def test_numpys_refusals_belong_to_the_family() -> None:
    with pytest.raises(kb.UsageError, match=r"max\(float64\[0\]\)"):
        knp.max(kb.tensor(np.zeros(0)))
    with pytest.raises(kb.IndexingError):
        kb.tensor([1.0])[np.array([3])]
