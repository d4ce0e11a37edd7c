"""Module: what layers and models are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import index
from typing import Any, ClassVar, Self

import numpy as np

from koubai.errors import DTypeError, UnsupportedError
from koubai.graph import Call, Node, calling
from koubai.nn.members import loaded, matching
from koubai.nn.parameter import Buffer, Parameter
from koubai.nn.registered import Registered
from koubai.nn.text import one_line, summary
from koubai.tensor import Tensor, no_grad
from koubai.tensor.watch import watched

__all__ = ["Module"]


class Module(Registered):
    """A layer or a model: parameters, buffers and other modules, and the function that they define.

    Subclass it, assign parameters and modules to attributes, and write `forward`. What is assigned is
    registered in that order, under the attribute's name; a parameter's path joins the names by dots.

    Attributes
    ----------
    training : bool
        True at first; `train` and `eval` set it, here and in all modules below.

    Examples
    --------
    >>> import koubai as kb
    >>> class Twice(kb.nn.Module):
    ...     def __init__(self):
    ...         self.layer = kb.nn.Linear(2, 2)
    ...
    ...     def forward(self, x):
    ...         return self.layer(kb.nn.tanh(self.layer(x)))
    >>> model = Twice()
    >>> [name for name, _ in model.named_parameters()]
    ['layer.weight', 'layer.bias']
    >>> model(np.ones((5, 2))).shape
    (5, 2)
    """

    takes_indices: ClassVar[bool] = False  # whether the inputs are numbers of rows, which must stay integers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's function; calling the module calls this."""
        raise UnsupportedError(f"{type(self).__name__}: write its function as a method forward(self, x)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        watch = watched.get()
        if watch is not None:
            watch.meet(self)
        token = calling.set(Call(self.path, type(self).__name__, calling.get()))
        try:
            return self.forward(*args, **kwargs)
        finally:
            calling.reset(token)

    # What is inside

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module (under the empty path) and all below it, each once."""
        yield "", self
        for path, _, _, member in self._walk():
            if isinstance(member, Module):
                yield path, member

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that stand directly in this one."""
        return ((name, member) for name, member in self._present().items() if isinstance(member, Module))

    def children(self) -> Iterator[Module]:
        """The modules that stand directly in this one."""
        return (module for _, module in self.named_children())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters in order of registration; a tied one once, under its first path."""
        return self._named(Parameter)

    def parameters(self) -> Iterator[Parameter]:
        """All parameters in order of registration, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """All buffers in order of registration, each once."""
        return self._named(Buffer)

    def buffers(self) -> Iterator[Buffer]:
        """All buffers in order of registration, each once."""
        return (buffer for _, buffer in self.named_buffers())

    def _named(self, kind: Any) -> Iterator[tuple[str, Any]]:
        seen = set()
        for path, _, _, member in self._walk():
            if isinstance(member, kind) and member not in seen:
                seen.add(member)
                yield path, member

    def count_parameters(self, trainable: bool = False) -> int:
        """How many numbers the parameters hold; with `trainable` only those that are not frozen.

        Examples
        --------
        >>> import koubai as kb
        >>> kb.nn.Linear(64, 10).count_parameters()
        650
        """
        return sum(p.size for p in self.parameters() if p.requires_grad or not trainable)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first parameter; float32 where there is none."""
        return next((p.dtype for p in self.parameters()), np.dtype(np.float32))

    # State

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of all parameters and persistent buffers by path, in order of registration.

        Examples
        --------
        >>> import koubai as kb
        >>> {name: a.shape for name, a in kb.nn.Linear(3, 2).state_dict().items()}
        {'weight': (3, 2), 'bias': (2,)}
        """
        return {name: np.array(member.value) for name, member in self._state()}

    def _state(self) -> Iterator[tuple[str, Any]]:
        for name, member in self._named((Parameter, Buffer)):
            if isinstance(member, Parameter) or member.persistent:
                yield name, member

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> tuple[list[str], list[str]]:
        """Take the values of `state`, cast to each parameter's dtype. Nothing changes if anything is wrong.

        Parameters
        ----------
        state : mapping from path to array
        strict : bool
            With False, missing and unexpected names are left aside; shapes must fit all the same.

        Returns
        -------
        missing, unexpected : lists of names

        Raises
        ------
        UsageError
            With strict, if names are missing or unexpected.
        ShapeError
            If a shape is another; the message lists all of them.
        """
        return loaded(dict(self._state()), state, strict)

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below: dropout drops, normalization uses the batch. Returns self."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """The opposite of `train`. Returns self."""
        return self.train(False)

    def init(self, seed: int = 0) -> Self:
        """Draw all parameters that have an initializer afresh, by this seed; reset counters. Returns self.

        Parameters given as arrays keep their values. A model that was never touched is as after ``init(0)``.

        Examples
        --------
        >>> import koubai as kb
        >>> a, b = kb.nn.Linear(3, 2).init(7), kb.nn.Linear(3, 2).init(7)
        >>> bool((a.weight.numpy() == b.weight.numpy()).all())
        True
        """
        try:
            seed = index(seed)
        except TypeError:
            raise DTypeError(f"init: expected the seed to be an integer, got {type(seed).__name__}") from None
        for module in self.modules():
            module._assign("_seed", seed)
            module.reset()
        for name, parameter in self.named_parameters():
            parameter.draw(seed, name)
            parameter.grad = None
        return self

    def reset(self) -> None:
        """Bring this module's own buffers to where they started; for layers that have any."""

    def freeze(self, pattern: str = "*") -> Self:
        """Exclude parameters from training: `requires_grad` becomes False. Returns self.

        Parameters
        ----------
        pattern : str
            A parameter's or module's path, with ``*`` and ``?`` as in file names.

        Raises
        ------
        UsageError
            If no parameter has such a path.

        Examples
        --------
        >>> import koubai as kb
        >>> model = kb.nn.Sequential(kb.nn.Linear(3, 2), kb.nn.Linear(2, 1)).freeze("0")
        >>> model.count_parameters(trainable=True)
        3
        """
        for parameter in matching("freeze", self.named_parameters(), pattern):
            parameter.requires_grad = False
            parameter.grad = None
        return self

    def unfreeze(self, pattern: str = "*") -> Self:
        """Include parameters in training again. See `freeze`."""
        for parameter in matching("unfreeze", self.named_parameters(), pattern):
            parameter.requires_grad = True
        return self

    def zero_grad(self) -> None:
        """Forget the gradients that `backward` added up."""
        for parameter in self.parameters():
            parameter.grad = None

    def astype(self, dtype: Any) -> Self:
        """Convert all parameters and floating-point buffers, in this module itself. Returns self.

        Examples
        --------
        >>> import koubai as kb
        >>> kb.nn.Linear(3, 2).astype(float).weight.dtype
        dtype('float64')
        """
        dtype = np.dtype(dtype)
        if dtype.kind not in "fc":
            raise DTypeError(f"astype: expected a floating-point or complex dtype, got {dtype}")
        for parameter in self.parameters():
            parameter.convert(dtype)
        for buffer in self.buffers():
            buffer.convert(dtype)
        return self

    def input_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype in which the model takes an input of this dtype."""
        indices = dtype.kind in "iu" and any(module.takes_indices for module in self.modules())
        return dtype if indices else self.dtype

    def predict(self, x: Any) -> Any:
        """The raw outputs for plain arrays, as plain arrays: in eval mode, recording nothing.

        Parameters
        ----------
        x : array
            Cast to the model's dtype (integers stay integers in a model that looks rows up by them, see `Embedding`).

        Returns
        -------
        ndarray
            For a classifier these are logits.
        """
        x = np.asarray(x.value if isinstance(x, Node) else x)
        if x.dtype.kind not in "biufc":
            raise DTypeError(f"predict: expected an array of numbers, got dtype {x.dtype}")
        with self.evaluating():
            y = self(x.astype(self.input_dtype(x.dtype), copy=False))
        return np.asarray(y._concrete("predict()")) if isinstance(y, Tensor) else y

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """In eval mode and without recording for a while; afterwards every layer is in the mode it was in."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            with no_grad():
                yield
        finally:
            for module, mode in modes:
                module.training = mode

    # Text

    def extra_repr(self) -> str:
        """What stands between the parentheses in the module's text."""
        return ""

    def __repr__(self) -> str:
        return one_line(self)

    def __str__(self) -> str:
        return summary(self)
