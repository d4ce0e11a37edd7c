"""Layers written by hand: on numbers, in a graph, twice, under every transform, and with every mistake."""

import gc
import weakref

import numpy as np
import pytest

import koubai as kb
from koubai.graph import to_text, verify


class Add(kb.Function):
    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout, dout


class Mul(kb.Function):
    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class Relu(kb.Function):
    """Writes into the gradient that it receives, as many hand-written layers do."""

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class Affine(kb.Function):
    def forward(self, x, w, b):
        self.x, self.w = x, w
        return x @ w + b

    def backward(self, dout):
        return dout @ self.w.T, self.x.T @ dout, dout.sum(axis=0)


class Polar(kb.Function):
    """Two outputs."""

    def forward(self, r, phi):
        self.r, self.phi = r, phi
        return r * np.cos(phi), r * np.sin(phi)

    def backward(self, dx, dy):
        dr = dx * np.cos(self.phi) + dy * np.sin(self.phi)
        return dr, self.r * (dy * np.cos(self.phi) - dx * np.sin(self.phi))


class Cube(kb.Function):
    """Runs on tensors too."""

    differentiable_backward = True

    def forward(self, x):
        self.x = x
        return x * x * x

    def backward(self, dout):
        return dout * 3.0 * self.x * self.x


class DifferentiablePolar(kb.Function):
    differentiable_backward = True

    def forward(self, r, phi):
        self.c, self.s, self.r = phi, 1.0 - phi * phi, r
        return r * self.c, r * self.s

    def backward(self, dx, dy):
        return dx * self.c + dy * self.s, self.r * (dx - 2.0 * self.c * dy)


def tensors(*values):
    return [kb.tensor(v, dtype=float, requires_grad=True) for v in values]


# On plain numbers


def test_the_layers_of_a_graph_by_hand():
    add, mul, last = Add(), Mul(), Mul()
    assert add.forward(20, 10) == 30
    assert add.backward(1) == (1, 1)
    assert mul.forward(10, 20) == 200
    assert mul.backward(1) == (20, 10)
    first = Mul()
    out = last.forward(first.forward(1, 2), add.forward(10, 20))
    assert out == 60
    left, right = last.backward(1)
    assert (left, right) == (30, 2)
    assert first.backward(left) == (60, 30)
    assert add.backward(right) == (2, 2)


def test_a_call_on_plain_numbers_is_forward():
    layer = Mul()
    assert layer(10, 20) == 200
    assert layer.backward(1) == (20, 10)


# In a graph


def test_backward_through_layers():
    a, b, c, d = tensors(1.0, 2.0, 10.0, 20.0)
    out = Mul()(Mul()(a, b), Add()(c, d))
    assert out.item() == 60
    out.backward()
    assert [float(t.grad) for t in (a, b, c, d)] == [60, 30, 2, 2]


def test_the_same_layer_twice_keeps_each_calls_inputs():
    layer = Mul()
    x, y = tensors(3.0, 4.0)
    layer(layer(x, y), layer(x, x)).backward()  # x^3 y
    assert float(x.grad) == 3 * 9 * 4
    assert float(y.grad) == 27
    assert layer.x is None  # the instance itself is untouched


def test_a_layer_may_write_into_its_gradient_but_not_into_its_input():
    (x,) = tensors([-1.0, 2.0])
    y = Relu()(x)
    g = np.ones(2)
    y.backward(g)
    assert g.tolist() == [1, 1]
    assert x.grad.tolist() == [0, 1]

    class Bad(Relu):
        def forward(self, x):
            x[x < 0] = 0
            return x

    with pytest.raises(ValueError, match="read-only"):
        Bad()(x)


def test_arrays_constants_and_integers_as_inputs():
    (x,) = tensors([1.0, 2.0])
    Mul()(x, np.array([3, 4])).sum().backward()
    assert x.grad.tolist() == [3, 4]
    assert isinstance(Mul()(kb.tensor(2.0), 3.0), kb.Tensor)
    assert not Mul()(kb.tensor(2.0), 3.0).requires_grad


def test_several_outputs():
    r, phi = tensors(2.0, 0.5)
    x, y = Polar()(r, phi)
    (3.0 * x + y).backward()
    assert float(r.grad) == pytest.approx(3 * np.cos(0.5) + np.sin(0.5))
    verify([x, y])
    r.grad = phi.grad = None
    _, y = Polar()(r, phi)  # one output unused: its gradient is zero
    y.backward()
    assert float(phi.grad) == pytest.approx(2 * np.cos(0.5))
    with kb.no_grad():
        x, y = Polar()(r, phi)
    assert not x.requires_grad


def test_float32_stays():
    x = kb.tensor(np.ones((2, 3), np.float32), requires_grad=True)
    w, b = np.ones((3, 2), np.float32), np.zeros(2, np.float32)
    y = Affine()(x, w, b)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_a_gradient_of_none_is_zero():
    class Pick(kb.Function):
        def forward(self, x, k):
            return x * k

        def backward(self, dout):
            return dout, None

    x, k = tensors([1.0, 2.0], 3.0)
    Pick()(x, k).sum().backward()
    assert float(k.grad) == 0


def test_the_graph_prints_and_verifies():
    x, y = tensors([1.0, 2.0], [3.0, 4.0])
    out = Mul()(x, y)
    assert "Mul(" in to_text(out)
    verify(out)


def test_a_call_is_freed_by_reference_counting():
    x, y = tensors([1.0, 2.0], [3.0, 4.0])
    out = Mul()(x, y)
    out.sum().backward()
    gone = weakref.ref(out)
    gc.disable()
    try:
        del out
        assert gone() is None
    finally:
        gc.enable()


# Transforms


def test_transforms():
    layer = Mul()
    assert kb.grad(lambda x: layer(x, x))(3.0) == 6
    assert [float(g) for g in kb.vjp(layer, 10.0, 20.0)[1](1.0)] == [20, 10]
    assert kb.jacobian(lambda x: Relu()(x))(np.array([-1.0, 2.0])).tolist() == [[0, 0], [0, 1]]


def test_vmap_runs_each_example():
    x = np.array([[-1.0, 2.0], [3.0, -4.0]])
    assert kb.vmap(Relu())(x).tolist() == [[0, 2], [3, 0]]
    assert kb.vmap(kb.grad(lambda v: Mul()(v, v).sum()))(x).tolist() == (2 * x).tolist()
    both = kb.vmap(Polar())(np.array([1.0, 2.0]), np.array([0.1, 0.2]))
    assert np.allclose(both[0], [np.cos(0.1), 2 * np.cos(0.2)])
    (t,) = tensors(x)
    (kb.vmap(Relu())(t) * np.array([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert t.grad.tolist() == [[0, 2], [3, 0]]


def test_a_layer_that_cannot_run_on_an_example_says_how_to_help():
    class Picky(Relu):
        def forward(self, x):
            if x.sum() > -1e9:
                raise ValueError("no")
            return x

    with pytest.raises(kb.KoubaiError, match="Override infer"):
        kb.vmap(Picky())(np.ones((2, 3)))

    class Helped(Relu):
        def infer(self, x):
            return x

    assert kb.vmap(Helped())(np.ones((2, 3))).shape == (2, 3)


def test_second_order_and_forward_mode_say_what_is_missing():
    with pytest.raises(kb.UnsupportedError, match="differentiable_backward"):
        kb.grad(kb.grad(lambda x: Mul()(x, x) * x))(3.0)
    with pytest.raises(kb.UnsupportedError, match="differentiable_backward"):
        kb.jvp(lambda x: Mul()(x, x), (3.0,), (1.0,))


def test_first_order_inside_a_recorded_transform_is_allowed():
    # The outer derivative does not pass through the inner gradient.
    assert kb.grad(lambda x: x * kb.grad(lambda y: Mul()(y, y))(4.0))(3.0) == 8


def test_a_declared_backward_gives_every_derivative():
    f = lambda x: Cube()(x)
    assert kb.grad(kb.grad(f))(2.0) == 12
    assert kb.grad(kb.grad(kb.grad(f)))(2.0) == 6
    assert kb.jvp(f, (2.0,), (10.0,))[1] == 120
    assert kb.hvp(lambda x: Cube()(x).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0])).tolist() == [6, 12]
    assert kb.check_grads(Cube(), np.array([0.5, -1.5]), order=2).ok
    assert kb.check_grads(DifferentiablePolar(), np.array([0.5, -1.5]), np.array([0.3, 0.4]), order=2).notes == ()


# Mistakes


def test_wrong_number_of_gradients():
    class Short(Affine):
        def backward(self, dout):
            return dout @ self.w.T

    (x,) = tensors(np.ones((2, 3)))
    with pytest.raises(kb.UsageError, match=r"Short: expected backward to return 3 .*\('x', 'w', 'b'\), got 1"):
        Short()(x, np.ones((3, 2)), np.zeros(2)).sum().backward()


def test_wrong_shape_of_gradients():
    class NoSum(Affine):
        def backward(self, dout):
            return dout @ self.w.T, self.x.T @ dout, dout

    x, w, b = tensors(np.ones((4, 3)), np.ones((3, 2)), np.zeros(2))
    says = r"NoSum: .* shape \(4, 2\) for 'b', expected .*\(2,\).*sum over the batch"
    with pytest.raises(kb.GradientError, match=says):
        NoSum()(x, w, b).sum().backward()

    class Turned(Affine):
        def backward(self, dout):
            return dout @ self.w.T, dout.T @ self.x, dout.sum(axis=0)

    with pytest.raises(kb.ShapeError, match="transposed"):
        Turned()(x, w, b).sum().backward()


def test_missing_methods_and_strange_inputs():
    (x,) = tensors(1.0)
    with pytest.raises(kb.UnsupportedError, match="needs a method forward"):
        kb.Function()(x)
    with pytest.raises(kb.DTypeError, match="Mul: expected input 1"):
        Mul()(x, "two")

    class Texts(kb.Function):
        def forward(self, x):
            return "two"

    with pytest.raises(kb.DTypeError, match="expected numbers from forward"):
        Texts()(x)

    class Leaks(kb.Function):
        def forward(self, x):
            return x * kb.tensor(2.0)

    with pytest.raises(kb.DTypeError, match="pass them as inputs"):
        Leaks()(x)


def test_an_error_in_forward_reaches_the_user_as_it_is():
    class Raises(kb.Function):
        def forward(self, x):
            raise IndexError("mine")

    with pytest.raises(IndexError, match=r"^mine$"):
        Raises()(kb.tensor([1.0]))


# An op record of one's own


def test_registering_an_op():
    op = kb.Op(
        "test_softsign",
        lambda x: x / (1 + abs(x)),
        lambda x: x,
        kb.Words("y = x/(1 + |x|)", "dy/dx = 1/(1 + |x|)^2", "A soft sign.", "なめらかな符号。"),
        vjp=(lambda g, y, x: g / (1.0 + abs(x)) ** 2,),
        jvp=(lambda t, y, x: t / (1.0 + abs(x)) ** 2,),
        samples=lambda: [kb.Sample((np.array([0.5, -2.0]),))],
    )
    x = np.array([0.5, -2.0])
    assert kb.check_grads(op, x, order=2).ok
    assert kb.grad(lambda v: op(v).sum())(x).tolist() == [1 / 2.25, 1 / 9]


def test_the_gradient_of_a_constant_is_not_looked_at():
    x = kb.tensor([1.0, 2.0, 3.0], requires_grad=True)
    Mul()(x, 2.0).sum().backward()  # Its backward returns three numbers for the one that is constant.
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    y = kb.tensor(2.0, requires_grad=True)
    with pytest.raises(kb.GradientShapeError, match="'y'"):
        Mul()(x, y).sum().backward()
