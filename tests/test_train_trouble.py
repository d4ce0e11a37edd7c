"""A training that stops being finite: interpreted and compiled name the same step, element and op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai import nn, optim
from koubai.data import permutation
from koubai.diff import reverse_mode
from koubai.train import locate
from koubai.train.native import NativeSteps
from koubai.train.step import Pass, Step, updates_of

ROW = 77  # of the data: the network without biases maps it to exact zeros
X = np.random.default_rng(0).normal(4.0, 1.0, (120, 6))
X[ROW] = 0.0
T = np.zeros((120, 3))


def network() -> nn.Sequential:
    layers = nn.Linear(6, 8, bias=False), nn.Dropout(0.3), nn.Linear(8, 3, bias=False)
    return nn.Sequential(*layers).init(1)


def failure(compiled: bool, loss: Any, data: Any = (X, T), model: Any = network, **options: Any) -> kb.TrainingError:
    chosen = {"optimizer": optim.Adam(lr=1e-4), "epochs": 4, "batch_size": 10, "seed": 3, "check": False, **options}
    trained = model()
    with pytest.raises(kb.TrainingError) as caught:
        kb.fit(trained, data, loss=loss, compile="always" if compiled else False, **chosen)
    assert all(np.isfinite(p.numpy()).all() for p in trained.parameters())
    return caught.value


def both(monkeypatch: Any, *args: Any, **options: Any) -> kb.Trouble:
    """What both modes find, which must be the same; the compiled one by the values of native code."""
    interpreted = failure(False, *args, **options)
    with monkeypatch.context() as patched:
        patched.setattr(locate, "locate", lambda *_: None)
        compiled = failure(True, *args, **options)
    one, other = interpreted.trouble, compiled.trouble
    assert one is not None
    assert other is not None
    for name in ("kind", "op", "index", "layer", "epoch", "step"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("example", "iteration", "target", "count", "where"):
        assert getattr(one.spot, name) == getattr(other.spot, name)
    for error in (interpreted, compiled):
        found = error.trouble
        assert str(error).startswith(f"epoch {found.epoch}, step {found.step}: ")
        assert found.what() in str(error)
        assert str(found).endswith(f"epoch {found.epoch}, step {found.step}")
    return other


def where_the_row_is(epoch: int, seed: int = 3, size: int = 10) -> tuple[int, int]:
    """The step (from 1) and the place in its batch at which the row of zeros comes."""
    place = list(permutation(len(X), seed, epoch)).index(ROW)
    return place // size + 1, place % size


class Inverse(kb.Function):
    def forward(self, x):
        self.x = x
        return 1 / x

    def backward(self, g):
        return -g / self.x**2


class Careless(kb.Function):
    def forward(self, x):
        self.x = x
        return x * 1

    def backward(self, g):
        return g / self.x


def looped(y, t):
    def f(c, r):
        c = c + knp.log(r)
        return c, c

    return kb.scan(f, knp.zeros(y.shape[0], np.float32), knp.abs(y).T)[0].mean()


PLANTED = {
    "log": (lambda y, t: knp.log(knp.abs(y)).mean(), "forward", "log", "log of 0 gives -inf"),
    "division": (lambda y, t: (1 / (y * y).sum(axis=1)).mean(), "forward", "divide", "1 divided by 0 gives inf"),
    "exp": (lambda y, t: knp.exp(100 - 1e4 * (y * y).sum(axis=1)).mean(), "forward", "exp", "exp of 100 gives inf"),
    "root": (lambda y, t: knp.sqrt(y * y).mean(), "backward", "sqrt", "backward through square root of 0 turns"),
    "function": (lambda y, t: Inverse()(y).mean(), "forward", "Inverse", "Inverse of 0 (among values"),
    "backward": (lambda y, t: Careless()(y).mean(), "backward", "Careless", "backward through Careless of 0 (among"),
    "loop": (looped, "forward", "log", "log of 0 gives -inf"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_the_planted_place_is_found_in_the_middle_of_a_chunk(kind, monkeypatch):
    loss, what, op, says = PLANTED[kind]
    step, row = where_the_row_is(1)
    assert step > 2
    found = both(monkeypatch, loss)
    assert (found.kind, found.op, found.epoch, found.step) == (what, op, 1, step)
    assert found.index[0] == row
    assert found.en.startswith(says)
    if kind == "loop":
        assert found.spot.iteration == 0
    elif op in ("log", "divide", "exp", "sqrt", "Careless"):
        assert found.spot.example == ROW


WAYS: dict[str, dict[str, Any]] = {
    "one epoch a call": {"callbacks": lambda run: None},
    "batches together": {"accumulate": 3, "clip": 1.0},
    "metrics": {"metrics": "mse"},
}


@pytest.mark.parametrize("way", WAYS)
def test_however_the_steps_are_run(way, monkeypatch):
    options = WAYS[way]
    found = both(monkeypatch, PLANTED["division"][0], **options)
    step, row = where_the_row_is(1)
    assert (found.step, found.index) == (-(-step // options.get("accumulate", 1)), (row,))


@pytest.mark.parametrize("callbacks", [(), lambda run: None], ids=["epochs at once", "one by one"])
def test_an_update_that_spoils_the_weights(callbacks, monkeypatch):
    """Saturated, so that the loss stays finite however large the weights are; the rate explodes in step 13."""
    rates = optim.schedules.Step(1.0, 12, gamma=1e39)
    loss = lambda y, t: knp.tanh(y).mean() + (y * 0.01).mean()
    found = both(monkeypatch, loss, optimizer=optim.SGD(lr=rates), callbacks=callbacks)
    assert (found.kind, found.op, found.epoch, found.step) == ("update", None, 2, 1)
    assert found.spot.target == "0.weight"
    assert found.spot.rate == 1e39
    assert np.isfinite([found.spot.before, found.spot.gradient]).all()
    assert "learning rate 1e+39" in str(found)
    assert "学習率 1e+39" in found.ja


def test_the_first_step_of_an_epoch_sees_its_own_order(monkeypatch):
    """The last step of the second epoch makes weights of which the square is too large."""
    rates = optim.schedules.Step(1e-6, 23, gamma=1e30)
    found = both(monkeypatch, "mse", (X, T + 1), optimizer=optim.SGD(lr=rates))
    assert (found.kind, found.epoch, found.step) == ("forward", 3, 1)
    assert found.spot.example == permutation(120, 3, 3)[found.index[0]]


def test_weights_that_no_loss_shows_are_found_at_their_step(monkeypatch):
    """An infinite weight behind a tanh: every later loss is finite."""
    rates = optim.schedules.Step(1.0, 30, gamma=3e38)
    loss = lambda y, t: (knp.tanh(y) * y.dtype.type(1) + t).mean()

    def model():
        found = nn.Sequential(nn.Linear(6, 3, bias=False)).init(0)
        found[0].weight.assign(np.full((6, 3), 0.1))
        return found

    data = np.abs(X) + 0.1, T
    found = both(monkeypatch, loss, data, model, optimizer=optim.SGD(lr=rates), epochs=8)
    assert found.kind == "update"
    assert (found.epoch - 1) * 12 + found.step > 31  # not at once: the gradient was almost 0


def test_clipping_that_overflows(monkeypatch):
    def clip(grads):
        return {name: g * 1e38 * 1e5 for name, g in grads.items()}

    found = both(monkeypatch, "mse", (X, T + 1), clip=clip)
    assert (found.kind, found.spot.target, found.step) == ("clip", "0.weight", 1)
    assert str(found).startswith("clipping turns the gradient ")


def test_weights_that_are_not_finite_from_the_start():
    def model():
        found = nn.Sequential(nn.Linear(6, 3), nn.Tanh()).init(0)
        bias = found[0].bias.numpy().copy()
        bias[2] = np.nan
        found[0].bias.assign(bias)
        return found

    says = r"epoch 1, step 1: .*0\.bias holds NaN at element 2 before"
    for compiled in (False, "always"):
        with pytest.raises(kb.TrainingError, match=says) as caught:
            kb.fit(model(), (X, T), loss="mse", compile=compiled, check=False)
        assert caught.value.trouble.kind == "leaf"


def test_exploding_weights_by_a_large_rate(monkeypatch):
    found = both(monkeypatch, "mse", (X, T + 1), optimizer=optim.SGD(lr=10.0), epochs=20)
    assert found.kind in ("forward", "backward", "update")


def test_the_model_is_left_before_the_step():
    step, _ = where_the_row_is(1)
    for compiled in (False, True):
        trained = []

        def model(trained=trained):
            trained.append(network())
            return trained[0]

        failure(compiled, PLANTED["root"][0], model=model)
        expected = network()
        kept = permutation(120, 3, 1)[: (step - 1) * 10]
        kb.fit(expected, (X[kept], T[kept]), loss=PLANTED["root"][0], optimizer=optim.Adam(lr=1e-4), epochs=1,
               batch_size=10, shuffle=False, check=False, compile="always" if compiled else False)  # fmt: skip
        for p, q in zip(trained[0].parameters(), expected.parameters()):
            np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_completed_epochs_stay_in_the_history():
    losses = []

    class Kept(kb.train.Callback):
        def on_train_end(self, run):
            losses.append(run.history.history["loss"])

    rates = optim.schedules.Step(0.01, 25, gamma=1e42)
    for compiled in (False, True):
        found = failure(compiled, "mse", (X, T + 1), optimizer=optim.SGD(lr=rates), callbacks=[Kept()]).trouble
        assert (found.epoch, found.step, found.kind) == (3, 2, "update")
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert len(losses[0]) == 2


def image_network():
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    return nn.Sequential(*layers).init(0), np.random.default_rng(0).normal(size=(120, 1, 8, 8))


NETWORKS = {
    "dense": lambda: (nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3)).init(0), X),
    "images": image_network,
    "recurrent": lambda: (nn.Sequential(nn.GRU(3, 5), lambda y: y[0][:, -1], nn.Linear(5, 3)).init(0),
                          np.random.default_rng(0).normal(size=(120, 7, 3))),
}  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
def test_keeping_every_value_changes_no_bit(kind):
    model, x = NETWORKS[kind]()
    x, t = np.ascontiguousarray(x, np.float32), T.astype(np.float32)
    updates = updates_of(120, 40, 2)
    model.train()
    steps = NativeSteps(Step(model, nn.losses.mse, optim.Adam(), x, t, None), updates, False)
    trace, _ = steps.traced_with((40, 40), reverse_mode)
    rows = permutation(120, 0, 0)
    locate._give_values(trace, [*steps.block.arrays, x, t, rows[:40], rows[40:80]], trace.traced)
    kept = [np.array(node.value) for node in trace.traced]
    steps.run(Pass(rows, updates, None, (None, 0.0, 0, 0)), 1)
    for now, then in zip(steps.block.arrays, kept[1:]):
        np.testing.assert_array_equal(now, then)


def test_the_batch_is_named_by_the_data_it_was_taken_from():
    x = np.ones((20, 2))
    x[13] = 1000
    model = nn.Sequential(nn.Lambda(knp.exp), nn.Linear(2, 1))
    with pytest.raises(kb.TrainingError) as error:
        kb.fit(model, (x, np.ones((20, 1))), loss="mse", epochs=1, batch_size=4, seed=0)
    found = error.value.trouble
    assert found is not None
    assert "column 0 of the batch of input x, example 13" in found.en
    assert found.ja.startswith(f"入力 x のバッチの行 {found.index[0]}・列 0 で exp(1000) が inf になりました(")
    assert "サンプル 13" in found.ja
