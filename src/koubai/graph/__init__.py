"""The graph: nodes, their types, the op record, and the one function that applies an op.

Everything else in koubai is a reading of what is defined here. May import `errors` only.
"""

from koubai.graph import memory as _memory  # noqa: F401 - sets the allocator up
from koubai.graph.apply import apply, recording, tracing, users_line, value_of
from koubai.graph.body import Body, is_cut, trace
from koubai.graph.calls import Call, calling
from koubai.graph.node import Node, constant, placeholder
from koubai.graph.op import (
    Op,
    Refusal,
    Sample,
    Words,
    joint_jvp,
    joint_vjp,
    register,
    registered,
    registry,
    variadic,
)
from koubai.graph.text import to_text
from koubai.graph.types import Type, type_of
from koubai.graph.verify import verify
from koubai.graph.walk import topological, users_first

__all__ = [
    "Body",
    "Call",
    "Node",
    "Op",
    "Refusal",
    "Sample",
    "Type",
    "Words",
    "apply",
    "calling",
    "constant",
    "is_cut",
    "joint_jvp",
    "joint_vjp",
    "placeholder",
    "recording",
    "register",
    "registered",
    "registry",
    "to_text",
    "topological",
    "trace",
    "tracing",
    "type_of",
    "users_first",
    "users_line",
    "value_of",
    "variadic",
    "verify",
]
