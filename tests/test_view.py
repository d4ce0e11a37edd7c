"""kb.view: what is written, that it holds the numbers of the record, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import koubai as kb
from koubai.view.data import page_data
from koubai.view.html import page
from koubai.view.scene import scene
from koubai.view.values import Budget, packed, short

EVIL = '</script>"\\<img src=x onerror=alert(1)>\u2028&<!--'
PAGE = Path(kb.view.__code__.co_filename).parent / "page"


def product(name: str = "x") -> kb.Tensor:
    x, y = kb.tensor(2.0, requires_grad=True, name=name), kb.tensor(3.0, requires_grad=True, name="y")
    result: kb.Tensor = x * y + x
    return result


def network() -> Any:
    return kb.nn.Sequential(kb.nn.Linear(4, 8), kb.nn.Tanh(), kb.nn.Linear(8, 2))


def data_of(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_page_holds_the_numbers_of_the_record(tmp_path: Path) -> None:
    output = kb.numpy.sin(product()) / 3.0
    seen, data = kb.record(output), data_of(kb.view(output, tmp_path / "page.html"))
    assert [n["value"] for n in data["nodes"]] == [float(n.value) for n in seen.nodes]
    assert [n["grad"] for n in data["nodes"]] == [float(n.grad) for n in seen.nodes]
    sent = [data["edges"][i] for i in data["sent"]]
    assert [(e["source"], e["target"], e["position"], e["message"]) for e in sent] == [
        (e.source.index, e.target.index, e.position, float(e.message)) for e in seen.edges
    ]
    for i, node in enumerate(data["nodes"]):
        messages = [e["message"] for e in sent if e["source"] == i]
        assert not messages or sum(messages[1:], messages[0]) == node["grad"]


def test_formulas_carry_the_numbers(tmp_path: Path) -> None:
    data = data_of(kb.view(product(), tmp_path / "page.html"))
    assert data["nodes"][2]["said"] == "v_1 = x y = 2 · 3 = 6"
    assert data["nodes"][3]["said"].endswith("= 6 + 2 = 8")


def test_a_small_page_is_small_and_refers_to_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = kb.nn.Sequential(kb.nn.Linear(784, 128), kb.nn.ReLU(), kb.nn.Linear(128, 10))
    path = kb.view(model, tmp_path / "p.html", rng.random((32, 784)), rng.integers(0, 10, 32), "cross_entropy")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 1_000_000
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}  # names, not places
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|sendBeacon|importScripts)\b|@import|url\(", text)
    assert not re.search(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval)\b", text)


def test_the_policy_admits_exactly_what_stands_in_the_page(tmp_path: Path) -> None:
    text = kb.view(product(), tmp_path / "page.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    for tag in ("style", "script"):
        content = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(content) == 1
        digest = base64.b64encode(hashlib.sha256(content[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


@pytest.mark.parametrize("ending", ["html", "svg", "dot"])
def test_names_never_become_markup(tmp_path: Path, ending: str) -> None:
    path = kb.view(product(EVIL), tmp_path / f"page.{ending}", title=EVIL)
    text = path.read_text(encoding="utf-8")
    if ending == "html":
        assert "<img" not in text
        assert text.count("</script>") == 2
        data = data_of(path)
        assert data["nodes"][0]["symbol"] == EVIL
        assert data["title"] == EVIL
    elif ending == "svg":
        assert "<img" not in text
        titles = ElementTree.fromstring(text).findall("{http://www.w3.org/2000/svg}title")
        assert [t.text for t in titles] == [EVIL]
    else:
        unquoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
        assert not re.search(r'["<]|img|alert', unquoted)


def test_characters_that_files_cannot_hold(tmp_path: Path) -> None:
    for ending in ("html", "svg", "dot"):
        kb.view(product("a\ud800\0b"), tmp_path / f"p.{ending}").read_text(encoding="utf-8")
    ElementTree.parse(tmp_path / "p.svg")


def test_the_svg_shows_values_and_gradients(tmp_path: Path) -> None:
    root = ElementTree.parse(kb.view(product(), tmp_path / "picture.svg")).getroot()
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"x", "y", "8", "4", "∇"} <= set(texts)


def test_dot_has_layers_as_clusters(tmp_path: Path) -> None:
    text = kb.view(network(), tmp_path / "graph.gv", np.ones((1, 4))).read_text(encoding="utf-8")
    assert text.count("subgraph cluster_") == 2
    assert text.count("{") == text.count("}")
    assert "0.weight" in text


def test_parameters_stand_in_their_layer() -> None:
    model = network()
    drawn = scene(kb.record(model(np.ones((1, 4))).sum()))
    layer = {node.symbol: node.group for node in drawn.nodes}
    assert [group.path for group in drawn.groups] == ["0", "2"]
    assert layer["0.weight"] == layer["0.bias"] == 0
    assert layer["2.weight"] == 1


def test_a_model_alone_is_shown_with_an_example(tmp_path: Path) -> None:
    data = data_of(kb.view(network(), tmp_path / "page.html"))
    assert data["title"] == "Sequential"
    assert next(n for n in data["nodes"] if n["symbol"] == "x")["value"]["shape"] == [1, 4]


def test_a_model_is_not_changed_by_being_viewed(tmp_path: Path) -> None:
    model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.BatchNorm1d(3))
    before = model.state_dict()
    kb.view(model, tmp_path / "page.html", np.random.default_rng(0).random((4, 2)))
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_a_model_with_several_outputs_and_a_loss_of_them(tmp_path: Path) -> None:
    class Pair(kb.nn.Module):
        def __init__(self) -> None:
            self.linear = kb.nn.Linear(2, 1)

        def forward(self, x: Any) -> Any:
            return self.linear(x), x

    x, t = np.ones((2, 2)), np.ones((2, 1))
    path = kb.view(Pair(), tmp_path / "pair.svg", x, t, lambda y, t: ((y[0] - t) ** 2).mean())
    assert "linear.weight" in path.read_text(encoding="utf-8")


def test_several_outputs_what_is_not_finite_and_complex_numbers_are_shown(tmp_path: Path) -> None:
    a = kb.tensor(np.eye(3) + 0.1, requires_grad=True, name="a")
    values, vectors = kb.numpy.linalg.eigh(a)
    data = data_of(kb.view(values.sum() + vectors.sum(), tmp_path / "page.html"))
    assert any("several" in n["value"] for n in data["nodes"] if isinstance(n["value"], dict))
    x = kb.tensor(0.0, requires_grad=True)
    with np.errstate(divide="ignore"):
        data = data_of(kb.view(1.0 / x, tmp_path / "page.html"))
    assert [n["value"] for n in data["nodes"]] == [0, "Infinity"]
    z = kb.tensor(np.array([1 + 2j, 3.0]), requires_grad=True)
    kb.view(kb.numpy.abs(z).sum(), tmp_path / "page.html")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("before", encoding="utf-8")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        kb.view(product(), path)
    assert path.read_text(encoding="utf-8") == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


REFUSED = [
    (lambda p: kb.view(3.0, p), "expected the output of a computation .* got float"),
    (lambda p: kb.view(kb.tensor(2.0), p), "nothing that led to this tensor requires a gradient"),
    (lambda p: kb.view(product(), p, lang="fr"), 'lang must be "en", "ja" or None'),
    (lambda p: kb.view(product(), p, np.ones(3)), "x, t and loss are for a model"),
    (lambda p: kb.view(network(), p, None, np.ones(3)), "targets were given but no examples"),
    (lambda p: kb.view(network(), p, np.ones((1, 4)), None, "mse"), "a loss needs targets"),
    (lambda p: kb.view(kb.nn.Tanh(), p), "give an example"),
    (lambda p: kb.view(kb.nn.LSTM(2, 2), p, np.ones((1, 3, 2))), "LSTM returns tuple, of which it is not clear"),
    (lambda p: kb.view(kb.record(product()), p, gradient=2.0), "a record holds its gradients already"),
    (lambda p: kb.view(product(), 3), "path must say where to write"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED, ids=[says[:30] for _, says in REFUSED])
def test_what_is_refused(tmp_path: Path, call: Any, says: str) -> None:
    with pytest.raises(kb.UsageError, match=says):
        call(tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"name a file in it"):
        kb.view(product(), tmp_path)


def test_a_graph_too_large_to_draw_is_refused_with_a_remedy(tmp_path: Path) -> None:
    x = y = kb.tensor(1.0, requires_grad=True)
    for _ in range(5001):
        y = y + x
    with pytest.raises(kb.UsageError, match=r"5002 nodes, and a drawing shows at most 5000; draw a part"):
        kb.view(y, tmp_path / "page.html")


def test_a_large_graph_starts_with_few_things_and_stays_bounded(tmp_path: Path) -> None:
    x = y = kb.tensor(np.ones((40, 40)), requires_grad=True)
    for _ in range(400):
        y = kb.numpy.tanh(y) + x
    assert kb.view(y.sum(), tmp_path / "page.html").stat().st_size < 2_000_000


def test_summaries_of_large_arrays() -> None:
    x = np.arange(10000.0).reshape(100, 100)
    x[0, 0] = np.nan
    about = packed(x, Budget(10))
    assert (about["min"], about["max"], about["notFinite"]) == (1, 9999, 1)
    assert about["mean"] == pytest.approx(np.nanmean(x))
    assert about["norm"] == pytest.approx(np.sqrt(np.nansum(x * x)))
    cells = np.frombuffer(base64.b64decode(about["map"]["data"]), np.int8)
    assert cells.size == about["map"]["rows"] * about["map"]["columns"]
    assert cells[-1] == 127
    assert packed(np.float32(0.1), Budget(1)) == 0.1
    assert packed(np.zeros((2, 0)), Budget(1))["table"] == [[], []]
    assert short(-0.5) == "\u22120.5"


def test_every_text_of_the_page_is_there_in_both_languages() -> None:
    text = (PAGE / "text.js").read_text(encoding="utf-8")
    english, japanese = text.split("  ja: {")
    keys = [set(re.findall(r"\b(\w+): [\"\[]", part.split("let lang")[0])) for part in (english, japanese)]
    assert keys[0] == keys[1]
    scripts = "".join(p.read_text(encoding="utf-8") for p in PAGE.glob("*.js"))
    used = set(re.findall(r"\bt\(\"(\w+)\"", scripts)) | set(
        re.findall(r'data-(?:text|label)="(\w+)"', (PAGE / "page.html").read_text(encoding="utf-8"))
    )
    assert used <= keys[0]
    known = scripts + (PAGE / "page.html").read_text(encoding="utf-8")
    assert {key for key in keys[0] if f'"{key}"' not in known} <= {"leaf", "helpKeys"}  # kinds of nodes, and a list


def test_the_page_is_made_of_every_file_in_its_folder() -> None:
    text = page(page_data(scene(kb.record(product())), "", None))
    for part in PAGE.iterdir():
        if part.suffix in (".js", ".css"):
            assert part.read_text(encoding="utf-8") in text
    assert "{{" not in text


def test_small_matrices_are_put_into_formulas(tmp_path: Path) -> None:
    """As matrices where they are multiplied as such, never where a product is one of elements."""
    data = data_of(kb.view(kb.nn.Linear(2, 1, bias=False), tmp_path / "page.html", np.ones((1, 2)), np.ones((1, 1))))
    (product,) = [n for n in data["nodes"] if n.get("op") == "matmul"]
    assert [json.dumps(product[line]).count("mtable") for line in ("numbers", "result")] == [2, 1]
    (message,) = [e for e in data["edges"] if e["source"] == 0]
    assert [json.dumps(message[line]).count("mtable") for line in ("numbers", "result")] == [2, 1]
    a = kb.tensor(np.ones((2, 2)), requires_grad=True, name="a")
    data = data_of(kb.view((a * a).sum(), tmp_path / "page.html"))
    assert "mtable" not in json.dumps(data["nodes"])


@pytest.mark.parametrize("ending", [".pdf", ".png", ".json"])
def test_other_endings_are_refused(ending: str, tmp_path: Path) -> None:
    with pytest.raises(kb.UsageError, match=rf"\.html or \.htm .* \.svg .* \.dot or \.gv .*'a\{ending}'"):
        kb.view(product(), tmp_path / f"a{ending}")
    assert not list(tmp_path.iterdir())
    kb.view(product(), tmp_path / "page")


def test_an_edge_says_along_which_axes_its_message_was_summed(tmp_path: Path) -> None:
    b = kb.tensor(np.zeros(3), requires_grad=True, name="b")
    a = kb.tensor(np.ones((2, 1, 3)), requires_grad=True, name="a")
    edges = data_of(kb.view(((a + b) * np.ones((2, 4, 3))).sum(), tmp_path / "page.html"))["edges"]
    assert [edge.get("summed") for edge in edges] == [None, [0, 1], [1], None, None]


def test_the_page_is_polite_in_japanese() -> None:
    words = (PAGE / "text.js").read_text(encoding="utf-8").partition("  ja: {")[2]
    assert not re.findall(r"(?:する|送る|である)。|(?:決まる|従う)\"", words)
