"""Records: gradients are sums of messages, messages are upstream times local, names are the user's."""

from __future__ import annotations

import gc
import json
import linecache
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.check.random_graphs import RandomGraph
from koubai.explain.local import LocalMap
from koubai.graph import registry
from koubai.ops.structure import outputs_of

UNUSED = kb.nn.Sequential(kb.nn.Linear(2, 2), kb.nn.Linear(2, 1))


def leaf(*shape: int, seed: int = 0, name: str | None = None) -> kb.Tensor:
    return kb.tensor(np.random.default_rng(seed).uniform(0.5, 1.5, shape), requires_grad=True, name=name)


def total(messages: Any) -> Any:
    first, *rest = [edge.message for edge in messages]
    for message in rest:
        first = tuple(a + b for a, b in zip(first, message)) if type(first) is tuple else first + message
    return first


def assert_sums(record: kb.Record) -> None:
    """Every gradient is the sum of its messages, to the last bit."""
    for node in record.nodes:
        if node.messages:
            got = total(node.messages)
            for a, b in zip(got, node.grad) if type(got) is tuple else [(got, node.grad)]:
                np.testing.assert_array_equal(a, b)
        else:
            assert node.grad is None or node is record.output


def micrograd() -> tuple[kb.Tensor, kb.Tensor, kb.Tensor]:
    a = kb.tensor(-4.0, requires_grad=True)
    b = kb.tensor(2.0, requires_grad=True)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + kb.nn.relu(b + a)
    d += 3 * d + kb.nn.relu(b - a)
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return a, b, g


def test_a_scalar_graph_of_the_readme_of_micrograd() -> None:
    a, _, g = micrograd()
    record = kb.record(g)
    assert_sums(record)
    assert float(record[a].grad) == pytest.approx(138.83381924)
    assert float(record["b"].grad) == pytest.approx(645.57725948)
    assert [n.symbol for n in record.nodes if not n.symbol.startswith("v")] == [
        "a", "b", "c", "d", "c_2", "c_3", "d_2", "d_3", "e", "f", "g", "g_2",
    ]  # fmt: skip
    where = record[a].where
    assert where is not None
    assert "test_record.py:" in where
    for edge in record.edges:
        assert edge.message == pytest.approx(edge.upstream * edge.local)
        assert edge.jacobian() == pytest.approx(edge.local)
    assert a.grad is None


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed: int) -> None:
    graph = RandomGraph.draw(seed)
    xs = [kb.tensor(v, requires_grad=True) for v in graph.inputs]
    output = graph(*xs)
    record = kb.record(output)
    assert_sums(record)
    output.backward()
    for x in xs:
        if x.grad is not None:
            np.testing.assert_array_equal(record[x].grad, x.grad)
    for edge in record.edges:
        check_local(edge)


def check_local(edge: Any) -> None:
    """The message is the upstream gradient times the Jacobian, and times the factors, summed where broadcast."""
    if type(edge.upstream) is tuple or type(edge.message) is tuple:
        return
    jacobian = edge.jacobian()
    expected = np.tensordot(edge.upstream, jacobian, axes=edge.target.value.ndim)
    np.testing.assert_allclose(edge.message, expected, rtol=1e-9, atol=1e-9)
    if isinstance(edge.local, LocalMap):
        assert edge.local.shape == jacobian.shape
        np.testing.assert_array_equal(edge.local(edge.upstream), edge.message)
    else:
        assert edge.local.shape == edge.target.shape


@pytest.mark.parametrize("name", registry())
def test_every_op(name: str) -> None:
    op = registry()[name]
    for sample in op.samples()[:3]:
        if op.vjp is None or any(np.asarray(x).dtype.kind == "c" for x in sample.args if not callable(x)):
            continue
        xs = [kb.tensor(x, requires_grad=True) if np.asarray(x).dtype.kind == "f" else x for x in sample.args]
        if not any(isinstance(x, kb.Tensor) for x in xs):
            continue
        result = op(*xs, **sample.params)
        for y in outputs_of(result) if isinstance(result.value, tuple) else (result,):
            if y.requires_grad and y.dtype.kind == "f":
                record = kb.record(y, np.ones(y.shape, y.dtype))
                assert_sums(record)
                json.loads(record.to_json())


class Shared(kb.nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        self.inner = kb.nn.Sequential(kb.nn.Linear(3, 3), kb.nn.Tanh())

    def forward(self, x: Any) -> Any:
        hidden = self.inner(x)
        return self.inner(hidden).sum()


def test_layers_and_parameters_have_their_names() -> None:
    model = Shared()
    record = kb.record(model(np.ones((2, 3), np.float32)))
    assert [(c.path, c.kind, c.parent and c.parent.index) for c in record.calls] == [
        ("", "Shared", None), ("inner", "Sequential", 0), ("inner.0", "Linear", 1), ("inner.1", "Tanh", 1),
        ("inner", "Sequential", 0), ("inner.0", "Linear", 4), ("inner.1", "Tanh", 4),
    ]  # fmt: skip
    weight = record["inner.0.weight"]
    assert weight.layer == "inner.0"
    assert [edge.target.call.index for edge in weight.messages] == [5, 2]
    assert [n.op for n in record.nodes if n.layer == "inner.1"] == ["tanh", "tanh"]
    hidden = record["hidden"]
    assert hidden.op == "tanh"
    assert hidden.call is record.calls[3]


def test_calls_end_when_a_layer_raises() -> None:
    with pytest.raises(kb.ShapeError):
        Shared()(np.ones((2, 4), np.float32))
    x = leaf(2)
    assert kb.record(x.sum())[x].call is None


def names_in(source: str) -> dict[str, str | None]:
    """The symbols of the record of `out` after the source has run, by op."""
    name = f"<{hash(source)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space: dict[str, Any] = {"kb": kb}
    exec(compile(source, name, "exec"), space)
    return {n.symbol: n.op for n in kb.record(space["out"]).nodes}


def test_names_are_the_users_variables() -> None:
    found = names_in(
        "x, y = kb.tensor(2.0, requires_grad=True), kb.tensor(3.0, requires_grad=True)\n"
        "u: object = x * y\n"
        "z = w = (v := u + x) * 2\n"
        "z -= 1\n"
        "out = kb.nn.softplus(z)"
    )
    assert {"x", "y", "u", "v", "z_2", "out"} <= set(found)
    assert found["v"] == "add"
    assert found["z_2"] == "subtract"


def test_without_source_nodes_are_numbered() -> None:
    space: dict[str, Any] = {"kb": kb}
    exec("x = kb.tensor(2.0, requires_grad=True)\nout = kb.numpy.sin(x) * x", space)
    assert [n.symbol for n in kb.record(space["out"]).nodes] == ["c1", "v1", "v2"]


def test_a_name_is_never_given_twice() -> None:
    one, two = leaf(name="v1"), leaf(name="v1")
    symbols = [n.symbol for n in kb.record(one * two + one).nodes]
    assert len(set(symbols)) == len(symbols)


def test_json_holds_everything() -> None:
    x = kb.tensor([1.0, 0.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        record = kb.record(kb.numpy.log(x).sum())
        text = record.to_json()
    data = json.loads(text)
    assert data["nodes"][1]["value"] == [0.0, "-Infinity"]
    assert data["nodes"][0]["grad"] == [1.0, "Infinity"]
    assert data["edges"][1] == {
        "source": 0, "target": 1, "position": 0, "upstream": [1.0, 1.0], "local": [1.0, "Infinity"],
        "message": [1.0, "Infinity"],
    }  # fmt: skip


def test_json_is_written_whole(tmp_path: Any) -> None:
    record = kb.record(leaf(3).sum())
    text = record.to_json(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == text
    assert list(tmp_path.iterdir()) == [tmp_path / "a.json"]
    with pytest.raises(OSError, match="nowhere"):
        record.to_json(tmp_path / "nowhere" / "a.json")


def test_several_outputs() -> None:
    parts = np.linalg.svd(leaf(3, 2))
    assert_sums(kb.record(parts[0].sum() + parts[1].sum()))


def test_an_output_that_is_used_again_and_a_gradient_for_many() -> None:
    x = leaf(2, 3)
    record = kb.record(x * 2.0, np.full((2, 3), 5.0))
    np.testing.assert_array_equal(record[x].grad, np.full((2, 3), 10.0))
    np.testing.assert_array_equal(record.output.grad, np.full((2, 3), 5.0))


def test_values_cannot_be_written_to() -> None:
    x = leaf(3)
    value = kb.record(x.sum())[x].value
    with pytest.raises(ValueError, match="read-only"):
        value[0] = 1.0


def test_nothing_stays_alive() -> None:
    model = kb.nn.Linear(3, 1)
    y = model(np.ones((2, 3), np.float32)).sum()
    record = kb.record(y)
    ends = [weakref.ref(y), weakref.ref(model)]
    assert record.calls[0].kind == "Linear"
    del y, record, model
    gc.collect()
    assert [end() for end in ends] == [None, None]


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: kb.record(3.0), kb.UsageError, "expected a tensor, the output of a computation, got float"),
        (lambda: kb.record(kb.tensor(3.0)), kb.UsageError, "requires a gradient"),
        (lambda: kb.record(leaf(3) * 2), kb.ShapeError, "not clear what to differentiate"),
        (lambda: kb.record(leaf(3).sum())["z"], kb.IndexingError, "'z' is not among the nodes"),
        (lambda: kb.record(leaf(3).sum())[leaf(3)], kb.IndexingError, "does not depend on this tensor, no path"),
        (lambda: kb.record(leaf(3).sum())[UNUSED[1].weight], kb.IndexingError, "not depend on 1.weight, no path"),
        (lambda: kb.record(leaf(3).sum())[7], kb.IndexingError, "7 is not among"),
        (lambda: kb.record(leaf(4000).cumsum().sum()).edges[1].jacobian(), kb.UsageError, "16,000,000 elements"),
        (lambda: kb.compile(lambda x: kb.record(x.sum()).output.value)(np.ones(2)), kb.TracingError, "record"),
    ],
)
def test_refusals(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300))
def test_a_chain_of_any_length(n: int) -> None:
    x = y = kb.tensor(1.0, requires_grad=True)
    for _ in range(n):
        y = y + x
    record = kb.record(y)
    assert_sums(record)
    assert record[x].grad == n + 1
