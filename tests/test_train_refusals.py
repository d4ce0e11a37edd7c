"""What fit and evaluate refuse before the first step, since it would train without an error to something wrong."""

from __future__ import annotations

import re

import numpy as np
import pytest

import koubai as kb
from koubai import nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
LABELS = (X[:, 0] > 0).astype(int)
Y = X @ [1.0, -2.0, 0.5]


def net(*last, outputs=2):
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, outputs), *last)


def fit(model, data=(X, LABELS), **options):
    return kb.fit(model, data, **{"loss": "cross_entropy", "epochs": 2, "check": False, **options})


class Reshaped(nn.Module):
    def __init__(self):
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        return nn.sigmoid(self.linear(x)).reshape(-1)


@pytest.mark.parametrize(
    ("model", "loss", "words"),
    [
        (net(nn.Sigmoid(), outputs=1), "binary_cross_entropy", "ends in a sigmoid"),
        (Reshaped(), nn.losses.binary_cross_entropy, "ends in a sigmoid"),
        (net(nn.Softmax()), "cross_entropy", "ends in a softmax"),
        (net(nn.Sequential(nn.Sigmoid())), "cross_entropy", "ends in a sigmoid"),
        (net(nn.Softmax()), "nll", "LogSoftmax"),
        (net(nn.ReLU()), "nll", "LogSoftmax"),
    ],
)
def test_outputs_that_the_loss_would_squash_again(model, loss, words):
    with pytest.raises(kb.errors.UsageError, match=words):
        fit(model, loss=loss)


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (net(nn.LogSoftmax()), "nll"),
        (net(nn.Sigmoid(), outputs=1), "mse"),
        (net(nn.Softmax()), lambda y, t: nn.losses.mse(y, np.eye(2)[t])),
    ],
)
def test_probabilities_for_a_loss_that_takes_them(model, loss):
    assert fit(model, loss=loss).epochs == 2


def test_looking_at_the_outputs_changes_no_mode():
    modes = []

    class Seen(nn.Module):
        def forward(self, x):
            modes.append(self.training)
            return x

    fit(net(Seen()), epochs=1)
    assert modes[-1]
    assert not modes[0]


def test_one_output_for_classes():
    with pytest.raises(kb.errors.ShapeError, match="binary_cross_entropy"):
        fit(net(outputs=1))


@pytest.mark.parametrize("where", ["x", "t"])
def test_numbers_that_float32_cannot_tell_apart(where):
    x, t = (X + 1e9, Y) if where == "x" else (X, Y + 1e9)
    with pytest.raises(kb.errors.DataError, match=f"data, {where}.*float32 can tell apart"):
        fit(net(outputs=1), (x, t), loss="mse")
    model = nn.Sequential(nn.Linear(3, 1, dtype=np.float64))
    assert fit(model, (x, t), loss="mse", optimizer=kb.optim.SGD(lr=0.0)).epochs == 2


@pytest.mark.parametrize("column", [np.full(24, 0.1), np.full(24, 0.3) + 1e-17 * X[:, 0], 1.7e9 + 1e6 * X[:, 0]])
def test_constant_columns_and_times_are_no_reason_to_refuse(column):
    assert fit(net(), (np.column_stack([X[:, :2], column]), LABELS), optimizer=kb.optim.SGD(lr=0.0)).epochs == 2


@pytest.mark.parametrize("seed", [1.5, None, "a", True])
def test_seeds_that_are_no_whole_numbers(seed):
    with pytest.raises(kb.errors.UsageError, match="seed must be a whole number"):
        fit(net(), seed=seed)


def test_negative_seeds_are_seeds_too():
    assert fit(net(), seed=-1, check=True).grad_check.max_error < 1e-7
    assert fit(net(), seed=-1, batch_size=5).history != fit(net(), seed=1, batch_size=5).history


def loss(y, t):
    return 0.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": [loss]}, "may not be named 'loss'"),
        ({"metrics": 3}, "names or functions"),
        ({"metrics": [lambda y, t: y]}, "one number"),
        ({"metrics": [lambda y, t: None]}, "one number"),
        ({"callbacks": 3}, "callbacks"),
        ({"loss": "triplet_margin"}, "triplet_margin"),
    ],
)
def test_metrics_callbacks_and_losses_that_cannot_be_used(options, words):
    with pytest.raises(kb.errors.KoubaiError, match=words):
        fit(net(), **options)


def test_no_metrics_and_no_callbacks_may_be_none():
    assert list(fit(net(), metrics=None, callbacks=None).history) == ["loss"]


def test_two_metrics_of_one_name_are_both_kept():
    history = fit(net(), metrics=[lambda y, t: 1.0, lambda y, t: 2.0]).history
    assert (history["<lambda>"], history["<lambda> 2"]) == ([1.0, 1.0], [2.0, 2.0])


def test_accuracy_of_labels_that_the_model_does_not_have():
    with pytest.raises(kb.errors.LabelError, match="label 9"):
        kb.evaluate(net(), (X, LABELS + 8), "accuracy")


@pytest.mark.parametrize("columns", [40, 50, 65, 80, 100])
def test_the_progress_line_is_not_cut_off(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    kb.fit(net(), (X, LABELS), loss="cross_entropy", epochs=200, validation_data=(X, LABELS), metrics="accuracy")
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err))
    last = [line for line in lines if "epoch" in line][-1]
    assert "epoch 200/200" in last
    assert re.search(r"val_accuracy \S", last)
    assert "…" not in last
    assert ("loss" in last, "examples/s" in last) == (columns >= 48, columns >= 88)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: nn.Dropout("a"), "expected a probability"),
        (lambda: net().load_state_dict(3), "expected a dict from names to arrays"),
        (
            lambda: kb.optim.Adam().update({"a": X}, kb.optim.SGD(momentum=0.9).init({"a": X}), {"a": X}),
            "of another optimizer",
        ),
    ],
)
def test_arguments_of_another_kind(wrong, words):
    with pytest.raises(kb.errors.KoubaiError, match=words):
        wrong()


@pytest.mark.parametrize("compile", [False, "always"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_an_index_out_of_range_is_found_in_the_data(compile: bool | str, shuffle: bool) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 9, (50, 4)), rng.normal(size=(50, 2))
    x[41, 2] = 9
    model = kb.nn.Sequential(table=kb.nn.Embedding(9, 3), flat=kb.nn.Flatten(), out=kb.nn.Linear(12, 2))
    with pytest.raises(kb.LabelError, match=r"^epoch 1, step \d, row 41 of the data: Embedding table: index 9 at "):
        kb.fit(model, (x, t), loss="mse", batch_size=8, compile=compile, shuffle=shuffle, progress=False)
