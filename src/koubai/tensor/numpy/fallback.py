"""The names of NumPy's that koubai has no differentiable form of."""

from __future__ import annotations

from functools import wraps
from types import FunctionType
from typing import Any

import numpy as np

from koubai.errors import UnsupportedError
from koubai.tensor.numpy.arguments import holds_node


def __getattr__(name: str) -> Any:
    """NumPy's other names: its own on plain arrays, refused for tensors."""
    if (name.startswith("_") and name != "__version__") or not hasattr(np, name):
        raise AttributeError(f"module 'koubai.numpy' has no attribute {name!r}")
    original = getattr(np, name)
    if name in ("fft", "linalg"):  # asked for while koubai's own module of that name is being imported
        raise AttributeError(f"module 'koubai.numpy' has no attribute {name!r}; it is numpy.{name}")
    if not isinstance(original, FunctionType) and not hasattr(original, "__wrapped__"):
        return original

    @wraps(original)
    def function(*args: Any, **options: Any) -> Any:
        if holds_node(args) or holds_node(tuple(options.values())):
            raise UnsupportedError(
                f"numpy.{name} is not defined for tensors; build it from functions of kb.numpy, or pass "
                f"t.detach().numpy() if no gradient is needed"
            )
        return original(*args, **options)

    return function
