"""``FILE.py:NAME``: what a name in somebody's Python file stands for."""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import redirect_stdout
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from koubai.errors import DataError, KoubaiError, UsageError
from koubai.nn import Module

__all__ = ["is_name", "named"]

MODULE = "koubai file"  # no import can bring this name up


def is_name(text: str) -> bool:
    """Whether a text has the form ``FILE.py:NAME``."""
    return ":" in text and not Path(text).exists()


def named(text: str, hint: str) -> Any:
    """The object of this name; of a function what it returns, called without arguments.

    Parameters
    ----------
    text : str
        ``FILE.py:NAME``, the name perhaps with dots.
    hint : str
        What to give instead, where the file is not there.

    Raises
    ------
    DataError
        If there is no such file or name, or its code raises: with the line.
    UsageError
        If a function wants arguments.
    """
    path, _, name = text.rpartition(":")
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; {hint}")
    found = _attribute(path, name, _imported(path))
    if not callable(found) or isinstance(found, Module):
        return found
    wanted = [p.name for p in signature(found).parameters.values() if p.default is Parameter.empty
              and p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)]  # fmt: skip
    if wanted:
        raise UsageError(
            f"{text}: called without arguments to get what it makes, but it takes {', '.join(wanted)}; write a "
            f"function without arguments"
        )
    return _run(path, found)


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
