"""A record as text: a table for the terminal, and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from koubai.data.atomic import write_atomically
from koubai.explain.local import LocalMap
from koubai.explain.table import table

if TYPE_CHECKING:
    from koubai.explain.record import Record, RecordNode

__all__ = ["plain", "record_data", "record_table", "short", "to_json"]


def record_data(record: Record) -> dict[str, Any]:
    """The record as dicts, lists, numbers and strings."""
    return {
        "format": "koubai-record",
        "version": 1,
        "output": record.output.index,
        "nodes": [_node(node) for node in record.nodes],
        "edges": [
            {
                "source": edge.source.index,
                "target": edge.target.index,
                "position": edge.position,
                "upstream": plain(edge.upstream),
                "local": plain(edge.local),
                "message": plain(edge.message),
            }
            for edge in record.edges
        ],
        "calls": [
            {"index": c.index, "path": c.path, "kind": c.kind, "parent": None if c.parent is None else c.parent.index}
            for c in record.calls
        ],
    }


def to_json(data: Any, path: str | Path | None) -> str:
    """JSON, and the file of it where a path is given."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    if path is not None:
        write_atomically(path, text)
    return text


def record_table(record: Record) -> str:
    """One node a line: symbol, how it was computed, value and gradient."""
    rows = [("node", "computed as", "value", "gradient")]
    rows += [(n.symbol, _computed(n), short(n.value), short(n.grad)) for n in record.nodes]
    return "\n".join(table(rows))


def short(value: Any) -> str:
    """A number or an array in a few characters."""
    if value is None:
        return ""
    if type(value) is tuple:
        return f"({', '.join(map(short, value))})"
    array = np.asarray(value)
    if array.ndim == 0:
        return _number(array[()])
    if array.size > 4 or array.ndim > 1:
        kind = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
        return f"{kind}, norm {np.linalg.norm(array):.4g}" if array.dtype.kind in "fc" else kind
    return f"[{', '.join(map(_number, array))}]"


def _number(x: Any) -> str:
    return f"{x:.6g}" if x.dtype.kind in "fc" else str(x)


def _computed(node: RecordNode) -> str:
    if node.op is None:
        return "leaf"
    arguments = [x.symbol if hasattr(x, "symbol") else short(np.asarray(x)) for x in node.inputs]
    arguments += [f"{key}={value}" for key, value in node.params.items()]
    return f"{node.op}({', '.join(arguments)})"


def plain(value: Any) -> Any:
    """What JSON can hold: dicts, nested lists, numbers, and strings for what is not finite."""
    if isinstance(value, LocalMap):
        return {"op": value.op, "formula": value.formula, "shape": list(value.shape)}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _listed(value)
    if isinstance(value, (float, complex)):
        return _listed(np.asarray(value))
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _listed(array: Any) -> Any:
    array = np.asarray(array)
    if array.dtype.kind == "c":
        return _listed(np.stack([array.real, array.imag], axis=-1))
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    return _named(array.tolist())


def _named(x: Any) -> Any:
    """Nested lists with names for what is not finite."""
    if isinstance(x, list):
        return [_named(v) for v in x]
    if x != x:
        return "NaN"
    return x if abs(x) != float("inf") else "Infinity" if x > 0 else "-Infinity"


def _node(node: RecordNode) -> dict[str, Any]:
    return {
        "index": node.index,
        "op": node.op,
        "name": node.name,
        "symbol": node.symbol,
        "call": None if node.call is None else node.call.index,
        "layer": node.layer,
        "where": node.where,
        "shape": plain(node.shape),
        "dtype": [str(d) for d in node.dtype] if type(node.dtype) is tuple else str(node.dtype),
        "requires_grad": node.requires_grad,
        "value": plain(node.value),
        "grad": plain(node.grad),
        "inputs": [{"node": x.index} if hasattr(x, "symbol") else {"constant": plain(x)} for x in node.inputs],
        "params": plain(node.params),
    }
