"""Functional updates: t.at[i].set, add, multiply, ... and put_along_axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import koubai as kb
import koubai.numpy as knp

A = np.arange(1.0, 13.0).reshape(3, 4) / 3.0
UFUNCS = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "power": np.power,
    "min": np.minimum, "max": np.maximum,
}  # fmt: skip
INDICES = [
    0, -1, (1, 2), slice(1, None), (slice(None), 2), ..., (0, None), [0, 2], ([0, 0, 1], [1, 1, 3]), A > 2.1,
    (slice(None), [3, 3, 0]), np.zeros(0, int), ([[0], [2]], [1, 1]),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("name", [*UFUNCS, "set"])
def test_updates_are_numpys(name: str, index: Any) -> None:
    v = np.arange(1.0, A[index].size + 1.0).reshape(A[index].shape) / 5.0 + 0.31
    expected = A.copy()
    if name == "set":
        expected[index] = v
    else:
        UFUNCS[name].at(expected, index, v)
    t, w = kb.tensor(A, requires_grad=True), kb.tensor(v, requires_grad=True)
    np.testing.assert_allclose(getattr(t.at[index], name)(w).numpy(), expected, rtol=1e-14)
    np.testing.assert_array_equal(t.numpy(), A)

    def update(x: Any, y: Any) -> Any:
        t = x if isinstance(x, kb.Tensor) else kb.tensor(x)
        return getattr(t.at[index], name)(y)

    kb.check_grads(update, A, v, order=2)


def test_the_last_of_several_values_stays() -> None:
    t, v = kb.tensor([1.0, 2.0], requires_grad=True), kb.tensor([5.0, 6.0, 7.0], requires_grad=True)
    y = t.at[[0, 0, 1]].set(v)
    assert y.tolist() == [6.0, 7.0]
    y.sum().backward()
    assert v.grad.tolist() == [0.0, 1.0, 1.0]
    assert t.grad.tolist() == [0.0, 0.0]


def test_get_and_apply() -> None:
    t = kb.tensor(A, requires_grad=True)
    np.testing.assert_array_equal(t.at[1].get().numpy(), A[1])
    expected = A.copy()
    expected[[0, 2]] = np.sin(A[[0, 2]])
    np.testing.assert_array_equal(t.at[[0, 2]].apply(knp.sin).numpy(), expected)


def test_values_broadcast_and_are_cast() -> None:
    t = kb.tensor(A, dtype=np.float32)
    y = t.at[:, 1].set(2.5)
    assert y.dtype == np.float32
    assert (y.numpy()[:, 1] == 2.5).all()
    assert kb.tensor([1, 2]).at[0].set(7).tolist() == [7, 2]


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        kb.tensor(A).at[0].set(np.ones(3))


@given(st.lists(st.integers(-5, 4), max_size=12))
def test_any_repetition(places: list[int]) -> None:
    x, v = np.arange(1.0, 6.0), np.linspace(0.5, 1.5, len(places))
    index = np.array(places, int)
    for name, ufunc in UFUNCS.items():
        expected = x.copy()
        ufunc.at(expected, index, v)
        np.testing.assert_allclose(getattr(kb.tensor(x).at[index], name)(v).numpy(), expected)


def test_put_along_axis() -> None:
    indices, values = np.array([[1], [0], [3]]), np.array([[5.0], [6.0], [7.0]])
    expected = A.copy()
    np.put_along_axis(expected, indices, values, 1)
    t = kb.tensor(A)
    np.testing.assert_array_equal(knp.put_along_axis(t, indices, values, 1).numpy(), expected)
    kb.check_grads(lambda v: knp.put_along_axis(t, indices, v, 1), values, order=2)
