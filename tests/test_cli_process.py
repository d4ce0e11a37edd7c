"""The command as a process: what it reaches, what it leaves when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import koubai as kb

MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist"
FILES = ["curves.svg", "history.csv", "model.safetensors"]


def listed(folder):
    return sorted(p.name for p in Path(folder).iterdir())


MEASURED = """
import json, sys
from koubai.cli import main
for seed in map(int, sys.argv[2:]):
    try:
        main([*sys.argv[1].split(), "--seed", str(seed), "--json", "--out", f"out-{seed}"])
    except SystemExit as end:
        assert not end.code
"""


def measured(folder, arguments, seeds):
    """The results of several seeds, in a process of its own: there the command decides on the threads."""
    command = [sys.executable, "-c", MEASURED, arguments, *map(str, seeds)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_digits_over_ten_seeds(tmp_path):
    found = measured(tmp_path, "train digits", range(10))
    assert np.mean([result["test_score"] for result in found]) >= 0.97
    assert all(result["grad_check"]["max_error"] < 1e-7 for result in found)


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST is not at ../shared/data/mnist")
def test_mnist(tmp_path):
    (found,) = measured(tmp_path, f"train {MNIST} --hidden 128", [0])
    assert found["epochs"] <= 10
    assert found["test_score"] >= 0.975
    assert found["grad_check"]["max_error"] < 1e-7


def test_a_reader_that_leaves_and_a_terminal_without_the_letters(tmp_path):
    base = [sys.executable, "-c", "from koubai.cli import main; main()"]
    with subprocess.Popen([*base, "ops"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*base, "ops", "--lang", "ja"], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_nothing_is_there_before_the_training_is_over(tmp_path):
    process = started(tmp_path, "train", "digits", "--epochs", "100000", "--json", "--out", "deep/out")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_the_package_is_the_command():
    done = subprocess.run([sys.executable, "-m", "koubai", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"koubai, version {kb.__version__}\n"


def started(tmp_path, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", "from koubai.cli import main; main()", *arguments],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    for line in process.stderr:
        if "agree to" in line:
            break
    time.sleep(0.5)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_keeps_the_best_model(tmp_path):
    process = started(tmp_path, "train", "digits", "--epochs", "100000", "--json")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "the best weights so far are kept" in err
    found = json.loads(out)
    assert found["interrupted"]
    assert found["test_score"] > 0.5
    assert listed(tmp_path / "koubai-digits") == FILES


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_terminated_command_leaves_nothing(tmp_path):
    process = started(tmp_path, "train", "digits", "--epochs", "100000", "--json")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
