"""Compiled objects on disk, so that a program that was compiled once starts at once.

An entry is a file: a line that names the format, the SHA-256 of what follows, a JSON object, and the machine
code. It is written under another name and then renamed, so that two processes may write the same entry; one
that does not match its checksum, or makes no sense, is ignored and removed. What has not been used for longest
goes first when the folder grows beyond its bound; what a process that was killed has left half written goes
after an hour.

Environment: ``KOUBAI_CACHE=0`` switches it off; ``KOUBAI_CACHE_DIR`` names the folder (by default
``koubai`` in ``XDG_CACHE_HOME``, or in ``~/.cache``); ``KOUBAI_CACHE_SIZE`` is the bound in MiB (256).
Machine code runs with the rights of whoever loads it, so a folder that belongs to somebody else, or in which
others may write, is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["discard", "fetch", "folder", "store"]

FORMAT = b"koubai object 1\n"
DEFAULT_SIZE = 256  # MiB
SUFFIX = ".kbo"
UNFINISHED = ".koubai-", ".tmp"  # how names of what is being written begin and end
ABANDONED = 3600  # seconds


def folder() -> Path | None:
    """Where the entries lie; None if there is no cache."""
    if os.environ.get("KOUBAI_CACHE", "1").lower() in ("0", "off", "false", "no"):
        return None
    named = os.environ.get("KOUBAI_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        if named:
            return Path(named).expanduser()
        return (Path(base) if base else Path.home() / ".cache") / "koubai"
    except RuntimeError:  # no home
        return None


def fetch(key: str) -> tuple[dict[str, Any], bytes] | None:
    """What was stored under a key, or None."""
    place = folder()
    if place is None or not _ours(place):
        return None
    path = place / (key + SUFFIX)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    found = _read(content)
    with contextlib.suppress(OSError):
        if found is None:
            path.unlink()
        else:
            os.utime(path)
    return found


def discard(key: str) -> None:
    """Remove what was stored under a key, which turned out to be of no use."""
    place = folder()
    if place is not None:
        with contextlib.suppress(OSError):
            (place / (key + SUFFIX)).unlink()


def store(key: str, about: dict[str, Any], code: bytes) -> None:
    """Keep an object; where that is not possible (a full disk, no rights) nothing happens."""
    place = folder()
    if place is None:
        return
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(place):
            return
        head = json.dumps(about, separators=(",", ":")).encode()
        body = len(head).to_bytes(8, "little") + head + code
        _write(place / (key + SUFFIX), FORMAT + hashlib.sha256(body).digest() + body)
        _trim(place)
    except OSError:
        return


def _read(content: bytes) -> tuple[dict[str, Any], bytes] | None:
    start = len(FORMAT) + 32
    if not content.startswith(FORMAT) or len(content) < start + 8:
        return None
    body = memoryview(content)[start:]
    if hashlib.sha256(body).digest() != content[len(FORMAT) : start]:
        return None
    size = int.from_bytes(body[:8], "little")
    try:
        about = json.loads(bytes(body[8 : 8 + size]))
    except ValueError:
        return None
    return about, bytes(body[8 + size :])


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED[0], suffix=UNFINISHED[1])
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _ours(place: Path) -> bool:
    """Whether the folder is there, and nobody else can put code into it."""
    try:
        about = place.stat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or (about.st_uid == os.getuid() and not about.st_mode & 0o022)


def _trim(place: Path) -> None:
    """Remove what was never finished, and what has not been used for longest until the folder is within its bound."""
    for path in place.glob("*".join(UNFINISHED)):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - ABANDONED:
                path.unlink()
    entries = []
    for path in place.glob("*" + SUFFIX):
        with contextlib.suppress(OSError):  # another process removed it
            about = path.stat()
            entries.append((about.st_mtime, about.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= _bound():
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


def _bound() -> int:
    text = os.environ.get("KOUBAI_CACHE_SIZE", "")
    return (int(text) if text.isdigit() else DEFAULT_SIZE) * 2**20
