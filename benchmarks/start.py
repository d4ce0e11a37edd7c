"""From the start of a process to a trained network: whole commands, imports and compilation included.

The same small classifier of digits, 10 epochs, as a script with koubai (with nothing in its cache of compiled
code, and with what the run before left there) and as a script with PyTorch.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import Goal, Sheet, number
from turns import Options, in_turn, ratio, seconds
from works import digits

PROGRAMS = Path(__file__).parent / "programs"
KOUBAI, TORCH, FIRST = (PROGRAMS / f"{name}.py" for name in ("digits_koubai", "digits_torch", "first_step"))
CACHE = "KOUBAI_CACHE_DIR"


def measure(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    say("whole commands")
    with tempfile.TemporaryDirectory() as folder:
        data, warm = Path(folder, "digits.npz"), Path(folder, "warm")
        x, t = digits()
        np.savez(data, x=x, t=t)
        runs: dict[str, Callable[[], float]] = {
            "koubai, cold": lambda: _cold(KOUBAI, data),
            "koubai, warm": lambda: _time(KOUBAI, data, cache=warm),
            "koubai, warm, no gradient check": lambda: _time(KOUBAI, data, "--no-check", cache=warm),
            "koubai, compiling the step": lambda: _compilation(data),
        }
        if "PyTorch" in options.sides:
            runs["PyTorch"] = lambda: _time(TORCH, data)
        scores = {"koubai": _run(KOUBAI, data, cache=warm)["accuracy"]}
        _run(KOUBAI, data, "--no-check", cache=warm)
        try:
            scores["PyTorch"] = _run(TORCH, data)["accuracy"]
        except subprocess.CalledProcessError:
            runs.pop("PyTorch", None)
        times = in_turn(runs, options.repeats)
    found: dict[str, Any] = {"seconds": times, "accuracy": scores}
    if "PyTorch" in times:
        found["ratio"] = {name: ratio(t, times["PyTorch"]) for name, t in times.items() if "compiling" not in name}
    return found


def _cold(program: Path, data: Path) -> float:
    with tempfile.TemporaryDirectory() as empty:
        return _time(program, data, cache=Path(empty))


def _compilation(data: Path) -> float:
    with tempfile.TemporaryDirectory() as empty:
        found: float = _run(FIRST, data, cache=Path(empty))["compile_s"]
        return found


def _time(*command: Any, cache: Path | None = None) -> float:
    return seconds(lambda: _run(*command, cache=cache))


def _run(*command: Any, cache: Path | None = None) -> Any:
    """Run a program and return the object that it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if cache is not None:
        environment[CACHE] = str(cache)
    arguments = [sys.executable, *map(str, command)]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def sheets(found: dict[str, Any]) -> list[Sheet]:
    scores = ", ".join(f"{name} {score:.3f}" for name, score in found["accuracy"].items())
    sheet = Sheet(
        "From process start to a trained 64-32-10 network (digits, 10 epochs, batch 32)",
        ["command", "s", "goes into PyTorch's time"],
        remark=f"Accuracy on the training set: {scores}.",
    )
    for name, times in found["seconds"].items():
        share = found.get("ratio", {}).get(name)
        sheet.rows.append([name, f"{statistics.median(times):.3f}", number(share) if share else ""])
    return [sheet]


def goals(found: dict[str, Any]) -> list[Goal]:
    times = found.get("ratio", {})
    compiling = statistics.median(found["seconds"]["koubai, compiling the step"])
    return [
        Goal("start to trained, nothing cached, times as fast as PyTorch", 4, times.get("koubai, cold")),
        Goal("start to trained, cached, times as fast as PyTorch", 10, times.get("koubai, warm")),
        Goal("compiling the step of 64-32-10", 0.35, compiling, at_least=False, unit=" s"),
    ]
