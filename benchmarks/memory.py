"""Peak resident memory of a training in a process of its own, interpreter and libraries included."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import Goal, Sheet, number
from turns import Options

ONCE = Path(__file__).parent / "programs" / "once.py"
WORK, EPOCHS = "784-1024-1024-10", 3
MIB = 2**20


def measure(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    say(WORK)
    found: dict[str, Any] = {"work": WORK, "sides": {}}
    for name in options.sides:
        runs = [_run(name, options.threads) for _ in range(min(3, options.repeats))]
        done = [run for run in runs if run is not None]
        if done:
            found["sides"][name] = {key: statistics.median(run[key] for run in done) for key in done[0]}
    return found


def _run(side: str, threads: int) -> dict[str, int] | None:
    """None where the side cannot run here."""
    command = [sys.executable, str(ONCE), side, WORK, str(EPOCHS), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None
    found: dict[str, int] = json.loads(done.stdout)
    return found


def sheets(found: dict[str, Any]) -> list[Sheet]:
    sheet = Sheet(f"Peak memory of a training of {found['work']}, MiB", ["side", "with libraries and data", "at most"])
    for name, row in found["sides"].items():
        sheet.rows.append([name, number(row["before_training"] / MIB), number(row["peak"] / MIB)])
    return [sheet]


def goals(found: dict[str, Any]) -> list[Goal]:
    mine, other = (found["sides"].get(name) for name in ("koubai", "PyTorch"))
    share = mine["peak"] / other["peak"] if mine and other else None
    return [Goal(f"{found['work']}: peak memory, as a share of PyTorch's", 1, share, at_least=False)]
