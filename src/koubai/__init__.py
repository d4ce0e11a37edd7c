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
        "LabelError", "RangeError", "ShapeError", "TracingError", "TrainingError", "UnsupportedError", "UsageError",
        "VerifyError",
    ),
    "koubai.compile.team": ("get_num_threads", "set_num_threads"),
    "koubai.graph": ("Op", "Sample", "Type", "Words", "register", "verify"),
    "koubai.tensor": (
        "Function", "Tensor", "checkpoint", "compile", "grad", "hessian", "hvp", "jacobian", "jvp", "no_grad", "scan",
        "tensor", "value_and_grad", "vjp", "vmap",
    ),
    "koubai.check": ("GradReport", "check_grads", "numerical_grad"),
    "koubai.explain.derivation": ("Explanation",),
    "koubai.explain.claims": ("ClaimReport", "verify_example"),
    "koubai.explain.doctor": ("Checkup", "checkup"),
    "koubai.explain.explaining": ("explain",),
    "koubai.explain.messages": ("Messages", "messages"),
    "koubai.explain.misconceptions": ("Misconceptions", "misconceptions"),
    "koubai.explain.record": ("Record", "record"),
    "koubai.explain.rows": ("Pushes", "example_gradients", "pushes"),
    "koubai.explain.trouble": ("Trouble", "find_trouble"),
    "koubai.train": ("History", "StepReport", "evaluate", "fit", "load", "save", "verify_step"),
    "koubai.view": ("view",),
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

if TYPE_CHECKING:  # the same names for type checkers and editors; a test holds both lists equal
    from koubai import data as data
    from koubai import nn as nn
    from koubai import numpy as numpy
    from koubai import optim as optim
    from koubai import special as special
    from koubai import train as train
    from koubai.check import GradReport as GradReport
    from koubai.check import check_grads as check_grads
    from koubai.check import numerical_grad as numerical_grad
    from koubai.compile.team import get_num_threads as get_num_threads
    from koubai.compile.team import set_num_threads as set_num_threads
    from koubai.errors import AxisError as AxisError
    from koubai.errors import DataError as DataError
    from koubai.errors import DTypeError as DTypeError
    from koubai.errors import GradientError as GradientError
    from koubai.errors import GradientShapeError as GradientShapeError
    from koubai.errors import IndexingError as IndexingError
    from koubai.errors import KoubaiError as KoubaiError
    from koubai.errors import LabelError as LabelError
    from koubai.errors import RangeError as RangeError
    from koubai.errors import ShapeError as ShapeError
    from koubai.errors import TracingError as TracingError
    from koubai.errors import TrainingError as TrainingError
    from koubai.errors import UnsupportedError as UnsupportedError
    from koubai.errors import UsageError as UsageError
    from koubai.errors import VerifyError as VerifyError
    from koubai.explain.claims import ClaimReport as ClaimReport
    from koubai.explain.claims import verify_example as verify_example
    from koubai.explain.derivation import Explanation as Explanation
    from koubai.explain.doctor import Checkup as Checkup
    from koubai.explain.doctor import checkup as checkup
    from koubai.explain.explaining import explain as explain
    from koubai.explain.messages import Messages as Messages
    from koubai.explain.messages import messages as messages
    from koubai.explain.misconceptions import Misconceptions as Misconceptions
    from koubai.explain.misconceptions import misconceptions as misconceptions
    from koubai.explain.record import Record as Record
    from koubai.explain.record import record as record
    from koubai.explain.rows import Pushes as Pushes
    from koubai.explain.rows import example_gradients as example_gradients
    from koubai.explain.rows import pushes as pushes
    from koubai.explain.trouble import Trouble as Trouble
    from koubai.explain.trouble import find_trouble as find_trouble
    from koubai.graph import Op as Op
    from koubai.graph import Sample as Sample
    from koubai.graph import Type as Type
    from koubai.graph import Words as Words
    from koubai.graph import register as register
    from koubai.graph import verify as verify
    from koubai.tensor import Function as Function
    from koubai.tensor import Tensor as Tensor
    from koubai.tensor import checkpoint as checkpoint
    from koubai.tensor import compile as compile
    from koubai.tensor import grad as grad
    from koubai.tensor import hessian as hessian
    from koubai.tensor import hvp as hvp
    from koubai.tensor import jacobian as jacobian
    from koubai.tensor import jvp as jvp
    from koubai.tensor import no_grad as no_grad
    from koubai.tensor import scan as scan
    from koubai.tensor import tensor as tensor
    from koubai.tensor import value_and_grad as value_and_grad
    from koubai.tensor import vjp as vjp
    from koubai.tensor import vmap as vmap
    from koubai.train import History as History
    from koubai.train import StepReport as StepReport
    from koubai.train import evaluate as evaluate
    from koubai.train import load as load
    from koubai.train import save as save
    from koubai.train import verify_step as verify_step
    from koubai.train.fitting import fit as fit
    from koubai.view import view as view
