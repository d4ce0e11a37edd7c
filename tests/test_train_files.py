"""Saving and loading: what comes back, what is refused, and that no half-written file is left."""

from __future__ import annotations

import csv
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as to_bytes

import koubai as kb
from koubai.data.atomic import write_atomically
from koubai.train import Standardize, Unstandardize, read_info
from koubai.train.architecture import build, describe
from koubai.train.curves import curves

nn = kb.nn
X = np.random.default_rng(0).normal(size=(5, 4))


class Own(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x)


def shared():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Tanh(), layer)


MODELS = {
    "layers": lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Dropout(0.25), nn.Linear(3, 2, bias=False)),
    "float64": lambda: nn.Linear(4, 2, dtype=np.float64),
    "named and nested": lambda: nn.Sequential(a=nn.Sequential(nn.Flatten(), nn.Sigmoid()), b=nn.Linear(4, 1)),
    "a function": lambda: nn.Sequential(nn.Linear(4, 3), nn.relu),
    "shared": shared,
    "attention": lambda: nn.Sequential(nn.Flatten(), nn.MultiheadAttention(4, 2, causal=True), nn.Linear(4, 1)),
    "with its scaling": lambda: nn.Sequential(
        Standardize(4, X.mean(axis=0), X.std(axis=0)), nn.Linear(4, 1), Unstandardize(1, 5.0, 3.0)
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_was_saved_comes_back(tmp_path, kind):
    model = MODELS[kind]().init(5)
    path = tmp_path / "model.safetensors"
    kb.save(model, path, {"classes": ["a", "b"]})
    again = kb.load(path)
    assert type(again) is type(model)
    assert str(again) == str(model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert read_info(path) == {"classes": ["a", "b"]}
    assert len(list(again.parameters())) == len(list(model.parameters()))
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


LAYERS = [
    kind
    for kind in (getattr(nn, name) for name in nn.__all__)
    if isinstance(kind, type) and issubclass(kind, nn.Module) and kind not in (nn.Module, nn.Lambda)
]


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_every_layer_has_a_description(kind):
    required = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty and p.kind < 2]
    sizes = {nn.GroupNorm: (2, 4), nn.MultiheadAttention: (4, 2)}
    layer = kind(*sizes.get(kind, range(3, 3 + len(required))))
    description = json.loads(json.dumps(describe(layer)))
    assert description is not None
    assert str(build(description)) == str(layer)


def test_settings_that_are_not_the_defaults_are_kept():
    for layer, name in ((nn.Dropout(0.125), "p"), (nn.LeakyReLU(0.3), "negative_slope"), (nn.Flatten(2), "start_axis")):
        twin = build(json.loads(json.dumps(describe(layer))))
        assert getattr(twin, name) == getattr(layer, name) != getattr(type(layer)(), name)
    for layer in (
        nn.LSTM(3, 2, num_layers=2, bias=False, bidirectional=True, dtype=np.float64),
        nn.RNN(3, 2, "relu"),
        nn.MultiheadAttention(4, 2, 0.5, bias=False, causal=True),
    ):
        twin = build(json.loads(json.dumps(describe(layer))))
        assert repr(twin) == repr(layer)
        assert twin.dtype == layer.dtype
        assert [n for n, _ in twin.named_parameters()] == [n for n, _ in layer.named_parameters()]
    assert build(describe(nn.Linear(2, 3, bias=False))).bias is None


@pytest.mark.parametrize("make", [Own, lambda: nn.Sequential(nn.Linear(4, 2), lambda x: 2 * x)])
def test_models_of_own_classes_need_the_model(tmp_path, make):
    model, path = make().init(3), tmp_path / "own.safetensors"
    kb.save(model, path)
    with pytest.raises(kb.DataError, match=r"not its build; make the model and call kb.load\(path, model\)"):
        kb.load(path)
    again = make()
    assert kb.load(path, again) is again
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    with pytest.raises(kb.DataError, match=r"own.safetensors: load_state_dict"):
        kb.load(path, nn.Linear(4, 3))


def test_equal_models_are_equal_files(tmp_path):
    for name in "abcdef":
        kb.save(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), tmp_path / name, {"columns": ["温度", "x"]})
    assert len({(tmp_path / name).read_bytes() for name in "abcdef"}) == 1
    assert kb.train.read_info(tmp_path / "a") == {"columns": ["温度", "x"]}


def test_saving_refuses(tmp_path):
    with pytest.raises(kb.UsageError, match="JSON"):
        kb.save(nn.Linear(2, 1), tmp_path / "m", {"x": object()})
    with pytest.raises(kb.UsageError, match=r"expected a kb.nn.Module"):
        kb.save({"w": X}, tmp_path / "m")
    with pytest.raises(FileNotFoundError) as caught:
        kb.save(nn.Linear(2, 1), tmp_path / "nowhere" / "m")
    assert caught.value.filename == str(tmp_path / "nowhere" / "m")
    assert list(tmp_path.iterdir()) == []


def content(description, arrays=None, **metadata):
    found = {"format": "koubai model", "architecture": json.dumps(description), **metadata}
    return to_bytes(arrays if arrays is not None else {"weight": np.zeros((2, 1), np.float32)}, found)


LINEAR = {"class": "Linear", "arguments": {"in_features": 2, "out_features": 1, "bias": False}}
DAMAGED = {
    "empty": (b"", "not a safetensors file"),
    "text": (b"hello, this is a text and not a model", "not a safetensors file"),
    "cut": (content(LINEAR)[:-1], "not a safetensors file"),
    "a header that lies": (b"\xff\xff\xff\xff\xff\x00\x00\x00" + content(LINEAR)[8:], "not a safetensors file"),
    "of another program": (to_bytes({"w": np.zeros(3)}, {"format": "pt"}), "not a model saved by koubai"),
    "no metadata": (to_bytes({"w": np.zeros(3)}), "not a model saved by koubai"),
    "no json": (content(None, architecture="{"), "Expecting"),
    "no class": (content({"class": "os.system", "arguments": {"command": "true"}}), "no layer 'os.system'"),
    "not a layer": (content({"class": "functional_call", "arguments": {}}), "no layer 'functional_call'"),
    "any function": (content({"class": "Lambda", "arguments": {"function": "print"}}), "no layer 'Lambda'"),
    "other function": (content({"function": "__import__"}), "no function '__import__'"),
    "wrong argument": (content({"class": "Linear", "arguments": {"in": 2}}), "Linear does not fit"),
    "arguments that are no numbers": (content({"class": "Linear", "arguments": {"in_features": {}}}), "damaged"),
    "a list": (content([]), "damaged"),
    "a circle": (content({"class": "Sequential", "modules": [["0", {"same as": 0}]]}), "damaged"),
    "huge": (content({**LINEAR, "arguments": {**LINEAR["arguments"], "in_features": 10**9}}), "shape"),
    "other arrays": (content(LINEAR, {"other": np.zeros(3)}), "missing: weight"),
    "deep": (content(None, architecture="[" * 100000), ""),
    "nested": (content(json.loads('{"class":"Sequential","modules":[["0",' * 80 + "1" + "]]}" * 80)), "damaged"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_refused_in_one_sentence(tmp_path, kind):
    data, says = DAMAGED[kind]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    with pytest.raises(kb.DataError) as caught:
        kb.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(kb.DataError, match="no such file"):
        kb.load(tmp_path / "none")
    with pytest.raises(kb.DataError, match="folder"):
        kb.load(tmp_path)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 600), byte=st.integers(0, 255))
def test_any_flipped_byte_is_refused_or_harmless(tmp_path_factory, place, byte):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    kb.save(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] = byte
    path.write_bytes(data)
    try:
        model = kb.load(path)
    except kb.DataError:
        return
    assert model.count_parameters() == 15


# Atomic writing


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("the disk is full")])
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_an_interrupted_save_leaves_what_was_there(tmp_path, monkeypatch, error, name):
    path = tmp_path / "model.safetensors"
    kb.save(nn.Linear(2, 1).init(1), path)
    before = path.read_bytes()

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises((KeyboardInterrupt, OSError)):
            kb.save(nn.Linear(2, 1).init(2), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import sys
from koubai.data.atomic import write_atomically
contents = [bytes([65 + k]) * 3_000_000 for k in range(2)]
print("begun", flush=True)
while True:
    for content in contents:
        write_atomically(sys.argv[1], content)
"""


def test_a_killed_save_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model"
    write_atomically(path, b"A" * 3_000_000)
    for pause in (0.0, 0.01, 0.03, 0.06):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"begun\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        data = path.read_bytes()
        assert len(data) == 3_000_000
        assert len(set(data)) == 1


def test_new_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "ours", "text")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


# History


def trained():
    t = (X[:, 0] > 0).astype(int)
    return kb.fit(
        nn.Linear(4, 2), (X, t), loss="cross_entropy", epochs=4, validation_data=(X, t), metrics="accuracy", check=False
    )


def test_history_as_csv_keeps_all_digits(tmp_path):
    history = trained()
    history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == values
    assert "4 epochs" in repr(history)


def test_the_picture_is_an_svg_with_every_curve(tmp_path):
    history = trained()
    history.plot(tmp_path / "curves.svg", title="a < b")
    root = ElementTree.parse(tmp_path / "curves.svg").getroot()
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    for word in ("a < b", "loss", "accuracy", "epoch", "train", "validation"):
        assert word in texts
    paths = [e.get("d") for e in root.iter("{http://www.w3.org/2000/svg}path")]
    assert sum(d.count("L") == 3 for d in paths) == 4
    assert "prefers-color-scheme: dark" in Path(tmp_path / "curves.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "values", [[], [1.0], [2.0, 2.0], [0.0, 0.0], [1e-300, 1e300], [float("nan"), 1.0], [-5.0, 1e-9, 3.0], [1.0] * 500]
)
def test_any_curve_can_be_drawn(values):
    ElementTree.fromstring(curves({"loss": values, "val_loss": values}))
    ElementTree.fromstring(curves({}))
