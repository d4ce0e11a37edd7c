"""Cases in which compiled code could read what is no longer there, or take one program for another."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.compile import Program, plan, simplify
from koubai.graph import placeholder, type_of
from koubai.tensor import Tensor


def both(f: Any, *args: Any) -> None:
    got, want = kb.compile(f)(*args), f(*args)
    for a, b in zip(got, want) if isinstance(want, tuple) else [(got, want)]:
        np.testing.assert_allclose(a, b, rtol=1e-13)


def scanned(step: Any, carry: Any, xs: Any) -> Any:
    def run(carry: Any, xs: Any) -> Any:
        last, ys = kb.scan(step, carry, xs)
        return (*last, ys) if isinstance(last, tuple) else (last, ys)

    return run, carry, xs


def test_a_carry_read_through_a_reshape() -> None:
    both(*scanned(lambda c, x: (c * 0.5 + x, knp.reshape(c, (2, 2)) * 2.0), np.arange(4.0), np.ones((3, 4))))


def test_carries_that_change_places_through_reshapes() -> None:
    def step(c: Any, x: Any) -> Any:
        a, b = c
        return (knp.reshape(b, (4,)), knp.reshape(a, (2, 2))), x

    both(*scanned(step, (np.arange(4.0), np.arange(4.0).reshape(2, 2) * 10), np.ones(3)))


def test_a_delay_line() -> None:
    both(*scanned(lambda c, x: (knp.concatenate([c[1:], x]), c[0]), np.arange(2.0), np.arange(5.0).reshape(5, 1)))


def test_an_update_that_reads_itself_as_an_index() -> None:
    i = np.arange(64)[::-1].copy()
    x = placeholder(type_of(i), Tensor)
    (y,) = simplify([x + knp.flip(x)[x]], {x: x})
    program, mine = Program([x], [y], updates=[(0, 0)]), i.copy()
    frame = program.frame()
    frame.point(program.inputs[0], mine)
    with frame.callback() as entry:
        program.run(frame, entry)
    np.testing.assert_array_equal(mine, i + i[::-1][i])


def test_every_index_is_checked() -> None:
    a, perm, sel = np.arange(4.0), np.array([0, 1, 2, 100]), np.zeros(4, np.intp)
    f = kb.compile(lambda a, perm, sel: (a[perm[sel]], a[perm]))
    with pytest.raises(IndexError):
        f(a, perm, sel)
    g = kb.compile(lambda a, b, i, j: (a[i], knp.exp(b[j * 1, i])))
    with pytest.raises(IndexError):
        g(a, np.ones((4, 4)), np.arange(4), np.full(4, 10**12))


def test_an_index_that_changes_in_a_loop_is_checked_again() -> None:
    def step(c: Any, x: Any) -> Any:
        c2 = c + 1
        return c2, x + TABLE[c] + TABLE[c2]

    run = kb.compile(lambda c, xs: kb.scan(step, c, xs))
    with pytest.raises(IndexError):
        run(np.array([0, 3]), np.ones((2, 2)))


TABLE = kb.tensor(np.arange(4.0))


def test_an_index_on_the_edge_by_rounding_is_never_read() -> None:
    x = np.random.default_rng(0).uniform(1, 2, 400_000)
    f = kb.compile(lambda a, x: a[(knp.exp(knp.log(x)) / x * 3).astype(int)])
    with pytest.raises(IndexError):
        f(np.arange(3.0), x)


def test_integer_targets_with_gaps() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, size=(60, 2))
    x = rng.normal(size=(60, 4)).astype(np.float32)
    losses = []
    for t in (table[:, 0], table[:, 0].copy()):
        model = kb.nn.Linear(4, 3)
        model.init(0)
        history = kb.fit(model, (x, t), loss="cross_entropy", epochs=3, batch_size=20, check=False, compile="always")
        losses.append(history.history["loss"])
    assert losses[0] == losses[1]


def test_a_loss_with_state_of_its_own_is_interpreted() -> None:
    teacher = kb.nn.Sequential(kb.nn.Linear(4, 3), kb.nn.BatchNorm1d(3))
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)

    def loss(y: Any, t: Any) -> Any:
        return knp.mean((y - teacher(t)) ** 2)

    model = kb.nn.Linear(4, 3)
    with pytest.warns(UserWarning, match="buffers of a module that is not"):
        history = kb.fit(model, (x, x), loss=loss, epochs=2, batch_size=10, check=False, compile="always")
    assert np.isfinite(history.history["loss"]).all()


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KOUBAI_CACHE", raising=False)
    monkeypatch.setenv("KOUBAI_CACHE_DIR", str(tmp_path / "objects"))


@pytest.mark.usefixtures("cached")
def test_weak_and_strong_numbers_have_programs_of_their_own() -> None:
    x = np.float32(0.1)
    assert not kb.compile(lambda x: x > 0.1)(x)
    assert kb.compile(lambda x: x > np.float64(0.1))(x) == (x > np.float64(0.1))


@pytest.mark.usefixtures("cached")
def test_one_array_twice_is_another_program_than_two_equal_arrays() -> None:
    a = np.arange(4.0)

    def made(b: Any) -> Any:
        return kb.compile(lambda xs: (xs * a + knp.exp(xs) * b, knp.sort(xs * b)))

    xs = np.array([3.0, 1.0, 2.0, 0.0])
    for b in (a.copy(), a):
        got = made(b)(xs)
        np.testing.assert_allclose(got[0], xs * a + np.exp(xs) * b, rtol=1e-14)
        np.testing.assert_array_equal(got[1], np.sort(xs * b))


def test_arguments_that_look_alike() -> None:
    f = kb.compile(lambda a, b: a * 2 if b is None else b * 3)
    x = np.ones(2)
    assert f(x, None)[0] == 2
    assert f(None, x)[0] == 3
    g = kb.compile(lambda x, a: x / (a + np.zeros(1)))
    with np.errstate(divide="ignore"):
        assert g(x, 0.0)[0] == np.inf
        assert g(x, -0.0)[0] == (x / (-0.0 + np.zeros(1)))[0]


def test_a_model_with_attributes_of_these_names() -> None:
    class Net(kb.nn.Module):
        def __init__(self) -> None:
            self.f = knp.tanh
            self.programs = None
            self.layer = kb.nn.Linear(2, 1)

        def forward(self, x: Any) -> Any:
            return self.f(self.layer(x))

    net, x = Net(), np.ones((3, 2), np.float32)
    np.testing.assert_allclose(kb.compile(net)(x), net.predict(x), rtol=1e-6)


def test_compiled_inside_of_compiled_reads_what_it_reaches() -> None:
    p = kb.tensor(1.0)
    inner = kb.compile(lambda: p * 10)
    outer = kb.compile(lambda x: x + inner())
    assert outer(np.float64(0.0)) == 10
    p.value = np.float64(5.0)
    assert outer(np.float64(0.0)) == 50


def test_a_long_narrow_sum_is_a_loop() -> None:
    f = kb.compile(lambda x: x.sum(0))
    x = np.ones((3000, 8))
    np.testing.assert_array_equal(f(x), x.sum(0))
    assert f.ir().count("\n") < 500


def test_threads_changed_from_a_callback() -> None:
    before = kb.get_num_threads()

    class Changes(kb.Function):
        def forward(self, x: Any) -> Any:
            if x.max() > 0.9:  # not so in the example from which the type is taken
                kb.set_num_threads(3 if kb.get_num_threads() == 2 else 2)
            return x

    try:
        kb.set_num_threads(2)
        x = np.full((300, 300), 2.0)
        f = kb.compile(lambda x: Changes()(knp.tanh(x @ x)) @ x)
        done: list[Any] = []
        thread = threading.Thread(target=lambda: done.extend(f(x)[0, 0] for _ in range(4)), daemon=True)
        thread.start()
        thread.join(60)
        np.testing.assert_allclose(done, [600.0] * 4)
    finally:
        kb.set_num_threads(before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_that_waits_for_a_callback() -> None:
    """It comes while native code runs, so that Python hears of it on the way into the callback."""

    class Twice(kb.Function):
        def forward(self, x: Any) -> Any:
            return 2 * x

    f = kb.compile(lambda x: Twice()(knp.sum(x @ x @ x @ x @ x @ x)))
    x = np.full((500, 500), 1 / 500)
    f(x)

    def again(k: int) -> None:
        timer.start()
        while True:
            np.testing.assert_allclose(f((1 + k) * x), 1000 * (1 + k) ** 6)

    for k in range(3):
        timer = threading.Timer(0.004, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            again(k)
        timer.join()


def test_a_product_copies_an_operand_that_has_no_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_operands", lambda node: [])  # otherwise such an operand stands in memory
    both(lambda a, i, b: a[i] @ b, np.arange(45.0).reshape(9, 5), np.array([3, 1, 8, 0]), np.arange(30.0).reshape(5, 6))
    both(lambda a, b: knp.roll(a, 2, axis=1) @ b, np.arange(15.0).reshape(3, 5), np.arange(30.0).reshape(5, 6))


class Scales(kb.nn.Module):
    """Whose buffer doubles at every call."""

    def __init__(self) -> None:
        self.times = kb.nn.Buffer(np.float32(2.0))
        self.inner = kb.nn.ModuleDict({"first": kb.nn.Linear(2, 2, dtype=np.float64)})
        self.layers = kb.nn.Sequential(kb.nn.Tanh(), kb.nn.Linear(2, 2, dtype=np.float64))

    def forward(self, x: Any) -> Any:
        y = self.layers(self.inner["first"](x)) * self.times
        self.times = self.times * 2
        return y + sum(p.sum() for p in self.layers.parameters())


def other_weight(model: Any) -> None:
    model.layers[1].weight = kb.nn.Parameter(np.array([[5.0, 6.0], [7.0, 8.0]]))


def other_layer(model: Any) -> None:
    model.layers[0] = kb.nn.ReLU()


def other_entry(model: Any) -> None:
    del model.inner["first"]
    model.inner["first"] = kb.nn.Tanh()


def one_more_layer(model: Any) -> None:
    model.layers.append(kb.nn.Tanh())


def no_layer(model: Any) -> None:
    del model.layers
    model.layers = kb.nn.Sequential(kb.nn.Sigmoid())


def no_bias(model: Any) -> None:
    model.layers[1].bias = None


def wider_weights(model: Any) -> None:
    model.layers[1].weight.value, model.layers[1].bias.value = np.ones((2, 5)), np.ones(5)


def other_dtype(model: Any) -> None:
    model.astype(np.float32)


def exact_buffer(model: Any) -> None:
    model.times = kb.nn.Buffer(np.float64(1.1))


def longer_buffer(model: Any) -> None:
    model.times = kb.nn.Buffer(np.arange(2.0))


def cast_buffer(model: Any) -> None:
    model._members["times"].value = np.float64(1.1)


CHANGES = [other_weight, other_layer, other_entry, one_more_layer, no_layer, no_bias, wider_weights, other_dtype,
           exact_buffer, longer_buffer, cast_buffer]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_was_changed_is_traced_anew(change: Any) -> None:
    compiled, model = Scales().init(0), Scales().init(0)
    f = kb.compile(lambda x: compiled(x))
    x = np.random.default_rng(0).normal(size=(3, 2))
    for k in range(4):
        if k == 2:
            change(compiled)
            change(model)
        got, want = f(x), model(x).numpy()
        np.testing.assert_allclose(got, want, rtol=1e-13 if got.dtype == np.float64 else 1e-6)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(compiled.times.value, model.times.value)
        assert compiled.times.dtype == model.times.dtype
    (traces,) = f.programs.values()
    assert len(traces) == 2
