"""The check of the gradient before the first step."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import koubai as kb
from fit_cases import LABELS, X, classifier, fit, weights
from koubai.train import GradCheck


class Square(kb.Function):
    factor = 2.0

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, g):
        return self.factor * self.x * g


class Wrong(Square):
    factor = 1.0


class WrongLayer(kb.nn.Module):
    def forward(self, x):
        return Wrong()(x)


def test_the_check_confirms_this_very_network():
    history = fit(classifier(hidden=30), check=True)
    assert isinstance(history.grad_check, GradCheck)
    assert history.grad_check.checked == 50
    assert 0 <= history.grad_check.max_error < 1e-7
    assert "agree to" in str(history.grad_check)
    assert "on 50 parameters" in str(history.grad_check)
    assert fit(kb.nn.Linear(3, 2), check=True).grad_check.checked == 8
    assert fit(classifier()).grad_check is None


def test_the_check_says_what_it_found():
    assert str(GradCheck(1.96e-9, 50)) == "backpropagation and numerical differentiation agree to 2e-9 on 50 parameters"
    assert str(GradCheck(0.0, 4)) == "backpropagation and numerical differentiation agree exactly on 4 parameters"


def test_a_wrong_backward_is_not_trained():
    model = kb.nn.Sequential(kb.nn.Linear(3, 4), WrongLayer(), kb.nn.Linear(4, 2))
    before = weights(model)
    with pytest.raises(kb.GradientError, match="Wrong"):
        fit(model, check=True)
    np.testing.assert_array_equal(weights(model), before)
    fit(model, check=False)
    right = kb.nn.Sequential(kb.nn.Linear(3, 4), lambda x: Square()(x), kb.nn.Linear(4, 2))
    assert fit(right, check=True).grad_check.functions == ("Square",)


def test_a_wrong_gradient_outside_of_functions_is_found():
    def cut(y, t):
        return kb.nn.losses.cross_entropy(y, t) + kb.nn.losses.cross_entropy(y.detach(), t)

    with pytest.raises(kb.GradientError, match="gradient check"):
        fit(classifier(), loss=cut, check=True)


def test_kinks_and_dropout_do_not_disturb_the_check():
    layers = [kb.nn.Linear(3, 40), kb.nn.ReLU(), kb.nn.Dropout(0.5), kb.nn.Linear(40, 2)]
    model = kb.nn.Sequential(*layers)
    model[0].bias.assign(np.zeros(40))
    x = X.copy()
    x[:8] = 0.0  # every unit stands on its kink for the examples of the check
    history = fit(model, (x, LABELS), check=True)
    assert history.grad_check.max_error < 1e-7
    assert history.grad_check.checked > 0


def test_a_model_in_low_precision_cannot_be_checked():
    model = kb.nn.Sequential(kb.nn.Linear(3, 2), lambda x: x.astype(np.float32))
    with pytest.raises(kb.GradientError, match="float32"):
        fit(model, check=True)


def test_a_model_that_cannot_be_copied_cannot_be_checked():
    model = classifier()
    model.lock = threading.Lock()
    with pytest.raises(kb.GradientError, match="cannot be copied"):
        fit(model, check=True)
