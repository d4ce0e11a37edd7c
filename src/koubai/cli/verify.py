"""``koubai verify``: one training step three ways, of a model in a Python file or of a saved one."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from koubai import optim
from koubai.cli.named import is_name, named
from koubai.cli.train import read_source
from koubai.data import Dataset
from koubai.errors import DataError, UsageError
from koubai.nn import Module
from koubai.train import StepReport, load, read_info, verify_step

__all__ = ["verify"]

HINT = "give FILE.py:NAME, or the file of a saved model"


def verify(
    model: str,
    source: str | None,
    target: str | None,
    task: str | None,
    loss: str | None,
    optimizer: str | None,
    lr: float | None,
    batch_size: int | None,
    step: int,
    count: int,
    seed: int,
    as_json: bool,
) -> int:
    """Verify and print; returns the exit code."""
    given = _named(model) if is_name(model) else _saved(model, source, target, task)
    if source is not None:
        given["data"] = _read(source, target, task)
    if "data" not in given:
        raise UsageError(f"{model}: no data to train it on; give --data: a bundled set, a CSV file or a folder")
    if loss is not None or "loss" not in given:
        given["loss"] = loss or _usual_loss(given["data"])
    if optimizer is not None or lr is not None:
        given["optimizer"] = optim.get(optimizer or "adam", **({} if lr is None else {"lr": lr}))
    if batch_size is not None:
        given["batch_size"] = batch_size
    report = verify_step(given.pop("model"), given.pop("data"), **{"step": step, "count": count, "seed": seed, **given})
    if as_json:
        print(json.dumps(report.to_dict()))
    elif sys.stdout.isatty():
        _show(report)
    else:
        print(report)
    return 0


def _read(source: str, target: str | None, task: str | None) -> Dataset:
    return read_source(source, target, task)[0]


def _usual_loss(data: Any) -> str:
    if not isinstance(data, Dataset):
        raise UsageError("the file says no loss; give --loss, such as cross_entropy or mse")
    return "mse" if data.class_names is None else "cross_entropy"


def _saved(path: str, source: str | None, target: str | None, task: str | None) -> dict[str, Any]:
    """A model that `koubai train` or `kb.save` wrote, with the data that it was trained on if it says which."""
    if path.endswith(".py"):
        raise UsageError(f"{path}: which model in it? Give {path}:NAME")
    if not Path(path).exists():
        raise DataError(f"{path}: no such file; {HINT}")
    found: dict[str, Any] = {"model": load(path)}
    info = read_info(path)
    if source is None and isinstance(info.get("source"), str):
        kind = "classification" if info.get("classes") else "regression"
        table = info["source"].lower().endswith(".csv")
        found["data"] = _read(info["source"], target or (info.get("target") if table else None),
                              task or (kind if table else None))  # fmt: skip
    return found


def _named(text: str) -> dict[str, Any]:
    """What a name in a Python file stands for: a model, arguments of `verify_step`, or a function that gives these."""
    found = named(text, HINT)
    if isinstance(found, Module):
        return {"model": found}
    if isinstance(found, Mapping) and isinstance(found.get("model"), Module):
        return dict(found)
    raise UsageError(
        f"{text}: expected a kb.nn.Module, a dict of kb.verify_step's arguments (model, data, loss, ...), or a "
        f"function that returns one of them; got {type(found).__name__}"
    )


def _show(report: StepReport) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    head, rows = report.table()
    table = Table(box=box.SIMPLE, show_edge=False)
    for title in head:
        table.add_column(title)
    for name, *cells in rows:
        table.add_row(Text(name), *(Text(cell, style="dim" if cell == "-" else "green") for cell in cells))
    first, *below = report.lines()
    console = Console(highlight=False)
    console.print(Text(first))
    console.print(table)
    for line in below:
        console.print(Text(line))
