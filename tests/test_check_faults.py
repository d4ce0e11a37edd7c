"""The checker names every planted fault."""

import numpy as np
import pytest

import koubai as kb
from koubai import numpy as knp
from koubai.check import check_function, check_functions

RNG = np.random.default_rng(7)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=3)


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
    assert f"layer {type(layer).__name__} (test_check_faults.py:" in str(caught.value)


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
    with pytest.raises(kb.GradientError, match=r"op wrong \(test_check_faults.py:\d+\), input 0, index") as caught:
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


# Layers


def test_a_layer_by_hand_is_checked_and_its_missing_mode_reported():
    report = kb.check_grads(Linear(), X, W, B)
    assert report.ok
    assert any("forward mode was not checked" in note and "Linear" in note for note in report.notes)
    with pytest.raises(kb.UnsupportedError, match="forward mode"):
        kb.check_grads(Linear(), X, W, B, modes=("fwd",))
    with pytest.raises(kb.UnsupportedError, match="differentiable_backward"):
        kb.check_grads(Linear(), X, W, B, order=2)


def test_every_layer_of_a_graph_is_checked():
    x = kb.tensor(X, requires_grad=True)
    good, bad = Linear(), planted(Linear, backward=lambda s, g: (g @ s.w, s.x.T @ g, g.sum(axis=0)))
    y = good(Square()(x), W, B)
    assert len(check_functions(y.sum())) == 2
    with pytest.raises(kb.GradientError, match="layer Linear, input 'x'"):
        check_functions(bad(y, W, B).sum())


@pytest.mark.parametrize("size", [1e-300, 1e160, 1e250, 1e300])
def test_a_fault_is_found_whatever_the_size_of_the_values(size):
    half = kb.Op("half_square", lambda x: x * x, lambda x: x, kb.Words("", "", "", ""), vjp=(lambda g, y, x: g * x,))
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
