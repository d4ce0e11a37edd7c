"""Compiled loops and checkpoints: what the interpreter computes, in native code of a size that no length changes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
import koubai.numpy as knp
from koubai.compile import Program
from koubai.tensor.trace import Trace
from koubai.tensor.trees import flatten

RNG = np.random.default_rng(0)
W, H, XS = 0.5 * RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3)), RNG.normal(size=(4, 2, 3))
BOTH = pytest.mark.parametrize("reverse", [False, True])


def program(f: Any, *args: Any) -> Program:
    leaves, rebuild = flatten(list(args))
    trace = Trace(f, leaves, rebuild)
    return Program([*trace.inputs, *trace.stand_ins], trace.outputs)


def check(f: Any, *args: Any, rtol: float = 1e-12, callbacks: tuple[str, ...] = ()) -> None:
    """Compiled equals interpreted, and only these ops run in NumPy."""
    compiled = kb.compile(f)
    ours, theirs = (flatten(g(*args))[0] for g in (compiled, f))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)
    assert sorted(set(program(f, *args).callbacks())) == sorted(callbacks)


def cell(w: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        h, memory, k = carry
        after = knp.tanh(h @ w + x) * (1.0 + 0.1 * k)
        return (after, 0.5 * memory + after * x, k + 1), after * memory

    return step


def energy(reverse: bool, n: int = 4) -> Any:
    def f(w: Any, h: Any, xs: Any) -> Any:
        (last, memory, k), ys = kb.scan(cell(w), (h, knp.sin(h), 0), xs[:n], reverse=reverse)
        return knp.sum(ys * ys) + knp.sum(last * memory) * k

    return f


@BOTH
@pytest.mark.parametrize("length", [0, 1, 4])
def test_values_and_derivatives_in_every_mode(reverse: bool, length: int) -> None:
    f = energy(reverse, length)
    check(lambda h, xs: kb.scan(cell(W), (h, knp.sin(h), 0), xs, reverse=reverse), H, XS[:length])
    check(kb.value_and_grad(f, (0, 1, 2)), W, H, XS)
    check(lambda *xs: kb.jvp(f, xs, (W.T, H + 1, XS - 1)), W, H, XS)
    check(kb.hessian(f, 1), W, H, XS, rtol=1e-9)


def test_batched() -> None:
    many = np.stack([XS, XS + 1, XS - 1])
    check(kb.vmap(kb.grad(energy(False), (0, 2)), in_axes=(None, None, 0)), W, H, many)
    check(kb.vmap(lambda h: kb.scan(cell(W), (h, h, 0), XS)), np.stack([H, -H]))


@BOTH
def test_a_loop_in_a_loop(reverse: bool) -> None:
    def rows(c: Any, x: Any) -> Any:
        inner, ys = kb.scan(lambda s, z: (knp.sin(s) * z + c, s), knp.sum(c), x, reverse=reverse)
        return knp.sum(inner), ys

    def f(c: Any, xs: Any) -> Any:
        last, ys = kb.scan(rows, c, xs)
        return last + knp.sum(ys**2)

    check(lambda c, xs: kb.scan(rows, c, xs), 0.3, XS[0])
    check(kb.value_and_grad(f, (0, 1)), np.float64(0.3), XS[0])


def test_carries_that_change_places_stay_or_are_handed_out() -> None:
    def step(carry: Any, x: Any) -> Any:
        a, b, fixed, n, _ = carry
        return (b, a, fixed, n * 2 + 1, x), (a, x, fixed, 1.5, n > 3)

    start = (np.float64(1), np.float64(2), np.ones(2, np.float32), np.int32(1), XS[0])
    check(lambda xs: kb.scan(step, start, xs), XS)
    check(lambda xs: kb.scan(lambda c, x: (c[::-1] + x, c), np.arange(3.0), xs), XS[:, 0])
    check(lambda x: kb.scan(lambda c, _: (c * x, None), 1.0, length=5), 2.0)


def test_steps_that_index_and_steps_that_numpy_takes() -> None:
    table = RNG.normal(size=(5, 3))
    check(
        lambda ks: kb.scan(lambda c, k: (c + knp.take(table, k, axis=0), knp.take(c, k % 3)), np.zeros(3), ks),
        np.array([0, 2, 1, -1]),
    )
    f = kb.compile(lambda ks: kb.scan(lambda c, k: (c + knp.take(table, k, axis=0), None), np.zeros(3), ks))
    with pytest.raises(IndexError, match="7"):
        f(np.array([0, 7, 1]))

    def solved(c: Any, x: Any) -> Any:
        y = knp.linalg.solve(knp.eye(3) * 4.0 + W, c + x)
        return knp.tanh(y), y * y

    check(lambda c, xs: kb.scan(solved, c, xs), np.ones(3), XS[:, 0], callbacks=("solve",))
    slope = kb.grad(lambda c, xs: knp.sum(kb.scan(solved, c, xs, reverse=True)[1]), (0, 1))
    check(slope, np.ones(3), XS[:, 0], callbacks=("solve",))


def test_what_is_complex_runs_in_numpy_as_a_whole() -> None:
    f = lambda c: kb.scan(lambda c, _: (c * c + 0.1j, None), c, length=3)[0]
    check(f, np.array([0.2, 0.1j]), callbacks=("scan",))


OPS = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: knp.tanh(a),
    lambda a, b: knp.where(a > b, a, 0.5 * b),
    lambda a, b: a @ W.astype(a.dtype),
    lambda a, b: knp.flip(a, 1),
    lambda a, b: knp.cumsum(a, axis=0) / 2,
    lambda a, b: a - knp.mean(b, axis=1, keepdims=True),
    lambda a, b: knp.concatenate([a[:1], b[1:]]),
]
numbers = st.integers(0, 99)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, len(OPS) - 1), numbers, numbers), min_size=1, max_size=6),
    ends=st.tuples(numbers, numbers, numbers),
    single=st.booleans(),
    reverse=st.booleans(),
    length=st.integers(0, 3),
)
def test_any_body(steps: Any, ends: Any, single: bool, reverse: bool, length: int) -> None:
    def step(carry: Any, x: Any) -> Any:
        values = [*carry, x]
        for op, i, k in steps:
            values.append(OPS[op](values[i % len(values)], values[k % len(values)]))
        a, b, y = (values[-1 - i % len(values)] for i in ends)
        return (a, b), y

    def f(h: Any, xs: Any) -> Any:
        (a, b), ys = kb.scan(step, (h, 0.1 * h), xs, reverse=reverse)
        return knp.sum(a * b) + knp.sum(ys)

    dtype = np.float32 if single else np.float64
    h, xs = H.astype(dtype), XS[:length].astype(dtype)
    compiled = kb.compile(kb.value_and_grad(f, (0, 1)))
    for a, b in zip(flatten(compiled(h, xs))[0], flatten(kb.value_and_grad(f, (0, 1))(h, xs))[0]):
        np.testing.assert_allclose(a, b, rtol=2e-4 if single else 1e-11, atol=1e-4 if single else 1e-12)


def test_unfolded_descent_learns_its_step_sizes() -> None:
    a, b = np.diag([1.0, 5.0]) + 0.1, np.array([1.0, -1.0])
    loss = lambda x: 0.5 * x @ a @ x - b @ x

    def unfolded(rates: Any) -> Any:
        return loss(kb.scan(lambda x, r: (x - r * kb.grad(loss)(x), None), np.zeros(2), rates)[0])

    rates = np.full(8, 0.1)
    check(kb.value_and_grad(unfolded), rates)
    check(kb.hessian(unfolded), rates, rtol=1e-9)


def test_gradients_of_pieces_are_joined_without_zeros() -> None:
    f = lambda z: knp.sum(knp.sin(z[:, :2]) * z[:, 2:4] * knp.exp(z[:, 4:]))
    z = np.concatenate([RNG.normal(size=(3, 6)), np.zeros((3, 6))])
    check(kb.grad(f), z)
    ours, theirs = kb.compile(kb.grad(f))(z), kb.grad(f)(z)
    assert (np.signbit(ours) == np.signbit(theirs)).all()
    assert "+=" not in program(kb.grad(f), z).loops()
    check(kb.grad(lambda z: knp.sum(z[:2] ** 2) + knp.sum(z[1:] ** 3)), z)  # these overlap
    check(kb.grad(lambda z: knp.sum(z[:2] ** 2) + knp.sum(z[3:] ** 3)), z)  # these leave a gap


def test_code_does_not_grow_with_the_length() -> None:
    f = kb.grad(lambda x: knp.sum(kb.scan(lambda c, r: (knp.sin(c) * r, c), 1.0, x)[1]))
    short, long = (program(f, np.ones(n)) for n in (16, 1600))
    assert len(short.ir.splitlines()) == len(long.ir.splitlines())


def test_loops_read_as_loops() -> None:
    run = program(lambda x: kb.scan(lambda c, r: (0.5 * c + r, c), 0.0, x, reverse=True), np.ones(5))
    text = run.loops()
    assert "for t in reversed(range(5)):\n" in text
    assert "(0.5 * v1[0]) + x0[t][0]" in text
    assert not run.callbacks()


def test_a_program_with_a_loop_is_found_in_the_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KOUBAI_CACHE", raising=False)
    monkeypatch.setenv("KOUBAI_CACHE_DIR", str(tmp_path))
    table = np.arange(12.0).reshape(4, 3)

    def f(scale: float, reverse: bool = False) -> Any:
        step = lambda c, x: (knp.linalg.det(knp.eye(3) + c) * table[0] + x * scale + 2.5, knp.sum(c * table))
        return lambda xs: kb.scan(step, np.zeros(3), xs, reverse=reverse)

    for k, (options, count) in enumerate([((1.5,), 1), ((1.5,), 1), ((2.5,), 2), ((1.5, True), 3)]):
        run = program(f(*options), XS[:, 0])
        for a, b in zip(run(XS[:, 0]), flatten(f(*options)(XS[:, 0]))[0]):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        assert len(list(tmp_path.glob("*.kbo"))) == count, k


@pytest.mark.parametrize("layer", [kb.nn.RNN, kb.nn.GRU, kb.nn.LSTM])
def test_layers_train_alike(layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, t = RNG.normal(size=(12, 5, 3)).astype(np.float32), RNG.normal(size=(12, 5, 4)).astype(np.float32)
    found = []
    for compiled in (False, True):
        monkeypatch.setattr("koubai.train.loop._worth_compiling", lambda *_, c=compiled: c)
        model = _tagger(layer)
        history = kb.fit(model, (x, t), loss="mse", epochs=3, batch_size=4, seed=1)
        found.append(([row["loss"] for row in history.rows], [p.value for p in model.parameters()]))
    np.testing.assert_allclose(*(losses for losses, _ in found), rtol=1e-5)
    for a, b in zip(found[0][1], found[1][1]):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-5)


def _tagger(layer: Any) -> Any:
    class Tagger(kb.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = layer(3, 4)

        def forward(self, x: Any) -> Any:
            return self.body(x)[0]

    return Tagger().init(0)


# Checkpoints


def chain(block: Any, n: int) -> Any:
    def f(x: Any) -> Any:
        for _ in range(n):
            x = block(x)
        return knp.sum(x)

    return f


def block(x: Any, mixed: bool) -> Any:
    for _ in range(4):
        x = knp.sin(x) * (knp.flip(x) if mixed else x)
    return x


@pytest.mark.parametrize("mixed", [False, True])
def test_a_checkpointed_chain_needs_less_memory(mixed: bool) -> None:
    x, piece = np.linspace(-1, 1, 4096), partial(block, mixed=mixed)
    plain, lean = (chain(b, 8) for b in (piece, kb.checkpoint(piece)))
    before, after = (program(kb.grad(f), x) for f in (plain, lean))
    np.testing.assert_allclose(before(x)[0], after(x)[0], rtol=1e-12)
    np.testing.assert_allclose(after(x)[0], kb.grad(lean)(x), rtol=1e-12)
    assert after.arena_size < 0.5 * before.arena_size


def test_checkpointed_steps_of_a_loop() -> None:
    inner = kb.checkpoint(lambda h, x: knp.tanh(h @ W + x))
    f = lambda h, xs: knp.sum(kb.scan(lambda h, x: (inner(h, x),) * 2, h, xs)[1] ** 2)
    check(kb.value_and_grad(f, (0, 1)), H, XS)
    check(kb.hessian(f), H, XS, rtol=1e-9)
    check(kb.vmap(kb.grad(f), in_axes=(0, None)), np.stack([H, -H]), XS)
