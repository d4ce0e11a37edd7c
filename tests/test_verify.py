"""One training step three ways: that they agree, and that a fault in any of them is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai import nn
from koubai.cli import main
from koubai.compile import place
from koubai.graph import Words
from koubai.ops.lowering import Scalar

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 4))
Y = RNG.normal(size=(10, 3))
LABELS = RNG.integers(0, 3, 10)


def network(*more, dtype=float):
    return nn.Sequential(nn.Linear(4, 5), *more, nn.Linear(5, 3)).init(1).astype(dtype)


def verify(model, data=(X, Y), **options):
    return kb.verify_step(model, data, **{"loss": "mse", "optimizer": "sgd", "count": 8, **options})


def test_the_report():
    model = network(nn.Tanh(), dtype=np.float32)
    before, mode = model.state_dict(), model.eval().training
    report = verify(model, (X, LABELS), loss="cross_entropy", optimizer="adam", batch_size=4, step=3)
    assert (report.ok, report.compiled, report.step, report.examples, report.dtype) == (True, True, 3, 2, "float32")
    assert (report.rtol, report.callbacks, report.reason) == (1e-4, {}, None)
    assert [row.name for row in report.rows] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert sum(row.checked for row in report.rows) == 8
    assert all(row.numerical < 1e-7 and row.gradient < 1e-5 and row.update < 1e-5 for row in report.rows)
    assert report.memory < 1e-5
    assert report.loss == pytest.approx(report.compiled_loss, rel=1e-6)
    assert model.training is mode
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    text = str(report).splitlines()
    assert text[0] == f"step 3 on 2 examples in float32, loss {report.loss:.6g}"
    assert text[1].split() == ["shape", "numerical", "gradient", "new", "value"]
    assert text[2].split()[:2] == ["0.weight", "4x5"]
    assert text[-2:] == [
        "everything is native code",
        "backpropagation and numerical differentiation agree on 8 numbers; compiled program and interpreter agree",
    ]
    assert json.loads(json.dumps(report.to_dict()))["rows"][0]["shape"] == [4, 5]


def test_the_step_is_that_of_fit():
    """The loss of step k is what k steps of `fit` show."""
    losses = [verify(network(nn.Tanh()), batch_size=4, step=k, seed=5).loss for k in (1, 2, 3)]
    history = kb.fit(
        network(nn.Tanh()), (X, Y), loss="mse", optimizer="sgd", epochs=1, batch_size=4, seed=5, check=False
    )
    np.testing.assert_allclose(history.history["loss"], [np.dot(losses, [4, 4, 2]) / 10], rtol=1e-12)


# Faults


def faulty(**parts):
    """A tanh of which one reading is wrong."""
    words = Words("y = tanh x", "dy/dx = 1 - y^2", "Planted.", "誤り。")
    rule = lambda g, y, x: g * (1.0 - y * y)
    good = kb.Op("planted", np.tanh, lambda x: x, words, vjp=(rule,), jvp=(rule,),
                 lower=Scalar(lambda e, x: e.tanh(x)), batch=lambda op, size, batched, x: op(x))  # fmt: skip
    return network(nn.Lambda(replace(good, **parts)))


def test_the_unharmed_op_passes():
    assert verify(faulty()).callbacks == {}
    assert verify(faulty(lower=None)).callbacks == {"planted": 1}
    assert "by callback from the compiled program: planted\n" in str(verify(faulty(lower=None)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", [1.001, 0.0, np.nan])
def test_a_wrong_lowering_is_found_and_named(size, dtype):
    model = faulty(lower=Scalar(lambda e, x: e.mul(e.tanh(x), e.number(size, x)))).astype(dtype)
    with pytest.raises(kb.GradientError, match=r"(?s)(differ in|the loss became).*op planted .*compiled .*by NumPy"):
        verify(model)


def test_a_wrong_rule_is_found_and_named():
    with pytest.raises(kb.GradientError, match="planted"):
        verify(faulty(vjp=(lambda g, y, x: g * (1.0 - y),)))


def test_a_wrong_update_is_found():
    class Careless(kb.optim.SGD):
        """Tells traced gradients from arrays."""

        def rule(self, p, g, slots, t, h):
            return p - g * (h.lr * (1.001 if isinstance(g, kb.Tensor) else 1.0)), slots

    with pytest.raises(kb.GradientError, match=r"differ in the new .*by \S+e-04"):
        verify(network(nn.Tanh()), optimizer=Careless(lr=0.01))


def test_a_wrong_memory_is_found():
    class Forgetful(kb.optim.Adam):
        def rule(self, p, g, slots, t, h):
            moved, found = super().rule(p, g, slots, t, h)
            if isinstance(g, kb.Tensor):
                found["exp_avg_sq"] = found["exp_avg_sq"] * 1.01
            return moved, found

    with pytest.raises(kb.GradientError, match="differ in what the optimizer remembers"):
        verify(network(nn.Tanh()), optimizer=Forgetful())


def test_values_overwritten_too_early_are_found(monkeypatch):
    class Remembering(kb.optim.SGD):
        """Its memory is what the parameters were before the step."""

        def slots(self, p, h):
            return {"before": np.zeros(p.shape)}

        def rule(self, p, g, slots, t, h):
            return p - g * h.lr, {"before": p}

    assert verify(network(nn.Tanh()), optimizer=Remembering(), step=2).ok
    monkeypatch.setattr(place, "_safe", lambda nests, old, new: True)
    with pytest.raises(kb.GradientError, match=r"differ in what the optimizer remembers(?s:.*)Each op by itself"):
        verify(network(nn.Tanh()), optimizer=Remembering())


def test_a_buffer_that_goes_wrong_is_found():
    class Counting(nn.Module):
        def __init__(self):
            self.seen = nn.Buffer(np.zeros(5))

        def forward(self, x):
            self.seen = self.seen + knp.mean(x.detach(), axis=0) * (1.001 if x.value is None else 1.0)
            return x

    with pytest.raises(kb.GradientError, match=r"differ in the new 1\.seen"):
        verify(network(Counting()))


# What cannot be compiled, or compared


def test_what_cannot_be_traced_is_said():
    def branching(x):
        return x if x.sum() > 0 else -x

    report = verify(network(nn.Lambda(branching)))
    assert (report.ok, report.compiled) == (True, False)
    assert "where" in report.reason
    assert "not compiled, so interpreted: " in str(report)
    assert str(report).endswith("agree on 8 numbers")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"step": 0}, kb.UsageError, "step must be"),
        ({"batch_size": 2.5}, kb.UsageError, "batch_size must be"),
        ({"data": (X, LABELS), "loss": "nonsense"}, kb.UsageError, "no loss is named"),
        ({"data": (X, LABELS + 1), "loss": "cross_entropy"}, kb.LabelError, "label 3"),
        ({"optimizer": kb.optim.LBFGS()}, kb.UsageError, "verify_step: LBFGS"),
        ({"loss": lambda y, t: y}, kb.UsageError, "verify_step: the loss must return"),
        ({"clip": -1.0}, kb.UsageError, "verify_step: clip"),
        ({"data": (X * 1e200, Y)}, kb.GradientError, "the loss is inf"),
    ],
)
def test_refusals(options, error, says):
    with pytest.raises(error, match=says):
        verify(network(), **options)


def test_more_refusals():
    with pytest.raises(kb.DTypeError, match="expected the model"):
        verify(SimpleNamespace())
    with pytest.raises(kb.UsageError, match="no parameter to train"):
        verify(network().freeze())


# The command

FILE = """
import numpy as np, koubai as kb
x = np.linspace(-1, 1, 24).reshape(8, 3)
model = kb.nn.Sequential(kb.nn.Linear(4, 3))
class Net(kb.nn.Module):
    def __init__(self): self.a = kb.nn.Linear(4, 3)
    def forward(self, x): return self.a(x)
def job():
    print("hello")
    return {"model": kb.nn.Linear(3, 1), "data": (x, x[:, 0]), "loss": "mse", "optimizer": "sgd", "step": 2}
def takes(n): return model
def fails(): return 1 / 0
wrong = kb.nn.Sequential(kb.nn.Linear(4, 3), lambda x: x + x.detach())
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(FILE, encoding="utf-8")

    def command(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["verify", *map(str, arguments)])
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return command


def test_a_model_in_a_file(run):
    code, out, err = run("net.py:model", "--data", "iris", "--count", 6)
    assert (code, err) == (0, "")
    assert "step 1 on 32 examples in float32" in out
    assert "agree on 6 numbers; compiled program and interpreter agree" in out
    code, out, err = run("net.py:job", "--json")
    assert (code, err) == (0, "hello\n")
    found = json.loads(out)
    assert (found["step"], found["examples"], found["ok"], found["compiled"]) == (2, 8, True, True)
    assert run("net.py:Net", "--data", "iris", "--loss", "mse")[0] == 1  # labels are no answers of this shape
    assert run("net.py:Net", "--data", "iris", "--optimizer", "sgd", "--lr", 0.5, "--step", 7)[0] == 0


def test_a_saved_model_knows_its_data(run):
    model = nn.Linear(4, 3)
    kb.save(model, "m.safetensors", {"source": "iris", "classes": ["a", "b", "c"], "target": "species"})
    assert "step 1 on 32 examples" in run("m.safetensors")[1]
    kb.save(model, "bare.safetensors")
    code, _, err = run("bare.safetensors")
    assert code == 2
    assert err.startswith("koubai: bare.safetensors: no data to train it on; give --data")
    rows = "".join(f"{i},{i % 7},{i * 0.5}\n" for i in range(20))
    Path("t.csv").write_text("a,b,y\n" + rows, encoding="utf-8")
    kb.save(nn.Linear(2, 1), "r.safetensors", {"source": "t.csv", "classes": None, "target": "y"})
    assert "step 1 on 20 examples" in run("r.safetensors")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["net.py"], 2, "which model in it"),
        (["net.py:mode", "--data", "iris"], 1, "nothing is named 'mode'; models there are model"),
        (["net.py:x"], 2, "got ndarray"),
        (["net.py:takes"], 2, "it takes n"),
        (["net.py:fails"], 1, "net.py, line 12: ZeroDivisionError"),
        (["net.py:model"], 2, "no data to train it on"),
        (["nothing.py:model"], 1, "nothing.py: no such file"),
        (["nothing.safetensors"], 1, "nothing.safetensors: no such file"),
        (["net.py:wrong", "--data", "iris"], 1, "likely cause"),
    ],
)
def test_what_the_command_refuses(run, arguments, code, says):
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert says in err
    assert err.startswith("koubai: ")
    assert "Traceback" not in err
