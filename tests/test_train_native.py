"""Trainings in native code: as interpreted, but for rounding; the same bits always; whatever happens meanwhile."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
import warnings
from importlib import import_module

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai import nn, optim
from koubai.nn import losses
from koubai.train import Callback, EarlyStopping
from koubai.train.native import NativeSteps

RNG = np.random.default_rng(0)
N = 46
X = RNG.normal(size=(N, 6))
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)
Y = np.sin(X[:, :1]) + X[:, 1:2] ** 2


def network(out=3, dtype=np.float64):
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, out)
    ).init(3).astype(dtype)  # fmt: skip


def fit(model, data=(X, LABELS), **options):
    defaults = {"loss": "cross_entropy", "epochs": 4, "batch_size": 8, "check": False, "compile": "always"}
    return kb.fit(model, data, **{**defaults, **options})


def bits(model):
    return {name: value.tobytes() for name, value in model.state_dict().items()}


def close(one, other, rtol=1e-9):
    for name, value in one.state_dict().items():
        np.testing.assert_allclose(value, other.state_dict()[name], rtol=rtol, atol=rtol)


@pytest.fixture
def threads():
    before = kb.get_num_threads()
    yield kb.set_num_threads
    kb.set_num_threads(before)


@pytest.fixture
def native(monkeypatch):
    """The sizes of batches of every program that is made."""
    made = []
    compiled = NativeSteps._compiled
    monkeypatch.setattr(NativeSteps, "_compiled", lambda self, sizes: made.append(sizes) or compiled(self, sizes))
    return made


# As interpreted


class Watch(Callback):
    """What callbacks see."""

    def __init__(self):
        self.seen = []

    def on_train_begin(self, run):
        self.seen.append("begin")

    def on_epoch_begin(self, run):
        self.seen.append(run.epoch)

    def on_chunk_end(self, run):
        assert 0 < run.steps_done <= run.steps
        assert run.logs["loss"] > 0

    def on_epoch_end(self, run):
        weight = run.model[0].weight.numpy()[0, 0]
        self.seen.append((run.improved, run.examples_seen, sorted(run.logs), round(float(weight), 9)))

    def on_train_end(self, run):
        self.seen.append("end")


PLATEAU = optim.schedules.ReduceOnPlateau(0.05, patience=0, threshold=0.2)
TRAININGS = {
    "plain": {},
    "in order, without the rest": {"shuffle": False, "drop_last": True},
    "one batch": {"batch_size": N},
    "momentum": {"optimizer": optim.SGD(lr=0.05, momentum=0.9, nesterov=True)},
    "a schedule": {"optimizer": optim.AdamW(lr=optim.schedules.Cosine(0.05, 20))},
    "clipped and accumulated": {"clip": 0.1, "accumulate": 2},
    "accumulated by the optimizer": {"optimizer": optim.Accumulated(optim.Adam(lr=0.02), n=4)},
    "metrics": {"metrics": ["accuracy", lambda y, t: float(np.mean(y))]},
    "validation": {"validation_data": (X[:9], LABELS[:9]), "metrics": "accuracy"},
    "the best of all": {"early_stopping": EarlyStopping(patience=9), "optimizer": optim.SGD(lr=1.5), "epochs": 7},
    "the best by validation": {
        "early_stopping": EarlyStopping(patience=1), "validation_data": (X[:9], LABELS[:9]), "epochs": 9,
        "optimizer": optim.SGD(lr=1.0),
    },
    "a plateau": {"optimizer": optim.Adam(lr=PLATEAU), "epochs": 8},
    "regression": {"loss": "mse", "data": (X, Y)},
}  # fmt: skip


@pytest.mark.parametrize("name", TRAININGS)
def test_the_history_is_that_of_the_interpreter(name, native):
    options = dict(TRAININGS[name])
    data = options.pop("data", (X, LABELS))
    out = 1 if options.get("loss") == "mse" else 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled, interpreted = network(out), network(out)
        history = fit(compiled, data, seed=5, **options)
    assert native
    count = len(native)
    expected = fit(interpreted, data, seed=5, compile=False, **options)
    assert len(native) == count
    assert list(history.history) == list(expected.history)
    for key, values in history.history.items():
        np.testing.assert_allclose(values, expected.history[key], rtol=1e-9)
    for key in ("epochs", "best_epoch", "kept_epoch", "stopped_early", "interrupted"):
        assert getattr(history, key) == getattr(expected, key)
    close(compiled, interpreted)


def test_callbacks_see_what_they_see_in_the_interpreter():
    seen = []
    for compiled in ("always", False):
        watch = Watch()
        history = fit(network(), compile=compiled, callbacks=[watch], validation_data=(X[:9], LABELS[:9]))
        assert [row for row in watch.seen if isinstance(row, tuple)][-1][1] == history.epochs * N
        seen.append(watch.seen)
    assert seen[0] == seen[1]


def test_a_callback_may_stop_and_see_the_weights_change():
    weights = []
    history = fit(network(), epochs=9, callbacks=lambda run: (
        weights.append(run.model[0].weight.numpy().copy()), run.stop() if run.epoch == 3 else None))  # fmt: skip
    assert (history.epochs, history.stopped_early) == (3, True)
    assert all((a != b).any() for a, b in itertools.pairwise(weights))


# The same bits


def test_the_same_bits_for_any_number_of_threads(threads):
    found = []
    x, t = RNG.normal(size=(256, 60)), RNG.integers(0, 3, 256)
    for count in (1, 2, 3):
        threads(count)
        model = nn.Sequential(nn.Linear(60, 130), nn.ReLU(), nn.Dropout(0.3), nn.Linear(130, 3)).init(0)
        history = fit(model, (x, t), batch_size=96, epochs=2, optimizer="adam")
        found.append((bits(model), history.history["loss"]))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("steps", [1, 2, 5, 1000])
def test_the_same_bits_for_chunks_of_any_length(steps, monkeypatch):
    """Epochs in one call, one by one, and in chunks of a few steps."""
    model, chunked, listened = network(), network(), network()
    fit(model)
    fit(listened, callbacks=lambda run: None)
    run = NativeSteps.run

    def in_pieces(self, work, last):
        for stop in range(work.done[3] + steps, last + steps, steps):
            run(self, work, min(stop, last))

    monkeypatch.setattr(NativeSteps, "run", in_pieces)
    fit(chunked, callbacks=lambda run: None)
    assert bits(model) == bits(listened) == bits(chunked)


def test_the_same_bits_in_two_threads_at_once(threads):
    threads(2)
    models = [network(dtype=dtype) for dtype in (np.float32, np.float64, np.float32)]
    alone = [network(dtype=model.dtype) for model in models]
    for model in alone:
        fit(model, epochs=20)
    workers = [threading.Thread(target=fit, args=(model,), kwargs={"epochs": 20}) for model in models]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [bits(model) for model in models] == [bits(model) for model in alone]


def in_child(pipe):
    model = network()
    fit(model)
    pipe.send(bits(model))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_training(threads):
    threads(2)
    found = []

    def fork(run):
        if run.epoch == 2:
            here, there = multiprocessing.Pipe()
            child = multiprocessing.get_context("fork").Process(target=in_child, args=(there,))
            child.start()
            found.append(here.recv() if here.poll(60) else None)
            child.join(60)

    model, expected = network(), network()
    fit(model, callbacks=fork)
    fit(expected)
    assert found == [bits(expected)]
    assert bits(model) == bits(expected)


# What goes wrong


@pytest.mark.parametrize("callback", [(), lambda run: None], ids=["epochs at once", "one by one"])
@pytest.mark.parametrize("compiled", ["always", False])
def test_a_loss_that_is_not_finite_names_the_step_and_leaves_the_model_before_it(callback, compiled):
    x = np.ones((20, 1))
    x[13] = 1e200  # its square is infinite: the third step of an epoch in order, 4 at a time
    model, expected = nn.Linear(1, 1, dtype=float).init(0), nn.Linear(1, 1, dtype=float).init(0)
    options = {"loss": "mse", "optimizer": optim.SGD(lr=0.1), "shuffle": False, "batch_size": 4, "compile": compiled}
    with pytest.raises(kb.TrainingError, match=r"epoch 1, step 4: .*lower the learning rate"):
        fit(model, (x, x * 0), epochs=3, callbacks=callback, **options)
    fit(expected, (x[:12], x[:12] * 0), epochs=1, **options)
    close(model, expected, 1e-13)


def test_a_later_epoch_that_is_not_finite_leaves_the_best():
    model, expected = nn.Linear(1, 1, dtype=float).init(0), nn.Linear(1, 1, dtype=float).init(0)
    x = np.linspace(-1, 1, 8)[:, None]
    options = {"loss": "mse", "optimizer": optim.SGD(lr=300.0), "batch_size": 4}
    with pytest.raises(kb.TrainingError, match=r"epoch \d+, (last )?step"):
        fit(model, (x, 3 * x), epochs=500, **options)
    fit(expected, (x, 3 * x), epochs=1, **options)
    assert np.isfinite(model.weight.numpy()).all()
    close(model, expected, 1e-13)  # each epoch is worse than the one before


def test_labels_out_of_range_are_refused():
    with pytest.raises(kb.LabelError, match="label 3"):
        fit(network(), (X, LABELS + 1))
    strange = LABELS.copy()
    strange[17] = 7  # seen by no check before the training, since the loss is somebody's own
    model = network()
    before = bits(model)
    for compiled in ("always", False):
        with pytest.raises(kb.KoubaiError, match="7"):
            fit(model, (X, strange), loss=lambda y, t: losses.cross_entropy(y, t), compile=compiled, shuffle=False,
                optimizer=optim.SGD(lr=0.0), batch_size=N)  # fmt: skip
        assert {k: v for k, v in bits(model).items() if "weight" in k} == {
            k: v for k, v in before.items() if "weight" in k
        }


@pytest.mark.parametrize("callback", [(), lambda run: None], ids=["epochs at once", "one by one"])
@pytest.mark.parametrize("compiled", ["always", False])
def test_an_error_names_the_epoch_and_the_step(callback, compiled):
    strange = LABELS.copy()
    strange[17] = 7
    options = {"batch_size": 5, "shuffle": False, "drop_last": True, "compile": compiled, "callbacks": callback}
    with pytest.raises(
        kb.LabelError, match=r"^epoch 1, step 4, row 17 of the data: cross_entropy: label 7 in row 2 "
    ) as refused:
        fit(network(), (X, strange), loss=lambda y, t: losses.cross_entropy(y, t), **options)
    assert len(refused.value.args) == 1

    class Fails(Square):
        calls = 0

        def backward(self, g):
            Fails.calls += len(g) == 5 and np.ptp(g) > 0  # a batch, not the example from which the type is taken
            if Fails.calls == 14:
                raise ZeroDivisionError("planned")
            return super().backward(g)

    model = network()
    model.append(lambda x: Fails()(x))
    with pytest.raises(ZeroDivisionError, match=r"^planned") as failed:  # after nine in the first epoch
        fit(model, **options)
    assert failed.value.__notes__[-1] == "(in epoch 2, step 5 of the training)"


def branching(x):
    return x if x.sum() > 0 else -x


def test_what_cannot_be_traced_is_interpreted_with_one_warning():
    model, expected = network(), network()
    model.append(branching)
    expected.append(branching)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = fit(model)
    (warning,) = [w for w in caught if issubclass(w.category, UserWarning)]
    text = str(warning.message)
    assert "interpreted" in text
    assert "where" in text
    assert "test_train_native.py" in text
    assert str(branching.__code__.co_firstlineno + 1) in text
    assert warning.filename == __file__
    assert history.history == fit(expected, compile=False).history


# Losses and layers of one's own


class Square(kb.Function):
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, g):
        return 2 * self.x * g


def test_a_function_written_by_hand_trains_by_callback(threads):
    for count in (1, 2):
        threads(count)
        model, expected = network(), network()
        model.append(lambda x: Square()(x))
        expected.append(lambda x: x * x)
        history = fit(model)
        np.testing.assert_allclose(history.history["loss"], fit(expected).history["loss"], rtol=1e-9)


def test_an_error_in_a_callback_comes_out_and_leaves_the_model_before_the_step():
    class Failing(Square):
        calls = 0

        def backward(self, g):
            Failing.calls += 1
            if Failing.calls > 12 and g.shape == (8, 3):
                raise ZeroDivisionError("planned")
            return super().backward(g)

    model = network()
    model.append(lambda x: Failing()(x))
    with pytest.raises(ZeroDivisionError, match="planned"):
        fit(model, epochs=50)
    assert all(np.isfinite(p.numpy()).all() for p in model.parameters())


def test_captured_tensors_are_read_anew():
    """A weight of the loss that a callback changes between epochs."""
    found = []
    for compiled in ("always", False):
        strength = kb.tensor(1.0)

        def loss(y, t, strength=strength):
            return losses.mse(y, t) * strength

        def fade(run, strength=strength):
            strength.value = np.float64(0.5**run.epoch)

        found.append(fit(network(1), (X, Y), loss=loss, compile=compiled, callbacks=fade).history["loss"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
    assert found[0][-1] < 0.3 * found[0][0]


def test_a_penalty_on_the_models_own_weights():
    found = []
    for compiled in ("always", False):
        model = network(1)
        history = fit(
            model,
            (X, Y),
            compile=compiled,
            loss=lambda y, t, m=model: losses.mse(y, t) + 0.3 * knp.sum(m[0].weight ** 2),
        )
        found.append(history.history["loss"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_without_memory_for_the_steps_they_are_interpreted(monkeypatch):
    def none(size):
        raise MemoryError(f"no {size} bytes")

    expected = fit(network(), (X, LABELS), loss="cross_entropy", compile=False)
    monkeypatch.setattr(import_module("koubai.compile.program"), "aligned_bytes", none)
    with pytest.warns(UserWarning, match="the steps are interpreted .* no "):
        history = fit(network(), (X, LABELS), loss="cross_entropy", compile="always")
    assert history.history["loss"] == expected.history["loss"]
