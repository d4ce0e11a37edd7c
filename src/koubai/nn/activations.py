"""Activations as modules."""

from __future__ import annotations

from typing import Any

from koubai.nn import functional as F
from koubai.nn.module import Module

__all__ = ["ReLU", "Sigmoid", "Tanh"]


class ReLU(Module):
    """See `relu`."""

    def forward(self, x: Any) -> Any:
        return F.relu(x)


class Tanh(Module):
    """See `tanh`."""

    def forward(self, x: Any) -> Any:
        return F.tanh(x)


class Sigmoid(Module):
    """See `sigmoid`."""

    def forward(self, x: Any) -> Any:
        return F.sigmoid(x)
