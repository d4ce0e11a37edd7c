"""Transforms inside of each other, over functions that close over tensors."""

import numpy as np
import pytest

import koubai as kb
from koubai import numpy as knp

X = np.array([0.5, -1.5, 2.0])
A = np.arange(6.0).reshape(2, 3) / 3.0


def cube(x):
    return (x**3).sum()


# Nesting


def test_perturbation_confusion():
    # d/dx x * (d/dy (x + y)) = 1, not 2
    assert kb.grad(lambda x: x * kb.grad(lambda y: x + y)(1.0))(1.0) == 1
    push = lambda f, x: kb.jvp(f, (x,), (1.0,))[1]
    assert push(lambda x: x * push(lambda y: x + y, 1.0), 1.0) == 1
    assert push(lambda x: x * kb.grad(lambda y: x + y)(1.0), 1.0) == 1
    assert kb.grad(lambda x: x * push(lambda y: x + y, 1.0))(1.0) == 1
    # d/dx x * (d/dy (x * y)) at y = 2: d/dx x^2 = 2x
    assert kb.grad(lambda x: x * kb.grad(lambda y: x * y)(2.0))(3.0) == 6
    # The inner function's variable is the outer one's: d/dx [d/dy (x y^2) at y = x] = d/dx 2 x^2 = 4 x
    assert kb.grad(lambda x: kb.grad(lambda y: x * y * y)(x))(3.0) == 12


def test_a_function_that_returns_a_function():
    # The classic that defeats tags by nesting depth: D over a curried function.
    derive = lambda f: lambda x: kb.jvp(f, (x,), (1.0,))[1]
    shift = lambda u: lambda f: lambda x: f(x + u)
    shifted = lambda u: derive(lambda x: shift(u)(derive(knp.exp))(x))(0.0)
    assert float(derive(shifted)(1.0)) == pytest.approx(np.e)


def test_any_order_of_nesting_gives_the_same_second_derivative():
    f = lambda x: knp.sin(x) * x * x
    expected = kb.grad(kb.grad(f))(0.7)
    push = lambda f: lambda x: kb.jvp(f, (x,), (1.0,))[1]
    pull = lambda f: lambda x: kb.vjp(f, x)[1](1.0)[0]
    ways = {"grad": kb.grad, "jvp": push, "vjp": pull, "jacobian": kb.jacobian}
    for outer in ways.values():
        for inner in ways.values():
            assert outer(inner(f))(0.7) == pytest.approx(float(expected), rel=1e-12)
    assert kb.hessian(f)(0.7) == pytest.approx(float(expected))
    third = kb.grad(kb.grad(kb.grad(f)))(0.7)
    assert push(pull(push(f)))(0.7) == pytest.approx(float(third), rel=1e-12)
    assert kb.jacobian(kb.hessian(f))(0.7) == pytest.approx(float(third), rel=1e-12)


def test_high_orders():
    f = knp.exp
    for _ in range(6):
        f = kb.grad(f)
    assert f(0.3) == pytest.approx(np.exp(0.3))


def test_gradient_descent_is_differentiated():
    def trained(rate):
        w = 3.0
        for _ in range(10):
            w = w - rate * kb.grad(lambda v: (v - 1.0) ** 2)(w)
        return (w - 1.0) ** 2

    # The error after n steps is (2 (1 - 2 rate)^n)^2
    rate, n = 0.1, 10
    slope = 4 * 2 * n * (1 - 2 * rate) ** (2 * n - 1) * -2
    assert kb.grad(trained)(rate) == pytest.approx(slope)
    assert kb.jvp(trained, (rate,), (1.0,))[1] == pytest.approx(slope)


def test_a_gradient_of_something_else_inside():
    # The inner gradient does not depend on the outer variable: plain numbers inside a recorded function.
    assert kb.grad(lambda x: x * kb.grad(lambda y: y**3)(2.0))(5.0) == 12


# Closures, detach, no_grad


def test_a_closure_over_a_tensor_that_requires_a_gradient():
    w = kb.tensor(2.0, requires_grad=True)
    f = lambda x: w * x * x
    assert kb.grad(f)(3.0) == 12
    y = kb.value_and_grad(lambda x: f(x))(kb.tensor(3.0))[1]
    y.backward()  # d/dw 2 w x = 2 x
    assert float(w.grad) == 6


def test_detach_and_no_grad_inside():
    assert kb.grad(lambda x: x * x.detach())(3.0) == 3
    assert kb.jvp(lambda x: x * x.detach(), (3.0,), (1.0,))[1] == 3

    def f(x):
        with kb.no_grad():
            factor = x * 2.0
        return factor * x

    assert kb.grad(f)(3.0) == 6
    assert kb.jvp(f, (3.0,), (1.0,))[1] == 6
    assert kb.vmap(kb.grad(f))(X).tolist() == (2 * X).tolist()
    assert kb.grad(lambda x: kb.vmap(f)(x).sum())(X).tolist() == (2 * X).tolist()
    assert kb.vmap(kb.grad(lambda x: x * x.detach()))(X).tolist() == X.tolist()


def test_grad_inside_no_grad_still_differentiates():
    with kb.no_grad():
        assert kb.grad(lambda x: x * x)(3.0) == 6
        assert kb.grad(kb.grad(lambda x: x**3))(3.0) == 18
        assert kb.jvp(lambda x: x * x, (3.0,), (1.0,))[1] == 6
        assert kb.hessian(cube)(X)[0, 0] == 6 * X[0]
        x = kb.tensor(3.0, requires_grad=True)
        y, pullback = kb.vjp(lambda v: v**3, x)
        assert not y.requires_grad
        assert not pullback(1.0)[0].requires_grad
        assert not kb.grad(lambda v: v**3)(x).requires_grad


def test_control_flow_is_plain_python():
    f = lambda x: x * x if x > 0 else -x
    assert kb.grad(f)(3.0) == 6
    assert kb.grad(f)(-3.0) == -1
