"""What the READMEs print is run: the commands agree in both languages, the Python blocks work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.ja.md")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.S)


def code_only(block: str) -> str:
    return re.sub(r" *#.*", "", block)


def test_both_languages_show_the_same_code() -> None:
    assert blocks(READMES[0], "sh") == blocks(READMES[1], "sh")
    assert list(map(code_only, blocks(READMES[0], "python"))) == list(map(code_only, blocks(READMES[1], "python")))


@pytest.mark.parametrize("number", range(len(blocks(READMES[0], "python"))))
def test_python_block_runs(number: int, tmp_path: Path) -> None:
    code = blocks(READMES[0], "python")[number]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_page_on_sequences_runs(tmp_path: Path) -> None:
    code = "\n".join(blocks("docs/sequences.md", "python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "False" not in done.stdout
    assert "agree to" in done.stdout


def test_the_page_on_compiling_runs(tmp_path: Path) -> None:
    code = "\n".join(blocks("docs/compiling.md", "python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "everything is native" in done.stdout
    assert "for i in range" in done.stdout


def test_the_page_on_trouble_runs(tmp_path: Path) -> None:
    code = "\n".join(blocks("docs/trouble.md", "python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for shown in re.findall(r"# ((?:log|層|keep|\[).*?)(?: \.\.\.|\.\.\.)?$", code, re.M):
        assert shown in done.stdout
    assert "the gradient shrinks on its way back" in done.stdout


def test_commands_are_one_line_each() -> None:
    for command in blocks(READMES[0], "sh"):
        assert command.count("\n") == 1
        assert command.startswith("python3 -m venv .venv && ")


def test_the_page_of_operations_is_what_the_records_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_ops.py"], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout == (ROOT / "docs" / "ops.md").read_text(encoding="utf-8"), "run docs/make_ops.py again"


@pytest.mark.parametrize("name", [*READMES, "docs/conventions.md", "docs/sequences.md", "docs/trouble.md"])
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_page_on_explaining_runs(tmp_path: Path) -> None:
    code = "\n".join(blocks("docs/explaining.md", "python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "= 1 · (1 - 0^2)" in done.stdout
    assert "six steps" in done.stdout
    assert "How 0.weight[1, 2] reaches E" in done.stdout
    assert (tmp_path / "network.svg").exists()
