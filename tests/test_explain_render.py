"""How explanations look: lines that fit, in text and in print, pages that can be read with a keyboard."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import koubai as kb
from koubai.explain.derivation import Explanation, Line, Section
from koubai.explain.formula import Array, parse, to_plain
from koubai.explain.formula.latex import escaped
from koubai.explain.render.breaking import broken, folded, pieces
from koubai.explain.table import columns
from koubai.graph import registry

X = np.array([[0.5, -1.0], [1.0, 2.0], [0.3, 0.7]])


def leaf(value: Any, name: str | None = None) -> kb.Tensor:
    return kb.tensor(value, requires_grad=True, name=name)


def normalized(lang: str = "en") -> kb.Explanation:
    nn = kb.nn
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1))
    return kb.explain(model, X, np.array([[1.0], [2.0], [3.0]]), "mse", lang=lang)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_no_line_of_text_runs_off(lang: str) -> None:
    nn = kb.nn
    tied = nn.Linear(2, 2)
    repeated = kb.explain(nn.Sequential(tied, nn.Tanh(), tied), X, X, "mse", lang=lang)
    for explanation in (normalized(lang), repeated):
        lines = explanation.text.splitlines()
        assert max(map(columns, lines)) <= 96
        assert not [line for line in lines if line != line.rstrip()]


def test_formulas_go_on_between_terms_first() -> None:
    assert broken("(a + b) · c + d · (e - f)", 14, 14) == ["(a + b) · c", "+ d · (e - f)"]
    assert broken("(a + b + c) · d", 9, 9) == ["(a + b", "+ c) · d"]
    assert broken("[[1, 2], [3, 4]]", 9, 9) == ["[[1, 2],", "[3, 4]]"]
    assert broken("a_name_without_places + b", 5, 5) == ["a_name_without_places", "+ b"]


def test_sentences_are_folded_without_spaces_in_front() -> None:
    assert folded("これは BatchNorm1d の層", "", 10) == ["これは", "BatchNorm1d", "の層"]
    assert folded("値を足す。値を(引く)。", "  ", 10) == ["  値を足", "  す。値を", "  (引く)。"]
    assert folded("one two three", "", 8) == ["one two", "three"]


def test_the_shape_of_a_large_array_needs_no_words() -> None:
    assert to_plain(Array(np.arange(9.0))) == "[0, 1, 2, 3, ...] (9)"
    assert to_plain(Array(np.zeros((3, 5)))).endswith(", ...] (3 × 5)")


# In print


def compiled(document: str, folder: Path) -> str:
    """What LaTeX says about a document, run as its first line says."""
    command = "xelatex" if "run xelatex" in document.splitlines()[0] else "pdflatex"
    if shutil.which(command) is None:
        pytest.skip(f"there is no {command} here")
    (folder / "it.tex").write_text(document)
    run = subprocess.run(
        [command, "-interaction=nonstopmode", "-halt-on-error", "it.tex"], cwd=folder, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stdout[-2000:].decode(errors="replace")
    return (folder / "it.log").read_text(errors="replace")


def named_in_many_scripts() -> kb.Tensor:
    names = ("重み", "∂", "🙂", "λ_1", "αβ", "é", "x²", "шаг", "a→b", "שלום")
    values = [leaf(float(k + 1), name) for k, name in enumerate(names)]
    total = values[0]
    for value in values[1:]:
        total = total * value
    return total


def test_names_in_any_script_are_printed(tmp_path: Path) -> None:
    document = kb.explain(named_in_many_scripts()).document
    assert "[slightly smiling face]" in document
    assert "$\\alpha$$\\beta$" in document
    assert "run xelatex" in document.splitlines()[0]
    if "IPAGothic" in subprocess.run(["fc-list"], capture_output=True, text=True, check=False).stdout:
        assert "Missing character" not in compiled(document, tmp_path)


@pytest.mark.parametrize("name", registry())
def test_the_words_of_every_op_are_printed_by_pdflatex(name: str) -> None:
    words = registry()[name].words
    assert all(c <= "ÿ" for c in escaped(words.en + words.formula + words.derivative))


def test_a_note_with_signs_is_printed_by_pdflatex(tmp_path: Path) -> None:
    values, vectors = kb.numpy.linalg.eigh(leaf(np.array([[2.0, 1.0], [1.0, 3.0]]), "a"))
    document = kb.explain(values.sum() + vectors[0, 0] * leaf(2.0, "λ→∂")).document
    assert "xelatex" not in document
    compiled(document, tmp_path)


def test_long_formulas_do_not_run_off_the_page(tmp_path: Path) -> None:
    tied = kb.nn.Linear(2, 2)
    repeated = kb.explain(kb.nn.Sequential(tied, kb.nn.Tanh(), tied, kb.nn.Tanh(), tied), X, X, "mse")
    for explanation in (normalized(), repeated):
        wide = re.findall(r"Overfull \\hbox \(([\d.]+)", compiled(explanation.document, tmp_path))
        assert max(map(float, wide), default=0.0) < 25


def test_pieces_make_up_the_formula() -> None:
    text = "-a b c d + (e + f) g - h (i - j) + k"
    for width in range(1, 40):
        found = pieces(parse(text), width, 6)
        joined = " ".join(f"{sign} {piece}" for sign, piece in found)
        assert str(parse(joined)).replace(" ·", "") == str(parse(text)).replace(" ·", "")
    assert len(pieces(parse(text), 1, 6)) > 6


@pytest.mark.parametrize("form", ["latex", "html"])
def test_cases_in_japanese_are_in_japanese(form: str) -> None:
    text = getattr(kb.explain(kb.nn.ReLU()(leaf(2.0, "x")) * 2.0, lang="ja"), form)
    assert "それ以外" in text
    assert "otherwise" not in text
    line = Line(parse("y"), (), note="`y = x if x > 0 else 0`")
    shown = Explanation("t", (Section("s", (line,), "`y = x if x > 0 else 0`"),), "ja")
    assert getattr(shown, form).count("それ以外") == 2


# As a page


def test_a_page_has_one_heading_a_main_part_and_wide_formulas_in_reach_of_the_keyboard() -> None:
    explanation = normalized()
    page = explanation.page
    assert page.count("<h1") == page.count("<main>") == 1
    assert page.index("<main>") < page.index("<h1") < page.index("<h2")
    assert "<h1" not in explanation.html
    assert "<h2" in explanation.html
    assert 'tabindex="0" role="group" aria-label="[[' in page
    assert "tabindex" not in kb.explain(leaf(2.0, "x") * 3.0).page
