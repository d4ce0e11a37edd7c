"""What a compiled function reaches besides its arguments: weights, settings, and the gradients that go there."""

from __future__ import annotations

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
