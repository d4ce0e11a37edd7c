"""The paths of one number: all of them, the largest first, and together the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
from explain_cases import check_agreement, check_numbers, leaf
from koubai.check.random_graphs import RandomGraph
from koubai.explain.paths import paths_from


def brute_force(record: kb.Record, node: Any, e: int) -> list[float]:
    """The contributions of all paths from an element, by the full Jacobians."""
    end = record.output.index
    waiting, found = [(node.index, e, 1.0)], []
    while waiting:
        n, f, product = waiting.pop()
        if n == end:
            found.append(product)
        for edge in record.edges:
            if edge.source.index == n:
                jacobian = np.reshape(edge.jacobian(), (edge.target.value.size, -1))
                waiting += [(edge.target.index, g, product * d) for g, d in enumerate(jacobian[:, f]) if d]
    return found


@pytest.mark.parametrize("seed", range(40))
def test_paths_are_all_paths_and_sum_to_the_gradient(seed: int) -> None:
    graph = RandomGraph.draw(seed, 5)
    output = graph(*(leaf(x) for x in graph.inputs))
    record = kb.record(output)
    rng = np.random.default_rng(seed)
    for node in record.nodes:
        if node.op is None and node.grad is not None and node.value.size:
            e = int(rng.integers(node.value.size))
            index = tuple(int(i) for i in np.unravel_index(e, node.shape))
            found = paths_from(record, node, index, most=10_000)
            expected = brute_force(record, node, e)
            contributions = [path.contribution for path in found.largest]
            assert found.count == len(expected)
            np.testing.assert_allclose(sorted(contributions), sorted(expected), rtol=1e-9, atol=1e-12)
            sizes = np.abs(contributions)
            assert np.all(sizes[:-1] >= sizes[1:] - 1e-12)
            assert found.gradient == pytest.approx(sum(contributions), rel=1e-9, abs=1e-9)


def test_one_weight_and_its_paths() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(3, 2), kb.nn.Tanh(), kb.nn.Linear(2, 1)).astype(np.float64)
    x, t = np.array([[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]]), np.array([[1.0], [0.0]])
    explanation = kb.explain(model, x, t, "mse", wrt=model[0].weight, index=(2, 1))
    assert explanation.title == "How 0.weight[2, 1] reaches E"
    assert "There are 2 paths" in explanation.text
    assert "0.weight[2, 1] → v1[0, 1]" in " ".join(explanation.text.split())
    check_numbers(explanation)
    check_agreement(explanation)
    same = kb.explain(model, x, t, "mse", wrt="0.weight", index=(-1, -1))
    assert same.text == explanation.text


def test_a_few_of_many_paths() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(3, 5), kb.nn.Tanh(), kb.nn.Linear(5, 5), kb.nn.Tanh(), kb.nn.Linear(5, 1))
    x, t = np.ones((4, 3), np.float32), np.ones((4, 1), np.float32)
    explanation = kb.explain(model, x, t, "mse", wrt="0.weight", index=(0, 0), most=3)
    assert "There are 20 paths; the 3 with the largest contributions follow." in " ".join(explanation.text.split())
    assert "the other 17 paths" in explanation.text
    check_numbers(explanation)


def test_paths_through_two_places_of_one_op() -> None:
    x = leaf(3.0, "x")
    text = " ".join(kb.explain(x * x, wrt=x).text.split())
    assert "this is the path through its place number 1" in text
    assert "this is the path through its place number 2" in text
