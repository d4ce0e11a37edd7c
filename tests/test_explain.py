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
from explain_cases import check_agreement, check_numbers, leaf, mazur
from koubai.check.random_graphs import RandomGraph
from koubai.explain.replay import Replay
from koubai.graph import registry
from koubai.ops.structure import outputs_of


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


def test_another_gradient_than_1_to_start_with() -> None:
    x = leaf(2.0, "x")
    explanation = kb.explain(kb.record(x * x + x, 5.0))
    assert "with the gradient that was given" in explanation.text
    assert "All together" not in explanation.text
    assert "All together" in kb.explain(x * x + x).text
    spread = kb.explain(kb.record(x * np.array([1.0, 2.0]), np.ones(2)))
    assert "∂v1/∂x = [1, 2] = 3" not in spread.text
    assert check_agreement(spread) > 0


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
