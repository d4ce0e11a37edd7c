"""How explanations look: lines that fit, in text and in print, pages that can be read with a keyboard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
from koubai.explain.formula import Array, to_plain
from koubai.explain.render.breaking import broken, folded
from koubai.explain.table import columns

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
