"""jacobian, hessian and vmap: over any axes, nested, and with bad arguments."""

import numpy as np
import pytest

import koubai as kb
from koubai import numpy as knp

X = np.array([0.5, -1.5, 2.0])
A = np.arange(6.0).reshape(2, 3) / 3.0


def cube(x):
    return (x**3).sum()


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
