"""refactor.shell against shfmt: wherever a script is understood, both read the same tree.

Scripts are only parsed, never run. DFR_CORPUS names the folder of the corpus.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from refactor import shell
from refactor.shell import Dialect, Opaque
from refactor.source import decode
from refactor.syntax import parse

Json = dict[str, Any]
Normal = tuple[Any, ...]

SHFMT = shutil.which("shfmt")
BATCH = 100


class Rejected(Exception):
    """Shfmt does not accept a script, or reads a part of it as something we never understand."""


class Theirs:
    """Takes the tree of shfmt over; `values` are the words after quote removal."""

    def __init__(self, text: str, base: int) -> None:
        self.text = text
        self.base = base
        self.values: dict[tuple[int, int], str | None] = {}
        self.starts: list[int] = []
        if not text.isascii():
            at = 0
            for char in text:
                self.starts.append(at)
                at += len(char.encode())

    def at(self, position: Json) -> int:
        """Return the offset in characters."""
        offset: int = position["Offset"] - self.base
        return bisect_right(self.starts, offset - 1) if self.starts else offset

    def span(self, node: Json) -> tuple[int, int]:
        """Return where a node starts and ends."""
        return self.at(node["Pos"]), self.at(node["End"])

    def raw(self, node: Json) -> str:
        """Return a node as written."""
        start, end = self.span(node)
        return self.text[start:end]

    def sequence(self, statements: list[Json]) -> Normal:
        """Return statements and what separates them."""
        parts = [self.statement(s) for s in statements]
        marks = [self.at(s["Semicolon"]) if "Semicolon" in s else -1 for s in statements]
        end = max(parts[-1][2], marks[-1] + 1)
        separators = tuple(self.text[m] if m >= 0 else "" for m in marks)
        return ("list", parts[0][1], end, tuple(parts), separators)

    def statement(self, node: Json) -> Normal:
        """Return a statement: a pipeline, a list or a command with redirections."""
        body = self.unnegated(node)
        if not node.get("Negated"):
            return body
        parts, operators = ((body,), ()) if body[0] != "|" else (body[3], body[4])
        return ("!|", self.at(node["Pos"]), body[2], parts, operators)

    def unnegated(self, node: Json) -> Normal:
        """Return a statement without its `!`."""
        if node.get("Coprocess"):
            raise Rejected("a coprocess")
        redirects = tuple(self.redirect(r) for r in node.get("Redirs", ()))
        command: Json = node.get("Cmd", {"Type": "CallExpr"})
        if command["Type"] == "BinaryCmd":
            assert not redirects
            return self.binary(command)
        if command["Type"] in ("CallExpr", "DeclClause", "LetClause", "TestClause", "ArithmCmd"):
            return self.command(command, redirects)
        kind, parts = self.compound(command)
        end = max((self.at(command["End"]), *(r[1] for r in redirects)))
        return (kind, self.at(command["Pos"]), end, parts, redirects)

    def binary(self, node: Json) -> Normal:
        """Return `a | b | c` or `a && b || c`, flat."""
        pipe = node["Op"].startswith("|") and node["Op"] != "||"
        parts: list[Normal] = []
        operators: list[str] = []
        sides = [node["X"], node["Op"], node["Y"]]
        while sides:
            side = sides.pop(0)
            if isinstance(side, str):
                operators.append(side)
                continue
            inner = side.get("Cmd", {})
            if inner.get("Type") == "BinaryCmd" and not side.get("Negated"):
                if pipe == (inner["Op"] in ("|", "|&")):
                    sides[:0] = [inner["X"], inner["Op"], inner["Y"]]
                    continue
            parts.append(self.statement(side))
        kind = "|" if pipe else "&&"
        return (kind, parts[0][1], parts[-1][2], tuple(parts), tuple(operators))

    def command(self, node: Json, redirects: tuple[Normal, ...]) -> Normal:
        """Return a simple command."""
        kind = node["Type"]
        assignments: list[tuple[int, int]] = []
        words: list[tuple[int, int]] = []
        if kind == "CallExpr":
            assignments = [self.span(a) for a in node.get("Assigns", ())]
            words = [self.word(w) for w in node.get("Args", ())]
        elif kind == "DeclClause":
            variant = self.span(node["Variant"])
            words = [variant, *(self.span(a) for a in node.get("Args", ()))]
        elif kind == "LetClause":
            start = self.at(node["Pos"])
            words = [(start, start + 3), *(self.span(a) for a in node["Exprs"])]
        else:
            words = [self.span(node)]
        spans = sorted((*assignments, *words, *(r[:2] for r in redirects)))
        return (
            "command", spans[0][0], spans[-1][1], tuple(assignments), tuple(words), redirects
        )  # fmt: skip

    def redirect(self, node: Json) -> Normal:
        """Return a redirection as its span, descriptor, operator and target."""
        start, end = self.span(node)
        return (start, end, node.get("N", {}).get("Value", ""), node["Op"], self.raw(node["Word"]))

    def word(self, node: Json) -> tuple[int, int]:
        """Return where a word is, and note its value."""
        span = self.span(node)
        self.values[span] = value(node["Parts"])
        return span

    def compound(self, node: Json) -> tuple[str, tuple[Any, ...]]:
        """Return the kind of a compound command and its tokens and lists in order."""
        kind = node["Type"]
        if kind == "Block":
            return "{", ("{", self.sequence(node["Stmts"]), "}")
        if kind == "Subshell":
            return "(", ("(", self.sequence(node["Stmts"]), ")")
        if kind == "IfClause":
            return "if", ("if", *self.branches(node), "fi")
        if kind == "WhileClause":
            word = "until" if node.get("Until") else "while"
            return "while", (word, self.sequence(node["Cond"]), self.group(node))
        if kind == "ForClause":
            return "for", self.loop(node)
        if kind == "CaseClause":
            items = (self.item(i) for i in node.get("Items", ()))
            return "case", ("case", self.raw(node["Word"]), "in", *items, "esac")
        if kind == "FuncDecl":
            words = ["function"] if node.get("RsrvWord") else []
            words += [node["Name"]["Value"], *(("(", ")") if node.get("Parens") else ())]
            return "function", (*words, self.sequence([node["Body"]]))
        raise Rejected(kind)

    def branches(self, node: Json) -> Iterator[Any]:
        """Yield the inside of an `if`."""
        yield self.sequence(node["Cond"])
        yield "then"
        yield self.sequence(node["Then"])
        if "Else" in node:
            other = node["Else"]
            start = self.at(other["Position"])
            if "ThenPos" not in other:
                inner = self.sequence(other["Then"])
                yield ("else", start, inner[2], ("else", inner), ())
                return
            condition, then, body, *rest = self.branches(other)
            yield ("elif", start, body[2], ("elif", condition, then, body), ())
            yield from rest

    def group(self, node: Json) -> Normal:
        """Return `do ... done`."""
        start, end = self.at(node["DoPos"]), self.at(node["DonePos"]) + len("done")
        return ("do", start, end, ("do", self.sequence(node["Do"]), "done"), ())

    def loop(self, node: Json) -> tuple[Any, ...]:
        """Return the inside of a `for`."""
        head = node["Loop"]
        if head["Type"] != "WordIter":
            raise Rejected(head["Type"])
        words = ["select" if node.get("Select") else "for", head["Name"]["Value"]]
        if "InPos" in head:
            words += ["in", *(self.raw(i) for i in head.get("Items", ()))]
        gap = self.text[self.at(head["End"]) : self.at(node["DoPos"])].strip()
        return (*words, *([";"] if ";" in gap or "InPos" in head else ()), self.group(node))

    def item(self, node: Json) -> Normal:
        """Return one branch of a `case`."""
        patterns = [self.raw(p) for p in node["Patterns"]]
        tokens: list[Any] = [p for pattern in patterns for p in (pattern, "|")][:-1]
        start = self.at(node["Patterns"][0]["Pos"])
        before = self.text[:start].rstrip()
        if before.endswith("("):
            tokens.insert(0, "(")
            start = len(before) - 1
        tokens.append(")")
        end = self.text.index(")", self.at(node["Patterns"][-1]["End"])) + 1
        if node.get("Stmts"):
            tokens.append(self.sequence(node["Stmts"]))
            end = tokens[-1][2]
        last = self.at(node["OpPos"]) if "OpPos" in node else len(self.text)
        if self.text.startswith(node["Op"], last):
            tokens.append(node["Op"])
            end = last + len(node["Op"])
        return ("item", start, end, tuple(tokens), ())


def value(parts: list[Json]) -> str | None:
    """Return what quote removal leaves of a word, None if there is more to do than that."""
    out = []
    for index, part in enumerate(parts):
        kind = part["Type"]
        if kind == "Lit":
            bare = re.sub(r"\\.", "", part["Value"])
            if set(bare) & set("*?[]{}~"):
                return None
            out.append(re.sub(r"\\(.)", r"\1", part["Value"]))
        elif kind == "SglQuoted" and not part.get("Dollar"):
            out.append(part.get("Value", ""))
        elif kind == "DblQuoted" and not part.get("Dollar"):
            for inner in part.get("Parts", ()):
                if inner["Type"] != "Lit":
                    return None
                out.append(re.sub(r"\\([\\$`\"])", r"\1", inner["Value"]))
        else:
            return None
    return "".join(out)


_REDIRECT = re.compile(r"(\d*|\{\w+\})(&>>|&>|>>|>&|<&|<>|>\||>|<)[ \t]*(.*)\Z", re.DOTALL)


def ours(node: shell.Node | str) -> Any:
    """Return a node of refactor.shell in the common form."""
    if isinstance(node, str):
        return node
    start, end = node.start, node.end
    if isinstance(node, shell.Command):
        assignments = tuple((w.start, w.end) for w in node.assignments)
        words = tuple((w.start, w.end) for w in node.words)
        return ("command", start, end, assignments, words, _redirects(node.redirects))
    parts = tuple(ours(p) for p in node.parts)
    if isinstance(node, shell.Sequence):
        return ("list", start, end, parts, node.separators)
    if isinstance(node, shell.AndOr):
        return ("&&", start, end, parts, node.operators)
    if isinstance(node, shell.Pipeline):
        return ("!|" if node.negated else "|", start, end, parts, node.operators)
    return (node.kind, start, end, parts, _redirects(node.redirects))


def _redirects(redirects: tuple[shell.Redirect, ...]) -> tuple[Normal, ...]:
    out = []
    for redirect in redirects:
        match = _REDIRECT.match(redirect.text)
        groups = match.groups() if match else ("no redirection",)
        out.append((redirect.start, redirect.end, *groups))
    return tuple(out)


def shfmt(scripts: Sequence[str], dialect: Dialect) -> list[list[Json] | str]:
    """Return the statements of each script with the byte it starts at, or why it is rejected."""
    assert SHFMT
    text = "".join(s + "\n" for s in scripts)
    done = subprocess.run(
        [SHFMT, "--to-json", "-ln", dialect], input=text.encode(), capture_output=True, check=False
    )
    found: list[list[Json] | str] = [[] for _ in scripts]
    whole = done.returncode == 0
    for statement in json.loads(done.stdout)["Stmts"] if whole else ():
        line = statement["Pos"]["Line"]
        whole = whole and line == statement["End"]["Line"]
        lines = found[line - 1]
        assert isinstance(lines, list)
        lines.append(regrouped(statement))
    if whole and all(found):
        return found
    if len(scripts) == 1:
        return [done.stderr.decode() or "no single line"]
    half = len(scripts) // 2
    return shfmt(scripts[:half], dialect) + shfmt(scripts[half:], dialect)


def regrouped(statement: Json) -> Json:
    """Take `&& b` out of the function in `f() { a; } && b`, where shfmt alone puts it.

    dash and bash end the function with its compound command, as POSIX has it.
    """
    node: Json = statement.get("Cmd", {})
    for side in ("X", "Y") if node.get("Type") == "BinaryCmd" else ():
        node[side] = regrouped(node[side])
    body: Json = node.get("Body", {}) if node.get("Type") == "FuncDecl" else {}
    if body.get("Cmd", {}).get("Type") != "BinaryCmd":
        return statement
    leaf = body
    while leaf["Cmd"]["X"].get("Cmd", {}).get("Type") == "BinaryCmd":
        leaf = leaf["Cmd"]["X"]
    first = leaf["Cmd"]["X"]
    leaf["Cmd"]["X"] = {"Pos": node["Pos"], "End": first["End"], "Cmd": {**node, "Body": first}}
    return {**body, "Pos": statement["Pos"], **{
        key: statement[key] for key in ("Semicolon", "Background") if key in statement
    }}  # fmt: skip


def difference(script: shell.Script, statements: list[Json] | str) -> str:
    """Return how two readings of a script differ, empty if they do not."""
    if isinstance(statements, str):
        return f"shfmt: {statements}"
    theirs = Theirs(script.text, statements[0]["Pos"]["Offset"] - _indent(script.text))
    try:
        expected = theirs.sequence(statements)
    except Rejected as reason:
        return f"shfmt reads {reason}"
    if (found := ours(script.body)) != expected:
        return f"ours   {found}\ntheirs {expected}"
    for command in script.commands():
        for word in command.words:
            known = theirs.values.get((word.start, word.end))
            if word.literal is not None and known is not None and word.literal != known:
                return f"literal {word.literal!r}, not {known!r}"
            if word.literal is not None and (word.start, word.end) in theirs.values:
                if known is None:
                    return f"literal {word.literal!r} of a word that is expanded"
    return ""


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))


def differences(scripts: Sequence[tuple[str, Dialect]]) -> Iterator[str]:
    """Yield the differences over all understood scripts."""
    read = [(shell.read(text, dialect), dialect) for text, dialect in scripts]
    for dialect in Dialect:
        known = [s for s, d in read if d is dialect and isinstance(s, shell.Script)]
        known = [s for s in known if s.body.parts]
        batches = [known[at : at + BATCH] for at in range(0, len(known), BATCH)]
        with ThreadPoolExecutor(2) as pool:
            results = pool.map(lambda b: shfmt([s.text for s in b], dialect), batches)
            for batch, trees in zip(batches, results, strict=True):
                for script, tree in zip(batch, trees, strict=True):
                    if text := difference(script, tree):
                        yield f"{dialect}: {script.text}\n{text}"
