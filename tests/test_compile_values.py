"""Functions of values in compiled code: those of fixed shape run in NumPy, the others are refused with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.tensor.trees import flatten

X = np.array([1.0, 2.0, 2.0, 5.0])
NUMBERS = np.array([3, 1, 2, 0])
BITS = np.array([1, 0, 1, 1, 0, 0, 1, 0], np.uint8)

FIXED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "isclose": (lambda x: knp.isclose(x, 2.0), X),
    "allclose": (lambda x: knp.allclose(x, x + 1e-12), X),
    "array_equal": (lambda x: knp.array_equal(x, x + 1.0), X),
    "array_equiv": (lambda x: knp.array_equiv(x, x[None]), X),
    "isin": (lambda x: knp.isin(x, [2.0, 5.0]), X),
    "digitize": (lambda x: knp.digitize(x, np.array([0.0, 2.0, 4.0]), right=True), X),
    "bins that are traced": (lambda x: knp.digitize(2.0, x), X),
    "nextafter": (lambda x: knp.nextafter(x, 0.0), X),
    "spacing": (knp.spacing, X),
    "isposinf": (knp.isposinf, X),
    "isreal": (knp.isreal, X),
    "gcd": (lambda x: knp.gcd(x, 6), NUMBERS),
    "lcm": (lambda x: knp.lcm(x, 4), NUMBERS),
    "bitwise_count": (knp.bitwise_count, NUMBERS),
    "lexsort": (lambda x: knp.lexsort((x, -x)), X),
    "argpartition": (lambda x: knp.argpartition(x, 1), X),
    "histogram": (lambda x: knp.histogram(x, 3), X),
    "histogram with edges": (lambda x: knp.histogram(x, bins=np.array([0.0, 2.0, 6.0])), X),
    "histogram with weights": (lambda x: knp.histogram(x, 3, weights=x * 2.0, density=True), X),
    "histogram2d": (lambda x: knp.histogram2d(x, x, bins=2), X),
    "histogramdd": (lambda x: knp.histogramdd(x[:, None], bins=2), X),
    "histogram_bin_edges": (lambda x: knp.histogram_bin_edges(x, 4), X),
    "unravel_index": (lambda x: knp.unravel_index(x, (2, 2)), NUMBERS),
    "ravel_multi_index": (lambda x: knp.ravel_multi_index((x, x), (4, 4)), NUMBERS),
    "packbits": (knp.packbits, BITS),
    "unpackbits": (lambda x: knp.unpackbits(x, bitorder="little"), BITS),
}


@pytest.mark.parametrize("name", FIXED)
def test_functions_of_values_run_in_numpy(name: str) -> None:
    f, x = FIXED[name]
    found, expected = kb.compile(f)(x), f(x)
    ys, zs = flatten(found)[0], flatten(expected)[0]
    assert isinstance(expected, tuple) == isinstance(found, tuple)
    assert len(ys) == len(zs)
    for y, z in zip(ys, zs):
        assert y.dtype == np.asarray(z).dtype
        assert y.shape == np.shape(z)
        np.testing.assert_allclose(y, z)


def test_what_was_captured_is_read_at_every_call() -> None:
    w = kb.tensor(X)
    f = kb.compile(lambda x: knp.isclose(w, 2.0) + x)
    np.testing.assert_array_equal(f(np.zeros(4)), [0, 1, 1, 0])
    w.value = np.array([2.0, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(f(np.zeros(4)), [1, 0, 0, 0])


def test_the_weights_of_a_histogram_are_differentiated() -> None:
    slope = kb.grad(lambda w: knp.sum(knp.histogram(X, 3, weights=w)[0] ** 2))
    expected = 2 * np.histogram(X, 3, weights=X)[0][[0, 0, 0, 2]]
    np.testing.assert_allclose(slope(X), expected)
    np.testing.assert_allclose(kb.compile(slope)(X), expected)


def test_a_choice_by_closeness_is_differentiated() -> None:
    slope = kb.grad(lambda x: knp.sum(knp.where(knp.isclose(x, 2.0), x**2, 0.0)))
    np.testing.assert_array_equal(kb.compile(slope)(X), [0, 4, 4, 0])
    rows = kb.vmap(lambda x: knp.digitize(x, np.array([0.0, 2.0])))(np.stack([X, -X]))
    np.testing.assert_array_equal(rows, [[1, 2, 2, 2], [0, 0, 0, 0]])


REFUSED: dict[str, tuple[Callable[[Any], Any], Any, str]] = {
    "histogram by rule": (lambda x: knp.histogram(x, "auto"), X, "outside"),
    "nonzero": (lambda x: knp.nonzero(x), X, r"kb\.numpy\.where\(mask, x, 0\)"),
    "mask": (lambda x: x[x > 0], X, r"kb\.numpy\.where\(mask, x, 0\)"),
    "unique": (lambda x: knp.unique(x), X, "outside"),
    "roots": (lambda x: knp.roots(x), X, "companion matrix"),
    "bincount": (lambda x: knp.bincount(x), NUMBERS, r"x\[:, None\] == kb\.numpy\.arange\(n\)"),
    "range": (lambda n: range(n), np.int64(3), "as a Python number it would be a constant"),
    "if": (lambda x: 1 if (x * 2.0).sum() > 0 else 2, X, r"greater, .*test_compile_values\.py:\d+"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_shape_that_depends_on_values_is_refused_with_a_remedy(name: str) -> None:
    f, x, says = REFUSED[name]
    with pytest.raises(kb.TracingError, match=says) as caught:
        kb.compile(f)(x)
    line = f.__code__.co_firstlineno
    assert f"test_compile_values.py:{line}" in str(caught.value)
