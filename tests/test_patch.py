"""Patches: git applies them byte for byte, and each hunk names the transforms that made it."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from unidiff.patch import PatchSet

from refactor.config import Config
from refactor.engine import Changed, run
from refactor.model import Safety
from refactor.patch import unified
from refactor.source import Span, decode, encode

LONG = "".join(f"line {number}\n" for number in range(60))


def patched(folder: Path, texts: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return what git makes of the files, given as names, texts before and texts after."""
    for name, before, _ in texts:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(before))
    patch = "".join("".join(unified(*text)) for text in texts)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    result = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"],
        cwd=folder, input=encode(patch), capture_output=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, f"{result.stderr.decode()}\n{patch}"
    return [decode((folder / name).read_bytes()) for name, _, _ in texts]


TEXTS = {
    "one line": ("a\n", "b\n"),
    "the first of many": (LONG, LONG.replace("line 0\n", "x\n", 1)),
    "the last of many": (LONG, LONG.replace("line 59\n", "x\n")),
    "far apart": (LONG, LONG.replace("line 5\n", "x\ny\n").replace("line 50\n", "")),
    "near": (LONG, LONG.replace("line 5\n", "x\n").replace("line 12\n", "y\n")),
    "nearer": (LONG, LONG.replace("line 5\n", "x\n").replace("line 11\n", "y\n")),
    "inserted on top": (LONG, "x\n" + LONG),
    "inserted at the end": (LONG, LONG + "x\n"),
    "everything": (LONG, LONG.upper()),
    "no newline before": ("a\nb", "a\nb\n"),
    "no newline after": ("a\nb\n", "a\nb"),
    "no newline at all": ("a\nb", "c\nb"),
    "no newline, changed": ("a\nb", "a\nc"),
    "no newline, longer": ("a\nb", "a\nb\nc"),
    "no newline, shorter": ("a\nb\nc", "a\nb"),
    "no newline, one line": ("a", "b"),
    "no newline, a longer tail": ("a\na\na", "a\na"),
    "a newline more": ("a\n", "a\n\n"),
    "CRLF": ("a\r\nb\r\nc\r\n", "a\r\nx\r\nc\r\n"),
    "CRLF to LF": ("a\r\nb\r\n", "a\nb\n"),
    "CRLF without the last": ("a\r\nb", "a\r\nc"),
    "CR alone": ("a\rb\nc\n", "a\rx\nc\n"),
    "a carriage return at the end": ("a\nb\r", "a\nc\r"),
    "form feed": ("a\fb\nc\n", "a\fx\nc\n"),
    "vertical tab": ("a\x0bb\nc\n", "a\x0bx\nc\n"),
    "line separators": ("a\u2028b\u2029c\x85d\x1c\n\u2028\n", "a\u2028b\u2029c\x85x\x1c\n\u2028\n"),
    "byte-order mark": ("\ufeffa\nb\n", "\ufeffa\nc\n"),
    "not UTF-8": (decode(b"# caf\xe9\na\n\xff"), decode(b"# caf\xe9\nb\n\xff")),
    "like a patch": ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No\n", "--- a/y\n@@ -1 +1 @@\n-c\n"),
    "blank lines": ("\n\n\n\n", "\n\n\n"),
    "blanks at the end of lines": ("a \nb\t\n", "a\nb \n"),
    "the same line often": ("a\n" * 30 + "b\n" + "a\n" * 30, "a\n" * 29 + "c\n" + "a\n" * 31),
    "lines that are like those around": ("a\n" * 9 + "b\n" + "a\n" * 9, "a\n" * 18 + "b\n"),
    "an empty file before": ("", "a\nb\n"),
    "an empty file before, no newline": ("", "a"),
    "an empty file after": ("a\nb\n", ""),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), TEXTS.values(), ids=TEXTS)
def test_git_applies_a_patch(before: str, after: str, tmp_path: Path) -> None:
    assert patched(tmp_path, [("Dockerfile", before, after)]) == [after]


@pytest.mark.parametrize(("before", "after"), TEXTS.values(), ids=TEXTS)
def test_git_applies_a_patch_backwards(before: str, after: str, tmp_path: Path) -> None:
    assert patched(tmp_path, [("Dockerfile", after, before)]) == [before]


NAMES = [
    "Dockerfile",
    "a/b/c.Dockerfile",
    "a b",
    " a",
    "a ",
    "a\tb",
    "a\nb",
    'a"b',
    "a\\b",
    "a'b",
    "$(a)",
    "-rf",
    "é",
    "Докер",
    "a\u2028b",
    "a\u202eb",
    "a\x7fb",
    "a\x1b[31mb",
    "\udce9",
    "a\r",
    "dev/null",
    "a\tb c\n\"d\"\\é",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_odd_names(name: str, tmp_path: Path) -> None:
    assert patched(tmp_path, [(name, "a\nb\n", "a\nc\n")]) == ["a\nc\n"]
    header = "".join(unified(name, "a\n", "b\n")).split("@@")[0]
    assert header.count("\n") == 2
    assert all(" " <= char < "\x7f" for char in header if char != "\n")


def test_many_files_in_one_patch(tmp_path: Path) -> None:
    texts = [(f"{number}/{name}", "a\nb", "a\nc") for number, name in enumerate(NAMES)]
    assert patched(tmp_path, texts) == ["a\nc"] * len(texts)


def test_any_two_texts(tmp_path: Path) -> None:
    """Texts of odd lines, and random changes to them, all in one patch."""
    chance = random.Random(20261123)
    lines = [
        "a",
        "b",
        "",
        " ",
        "\r",
        "a\r",
        "\f",
        "\u2028",
        "-a",
        "+b",
        "\\ No newline",
        "# é",
        "\t",
    ]
    texts = []
    for number in range(300):
        old = [chance.choice(lines) for _ in range(chance.randrange(1, 40))]
        new = list(old)
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(new) + 1)
            new[at : at + chance.randrange(3)] = chance.choices(lines, k=chance.randrange(3))
        before = "\n".join(old) + chance.choice(["\n", "\n", ""])
        after = "\n".join(new) + chance.choice(["\n", "\n", ""])
        if before and after:
            texts.append((f"{number}", before, after))
    assert len(texts) > 250
    assert patched(tmp_path, texts) == [after for _, _, after in texts]


def test_nothing_changed_is_no_patch() -> None:
    assert list(unified("Dockerfile", "a\n", "a\n")) == []


def test_another_tool_reads_the_same(tmp_path: Path) -> None:
    """unidiff, which is to read a reviewed patch, sees the hunks and their headings."""
    before, after = LONG, LONG.replace("line 5\n", "x\ny\n").replace("line 50\n", "")
    marks = [(Span(after.index("x\ny"), after.index("x\ny") + 3), "one")]
    (file,) = PatchSet("".join(unified("a/Dockerfile", before, after, marks)))
    assert (file.path, file.added, file.removed) == ("a/Dockerfile", 2, 2)
    assert [hunk.section_header for hunk in file] == ["one", ""]


def headings(before: str, after: str, marks: list[tuple[Span, str]]) -> list[str]:
    """Return the hunks' headings."""
    patch = "".join(unified("Dockerfile", before, after, marks))
    return re.findall(r"(?m)^@@ .* @@(?: (.*))?$", patch)


def marked(text: str, words: dict[str, str]) -> list[tuple[Span, str]]:
    """Return marks: which transform wrote which words of a text."""
    found = []
    for word, name in words.items():
        at = text.index(word)
        found.append((Span(at, at + len(word)), name))
    return found


FAR = LONG.replace("line 5\n", "FIVE\n").replace("line 30\n", "THIRTY\n")
FAR = FAR.replace("line 55\n", "FIFTY\n").replace("line 33\n", "MORE\n")
HEADINGS: dict[str, tuple[dict[str, str], list[str]]] = {
    "one each": ({"FIVE": "a", "THIRTY": "b", "FIFTY": "c"}, ["a", "b", "c"]),
    "two in one hunk": ({"FIVE": "a", "THIRTY": "c", "MORE": "b"}, ["a", "b, c", ""]),
    "one twice": ({"FIVE": "a", "THIRTY": "b", "MORE": "b", "FIFTY": "a"}, ["a", "b", "a"]),
    "no mark": ({}, ["", "", ""]),
    "a mark elsewhere": ({"line 15\n": "a", "line 45\n": "b"}, ["", "", ""]),
    "a mark over all": ({FAR: "a", "FIVE": "b"}, ["a, b", "a", "a"]),
    "a mark over two": ({FAR[FAR.index("FIVE") : FAR.index("MORE")]: "a"}, ["a", "a", ""]),
}


@pytest.mark.parametrize(("words", "wanted"), HEADINGS.values(), ids=HEADINGS)
def test_headings(words: dict[str, str], wanted: list[str]) -> None:
    marks = marked(FAR, words)
    assert headings(LONG, FAR, marks) == wanted
    assert headings(LONG, FAR, marks[::-1]) == wanted


def test_what_was_deleted_is_named_where_it_was() -> None:
    after = LONG.replace("line 5\n", "").replace("line 40\n", "")
    places = [after.index("line 6\n"), after.index("line 41\n")]
    marks = [(Span(at, at), name) for at, name in zip(places, "ab", strict=True)]
    assert headings(LONG, after, marks) == ["a", "b"]


def test_headings_name_just_those_that_changed_a_hunk() -> None:
    """Through the engine: each instruction is changed by one transform, far from the others."""
    gap = "".join(f"# {number}\n" for number in range(10))
    text = (
        f"FROM debian:12 as web\n{gap}MAINTAINER a\n{gap}ENV A b\n{gap}run pip install c\n{gap}"
        f"RUN apt-get update\nRUN apt-get install curl\n{gap}CMD $D\n"
    )
    result = run("Dockerfile", text.encode(), Config(select=("all",), level=Safety.RISKY))
    assert isinstance(result, Changed)
    found = [set(names.split(", ")) for names in re.findall(r"(?m)^@@ .* @@ (.*)$", result.patch)]
    assert found[:3] == [{"match-as-case"}, {"replace-maintainer"}, {"use-key-value-form"}]
    assert found[3] == {"skip-pip-cache", "unify-instruction-case"}
    assert found[4] >= {"assume-yes", "clean-apt-lists", "merge-apt-update"}
    assert "skip-pip-cache" not in found[4]
    assert len(found) == 5
    made = {remark.transform for remark in result.remarks if remark.kind == "change"}
    assert set().union(*found) == made


@pytest.mark.parametrize("where", [[0], [10_000], [19_999], [0, 19_999]], ids=str)
def test_a_long_file_takes_no_time(where: list[int]) -> None:
    lines = [f"RUN command {number} && other\n" for number in range(20_000)]
    before = "".join(lines)
    for number in where:
        lines[number] = "RUN something else\n"
    started = time.process_time()
    patch = "".join(unified("Dockerfile", before, "".join(lines)))
    assert time.process_time() - started < 1
    assert patch.count("\n+RUN") == patch.count("\n-RUN") == len(where)


def test_a_long_file_of_equal_lines_takes_no_time() -> None:
    before = "RUN a\n" * 20_000
    after = "RUN a\n" * 9_999 + "RUN b\n" + "RUN a\n" * 10_000
    started = time.process_time()
    patch = "".join(unified("Dockerfile", before, after))
    assert time.process_time() - started < 1
    assert (patch.count("\n+"), patch.count("\n-")) == (2, 1)  # the headers' +++ is one
