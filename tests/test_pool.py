"""Pooling: by its definition and PyTorch's values, to second order; padding, infinities, stacks, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.ops.pool import avg_pool, avg_pool_spread, max_pool, max_pool_spread

OPS = {"max": max_pool, "avg": avg_pool}


def by_definition(kind: str, x: Any, kernel: Any, stride: Any, padding: Any) -> Any:
    """One window at a time."""
    lead = x.ndim - len(kernel)
    width = ((0, 0),) * lead + padding
    x = np.pad(x, width, constant_values=-np.inf if kind == "max" else 0.0)
    count = [(n - k) // s + 1 for n, k, s in zip(x.shape[lead:], kernel, stride)]
    y = np.zeros((*x.shape[:lead], *count), x.dtype)
    for p in np.ndindex(*count):
        window = x[(..., *(slice(i * s, i * s + k) for i, s, k in zip(p, stride, kernel)))]
        axes = tuple(range(lead, x.ndim))
        y[(..., *p)] = window.max(axes) if kind == "max" else window.mean(axes)
    return y


@st.composite
def problems(draw: Any, alike: bool = False, most_axes: int = 3) -> tuple[Any, dict[str, Any]]:
    """An array without equal elements, and settings that fit; as PyTorch's if `alike`."""
    n = draw(st.integers(1, most_axes))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(n))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(n))
    before = tuple(draw(st.integers(0, k // 2 if alike else k - 1)) for k in kernel)
    after = before if alike else tuple(draw(st.integers(0, k - 1)) for k in kernel)
    room = [max(1, k - a - b) for k, a, b in zip(kernel, before, after)]
    lead = (draw(st.integers(0, 2)), 2) if alike else tuple(draw(st.lists(st.integers(0, 2), max_size=2)))
    shape = (*lead, *(r + draw(st.integers(0, 3)) for r in room))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.permutation(int(np.prod(shape, dtype=int))).astype(dtype).reshape(shape) - 3
    return x, {"kernel": kernel, "stride": stride, "padding": tuple(zip(before, after))}


def close(found: Any, expected: Any) -> None:
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5 if found.dtype == np.float32 else 1e-12, atol=1e-5)


@pytest.mark.parametrize("kind", OPS)
@given(problems())
@settings(max_examples=40, deadline=None)
def test_each_window_by_itself(kind: str, problem: Any) -> None:
    x, how = problem
    close(OPS[kind](x, **how), by_definition(kind, x, **how))


@pytest.mark.parametrize("kind", OPS)
@given(problems(alike=True, most_axes=2))
@settings(max_examples=40, deadline=None)
def test_values_and_gradients_are_pytorchs(kind: str, problem: Any) -> None:
    torch = pytest.importorskip("torch")
    x, how = problem
    y = OPS[kind](x, **how)
    g = np.random.default_rng(0).normal(size=y.shape).astype(y.dtype)
    a = torch.tensor(x, requires_grad=True)
    function = getattr(torch.nn.functional, f"{kind}_pool{len(how['kernel'])}d")
    wanted = function(a, how["kernel"], how["stride"], tuple(before for before, _ in how["padding"]))
    wanted.backward(torch.tensor(g))
    close(y, wanted.detach().numpy())
    (found,) = kb.vjp(lambda x: OPS[kind](x, **how), x)[1](g)
    close(found, a.grad.numpy())


@pytest.mark.parametrize("kind", OPS)
@pytest.mark.parametrize("how", [
    {"kernel": (2,), "stride": (2,), "padding": ((0, 0),)},
    {"kernel": (2, 3), "stride": (1, 2), "padding": ((1, 0), (1, 2))},
])  # fmt: skip
def test_derivatives_of_both_orders(kind: str, how: dict[str, Any]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    kb.check_grads(lambda x: kb.numpy.sum(kb.numpy.sin(OPS[kind](x, **how)) * x[0, 0, 0, 0]), x, order=2)


def test_padding_never_wins_and_never_receives() -> None:
    how = {"kernel": (3,), "stride": (1,), "padding": ((1, 2),)}
    x = np.array([-5.0, -7.0])
    assert max_pool(x, **how).tolist() == [-5, -5, -7]
    assert kb.grad(lambda x: max_pool(x, **how).sum())(x).tolist() == [2, 1]
    lowest = np.array([-np.inf, -np.inf])
    assert kb.grad(lambda x: max_pool(x, **how).sum())(lowest).tolist() == [1, 2]


def test_padding_counts_in_a_mean() -> None:
    how = {"kernel": (2,), "stride": (2,), "padding": ((1, 0),)}
    assert avg_pool(np.array([4.0, 6.0, 2.0]), **how).tolist() == [2, 4]


@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 1), (1, 1))])
def test_nan_stays_nan_and_takes_the_gradient(padding: Any) -> None:
    how = {"kernel": (2, 2), "stride": (2, 2), "padding": padding}
    x = np.arange(16.0).reshape(4, 4)
    x[0, 1] = x[1, 1] = np.nan
    y = max_pool(x, **how)
    g = kb.grad(lambda x: max_pool(x, **how).sum())(x)
    assert np.isfinite(g).all()
    assert g.sum() == y.size
    if padding == ((0, 0), (0, 0)):
        assert np.isnan(y[0, 0])
        assert g[0, 1] == g[1, 1] == 0.5


def test_elements_that_no_window_holds_receive_nothing() -> None:
    how = {"kernel": (2,), "stride": (3,), "padding": ((0, 0),)}
    x = np.array([1.0, 2.0, 9.0, 4.0, 3.0, 9.0])
    assert kb.grad(lambda x: max_pool(x, **how).sum())(x).tolist() == [0, 1, 0, 1, 0, 0]
    assert kb.grad(lambda x: avg_pool(x, **how).sum())(x).tolist() == [0.5, 0.5, 0, 0.5, 0.5, 0]


@pytest.mark.parametrize("kind", OPS)
def test_the_order_in_memory_does_not_matter(kind: str) -> None:
    how = {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1))}
    x = np.random.default_rng(0).normal(size=(6, 5, 3, 8)).transpose(3, 2, 1, 0)[::2]
    y, back = kb.vjp(lambda x: OPS[kind](x, **how), x)
    g = np.random.default_rng(1).normal(size=y.shape[::-1]).T
    plain, plain_back = kb.vjp(lambda x: OPS[kind](x, **how), np.ascontiguousarray(x))
    np.testing.assert_array_equal(y, plain)
    np.testing.assert_allclose(back(g)[0], plain_back(np.ascontiguousarray(g))[0], rtol=1e-15)


def test_gradients_of_single_examples() -> None:
    how = {"kernel": (2,), "stride": (1,), "padding": ((1, 0),)}
    x = np.random.default_rng(0).normal(size=(4, 6))
    for op in OPS.values():
        loss = lambda row, op=op: (op(row, **how) ** 2).sum()
        np.testing.assert_allclose(kb.vmap(kb.grad(loss))(x), kb.grad(loss)(x), rtol=1e-12)


def test_a_gradient_of_another_shape_is_refused() -> None:
    how = {"kernel": (2,), "stride": (2,), "padding": ((0, 0),)}
    with pytest.raises(kb.ShapeError, match=r"pooling the shape \(5,\) gives \(2,\), but the gradient has \(3,\)"):
        max_pool_spread(np.ones(3), np.ones(5), **how)
    with pytest.raises(kb.ShapeError, match=r"gives \(2,\)"):
        avg_pool_spread(np.ones(3), lengths=(5,), **how)
