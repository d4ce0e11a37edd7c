"""Every function of kb.numpy: its values are NumPy's, and its gradients agree with numerical differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.tensor.trees import flatten
from numpy_cases import DISCRETE, SMOOTH, Case, case_id


def values(case: Case, module: Any, convert: Any) -> list[Any]:
    with np.errstate(all="ignore"):
        return flatten(case.call(module, *map(convert, case.arrays)))[0]


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(found, kb.Tensor):
        assert found.dtype == np.asarray(expected).dtype
        assert found.shape == np.shape(expected)
        assert type(found.value) is np.ndarray if found.shape else isinstance(found.value, np.generic)
        found = found.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", SMOOTH + DISCRETE, ids=case_id)
def test_value_is_numpys(case: Case) -> None:
    expected = values(case, np, lambda x: x)
    plain = values(case, knp, lambda x: x)
    tensors = values(case, knp, lambda x: kb.tensor(x, requires_grad=np.asarray(x).dtype.kind in "fc"))
    for found in (plain, tensors):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert_same(one, other)
    assert not any(isinstance(x, kb.Tensor) for x in plain)


@pytest.mark.parametrize("case", SMOOTH, ids=case_id)
def test_gradient_is_right(case: Case) -> None:
    def f(*xs: Any) -> Any:
        return flatten(case.call(knp, *xs))[0]

    with np.errstate(all="ignore"):
        report = kb.check_grads(f, *case.arrays, order=case.order)
    assert report.ok


@pytest.mark.parametrize("case", DISCRETE, ids=case_id)
def test_no_gradient_flows(case: Case) -> None:
    for x in values(case, knp, lambda x: kb.tensor(x, requires_grad=np.asarray(x).dtype.kind == "f")):
        assert not (isinstance(x, kb.Tensor) and x.requires_grad)


@pytest.mark.parametrize("case", SMOOTH, ids=case_id)
def test_float32_stays_float32(case: Case) -> None:
    arrays = tuple(np.float32(x) if np.asarray(x).dtype == np.float64 else x for x in case.arrays)
    small = Case(case.label, case.call, arrays)
    expected = values(small, np, lambda x: x)
    for found, other in zip(values(small, knp, kb.tensor), expected, strict=True):
        assert np.asarray(other).dtype == getattr(found, "dtype", np.asarray(other).dtype)


def test_running_product_of_many_elements_has_a_gradient_as_cheap_as_itself() -> None:
    x = np.linspace(0.999, 1.001, 100_000)
    y = np.cumprod(x)
    slopes = kb.grad(lambda x: knp.cumprod(x).sum())(x)
    np.testing.assert_allclose(slopes, np.cumsum(y[::-1])[::-1] / x, rtol=1e-10)
    assert kb.hvp(knp.prod, x, np.ones(x.size)).shape == x.shape


@pytest.mark.parametrize("n", [1, 64, 65, 4097])
def test_any_number_of_arrays_is_joined(n: int) -> None:
    x = np.arange(float(n))
    weights = np.linspace(-1, 1, 2 * n).reshape(n, 2)

    def f(x: Any) -> Any:
        return knp.sum(weights * knp.stack([knp.stack([v, v * v]) for v in x]))

    np.testing.assert_allclose(kb.grad(f)(x), weights[:, 0] + 2 * x * weights[:, 1], rtol=1e-13)


def test_the_odd_one_among_many_is_named() -> None:
    x = kb.tensor(np.ones(2), requires_grad=True)
    with pytest.raises(kb.ShapeError, match="array 150"):
        knp.concatenate([x] * 150 + [np.ones((1, 2))])


def test_fix_of_a_tensor_is_trunc() -> None:
    x = np.array([2.7, -2.7, 0.0])
    np.testing.assert_array_equal(knp.fix(kb.tensor(x)), np.trunc(x))


@pytest.mark.parametrize("x", [[1.0, np.nan, 3.0, 2.0, 3.0], [-128, 127, 0], [True, False, True]])
def test_descending_order_keeps_nans_at_the_end(x: Any) -> None:
    x = np.array(x, np.int8 if isinstance(x[0], int) and not isinstance(x[0], bool) else None)
    t = kb.tensor(x)
    ordered = knp.sort(t, descending=True).numpy()
    known = ~np.isnan(x)
    np.testing.assert_array_equal(ordered[: known.sum()], np.sort(x[known])[::-1])
    places = knp.argsort(t, descending=True, stable=True).numpy()
    np.testing.assert_array_equal(x[places], ordered)
    if x.dtype.kind == "f":
        np.testing.assert_array_equal(places, [2, 4, 3, 0, 1])
