"""Operands and their types, and the blocks that instructions are written into."""

from __future__ import annotations

import struct

__all__ = ["BITS", "FLOATS", "Block", "Value", "bytes_of", "element_of", "lanes_of", "number", "vector"]

FLOATS = ("float", "double")
BITS = {"float": 32, "double": 64}


class Value:
    """An operand: its text (a register or a constant) and its LLVM type."""

    __slots__ = ("text", "type")

    def __init__(self, text: str, type: str) -> None:
        self.text = text
        self.type = type

    def __repr__(self) -> str:
        return f"{self.type} {self.text}"


def vector(element: str, lanes: int) -> str:
    """The type of that many lanes; the element's own type for one.

    Examples
    --------
    >>> vector("float", 8), vector("i1", 1)
    ('<8 x float>', 'i1')
    """
    return element if lanes == 1 else f"<{lanes} x {element}>"


def element_of(type: str) -> str:
    """The type of one lane."""
    return type[type.index("x") + 2 : -1] if type[0] == "<" else type


def lanes_of(type: str) -> int:
    """How many lanes a type has; 1 for a scalar."""
    return int(type[1 : type.index(" ")]) if type[0] == "<" else 1


def number(value: float, element: str) -> str:
    """A constant of an element type as LLVM writes it; floats as the bits of a double."""
    if element in FLOATS:
        if element == "float":
            value = struct.unpack("f", struct.pack("f", value))[0] if abs(value) < 3.5e38 else value
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    return str(int(value))


def bytes_of(type: str) -> int:
    """How many bytes an element of a type takes in memory."""
    element = element_of(type)
    if element == "ptr":
        return 8
    return BITS[element] // 8 if element in FLOATS else max(1, int(element[1:]) // 8)


class Block:
    """A basic block: a label and lines, to which can be added until the function is written."""

    __slots__ = ("label", "lines")

    def __init__(self, label: str) -> None:
        self.label = label
        self.lines: list[str] = []
