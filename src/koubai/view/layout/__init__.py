"""Layered drawing of directed acyclic graphs with boxes around groups of nodes.

The classic four steps of Sugiyama, Tagawa and Toda (1981): nodes into ranks, ranks into an order with few crossings,
coordinates for that order, edges through the lanes that this leaves free. Groups are drawn from the inside outwards:
a finished group is one big node of the group around it, so that no foreign node ever stands in its box. Nothing here
knows what a gradient is.
"""

from koubai.view.layout.level import Space
from koubai.view.layout.nested import Box, Diagram, Path, draw

__all__ = ["Box", "Diagram", "Path", "Space", "draw"]
