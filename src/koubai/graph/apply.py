"""The one function that applies an op: it records, and when values exist it computes."""

from __future__ import annotations

import os
from contextvars import ContextVar
from sys import _getframe
from typing import TYPE_CHECKING, Any

import numpy as np

from koubai.errors import DTypeError, IndexingError, KoubaiError, RangeError, UnsupportedError, UsageError
from koubai.graph.calls import calling
from koubai.graph.node import Node, constant, next_number
from koubai.graph.types import type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koubai.graph.op import Op

__all__ = ["apply", "recording", "tracing", "users_line", "value_of"]

recording: ContextVar[bool] = ContextVar("recording", default=True)

# While a function is traced, what it computes from tensors without gradients is recorded too: a compiled
# program computes it anew at every call, from the values that these tensors have then.
tracing: ContextVar[bool] = ContextVar("tracing", default=False)

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_inside: dict[str, bool] = {}


def value_of(x: Any) -> Any:
    """The value of a node; anything else is its own value."""
    return x.value if isinstance(x, Node) else x


def users_frame(depth: int) -> Any:
    """The innermost frame, from `depth` frames up, whose code does not stand in this package."""
    frame: Any = _getframe(depth)
    while True:
        filename = frame.f_code.co_filename
        inside = _inside.get(filename)
        if inside is None:
            inside = _inside[filename] = filename.startswith(PACKAGE)
        if not inside or frame.f_back is None:
            return frame
        frame = frame.f_back


def users_line() -> str:
    """``file:line`` of the user's code that is running."""
    frame = users_frame(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def new_node(
    kind: type[Node], op: Op, inputs: tuple[Any, ...], params: dict[str, Any], value: Any, requires_grad: bool
) -> Any:
    """A recorded node, with the place in the user's code that asked for it."""
    node = kind.__new__(kind)
    node.op = op
    node.inputs = inputs
    node.params = params
    node.value = value
    node.requires_grad = requires_grad
    node.number = next_number()
    node.name = None
    frame = users_frame(3)
    node.code = frame.f_code
    node.offset = frame.f_lasti
    node.call = calling.get()
    return node


def apply(op: Op, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Apply `op` to arrays, numbers and nodes.

    Among plain arrays it only computes. With a node among the inputs the result is a node: recorded
    when a gradient is wanted, or when an input has no value yet (then only the type is inferred);
    otherwise a leaf that holds the value.
    """
    kind = None
    track = symbolic = False
    values = []
    for x in inputs:
        if isinstance(x, Node):
            kind = x.result_class
            value = x.value
            if value is None:
                symbolic = True
            if x.requires_grad:
                track = True
            values.append(value)
        else:
            values.append(x)
    if kind is None:
        try:
            return op.forward(*inputs, **params)
        except KoubaiError:
            raise
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise explained(op, inputs, params, error) from None
    track = track and op.vjp is not None and recording.get()
    if symbolic:
        node = new_node(kind, op, inputs, params, None, track)
        node._type = op.infer(*types_of(op, inputs), **params)
        return node
    try:
        value = op.forward(*values, **params)
    except KoubaiError:
        raise
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise explained(op, inputs, params, error) from None
    if type(value) is complex:  # what Python makes of 1j * np.float64(1)
        value = np.complex128(value)
    if track or tracing.get():
        return new_node(kind, op, inputs, params, value, track)
    return constant(value, kind)


def types_of(op: Op, inputs: Sequence[Any]) -> list[Any]:
    """The types of an op's inputs, or an error that names the op and the argument."""
    types = []
    for i, x in enumerate(inputs):
        try:
            types.append(x.type if isinstance(x, Node) else type_of(x))
        except DTypeError as error:
            raise DTypeError(f"{op.name}: argument {i}: {error}") from None
    return types


def explained(op: Op, inputs: tuple[Any, ...], params: dict[str, Any], error: Exception) -> Exception:
    """NumPy's refusal in koubai's words: the type rule says what was expected, if it objects too."""
    try:
        types = types_of(op, inputs)
        op.infer(*types, **params)
    except KoubaiError as better:
        return better
    except Exception:
        return error
    given = ", ".join(map(str, types))
    message = f"{op.name}({given}): {error}"
    if isinstance(error, np.linalg.LinAlgError):
        return np.linalg.LinAlgError(message)
    for family, ours in ((IndexError, IndexingError), (ValueError, UsageError), (OverflowError, RangeError)):
        if isinstance(error, family):
            return ours(message)
    return UnsupportedError(message)
