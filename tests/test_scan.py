"""kb.scan: what a loop in Python does, in every way of reading it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
import koubai.numpy as knp
from koubai.graph import topological

RNG = np.random.default_rng(0)
W, H, XS = RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3)), RNG.normal(size=(4, 2, 3))


def unrolled(f: Any, carry: Any, xs: Any, reverse: bool = False) -> tuple[Any, Any]:
    """What scan is to do, as a loop in Python."""
    order = range(len(xs))
    rows: dict[int, Any] = {}
    for k in reversed(order) if reverse else order:
        carry, rows[k] = f(carry, xs[k])
    return carry, knp.stack([rows[k] for k in order])


def cell(w: Any) -> Any:
    """Three carries: one is handed out, one is kept, one counts."""

    def step(carry: Any, x: Any) -> Any:
        h, memory, k = carry
        after = knp.tanh(h @ w + x) * (1.0 + 0.1 * k)
        return (after, 0.5 * memory + after * x, k + 1), after * memory

    return step


def energy(loop: Any, reverse: bool = False) -> Any:
    def f(w: Any, h: Any, xs: Any) -> Any:
        (last, memory, _), ys = loop(cell(w), (h, knp.sin(h), 0), xs, reverse=reverse)
        return knp.sum(ys * ys) + knp.sum(last * memory)

    return f


def unrecorded(f: Any, *args: Any) -> Any:
    with kb.no_grad():
        return f(*args)


BOTH = pytest.mark.parametrize("reverse", [False, True])


@BOTH
def test_it_does_what_the_loop_does(reverse: bool) -> None:
    (h, memory, k), ys = kb.scan(cell(W), (H, np.sin(H), 0), XS, reverse=reverse)
    (h2, memory2, k2), ys2 = unrolled(cell(W), (H, np.sin(H), 0), XS, reverse)
    for a, b in ((h, h2), (memory, memory2), (ys, ys2)):
        assert type(a) is np.ndarray
        np.testing.assert_allclose(a, b, rtol=1e-14)
    assert k == k2 == 4
    assert k.dtype == np.int64


@BOTH
def test_derivatives_are_those_of_the_loop(reverse: bool) -> None:
    f, g = energy(kb.scan, reverse), energy(unrolled, reverse)
    for ours, theirs in zip(kb.grad(f, (0, 1, 2))(W, H, XS), kb.grad(g, (0, 1, 2))(W, H, XS)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(kb.hessian(f)(W, H, XS), kb.hessian(g)(W, H, XS), rtol=1e-9, atol=1e-12)
    changes = [kb.jvp(k, (W, H, XS), (H.T @ H, H + 1, XS - 1))[1] for k in (f, g)]
    np.testing.assert_allclose(*changes, rtol=1e-12)


def test_derivatives_against_differences() -> None:
    assert kb.check_grads(energy(kb.scan), W, H, XS, order=2).ok


def test_a_scan_is_one_node_whatever_its_length() -> None:
    x = kb.tensor(XS, requires_grad=True)
    sizes = {len(topological([kb.scan(cell(W), (H, H, 0), x[:n])[1]])) for n in (1, 4)}
    assert len(sizes) == 1
    g = kb.compile(kb.grad(energy(kb.scan)))
    g(W, H, XS)
    assert g.programs
    names = [name for traced in next(iter(g.programs.values())) for name in traced.program.callbacks()]
    assert names == []


@BOTH
def test_compiled_and_batched(reverse: bool) -> None:
    f = kb.value_and_grad(energy(kb.scan, reverse))
    value, slope = kb.compile(f)(W, H, XS)
    np.testing.assert_allclose(value, f(W, H, XS)[0], rtol=1e-14)
    np.testing.assert_allclose(slope, f(W, H, XS)[1], rtol=1e-12)
    many = RNG.normal(size=(5, 4, 2, 3))
    for axes, args in (((None, None, 0), (W, H, many)), ((None, 0, None), (W, many[:, 0], XS))):
        values, slopes = kb.vmap(f, in_axes=axes)(*args)
        each = [f(*(a[i] if axis == 0 else a for a, axis in zip(args, axes))) for i in range(5)]
        np.testing.assert_allclose(values, [v for v, _ in each], rtol=1e-12)
        np.testing.assert_allclose(slopes, [s for _, s in each], rtol=1e-11)


def test_lengths_zero_and_one() -> None:
    for n in (0, 1):
        (h, _, k), ys = kb.scan(cell(W), (H, H, 0), XS[:n])
        assert (ys.shape, int(k)) == ((n, 2, 3), n)
        if n == 0:
            np.testing.assert_array_equal(h, H)
        slopes = kb.grad(energy(kb.scan), (0, 1, 2))(W, H, XS[:n])
        assert [s.shape for s in slopes] == [(3, 3), (2, 3), (n, 2, 3)]
        by_hand = energy(unrolled) if n else lambda w, h, xs: knp.sum(h * knp.sin(h))
        np.testing.assert_allclose(slopes[1], kb.grad(by_hand, 1)(W, H, XS[:n]), rtol=1e-12)
    assert float(kb.scan(lambda c, _: (c * 2, None), 1.0, length=0)[0]) == 1.0


def test_an_empty_carry_is_a_map() -> None:
    last, ys = kb.scan(lambda _, x: (None, {"y": x * x}), None, XS)
    assert last is None
    np.testing.assert_array_equal(ys["y"], XS * XS)
    assert kb.scan(lambda c, x: (c, None), (), XS) == ((), None)
    slope = kb.grad(lambda x: knp.sum(kb.scan(lambda c, r: (c, r**3), (), x)[1]))(XS)
    np.testing.assert_allclose(slope, 3 * XS**2)


def test_containers_of_all_kinds() -> None:
    def step(c: Any, x: Any) -> Any:
        return {"b": [c["b"][0] + x["n"]], "a": c["a"] * x["v"]}, (x["v"], [c["a"]])

    xs = {"n": np.arange(3), "v": np.array([1.0, 2.0, 3.0])}
    last, (vs, [before]) = kb.scan(step, {"a": 1.0, "b": [10]}, xs)
    assert (list(last), float(last["a"]), int(last["b"][0])) == (["a", "b"], 6.0, 13)
    assert (vs.tolist(), before.tolist()) == ([1, 2, 3], [1, 1, 2])


def test_a_python_number_takes_the_dtype_of_what_it_meets() -> None:
    xs = np.ones(3, np.float32)
    for start in (0, 0.0):
        total, sums = kb.scan(lambda c, x: (c + x, c), start, xs)
        assert (total.dtype, sums.dtype, float(total)) == (np.float32, np.float32, 3.0)
    assert kb.scan(lambda k, _: (k + 1, k), 0, length=2)[1].tolist() == [0, 1]
    flag, _ = kb.scan(lambda k, x: (k & (x > 0), None), True, XS[:, 0, 0] ** 2)
    assert flag.dtype == np.bool_
    assert flag


def test_what_the_body_captures_receives_its_gradient() -> None:
    w = kb.nn.Parameter(W)
    scale = kb.tensor(2.0, requires_grad=True)
    last, _ = kb.scan(lambda h, x: (knp.tanh(h @ (w * scale) + x), None), H, XS)
    last.sum().backward()
    f = lambda w, s: kb.scan(lambda h, x: (knp.tanh(h @ (w * s) + x), None), H, XS)[0].sum()
    expected = kb.grad(f, (0, 1))(W, 2.0)
    np.testing.assert_allclose(w.grad, expected[0], rtol=1e-12)
    np.testing.assert_allclose(scale.grad, expected[1], rtol=1e-12)


def test_captured_tensors_are_read_anew_in_compiled_code() -> None:
    w = kb.nn.Parameter(np.array(2.0))
    f = kb.compile(lambda x: kb.scan(lambda c, r: (c * w + r, None), 0.0, x)[0])
    x = np.array([1.0, 1.0])
    assert f(x) == 3.0
    w.assign(np.array(5.0))
    assert f(x) == 6.0


def test_scans_nest_with_each_other_and_with_other_transforms() -> None:
    def power(x: Any, n: int) -> Any:
        return kb.scan(lambda c, _: (c * x, None), 1.0, length=n)[0]

    f = lambda x: kb.scan(lambda c, _: (c + power(x, 3), c * x), 0.0, length=2)[0]
    assert kb.grad(f)(2.0) == pytest.approx(24.0)
    assert kb.grad(kb.grad(f))(2.0) == pytest.approx(24.0)
    root = lambda a: kb.scan(lambda z, _: (z - (z * z - a) / kb.grad(lambda v: v * v)(z), None), a, length=6)[0]
    assert root(2.0) == pytest.approx(np.sqrt(2.0))
    assert kb.grad(root)(2.0) == pytest.approx(0.5 / np.sqrt(2.0))
    rows = kb.scan(lambda c, x: (c, kb.vmap(lambda r: r.sum() * c)(x)), 2.0, XS)[1]
    np.testing.assert_allclose(rows, 2 * XS.sum(axis=2))


def test_descent_by_scan_is_differentiated_with_respect_to_its_rate() -> None:
    def after(rate: Any, steps: int = 5) -> Any:
        slope = kb.grad(lambda v: knp.sum((v - 1.0) ** 2 * np.array([1.0, 3.0])))
        return kb.scan(lambda v, _: (v - rate * slope(v), None), np.zeros(2), length=steps)[0].sum()

    assert kb.check_grads(after, 0.05, order=2).ok


def test_layers_by_hand_in_a_scan() -> None:
    class Double(kb.Function):
        def forward(self, x: Any) -> Any:
            return 2 * x

        def backward(self, g: Any) -> Any:
            return 2 * g

    f = lambda x: kb.scan(lambda c, r: (Double()(c) + r, None), 0.0, x)[0]
    np.testing.assert_allclose(kb.grad(f)(np.ones(3)), [4.0, 2.0, 1.0])


def test_no_grad_inside_and_outside() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, r: Any) -> Any:
            with kb.no_grad():
                held = c * r
            return c + held * r, None

        return kb.scan(step, 1.0, x)[0]

    x = np.array([0.5, 2.0])
    # c1 = 1 + [x0] x0, c2 = c1 + [c1 x1] x1 with [.] held fixed
    expected = [0.5, (1 + 0.25) * 2.0]
    for transform in (kb.grad(f), kb.compile(kb.grad(f))):
        np.testing.assert_allclose(transform(x), expected)
    np.testing.assert_allclose(kb.vmap(kb.grad(f))(x[None])[0], expected)
    held = lambda x: unrecorded(kb.scan, lambda c, r: (c * r, None), 1.0, x)[0]
    assert kb.grad(lambda w: (kb.vmap(lambda r: held(r * w))(x[None]) * w).sum())(3.0) == 9.0  # x0 x1 is 1
    t = kb.tensor(x, requires_grad=True)
    with kb.no_grad():
        assert not kb.scan(lambda c, r: (c + r, None), 0.0, t)[0].requires_grad


def test_integer_outputs_are_legal_nodes_without_gradient() -> None:
    x = kb.tensor(np.array([1.0, -1.0]), requires_grad=True)
    (total, count), signs = kb.scan(lambda c, r: ((c[0] + r, c[1] + 1), r > 0), (0.0, 0), x)
    kb.verify([total, count, signs])
    assert [t.requires_grad for t in (total, count, signs)] == [True, False, False]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_a_linear_recurrence_of_any_length(n: int, seed: int, reverse: bool) -> None:
    a, b = np.random.default_rng(seed).uniform(-1, 1, (2, n))
    f = lambda a, b, c0: kb.scan(lambda s, x: ((s * x[0] + x[1]), s), c0, (a, b), reverse=reverse)
    last, states = f(a, b, 0.3)
    s, seen = 0.3, np.zeros(n)
    for k in reversed(range(n)) if reverse else range(n):
        seen[k], s = s, s * a[k] + b[k]
    np.testing.assert_allclose(states, seen)
    np.testing.assert_allclose(last, s)
    slope = kb.grad(lambda c0: f(a, b, c0)[0])(0.3)
    assert slope == pytest.approx(np.prod(a))


REFUSED = {
    "shape": (lambda: kb.scan(lambda c, x: ({"a": c["a"], "h": knp.stack([c["h"], x])}, None),
                              {"a": 0.0, "h": np.ones(2)}, np.ones((3, 2))),
              kb.ShapeError, r"carry\['h'\] has the shape \(2,\), but f returns \(2, 2\)"),
    "dtype": (lambda: kb.scan(lambda c, x: ((c[0], c[1] * 0.5), x), (1.0, np.arange(2)), np.ones(3)),
              kb.DTypeError, r"carry\[1\] is int64, but f returns float64 .* begin with float64"),
    "form": (lambda: kb.scan(lambda c, x: ((c[0],), x), (1.0, 2.0), np.ones(3)),
             kb.UsageError, "the carry that f returned: expected a tuple of 2, got tuple of 1"),
    "key": (lambda: kb.scan(lambda c, x: ({"b": x}, x), {"a": 1.0}, np.ones(3)),
            kb.UsageError, r"expected a dict with the keys \['a'\]"),
    "pair": (lambda: kb.scan(lambda c, x: c, 1.0, np.ones(3)), kb.UsageError, r"a pair \(carry, y\), got Tensor"),
    "rows": (lambda: kb.scan(lambda c, x: (c, x), 1.0, {"a": np.ones(3), "b": [np.ones((2, 1))]}),
             kb.ShapeError, r"xs\['a'\] has 3 rows, but xs\['b'\]\[0\] has 2"),
    "length": (lambda: kb.scan(lambda c, x: (c, x), 1.0, np.ones(3), length=4),
               kb.ShapeError, "length is 4, but xs has 3"),
    "no length": (lambda: kb.scan(lambda c, x: (c, x), 1.0), kb.UsageError, "pass length="),
    "negative": (lambda: kb.scan(lambda c, x: (c, x), 1.0, length=-1), kb.UsageError, "0 or more"),
    "fraction": (lambda: kb.scan(lambda c, x: (c, x), 1.0, length=1.5), kb.DTypeError, "integer, got float"),
    "a number": (lambda: kb.scan(lambda c, x: (c, x), 1.0, [1.0, 2.0]), kb.ShapeError, r"xs\[0\] is one number"),
    "words": (lambda: kb.scan(lambda c, x: (c, x), {"a": "b"}, np.ones(2)), kb.DTypeError, r"carry\['a'\].*got str"),
    "objects": (lambda: kb.scan(lambda c, x: (c, "y"), 1.0, np.ones(2)), kb.DTypeError, "what f returned"),
    "values": (lambda: kb.scan(lambda c, x: (c if x > 0 else -c, x), 1.0, np.ones(2)), kb.TracingError, "where"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_refused(fault: str) -> None:
    call, error, says = REFUSED[fault]
    with pytest.raises(error, match=says):
        call()


def test_an_error_names_the_step() -> None:
    with pytest.raises(IndexError) as caught:
        kb.scan(lambda c, i: (c, XS[:, 0, 0][0] * kb.tensor(XS[0, 0])[i]), 1.0, np.array([0, 7]))
    assert caught.value.__notes__ == ["in step 1 of a scan over 2 rows"]


class Memory(kb.nn.Module):
    def __init__(self) -> None:
        self.last = kb.nn.Buffer(np.zeros(3))

    def forward(self, x: Any) -> Any:
        self.last = x
        return x


def test_a_buffer_cannot_be_assigned_from_inside() -> None:
    layer = Memory()
    f = lambda x: kb.scan(lambda c, r: (c, layer(r)), 1.0, x)[1]
    for run in (f, kb.compile(f), kb.vmap(layer)):
        with pytest.raises(kb.TracingError, match=r"kb.scan"):
            run(np.ones((2, 3)))
    assert layer.last.numpy().tolist() == [0, 0, 0]
