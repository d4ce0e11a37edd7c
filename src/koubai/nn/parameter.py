"""Parameters and buffers: the tensors that belong to a model."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Node, Type
from koubai.graph.node import NO_PARAMS, next_number
from koubai.ops.random import key_of
from koubai.ops.shape import stop_gradient
from koubai.tensor import Tensor

if TYPE_CHECKING:
    from koubai.nn.init import Initializer
    from koubai.nn.registered import Registered

__all__ = ["Buffer", "Parameter"]

_slot: Any = Node.__dict__["value"]  # the slot itself, which can be asked whether it is set


def set_leaf(node: Node, requires_grad: bool) -> None:
    """Fill the slots of a leaf, all but its value and name."""
    node.op = None
    node.inputs = ()
    node.params = NO_PARAMS
    node.requires_grad = requires_grad
    node.number = next_number()
    node.code = None
    node.offset = 0
    node.call = None


class Owned(Tensor):
    """A leaf that a module owns, and which therefore has a path."""

    __slots__ = ("_given_name", "_owner")

    _given_name: str | None
    _owner: tuple[Any, str] | None  # a weak reference to the module, and the attribute's name there

    @property
    def name(self) -> str | None:
        """The name that it was given; otherwise its path in the model, such as ``"0.weight"``."""
        return self._given_name or self.path or None

    @name.setter
    def name(self, value: str | None) -> None:
        self._given_name = value

    @property
    def path(self) -> str:
        """Where it stands in the outermost model that it belongs to; empty if in none."""
        return self._place()[1]

    def _place(self) -> tuple[Registered | None, str]:
        owner = self._owner[0]() if self._owner is not None else None
        if owner is None or self._owner is None:
            return None, ""
        root, path = owner._place()
        return root, f"{path}.{self._owner[1]}" if path else self._owner[1]

    def link(self, owner: Registered, label: str) -> None:
        """Belong to `owner` under this name, unless it belongs to another living module already."""
        if self._owner is None or self._owner[0]() is None:
            self._owner = (weakref.ref(owner), label)

    def assign(self, array: Any) -> None:
        """Take new values: of the same shape, cast to this dtype, copied.

        The tensor stays the same object, and the old array is not written in. It counts as made anew: a
        gradient of results that were computed from the old values is refused, since it would be computed
        from the present ones.

        Raises
        ------
        ShapeError
            If the shape is another.
        DTypeError
            If the values are not numbers, or complex where these are real.
        """
        value = cast(self.name or type(self).__name__, array, self.dtype)
        if value.shape != self.shape:
            raise ShapeError(f"assign: {self.name or 'the tensor'} has shape {self.shape}, got {value.shape}")
        self._take(value)

    def _take(self, value: np.ndarray[Any, Any]) -> None:
        """Hold new values, and count as made now."""
        self.value = value[()]
        self.number = next_number()


def cast(name: str, array: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A copy of the numbers in this dtype; refuses what would lose more than precision."""
    if isinstance(array, Node):
        array = array.value
    value = np.asarray(array)
    if value.dtype.kind not in "biufc" or (value.dtype.kind == "c" and dtype.kind != "c"):
        raise DTypeError(f"{name}: expected numbers that fit in {dtype}, got dtype {value.dtype}")
    return np.array(value, dtype)


class Parameter(Owned):
    """A tensor that is trained.

    Parameters
    ----------
    data : array, optional
        Its value, copied; the array's dtype is kept (or `dtype`). Otherwise give a shape and an initializer.
    shape : tuple of int, optional
    initializer : callable, optional
        ``initializer(key, shape, dtype) -> array``; see `koubai.nn.init`. It is called when the value is
        first read, with a key made of the outermost model's seed (0 unless `Module.init` set it) and the
        parameter's path in that model: two models built alike have equal values, whatever was drawn
        before or elsewhere.
    dtype : numpy dtype
        With an initializer float32 by default.
    requires_grad : bool
        False freezes it: no gradient, no training.
    name : str, optional
        For printed graphs; by default its path.

    Raises
    ------
    DTypeError
        If the dtype is neither floating point nor complex.

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> w = kb.nn.Parameter(np.array([1.0, 2.0]))
    >>> (w * w).sum().backward()
    >>> w.grad
    array([2., 4.])
    >>> kb.nn.Parameter(shape=(2, 3), initializer=kb.nn.init.zeros()).dtype
    dtype('float32')
    """

    __slots__ = ("_dtype", "_shape", "initializer")

    initializer: Initializer | None
    _shape: tuple[int, ...]
    _dtype: np.dtype[Any]

    def __init__(
        self,
        data: Any = None,
        *,
        shape: tuple[int, ...] | int | None = None,
        initializer: Initializer | None = None,
        dtype: Any = None,
        requires_grad: bool = True,
        name: str | None = None,
    ) -> None:
        if (data is None) == (shape is None) or (shape is None) != (initializer is None):
            raise UsageError("Parameter: give either the data, or a shape and an initializer")
        set_leaf(self, requires_grad)
        self._owner = None
        self.name = name
        self.initializer = initializer
        if data is None:
            lengths = (shape,) if isinstance(shape, (int, np.integer)) else shape or ()
            self._shape = tuple(map(int, lengths))
            self._dtype = np.dtype(np.float32 if dtype is None else dtype)
        else:
            value = np.array(data.value if isinstance(data, Node) else data, dtype)
            self.value = value[()]
            self._shape, self._dtype = value.shape, value.dtype
        if self._dtype.kind not in "fc":
            raise DTypeError(
                f"Parameter: expected floating-point or complex values, got {self._dtype}; pass dtype=float, "
                f"or use Buffer for what is not trained"
            )

    def __getattr__(self, name: str) -> Any:
        # Only an unset slot leads here: the value, which is drawn when it is first read.
        if name == "value":
            root, path = self._place()
            self.draw(0 if root is None else root.seed, path)
            return self.value
        raise AttributeError(f"a parameter has no attribute {name!r}")

    @property
    def drawn(self) -> bool:
        """Whether it has a value yet."""
        try:
            _slot.__get__(self)
        except AttributeError:
            return False
        return True

    @property
    def type(self) -> Type:
        return Type(self.shape, self.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape if self.drawn else self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype if self.drawn else self._dtype

    def draw(self, seed: int, path: str) -> None:
        """Take a fresh value from the initializer, drawn by this seed and path; without one nothing changes.

        Raises
        ------
        ShapeError
            If the initializer returns an array of another shape.
        """
        if self.initializer is None:
            return
        shape, dtype = self.shape, self.dtype
        value = cast(path, self.initializer(key_of(seed, path), shape, dtype), dtype)
        if value.shape != shape:
            raise ShapeError(f"{path or 'Parameter'}: the initializer returned shape {value.shape}, expected {shape}")
        if self.drawn:
            self._take(value)
        else:
            self.value = value[()]  # nothing can have been computed from another value, so it is as old as before

    def convert(self, dtype: Any) -> None:
        """Change the dtype; the value is drawn first, so that it is the same number in another precision."""
        self._take(self.value.astype(dtype))
        self.grad = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        twin = _restored(*self.__reduce__()[1])
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        # Drawn before it is copied: the copy may stand on another path, where other values would be drawn.
        return _restored, (np.array(self.value), self.initializer, self.requires_grad, self._given_name)


def _restored(value: Any, initializer: Initializer | None, requires_grad: bool, name: str | None) -> Parameter:
    parameter = Parameter(value, requires_grad=requires_grad, name=name)
    parameter.initializer = initializer
    return parameter


class Buffer(Owned):
    """A tensor that belongs to a model but is not trained: a statistic, a counter, a fixed table.

    Assign a new value to the module's attribute (``self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)``):
    it is detached and cast to the buffer's dtype, and takes the place of the old one.

    Parameters
    ----------
    data : array
        Copied.
    persistent : bool
        Whether `state_dict` and saved files hold it.

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> kb.nn.Buffer(np.zeros(3)).requires_grad
    False
    """

    __slots__ = ("persistent",)

    persistent: bool

    def __init__(self, data: Any, *, persistent: bool = True, name: str | None = None) -> None:
        set_leaf(self, False)
        self._owner = None
        self.name = name
        self.persistent = persistent
        self.value = np.array(data.value if isinstance(data, Node) else data)[()]
        if self.value.dtype.kind not in "biufc":
            raise DTypeError(f"Buffer: expected numbers, got dtype {self.value.dtype}")

    def successor(self, data: Any) -> Buffer:
        """A buffer with new values, that takes this one's place.

        Raises
        ------
        ShapeError
            If the shape is another.
        """
        if isinstance(data, Node) and data.value is None:
            # Traced: what is known of the new value is its type, and how it comes about.
            data = stop_gradient(data)
            twin = Buffer.__new__(Buffer)
            set_leaf(twin, False)
            twin.op, twin.inputs, twin.value, twin._type = data.op, data.inputs, None, data.type
        else:
            twin = Buffer(cast(self.name or "Buffer", data, self.dtype))
        twin.persistent, twin._owner, twin._given_name = self.persistent, self._owner, self._given_name
        if twin.shape != self.shape:
            raise ShapeError(f"{self.name or 'Buffer'}: the buffer has shape {self.shape}, got {twin.shape}")
        return twin

    def convert(self, dtype: Any) -> None:
        """Change the dtype, of floating-point buffers only."""
        if self.dtype.kind == "f":
            self._take(self.value.astype(dtype))

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        memo[id(self)] = twin = _restored_buffer(*self.__reduce__()[1])
        return twin

    def __reduce__(self) -> Any:
        return _restored_buffer, (np.array(self._concrete("a copy")), self.persistent, self._given_name)


def _restored_buffer(value: Any, persistent: bool, name: str | None) -> Buffer:
    return Buffer(value, persistent=persistent, name=name)
