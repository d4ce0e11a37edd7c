"""Type checkers see what runs: the public names and their kinds."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import koubai as kb

PROGRAM = """
import numpy as np
import koubai as kb
import koubai.numpy as knp

x = kb.tensor([1.0, 2.0], requires_grad=True, name="x")
y = (x * 2 + knp.sin(x)).sum()
y.backward()
slope = kb.grad(lambda w: knp.sum(w * w))(np.ones(3))
model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.ReLU())
z = model(np.ones((1, 2)))
data = kb.data.load("iris")
history = kb.fit(model, data, loss="cross_entropy", optimizer="adam", epochs=1, batch_size=4)
report = kb.check_grads(lambda w: w * w, np.ones(3))
double = kb.compile(lambda x: x * 2)


def energy(t: kb.Tensor) -> kb.Tensor:
    return (t.reshape(2, 1) @ t[:1].T - t.mean(axis=0, keepdims=True)).max()


print(report.ok, x.reshape(2, 1).T, len(x), x.shape, energy(x))


class Product(kb.Function):
    def forward(self, a: float, b: float) -> float:
        return a * b

    def backward(self, g: float) -> tuple[float, float]:
        return g, g
"""


def test_the_names_for_type_checkers_are_those_that_run() -> None:
    tree = ast.parse(Path(str(kb.__file__)).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == set(kb.__all__) - {"__version__"}


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_a_users_program_is_strictly_typed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    cache = Path(__file__).parents[1] / ".mypy_cache"  # which a check of the project itself needs as well
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), str(program)],
        capture_output=True, text=True, check=False,
        env={"MYPYPATH": str(Path(str(kb.__file__)).parent.parent), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
