"""Saving and loading models: safetensors files, whose metadata describe the model's build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from koubai.data.atomic import write_atomically
from koubai.errors import DataError, KoubaiError, UnsupportedError, UsageError
from koubai.nn import Module
from koubai.train.architecture import build, describe

__all__ = ["load", "read_info", "save"]

FORMAT = "koubai model"
LARGEST = 64 * 2**30


def save(model: Module, path: Any, info: dict[str, Any] | None = None) -> None:
    """Save a model: weights, buffers, and the build of models made of koubai's own layers.

    The file is a safetensors file, readable by other programs, and holds data only. It appears whole or not at
    all: whatever goes wrong, what stood under the name before still stands there.

    Parameters
    ----------
    model : Module
    path : str or Path
        By custom ending in ``.safetensors``.
    info : dict, optional
        Anything that JSON can hold (names of classes, of columns, ...); `koubai.train.read_info` gives it back.

    Raises
    ------
    UnsupportedError
        If an array has a dtype that the format does not know.
    UsageError
        If `info` cannot be written as JSON.

    Examples
    --------
    >>> import tempfile
    >>> import koubai as kb
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.Tanh())
    >>> kb.save(model, path)
    >>> again = kb.load(path)
    >>> bool((again.predict(np.ones((1, 2))) == model.predict(np.ones((1, 2)))).all())
    True
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save as to_bytes

    if not isinstance(model, Module):
        raise UsageError(f"save: expected a kb.nn.Module, got {type(model).__name__}")
    try:
        about = json.dumps(info or {}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"save: info must be plain data that JSON can hold: {error}") from None
    metadata = {
        "format": FORMAT,
        "version": "1",
        "class": type(model).__name__,
        "architecture": json.dumps(describe(model)),
        "info": about,
    }
    arrays = {name: np.ascontiguousarray(a) if a.ndim else a for name, a in model.state_dict().items()}
    try:
        content = to_bytes(arrays, metadata)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UnsupportedError(f"save: the weights cannot be written as safetensors: {error}") from None
    write_atomically(path, _in_order(content))


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: safetensors leaves their order to chance, and equal models should be
    equal files."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def load(path: Any, model: Module | None = None) -> Module:
    """Load a model that `koubai.save` wrote.

    Parameters
    ----------
    path : str or Path
    model : Module, optional
        Where to put the weights; needed for models of one's own classes. It is returned.

    Raises
    ------
    DataError
        If the file is missing, damaged, not koubai's, or needs `model`. Nothing in a file is executed.

    Notes
    -----
    A model that is built anew draws nothing at random, but where layers were given initializers of their own,
    a later ``init(seed)`` uses the default ones.
    """
    metadata, arrays = _read(Path(path))
    try:
        if model is None:
            description = json.loads(metadata.get("architecture", "null"))
            if description is None:
                raise DataError(
                    f"the file holds only the weights of a model of the class {metadata.get('class', '?')!r}, not its "
                    f"build; make the model and call kb.load(path, model)"
                )
            model = build(description)
        model.load_state_dict(arrays)
    except (KoubaiError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error}") from None
    return model


def read_info(path: Any) -> dict[str, Any]:
    """What was given to `koubai.save` as `info`."""
    metadata, _ = _read(Path(path))
    try:
        info = json.loads(metadata.get("info", "{}"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the file's description is damaged: {error}") from None
    return info if isinstance(info, dict) else {}


def _read(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise DataError(f"{path}: this is a folder; give the model's file")
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path")
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path}: larger than {LARGEST // 2**30} GiB; this cannot be a model of koubai")
    try:
        # The header is checked against the file's size before any memory is taken for the arrays.
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise DataError(f"{path}: a safetensors file, but not a model saved by koubai")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, KeyError, AttributeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not a safetensors file, or a damaged one ({error}); save the model again") from None
    return metadata, arrays
