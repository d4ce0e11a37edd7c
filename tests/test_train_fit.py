"""fit and evaluate: what is computed, and what is refused before the first step."""

from __future__ import annotations

import numpy as np
import pytest

import koubai as kb
from fit_cases import LABELS, X, Y, classifier, fit, weights
from koubai.data import permutation
from koubai.optim import SGD
from koubai.train.step import Step


def test_the_loss_is_the_mean_over_the_examples_also_with_a_ragged_last_batch():
    model = classifier()
    expected = kb.evaluate(model, (X, LABELS), "cross_entropy")
    history = fit(model, optimizer=SGD(lr=0.0), epochs=2)
    np.testing.assert_allclose(history.history["loss"], [expected] * 2, rtol=1e-12)
    seen = permutation(23, 0, 1)[:20]
    expected = kb.evaluate(model, (X[seen], LABELS[seen]), "cross_entropy")
    dropped = fit(model, optimizer=SGD(lr=0.0), epochs=1, drop_last=True)
    np.testing.assert_allclose(dropped.history["loss"], [expected], rtol=1e-12)


def test_the_steps_are_those_of_a_loop_by_hand():
    model, by_hand = classifier(), classifier()
    history = fit(model, epochs=2, seed=7, metrics="accuracy")
    optimizer = SGD(lr=0.1)
    for epoch in (1, 2):
        order, total, right = permutation(23, 7, epoch), 0.0, 0
        for start in range(0, 23, 5):
            rows = order[start : start + 5]
            by_hand.zero_grad()
            y = by_hand(X[rows])
            loss = kb.nn.losses.cross_entropy(y, LABELS[rows])
            loss.backward()
            optimizer.step(by_hand)
            total += float(loss.item()) * len(rows)
            right += int((y.numpy().argmax(axis=1) == LABELS[rows]).sum())
        np.testing.assert_allclose(history.history["loss"][epoch - 1], total / 23, rtol=1e-12)
        assert history.history["accuracy"][epoch - 1] == right / 23
    np.testing.assert_allclose(weights(model), weights(by_hand), rtol=1e-12)


def test_the_same_seed_gives_the_same_numbers():
    runs = [(classifier(dtype=np.float32), seed) for seed in (3, 3, 4)]
    losses = [fit(model, optimizer="adam", seed=seed).history["loss"] for model, seed in runs]
    assert losses[0] == losses[1] != losses[2]
    np.testing.assert_array_equal(weights(runs[0][0]), weights(runs[1][0]))


def test_training_goes_on_from_the_present_weights():
    once, twice = classifier(), classifier()
    fit(once, epochs=4, shuffle=False)
    fit(twice, epochs=2, shuffle=False)
    fit(twice, epochs=2, shuffle=False)
    np.testing.assert_array_equal(weights(once), weights(twice))


def test_accumulated_batches_are_one_large_batch():
    large, small = classifier(), classifier()
    fit(large, batch_size=10, shuffle=False)
    fit(small, batch_size=5, accumulate=2, shuffle=False)
    np.testing.assert_allclose(weights(small), weights(large), rtol=1e-12)


def test_clipping_bounds_the_step():
    model = classifier()
    before = weights(model)
    fit(model, optimizer=SGD(lr=1.0), epochs=1, batch_size=23, clip=1e-3)
    step = np.linalg.norm(weights(model) - before)
    assert 0.0009 < step <= 0.001
    fit(model, optimizer=SGD(lr=1.0), epochs=1, clip=lambda grads: {name: 0 * g for name, g in grads.items()})
    np.testing.assert_allclose(np.linalg.norm(weights(model) - before), step, rtol=1e-12)


def test_a_step_is_a_pure_function():
    model = kb.nn.Sequential(kb.nn.Linear(3, 8), kb.nn.Dropout(0.5), kb.nn.Linear(8, 2))
    x, t = X.astype(np.float32), LABELS
    step = Step(model, kb.nn.losses.cross_entropy, kb.optim.Adam(), x, t, None)
    state = step.state()
    order = np.arange(23)
    first, loss, seen = step(state, order, [(0, 8)], None)
    step(first, order, [(8, 16)], None)
    again, loss_again, _ = step(state, order, [(0, 8)], None)
    assert (loss, seen) == (loss_again, 8)
    for name in first.params:
        np.testing.assert_array_equal(first.params[name], again.params[name])


def test_schedules_are_followed_step_by_step():
    seen = []
    fit(classifier(), optimizer=SGD(lr=lambda step: seen.append(int(step)) or 0.1), epochs=2)
    assert sorted(set(seen)) == list(range(10))


def test_an_optimizer_that_is_no_pure_pair_is_refused():
    with pytest.raises(kb.UsageError, match=r"LBFGS .* step\(model, closure\)"):
        fit(classifier(), optimizer=kb.optim.LBFGS())


def test_frozen_parameters_stay_and_shared_ones_move_once():
    model = classifier()
    model.freeze("0")
    before = model.state_dict()
    fit(model)
    after = model.state_dict()
    np.testing.assert_array_equal(before["0.weight"], after["0.weight"])
    assert (before["2.weight"] != after["2.weight"]).any()
    layer = kb.nn.Linear(3, 3)
    shared = kb.nn.Sequential(layer, kb.nn.Tanh(), layer)
    assert fit(shared, (X, LABELS), check=True).grad_check.max_error < 1e-7
    with pytest.raises(kb.UsageError, match="no parameter to train"):
        fit(model.freeze())


def test_regression_targets_may_be_flat():
    model = kb.nn.Linear(3, 1, dtype=float)
    history = fit(model, (X, Y), loss="mse", epochs=60, metrics=["r2", "mae"], validation_data=(X, Y[:, None]))
    assert history.history["val_r2"][-1] > 0.999
    assert kb.evaluate(model, (X, Y), "r2") == kb.evaluate(model, (X, Y[:, None]), "r2")
    np.testing.assert_allclose(model.weight.numpy().ravel(), [1.0, -2.0, 0.5], atol=0.02)


def test_binary_classification_with_one_output():
    model = kb.nn.Linear(3, 1)
    history = fit(model, loss="binary_cross_entropy", epochs=60, metrics="accuracy", check=True)
    assert history.history["accuracy"][-1] > 0.9
    assert history.grad_check.max_error < 1e-7


def test_evaluate_gives_a_number_or_a_dict():
    model = classifier()
    accuracy = kb.evaluate(model, (X, LABELS), "accuracy")
    assert accuracy == np.mean(model.predict(X).argmax(axis=1) == LABELS)
    both = kb.evaluate(model, (X, LABELS), ["accuracy", "cross_entropy"])
    assert both["accuracy"] == accuracy
    assert kb.evaluate(model, (X, LABELS), lambda y, t: len(y)) == 23
    for size in (1, 4, 23):
        np.testing.assert_allclose(
            kb.evaluate(model, (X, LABELS), "cross_entropy", batch_size=size), both["cross_entropy"]
        )


def test_metrics_by_hand():
    y, t = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    model = kb.nn.Sequential(kb.nn.Flatten(0))
    for name, value in (("mse", 5 / 3), ("mae", 1.0), ("rmse", np.sqrt(5 / 3)), ("r2", 1 - 5 / 2)):
        np.testing.assert_allclose(kb.evaluate(model, (y, t), name), value, rtol=1e-6)


def test_validation_is_without_dropout_and_learns_nothing():
    model = kb.nn.Sequential(kb.nn.Linear(3, 50), kb.nn.Dropout(0.5), kb.nn.Linear(50, 2))
    history = fit(model, validation_data=(X, LABELS), epochs=1)
    np.testing.assert_allclose(
        history.history["val_loss"][0], kb.evaluate(model, (X, LABELS), "cross_entropy"), rtol=1e-6
    )
    other = kb.nn.Sequential(kb.nn.Linear(3, 50), kb.nn.Dropout(0.5), kb.nn.Linear(50, 2))
    fit(other, epochs=1)
    np.testing.assert_array_equal(weights(model), weights(other))


# Refusals


def replaced(array, index, value):
    array = array.astype(float)
    array[index] = value
    return array


REFUSED = {
    "not a pair": (lambda: fit(classifier(), X), "expected a pair"),
    "lengths": (lambda: fit(classifier(), (X, LABELS[:5])), r"x of shape \(23, 3\) and t of shape \(5,\)"),
    "empty": (lambda: fit(classifier(), (X[:0], LABELS[:0])), "the set is empty"),
    "empty validation": (lambda: fit(classifier(), validation_data=(X[:0], LABELS[:0])), "validation_data: the set is"),
    "nan": (lambda: fit(classifier(), (replaced(X, (4, 2), np.nan), LABELS)), "nan in row 4, column 2 is not a finite"),
    "infinity": (lambda: fit(classifier(), (X, replaced(Y, 3, np.inf)), loss="mse"), "t: inf in row 3 is not a finite"),
    "too large": (
        lambda: fit(classifier(dtype=np.float32), (replaced(X, (1, 0), 1e300), LABELS)),
        r"row 1, column 0 is too large for float32",
    ),
    "words": (lambda: fit(classifier(), (np.full((3, 3), "a"), [0, 1, 0])), "expected numbers"),
    "ragged": (lambda: fit(classifier(), ([[1, 2, 3], [1, 2]], [0, 1])), "do not form an array"),
    "complex": (lambda: fit(classifier(), (X + 1j, LABELS)), "complex"),
    "wrong width": (lambda: fit(classifier(), (X[:, :2], LABELS)), "expected 3 features"),
    "label": (lambda: fit(classifier(), (X, LABELS + 1)), r"label 2 in row \d+ is outside 0 to 1"),
    "label with the function": (
        lambda: fit(classifier(), (X, LABELS + 1), loss=kb.nn.losses.cross_entropy),
        r"label 2 in row \d+ is outside 0 to 1, since the model",
    ),
    "negative label": (lambda: fit(classifier(), (X, LABELS - 1)), r"label -1 in row \d+ is outside 0 to 1"),
    "label in validation": (lambda: fit(classifier(), validation_data=(X, LABELS * 5)), "validation_data, t: label 5"),
    "float labels": (lambda: fit(classifier(), (X, LABELS * 1.0)), "integer labels"),
    "binary": (
        lambda: fit(kb.nn.Linear(3, 1), (X, LABELS * 2), loss="binary_cross_entropy"),
        r"target 2 in row \d+ is outside 0 to 1",
    ),
    "shape of targets": (
        lambda: fit(kb.nn.Linear(3, 2), (X, Y), loss="mse"),
        "expected targets of the predictions' shape",
    ),
    "rows are mixed": (lambda: fit(kb.nn.Sequential(kb.nn.Flatten(0), kb.nn.Linear(24, 2)), check=False), "one row an"),
    "loss name": (lambda: fit(classifier(), loss="crossentropy"), "did you mean 'cross_entropy'"),
    "loss of rows": (lambda: fit(classifier(), loss=lambda y, t: y[:, 0]), "tensor with one number"),
    "loss of numbers": (lambda: fit(classifier(), loss=lambda y, t: 1.0), "tensor with one number"),
    "loss without gradient": (lambda: fit(classifier(), loss=lambda y, t: y.detach().sum()), "does not depend"),
    "metric": (lambda: fit(classifier(), metrics="acuracy"), "did you mean 'accuracy'"),
    "optimizer": (lambda: fit(classifier(), optimizer="adamm"), "adam"),
    "epochs": (lambda: fit(classifier(), epochs=0), "epochs must be a whole number from 1"),
    "batch size": (lambda: fit(classifier(), batch_size=2.5), "batch_size must be a whole number"),
    "drop last": (lambda: fit(classifier(), batch_size=50, drop_last=True), "drop_last leaves nothing"),
    "clip": (lambda: fit(classifier(), clip=-1), "clip must be a number above 0"),
    "model": (lambda: fit(lambda x: x), "expected the model to be"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_before_the_first_step(kind):
    run, says = REFUSED[kind]
    with pytest.raises(kb.KoubaiError, match=says):
        run()


def test_a_loss_that_is_not_finite_stops_the_training():
    model = classifier()
    with pytest.raises(kb.TrainingError, match=r"epoch \d+, .*(step|last step).*lower the learning rate"):
        fit(model, (X, Y[:, None] * np.ones(2)), loss="mse", optimizer=SGD(lr=1e9), epochs=50)
    assert np.isfinite(weights(model)).all()
