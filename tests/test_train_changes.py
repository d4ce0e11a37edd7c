"""What callbacks change in a model under way: it counts from the next step on, compiled or not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai import nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6))
LABELS = X[:, :3].argmax(axis=1)


def classifier() -> Any:
    return nn.Sequential(
        nn.Linear(6, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.Dropout(0.5), nn.Linear(9, 3).freeze("bias")
    ).astype(np.float64)


def trained(event: str, change: Callable[[Any, int], None], compiled: Any, **options: Any) -> tuple[Any, Any]:
    class Changes(kb.train.Callback):
        pass

    setattr(Changes, event, lambda self, run: change(run.model, run.epoch))
    model = classifier()
    history = kb.fit(
        model, (X, LABELS), loss="cross_entropy", epochs=4, batch_size=10, check=False, compile=compiled,
        callbacks=[Changes()], **{"optimizer": kb.optim.Adam(0.01)} | options,
    )  # fmt: skip
    return history.history["loss"], {name: x.copy() for name, x in model.state_dict().items()}


def after(number: int, change: Callable[[Any], Any]) -> Callable[[Any, int], None]:
    return lambda model, epoch: change(model) if epoch == number else None


CHANGES = {
    "eval": after(1, lambda m: m.eval()),
    "one layer": after(2, lambda m: m[1].eval()),
    "there and back": lambda m, epoch: m.train(epoch != 2),
    "freeze": after(1, lambda m: m.freeze("0")),
    "requires_grad": after(2, lambda m: setattr(m[4].weight, "requires_grad", False)),
    "freeze, unfreeze": lambda m, epoch: m.freeze("0") if epoch == 1 else m.unfreeze("0") if epoch == 2 else None,
    "unfreeze": after(1, lambda m: m.unfreeze()),
    "dropout": after(1, lambda m: setattr(m[3], "p", 0.1)),
    "layer": after(2, lambda m: m.__setitem__(2, nn.ReLU())),
    "assign": after(2, lambda m: m[0].weight.assign(np.ones((6, 9)) * 0.1)),
    "load": after(1, lambda m: m.load_state_dict({name: x * 0.5 for name, x in m.state_dict().items()})),
    "buffer": after(2, lambda m: setattr(m[1], "running_mean", np.full(9, 7.0))),
    "draw": after(1, lambda m: m.init(3)),
}


CASES = [("on_epoch_end", name, {}) for name in CHANGES]
CASES += [("on_epoch_begin", "eval", {}), ("on_chunk_end", "assign", {})]
CASES += [("on_epoch_end", "freeze, unfreeze", {"accumulate": 2})]


@pytest.mark.parametrize(("event", "name", "options"), CASES)
def test_a_change_counts_interpreted_and_compiled(event: str, name: str, options: Any) -> None:
    plain = trained(event, lambda model, epoch: None, False, **options)[0]
    losses, state = trained(event, CHANGES[name], False, **options)
    if name != "buffer":  # which the training does not read
        assert np.abs(np.subtract(losses, plain)).max() > 1e-5
    if event == "on_chunk_end":
        return  # chunks are as long as the clock says
    found, others = trained(event, CHANGES[name], "always", **options)
    np.testing.assert_allclose(found, losses, rtol=1e-9)
    for path, x in state.items():
        np.testing.assert_allclose(others[path], x, rtol=1e-6, atol=1e-9, err_msg=path)


def test_weights_that_a_callback_assigns_are_gone_on_from() -> None:
    zero = after(4, lambda m: m.load_state_dict({name: 0 * x for name, x in m.state_dict().items()}))
    for compiled in (False, "always"):
        state = trained("on_epoch_end", zero, compiled)[1]
        assert all((x == 0).all() for x in state.values())


@pytest.mark.parametrize("compiled", [False, "always"])
def test_the_best_weights_hold_what_was_unfrozen_later(compiled: Any) -> None:
    kept: dict[str, Any] = {}

    def change(model: Any, epoch: int) -> None:
        if epoch == 1:
            kept.update(model.state_dict())
            model.unfreeze()
        model[4].weight.assign(model[4].weight.numpy() * -50.0)

    stopping = kb.train.EarlyStopping("loss", patience=5)
    _, state = trained("on_epoch_end", change, compiled, early_stopping=stopping)
    np.testing.assert_array_equal(state["4.bias"], kept["4.bias"])
    np.testing.assert_array_equal(state["4.weight"], kept["4.weight"])


@pytest.mark.parametrize("compiled", [False, "always"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: setattr(m[0], "weight", nn.Parameter(np.ones((6, 9)))), r"replaced, added or removed 0\.weight"),
        (lambda m: m.append(nn.Linear(3, 3)), r"replaced, added or removed 5\.weight"),
        (lambda m: setattr(m[0], "bias", None), r"replaced, added or removed 0\.bias"),
        (lambda m: m.__setitem__(1, nn.BatchNorm1d(9)), r"replaced, added or removed 1\.weight"),
        (lambda m: m.astype(np.float32), r"made 0\.weight an array of float32 \(6, 9\), it was of float64"),
    ],
    ids=["parameter", "layer", "bias", "statistics", "dtype"],
)
def test_what_cannot_be_changed_is_refused(change: Any, said: str, compiled: Any) -> None:
    with pytest.raises(kb.UsageError, match=said):
        trained("on_epoch_end", after(2, change), compiled)


@pytest.mark.parametrize(("draws", "said"), [(True, r"draws from Noisy\.rng"), (False, r"changes Noisy\.runs")])
def test_a_layer_that_draws_or_counts_is_interpreted(draws: bool, said: str) -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            self.layer, self.rng, self.runs = nn.Linear(6, 3), np.random.default_rng(0), 0

        def forward(self, x: Any) -> Any:
            if not self.training:
                return self.layer(x)
            if draws:
                return self.layer(x + self.rng.normal(size=x.shape))
            self.runs += 1
            return self.layer(x) * min(1.0, self.runs / 8)

    def losses(compiled: Any) -> Any:
        options = {"epochs": 2, "check": False, "compile": compiled}
        return kb.fit(Noisy(), (X, LABELS), loss="cross_entropy", **options).history["loss"]

    with pytest.warns(UserWarning, match=said):
        found = losses("always")
    assert found == losses(False)


def test_options_of_an_optimizer_cannot_be_assigned() -> None:
    optimizer = kb.optim.SGD(0.1, groups={"*.bias": {"lr": 0.2}})
    for change in (
        lambda: optimizer.options.__setitem__("lr", 0.5),
        lambda: optimizer.options.update(lr=0.5),
        lambda: optimizer.groups["*.bias"].__setitem__("lr", 0.5),
        lambda: setattr(optimizer, "lr", 0.5),
    ):
        with pytest.raises(kb.UsageError, match=r"lr cannot be assigned.*schedule"):
            change()
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert repr(twin) == repr(optimizer)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_losses_of_other_precisions(dtype: Any) -> None:
    found = []
    for compiled in (False, "always"):
        model = nn.Linear(6, 3)
        loss = lambda y, t: knp.mean((y - t) ** 2).astype(dtype)
        history = kb.fit(model, (X, X[:, :3]), loss=loss, epochs=2, batch_size=8, check=False, compile=compiled)
        found.append(history.history["loss"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)
