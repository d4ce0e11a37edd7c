"""What callbacks are told, early stopping, and what an interruption leaves."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

import koubai as kb
from fit_cases import LABELS, X, classifier, fit, weights
from koubai.optim import SGD
from koubai.train import Callback, EarlyStopping


class Watch(Callback):
    def __init__(self):
        self.events, self.weights = [], []

    def on_train_begin(self, run):
        self.events.append("train")

    def on_epoch_begin(self, run):
        self.events.append(run.epoch)

    def on_epoch_end(self, run):
        self.events.append(dict(run.logs))
        self.weights.append(weights(run.model))

    def on_train_end(self, run):
        self.events.append("end")


def test_callbacks_are_told():
    watch, seen = Watch(), []
    history = fit(classifier(), epochs=2, callbacks=[watch, lambda run: seen.append(run.epoch)])
    assert watch.events == ["train", 1, history.rows[0], 2, history.rows[1], "end"]
    assert seen == [1, 2]
    assert fit(classifier(), epochs=5, callbacks=lambda run: run.stop()).epochs == 1
    with pytest.raises(kb.DTypeError, match="make an object of the class"):
        fit(classifier(), callbacks=[Watch])


def scripted(*values):
    numbers = iter(values)
    return {"quality": lambda y, t: next(numbers)}


def test_early_stopping_restores_the_best():
    model, watch = classifier(), Watch()
    stop = EarlyStopping("quality", patience=2)
    history = fit(model, epochs=9, metrics=scripted(3, 2, 1, 5, 6, 7), callbacks=[watch, stop])
    assert (history.epochs, history.best_epoch, history.kept_epoch, history.stopped_early) == (5, 3, 3, True)
    np.testing.assert_array_equal(weights(model), watch.weights[2])
    up = fit(
        classifier(), epochs=4, metrics=scripted(1, 2, 3, 2), callbacks=EarlyStopping("quality", mode="max", patience=3)
    )
    assert (up.best_epoch, up.stopped_early) == (3, False)
    small = EarlyStopping("quality", patience=2, min_delta=0.5, restore_best=False)
    assert fit(classifier(), epochs=9, metrics=scripted(3, 2.9, 2.8, 2.7), early_stopping=small).epochs == 3
    with pytest.raises(kb.UsageError, match="no 'nonsense' to monitor; there are loss"):
        fit(classifier(), early_stopping=EarlyStopping("nonsense"))


def test_a_validation_that_is_not_a_number_is_never_the_best():
    stop = EarlyStopping("quality", patience=9)
    history = fit(classifier(), epochs=3, metrics=scripted(np.nan, 2.0, np.nan), callbacks=stop)
    assert history.best_epoch == 2


def test_ctrl_c_keeps_the_best_weights_so_far():
    model, watch = classifier(), Watch()

    def interrupt(run):
        if run.epoch == 3:
            raise KeyboardInterrupt

    stop = EarlyStopping("quality", patience=9)
    history = fit(model, epochs=9, metrics=scripted(3, 1, 2), callbacks=[watch, interrupt, stop])
    assert history.interrupted
    assert (history.epochs, history.kept_epoch) == (3, 2)
    np.testing.assert_array_equal(weights(model), watch.weights[1])


def test_ctrl_c_in_the_middle_of_a_step_keeps_the_last_complete_one():
    steps = []

    def counting(x):
        steps.extend([x] * (len(x) == 5))  # the trial before the training has eight rows
        if len(steps) == 4:
            raise KeyboardInterrupt
        return x

    model, expected = kb.nn.Sequential(classifier(), counting), classifier()
    history = fit(model, epochs=9, shuffle=False)
    assert history.interrupted
    assert (history.epochs, history.kept_epoch) == (0, None)
    fit(expected, (X[:15], LABELS[:15]), epochs=1, shuffle=False)
    np.testing.assert_array_equal(weights(model), weights(expected))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the timer's destructor
def test_a_real_signal():
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    model = classifier()
    before = kb.evaluate(model, (X, LABELS), "cross_entropy")
    history = fit(model, epochs=10**6, callbacks=[lambda run: timer.start() if run.epoch == 1 else None])
    timer.join()
    assert history.interrupted
    assert 0 < history.epochs < 10**6
    assert kb.evaluate(model, (X, LABELS), "cross_entropy") < before


def test_progress_goes_to_stderr_and_is_quiet_in_a_pipe(capsys):
    fit(classifier())
    assert capsys.readouterr() == ("", "")
    fit(classifier(), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 3
    assert "epoch 3/3  loss " in err


def test_a_learning_rate_that_follows_the_loss():
    rate = kb.optim.schedules.ReduceOnPlateau(lr=0.1, patience=0, factor=1e-9)
    model = classifier()
    fit(model, optimizer=SGD(lr=rate), epochs=2, metrics=scripted(1.0, 2.0), early_stopping=EarlyStopping("quality"))
    moved, watch = classifier(), Watch()
    stop = EarlyStopping("quality", restore_best=False)
    fit(moved, optimizer=SGD(lr=rate), epochs=4, metrics=scripted(1.0, 2.0, 2.0, 2.0), callbacks=[watch, stop])
    assert (watch.weights[0] != watch.weights[1]).any()
    np.testing.assert_allclose(watch.weights[2], watch.weights[1], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(weights(model), watch.weights[0])
