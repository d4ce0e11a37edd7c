"""Numerical differentiation, and the checker: it passes what is right and names every planted fault."""

import numpy as np
import pytest

import koubai as kb
from koubai import numpy as knp
from koubai.check import check_function, check_functions
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


def test_a_layer_by_hand_is_checked_and_its_missing_mode_reported():
    report = kb.check_grads(Linear(), X, W, B)
    assert report.ok
    assert any("forward mode was not checked" in note and "Linear" in note for note in report.notes)
    with pytest.raises(kb.UnsupportedError, match="forward mode"):
        kb.check_grads(Linear(), X, W, B, modes=("fwd",))
    with pytest.raises(kb.UnsupportedError, match="differentiable_backward"):
        kb.check_grads(Linear(), X, W, B, order=2)


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


# Faults, each planted and named


class Linear(kb.Function):
    def forward(self, x, w, b):
        self.x, self.w = x, w
        return x @ w + b

    def backward(self, g):
        return g @ self.w.T, self.x.T @ g, g.sum(axis=0)


class Square(kb.Function):
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, g):
        return 2 * self.x * g


def planted(base, **methods):
    return type(base.__name__, (base,), methods)()


FAULTS = {
    "a missing 2": (planted(Square, backward=lambda s, g: s.x * g), (B,), "factor", "2 times too small"),
    "a 2 too many": (planted(Square, backward=lambda s, g: 4 * s.x * g), (B,), "factor", "2 times too large"),
    "a missing input": (planted(Square, backward=lambda s, g: 2 * g), (B,), "factor", "multiply by input 'x'"),
    "a missing slope": (
        planted(Square, forward=lambda s, x: np.tanh(x), backward=lambda s, g: g), (B,),
        "factor", "1 - the output squared",
    ),
    "a sign": (planted(Square, backward=lambda s, g: -2 * s.x * g), (B,), "sign", "sign is turned"),
    "one row instead of the sum": (
        planted(Linear, backward=lambda s, g: (g @ s.w.T, s.x.T @ g, g[1])), (X, W, B),
        "batch", "missing sum over the batch: .* example 1 alone",
    ),
    "a mean instead of the sum": (
        planted(Linear, backward=lambda s, g: (g @ s.w.T, s.x.T @ g, g.mean(axis=0))), (X, W, B),
        "batch", "missing sum over the batch: .* 5 times too small",
    ),
    "one example's outer product": (
        planted(Linear, backward=lambda s, g: (g @ s.w.T, np.outer(s.x[0], g[0]), g.sum(axis=0))), (X, W, B),
        "batch", "missing sum over the batch: .* example 0 alone",
    ),
    "W for W^T": (
        planted(Linear, backward=lambda s, g: (g @ s.w, s.x.T @ g, g.sum(axis=0))), (X, W, B),
        "transpose", "transposed matrix",
    ),
    "dW transposed": (
        planted(Linear, backward=lambda s, g: (g @ s.w.T, g.T @ s.x, g.sum(axis=0))), (X, W, B),
        "transpose", "rows and columns exchanged",
    ),
    "dW reshaped": (
        planted(Linear, backward=lambda s, g: (g @ s.w.T, (g.T @ s.x).reshape(3, 2), g.sum(axis=0))),
        (X, W[:, :2], B[:2]), "transpose", "reshaped where they should be transposed",
    ),
    "cut": (planted(Square, backward=lambda s, g: 0 * g), (B,), "cut", "no gradient arrives"),
    "0/0": (
        planted(Square, forward=lambda s, x: np.abs(x), backward=lambda s, g: g * np.float64(np.nan)), (B,),
        "not finite", "division by zero",
    ),
    "beyond a kink's slopes": (
        planted(Square, forward=lambda s, x: (setattr(s, "x", x), np.maximum(x, 0))[1],
                backward=lambda s, g: g * np.where(s.x > 0, 1.0, np.where(s.x == 0, 7.0, 0.0))),
        (np.array([0.0, 1.0, -1.0]),), "kink", "a kink: the slopes on both sides are",
    ),
    "something else": (planted(Square, backward=lambda s, g: np.roll(g, 1) + s.x), (B,), "unknown", "term by term"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(name):
    layer, inputs, kind, says = FAULTS[name]
    with pytest.raises(kb.GradientError, match=f"(?s)layer {type(layer).__name__}, input '.*{says}") as caught:
        check_function(layer, inputs)
    assert caught.value.diagnosis.kind == kind
    with pytest.raises(kb.GradientError) as caught:  # inside a larger function, the layer is found too
        kb.check_grads(lambda *xs: knp.tanh(layer(*xs)).sum() * 2.0, *inputs)
    assert f"layer {type(layer).__name__} (test_check.py:" in str(caught.value)


def test_both_numbers_and_the_index_are_right():
    def backward(self, g):
        slope = 2 * self.x * g
        slope[1, 2] *= 1.5
        return slope

    with pytest.raises(kb.GradientError) as caught:
        kb.check_grads(lambda x: planted(Square, backward=backward)(x).sum(), X, modes=("rev",))
    found = caught.value.diagnosis
    assert found.index == (1, 2)
    assert found.analytic / found.numerical == pytest.approx(1.5, rel=1e-6)
    assert found.mode == "reverse"
    assert f"{found.analytic:.10g}" in str(caught.value)


def test_one_wrong_number_among_many_is_found():
    def backward(self, g):
        slope = 2 * self.x * g
        slope[4321] *= 1.01
        return slope

    with pytest.raises(kb.GradientError) as caught:
        check_function(planted(Square, backward=backward), (np.random.default_rng(1).normal(size=10000),))
    assert caught.value.diagnosis.index == (4321,)


def test_a_wrong_complex_part_is_named():
    op = kb.Op("bad_conj", np.conjugate, lambda x: x, WORDS, vjp=(lambda g, y, x: g,), jvp=(lambda t, y, x: t.conj(),))
    with pytest.raises(kb.GradientError, match="imaginary part"):
        kb.check_grads(op, np.array([1 + 2j, 3 - 1j]))


WORDS = kb.Words("y", "dy", "An op.", "演算。")


def test_a_wrong_op_is_named_with_its_line():
    op = kb.Op("wrong", np.sin, lambda x: x, WORDS, vjp=(lambda g, y, x: g * x,), jvp=(lambda t, y, x: t * knp.cos(x),))
    with pytest.raises(kb.GradientError, match=r"op wrong \(test_check.py:\d+\), input 0, index") as caught:
        kb.check_grads(lambda x: knp.exp(op(x * 2.0)).sum(), B)
    assert caught.value.diagnosis.mode == "reverse"
    op = kb.Op("wrong", np.sin, lambda x: x, WORDS, vjp=(lambda g, y, x: g * knp.cos(x),), jvp=(lambda t, y, x: t * x,))
    with pytest.raises(kb.GradientError, match="op wrong") as caught:
        kb.check_grads(lambda x: knp.exp(op(x * 2.0)).sum(), B)
    assert caught.value.diagnosis.mode == "forward"


def test_a_wrong_second_derivative_is_found():
    # The first derivative is right, but its rule hides x from the second.
    op = kb.Op(
        "once", np.sin, lambda x: x, WORDS,
        vjp=(lambda g, y, x: g * (knp.cos(x.detach()) if isinstance(x, kb.Tensor) else np.cos(x)),),
    )  # fmt: skip
    assert kb.check_grads(op, B, modes=("rev",)).ok
    with pytest.raises(kb.GradientError, match="derivative of order 1"):
        kb.check_grads(op, B, order=2, modes=("rev",))


def test_a_part_cut_off_in_the_graph_is_said():
    with pytest.raises(kb.GradientError, match="every op by itself is right") as caught:
        kb.check_grads(lambda x: x * x.detach(), B)
    assert caught.value.diagnosis.kind == "cut"


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

    class Coarse(Square):
        """Right in float64 only."""

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


def test_every_layer_of_a_graph_is_checked():
    x = kb.tensor(X, requires_grad=True)
    good, bad = Linear(), planted(Linear, backward=lambda s, g: (g @ s.w, s.x.T @ g, g.sum(axis=0)))
    y = good(Square()(x), W, B)
    assert len(check_functions(y.sum())) == 2
    with pytest.raises(kb.GradientError, match="layer Linear, input 'x'"):
        check_functions(bad(y, W, B).sum())


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


@pytest.mark.parametrize("size", [1e-300, 1e160, 1e250, 1e300])
def test_a_fault_is_found_whatever_the_size_of_the_values(size):
    half = kb.Op(
        "half_square", lambda x: x * x, lambda x: x, kb.Words("", "", "", ""), vjp=(lambda g, y, x: g * x,)
    )
    x = np.linspace(0.5, 1.5, 6)
    with pytest.raises(kb.GradientError, match="2 times too small"):
        kb.check_grads(lambda x: size * half(x), x, modes=("rev",))
    assert kb.check_grads(lambda x: size * (x * x), x).max_error < 1e-9


@pytest.mark.parametrize("excess", [1e-4, 1e-5])
def test_a_small_fault_is_found_in_its_op_and_told_from_none(excess):
    near = kb.Op(
        "near", lambda x: x * x, lambda x: x, kb.Words("", "", "", ""), vjp=(lambda g, y, x: g * x * (2 + 2 * excess),)
    )
    x = np.random.default_rng(0).normal(size=(4, 3))
    with pytest.raises(kb.GradientError, match=rf"op near .*(?s:.*)is {1 + excess:.8g} times too large"):
        kb.check_grads(near, x, modes=("rev",))


def test_numerical_grad_wants_a_number():
    for wrong in (None, "a"):
        with pytest.raises(kb.DTypeError, match="return a number"):
            kb.numerical_grad(lambda x, wrong=wrong: wrong, 1.0)
    with pytest.raises(kb.UsageError, match="argnums: expected"):
        kb.numerical_grad(lambda x: x, 1.0, argnums="a")


def test_a_fault_of_forward_mode_is_not_called_one_of_backward():
    op = kb.Op(
        "half", lambda x: x**2, lambda x: x, WORDS, vjp=(lambda g, y, x: 2 * g * x,), jvp=(lambda t, y, x: t * x,)
    )
    with pytest.raises(kb.GradientError, match="a factor missing in a rule of forward mode"):
        kb.check_grads(op, np.array([0.5, 1.5]))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_factor_that_happens_to_be_the_length_is_no_missing_sum(n):
    op = kb.Op("short", lambda x: n * x, lambda x: x, WORDS, vjp=(lambda g, y, x: g,))
    with pytest.raises(kb.GradientError, match=f"a factor missing in a backward: the gradient is {n} times too small"):
        kb.check_grads(op, np.linspace(1.0, 2.0, n), modes=("rev",))
