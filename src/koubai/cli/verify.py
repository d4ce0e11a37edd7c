"""``koubai verify``: one training step three ways, of a model in a Python file or of a saved one."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from koubai import optim
from koubai.cli.train import read_source
from koubai.data import Dataset
from koubai.errors import DataError, KoubaiError, UsageError
from koubai.nn import Module
from koubai.train import StepReport, load, read_info, verify_step

__all__ = ["verify"]

HINT = "give FILE.py:NAME, or the file of a saved model"
MODULE = "koubai verify"  # no import can bring this name up


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
    given = _named(model) if ":" in model and not Path(model).exists() else _saved(model, source, target, task)
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
    path, _, name = text.rpartition(":")
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; {HINT}")
    found = _attribute(path, name, _imported(path))
    if callable(found) and not isinstance(found, Module):
        wanted = [p.name for p in signature(found).parameters.values() if p.default is Parameter.empty
                  and p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)]  # fmt: skip
        if wanted:
            raise UsageError(
                f"{text}: called without arguments to get the model, but it takes {', '.join(wanted)}; write a "
                f"function without arguments that returns the model"
            )
        found = _run(path, found)
    if isinstance(found, Module):
        return {"model": found}
    if isinstance(found, Mapping) and isinstance(found.get("model"), Module):
        return dict(found)
    raise UsageError(
        f"{text}: expected a kb.nn.Module, a dict of kb.verify_step's arguments (model, data, loss, ...), or a "
        f"function that returns one of them; got {type(found).__name__}"
    )


def _imported(path: str) -> Any:
    """The file as a module; as for ``python FILE.py`` its folder is where it imports from."""
    folder = str(Path(path).resolve().parent)
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    sys.path.insert(0, folder)
    try:
        _run(path, lambda: spec.loader.exec_module(module))
    finally:
        sys.path.remove(folder)
    return module


def _run(path: str, f: Any) -> Any:
    """What somebody's code returns; an error in it in one sentence. What it prints goes to stderr."""
    try:
        with redirect_stdout(sys.stderr):
            return f()
    except KoubaiError:
        raise
    except Exception as error:
        trace, line = error.__traceback__, 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == os.path.abspath(path):
                line = trace.tb_lineno
            trace = trace.tb_next
        raise DataError(f"{path}{f', line {line}' if line else ''}: {type(error).__name__}: {error}") from None


def _attribute(path: str, name: str, module: Any) -> Any:
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            models = [key for key, value in vars(module).items() if isinstance(value, Module)]
            there = f"; models there are {', '.join(models)}" if models else ""
            raise DataError(f"{path}: nothing is named {name!r}{there}")
        found = getattr(found, part)
    return found


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
