"""The scripts of examples/material: they run in both languages, and their numbers are the published ones."""

from __future__ import annotations

import importlib
import io
import re
import subprocess
import sys
import tempfile
from contextlib import chdir, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import numpy as np
import pytest

import koubai as kb

MATERIAL = Path(__file__).parents[1] / "examples" / "material"
PICTURES = {
    "a_gradients_of_layers": [],
    "b_messages": ["b_messages"],
    "b_unfolded": ["b_unfolded"],
    "c_what_a_gradient_is": ["c_gradient", "c_many", "c_parabola", "c_steps"],
    "d_one_hidden_layer": ["d_boundary", "d_cost"],
    "e_layers_by_hand": ["e_times"],
    "mazur": [],
    "micrograd": [],
}
PAGES = {
    "a_gradients_of_layers": ["a_classification.html", "a_regression.html"],
    "e_layers_by_hand": ["e_graph.html", "e_graph.svg"],
    "mazur": ["mazur.html", "mazur.svg", "mazur_derivation.html"],
    "micrograd": ["micrograd.html", "micrograd.svg", "micrograd_derivation.html"],
}


@pytest.fixture(autouse=True)
def _beside_the_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(MATERIAL))


def script(name: str) -> Any:
    module = importlib.import_module(name)
    if name == "e_layers_by_hand":
        module.SIZES = (10, 30)
    return module


@cache
def told(name: str, lang: str) -> tuple[str, dict[str, int]]:
    """What a script prints, and its pictures with their sizes, from an empty folder."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder), redirect_stdout(io.StringIO()) as printed:
        script(name).main(["--lang", lang])
        return printed.getvalue(), {p.name: p.stat().st_size for p in Path("pictures").glob("*")}


def width(line: str) -> int:
    return len(line) + sum(east_asian_width(letter) in "WF" for letter in line)


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e[-+]\d+)?", text)]


def test_every_script_is_listed() -> None:
    assert {p.stem for p in MATERIAL.glob("*.py")} == {*PICTURES, "telling"}
    for readme in ("README.md", "README.ja.md"):
        text = (MATERIAL / readme).read_text(encoding="utf-8")
        assert set(re.findall(r"`(\w+)\.py`", text)) == set(PICTURES)


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", PICTURES)
def test_script_runs(name: str, lang: str) -> None:
    pytest.importorskip("matplotlib")
    text, pictures = told(name, lang)
    assert bool(re.search("[ぁ-ん]", text)) == (lang == "ja")
    assert max(map(width, text.splitlines())) <= 140
    files = [f"{picture}{end}" for picture in PICTURES[name] for end in (".png", ".svg")]
    assert sorted(pictures) == sorted(files + PAGES.get(name, []))
    assert all(size > 4000 for size in pictures.values())


def test_a_script_as_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", MATERIAL / "micrograd.py", "--lang", "ja", "--out", "elsewhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "645.5773" in done.stdout


def test_pictures_without_a_japanese_font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    telling = script("telling")
    monkeypatch.setattr(telling, "JAPANESE_FONTS", ())
    seen = []

    def draw(figure: Any, words: Any) -> None:
        seen.append(words("weight", "重み"))
        figure.subplots().set(title=seen[0], xlabel="$-w_1$")

    telling.begin("", ["--lang", "ja", "--out", str(tmp_path)]).picture("one", draw)
    assert seen == ["weight"]
    assert (tmp_path / "one.svg").exists()


def test_without_matplotlib_the_numbers_come_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    script("c_what_a_gradient_is").main(["--out", str(tmp_path)])
    text = capsys.readouterr().out
    assert "4 w1^2 -20 w1 +25" in text
    assert text.count("pip install matplotlib") == len(PICTURES["c_what_a_gradient_is"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("task", "target"), [("REGRESSION", "T_VALUES"), ("CLASSES", "T_CLASS")])
def test_six_gradients_by_steps(task: str, target: str) -> None:
    a = script("a_gradients_of_layers")
    kind, t = getattr(a, task), getattr(a, target)
    assert a.gap(kind, t) < 1e-14
    y_k, ours = a.forward(a.LAYERS, a.X, kind)[-1], a.by_hand(a.LAYERS, a.X, t, kind)
    np.testing.assert_allclose(ours.delta_k, y_k - t, atol=1e-15)
    text = str(a.explained(kind))
    for symbol, values in (("∂E/∂b", [*ours.delta_k, *ours.delta_j]), ("∂E/∂x", ours.y_i)):
        printed = re.findall(rf"{symbol}_\d+ =(?:[^=✓]+=)*\s+(\S+)   ✓", text)
        np.testing.assert_allclose([float(v) for v in printed], values, rtol=1e-5)


def test_the_printed_derivation_of_layers_holds() -> None:
    a = script("a_gradients_of_layers")
    regression, classes = told("a_gradients_of_layers", "en")[0].split("Classification: output")
    for text, task, t in ((regression, a.REGRESSION, a.T_VALUES), (classes, a.CLASSES, a.T_CLASS)):
        g = a.by_koubai(a.LAYERS, a.X, t, task)
        for symbol, expected in (("(3) δ_k", g.delta_k), ("(4) ∂E/∂w_jk", g.w_jk), ("(6) ∂E/∂y_j", g.y_j),
                                 ("(2) δ_j", g.delta_j), ("(3) ∂E/∂w_ij", g.w_ij), ("(5) ∂E/∂y_i", g.y_i)):  # fmt: skip
            printed = text.split(f"\n{symbol}")[1].split("= [")[1].split("\n(")[0].split("\nAll")[0]
            np.testing.assert_allclose(numbers(printed), expected.ravel(), atol=6e-6)
    through, at_once, formula = re.findall(r"(-?0\.\d{5})(?=\n)", classes)[-3:]
    assert through == at_once == formula


def test_messages_are_backpropagation() -> None:
    b = script("b_messages")
    g = b.example()
    done = b.pass_messages(g)
    assert [m.shape for m in done.messages] == [(2, 3), (3, 3), (3, 2), (2, 1)]
    for t, message in enumerate(done.messages):
        rest = b.Composite(g.layers[t:], g.thetas[t:], done.values[t])
        expected = kb.grad(lambda z, rest=rest: b.loss(rest._replace(z=z), rest.thetas))(done.values[t])
        np.testing.assert_allclose(message.sum(axis=1), expected, atol=1e-14)
    assert max(b.gap(b.random_composite(seed)) for seed in range(100, 130)) < 1e-12
    assert b.network_gap() < 1e-13


def test_learnt_steps_beat_the_constant_one_and_keep_up_with_chebyshev() -> None:
    u = script("b_unfolded")
    _, eigenvalues = u.problem()
    learnt, constant, chebyshev = u.train(eigenvalues), u.constant(eigenvalues), u.chebyshev(eigenvalues)
    assert (len(eigenvalues), len(learnt), len(learnt[-1].steps)) == (300, 25, 25)
    assert learnt[-1].error < constant.error / 10_000
    assert learnt[-1].error < 1.5 * chebyshev.error
    errors = [r.error for r in learnt]
    assert errors == sorted(errors, reverse=True)
    for step in (constant.steps * 0.999, constant.steps * 1.001):
        assert u.result(step, eigenvalues).error > constant.error
    direct = np.mean(np.prod([(1 - s * eigenvalues) ** 2 for s in learnt[-1].steps], axis=0))
    assert learnt[-1].error == pytest.approx(direct, rel=1e-9)


def test_the_unfolded_iteration_has_the_expected_error() -> None:
    u = script("b_unfolded")
    matrix, eigenvalues = u.problem(60, 30, seed=4)
    steps = u.chebyshev(eigenvalues, 6).steps
    error, gradient = kb.value_and_grad(u.unfolded_error)(steps, matrix)
    assert error == pytest.approx(np.exp(u.log_error(steps, eigenvalues)), rel=1e-10)
    np.testing.assert_allclose(gradient / error, kb.grad(u.log_error)(steps, eigenvalues), rtol=1e-7, atol=1e-9)
    # Chebyshev's steps leave the same error at both ends of the spectrum, and nowhere more.
    left = np.abs(np.prod(1 - steps[:, None] * np.linspace(eigenvalues[0], eigenvalues[-1], 500), axis=0))
    assert left[0] == pytest.approx(left[-1]) == pytest.approx(left.max())


def test_what_a_gradient_is() -> None:
    c = script("c_what_a_gradient_is")
    assert c.coefficients(c.squared_error) == (4, -20, 25)
    assert [c.error(w) + c.TARGET for w in (2.0, 3.0, 2.5)] == [4, 6, 5]
    assert (c.error(2.0), c.squared_error(2.0), kb.grad(c.squared_error)(2.5)) == (-1, 1, 0)
    assert c.downhill(c.squared_error, 1.0, 0.125, 2) == [1, 2.5, 2.5]
    assert c.one_after_another(1.0)[-1] == c.MANY_T[-1] / c.MANY_X[-1]
    least_squares = (c.MANY_X @ c.MANY_T) / (c.MANY_X @ c.MANY_X)
    assert c.downhill(c.mean_squared_error, 1.0, 0.05, 50)[-1] == pytest.approx(least_squares)


def test_the_flower_as_printed() -> None:
    text, _ = told("d_one_hidden_layer", "en")
    rows = re.findall(r"\n +\d+ +(0\.\d{6}) +(0\.\d{6})(?=\n)", text)
    assert len(rows) == 8
    assert all(cost == published for cost, published in rows)
    assert re.findall(r"\d hidden units: (.*) %", text) == ["67.50", "67.25", "90.75", "90.50", "91.25"]
    assert "47 % with 4 of them, 47 % with none" in text
    assert text.count("the units differ by 0;") == 2
    assert max(script("d_one_hidden_layer").gaps()) < 1e-14


def test_the_flower_interpreted() -> None:
    d = script("d_one_hidden_layer")
    points, t = d.flower()
    slope = kb.value_and_grad(lambda p: d.cost(p, points.T, t))
    p, costs = d.start(4), []
    for _ in range(7001):
        cost, g = slope(p)
        costs.append(round(float(cost), 6))
        p = d.Weights(*(w - d.RATE * dw for w, dw in zip(p, g)))
    assert costs[::1000] == list(d.PUBLISHED)


def test_layers_by_hand() -> None:
    e = script("e_layers_by_hand")
    assert e.by_hand() == {"forward": (2, 30, 60), "last": (30, 2), "add": (2, 2), "first": (60, 30)}
    seen = kb.record(e.graph())
    assert [float(seen[name].grad) for name in "abcd"] == [60, 30, 2, 2]
    text, _ = told("e_layers_by_hand", "en")
    assert "20 + 10 = 30, backward(1) = (1, 1)" in text
    assert "10 * 20 = 200, backward(1) = (20, 10)" in text
    assert re.findall(r"(right|WRONG) +dz/d[xy] +(\S+)", text) == [
        ("WRONG", "22.0"), ("WRONG", "11.0"), ("right", "20"), ("right", "10")
    ]  # fmt: skip
    assert "ForgetfulMul" in text
    assert all(gap < 1e-9 for *_, gap in e.timed())


def test_mazur_number_by_number() -> None:
    m = script("mazur")
    report = m.verdicts()
    assert (len(report.claims), [claim.name for claim in report.wrong]) == (29, ["dE_o2/dout_h1", "E'"])
    assert all(claim.status != "unknown" for claim in report.claims)
    assert float(m.error(m.descend(1))) == pytest.approx(0.2910277737, abs=5e-11)
    assert float(m.recorded()["w5"].grad) == pytest.approx(0.082167041, abs=5e-10)
    late = [float(v) for v in (m.error(m.descend(10_002)), *m.outputs(m.descend(10_002)))]
    later = [float(v) for v in (m.error(m.descend(10_003)), *m.outputs(m.descend(10_003)))]
    for published, low, high in zip(map(float, m.LATER.values()), late, later):
        assert min(low, high) < published < max(low, high)


def test_micrograd_node_by_node() -> None:
    m = script("micrograd")
    seen = m.recorded()
    found = seen.output.value, seen["a"].grad, seen["b"].grad
    assert [round(float(v), 4) for v in found] == list(m.PUBLISHED.values())
    for name in "ab":
        assert sum(float(edge.message) for edge in seen[name].messages) == seen[name].grad
