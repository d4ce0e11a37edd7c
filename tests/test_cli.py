"""The command: its output, its results, its exit codes, and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

import koubai as kb
from koubai.cli import main
from koubai.cli.output import results
from koubai.graph import registry

FILES = ["curves.svg", "history.csv", "model.safetensors"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(list(map(str, arguments)))
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return command


def left():
    return sorted(p.name for p in Path().iterdir())


def listed(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def test_training_on_digits(run):
    code, out, err = run("train", "digits", "--epochs", 8)
    assert (code, err) == (0, "")
    assert "digits: 1797 examples of 8x8 pixels, 10 classes" in out
    assert "CC BY 4.0" in out
    assert "19,210 parameters" in out
    check = re.search(r"backpropagation and numerical differentiation agree to (\S+) on 50 parameters", out)
    assert float(check[1]) < 1e-7
    right, total = map(int, re.search(r"test accuracy \S+ \((\d+) of (\d+)\)", out).groups())
    assert total == 359
    assert right / total > 0.93
    rows = [line.split() for line in out.splitlines() if re.match(r" \d ", line)]
    assert sum(int(cell) for row in rows for cell in row[1:] if cell != ".") == 359
    assert sum(int(row[1 + k]) for k, row in enumerate(rows)) == right
    assert listed("koubai-digits") == FILES
    with open("koubai-digits/history.csv", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 8
    model = kb.load("koubai-digits/model.safetensors")
    _, test = kb.data.split(kb.data.load("digits"), fraction=0.2, seed=0)
    assert kb.evaluate(model, test, "accuracy") == right / total
    assert kb.train.read_info("koubai-digits/model.safetensors")["classes"] == list("0123456789")
    assert left() == ["koubai-digits"]


def test_json_is_one_object_on_stdout(run):
    code, out, err = run("train", "iris", "--json", "--epochs", 5, "--out", "there/deep")
    assert code == 0
    assert out.count("\n") == 1
    found = json.loads(out)
    assert {k: type(found[k]) for k in ("test_score", "metric", "epochs", "seconds", "grad_check")} == {
        "test_score": float, "metric": str, "epochs": int, "seconds": float, "grad_check": dict,
    }  # fmt: skip
    assert 0 <= found["test_score"] <= 1
    assert (found["metric"], found["epochs"]) == ("accuracy", 5)
    assert set(found["grad_check"]) == {"max_error", "checked"}
    assert 0 <= found["grad_check"]["max_error"] < 1e-7
    assert found["grad_check"]["checked"] == 50
    assert "test accuracy" in err
    assert listed("there/deep") == FILES
    code, out, _ = run("train", "iris", "--json", "--epochs", 5, "--no-check")
    assert json.loads(out)["grad_check"] is None


def test_what_looks_wrong_is_said(run):
    code, out, err = run("train", "digits", "--epochs", 2, "--lr", 30, "--optimizer", "sgd")
    assert (code, err) == (0, "")
    (note,) = [line for line in out.splitlines() if line.startswith("note: ")]
    assert re.match(r"note: layer 1 \(ReLU\): \d+ of 256 units are 0 for all 256 examples", note)
    assert "update/weight" not in out
    code, out, _ = run("train", "iris", "--epochs", 2, "--json")
    assert json.loads(out)["findings"] == []


def test_the_doctors_table_on_request(run):
    code, out, _ = run("train", "iris", "--epochs", 2, "--checkup")
    assert code == 0
    assert re.search(r"layer +units +dead +saturated +message +gradient +weights +update/weight\n", out)
    assert "nothing looks wrong" in out
    write("house.csv", house())
    code, out, _ = run("train", "house.csv", "--target", "price", "--epochs", 2, "--checkup")
    loss = re.search(r"loss (\S+) on", out)
    assert loss is not None
    assert float(loss[1]) < 10  # of the standardized target, as in training


def test_a_training_that_explodes_says_where(run):
    code, _, err = run("train", "iris", "--lr", 1e9, "--optimizer", "sgd")
    assert code == 1
    assert re.search(r"epoch 1, step \d+: .* gives -?(inf|NaN) at .*layer \d \(\w+\)", err)


def test_the_same_seed_gives_the_same_result(run):
    found = []
    for seed in (3, 3, 4):
        _, out, _ = run("train", "iris", "--json", "--epochs", 3, "--seed", seed, "--out", "o")
        result = json.loads(out)
        found.append((result["test_score"], Path("o/history.csv").read_text(encoding="utf-8")))
    assert found[0] == found[1] != found[2]


def write(name, text):
    Path(name).write_text(text, encoding="utf-8")
    return name


def house(n=200):
    rng = np.random.default_rng(0)
    area, kind = rng.uniform(30, 200, n), rng.choice(["flat", "house"], n)
    price = 1000 * area + 50000 * (kind == "house") + rng.normal(0, 2000, n)
    rows = [f"{a:.1f},{k},{p:.0f}" for a, k, p in zip(area, kind, price)]
    return "\n".join(["area,kind,price", *rows, ""])


def test_a_table_with_a_number_to_predict(run):
    write("house.csv", house())
    code, out, _ = run("train", "house.csv", "--target", "price", "--epochs", 60, "--json")
    found = json.loads(out)
    assert (code, found["metric"]) == (0, "r2")
    assert found["test_score"] > 0.97
    model = kb.load("koubai-house/model.safetensors")
    flat, whole = model.predict(np.array([[100.0, 1, 0], [100.0, 0, 1]])).ravel()
    assert abs(flat - 100_000) < 10_000
    assert abs(whole - 150_000) < 10_000


def test_a_table_with_a_word_to_predict(run):
    write("house.csv", house())
    code, out, _ = run("train", "house.csv", "--target", "kind", "--epochs", 3, "--hidden", "8")
    assert code == 0
    assert "200 examples of 2 features, 2 classes" in out
    assert re.search(r"flat +house", out)


def test_a_score_that_is_not_defined_is_null(run):
    write("t.csv", "a,b\n1,0.5\n2,1.5\n3,2.25\n4,3.125\n")
    code, out, err = run("train", "t.csv", "--epochs", 2, "--json")
    assert code == 0
    assert json.loads(out, parse_constant=pytest.fail)["test_score"] is None
    assert "not defined" in err


def idx(array):
    array = np.asarray(array, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def pictures(folder, n=60, parts=("train", "t10k")):
    Path(folder).mkdir()
    for part in parts:
        labels = np.arange(n) % 3
        images = np.zeros((n, 4, 4))
        images[np.arange(n), labels] = 255
        Path(folder, f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        Path(folder, f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


@pytest.mark.parametrize("parts", [("train", "t10k"), ("train",)])
def test_a_folder_of_idx_files(run, parts):
    code, out, _ = run("train", pictures("p", parts=parts), "--json")
    assert code == 0
    assert json.loads(out)["test_score"] == 1.0


USAGE = {
    "no command": (["nonsense"], "No such command"),
    "no source": (["train"], "Missing argument"),
    "option": (["train", "iris", "--nonsense"], "No such option"),
    "epochs": (["train", "iris", "--epochs", "0"], "epochs"),
    "epochs word": (["train", "iris", "--epochs", "many"], "epochs"),
    "hidden": (["train", "iris", "--hidden", "8,x"], "--hidden: expected sizes"),
    "hidden size": (["train", "iris", "--hidden", "8,-1"], "--hidden: expected sizes"),
    "too large": (["train", "iris", "--hidden", "65536,65536,65536,65536"], "choose smaller layers"),
    "target": (["train", "iris", "--target", "x"], "--target is for CSV files"),
    "optimizer": (["train", "iris", "--optimizer", "nonsense"], "nonsense"),
    "optimizer of no use": (["train", "iris", "--optimizer", "lbfgs"], "--optimizer: lbfgs evaluates"),
    "rate": (["train", "iris", "--lr", "nan"], "--lr: expected a number"),
    "epochs size": (["train", "iris", "--epochs", "9" * 30], "epochs"),
    "language": (["ops", "--lang", "fr"], "--lang"),
}


@pytest.mark.parametrize("kind", USAGE)
def test_usage_ends_with_2(run, kind):
    arguments, says = USAGE[kind]
    code, out, err = run(*arguments)
    assert code == 2
    assert says in err
    assert "Traceback" not in out + err
    assert left() == []


DATA = {
    "no such file": (None, [], "no such file or folder, and no bundled set"),
    "empty": ("", [], "the file is empty"),
    "ragged": ("a,k\n1,x\n2\n", [], "line 3: 1 cells"),
    "number": ("a,k\n1,x\n2,y\nz,x\n", [], "line 4, column 'a': expected a number"),
    "nan": ("a,k\n1,x\nnan,y\n", [], "line 3, column 'a'"),
    "target": ("a,k\n1,x\n2,y\n", ["--target", "kk"], "did you mean 'k'"),
    "few": ("a,k\n1,x\n2,y\n", [], "too few examples (2)"),
    "rare": ("a,k\n1,x\n2,y\n3,y\n", [], "class 'x' has only one example"),
    "digits lost": (
        "a,b,y\n" + "".join(f"{1e9 + i / 50},1,{i / 7}\n" for i in range(50)),
        [],
        "column 'a': the numbers",
    ),
    "target's digits lost": ("a,y\n" + "".join(f"1,{1e-60 * i}\n" for i in range(50)), [], "column 'y': the numbers"),
    "too large": ("a,y\n" + "".join(f"{i}e300,{i / 7}\n" for i in range(50)), [], "too large to train with"),
    "decimal comma": ("a;y\n" + "".join(f"{i},5;{i}\n" for i in range(50)), [], "looks like a number with a decimal"),
    "regression": ("a,k\n1,x\n2,y\n", ["--task", "regression"], "regression needs numbers"),
}


@pytest.mark.parametrize("kind", DATA)
def test_bad_data_ends_with_1(run, kind):
    text, options, says = DATA[kind]
    if text is not None:
        write("t.csv", text)
    code, out, err = run("train", "t.csv", *options, "--json")
    assert (code, out) == (1, "")
    assert says in err
    assert err.startswith("koubai: t.csv")
    assert "Traceback" not in err
    assert left() == ["t.csv"] * (text is not None)


def test_damaged_idx_files_end_with_1(run):
    path = Path(pictures("p"), "train-images-idx3-ubyte")
    path.write_bytes(path.read_bytes()[:-3])
    code, _, err = run("train", "p")
    assert code == 1
    assert "cut short" in err
    path.unlink()
    assert run("train", "p")[0] == 1


def test_places_that_cannot_be_written(run):
    write("file", "text")
    code, _, err = run("train", "iris", "--out", "file/folder", "--epochs", 1)
    assert code == 1
    assert err.startswith("koubai: file")
    code, _, err = run("train", "iris", "--out", "file", "--epochs", 1)
    assert code in (1, 2)
    assert left() == ["file"]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError(), 1, "not enough memory"),
        (OSError(28, "No space left on device", "x"), 1, "x: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (kb.GradientError("wrong"), 1, "wrong"),
        (kb.TrainingError("not finite"), 1, "not finite"),
    ],
)
def test_failures_while_training_leave_nothing(run, monkeypatch, error, code, says):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("koubai.cli.train.fit", fail)
    found, out, err = run("train", "iris", "--json")
    assert (found, out) == (code, "")
    assert err.splitlines()[-1].startswith(f"koubai: {says}")
    assert left() == []


def test_a_file_where_a_folder_should_be(run):
    write("there", "mine")
    code, out, err = run("train", "iris", "--out", "there/deep/x", "--json")
    assert (code, out) == (1, "")
    assert err.startswith("koubai: there/deep/x: the results cannot be written there")
    assert left() == ["there"]


def test_negative_seeds(run):
    assert run("train", "iris", "--epochs", 1, "--seed", -1)[0] == 0


def test_names_of_classes_do_not_steer_the_terminal(run):
    rows = "".join(f'{i},"{("[red]a", "b" + chr(10) + "c", chr(27) + "[31md")[i % 3]}"\n' for i in range(30))
    write("t.csv", "a,k\n" + rows)
    code, out, _ = run("train", "t.csv", "--epochs", 1)
    assert code == 0
    assert "[red]a" in out
    assert "b c" in out
    assert "\x1b" not in out


def fail_within(folder):
    with results(folder) as part:
        (part / "a").write_text("2")
        raise RuntimeError("in the middle")


def test_results_replace_or_leave_the_old_ones(tmp_path):
    folder = tmp_path / "out"
    with results(folder) as part:
        (part / "a").write_text("1")
    (folder / "mine").write_text("kept")
    with pytest.raises(RuntimeError, match="in the middle"):
        fail_within(folder)
    assert (folder / "a").read_text() == "1"
    with results(folder) as part:
        (part / "a").write_text("3")
    assert (folder / "a").read_text() == "3"
    assert sorted(p.name for p in folder.iterdir()) == ["a", "mine"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_table_of_ops_comes_from_the_records(run):
    code, out, err = run("ops")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    start = lines[0].index("local derivative")
    for name, op in registry().items():
        line = next(found for found in lines if found.split()[:1] == [name])
        assert " ".join(op.words.derivative.split()) in line
        assert line[start - 1] == " " or len(line) < start
    code, out, _ = run("ops", "tanh", "--lang", "ja")
    assert registry()["tanh"].words.ja in out
    assert "add " not in out
    assert run("ops", "nonsense-op")[0] == 1


def test_version_and_help(run):
    assert run("--version")[1] == f"koubai, version {kb.__version__}\n"
    for arguments in (["--help"], ["train", "-h"], ["ops", "--help"]):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "Usage: koubai" in out
