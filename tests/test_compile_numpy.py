"""Compiled equals interpreted for the functions of kb.numpy, and for their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.tensor.trees import flatten
from numpy_cases import DISCRETE, SMOOTH, Case, case_id


def some(cases: list[Case]) -> list[Any]:
    """Every tenth case at once, and all in the long sweep."""
    return [case if k % 10 == 0 else pytest.param(case, marks=pytest.mark.slow) for k, case in enumerate(cases)]


def compared(f: Any, *xs: Any, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        want = flatten(f(*xs))[0]
        try:
            got = flatten(kb.compile(f)(*xs))[0]
        except kb.TracingError:
            pytest.skip("the shape of the result, or Python's way through the code, depends on values")
    rtol, atol = (1e-11, 1e-12) if dtype == np.float64 else (3e-4, 3e-5)
    for a, b in zip(got, want, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def arrays(case: Case, dtype: Any) -> list[Any]:
    return [np.asarray(x).astype(dtype)[()] if np.asarray(x).dtype == np.float64 else x for x in case.arrays]


@pytest.mark.parametrize("case", some(SMOOTH + DISCRETE), ids=case_id)
def test_values(case: Case) -> None:
    compared(lambda *xs: flatten(case.call(knp, *xs))[0], *case.arrays, dtype=np.float64)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", some(SMOOTH), ids=case_id)
def test_gradients(case: Case, dtype: Any) -> None:
    xs = arrays(case, dtype)
    if any(np.asarray(x).dtype.kind == "c" for x in xs):
        pytest.skip("a real output is asked for")
    places = tuple(i for i, x in enumerate(xs) if np.asarray(x).dtype.kind == "f")

    def loss(*xs: Any) -> Any:
        ys = flatten(case.call(knp, *xs))[0]
        return sum(knp.sum(y * y) for y in ys if getattr(y, "dtype", np.dtype(int)).kind == "f")

    compared(kb.grad(loss, argnums=places), *xs, dtype=dtype)
