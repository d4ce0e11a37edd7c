"""Layers that say where they stand when they refuse an input."""

from __future__ import annotations

from typing import Any

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.nn.module import Module

__all__ = ["Located"]


class Located(Module):
    """A module whose path stands in front of what its function says of a wrong input."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except (ShapeError, DTypeError, UsageError) as error:
            raise type(error)(f"{self.path or type(self).__name__}: {error}") from None
