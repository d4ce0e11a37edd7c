"""Numerical differentiation, and the checker on what is right or cannot be decided."""

import numpy as np
import pytest

import koubai as kb
from koubai import numpy as knp
from koubai.check import check_function
from koubai.check.problem import Problem
from koubai.check.slope import slope_of

RNG = np.random.default_rng(7)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=3)


# Slopes


@pytest.mark.parametrize(
    ("f", "at", "slope"),
    [
        (np.sin, 0.3, np.cos(0.3)),
        (np.log, 1e-3, 1e3),
        (lambda x: np.exp(30 * x), 0.1, 30 * np.exp(3)),
        (lambda x: 1e6 * x * x, 2.0, 4e6),
        (lambda x: 1e-9 * np.sin(x), 0.5, 1e-9 * np.cos(0.5)),
        (lambda x: np.sqrt(x), 1e-4, 50.0),
        (np.log, 1e-10, 1e10),
        (np.sqrt, 1e-9, 0.5 * 1e9**0.5),
        (lambda x: abs(x - 1e-5), 0.0, -1.0),  # the kink is near, but not here
    ],
)
def test_a_slope_and_its_own_estimate_of_the_error(f, at, slope):
    found = slope_of(lambda h: np.array([f(at + h)]), 2.0**-6)
    assert found.value[0] == pytest.approx(slope, rel=1e-8)
    assert abs(found.value[0] - slope) <= 10 * found.error[0]
    assert found.jump[0] == 0


def test_a_kink_shows_as_a_jump():
    found = slope_of(lambda h: np.array([max(h, 0.0) + h * h]), 2.0**-6)
    assert found.jump[0] == pytest.approx(1, rel=1e-6)


# numerical_grad


def test_numerical_grad_of_containers_and_several_arguments():
    f = lambda p, q: (p["a"] * p["b"][0]).sum() * q
    p, q = {"a": np.array([1.0, 2.0]), "b": [np.array([3.0, 4.0])]}, 5
    dp, dq = kb.numerical_grad(f, p, q, argnums=(0, -1))
    assert np.allclose(dp["a"], [15, 20], atol=1e-9)
    assert np.allclose(dp["b"][0], [5, 10], atol=1e-9)
    assert float(dq) == pytest.approx(11)


def test_numerical_grad_is_plain_numpy_and_keeps_its_input():
    x = np.array([1.0, 2.0])

    def f(v):
        assert type(v) is np.ndarray
        v[0] *= 2  # a function may spoil its argument
        return v.sum()

    assert np.allclose(kb.numerical_grad(f, x), [2, 1])
    assert x.tolist() == [1, 2]


def test_numerical_grad_complex_points_uphill():
    z = np.array([1 + 2j, -0.5j])
    f = lambda v: ((v * v.conj()).real + v.imag * 3).sum()
    assert np.allclose(kb.numerical_grad(f, z), 2 * z + 3j, atol=1e-9)
    assert np.allclose(kb.numerical_grad(f, z), kb.grad(f)(z), atol=1e-9)


def test_numerical_grad_counts_float32_in_float64():
    slope = kb.numerical_grad(lambda v: (v**3).sum(), np.array([0.1], np.float32))
    assert slope.dtype == np.float64
    assert slope[0] == pytest.approx(3 * float(np.float32(0.1)) ** 2, rel=1e-10)


def test_numerical_grad_refuses():
    with pytest.raises(kb.ShapeError, match="expected one element"):
        kb.numerical_grad(lambda v: v, np.ones(2))
    with pytest.raises(kb.DTypeError, match="complex"):
        kb.numerical_grad(lambda v: v.sum() * 1j, np.ones(2))
    with pytest.raises(kb.DTypeError, match="int64"):
        kb.numerical_grad(lambda v: v.sum(), np.arange(3))
    with pytest.raises(kb.UsageError, match="argument 1"):
        kb.numerical_grad(lambda v: v.sum(), np.ones(2), argnums=1)


# check_grads on what is right


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_network_is_right(order):
    f = lambda x, p: (knp.tanh(x @ p["w"] + p["b"]) ** 2).sum()
    report = kb.check_grads(f, X, {"w": W, "b": B}, order=order)
    assert report.ok
    assert report.max_error < 1e-8
    assert report.notes == ()
    assert "agree to" in str(report)
    assert report.checked >= 8 * order


def test_several_outputs_complex_and_integers_among_them():
    def f(z):
        return {"a": z * z, "b": (knp.abs(z), knp.array([1, 2])), "c": z.real.sum()}

    assert kb.check_grads(f, np.array([1 + 1j, 2 - 3j]), order=2).ok


def test_inputs_of_any_kind():
    assert kb.check_grads(lambda x: x * x, 3).ok
    assert kb.check_grads(lambda x: x * x, kb.tensor([3.0])).ok
    assert kb.check_grads(lambda x: knp.sum(x * x), np.zeros((0, 2))).ok
    assert kb.check_grads(lambda x, y: x @ y, X.astype(np.float32), W).ok


def test_scale_does_not_matter():
    for c in (1e-8, 1e8):
        assert kb.check_grads(lambda x, c=c: c * knp.sin(x), X).max_error < 1e-8
        assert kb.check_grads(lambda x, c=c: knp.sin(x / c), X * c).max_error < 1e-8


def test_a_small_gradient_beside_a_large_one_is_seen():
    class Uneven(kb.Function):
        def forward(self, a, b):
            return 1e6 * a.sum() + 1e-3 * b.sum()

        def backward(self, g):
            return 1e6 * g * np.ones(3), 2e-3 * g * np.ones(3)

    with pytest.raises(kb.GradientError, match="2 times too large"):
        kb.check_grads(Uneven(), B, B)


def test_no_gradient_at_all_agrees():
    assert kb.check_grads(lambda x: knp.floor(x), np.array([0.5, 1.5])).max_error < 1e-12


def test_the_network_with_many_kinks_nearby():
    rng = np.random.default_rng(0)
    x, w, v = rng.normal(size=(200, 10)), rng.normal(size=(10, 50)), rng.normal(size=(50, 3))
    assert kb.check_grads(lambda w, v: knp.maximum(x @ w, 0) @ v, w, v).max_error < 1e-6


# Kinks and precision


KINKED = [
    lambda x: knp.where(x > 0, x, 0.0),
    knp.abs,
    kb.nn.relu,
    lambda x: knp.maximum(x, 0),
    lambda x: knp.max(x, axis=1),
]


@pytest.mark.parametrize("f", KINKED)
def test_a_kink_at_the_point_is_checked_beside_it(f):
    report = kb.check_grads(f, np.array([[0.0, 0.0], [-1.0, 2.0]]))
    assert report.ok
    assert any("kink" in note for note in report.notes)


def test_a_smooth_point_is_checked_where_it_is():
    smooth = kb.check_grads(lambda x: knp.where(x > 0, x, 0.0), np.array([0.1, 1.0, -1.0]))
    assert smooth.notes == ()


def test_a_kink_wherever_one_looks_cannot_be_decided(monkeypatch):
    monkeypatch.setattr(Problem, "beside", lambda self, rng, size: self)
    with pytest.raises(kb.GradientError, match="everywhere around") as caught:
        kb.check_grads(lambda x: knp.where(x > 0, x, 0.0), np.array([0.0, 1.0]))
    assert caught.value.diagnosis.kind == "kink"


def test_float32_inside_cannot_decide():
    with pytest.raises(kb.GradientError, match="float32"):
        kb.check_grads(lambda x: knp.tanh(x.astype(np.float32)), B)
    with pytest.raises(kb.GradientError, match="too little precision"):
        kb.check_grads(lambda x: knp.tanh(x.astype(np.float32)).astype(np.float64), B)


def test_float32_arguments_are_judged_in_float64():
    report = kb.check_grads(lambda x: knp.tanh(x @ W.astype(np.float32)), X.astype(np.float32))
    assert report.max_error < 1e-8
    assert any("single precision" in note for note in report.notes)

    class Coarse(kb.Function):
        """Right in float64 only."""

        def forward(self, x):
            self.x = x
            return x**2

        def backward(self, g):
            return 2 * self.x * g * (1.01 if self.x.dtype == np.float32 else 1.0)

    with pytest.raises(kb.GradientError, match="in float32 it is off"):
        kb.check_grads(Coarse(), X.astype(np.float32))


def test_a_function_that_cannot_be_compared():
    rng = np.random.default_rng()
    with pytest.raises(kb.GradientError, match="different results"):
        kb.check_grads(lambda x: x * rng.normal(), B)
    with pytest.raises(kb.GradientError, match="NaN or infinity"):
        kb.check_grads(lambda x: knp.log(x), np.array([-1.0]))
    with pytest.raises(kb.UsageError, match="floating-point"):
        kb.check_grads(lambda x: x > 0, B)
    with pytest.raises(kb.UsageError, match="modes"):
        kb.check_grads(lambda x: x, B, modes=("sideways",))
    with pytest.raises(kb.UsageError, match="order"):
        kb.check_grads(lambda x: x, B, order=0)
    with pytest.raises(kb.DTypeError, match="int64"):
        kb.check_grads(lambda x: x * 1.0, np.arange(3))


# Layers in a graph


def test_integer_inputs_are_held_fixed():
    class Pick(kb.Function):
        def forward(self, x, k):
            self.shape, self.k = x.shape, k
            return x[np.arange(len(k)), k]

        def backward(self, g):
            dx = np.zeros(self.shape)
            dx[np.arange(len(self.k)), self.k] = g
            return dx, None

    assert check_function(Pick(), (X, np.array([0, 1, 2, 0, 1]))).ok
    with pytest.raises(kb.UsageError, match="Pick"):
        check_function(Pick(), (np.arange(3),))


def test_a_check_of_nothing_is_refused():
    with pytest.raises(kb.UsageError, match="nothing to check"):
        kb.check_grads(lambda: 1.0)
    with pytest.raises(kb.UsageError, match="whole number"):
        kb.check_grads(lambda x: x, 1.0, order=1.5)


def test_numerical_grad_wants_a_number():
    for wrong in (None, "a"):
        with pytest.raises(kb.DTypeError, match="return a number"):
            kb.numerical_grad(lambda x, wrong=wrong: wrong, 1.0)
    with pytest.raises(kb.UsageError, match="argnums: expected"):
        kb.numerical_grad(lambda x: x, 1.0, argnums="a")
