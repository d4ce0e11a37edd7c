"""A model as text: one line, and a table of its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koubai.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from koubai.nn.module import Module

__all__ = ["one_line", "summary"]


def one_line(module: Module) -> str:
    """``Linear(64, 32)``; a container names its children, nested ones by their class only."""
    children = [f"{_key(name)}{_short(child)}" for name, child in module.named_children()]
    extra = module.extra_repr()
    return f"{type(module).__name__}({', '.join([extra] * bool(extra) + children)})"


def _key(name: str) -> str:
    return "" if name.isdigit() else f"{name}="


def _short(module: Module) -> str:
    inside = "..." if any(True for _ in module.children()) else module.extra_repr()
    return f"{type(module).__name__}({inside})"


def summary(module: Module) -> str:
    """One line a module, with the shapes and the number of its own parameters, and the total."""
    rows = []
    for path, inner in module.named_modules():
        own = [(name, p) for name, p in inner._members.items() if isinstance(p, (Parameter, Buffer))]
        shapes = ", ".join(f"{name} {_lengths(p)}" for name, p in own if not _hidden(p))
        count = sum(p.size for _, p in own if isinstance(p, Parameter))
        frozen = any(isinstance(p, Parameter) and not p.requires_grad for _, p in own)
        rows.append((path, _short(inner), shapes + " (frozen)" * frozen, f"{count:,}" if count else ""))
    if len(rows) > 1:
        rows[0] = ("", type(module).__name__, rows[0][2], rows[0][3])
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = []
    for path, name, shapes, number in rows:
        line = f"{path:<{widths[0]}}  {name:<{widths[1]}}  {shapes:<{widths[2]}}  {number:>{widths[3]}}"
        lines.append(line.rstrip() if path or widths[0] else line.strip())
    return "\n".join([*lines, _total(module)])


def _lengths(member: Parameter | Buffer) -> str:
    return "x".join(map(str, member.shape)) or "number"


def _hidden(member: Parameter | Buffer) -> bool:
    return isinstance(member, Buffer) and not member.persistent


def _total(module: Module) -> str:
    total, trained = module.count_parameters(), module.count_parameters(trainable=True)
    frozen = f", {total - trained:,} of them frozen" if trained < total else ""
    return f"{total:,} parameters{frozen}, {module.dtype}"
