"""Reverse mode, forward mode and batching: what the order of the rules must guarantee."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import koubai as kb
from koubai import numpy as knp
from koubai.diff import conform
from koubai.graph import Op

X = np.array([0.5, -1.5, 2.0])


def leaf(values, dtype=float):
    return kb.tensor(np.asarray(values, dtype), requires_grad=True)


# Accumulation


def test_a_value_used_twice_adds_up():
    x = leaf(3.0)
    (x * x + x * 2.0 + x).backward()
    assert float(x.grad) == 9


def test_an_intermediate_used_twice_adds_up():
    x = leaf(X)
    y = knp.exp(x)
    (y * y + y).sum().backward()
    assert np.allclose(x.grad, 2 * np.exp(2 * X) + np.exp(X))


@pytest.mark.parametrize("uses", [1, 2, 3, 7])
def test_any_number_of_uses_and_no_aliasing(uses):
    x = leaf(X)
    y = x * 1.0
    total = y
    for _ in range(uses):
        total = total + y  # both terms receive the very same array
    g = np.ones(3)
    total.backward(g)
    assert x.grad.tolist() == [uses + 1.0] * 3
    assert g.tolist() == [1, 1, 1]


def test_a_diamond_of_diamonds():
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2**60 paths, 60 nodes
        y = y * 0.5 + y * 0.5
    y.backward()
    assert float(x.grad) == 1


def test_backward_twice_adds_to_grad():
    x = leaf(X)
    y = (x * x).sum()
    y.backward()
    first = x.grad
    y.backward()
    assert np.allclose(x.grad, 4 * X)
    assert np.allclose(first, 2 * X)  # an array that was handed out is not written to


def test_grads_of_two_leaves_do_not_share_memory():
    x, y = leaf(X), leaf(X)
    (x + y).backward(np.ones(3))
    x.grad += 1
    assert y.grad.tolist() == [1, 1, 1]


def test_only_the_needed_leaves_get_a_gradient():
    x, y = leaf(X), kb.tensor(X)
    (x * y).sum().backward()
    assert y.grad is None
    z = leaf(X)
    (z.detach() * x).sum().backward()
    assert z.grad is None


# Shapes, broadcasting, dtypes


@pytest.mark.parametrize(
    ("a", "b"),
    [((), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((1, 1), (2, 3)), ((0, 3), (1, 3)), ((1,), (0,)), ((), (0, 2)),
     ((2, 3), ()), ((4, 1, 3), (2, 1))],
)  # fmt: skip
def test_gradients_are_summed_back_over_broadcast_axes(a, b):
    x, y = leaf(np.ones(a)), leaf(np.full(b, 2.0))
    (x * y).sum().backward()
    size = np.broadcast(np.ones(a), np.ones(b)).size
    assert x.grad.shape == a
    assert y.grad.shape == b
    assert np.allclose(x.grad, 2.0 * size / max(x.size, 1))
    assert np.allclose(y.grad, 1.0 * size / max(y.size, 1))


@given(st.lists(st.integers(0, 3), max_size=3), st.data())
def test_conform_undoes_any_broadcast(shape, data):
    shape = tuple(shape)
    source = tuple(data.draw(st.sampled_from([1, n])) for n in shape)
    source = source[data.draw(st.integers(0, len(source))) :]
    g = conform(np.ones(shape), np.ones(source))
    assert g.shape == source
    assert np.sum(g) == np.prod(shape)


def test_the_gradient_has_the_dtype_of_the_leaf():
    x, w = leaf(X, np.float32), leaf(X)
    z = leaf(X, complex)
    (x * w + (z * (1 + 2j)).real).sum().backward()
    assert x.grad.dtype == np.float32
    assert w.grad.dtype == np.float64
    assert z.grad.dtype == np.complex128
    assert np.allclose(z.grad, 1 - 2j)
    (g,) = kb.vjp(lambda v: v * 1j, X)[1](np.ones(3, complex))
    assert g.dtype == np.float64


def test_mixed_precision_is_promoted_and_cast_back():
    y, pull = kb.vjp(lambda a, b: a * b, np.ones(2, np.float32), np.ones(2))
    assert y.dtype == np.float64
    a, b = pull(np.ones(2, np.float32))
    assert (a.dtype, b.dtype) == (np.float32, np.float64)


def test_zero_size_and_0d():
    assert kb.grad(lambda x: x.sum())(np.zeros((0, 2))).shape == (0, 2)
    assert isinstance(kb.grad(lambda x: x * x)(3.0), np.float64)
    assert kb.grad(lambda x: (x * x).reshape(()))(np.array([3.0])).tolist() == [6]


# Ops without a gradient


def test_piecewise_constant_ops_stop_the_gradient():
    assert kb.grad(lambda x: (knp.floor(x) * x).sum())(X).tolist() == np.floor(X).tolist()
    assert kb.grad(lambda x: knp.sign(x).sum())(X).tolist() == [0, 0, 0]
    assert not (leaf(X) > 0).requires_grad
    assert not knp.argmax(leaf(X)).requires_grad


def test_forward_mode_passes_ops_without_a_gradient():
    _, dy = kb.jvp(lambda x: knp.where(x > 0, x * x, knp.floor(x)), (X,), (np.ones(3),))
    assert dy.tolist() == [1, 0, 4]


def test_an_op_with_reverse_mode_only_says_so():
    op = kb.Op("one_way", np.sin, lambda x: x, kb.Words("y", "dy", "One way.", "一方向。"),
               vjp=(lambda g, y, x: g * knp.cos(x),))  # fmt: skip
    assert kb.grad(op)(0.0) == 1
    with pytest.raises(kb.UnsupportedError, match="one_way: forward mode"):
        kb.jvp(op, (0.0,), (1.0,))


# Long sums: linear time


def test_many_uses_are_linear():
    x = leaf(np.ones(10))
    terms = [x * float(k) for k in range(2000)]
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    total.sum().backward()
    assert x.grad.tolist() == [2000 * 1999 / 2] * 10


def test_what_cannot_be_a_gradient_is_refused_where_it_is_given():
    x = kb.tensor([1.0, 2.0], requires_grad=True)
    for wrong in (np.array([1j, 1.0]), kb.tensor([1j, 1.0])):
        with pytest.raises(kb.DTypeError, match="complex"):
            (x * 2).backward(wrong)
    with pytest.raises(kb.DTypeError, match="expected numbers"):
        (x * 2).backward(["a", "b"])
    for wrong in ([1j, 1.0], [None, 1.0]):
        with pytest.raises(kb.DTypeError, match="grad: expected numbers that fit float64"):
            x.grad = wrong
    whole = kb.tensor([1, 2], name="whole")
    whole.requires_grad = True
    with pytest.raises(kb.DTypeError, match="whole requires a gradient, but numbers of dtype int64"):
        (whole * 2.5).sum().backward()


def test_a_new_tensor_does_not_cut_a_gradient_off_silently():
    with pytest.raises(kb.DTypeError, match=r"kb.numpy.array.*detach"):
        kb.grad(lambda x: kb.tensor(x) ** 2)(3.0)
    leaf = kb.tensor(3.0, requires_grad=True)
    assert kb.tensor(leaf).item() == kb.tensor((leaf * 1.0).detach()).item() == 3.0
    with pytest.raises(kb.TracingError, match=r"kb.tensor\(\)"):
        kb.vmap(lambda x: kb.tensor(x))(np.ones(2))
    with pytest.raises(kb.DTypeError, match="tensor: data type"):
        kb.tensor(1.0, dtype="wrong")


def test_a_rule_of_the_wrong_shape_is_named():
    short = Op(
        "short", lambda x: x.sum(axis=0), lambda x: kb.Type(x.shape[1:], x.dtype), kb.Words("", "", "", ""),
        vjp=(lambda g, y, x: g[:2],),
    )  # fmt: skip
    x = kb.tensor(np.ones((4, 3)), requires_grad=True)
    message = r"short: the rule for the gradient of input 0 returned the shape \(2,\), expected the shape \(4, 3\)"
    with pytest.raises(kb.GradientShapeError, match=message):
        short(x).sum().backward()
    with pytest.raises(kb.GradientShapeError, match=message):
        kb.grad(lambda x: short(x).sum())(np.ones((4, 3)))
