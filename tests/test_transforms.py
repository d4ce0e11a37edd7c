"""grad, vjp, jvp: over containers, and with bad arguments."""

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
