"""Wrong backward passes: each makes its mistake and no other, and the first wrong node is found."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.check.random_graphs import RandomGraph
from koubai.explain.mistakes import MISTAKES, Mistake, gradients_with, gradients_without


def leaf(value: Any, name: str) -> kb.Tensor:
    return kb.tensor(value, requires_grad=True, name=name)


def shared() -> kb.Tensor:
    """u is used twice, and so is x."""
    x = leaf(3.0, "x")
    u = x * 2.0
    return u * x + u


def batch() -> kb.Tensor:
    x, w, b = np.array([[1.0, 2.0], [3.0, 5.0]]), leaf([[1.0, 0.5], [-1.0, 2.0]], "w"), leaf([0.1, 0.2], "b")
    u = x @ w + b
    return knp.mean(u * u)


def unit(f: Any, x: float = 0.7) -> kb.Tensor:
    return f(leaf(x, "x"))


E = np.exp(-0.7)
S = 1 / (1 + E)  # sigmoid(0.7)


@pytest.mark.parametrize(
    ("key", "make", "node", "right", "wrong"),
    [
        ("overwritten", shared, "u", 4.0, 3.0),
        ("early", shared, "x", 14.0, 12.0),
        ("product", lambda: leaf(2.0, "x") * leaf(5.0, "y"), "x", 5.0, 2.0),
        ("activation", lambda: unit(kb.nn.sigmoid), "x", S * (1 - S), 1.0),
        ("activation_input", lambda: unit(kb.nn.sigmoid), "x", S * (1 - S), 0.7 * 0.3),
        ("activation_output", lambda: unit(knp.tanh), "x", 1 - np.tanh(0.7) ** 2, 1 - np.tanh(np.tanh(0.7)) ** 2),
        ("exponent", lambda: unit(knp.square), "x", 1.4, 0.7),
        ("exponent", lambda: unit(lambda x: x**3), "x", 3 * 0.49, 0.49),
        ("minus", lambda: unit(lambda x: 1.0 - x), "x", -1.0, 1.0),
        ("minus", lambda: unit(lambda x: 1.0 / x), "x", -1 / 0.49, 1 / 0.49),
        ("minus", lambda: unit(lambda x: -x), "x", -1.0, 1.0),
        ("last_example", batch, "b", None, None),
        ("undivided", batch, None, 0.25, 1.0),
        ("untransposed", batch, "w", None, None),
    ],
)  # fmt: skip
def test_each_mistake_by_hand(key: str, make: Any, node: str | None, right: Any, wrong: Any) -> None:
    row = kb.misconceptions(make())[key]
    assert row.differs
    assert node is None or row.node == node
    if right is not None:
        assert float(row.right) == pytest.approx(right)
        assert float(row.wrong) == pytest.approx(wrong)


def test_mistakes_with_a_batch_in_numbers() -> None:
    lab = kb.misconceptions(batch())
    x, w, b = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0, 0.5], [-1.0, 2.0]]), np.array([0.1, 0.2])
    g = 2 * (x @ w + b) / 4
    np.testing.assert_allclose(lab["last_example"].right, g.sum(axis=0))
    np.testing.assert_allclose(lab["last_example"].wrong, g[-1])
    np.testing.assert_allclose(lab["untransposed"].right, x.T @ g)
    np.testing.assert_allclose(lab["untransposed"].wrong, x @ g)
    assert lab["undivided"].leaves == ("w", "b")
    assert not lab["overwritten"].differs or lab["overwritten"].node == "u"


@pytest.mark.parametrize("seed", range(20))
def test_a_mistake_changes_only_what_comes_after_it(seed: int) -> None:
    graph = RandomGraph.draw(seed)
    xs = [kb.tensor(v, requires_grad=True) for v in graph.inputs]
    record = kb.record(graph(*xs))
    right = gradients_with(record, Mistake("none", "", ""))
    for node in record.nodes:
        if node.grad is not None and node.messages:
            np.testing.assert_array_equal(right[node], node.grad)
    for mistake in MISTAKES:
        with np.errstate(all="ignore"):
            wrong = gradients_with(record, mistake)
        assert set(wrong) == set(right)
        for node, g in wrong.items():
            assert np.shape(g) == np.shape(node.grad)
    edge = record.edges[0]
    assert gradients_without(record, edge)[record.output] == record.output.grad


def test_ops_with_several_outputs() -> None:
    x = leaf(np.random.default_rng(0).normal(size=(3, 2)), "x")
    u, s, v = np.linalg.svd(x, full_matrices=False)
    record = kb.record((u * u * u).sum() + 2.0 * s.sum() + (v * v * v).sum())
    right = gradients_with(record, Mistake("none", "", ""))
    for edge in record.edges:
        got, wanted = (g if type(g) is tuple else (g,) for g in (right[edge.source], edge.source.grad))
        for a, b in zip(got, wanted):
            np.testing.assert_array_equal(a, b)
    assert kb.misconceptions(record)["overwritten"].differs


def test_a_forgotten_message() -> None:
    record = kb.record(shared())
    to_x = [edge for edge in record.edges if edge.source.symbol == "x"]
    assert sorted(float(gradients_without(record, edge)[record["x"]]) for edge in to_x) == [6.0, 8.0]


def test_what_tells_nothing_apart_is_said() -> None:
    """In x + y no mistake shows: an example of the kind that proves nothing."""
    lab = kb.misconceptions(leaf(1.0, "x") + leaf(2.0, "y"))
    assert not any(row.differs for row in lab.rows)
    assert str(lab).count("nowhere") == len(MISTAKES)


def test_text_in_both_languages_and_plain_data() -> None:
    output = shared()
    english, japanese = str(kb.misconceptions(output)), str(kb.misconceptions(kb.record(output), lang="ja"))
    assert "u         4      3      a later message overwrites" in english
    assert "上書きする" in japanese
    assert "食い違うノード" in japanese
    data = json.loads(json.dumps(kb.misconceptions(output).to_dict()))
    assert data["rows"][0]["key"] == "overwritten"
    assert data["rows"][0]["wrong"] == 3.0


def test_float32_is_given_its_rounding() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(20, 20), kb.nn.Linear(20, 1))
    lab = kb.misconceptions(model(np.ones((5, 20))).sum())
    assert [row.key for row in lab.rows if row.differs] == ["last_example"]


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: kb.misconceptions(3.0), kb.DTypeError, "a tensor or a record"),
        (lambda: kb.misconceptions(kb.tensor(3.0)), kb.UsageError, "requires a gradient"),
        (lambda: kb.misconceptions(shared(), lang="fr"), kb.UsageError, "'en' or 'ja'"),
        (lambda: kb.misconceptions(shared())["none"], kb.UsageError, "there are overwritten"),
    ],
)
def test_refusals(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def test_parentheses_are_written_in_one_way() -> None:
    package = Path(kb.__file__).parent
    assert [path.name for path in package.rglob("*.py") if re.search("[（）]", path.read_text("utf-8"))] == []
