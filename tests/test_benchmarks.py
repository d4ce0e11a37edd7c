"""The benchmarks' own ground: the reference is right, a side that computes something else is found out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the benchmarks are not part of this distribution")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import a module of the benchmarks, whose names are nobody else's business."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield import_module
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(FOLDER):
            del sys.modules[name]


def small_work(load: Any, name: str) -> Any:
    """A few examples for a network with every kind of layer that the works have."""
    works = load("works")
    rng = np.random.default_rng(0)
    if name == "tanh":
        t = (np.arange(12) % 2)[:, None].astype(np.float32)
        return works.Work(name, works.dense("3-4-1", "tanh"), "binary_cross_entropy", 4, rng.normal(size=(12, 3)), t)
    layers = (works.Conv(1, 2, 3, 1), works.Conv(2, 3, 3, 0), works.Dense(12, 5, "relu"), works.Dense(5, 3))
    x = rng.normal(size=(6, 1, 12, 12))
    if name == "dense":
        layers, x = works.dense("12-5-3"), rng.normal(size=(6, 12))
    return works.Work(name, layers, "cross_entropy", 3, x.astype(np.float32), np.arange(6) % 3, l2=0.01)


@pytest.mark.parametrize("name", ["tanh", "dense", "convolutions"])
def test_the_gradient_by_hand_agrees_with_differences(load: Any, name: str) -> None:
    work = small_work(load, name)
    hand = load("peers.numpy_by_hand").ByHand(work, 1, np.float64)
    hand.begin()

    def loss(vector: Any) -> float:
        hand.vector[...] = vector
        return float(hand.loss(len(work.x)) + 0.5 * np.sum(hand.decay * vector**2))

    start = hand.vector.copy()
    hand._gradient(hand.x, hand.t)
    gradient, step = hand.gradient.copy(), 1e-6
    for k in range(0, len(start), 1 + len(start) // 40):
        moved = np.zeros_like(start)
        moved[k] = step
        slope = (loss(start + moved) - loss(start - moved)) / (2 * step)
        assert slope == pytest.approx(gradient[k], rel=1e-5, abs=1e-8), k


def test_a_side_with_another_rule_is_found_out(load: Any) -> None:
    work = small_work(load, "dense")
    steps, hand, koubai = load("steps"), load("peers.numpy_by_hand"), load("peers.koubai_fit")

    class Wrong(hand.ByHand):  # type: ignore[misc]
        def _adam(self) -> None:
            super()._adam()
            self.vector *= 0.999

    losses, allowed = steps._losses(work, {"right": koubai.Koubai(work, 1), "wrong": Wrong(work, 1)})
    off = {name: max(abs(a / b - 1) for a, b in zip(*pair)) for name, pair in losses.items()}
    assert off["right"] < 1e-5
    assert off["wrong"] > allowed


def test_the_page_says_how_far_a_missed_target_is(load: Any) -> None:
    report, document = load("report"), load("document")
    goals = [report.Goal("as fast as X", 4, 2.0), report.Goal("size", 1, 0.5, at_least=False)]
    assert [goal.met for goal in goals] == [False, True]
    lines = "\n".join(document._missed(goals, {"as fast as X": "X is fast."}))
    assert "- as fast as X: 2 where ≥ 4 was wanted, a factor of 2 away. X is fast." in lines
    assert "size" not in lines
