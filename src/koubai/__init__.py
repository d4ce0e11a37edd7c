"""koubai: backpropagation with glass walls, at native speed.

``import koubai as kb``. Everything is loaded at first use, so that importing costs little.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "koubai.errors": (
        "AxisError", "DTypeError", "DataError", "GradientError", "GradientShapeError", "IndexingError", "KoubaiError",
        "LabelError", "ShapeError", "TracingError", "TrainingError", "UnsupportedError", "UsageError", "VerifyError",
    ),
    "koubai.graph": ("Op", "Sample", "Type", "Words", "register", "verify"),
    "koubai.tensor": (
        "Function", "Tensor", "compile", "grad", "hessian", "hvp", "jacobian", "jvp", "no_grad", "tensor", "value_and_grad",
        "vjp", "vmap",
    ),
    "koubai.check": ("GradReport", "check_grads", "numerical_grad"),
    "koubai.train": ("History", "evaluate", "fit", "load", "save"),
}  # fmt: skip
_MODULES = ("data", "nn", "numpy", "optim", "special", "train")
_WHERE = {name: home for home, names in _HOME.items() for name in names}

__all__ = ["__version__", *_WHERE, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"koubai.{name}")
    raise AttributeError(f"module 'koubai' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """This package. ``kb.tensor`` is the function, although a folder of that name exists: importing a
    submodule would otherwise put the module in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _WHERE and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

if TYPE_CHECKING:
    from koubai import data as data
    from koubai import nn as nn
    from koubai import numpy as numpy
    from koubai import optim as optim
    from koubai import special as special
    from koubai import train as train
    from koubai.check import GradReport as GradReport
    from koubai.check import check_grads as check_grads
    from koubai.check import numerical_grad as numerical_grad
