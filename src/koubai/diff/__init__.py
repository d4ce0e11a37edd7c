"""Differentiation: a graph in, gradients out. Reverse mode, forward mode, and batching of a graph.

Each rule stands in the op's record; here is only the order in which they are applied. May import
`graph`, `ops` and `errors`.
"""

from koubai.diff.batch import batched
from koubai.diff.bodies import pull, push, stack_up, zeros
from koubai.diff.forward import forward_mode
from koubai.diff.reverse import Message, conform, gradients, messages, reverse_mode

__all__ = [
    "Message",
    "batched",
    "conform",
    "forward_mode",
    "gradients",
    "messages",
    "pull",
    "push",
    "reverse_mode",
    "stack_up",
    "zeros",
]
