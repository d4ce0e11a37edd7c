"""kb.checkpoint: the same numbers, and less memory between forward and backward."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.graph import topological

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3))


def block(x: Any, w: Any) -> Any:
    h = knp.tanh(x @ w)
    return {"y": h * knp.exp(-h), "large": h > 0.5}, [knp.sin(h) @ w]


def energy(f: Any) -> Any:
    def g(x: Any, w: Any) -> Any:
        first, [second] = f(x, w)
        return knp.sum(first["y"] * second) + knp.sum(knp.where(first["large"], second, 0.0))

    return g


def test_values_and_derivatives_are_the_same() -> None:
    f, g = energy(kb.checkpoint(block)), energy(block)
    assert f(X, W) == g(X, W)
    for ours, theirs in zip(kb.grad(f, (0, 1))(X, W), kb.grad(g, (0, 1))(X, W)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    np.testing.assert_allclose(kb.hessian(f, 1)(X, W), kb.hessian(g, 1)(X, W), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(*(kb.jvp(k, (X, W), (X, X[:3]))[1] for k in (f, g)), rtol=1e-13)
    assert kb.check_grads(f, X, W, order=2).ok


def test_compiled_batched_and_in_a_scan() -> None:
    f = kb.value_and_grad(energy(kb.checkpoint(block)), (0, 1))
    for ours, theirs in zip(kb.compile(f)(X, W)[1], f(X, W)[1]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    many = np.stack([X, X + 1, X - 1])
    values, slopes = kb.vmap(f, in_axes=(0, None))(many, W)
    for k in range(3):
        np.testing.assert_allclose(values[k], f(many[k], W)[0], rtol=1e-13)
        np.testing.assert_allclose(slopes[1][k], f(many[k], W)[1][1], rtol=1e-12)

    def run(inner: Any) -> Any:
        step = inner(lambda h, x: knp.tanh(h @ W + x))
        return lambda h: knp.sum(kb.scan(lambda h, x: (step(h, x),) * 2, h, X)[1] ** 2)

    for transform in (kb.grad, kb.hessian, lambda f: kb.compile(kb.grad(f))):
        ours, theirs = (transform(run(inner))(X[0]) for inner in (kb.checkpoint, lambda f: f))
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_a_call_is_one_node_and_captured_tensors_receive_their_gradient() -> None:
    w = kb.nn.Parameter(W)
    y = kb.checkpoint(lambda x: knp.sum(knp.tanh(knp.tanh(x @ w) @ w)))(X)
    assert [node.op.name for node in topological([y]) if node.op] == ["checkpoint", "output"]
    y.backward()
    expected = kb.grad(lambda w: knp.sum(knp.tanh(knp.tanh(X @ w) @ w)))(W)
    np.testing.assert_allclose(w.grad, expected, rtol=1e-13)


def test_less_is_held_between_forward_and_backward() -> None:
    def piece(x: Any) -> Any:
        for _ in range(8):
            x = knp.sin(x)
        return x

    def cost(f: Any) -> tuple[Any, int, int]:
        x = kb.tensor(np.linspace(-1, 1, 20_000), requires_grad=True)
        tracemalloc.start()
        y = x
        for _ in range(4):
            y = f(y)
        held = tracemalloc.get_traced_memory()[0]
        y.sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return x.grad, held, peak

    plain, held, peak = cost(piece)
    again, less, lower = cost(kb.checkpoint(piece))
    np.testing.assert_array_equal(plain, again)
    array = 20_000 * 8
    assert held > 32 * array
    assert less < 5 * array  # one a piece, and what nodes and bodies take
    assert lower < 20 * array < peak


def test_arguments_that_are_not_arrays_go_through() -> None:
    def f(x: Any, power: int, *, sign: str = "+", scale: Any = None) -> Any:
        y = x**power if sign == "+" else -(x**power)
        return y if scale is None else y * scale

    g = kb.checkpoint(f)
    assert kb.grad(lambda x: g(x, 3))(2.0) == 12.0
    assert kb.grad(lambda x: g(x, 2, sign="-", scale=x))(3.0) == -27.0
    assert g(np.float32(2.0), 2).dtype == np.float32
    assert g.__name__ == "f"
    assert kb.checkpoint(lambda: (1.0, None))() == (1.0, None)
    assert kb.checkpoint(lambda x: None)(X) is None


def test_dropout_drops_the_same_when_it_is_computed_again() -> None:
    layer = kb.nn.Dropout(0.5)
    x = np.ones(100)
    t = kb.tensor(x, requires_grad=True)
    y = kb.checkpoint(layer)(t)
    y.sum().backward()
    np.testing.assert_array_equal(t.grad, y.numpy())
    assert layer.steps.item() == 1


def test_refused() -> None:
    with pytest.raises(kb.TracingError, match="where"):
        kb.checkpoint(lambda x: x if x > 0 else -x)(np.float64(1.0))
    with pytest.raises(kb.DTypeError, match="checkpoint: the function returned str"):
        kb.checkpoint(lambda x: "y")(X)
