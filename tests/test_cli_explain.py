"""``koubai explain``: expressions, files, languages, formats, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FILE = """
import numpy as np
import koubai as kb

x = kb.tensor(2.0, requires_grad=True)
output = x * x
number = 3

def example():
    model = kb.nn.Sequential(kb.nn.Linear(2, 2), kb.nn.Tanh(), kb.nn.Linear(2, 1))
    return {"model": model, "data": (np.ones((2, 2)), np.ones((2, 1))), "loss": "mse"}

model = kb.nn.Linear(2, 1)
"""


def koubai(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "koubai", *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


def test_an_expression() -> None:
    run = koubai("explain", "x*y + sin(x)", "x=2", "y=3", "--lang", "ja")
    assert (run.returncode, run.stderr) == (0, "")
    assert "∂f/∂x = cos(x) + y = 2.58385   ✓ 数値微分 2.58385" in run.stdout


def test_an_expression_that_begins_with_a_minus_sign() -> None:
    for before in ((), ("--lang", "en"), ("--lang=en",)):
        run = koubai("explain", *before, "-x^2", "x=-3", "--digits", "4")
        assert (run.returncode, run.stderr) == (0, "")
        assert "f = -v1 = -9" in run.stdout
    assert koubai("explain", "-h").stdout.startswith("Usage")
    assert "No such option '--dgits'" in koubai("explain", "-x^2", "x=3", "--dgits", "4").stderr


def test_a_named_expression_of_lists_as_latex_and_html(tmp_path: Path) -> None:
    arguments = ("explain", "E = (w*x - 6)^2", "w=2", "x=1.5")
    latex = koubai(*arguments, "--format", "latex").stdout
    assert latex.startswith("\\documentclass")
    assert "\\frac{\\partial E}{\\partial w}" in latex
    page = tmp_path / "page.html"
    run = koubai(*arguments, "--format", "html", "--out", str(page))
    assert (run.returncode, run.stdout) == (0, "")
    assert "<math" in page.read_text()


def test_names_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FILE)
    assert "∂output/∂x" in koubai("explain", "net.py:output", cwd=tmp_path).stdout
    assert "five steps" in koubai("explain", "net.py:example", cwd=tmp_path).stdout
    paths = koubai("explain", "net.py:example", "--wrt", "0.weight", "--index", "1,0", "--most", "1", cwd=tmp_path)
    assert "How 0.weight[1, 0] reaches E" in paths.stdout


def test_a_page_and_a_picture(tmp_path: Path) -> None:
    run = koubai("view", "x*y + sin(x)", "x=2", "y=3", cwd=tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (0, "view.html\n", "")
    assert (tmp_path / "view.html").read_text().startswith("<!doctype html>")
    (tmp_path / "net.py").write_text(FILE)
    run = koubai("view", "net.py:example", "--out", "net.svg", "--title", "<A & B>", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "&lt;A &amp; B&gt;" in (tmp_path / "net.svg").read_text()
    run = koubai("view", "x^2", "x=1", "--out", "no/where.html", cwd=tmp_path)
    assert run.returncode == 1
    assert "where.html" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["x*y +", "x=2", "y=3"], 2, "expected a number, a name or '(', got the end"),
        (["x*y", "x=2"], 2, "y has no value; give one, such as y=2"),
        (["x*y", "x=2", "y=a"], 2, "y: expected a number or a list of numbers, got 'a'"),
        (["x*y", "x=2", "y=3", "z=4"], 2, "z does not stand in the expression; its names are x, y"),
        (["frob(x)", "x=2"], 2, "no function is named frob"),
        (["x", "x=[1,2]"], 2, "the expression has the shape (2,)"),
        (["2+3"], 2, "nothing to differentiate by"),
        (["x^2", "x"], 2, "expected NAME=NUMBER"),
        (["x^2", "x=1e400"], 2, "x: expected finite numbers, got '1e400'"),
        (["x^2", "x=[1, NaN]"], 2, "x: expected finite numbers"),
        (["x^2", "x=3", "--out", "no/where.tex"], 1, "no/where.tex: No such file"),
        (["nowhere.py:x"], 1, "nowhere.py: no such file"),
        (["net.py:nothing"], 1, "nothing is named 'nothing'"),
        (["net.py:number"], 2, "expected a tensor, or a dict with model, data and loss"),
        (["net.py:model"], 2, "is a model without examples"),
        (["net.py:output", "x=2"], 2, "belong to an expression"),
        (["x^2", "x=3", "--wrt", "y"], 1, "'y' is not among the nodes"),
        (["x^2", "x=3", "--wrt", "x", "--index", "1"], 1, "there is no element (1,)"),
        (["x^2", "x=3", "--wrt", "x", "--index", "a"], 2, "--index: expected whole numbers"),
    ],
)
def test_refusals(arguments: list[str], code: int, says: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FILE)
    run = koubai("explain", *arguments, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (code, "")
    assert says in run.stderr
    assert "Traceback" not in run.stderr
