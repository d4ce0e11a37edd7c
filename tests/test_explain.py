"""Explanations: every number shown is the number computed, in both languages, for every op and kind of network."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import koubai as kb
from koubai.check.random_graphs import RandomGraph
from koubai.errors import UsageError
from koubai.explain.dense import dense_layers
from koubai.explain.formula import parse
from koubai.explain.paths import paths_from
from koubai.explain.replay import Replay
from koubai.graph import registry
from koubai.ops.structure import outputs_of

CONTINUED = re.compile(r"\s{4,}([-+·∘] |\[\S|if |else )")
CHECK = re.compile(r"\s{3,}[✓✗△].*$")


def leaf(value: Any, name: str | None = None) -> kb.Tensor:
    return kb.tensor(value, requires_grad=True, name=name)


def equations(text: str) -> list[list[str]]:
    """The equations of a text: the sides of each, of those that go over several lines too."""
    found: list[list[str]] = []
    for line in text.splitlines():
        line = CHECK.sub("", line)
        if found and CONTINUED.match(line):
            found[-1][-1] += f" {line.strip()}"
        elif line.startswith("  ") and " = " in line:
            sides = line.strip().removeprefix("= ").split(" = ")
            if re.match(r"\s+= ", line):
                found[-1] += sides
            else:
                found.append(sides)
    return found


def number(text: str) -> float | None:
    try:
        return float(parse(text, derivatives=False).evaluate({}))
    except (UsageError, TypeError, ValueError):
        return None


def check_numbers(explanation: kb.Explanation) -> int:
    """Recompute what is written: all sides of an equation that are numbers are equal, to the digits shown."""
    count = 0
    for sides in equations(explanation.text):
        values = [v for v in map(number, sides) if v is not None]
        for value in values[:-1]:
            assert value == pytest.approx(values[-1], rel=2e-4, abs=2e-5), sides
        count += len(values) - 1 if values else 0
    return count


def check_agreement(explanation: kb.Explanation) -> int:
    found = [line.agreement for line in explanation.lines if line.agreement is not None]
    for line in explanation.lines:
        assert line.agreement is None or line.agreement.ok, (line, line.agreement)
    return len(found)


def test_an_expression_from_its_values_to_its_gradients() -> None:
    x, y = leaf(2.0, "x"), leaf(3.0, "y")
    f = x * y + kb.numpy.sin(x)
    text = str(kb.explain(f))
    assert "v1 = x y = 2 · 3 = 6" in text
    assert "∂f/∂x = ∂f/∂v2 · ∂v2/∂x + ∂f/∂v1 · ∂v1/∂x" in text
    assert "= 1 · cos(2) + 1 · 3" in text
    assert "= 2.58385   ✓ numerically 2.58385" in text
    assert "∂f/∂x = cos(x) + y = 2.58385" in text
    assert "∂f/∂y = x = 2" in text


def test_in_japanese() -> None:
    x = leaf(2.0, "x")
    f = kb.numpy.tanh(x) * x
    text = kb.explain(f, lang="ja").text
    assert "順伝播: 値の計算" in text
    assert "連鎖律" in text
    assert "✓ 数値微分" in text
    assert not re.search(r"[a-z]{4,} [a-z]{3,} [a-z]{3,}", text), "English words are left"


@pytest.mark.parametrize("seed", range(60))
def test_numbers_of_random_computations(seed: int) -> None:
    graph = RandomGraph.draw(seed, 6)
    output = graph(*(leaf(x) for x in graph.inputs))
    if output.requires_grad:
        explanation = kb.explain(output)
        check_numbers(explanation)
        assert check_agreement(explanation) > 0


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", registry())
def test_no_op_without_words(name: str, lang: str) -> None:
    op = registry()[name]
    for sample in op.samples()[:2]:
        if op.vjp is None or any(np.asarray(x).dtype.kind == "c" for x in sample.args):
            continue
        xs = [leaf(x) if np.asarray(x).dtype.kind == "f" else x for x in sample.args]
        if not any(isinstance(x, kb.Tensor) for x in xs):
            continue
        result = op(*xs, **sample.params)
        for y in outputs_of(result) if isinstance(result.value, tuple) else (result,):
            if y.requires_grad and y.dtype.kind == "f":
                explanation = kb.explain(kb.record(y, np.ones(y.shape, y.dtype)), lang=lang)
                assert getattr(op.words, lang) in unescape(explanation.html)
                ElementTree.fromstring(explanation.html)
                assert explanation.latex.count("\\begin{align*}") == explanation.latex.count("\\end{align*}")
                check_agreement(explanation)


def mazur() -> tuple[kb.nn.Module, Any, Any, Any]:
    hidden, out = kb.nn.Linear(2, 2), kb.nn.Linear(2, 2)
    model = kb.nn.Sequential(hidden, kb.nn.Sigmoid(), out, kb.nn.Sigmoid()).astype(np.float64)
    hidden.weight.assign([[0.15, 0.25], [0.20, 0.30]])
    out.weight.assign([[0.40, 0.50], [0.45, 0.55]])
    hidden.bias.assign([0.35, 0.35])
    out.bias.assign([0.60, 0.60])
    return model, np.array([[0.05, 0.10]]), np.array([[0.01, 0.99]]), lambda y, t: ((t - y) ** 2 / 2).sum()


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


@pytest.mark.parametrize("name", ["LeakyReLU", "ELU", "SELU", "Softplus", "GELU", "SiLU", "Hardtanh", "Mish"])
def test_activations_of_one_op_and_of_several(name: str) -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), getattr(kb.nn, name)(), kb.nn.Linear(3, 2)).astype(np.float64)
    explanation = kb.explain(model, np.array([[0.5, -1.0]]), np.array([[1.0, 0.0]]), "mse")
    assert f"Hidden layer 0 with {name}: five steps" in explanation.text
    assert check_numbers(explanation) > 20
    assert check_agreement(explanation) > 20


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


def test_classes_as_probabilities() -> None:
    model, x = kb.nn.Sequential(kb.nn.Linear(2, 3)).astype(np.float64), np.array([[0.5, -1.0]])
    explanation = kb.explain(model, x, np.array([[0.2, 0.5, 0.3]]), "cross_entropy")
    assert check_numbers(explanation) > 10
    assert check_agreement(explanation) > 10


def test_outputs_far_from_0_inside_of_a_loss() -> None:
    model, x = kb.nn.Sequential(kb.nn.Linear(1, 1)).astype(np.float64), np.array([[-900.0]])
    model[0].weight.assign([[1.0]])
    with np.errstate(over="raise"):
        explanation = kb.explain(model, x, np.array([[0.0]]), "binary_cross_entropy")
    assert "y_0 = 1/(1 + e^-u_0)" in explanation.text
    check_agreement(explanation)


def test_another_gradient_than_1_to_start_with() -> None:
    x = leaf(2.0, "x")
    explanation = kb.explain(kb.record(x * x + x, 5.0))
    assert "with the gradient that was given" in explanation.text
    assert "All together" not in explanation.text
    assert "All together" in kb.explain(x * x + x).text
    spread = kb.explain(kb.record(x * np.array([1.0, 2.0]), np.ones(2)))
    assert "∂v1/∂x = [1, 2] = 3" not in spread.text
    assert check_agreement(spread) > 0


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
    "activation",
    ["CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "Mish", "ReLU6", "SELU",
     "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanhshrink"],
)  # fmt: skip
def test_every_activation(activation: str) -> None:
    layer = getattr(kb.nn, activation)()
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), layer, kb.nn.Linear(3, 1)).astype(np.float64)
    explanation = kb.explain(model, np.array([[0.5, -1.0]]), np.array([[1.0]]), "mse")
    assert "five steps" in explanation.text
    check_numbers(explanation)
    check_agreement(explanation)


@pytest.mark.parametrize("t", [np.eye(3)[[1, 2]], np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])])
def test_cross_entropy_of_class_probabilities(t: Any) -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.Tanh(), kb.nn.Linear(3, 3)).astype(np.float64)
    explanation = kb.explain(model, np.array([[0.5, -1.0], [1.0, 2.0]]), t, "cross_entropy")
    assert check_numbers(explanation) > 20
    check_agreement(explanation)


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


def several_outputs() -> list[kb.Tensor]:
    a = leaf(0.5, "a")
    matrix = np.array([[2.0, 1.0], [1.0, 3.0]])
    return [
        kb.checkpoint(lambda a: kb.numpy.sin(a) * a)(a),
        kb.scan(lambda c, x: (kb.numpy.tanh(c * x), c), a, kb.tensor(np.arange(1.0, 4.0)))[0],
        kb.numpy.linalg.eigh(a * matrix)[0].sum(),
        kb.numpy.linalg.svd(a * matrix)[1].sum(),
    ]


@pytest.mark.parametrize("number", range(4))
def test_ops_with_several_outputs(number: int) -> None:
    explanation = kb.explain(several_outputs()[number])
    check_numbers(explanation)
    check_agreement(explanation)


def test_differences_that_tell_nothing_give_no_verdict() -> None:
    a, b = leaf(1e16, "a"), leaf(1.0, "b")
    with np.errstate(all="ignore"):
        texts = [kb.explain(a + b - 1e16).text, kb.explain(kb.numpy.sqrt(leaf(0.0, "z"))).text,
                 kb.explain(kb.numpy.log(leaf(-1.0, "z"))).text]  # fmt: skip
    for text in texts:
        assert "✗" not in text
        assert "no finite difference tells" in text


def test_conventions_are_not_passed_off_as_formulas() -> None:
    text = kb.explain(leaf(0.0, "a") ** leaf(0.0, "b")).text
    assert "The formula has no value at this point" in text
    assert "ln(0)" not in text


def test_paths_through_two_places_of_one_op() -> None:
    x = leaf(3.0, "x")
    text = " ".join(kb.explain(x * x, wrt=x).text.split())
    assert "this is the path through its place number 1" in text
    assert "this is the path through its place number 2" in text


def test_products_of_elements_and_of_matrices_look_different() -> None:
    column, row = leaf([[1.0], [2.0]], "A"), leaf([[1.0, 2.0]], "b")
    assert "A ∘ b" in kb.explain((column * row).sum()).text
    assert "v1 = A b" in kb.explain((column @ row).sum()).text


def test_what_an_op_is_told_stands_in_its_formula() -> None:
    a = leaf(np.arange(6.0).reshape(2, 3), "a")
    assert "v1 = a[1, 2] = 5" in kb.explain(a[1, 2] * 2.0).text
    assert "v1 = a[0, 1:]" in kb.explain((a[0, 1:] * 2.0).sum()).text
    assert "reshape(a, (3, 2))" in kb.explain(a.reshape(3, 2).sum()).text


def test_names_of_users_come_first() -> None:
    b, c = leaf(2.0, "b"), leaf(3.0, "c")
    symbols = [n.symbol for n in kb.record(kb.numpy.where(kb.tensor(True), b, c)).nodes]
    assert sorted(symbols) == ["b", "c", "c1", "v1"]
    assert kb.record(leaf(2.0, "two\nlines") * 2.0).nodes[0].symbol == "two lines"


def test_one_of_something_is_singular() -> None:
    assert kb.explain(leaf(2.0, "x") * 2.0).title.endswith("2 values, 1 message")


# Paths


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


# How it looks


def test_text_fits_a_terminal() -> None:
    model, x, t, loss = mazur()
    lines = kb.explain(model, x, t, loss).text.splitlines()
    assert max(map(len, lines)) <= 110


def test_names_never_become_markup() -> None:
    hostile = "</style><script>alert(1)</script>&\\input{x}"
    x = leaf(2.0, hostile)
    explanation = kb.explain(x * x)
    assert "<script>" not in explanation.html
    assert "\\input" not in explanation.latex
    assert hostile in explanation.text


def test_notebooks_and_pages() -> None:
    explanation = kb.explain(leaf(2.0, "x") * 3.0)
    assert explanation._repr_html_() == explanation.html
    page = ElementTree.fromstring(re.sub(r"<!doctype html>|<meta[^>]*>", "", explanation.page))
    assert page.tag == "html"
    assert "http" not in re.sub(r"http://www.w3.org/1998/Math/MathML", "", explanation.page)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")
def test_latex_compiles(tmp_path: Path) -> None:
    model, x, t, loss = mazur()
    for n, explanation in enumerate([kb.explain(model, x, t, loss), kb.explain(loss(model(x), t))]):
        (tmp_path / f"{n}.tex").write_text(explanation.document)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{n}.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout[-2000:]


def test_digits() -> None:
    x = leaf(2.0, "x")
    f = kb.numpy.sin(x)
    assert "0.909" in kb.explain(f, digits=3).text
    assert "0.9092974268" in kb.explain(f, digits=10).text


def test_a_kink_is_said() -> None:
    x = leaf(0.0, "x")
    assert "a kink: the slope differs on both sides" in kb.explain(kb.numpy.abs(x)).text


def test_a_wrong_rule_is_marked() -> None:
    class Double(kb.Function):
        def forward(self, x: Any) -> Any:
            return 2.0 * x

        def backward(self, dout: Any) -> Any:
            return dout

    text = kb.explain(Double()(leaf(3.0, "x"))).text
    assert "✗ but numerically 2" in text


def test_differences_are_taken_in_double_precision() -> None:
    x = kb.tensor(np.float32(0.3), requires_grad=True, name="x")
    record = kb.record(kb.numpy.exp(x) * x)
    agreement = Replay(record).agreement(record["x"])
    assert agreement is not None
    assert agreement.largest < 1e-6


MODEL = kb.nn.Sequential(kb.nn.Linear(2, 1))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: kb.explain(3.0), kb.UsageError, "expected a tensor .* or a model, got float"),
        (lambda: kb.explain(leaf(2.0) * 2, lang="fr"), kb.UsageError, r"English \(lang='en'\) and Japanese"),
        (lambda: kb.explain(leaf(2.0) * 2, digits=0), kb.UsageError, "digits"),
        (lambda: kb.explain(leaf(2.0) * 2, np.ones(2)), kb.UsageError, "belong to a model"),
        (lambda: kb.explain(MODEL), kb.UsageError, "give examples, targets and a loss"),
        (lambda: kb.explain(MODEL, np.ones((2, 2)), np.ones((2, 1)), "mee"), kb.UsageError, "no loss is named 'mee'"),
        (lambda: kb.explain(MODEL, np.ones((2, 2)), np.ones((2, 1)), "mse", row=2), kb.IndexingError, "no row 2 among"),
        (lambda: kb.explain(MODEL, np.ones((2, 2)), np.ones((2, 1)), "mse", row="a"), kb.UsageError, "an integer, got"),
        (lambda: kb.explain(leaf(2.0) * 2, index=1), kb.UsageError, "name it with wrt="),
        (lambda: kb.explain(leaf([2.0, 1.0], "x").sum(), wrt="x"), kb.UsageError, "say with index= which"),
        (lambda: kb.explain(leaf([2.0, 1.0], "x").sum(), wrt="x", index=2), kb.IndexingError, "no element"),
        (lambda: kb.explain(leaf([2.0, 1.0], "x").sum(), wrt="y", index=2), kb.IndexingError, "'y' is not among"),
        (lambda: kb.explain(leaf([2.0], "x").sum(), wrt="x", index=(0, 1)), kb.IndexingError, "one integer an axis"),
        (lambda: kb.explain(leaf([2.0], "x").sum(), wrt="x", most=0), kb.UsageError, "at least 1"),
        (lambda: kb.explain(long_chain(400)), kb.UsageError, "more than the 300 that can be read"),
        (lambda: kb.explain(without_path(), wrt="c1", index=0), kb.UsageError, "no path leads from c1"),
    ],
)
def test_refusals(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def long_chain(n: int) -> kb.Tensor:
    x = leaf(1.0)
    for _ in range(n):
        x = x * 1.0
    return x


def without_path() -> kb.Tensor:
    return leaf([2.0], "x").sum() * kb.tensor(3.0)
