"""What a compiled function reaches besides its arguments: weights, settings, and the gradients that go there."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp

X = np.array([[1.0, 2.0, 3.0]], np.float32)


def test_weights_that_are_drawn_inside_the_trace_are_read_at_every_call() -> None:
    model = kb.nn.Linear(3, 2)
    f = kb.compile(lambda x: model(x))
    f(X)
    model.load_state_dict({"weight": np.zeros((3, 2)), "bias": [1.0, 2.0]})
    np.testing.assert_array_equal(f(X), [[1.0, 2.0]])


class Late(kb.nn.Module):
    """Makes its layer when it is first called."""

    def forward(self, x: Any) -> Any:
        if not hasattr(self, "made"):
            self.made = kb.nn.Linear(x.shape[1], 2)
        return self.made(x)


def test_weights_that_are_made_inside_the_trace_are_read_at_every_call() -> None:
    model = Late()
    f = kb.compile(lambda x: model(x))
    f(X)
    model.load_state_dict({"made.weight": np.zeros((3, 2)), "made.bias": [1.0, 2.0]})
    np.testing.assert_array_equal(f(X), [[1.0, 2.0]])


def test_the_first_draw_leaves_a_parameter_as_old_as_it_was() -> None:
    p = kb.nn.Parameter(shape=(2,), initializer=kb.nn.init.ones())
    made = p.number
    y = knp.sum(p * p)
    assert p.number == made
    p.draw(0, "")
    with pytest.raises(kb.UsageError, match="old value"):
        y.backward()


# Gradients


def test_a_tensor_in_the_closure_receives_its_gradient() -> None:
    x = np.arange(3.0)

    def of(w: Any) -> Any:
        return kb.compile(lambda a: knp.sum(a * w))(x)

    np.testing.assert_array_equal(kb.grad(of)(np.ones(3)), x)
    assert kb.jvp(of, (np.ones(3),), (x,)) == (3, 5)
    w = kb.tensor(np.ones(3), requires_grad=True)
    f = kb.compile(lambda a: knp.sum(a * w))
    (f(kb.tensor(x)) + 0.5 * knp.sum(w**2)).backward()
    np.testing.assert_array_equal(w.grad, x + 1)


def test_plain_arrays_and_no_grad_run_the_program() -> None:
    model = kb.nn.Linear(3, 2)
    runs = []

    def run(x: Any) -> Any:
        runs.append(x)
        return model(x)

    f = kb.compile(run)
    assert type(f(X)) is np.ndarray
    with kb.no_grad():
        assert not f(kb.tensor(X)).requires_grad
        assert not f(kb.tensor(X, requires_grad=True)).requires_grad
    assert len(runs) == 1
    assert f(kb.tensor(X)).requires_grad
    model.freeze()
    assert not f(kb.tensor(X)).requires_grad
    assert len(runs) == 2


def test_weights_that_stand_in_for_others_receive_their_gradient() -> None:
    model = kb.nn.Linear(3, 1)
    f = kb.compile(lambda x: model(x))
    f(X)
    params = {"weight": np.ones((3, 1), np.float32), "bias": np.zeros(1, np.float32)}

    def loss(p: Any) -> Any:
        with kb.nn.standing_in(model, p):
            return knp.sum(f(X))

    np.testing.assert_array_equal(kb.grad(loss)(params)["weight"], X.T)
    np.testing.assert_array_equal(f(X), model.predict(X))


class Within(kb.nn.Module):
    """With a compiled function, or a gradient, in its forward."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.first, self.last = inner, kb.nn.Linear(3, 3), kb.nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        return self.last(self.inner(self.first)(x))


@pytest.mark.parametrize(
    "inner",
    [
        lambda layer: kb.compile(lambda z: knp.tanh(layer(z))),
        lambda layer: kb.grad(lambda z: knp.sum(knp.tanh(layer(z)))),
    ],
    ids=["compile", "grad"],
)
def test_what_a_forward_compiles_or_differentiates_is_trained(inner: Any) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(24, 3)), rng.normal(size=(24, 2))
    losses = []
    for compiled in (False, "always"):
        model = Within(inner).astype(float)
        before = model.first.weight.numpy().copy()
        history = kb.fit(model, (x, t), loss="mse", epochs=3, batch_size=8, compile=compiled)
        assert np.abs(model.first.weight.numpy() - before).max() > 1e-3
        losses.append(history.history["loss"])
        assert isinstance(model.predict(x), np.ndarray)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


def test_what_a_loop_around_stands_for() -> None:
    x = np.arange(3.0)

    def of(w: Any) -> Any:
        return kb.compile(lambda a: a * w)(x)

    np.testing.assert_array_equal(kb.vmap(of)(np.eye(3)), np.diag(x))
    np.testing.assert_array_equal(kb.jacobian(of)(np.ones(3)), np.diag(x))
    last, _ = kb.scan(lambda c, _: (c + of(c), None), np.ones(3), None, length=2)
    np.testing.assert_array_equal(last, (1 + x) ** 2)
    kept: list[Any] = []
    kb.vmap(lambda a: kept.append(a) or a)(x)
    with pytest.raises(kb.TracingError, match="being traced"):
        kb.compile(lambda a: a + kept[0])(x).numpy()


# Settings


def test_a_number_that_a_layer_holds() -> None:
    drop, ones = kb.nn.Dropout(0.5), np.ones(100)
    f = kb.compile(lambda x: drop(x))
    assert (f(ones) == 0).any()
    drop.p = 0.0
    np.testing.assert_array_equal(f(ones), ones)
    norm = kb.nn.BatchNorm1d(3)
    g = kb.compile(lambda x: norm(x))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    g(x)
    norm.momentum = 1.0
    g(x + 10)
    np.testing.assert_allclose(norm.running_mean.numpy(), (x + 10).mean(0), rtol=1e-6)


class Scaled(kb.nn.Module):
    def __init__(self) -> None:
        self.times, self.inner = 2.0, kb.nn.Tanh()

    def forward(self, x: Any) -> Any:
        return self.inner(x) * self.times * getattr(self, "more", 1.0)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m, "times", -3.0),
        lambda m: setattr(m, "more", 5.0),
        lambda m: setattr(m, "inner", kb.nn.ReLU()),
        lambda m: setattr(m, "times", np.arange(3.0)),
    ],
    ids=["number", "new", "layer", "array"],
)
def test_any_attribute_that_is_assigned(change: Any) -> None:
    model, x = Scaled(), np.linspace(-1, 1, 3)
    f = kb.compile(lambda x: model(x))
    g = kb.compile(lambda x: x * model.times)  # which does not call it
    for made in (lambda m: None, change):
        made(model)
        np.testing.assert_allclose(f(x), model(x), rtol=1e-15)
        g(x)
    np.testing.assert_array_equal(g(x), x * model.times)
    model.times = model.times + 0  # equal numbers are the same; arrays might differ
    f(x)
    assert len(f._traced()) == (3 if isinstance(model.times, np.ndarray) else 2)


def test_a_setting_of_a_function_and_of_an_argument() -> None:
    class Times(kb.Function):
        def __init__(self, k: float) -> None:
            self.k = k

        def forward(self, x: Any) -> Any:
            return x * self.k

        def backward(self, g: Any) -> Any:
            return g * self.k

    layer, x = Times(2.0), np.ones(2)
    f = kb.compile(lambda x, c: layer(x) + Times(10.0)(x) + c.k)
    np.testing.assert_array_equal(f(x, layer), x * 14)
    layer.k = 3.0
    np.testing.assert_array_equal(f(x, layer), x * 16)
    f(x, layer)
    assert len(f._traced()) == 2


def test_a_mode_that_nobody_asks_for_compiles_nothing_anew() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(3, 3), kb.nn.Tanh())
    f = kb.compile(lambda x: model(x))
    for mode in (True, False, True):
        model.train(mode)
        f(X)
    assert len(f._traced()) == 1


def test_a_function_that_changes_the_mode_itself() -> None:
    drop, ones = kb.nn.Dropout(0.5), np.ones(100)

    def evaluated(x: Any) -> Any:
        with drop.evaluating():
            return drop(x)

    def last(x: Any) -> Any:
        y = drop(x)
        drop.eval()
        return y

    np.testing.assert_array_equal(kb.compile(evaluated)(ones), ones)
    f = kb.compile(last)
    assert (f(ones) == 0).any()
    for _ in range(2):
        np.testing.assert_array_equal(f(ones), ones)


class Remembers(kb.nn.Module):
    """Its last output; and how often it ran, if that counts."""

    def __init__(self, counts: bool) -> None:
        self.counts, self.runs, self.seen = counts, 0, None

    def forward(self, x: Any) -> Any:
        if self.counts:
            self.runs += 1
        self.seen = x * (1 + self.runs)
        return self.seen


def test_what_a_layer_remembers_is_no_setting() -> None:
    model, x = Remembers(False), np.ones(2)
    f = kb.compile(lambda x: model(x))
    for _ in range(2):
        f(x)
        model(x)
    assert len(f._traced()) == 1


def test_a_function_that_counts_is_interpreted() -> None:
    model, x = Remembers(True), np.ones(2)
    f = kb.compile(lambda x: model(x))
    with pytest.warns(UserWarning, match=r"changes Remembers\.runs from 1 to 2 .*Buffer"):
        np.testing.assert_array_equal(f(x), 2 * x)
    np.testing.assert_array_equal(f(x), 3 * x)


# What a compiled function takes and gives


def test_arguments_by_name() -> None:
    f = kb.compile(lambda a, b=2.0, *, c=None: a * b if c is None else a * b + c)
    x = np.arange(3.0)
    np.testing.assert_array_equal(f(x, b=3.0), 3 * x)
    np.testing.assert_array_equal(f(a=x), 2 * x)
    np.testing.assert_array_equal(f(c=x, a=x), 3 * x)
    np.testing.assert_array_equal(f(a=x, c=x), 3 * x)
    assert len(f.programs) == 3
    assert kb.grad(lambda x: f(a=x, b=2.0).sum())(x)[0] == 2


def test_arguments_that_are_no_arrays() -> None:
    f = kb.compile(lambda a, s: a[s] if s is not None else a)
    x = np.arange(6.0)
    for s in (slice(0, 2), slice(None, None, 3), slice(4, None), ..., 2, None):
        np.testing.assert_array_equal(f(x, s), x if s is None else x[s])
    g = kb.compile(lambda a, z: a * z)
    for z in (complex(0.0, 1.0), complex(-0.0, 1.0)):
        assert np.array_equal(np.signbit(g(x, z).real), np.signbit((x * z).real))
    with pytest.raises(kb.DTypeError, match="argument of type set counts as a constant"):
        g(x, {1})


def test_a_compiled_method() -> None:
    class Net(kb.nn.Module):
        def __init__(self, k: float) -> None:
            self.layer, self.k = kb.nn.Linear(3, 2), k

        @kb.compile
        def forward(self, x: Any) -> Any:
            return self.layer(x) * self.k

    for net in (Net(1.0), Net(3.0)):
        want = net.layer.predict(X) * net.k
        np.testing.assert_allclose(net.predict(X), want, rtol=1e-6)
        np.testing.assert_allclose(net(X).detach().numpy(), want, rtol=1e-6)
    assert len(Net.forward._traced()) == 2


def test_a_copy_compiles_for_itself() -> None:
    f = kb.compile(lambda x: x * 2)
    f(X)
    for twin in (copy.copy(f), copy.deepcopy(f)):
        assert not twin.programs
        np.testing.assert_array_equal(twin(X), X * 2)
    model = kb.nn.Linear(3, 2)
    model.run = kb.compile(model.forward)
    twin = copy.deepcopy(model)
    twin.weight.assign(np.zeros((3, 2)))
    np.testing.assert_array_equal(twin.run(X), twin.bias.numpy()[None])


@pytest.mark.parametrize(
    ("result", "said"),
    [({1}, "set"), (kb.nn.Tanh(), "Tanh"), (2**70, "int 1180591620717411303424"), (np.array(["a"]), "dtype <U1")],
)
def test_results_that_are_no_arrays(result: Any, said: str) -> None:
    with pytest.raises(kb.DTypeError, match=f"compile: the function returned .*{said}"):
        kb.compile(lambda x: (x, result))(X)


def test_only_functions_are_compiled() -> None:
    with pytest.raises(kb.DTypeError, match="expected a function, got int"):
        kb.compile(3)  # type: ignore[arg-type]


def test_a_tensor_that_was_carried_out_of_a_trace() -> None:
    kept: list[Any] = []

    def leaks(x: Any) -> Any:
        kept.append(x * 2)
        return x

    kb.compile(leaks)(X)
    with pytest.raises(kb.TracingError, match=r"another call of kb\.compile"):
        kb.compile(lambda x: x + kept[0])(X)
