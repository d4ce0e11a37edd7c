"""Integers in compiled code: Python's, which a dtype may not hold, index arrays of any dtype, numbers of choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.errors import IndexingError, RangeError

BYTES = np.arange(4, dtype=np.uint8)
UNSIGNED = [np.dtype(c) for c in "BHIQ"]
BOUNDS = [(-1, 1), (-1, None), (None, 300), (-1000, 1000), (0, 300), (1, 2)]
TOO_FAR: dict[str, Callable[[Any], Any]] = {
    "added": lambda x: x + 300,
    "from the left": lambda x: -1 * x,
    "divided": lambda x: x // 300,
    "masked": lambda x: x & -1,
    "shifted": lambda x: x << 300,
    "larger": lambda x: knp.maximum(x, -1),
    "smaller": lambda x: knp.minimum(x, 300),
    "initial": lambda x: knp.max(x, initial=-1),
    "summed": lambda x: knp.sum(x, initial=-1),
    "lower bound": lambda x: knp.clip(x, 300, None),
    "upper bound": lambda x: knp.clip(x, None, -1),
    "cast by NumPy": lambda x: knp.divmod(x, -3),
    "put": lambda x: knp.insert(x, 0, 300),
    "set": lambda x: kb.tensor(x).at[0].set(300) if isinstance(x, np.ndarray) else x.at[0].set(300),
    "filled": lambda x: knp.full_like(x, -1),
    "squared": lambda x: x**300,
    "too large for C": lambda x: x + 10**30,
}


@pytest.mark.parametrize("name", TOO_FAR)
def test_a_number_that_the_dtype_cannot_hold_is_refused(name: str) -> None:
    f = TOO_FAR[name]
    for run in (lambda: f(kb.tensor(BYTES)), lambda: kb.compile(f)(BYTES)):
        with pytest.raises(OverflowError) as caught:
            run()
        assert isinstance(caught.value, RangeError)


def test_a_refused_number_is_named_with_the_op() -> None:
    with pytest.raises(RangeError, match=r"add: Python integer 300 out of bounds for uint8; convert the array"):
        kb.compile(lambda x: x + 300)(BYTES)


@pytest.mark.parametrize(("low", "high"), BOUNDS)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_bounds_beyond_the_dtype_are_none(low: Any, high: Any, dtype: str) -> None:
    x = BYTES.astype(dtype)
    try:
        expected = np.clip(x, low, high)
    except OverflowError:
        return
    for y in (knp.clip(kb.tensor(x), low, high).numpy(), kb.compile(lambda x: knp.clip(x, low, high))(x)):
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected)


def test_truth_values_squared_are_small_integers() -> None:
    x = np.array([True, False])
    for p in (0, 1, 2, 3):
        y = kb.compile(lambda x, p=p: x**p)(x)
        assert y.dtype == (x**p).dtype
        np.testing.assert_array_equal(y, x**p)


@pytest.mark.parametrize("dtype", UNSIGNED)
def test_unsigned_index_arrays(dtype: np.dtype[Any]) -> None:
    x, i = np.arange(9.0), np.array([1, 8], dtype)
    np.testing.assert_array_equal(kb.compile(lambda x, i: x[i])(x, i), x[i])
    rows = np.arange(12.0).reshape(4, 3)
    labels = np.array([[2], [0], [1], [1]], dtype)
    along = kb.compile(lambda x, i: knp.take_along_axis(x, i, 1))(rows, labels)
    np.testing.assert_array_equal(along, np.take_along_axis(rows, labels, 1))
    with pytest.raises(IndexError, match="out of bounds"):
        kb.compile(lambda x, i: x[i])(x, np.array([9], dtype))


def test_an_axis_longer_than_the_indexs_dtype() -> None:
    x, i = np.arange(300.0), np.array([100, -1], np.int8)
    np.testing.assert_array_equal(kb.compile(lambda x, i: x[i])(x, i), x[i])


def test_an_embedding_of_bytes_is_trained() -> None:
    x = np.random.default_rng(0).integers(0, 9, (20, 4)).astype(np.uint8)
    losses = []
    for how in (False, "always"):
        model = kb.nn.Sequential(kb.nn.Embedding(9, 3), kb.nn.Flatten())
        history = kb.fit(model, (x, np.zeros((20, 12))), loss="mse", epochs=2, compile=how, progress=False)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


@pytest.mark.parametrize("number", [2, -1])
@pytest.mark.parametrize("dtype", ["int64", "int8"])
def test_a_choice_that_there_is_not_is_refused(number: int, dtype: str) -> None:
    def f(c: Any) -> Any:
        return knp.choose(c, [np.ones(2), np.zeros(2)])

    c = np.array([0, number], dtype)
    for run in (lambda: f(kb.tensor(c)), lambda: kb.compile(f)(c)):
        with pytest.raises(IndexingError, match=rf"choose: number {number} in row 1 is outside 0 to 1"):
            run()
    np.testing.assert_array_equal(kb.compile(f)(np.array([1, 0], dtype)), [0, 1])


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_short_integers_choose_from_long_axes(mode: Any) -> None:
    x, i = np.arange(300.0), np.array([100, -1], np.int8)
    for f in (lambda x, i: knp.take(x, i, mode=mode), lambda x, i: knp.choose(i, list(x), mode=mode)):
        for y in (f(kb.tensor(x), kb.tensor(i)), kb.compile(f)(x, i)):
            np.testing.assert_array_equal(y, np.take(x, i, mode=mode))


def test_bounds_that_the_targets_dtype_cannot_hold() -> None:
    many = [np.full(2, float(k)) for k in range(200)]
    c = np.array([0, 127], np.int8)
    np.testing.assert_array_equal(kb.compile(lambda c: knp.choose(c, many))(c), [0, 127])
    logits, labels = np.zeros((2, 3)), np.array([1, 156], np.uint8)  # 156 is -100, which is ignored, in other clothes
    with pytest.raises(IndexError, match="156"):
        kb.compile(kb.nn.losses.cross_entropy)(logits, labels)


def test_an_index_array_on_an_array_with_an_empty_axis() -> None:
    x, i = np.zeros((3, 0)), np.array([0, 1])
    cases: list[Callable[[Any], Any]] = [
        lambda x: x[i],
        lambda x: x[i, None],
        lambda x: x[..., i, :],
        lambda x: knp.take(x, i, axis=0),
        lambda x: knp.delete(x, 1, axis=0),
        lambda x: knp.insert(x, 1, 0.0, axis=0),
        lambda x: knp.sliding_window_view(x, 2, 0),
        lambda x: knp.sum(x[i]),
        lambda x: x[np.zeros((0, 2), int)],
    ]
    for f in cases:
        y = kb.compile(f)(x)
        assert y.shape == np.shape(f(x))
        np.testing.assert_array_equal(y, f(x))
    for index in (np.array([0]), (i, np.array([0, 0])), (0, i)):
        with pytest.raises(IndexError):
            kb.compile(lambda x, index=index: x.T[index])(x)
