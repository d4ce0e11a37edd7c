"""grad, vjp, jvp, jacobian, hessian, hvp, vmap: alone, nested, over containers, and with bad arguments."""

from collections import namedtuple

import numpy as np
import pytest

import koubai as kb
from koubai import numpy as knp

X = np.array([0.5, -1.5, 2.0])
A = np.arange(6.0).reshape(2, 3) / 3.0


def cube(x):
    return (x**3).sum()


# What goes in and what comes out


def test_plain_in_plain_out_and_tensor_in_tensor_out():
    for f in (kb.grad(cube), kb.hessian(cube), lambda x: kb.hvp(cube, x, X), kb.vmap(lambda v: v * v)):
        assert type(f(X)) is np.ndarray
        assert type(f(kb.tensor(X))) is kb.Tensor
    y, pullback = kb.vjp(cube, X)
    assert isinstance(y, np.floating)
    assert type(pullback(1.0)[0]) is np.ndarray
    y, dy = kb.jvp(cube, (kb.tensor(X),), (X,))
    assert type(y) is type(dy) is kb.Tensor


def test_the_given_tensor_is_differentiated_through_and_not_changed():
    x = kb.tensor(X, requires_grad=True)
    g = kb.grad(cube)(x)
    assert g.requires_grad
    assert x.grad is None
    g.sum().backward()
    assert np.allclose(x.grad, 6 * X)


def test_a_tensor_without_gradient_gives_a_tensor():
    x = kb.tensor(X)
    g = kb.grad(cube)(x)
    assert type(g) is kb.Tensor
    assert np.allclose(g.numpy(), 3 * X**2)


def test_integers_count_as_float64_and_integer_arrays_raise():
    assert kb.grad(lambda x: x * x)(3) == 6
    assert type(kb.grad(lambda x: x * x)(3)) is np.float64
    with pytest.raises(kb.DTypeError, match=r"grad: argument 0 has dtype int64.*astype"):
        kb.grad(cube)(np.arange(3))
    with pytest.raises(TypeError):
        kb.jvp(cube, (np.arange(3),), (np.ones(3),))
    with pytest.raises(kb.DTypeError, match="argument 1"):
        kb.grad(lambda a, b: a * b, argnums=1)(1.0, True)
    with pytest.raises(kb.DTypeError, match="str"):
        kb.grad(lambda a: a)("x")


def test_dtypes_stay():
    x = X.astype(np.float32)
    assert kb.grad(cube)(x).dtype == np.float32
    assert kb.hessian(cube)(x).dtype == np.float32
    assert kb.jvp(cube, (x,), (X,))[1].dtype == np.float32
    assert kb.vjp(cube, x)[1](np.float64(1.0))[0].dtype == np.float32


# grad


def test_outputs_of_size_one_are_accepted_and_others_refused():
    assert kb.grad(lambda x: (x * x).reshape(1, 1))(2.0) == 4
    with pytest.raises(kb.ShapeError, match=r"output has shape \(3,\).*kb.jacobian"):
        kb.grad(lambda x: x * x)(X)
    with pytest.raises(ValueError):
        kb.grad(lambda x: (x, x))(2.0)
    with pytest.raises(kb.DTypeError, match="complex"):
        kb.grad(lambda x: x * 1j)(2.0)
    with pytest.raises(kb.DTypeError, match="truth value"):
        kb.grad(lambda x: x > 1)(2.0)
    with pytest.raises(kb.DTypeError, match="returned str"):
        kb.grad(lambda x: "x")(2.0)


def test_argnums():
    f = lambda a, b, c: a * b + c
    assert kb.grad(f, 1)(2.0, 3.0, 4.0) == 2
    assert kb.grad(f, -1)(2.0, 3.0, 4.0) == 1
    assert kb.grad(f, (1, 0))(2.0, 3.0, 4.0) == (2, 3)
    assert kb.grad(f, [0])(2.0, 3.0, 4.0) == (3,)
    assert kb.grad(f, (0, 0))(2.0, 3.0, 4.0)[0] is not None
    with pytest.raises(kb.UsageError, match="argument 3, but the function was given 3"):
        kb.grad(f, 3)(2.0, 3.0, 4.0)


def test_the_same_argument_named_twice_is_one_argument():
    assert kb.grad(lambda a: a * a, (0, 0))(3.0) == (6, 6)
    assert kb.grad(lambda a, b: a * b, (0, -2))(3.0, 4.0) == (4, 4)


def test_other_arguments_pass_as_they_are():
    seen = []

    def f(x, text, *, factor=1.0):
        seen.append(text)
        return x * factor

    assert kb.grad(f)(2.0, "anything", factor=5.0) == 5
    assert seen == ["anything"]


def test_arguments_that_do_not_matter_get_zeros():
    g = kb.grad(lambda a, b: a * 1.0, (0, 1))(1.0, A)
    assert g[1].tolist() == np.zeros((2, 3)).tolist()
    assert kb.grad(lambda a: 3.0)(X).tolist() == [0, 0, 0]
    assert kb.jacobian(lambda a: np.ones(2))(X).tolist() == np.zeros((2, 3)).tolist()
    assert kb.hessian(lambda a: a.sum())(X).tolist() == np.zeros((3, 3)).tolist()
    assert kb.hvp(lambda a: a.sum(), X, X).tolist() == [0, 0, 0]
    assert kb.jvp(lambda a: 3.0, (X,), (X,))[1] == 0


def test_has_aux():
    f = lambda x: (x * x, {"twice": 2.0 * x, "name": "f"})
    slope, aux = kb.grad(f, has_aux=True)(3.0)
    assert slope == 6
    assert aux["name"] == "f"
    assert type(aux["twice"]) is np.float64
    (value, aux), slope = kb.value_and_grad(f, has_aux=True)(3.0)
    assert (value, aux["twice"], slope) == (9, 6, 6)
    with pytest.raises(kb.UsageError, match="pair"):
        kb.grad(lambda x: x, has_aux=True)(3.0)


def test_aux_can_be_differentiated_by_an_outer_transform():
    def outer(x):
        _, aux = kb.grad(lambda y: (y * y, y * x), has_aux=True)(x)
        return aux

    assert kb.grad(outer)(3.0) == 6


def test_names_and_docstrings_are_kept():
    assert kb.grad(cube).__name__ == "cube"
    kb.grad(kb.nn.Linear(1, 1))  # an object without a name is fine
    from functools import partial

    assert kb.grad(partial(lambda a, b: a * b, 3.0))(2.0) == 3


# Containers

Pair = namedtuple("Pair", "left right")


def test_containers_of_any_depth():
    p = {"w": [np.ones(2), (2.0, X)], "pair": Pair(1.0, 3.0), "none": None, "empty": ()}

    def f(p):
        assert isinstance(p["pair"], Pair)
        return (p["w"][0].sum() * p["w"][1][0] + p["w"][1][1].sum()) * p["pair"].left * p["pair"].right

    g = kb.grad(f)(p)
    assert g["w"][0].tolist() == [6, 6]
    assert g["w"][1][0] == 6
    assert isinstance(g["w"][1], tuple)
    assert g["w"][1][1].tolist() == [3, 3, 3]
    assert isinstance(g["pair"], Pair)
    assert g["pair"].left == pytest.approx(5 * 3)
    assert g["none"] is None
    assert g["empty"] == ()


def test_containers_in_the_other_transforms():
    f = lambda p: {"y": p["a"] * p["b"], "z": [p["a"].sum()]}
    p = {"a": X, "b": np.array([1.0, 2.0, 3.0])}
    _, pullback = kb.vjp(f, p)
    (g,) = pullback({"y": np.ones(3), "z": [2.0]})
    assert g["a"].tolist() == [3, 4, 5]
    assert np.allclose(g["b"], X)
    _, dy = kb.jvp(f, (p,), ({"a": np.ones(3), "b": np.zeros(3)},))
    assert dy["y"].tolist() == [1, 2, 3]
    assert dy["z"] == [3]
    j = kb.jacobian(f)(p)
    assert j["y"]["a"].tolist() == np.diag([1.0, 2.0, 3.0]).tolist()
    assert j["z"][0]["b"].tolist() == [0, 0, 0]
    h = kb.hessian(lambda p: (p["a"] * p["b"]).sum())(p)
    assert h["a"]["b"].tolist() == np.eye(3).tolist()
    assert h["a"]["a"].tolist() == np.zeros((3, 3)).tolist()
    assert kb.hvp(lambda p: (p["a"] ** 2).sum(), p, p)["a"].tolist() == (2 * X).tolist()
    v = kb.vmap(lambda p: p["a"] * p["b"])({"a": A, "b": A})
    assert np.allclose(v, A * A)


# vjp and jvp


def test_the_pullback_returns_a_tuple_casts_and_may_be_called_again():
    _, pullback = kb.vjp(lambda x: x * x, X.astype(np.float32))
    for g in (np.ones(3), np.ones(3, int), np.ones(3, np.float32)):
        found = pullback(g)
        assert type(found) is tuple
        assert found[0].dtype == np.float32
        assert np.allclose(found[0], 2 * X)
    assert [len(kb.vjp(lambda *a: a[0] * 1.0, *([1.0] * n))[1](1.0)) for n in (1, 2, 3)] == [1, 2, 3]


def test_the_pullback_is_differentiable():
    _, pullback = kb.vjp(lambda x: x**3, X)
    assert np.allclose(kb.grad(lambda g: (pullback(g)[0] ** 2).sum())(np.ones(3)), 2 * (3 * X**2) ** 2)
    x = kb.tensor(X, requires_grad=True)
    _, pullback = kb.vjp(lambda v: v**3, x)
    pullback(np.ones(3))[0].sum().backward()
    assert np.allclose(x.grad, 6 * X)
    double = lambda x: kb.vjp(lambda v: v**3, x)[1](np.ones(3))[0].sum()
    assert np.allclose(kb.grad(double)(X), 6 * X)


def test_what_the_pullback_refuses():
    _, pullback = kb.vjp(lambda x: (x, x.sum()), X)
    with pytest.raises(kb.UsageError, match="expected a tuple of 2, got ndarray"):
        pullback(X)
    with pytest.raises(kb.ShapeError, match=r"expected the shape \(3,\), got \(2,\)"):
        pullback((np.ones(2), 1.0))
    with pytest.raises(kb.DTypeError, match="expected float64, got the complex"):
        pullback((X * 1j, 1.0))
    with pytest.raises(kb.DTypeError, match="expected float64, got the complex"):
        pullback((kb.tensor(X * 1j), 1.0))
    with pytest.raises(kb.DTypeError, match="expected numbers"):
        pullback((X, "1"))


def test_what_jvp_refuses():
    with pytest.raises(kb.UsageError, match="tuple"):
        kb.jvp(cube, X, X)
    with pytest.raises(kb.UsageError, match="tuple"):
        kb.jvp(cube, (X,), (X, X))
    with pytest.raises(kb.ShapeError, match=r"shape \(3,\), got \(2,\)"):
        kb.jvp(cube, (X,), (np.ones(2),))
    with pytest.raises(kb.UsageError, match=r"directions\[0\]: expected a tuple of 2, got float"):
        kb.jvp(lambda a, b: a[0] * b, ((1.0, 2.0), 3.0), (1.0, (2.0, 3.0)))
    for direction in (X * 1j, kb.tensor(X * 1j)):
        with pytest.raises(kb.DTypeError, match="expected float64, got the complex"):
            kb.jvp(cube, (X,), (direction,))


def test_what_belongs_to_a_dict_is_matched_by_key():
    p = {"a": 1.0, "b": 2.0}
    assert kb.jvp(lambda p: 10 * p["a"] + p["b"], (p,), ({"b": 1.0, "a": 0.0},))[1] == 1.0
    _, pullback = kb.vjp(lambda x: {"u": 10 * x, "v": x}, 1.0)
    assert pullback({"v": 1.0, "u": 0.0}) == (1.0,)
    with pytest.raises(kb.UsageError, match=r"keys \['u', 'v'\]"):
        pullback({"u": 1.0, "w": 0.0})
    both = kb.vmap(lambda d: {"p": d["a"], "q": 2 * d["b"]}, in_axes=({"b": 1, "a": 0},), out_axes={"q": 1, "p": 0})
    found = both({"a": A, "b": A.T})
    assert np.array_equal(found["p"], A)
    assert np.array_equal(found["q"], 2 * A.T)


def test_a_tensor_as_gradient_is_cast_to_the_output():
    _, pullback = kb.vjp(lambda x: x, np.ones(2, np.float32))
    assert pullback(kb.tensor([1.0, 2.0]))[0].dtype == np.float32


def test_which_argnums_are_refused():
    for wrong in ("a", 0.5, [0.5], None):
        with pytest.raises(kb.UsageError, match="argnums: expected the number of an argument"):
            kb.grad(lambda x: x, wrong)


def test_second_derivatives_of_numbers_are_numbers():
    assert type(kb.hessian(lambda x: x**3)(2.0)) is np.float64


def test_forward_mode_is_linear_in_its_direction_and_equals_reverse():
    f = lambda x: knp.tanh(x * x[::-1]).cumsum()
    rng = np.random.default_rng(0)
    u, v, w = rng.normal(size=(3, 3))
    push = lambda d: kb.jvp(f, (X,), (d,))[1]
    assert np.allclose(push(2 * u - v), 2 * push(u) - push(v))
    assert w @ push(u) == pytest.approx(kb.vjp(f, X)[1](w)[0] @ u)


def test_complex_follows_the_steepest_ascent():
    z = np.array([1 + 2j, -0.5j])
    f = lambda z: (z * z.conj()).real.sum()
    assert np.allclose(kb.grad(f)(z), 2 * z)
    _, dy = kb.jvp(lambda z: z * z, (z,), (np.array([1j, 1.0]),))
    assert np.allclose(dy, 2 * z * np.array([1j, 1]))
    _, pullback = kb.vjp(lambda z: z * z, z)
    assert np.allclose(pullback(np.ones(2, complex))[0], 2 * z.conj())
    with pytest.raises(kb.DTypeError, match="complex"):
        kb.jacobian(lambda z: z * z)(z)
    assert np.allclose(kb.jacobian(lambda x: x * 1j)(X), 1j * np.eye(3))
    stacked = kb.jacobian(lambda x: knp.concatenate([x * 1j, x * (2 + 0j)]))(X)  # by forward mode
    assert np.allclose(stacked, np.vstack([1j * np.eye(3), 2 * np.eye(3)]))


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


# jacobian and hessian


def test_jacobian_shapes_both_ways():
    wide = lambda x: knp.outer(x, x)  # more outputs than inputs: forward mode
    tall = lambda a: a.sum(axis=0)[:2]  # fewer: reverse mode
    assert kb.jacobian(wide)(X).shape == (3, 3, 3)
    expected = np.einsum("ik,j->ijk", np.eye(3), X) + np.einsum("jk,i->ijk", np.eye(3), X)
    assert np.allclose(kb.jacobian(wide)(X), expected)
    assert kb.jacobian(tall)(A).shape == (2, 2, 3)
    assert np.allclose(kb.jacobian(tall)(A), np.broadcast_to(np.eye(3)[:2, None, :], (2, 2, 3)))
    assert kb.jacobian(lambda x: x * 2.0)(3.0) == 2
    assert kb.jacobian(lambda a, b: a @ b, (0, 1))(A, X)[1].tolist() == A.tolist()
    assert kb.jacobian(lambda x: x)(np.zeros((0, 2))).shape == (0, 2, 0, 2)


def test_jacobian_of_an_op_with_reverse_mode_only():
    class Square(kb.Function):
        def forward(self, x):
            self.x = x
            return np.stack([x * x, x])

        def backward(self, g):
            return g[0] * 2 * self.x + g[1]

    assert kb.jacobian(Square())(X)[0].tolist() == np.diag(2 * X).tolist()


def test_hessian():
    f = lambda x: x[0] ** 2 * x[1] + knp.sin(x[2])
    h = kb.hessian(f)(X)
    expected = np.zeros((3, 3))
    expected[0, 0], expected[0, 1], expected[1, 0], expected[2, 2] = 2 * X[1], 2 * X[0], 2 * X[0], -np.sin(X[2])
    assert np.allclose(h, expected)
    both = kb.hessian(lambda a, b: (a * b).sum() ** 2, (0, 1))(X, X)
    assert np.allclose(both[0][1], both[1][0].T)
    assert np.allclose(kb.hvp(f, X, np.ones(3)), h @ np.ones(3))


# vmap


def test_vmap_axes():
    f = lambda a, b: a @ b
    left, right = np.random.default_rng(0).normal(size=(2, 4, 3, 3))
    assert np.allclose(kb.vmap(f)(left, right), left @ right)
    assert np.allclose(kb.vmap(f, in_axes=(0, None))(left, right[0]), left @ right[0])
    assert np.allclose(kb.vmap(f, in_axes=(2, 0))(left.transpose(1, 2, 0), right), left @ right)
    assert np.allclose(kb.vmap(f, in_axes=(-1, 0))(left.transpose(1, 2, 0), right), left @ right)
    assert kb.vmap(f, out_axes=1)(left, right).shape == (3, 4, 3)
    assert kb.vmap(f, out_axes=-1)(left, right).shape == (3, 3, 4)
    two = kb.vmap(lambda x: (x, {"s": x.sum()}), out_axes=(1, {"s": 0}))(A)
    assert two[0].shape == (3, 2)
    assert two[1]["s"].shape == (2,)
    by_leaf = kb.vmap(lambda p: p["a"] * p["b"], in_axes=({"a": 0, "b": None},))({"a": A, "b": X})
    assert np.allclose(by_leaf, A * X)
    assert np.allclose(kb.vmap(kb.vmap(f))(left[None], right[None]), (left @ right)[None])


def test_vmap_of_a_constant_and_of_an_unused_argument():
    assert kb.vmap(lambda x: 3.0)(X).tolist() == [3, 3, 3]
    assert kb.vmap(lambda x: np.arange(2))(X).shape == (3, 2)


def test_vmap_nested_with_grad_in_any_order():
    f = lambda x: knp.sin(x) * x
    slope = np.cos(X) * X + np.sin(X)
    assert np.allclose(kb.vmap(kb.grad(f))(X), slope)
    assert np.allclose(kb.grad(lambda x: kb.vmap(f)(x).sum())(X), slope)
    curve = 2 * np.cos(X) - X * np.sin(X)
    assert np.allclose(kb.vmap(kb.grad(kb.grad(f)))(X), curve)
    assert np.allclose(kb.grad(lambda x: kb.vmap(kb.grad(f))(x).sum())(X), curve)
    assert np.allclose(kb.jacobian(kb.vmap(f))(X), np.diag(slope))
    assert np.allclose(kb.vmap(kb.jacobian(lambda x: knp.stack([f(x), x])))(X)[:, 0], slope)
    assert np.allclose(kb.vmap(kb.hessian(cube))(A)[1], np.diag(6 * A[1]))
    assert np.allclose(kb.hessian(lambda x: kb.vmap(f)(x).sum())(X), np.diag(curve))
    assert np.allclose(kb.vmap(lambda x: kb.jvp(f, (x,), (1.0,))[1])(X), slope)
    assert np.allclose(kb.jvp(kb.vmap(f), (X,), (np.ones(3),))[1], slope)
    assert np.allclose(kb.vmap(lambda x: kb.vjp(f, x)[1](2.0)[0])(X), 2 * slope)
    assert np.allclose(kb.vmap(lambda x, v: kb.hvp(cube, x, v))(A, A), 6 * A * A)


def test_per_example_gradients():
    w = np.array([0.3, -0.2, 0.5])
    loss = lambda w, x: knp.tanh(x @ w) ** 2
    found = kb.vmap(kb.grad(loss), in_axes=(None, 0))(w, A)
    assert np.allclose(found, [kb.grad(loss)(w, x) for x in A])


def test_vmap_over_something_that_the_outer_transform_reaches():
    found = kb.grad(lambda w: kb.vmap(lambda x: x * w)(X).sum())(2.0)
    assert found == pytest.approx(X.sum())
    found = kb.jvp(lambda w: kb.vmap(lambda x: x * w)(X), (2.0,), (1.0,))[1]
    assert np.allclose(found, X)
    found = kb.vmap(lambda a: kb.vmap(lambda b: a * b)(X))(X)
    assert np.allclose(found, np.outer(X, X))
    w = kb.tensor(2.0, requires_grad=True)
    kb.vmap(lambda x: x * w)(X).sum().backward()
    assert float(w.grad) == pytest.approx(X.sum())


def test_what_vmap_refuses():
    with pytest.raises(kb.ShapeError, match="one common length, got 2, 3"):
        kb.vmap(lambda a, b: a)(A, X)
    with pytest.raises(kb.ShapeError, match="does not exist"):
        kb.vmap(lambda a: a, in_axes=2)(A)
    with pytest.raises(kb.UsageError, match="3 entries for 1 argument"):
        kb.vmap(lambda a: a, in_axes=(0, 0, 0))(A)
    with pytest.raises(kb.ShapeError, match="got none"):
        kb.vmap(lambda a: a, in_axes=None)(A)
    with pytest.raises(kb.TracingError, match="where"):
        kb.vmap(lambda a: a if a > 0 else -a)(X)
    with pytest.raises(kb.ShapeError, match="does not exist"):
        kb.vmap(lambda a: a)(1.0)
    for axis in (2, -3):
        with pytest.raises(kb.ShapeError, match=f"out_axes {axis} does not exist"):
            kb.vmap(lambda a: a, out_axes=axis)(A)
    with pytest.raises(kb.UsageError, match="whole numbers or None"):
        kb.vmap(lambda a: a, in_axes=0.5)(A)
    with pytest.raises(kb.UsageError, match="depends on the examples"):
        kb.vmap(lambda a: a, out_axes=None)(A)
    with pytest.raises(kb.DTypeError, match="returned str"):
        kb.vmap(lambda a: "a")(A)
    with pytest.raises(kb.DTypeError, match="expected arrays of numbers"):
        kb.vmap(lambda a: a)(["a"])


def test_an_output_of_vmap_may_be_shared():
    w = kb.tensor(2.0, requires_grad=True)
    stack, once = kb.vmap(lambda x, w: (x * w, w * w), in_axes=(0, None), out_axes=(0, None))(X, w)
    assert stack.shape == X.shape
    assert once.shape == ()
    once.backward()
    assert w.grad == 4.0


def test_vmap_keeps_integers():
    found = kb.vmap(lambda i: A.ravel()[0] + i)(np.arange(3))
    assert found.tolist() == [0, 1, 2]
    rows = kb.vmap(lambda k, t: t[k], in_axes=(0, None))(np.array([1, 0, 1]), kb.tensor(A))
    assert np.allclose(rows.numpy(), A[[1, 0, 1]])


def test_zero_examples():
    assert kb.vmap(lambda x: x.sum())(np.zeros((0, 3))).shape == (0,)


def test_a_pullback_remembers_the_arrays_as_they_were() -> None:
    x = np.array([1.0, 2.0])
    _, pullback = kb.vjp(lambda v: v**2, x)
    x[:] = 100.0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2.0, 4.0])


@pytest.mark.parametrize("branches", [(np.array([True, False]), False), (np.array([1, 2]), np.array([3, 4]))])
def test_no_gradient_passes_a_condition(branches):
    x = np.array([1.5, -2.0])
    for choose in (
        lambda x: knp.where(x, *branches),
        lambda x: knp.select([x], [branches[0]], branches[1]),
        lambda x: knp.where(1, x > 0, x < 0),
    ):
        f = lambda x, choose=choose: knp.sum(x) + knp.sum(2.5 / (1 + knp.abs(choose(x))))
        np.testing.assert_array_equal(kb.grad(f)(x), [1.0, 1.0])
        np.testing.assert_array_equal(kb.compile(kb.grad(f))(x), [1.0, 1.0])
