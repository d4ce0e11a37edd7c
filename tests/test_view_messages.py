"""The picture of messages: well-formed, true to the numbers, and nothing in it is markup from data."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import koubai as kb
from koubai.explain.messages import Messages
from koubai.view.messages import messages_svg

SVG = "{http://www.w3.org/2000/svg}"


def small() -> Any:
    model = kb.nn.Sequential(kb.nn.Linear(2, 4), kb.nn.Tanh(), kb.nn.Linear(4, 3)).astype(float)
    return kb.messages(model, np.array([[0.3, -0.4], [1.0, 2.0]]), np.array([0, 2]), "cross_entropy")


def arrows(picture: str) -> list[Any]:
    return [p for p in ElementTree.fromstring(picture).iter(f"{SVG}path") if p.get("class") in ("plus", "minus")]


def test_an_arrow_for_each_message(tmp_path: Path) -> None:
    sent = small()
    picture = messages_svg(sent, tmp_path / "a.svg", example=1)
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == picture
    drawn = arrows(picture)
    assert len(drawn) == sum(int((a[1] != 0).sum()) for a in sent) == 2 * 4 + 4 + 4 * 3 + 3
    assert sum(p.get("class") == "minus" for p in drawn) == sum(int((a[1] < 0).sum()) for a in sent)
    first = drawn[:8]
    widths = np.array([float(p.get("stroke-width")) for p in first])
    np.testing.assert_array_equal(np.argsort(widths), np.argsort(np.abs(sent[0][1]).ravel()))
    for name in sent.names:
        assert name in picture


def test_large_layers_are_heat_maps_of_bounded_size() -> None:
    model = kb.nn.Sequential(kb.nn.Linear(300, 100), kb.nn.ReLU(), kb.nn.Linear(100, 3))
    sent = kb.messages(model, np.random.default_rng(0).normal(size=(1, 300)), np.array([1]), "cross_entropy")
    picture = messages_svg(sent)
    cells = [r for r in ElementTree.fromstring(picture).iter(f"{SVG}rect") if str(r.get("class")).startswith("cell")]
    assert 500 < len(cells) <= 2 * 48 * 48 + 48 * 3
    assert "300 nodes" in picture
    assert "the largest of each 7 x 3" in picture
    assert len(arrows(picture)) == 3
    assert len(picture) < 1_000_000


def test_names_are_text_and_odd_numbers_are_drawn() -> None:
    odd = np.array([[[np.nan, np.inf], [0.0, -1.0]]])
    picture = messages_svg(Messages([odd, np.ones((1, 2, 1))], ["<b>&\x00", "loss"]), title='"<script>')
    root = ElementTree.fromstring(picture)
    assert not list(root.iter(f"{SVG}script"))
    assert "<b>&" in [t.text for t in root.iter(f"{SVG}text")]
    assert messages_svg([np.zeros((1, 2, 1))]).count("<circle") == 3


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: messages_svg(small(), example=2), kb.IndexingError, "no example 2 among 2"),
        (lambda: messages_svg([]), kb.UsageError, "kb.messages"),
        (lambda: messages_svg([np.ones(3)]), kb.UsageError, "kb.messages"),
    ],
)
def test_refusals(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()
