"""Loops and calls that stay one node of the graph: `scan` and `checkpoint`, with the records of their ops.

An op here holds a `koubai.graph.Body`. Its gradient, its forward mode and its batching are the same op around
another body, which is why these records stand above `koubai.diff`, whose work it is to transform a graph.
"""

from koubai.tensor.control.checkpoint import checkpoint
from koubai.tensor.control.scan import scan

__all__ = ["checkpoint", "scan"]
