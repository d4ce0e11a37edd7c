"""Ctrl-C while a training runs: it is heard, once, and leaves a complete step and everything else as it was."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading

import numpy as np
import pytest

import koubai as kb
from koubai import nn, optim
from koubai.train import Callback
from koubai.train.loop import Training
from koubai.train.step import Step

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
    # Python may hear of a signal in a destructor (of a timer, say), where it drops what is raised, and says so.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
both = pytest.mark.parametrize("compiled", ["always", False])

RNG = np.random.default_rng(0)
X = RNG.normal(size=(46, 6))
Y = np.sin(X[:, :1]) + X[:, 1:2] ** 2


class Twins(nn.Module):
    """Two networks that do the same, and a counter of the steps: equal after every complete step."""

    def __init__(self):
        self.one, self.other = (nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1)) for _ in range(2))
        self.steps = nn.Buffer(np.zeros((), np.int64))

    def forward(self, x):
        if self.training:
            self.steps = self.steps + 1
        return self.one(x) + self.other(x)


def twins():
    model = Twins().init(0).astype(float)
    model.other.load_state_dict(model.one.state_dict())
    return model


def fit(model, **options):
    """Ten steps an epoch."""
    defaults = {"loss": "mse", "epochs": 4, "batch_size": 5, "check": False, "shuffle": False}
    return kb.fit(model, (X, Y), **{**defaults, "optimizer": optim.SGD(lr=1e-3), **options})


def bits(model):
    return {name: value.tobytes() for name, value in model.state_dict().items()}


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def in_epoch(number, what=ctrl_c):
    return lambda run: what() if run.epoch == number else None


def fine(history, model):
    """Interrupted after a complete step, and with the program's own handler again."""
    assert history.interrupted
    assert bits(model.one) == bits(model.other)
    assert model.training
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Echo(kb.Function):
    """The identity, by callback."""

    def forward(self, x):
        return x.copy()

    def backward(self, g):
        return g.copy()


@pytest.mark.parametrize("how", ["epochs at once", "listened to", "through callbacks"])
@both
def test_at_any_moment_it_leaves_a_complete_step(how, compiled):
    seconds = random.Random(0)
    options = {"compile": compiled}
    if how == "through callbacks":
        options["loss"] = lambda y, t: nn.losses.mse(Echo()(y), t)
    for _ in range(12):
        model = twins()
        timer = threading.Timer(seconds.uniform(0.0, 0.06), ctrl_c)

        def begin(run, timer=timer):
            timer.start()

        start = type("Start", (Callback,), {"on_train_begin": staticmethod(begin)})()
        told = [lambda run: None] if how == "listened to" else []
        history = fit(model, epochs=10**6, callbacks=[start, *told], **options)
        timer.join()
        assert fine(history, model)
        if history.kept_epoch is not None:
            assert model.steps.item() == 10 * history.kept_epoch
            if history.kept_epoch <= 30:
                again = twins()
                fit(again, epochs=history.kept_epoch, **options)
                assert bits(again) == bits(model)


@both
def test_in_a_destructor_it_is_not_lost(compiled):
    class Fragile:
        def __del__(self):
            ctrl_c()
            for _ in range(1000):  # until Python has heard of it
                pass

    model = twins()
    history = fit(model, callbacks=in_epoch(2, Fragile), compile=compiled)
    assert fine(history, model)
    assert history.epochs == 2


@both
def test_while_the_model_is_given_its_weights(compiled, monkeypatch):
    """At the end of an epoch, and again while that is answered."""
    bind = Step.bind

    def impatient(self, state):
        if (model.steps.item(), state.buffers["steps"]) in {(10, 20), (20, 20)}:
            ctrl_c()
        bind(self, state)

    model = twins()
    monkeypatch.setattr(Step, "bind", impatient)
    history = fit(model, compile=compiled, callbacks=lambda run: None)
    assert fine(history, model)


def test_while_another_is_answered(monkeypatch):
    def own():
        raise KeyboardInterrupt

    so_far, model = Training._so_far, twins()
    monkeypatch.setattr(Training, "_so_far", lambda self: (ctrl_c(), so_far(self))[1])
    history = fit(model, callbacks=in_epoch(2, own))
    assert fine(history, model)
    assert history.kept_epoch == 2


@both
def test_after_the_last_epoch_it_is_said_all_the_same(compiled, monkeypatch):
    bind = Step.bind
    given = []

    def impatient(self, state):
        if ended:
            ctrl_c()
            given.append(state)
        bind(self, state)

    ended = []
    monkeypatch.setattr(Step, "bind", impatient)
    monkeypatch.setattr(Training, "_last", lambda self: ended.append(1))
    model = twins()
    history = fit(model, compile=compiled)
    assert given
    assert fine(history, model)
    assert (history.epochs, model.steps.item()) == (4, 40)


def test_before_the_first_step(monkeypatch):
    """Right when the training begins to listen."""
    install, model = signal.signal, twins()

    def slow(number, handler):
        before = install(number, handler)
        if handler is not signal.default_int_handler:
            ctrl_c()
        return before

    monkeypatch.setattr(signal, "signal", slow)
    history = fit(model)
    assert fine(history, model)
    assert (history.epochs, bits(model)) == (0, bits(twins()))


def test_a_callback_that_hangs_can_be_left():
    """Also where the first one was dropped."""

    class Fragile:
        def __del__(self):
            ctrl_c()
            for _ in range(1000):
                pass

    def hang():
        Fragile()
        ctrl_c()
        raise AssertionError("not reached")

    model = twins()
    assert fine(fit(model, callbacks=in_epoch(2, hang)), model)


@both
def test_a_training_within_a_training_ends_with_it(compiled):
    inner, outer, found = twins(), twins(), []
    nested = lambda: found.append(fit(inner, callbacks=in_epoch(2), compile=compiled))
    history = fit(outer, callbacks=in_epoch(3, nested), compile=compiled)
    assert fine(history, outer)
    assert fine(found[0], inner)
    assert (found[0].epochs, history.epochs) == (2, 3)


def test_while_a_model_within_is_given_its_weights(monkeypatch):
    bind = Step.bind

    def impatient(self, state):
        if self.model is inner and (inner.steps.item(), state.buffers["steps"]) == (20, 20):
            ctrl_c()
        bind(self, state)

    inner, outer, found = twins(), twins(), []
    monkeypatch.setattr(Step, "bind", impatient)
    history = fit(outer, callbacks=in_epoch(1, lambda: found.append(fit(inner, epochs=2))))
    assert fine(history, outer)
    assert fine(found[0], inner)


def test_a_training_within_a_training_hands_back():
    seen, model = [], twins()
    fit(model, callbacks=[in_epoch(1, lambda: fit(twins())), lambda run: seen.append(signal.getsignal(signal.SIGINT))])
    assert seen[0].__self__ is seen[3].__self__
    assert fine(fit(model, callbacks=[in_epoch(1, lambda: fit(twins())), in_epoch(2)]), model)


class Ends(Callback):
    def __init__(self, event, error):
        setattr(self, event, lambda run: self.end(run, error))

    def end(self, run, error):
        if error:
            raise error


@pytest.mark.parametrize("event", ["on_train_begin", "on_epoch_end", "on_train_end"])
@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt, kb.TrainingError, SystemExit])
def test_the_handler_is_put_back_however_it_ends(event, error):
    try:
        fit(twins(), callbacks=Ends(event, error))
    except BaseException as raised:
        assert type(raised) is error  # noqa: PT017
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def handler():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    yield heard
    signal.signal(signal.SIGINT, before)


def test_a_handler_of_the_programs_own_stays(handler):
    mine, seen = signal.getsignal(signal.SIGINT), []
    history = fit(twins(), callbacks=[in_epoch(2), lambda run: seen.append(signal.getsignal(signal.SIGINT))])
    assert (history.interrupted, history.epochs, handler) == (False, 4, [signal.SIGINT])
    assert seen == [mine] * 4
    assert signal.getsignal(signal.SIGINT) is mine


def test_a_handler_that_a_callback_sets_stays():
    mine = lambda number, frame: None
    before = signal.getsignal(signal.SIGINT)
    try:
        fit(twins(), callbacks=in_epoch(2, lambda: signal.signal(signal.SIGINT, mine)))
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_trainings_in_other_threads_leave_signals_alone():
    seen, inner, model = [], [], twins()

    def elsewhere():
        worker = threading.Thread(target=lambda: inner.append(fit(twins())))
        worker.start()
        worker.join()
        seen.append(signal.getsignal(signal.SIGINT))

    elsewhere()
    assert seen == [signal.default_int_handler]
    assert fine(fit(model, callbacks=[in_epoch(1, elsewhere), in_epoch(2)]), model)
    assert [history.interrupted for history in inner] == [False, False]
    assert seen[1].__self__ is not None
