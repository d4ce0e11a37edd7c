"""Compiled objects on disk: found again, harmless when damaged, bounded, and nobody else's."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from koubai.compile import cache
from koubai.compile.program import Program
from koubai.compile.source import Source
from koubai.graph import Op, Words, constant, type_of
from koubai.tensor import Tensor


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KOUBAI_CACHE", raising=False)
    monkeypatch.setenv("KOUBAI_CACHE_DIR", str(tmp_path / "objects"))
    return tmp_path / "objects"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by one for every graph that is made into loops."""
    made: list[Any] = []
    before = Source.__init__

    def counted(self: Source, *args: Any) -> None:
        made.append(args)
        before(self, *args)

    monkeypatch.setattr(Source, "__init__", counted)
    return made


def squares() -> Any:
    table = np.arange(6.0).reshape(2, 3)
    return kb.compile(lambda x: knp.sum(knp.tanh(x @ table) ** 2, axis=0))


X = np.linspace(-1, 1, 8).reshape(4, 2)


def test_a_second_compilation_is_read_from_disk(place: Path, compilations: list[Any]) -> None:
    first = squares()(X)
    assert len(compilations) == 1
    again = squares()
    np.testing.assert_array_equal(again(X), first)
    assert len(compilations) == 1
    assert "tanh" in again.loops()  # made anew for whoever wants to read them
    assert len(compilations) == 2


def test_other_constants_types_and_graphs_are_other_objects(place: Path, compilations: list[Any]) -> None:
    for k, f in enumerate((lambda x: x * 2.0, lambda x: x * 3.0, lambda x: 2.0 * x, lambda x: x * np.arange(2.0))):
        np.testing.assert_array_equal(kb.compile(f)(X), f(X))
        assert len(compilations) == k + 1
    assert kb.compile(lambda x: x * 2.0)(X.astype(np.float32)).dtype == np.float32
    assert len(compilations) == 5
    np.testing.assert_array_equal(kb.compile(lambda x: x * np.arange(2.0))(X), X * np.arange(2.0))
    assert len(compilations) == 5


def test_switched_off(place: Path, compilations: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOUBAI_CACHE", "0")
    squares()(X)
    squares()(X)
    assert len(compilations) == 2
    assert not place.exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_entry_is_compiled_anew(place: Path, compilations: list[Any], damage: str) -> None:
    first = squares()(X)
    (entry,) = place.glob("*.kbo")
    content = bytearray(entry.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    entry.write_bytes({"cut": content[:-9], "flip": content, "empty": b"", "other": b"\x7fELF" + bytes(99)}[damage])
    np.testing.assert_array_equal(squares()(X), first)
    assert len(compilations) == 2
    squares()(X)
    assert len(compilations) == 2


@pytest.mark.parametrize("change", ["no JSON", "a list", "a name less"])
def test_an_entry_that_makes_no_sense_is_compiled_anew(place: Path, compilations: list[Any], change: str) -> None:
    first = squares()(X)
    (entry,) = place.glob("*.kbo")
    found = cache.fetch(entry.stem)
    assert found is not None
    about, code = found
    del about["slots"]
    head = {"no JSON": b"{nope", "a list": b"[]", "a name less": json.dumps(about).encode()}[change]
    body = len(head).to_bytes(8, "little") + head + code
    entry.write_bytes(cache.FORMAT + hashlib.sha256(body).digest() + body)
    np.testing.assert_array_equal(squares()(X), first)
    assert len(compilations) == 2
    squares()(X)
    assert len(compilations) == 2


def test_the_least_recently_used_goes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOUBAI_CACHE_SIZE", "1")
    for k, name in enumerate("abc"):
        cache.store(name, {"k": k}, bytes(400_000))
        os.utime(place / f"{name}.kbo", (k, k))
        if name == "b":
            assert cache.fetch("a") is not None  # used now
    assert cache.fetch("b") is None
    assert cache.fetch("a") == ({"k": 0}, bytes(400_000))
    assert cache.fetch("c") is not None


def test_what_a_killed_process_left_half_written_goes_after_an_hour(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: Any) -> None:
        raise SystemExit

    cache.store("a", {}, b"code")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(os, "unlink", killed)
        for _ in range(2):
            with pytest.raises(SystemExit):
                cache.store("b", {}, b"code")
    old, new = (path for path in place.iterdir() if path.suffix == ".tmp")
    (place / ".other.tmp").write_text("somebody else's")
    for path in (old, place / ".other.tmp"):
        os.utime(path, (time.time() - 3700,) * 2)
    cache.store("c", {}, b"code")
    assert {path.name for path in place.iterdir()} == {"a.kbo", "c.kbo", new.name, ".other.tmp"}


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no such rights on this system")
def test_a_folder_in_which_others_may_write_is_not_used(place: Path) -> None:
    cache.store("a", {}, b"code")
    place.chmod(0o777)
    assert cache.fetch("a") is None
    cache.store("b", {}, b"code")
    assert not (place / "b.kbo").exists()


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("KOUBAI_CACHE", raising=False)
    monkeypatch.setenv("KOUBAI_CACHE_DIR", str(tmp_path / "file" / "objects"))
    np.testing.assert_allclose(squares()(X), knp.sum(knp.tanh(X @ np.arange(6.0).reshape(2, 3)) ** 2, axis=0))


def test_a_folder_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("KOUBAI_CACHE_DIR", "~/objects")
    monkeypatch.delenv("KOUBAI_CACHE", raising=False)
    assert cache.folder() == tmp_path / "objects"


def test_an_op_of_ones_own_is_not_kept(place: Path) -> None:
    words = Words("y = 2x", "dy/dx = 2", "Twice.", "2倍。")
    twice = Op("twice", lambda x: 2 * x, lambda x: x, words)
    assert kb.compile(lambda x: twice(x))(X)[0, 0] == 2 * X[0, 0]
    assert not list(place.glob("*.kbo"))


def test_two_processes_write_the_same_entry(place: Path) -> None:
    code = (
        "import numpy as np, koubai as kb\n"
        "f = kb.compile(lambda x: kb.numpy.tanh(x) * 2)\n"
        "print(float(f(np.ones(5)).sum()))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    results = {run.communicate()[0] for run in runs}
    assert len(results) == 1
    assert abs(float(results.pop()) - 10 * np.tanh(1)) < 1e-12
    assert not list(place.glob(".*.tmp"))


def test_the_memory_of_a_cached_program_is_its_own(place: Path) -> None:
    x = constant(np.ones(3), Tensor)
    x.value, x._type = None, type_of(np.ones(3))
    doubled = x * 2.0
    a, b = Program([x], [doubled]), Program([x], [doubled])
    np.testing.assert_array_equal(a(np.ones(3)), b(np.ones(3)))
