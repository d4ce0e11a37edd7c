"""Networks explained layer by layer: the numbers are those of backpropagation, whatever the layers and the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
from explain_cases import check_agreement, check_numbers, mazur
from koubai.explain.dense import dense_layers


def test_every_published_intermediate_of_mazurs_network() -> None:
    model, x, t, loss = mazur()
    explanation = kb.explain(model, x, t, loss, digits=9)
    for shown in ("0.3775", "0.593269992", "0.596884378", "1.10590597", "0.751365070", "0.772928465", "0.298371109",
                  "0.741365070", "0.186815602", "0.138498562", "0.0821670406", "0.0363503064"):  # fmt: skip
        assert shown.rstrip("0") in explanation.text, shown
    assert "0.000438567" in explanation.text  # dE/dw1
    check_numbers(explanation)
    assert check_agreement(explanation) > 30


LOSSES = [
    ("mse", np.array([[0.5, -1.0, 0.25]])),
    ("mae", np.array([[0.5, -1.0, 0.25]])),
    ("binary_cross_entropy", np.array([[0.0, 1.0, 1.0]])),
    ("cross_entropy", np.array([1])),
    ("huber", np.array([[0.5, -1.0, 0.25]])),
]


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize(("loss", "t"), LOSSES, ids=[name for name, _ in LOSSES])
def test_networks_layer_by_layer(loss: str, t: Any, lang: str) -> None:
    nn = kb.nn
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3)).astype(np.float64)
    x = np.array([[0.5, -1.0]])
    explanation = kb.explain(model, x, t, loss, lang=lang)
    assert check_numbers(explanation) > 40
    assert check_agreement(explanation) > 30
    titles = [section.title for section in explanation.sections]
    steps = ("six steps", "five steps") if lang == "en" else ("6 つの手順", "5 つの手順")
    assert [sum(step in title for title in titles) for step in steps] == [1, 2]


def test_the_numbers_of_a_network_are_those_of_backpropagation() -> None:
    model, x, t, loss = mazur()
    explanation = kb.explain(model, x, t, loss)
    record = kb.record(loss(model(x), t))
    shown = {str(line.symbol): line.result for line in explanation.lines}
    for j in range(2):
        for k in range(2):
            assert shown[f"∂E/∂w_{{{j},{k}}}"] in (record["0.weight"].grad[j, k], record["2.weight"].grad[j, k])


def test_a_batch_is_explained_for_one_row_and_over_all() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 2), kb.nn.Tanh(), kb.nn.Linear(2, 1))
    x, t = np.array([[0.5, -1.0], [1.0, 2.0], [0.0, 1.0]]), np.array([[1.0], [0.0], [1.0]])
    first, second = (kb.explain(model, x, t, "mse", row=row) for row in (0, -1))
    assert "Over all 3 examples" in first.text
    assert first.text != second.text
    check_agreement(first)
    check_numbers(second)


def test_a_model_keeps_what_its_layers_store() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.BatchNorm1d(3), kb.nn.Linear(3, 1))
    before = model.state_dict()
    kb.explain(model, np.array([[0.5, -1.0], [1.0, 2.0]]), np.zeros((2, 1)), "mse")
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("wrt", [None, "0.weight"])
def test_targets_without_an_axis_of_their_own_are_aligned_as_in_fit(wrt: str | None) -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 2), kb.nn.Tanh(), kb.nn.Linear(2, 1))
    x, t, index = np.array([[0.5, -1.0], [1.0, 2.0]]), np.array([1.0, 0.0]), None if wrt is None else (0, 0)
    flat, column = (kb.explain(model, x, targets, "mse", wrt=wrt, index=index) for targets in (t, t[:, None]))
    assert flat.text == column.text


def test_a_users_loss_is_not_taken_for_one_of_the_same_name() -> None:
    def mse(y: Any, t: Any) -> Any:
        return ((y - t) ** 2).sum() / 8

    model, x, t, _ = mazur()
    explanation = kb.explain(model, x, t, mse)
    assert "(sum_k (y_k - t_k)^2)/K" not in explanation.text
    assert "(sum_k (y_k - t_k)^2)/K" in kb.explain(model, x, t, kb.nn.losses.mse).text
    assert check_numbers(explanation) > 30


@pytest.mark.parametrize("t", [np.eye(3)[[1, 2]], np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])])
def test_cross_entropy_of_class_probabilities(t: Any) -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.Tanh(), kb.nn.Linear(3, 3)).astype(np.float64)
    explanation = kb.explain(model, np.array([[0.5, -1.0], [1.0, 2.0]]), t, "cross_entropy")
    assert check_numbers(explanation) > 20
    assert check_agreement(explanation) > 10


def test_outputs_far_from_0_inside_of_a_loss() -> None:
    model, x = kb.nn.Sequential(kb.nn.Linear(1, 1)).astype(np.float64), np.array([[-900.0]])
    model[0].weight.assign([[1.0]])
    with np.errstate(over="raise"):
        explanation = kb.explain(model, x, np.array([[0.0]]), "binary_cross_entropy")
    assert "y_0 = 1/(1 + e^-u_0)" in explanation.text
    check_agreement(explanation)


def test_an_activation_of_many_ways_is_walked_once() -> None:
    """From input to output lead 2^60 ways: a walk that follows each of them does not end."""

    def halved(x: Any) -> Any:
        for _ in range(60):
            x = 0.25 * x + 0.25 * x
        return x

    model = kb.nn.Sequential(kb.nn.Linear(2, 2), kb.nn.Lambda(halved), kb.nn.Linear(2, 1))
    layers = dense_layers(model, kb.tensor(np.ones((1, 2)), requires_grad=True))
    assert layers is not None
    assert [layer.kind for layer in layers] == ["Lambda", ""]


def test_dropout_in_training_is_no_activation() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 4), kb.nn.Dropout(0.5), kb.nn.Linear(4, 2)).astype(np.float64)
    x, t = np.array([[0.5, -1.0]]), np.ones((1, 2))
    random = kb.explain(model, x, t, "mse")
    assert "six steps" not in random.text
    assert check_agreement(random) > 5
    assert "six steps" in kb.explain(model.eval(), x, t, "mse").text


def test_other_models_are_explained_op_by_op() -> None:
    model = kb.nn.Sequential(kb.nn.Conv1d(1, 2, 2), kb.nn.ReLU(), kb.nn.Flatten(), kb.nn.Linear(4, 1))
    explanation = kb.explain(model, np.arange(3.0).reshape(1, 1, 3), np.array([[1.0]]), "mse")
    assert "Forward, layer 0 (Conv1d)" in explanation.text
    assert "Backward, layer 3 (Linear)" in explanation.text
    check_agreement(explanation)


@pytest.mark.parametrize(
    "name",
    ["CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "Mish", "ReLU6", "SELU",
     "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanhshrink"],
)  # fmt: skip
def test_every_activation(name: str) -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), getattr(kb.nn, name)(), kb.nn.Linear(3, 2)).astype(np.float64)
    explanation = kb.explain(model, np.array([[0.5, -1.0]]), np.array([[1.0, 0.0]]), "mse")
    assert f"Hidden layer 0 with {name}: five steps" in explanation.text
    assert check_numbers(explanation) > 20
    assert check_agreement(explanation) > 20


def tied() -> kb.nn.Module:
    layer = kb.nn.Linear(2, 2)
    return kb.nn.Sequential(layer, kb.nn.Tanh(), layer).astype(np.float64)


def squashed_twice() -> kb.nn.Module:
    return kb.nn.Sequential(kb.nn.Linear(2, 2), kb.nn.Sigmoid()).astype(np.float64)


@pytest.mark.parametrize(
    ("make", "loss"),
    [
        (tied, "mse"),
        (squashed_twice, "binary_cross_entropy"),
        (lambda: kb.nn.Sequential(kb.nn.Linear(2, 2)), lambda y, t: ((y - t) ** 2).sum() + 0.0),
    ],
)
def test_what_the_steps_do_not_fit_is_explained_op_by_op(make: Any, loss: Any) -> None:
    explanation = kb.explain(make(), np.array([[0.5, -1.0], [1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), loss)
    check_numbers(explanation)
    check_agreement(explanation)
    assert "is the mean over its examples" not in explanation.text


def test_a_frozen_layer_gets_no_gradients_of_weights() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.Tanh(), kb.nn.Linear(3, 2)).astype(np.float64)
    model[0].freeze()
    explanation = kb.explain(model, np.array([[0.5, -1.0]]), np.array([[1.0, 0.0]]), "mse")
    assert "are frozen: they receive no gradient" in explanation.text
    check_numbers(explanation)
