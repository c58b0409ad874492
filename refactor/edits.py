"""Builders of edits: the only place where offsets are added up."""

from __future__ import annotations

import re

from refactor.facts.joining import End, Join
from refactor.facts.pragmas import PRAGMA
from refactor.shell import Word
from refactor.snapshot import Run, Snapshot
from refactor.source import Edit, Span
from refactor.syntax import SPACE, Instruction


def replace_logical(ins: Instruction, start: int, end: int, text: str) -> Edit:
    """Replace a range of an instruction's logical line."""
    return Edit(ins.logical.span(start, end), text)


def insert_logical(ins: Instruction, at: int, text: str, before: bool = False) -> Edit:
    """Write text at an offset of the logical line: behind the character before it, or in front."""
    home = ins.logical.home(at) if before else ins.logical.home(at - 1) + 1
    return Edit(Span(home, home), text)


def replace_keyword(ins: Instruction, keyword: str) -> Edit:
    """Write another keyword."""
    return Edit(ins.keyword_span, keyword)


def insert_word(run: Run, word: Word, text: str) -> Edit:
    """Write a word behind a word of a script, on its line."""
    end = run.instruction.logical.span(run.at(word.start), run.at(word.end)).end
    return Edit(Span(end, end), f" {text}")


def append_words(run: Run, words: tuple[Word, ...], added: list[str]) -> tuple[Edit, ...]:
    """Write words behind the last of a command's words: on lines of their own if it has one."""
    if not added:
        return ()
    ins = run.instruction
    last = ins.logical.span(run.at(words[-1].start), run.at(words[-1].end))
    previous = ins.logical.span(run.at(words[-2].start), run.at(words[-2].end))
    gap = run.text[previous.end : last.start]
    lead = " " if "\n" not in gap or "#" in gap else gap
    return (Edit(Span(last.end, last.end), "".join(lead + word for word in added)),)


def replace_word(run: Run, word: Word, text: str) -> Edit:
    """Write another word in its place."""
    return replace_logical(run.instruction, run.at(word.start), run.at(word.end), text)


def append_command(snapshot: Snapshot, run: Run, how: End, command: str) -> tuple[Edit, ...]:
    """Write a command at the end of a RUN, in the layout that the RUN has."""
    ins = run.instruction
    place = Span(_code_end(run), ins.code_end)  # a separator at the very end is replaced
    layout = Layout.of(snapshot, ins)
    closing = "; }" if how.braces else ""
    newline = snapshot.dockerfile.newline(ins.span.start)
    escape = snapshot.dockerfile.escape
    operator = how.operator if how.operator == ";" else f" {how.operator}"
    if not layout.multiline:
        text = f"{closing}{operator} {command}"
    elif how.operator == ";" or layout.trailing:
        text = f"{closing}{operator} {escape}{newline}{layout.indent}{command}"
    else:
        text = f"{closing} {escape}{newline}{layout.indent}{how.operator} {command}"
    if not how.braces:
        return (Edit(place, text),)
    home = ins.logical.home(ins.args_start)
    return (Edit(Span(home, home), "{ "), Edit(place, text))


class Layout:
    """How a RUN breaks its lines: indent of its commands, and where the operators stand."""

    def __init__(self, multiline: bool, trailing: bool, indent: str) -> None:
        self.multiline = multiline
        self.trailing = trailing
        self.indent = indent

    @staticmethod
    def of(snapshot: Snapshot, ins: Instruction) -> Layout:
        """Measure one instruction; what it does not show is taken from the rest of the file."""
        lines = snapshot.text[ins.span.start : ins.code_end].split("\n")
        leading, trailing = snapshot.fact(_majority)
        if len(lines) < 2:
            return Layout(False, trailing > leading, "    ")
        starts = [m[1] for line in lines[1:] if (m := _LEADING.match(line))]
        if starts:
            return Layout(True, False, starts[-1])
        ends = [row for row, line in enumerate(lines[:-1]) if _TRAILING.search(line)]
        if ends:
            return Layout(True, True, _indent(lines[ends[-1] + 1]) or "    ")
        return Layout(True, trailing > leading, _indent(lines[1]) or "    ")


_LEADING = re.compile(r"([ \t]*)(?:&&|\|\||;)")
_TRAILING = re.compile(r"(?:&&|;)[ \t]*[\\`][ \t\r]*$")


def _majority(snapshot: Snapshot) -> tuple[int, int]:
    """Count the lines that begin with an operator, and those that end with one."""
    lines = snapshot.text.split("\n")
    return sum(bool(_LEADING.match(line)) for line in lines), sum(
        bool(_TRAILING.search(line)) for line in lines
    )


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


class Unjoinable(ValueError):
    """The text between two instructions does not let them be joined."""


def join_runs(snapshot: Snapshot, left: Run, right: Run, how: Join) -> tuple[Edit, ...]:
    """Make two RUN instructions one; comments between them move into the continuation."""
    one, two = left.instruction, right.instruction
    layout = Layout.of(snapshot, one)
    if not layout.multiline:
        follows = Layout.of(snapshot, two)
        layout = Layout(True, follows.trailing, follows.indent)
    end = _code_end(left)
    start = two.logical.home(right.at(how.skip))
    pragmas, comments = _between(snapshot, one.span.end, two.span.start)
    if snapshot.text[end : one.span.end].strip(SPACE + ";"):
        raise Unjoinable("text after the last command")
    newline = snapshot.dockerfile.newline(one.span.start)
    escape = snapshot.dockerfile.escape
    lines = "".join(f"{layout.indent}{line}{newline}" for line in comments)
    opening = "{ " if how.braces_right else ""
    closing = "; }" if how.braces_left else ""
    if how.operator == ";" or layout.trailing:
        operator = how.operator if how.operator == ";" else f" {how.operator}"
        text = f"{closing}{operator} {escape}{newline}{lines}{layout.indent}{opening}"
    else:
        text = f"{closing} {escape}{newline}{lines}{layout.indent}{how.operator} {opening}"
    found = [Edit(Span(end, start), text)]
    if how.braces_left:
        home = one.logical.home(one.args_start)
        found.append(Edit(Span(home, home), "{ "))
    if how.braces_right:
        last = _code_end(right)
        found.append(Edit(Span(last, two.code_end), "; }"))
    if pragmas:
        moved = "".join(line + newline for line in pragmas)
        found.append(Edit(Span(one.span.start, one.span.start), moved))
    return tuple(found)


def _code_end(run: Run) -> int:
    """Return the end of a script's last command, a separator behind it left out."""
    assert run.script is not None
    last = run.script.body.parts[-1]
    return run.instruction.logical.span(run.at(last.start), run.at(last.end)).end


def _between(snapshot: Snapshot, start: int, end: int) -> tuple[list[str], list[str]]:
    """Return the ignore comments and the other comments between two instructions."""
    lines = [line.strip(SPACE) for line in snapshot.text[start:end].split("\n")]
    comments = [line for line in lines if line]
    pragmas = [line for line in comments if PRAGMA.match(line)]
    return pragmas, [line for line in comments if line not in pragmas]
