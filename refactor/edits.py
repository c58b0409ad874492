"""Builders of edits: the only place where offsets are added up."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from refactor.facts import joining, lines, packages
from refactor.facts.joining import End
from refactor.facts.pragmas import PRAGMA
from refactor.facts.rows import Group
from refactor.model import Claim, Effect
from refactor.shell import AndOr, Command, Node, Script, Word
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


def quote_words(
    ins: Instruction, places: tuple[tuple[int, int], ...], words: tuple[str, ...]
) -> tuple[Edit, ...]:
    """Make a JSON array of words where they stand: lines and comments between them stay."""
    quoted = [json.dumps(word, ensure_ascii=False) for word in words]
    texts = [f"{text}," for text in quoted[:-1]] + [f"{quoted[-1]}]"]
    texts[0] = f"[{texts[0]}"
    return tuple(
        replace_logical(ins, start, end, text)
        for (start, end), text in zip(places, texts, strict=True)
    )


def replace_keyword(ins: Instruction, keyword: str) -> Edit:
    """Write another keyword."""
    return Edit(ins.keyword_span, keyword)


def insert_word(run: Run, word: Word, text: str) -> Edit:
    """Write a word behind a word of a script, on its line."""
    end = run.instruction.logical.span(run.at(word.start), run.at(word.end)).end
    return Edit(Span(end, end), f" {text}")


def add_word(
    run: Run, command: Command, after: Word, text: str, effect: Effect
) -> tuple[tuple[Edit], tuple[Claim]]:
    """Write a word behind a word of a command; return the edit, and the claim that this is all."""
    claim = changed_command(command, packages.with_words(command, {after: [text]}), effect)
    return (insert_word(run, after, text),), (claim,)


def changed_command(command: Command, becomes: str, effect: Effect) -> Claim:
    """Return the claim that one command becomes another."""
    return Claim(effect, frozenset({f"- {packages.with_words(command, {})}", f"+ {becomes}"}))


def append_words(run: Run, word: Word, added: list[str]) -> tuple[Edit, ...]:
    """Write words behind a word: on lines of their own if it has one."""
    if not added:
        return ()
    ins = run.instruction
    last = ins.logical.span(run.at(word.start), run.at(word.end))
    before = run.text[ins.span.start : last.start]
    gap = before[len(before.rstrip(" \t\r\n\\`")) :]
    lead = " " if "\n" not in gap or "#" in gap else gap
    return (Edit(Span(last.end, last.end), "".join(lead + word for word in added)),)


def replace_word(run: Run, word: Word, text: str) -> Edit:
    """Write another word in its place."""
    return replace_logical(run.instruction, run.at(word.start), run.at(word.end), text)


def append_command(snapshot: Snapshot, run: Run, how: End, *commands: str) -> tuple[Edit, ...]:
    """Write commands at the end of a RUN, in the layout that the RUN has."""
    ins = run.instruction
    place = Span(_code_end(run), ins.code_end)  # a separator at the very end is replaced
    layout = Layout.of(snapshot, ins)
    if layout.multiline:
        between = layout.between(how.operator, [])
    else:
        between = f"{how.operator} " if how.operator == ";" else f" {how.operator} "
    text = ("; }" if how.braces else "") + "".join(between + command for command in commands)
    if not how.braces:
        return (Edit(place, text),)
    home = ins.logical.home(ins.args_start)
    return (Edit(Span(home, home), "{ "), Edit(place, text))


def add_flag(snapshot: Snapshot, run: Run, flag: str) -> Edit:
    """Write a flag in front of a RUN's script: on a line of its own if the RUN has several."""
    ins = run.instruction
    layout = Layout.of(snapshot, ins)
    cut = f"{layout.escape}{layout.newline}{layout.indent}" if layout.multiline else ""
    return insert_logical(ins, ins.args_start, f"{flag} {cut}", before=True)


def insert_line(snapshot: Snapshot, ins: Instruction, text: str) -> Edit:
    """Write a line in front of an instruction and the comments directly above it."""
    place = with_comments(snapshot, ins).start
    return Edit(Span(place, place), text + snapshot.dockerfile.newline(ins.span.start))


def append_line(snapshot: Snapshot, ins: Instruction, text: str) -> Edit:
    """Write a line behind an instruction."""
    end, newline = ins.span.end, snapshot.dockerfile.newline(ins.span.start)
    ends = snapshot.text[:end].endswith("\n")
    return Edit(Span(end, end), text + newline if ends else newline + text)


def sort_words(snapshot: Snapshot, run: Run, words: tuple[Word, ...]) -> tuple[Edit, ...] | None:
    """Write what follows a first word in order, one a line; None if a comment is among it."""
    ins = run.instruction
    spans = [ins.logical.span(run.at(w.start), run.at(w.end)) for w in words]
    if any(spans[1].start <= c.start < spans[-1].end for c in ins.comments):
        return None
    layout, text = Layout.of(snapshot, ins), snapshot.text
    leads = [text[text.rfind("\n", 0, s.start) + 1 : s.start] for s in (spans[-1], *spans[1::-1])]
    indent = next(filter(str.isspace, leads[:2]), _indent(leads[2]) + layout.indent)
    cut = f" {layout.escape}{layout.newline}{indent}"
    names = sorted(w.text for w in words[1:])
    pairs = zip(spans[1:], words[1:], names, strict=True)
    found = [Edit(span, name) for span, word, name in pairs if name != word.text]
    for left, right in pairwise(spans):
        if "\n" not in text[left.end : right.start]:
            found.append(Edit(Span(left.end, right.start), cut))
    return tuple(sorted(found, key=lambda edit: edit.span.start))


def delete_words(run: Run, command: Command, count: int) -> tuple[Edit, ...]:
    """Delete the first words of a command; nothing if they are not on one line."""
    start, end = run.at(command.words[0].start), run.at(command.words[count].start)
    if not run.instruction.logical.contiguous(start, end + 1):
        return ()
    return (replace_logical(run.instruction, start, end, ""),)


def delete_word(run: Run, command: Command, word: Word) -> tuple[Edit, ...]:
    """Delete a word of a command, and what is in front of it; nothing if a comment is there."""
    logical = run.instruction.logical
    before = command.words[command.words.index(word) - 1]
    start = logical.span(run.at(before.start), run.at(before.end)).end
    end = logical.span(run.at(word.start), run.at(word.end)).end
    if any(start <= comment.start < end for comment in run.instruction.comments):
        return ()
    return (Edit(Span(start, end), ""),)


def delete_command(run: Run, command: Command) -> tuple[Edit, ...]:
    """Delete a command of a chain, and the operator beside it; nothing if that is not plain."""
    return delete_commands(run, [command])


def delete_commands(run: Run, commands: list[Command]) -> tuple[Edit, ...]:
    """Delete commands of a chain, with the operators beside them; nothing if that is not plain."""
    assert run.script is not None
    parts, operators = _chain(run.script)
    kept = [part for part in parts if part not in commands]
    plain = (
        "||" not in operators and "&" not in operators and len(parts) - len(kept) == len(commands)
    )
    if not commands or not kept or not plain:
        return ()
    spans: list[Span] = []
    for command in commands:
        index = parts.index(command)
        late = command.start > kept[-1].start
        start = parts[index - 1].end if late else command.start
        end = command.end if late else parts[index + 1].start
        spans.append(run.instruction.logical.span(run.at(start), run.at(end)))
    if any(s.start <= c.start < s.end for s in spans for c in run.instruction.comments):
        return ()
    return tuple(Edit(span, "") for span in spans)


def _chain(script: Script) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """Return the commands that a script runs one after the other, and what is between them.

    None if the failure of one does not end the script: without it, another would decide.
    """
    if len(script.body.parts) == 1 and isinstance(script.body.parts[0], AndOr):
        return script.body.parts[0].parts, script.body.parts[0].operators
    simple = all(isinstance(part, Command) for part in script.body.parts)
    if joining.body(script) is joining.Body.ERREXIT and simple:
        return script.body.parts, script.body.separators[:-1]
    return (), ()


def delete_entry(run: Run) -> tuple[Edit, ...]:
    """Delete the `cd` that a script begins with; nothing if parentheses or comments are around."""
    assert run.script is not None
    parts = run.script.body.parts
    parts = next((p.parts for p in parts[-1:] if isinstance(p, AndOr) and _at(p.parts)), parts)
    at = _at(parts)
    if not at:
        return ()
    span = run.instruction.logical.span(run.at(parts[at - 1].start), run.at(parts[at].start))
    inside = any(span.start <= c.start < span.end for c in run.instruction.comments)
    return () if inside else (Edit(span, ""),)


def _at(parts: tuple[Node, ...]) -> int:
    """Return the number of the part behind a `cd`; 0 if there is none."""
    found = (at for at, p in enumerate(parts[:-1], 1) if isinstance(p, Command) and p.name == "cd")
    return next(found, 0)


def delete_first_command(snapshot: Snapshot, run: Run) -> tuple[Edit, ...]:
    """Delete a RUN's first command behind `set`, and the RUN if that is all."""
    assert run.script is not None
    found = [command for command in run.script.commands() if command.name != "set"]
    if len(found) == 1:
        return delete_instruction(snapshot, run.instruction)
    return delete_command(run, found[0]) if found else ()


def delete_all(snapshot: Snapshot, run: Run, commands: tuple[Command, ...]) -> tuple[Edit, ...]:
    """Delete commands of a chain, and the RUN if these are all; nothing if that is not plain."""
    assert run.script is not None
    if len(commands) == len(list(run.script.commands())):
        return delete_instruction(snapshot, run.instruction)
    return delete_commands(run, list(commands))


def delete_instruction(snapshot: Snapshot, ins: Instruction) -> tuple[Edit, ...]:
    """Delete an instruction's lines; nothing if a comment would be left over."""
    if ins.comments or lines.heading(snapshot, ins):
        return ()
    return (Edit(lines.whole(snapshot, ins), ""),)


def delete_lines(
    snapshot: Snapshot, gone: Sequence[Instruction], to: Instruction
) -> Iterator[Edit]:
    """Delete the lines of instructions; a comment above the first is then above another one."""
    start = 0
    for end in range(1, len(gone) + 1):
        if end < len(gone) and gone[end - 1].span.end == gone[end].span.start:
            continue
        span = lines.whole(snapshot, gone[start], gone[end - 1])
        told = lines.heading(snapshot, gone[start])
        if told is not None:
            span = removable(snapshot, gone[start])._replace(end=span.end)
            behind = snapshot.text[told.span.start : told.span.end]
            apart = snapshot.text[: span.start].endswith(("\n\n", "\n\r\n"))
            if apart and (blank := re.match(rf"[{SPACE}]*\n", snapshot.text[span.end :])):
                span = Span(span.start, span.end + blank.end())
            yield Edit(Span(to.span.start, to.span.start), behind)
        yield Edit(span, "")
        start = end


class Layout(NamedTuple):
    """How a RUN breaks its lines: where the operators stand, and the indent of commands."""

    multiline: bool
    trailing: bool
    indent: str
    escape: str
    newline: str

    def between(self, operator: str, comments: list[str]) -> str:
        """Return what stands between two commands on lines of their own."""
        lines = "".join(f"{self.indent}{line}{self.newline}" for line in comments)
        cut = f" {self.escape}{self.newline}"
        if operator == ";":
            return f";{cut}{lines}{self.indent}"
        if self.trailing:
            return f" {operator}{cut}{lines}{self.indent}"
        return f"{cut}{lines}{self.indent}{operator} "

    @staticmethod
    def of(snapshot: Snapshot, ins: Instruction) -> Layout:
        """Measure one instruction; what it does not show is taken from the rest of the file."""
        lines = snapshot.text[ins.span.start : ins.code_end].split("\n")
        leading, trailing, indent = snapshot.fact(_majority)
        rest = (snapshot.dockerfile.escape, snapshot.dockerfile.newline(ins.span.start))
        if len(lines) < 2:
            return Layout(False, trailing > leading, indent, *rest)
        starts = [m[1] for line in lines[1:] if (m := _LEADING.match(line))]
        if starts:
            return Layout(True, False, starts[-1], *rest)
        ends = [row for row, line in enumerate(lines[:-1]) if _TRAILING.search(line)]
        own = _indent(lines[ends[-1] + 1] if ends else lines[1])
        if not own or (not ends and len(own.expandtabs(4)) > MAX_INDENT):
            own = indent  # what is aligned under a word says nothing of commands
        return Layout(True, bool(ends) or trailing > leading, own, *rest)

    @staticmethod
    def of_many(snapshot: Snapshot, instructions: list[Instruction]) -> Layout:
        """Measure the first of several instructions that has several lines."""
        layouts = [Layout.of(snapshot, ins) for ins in instructions]
        return next((layout for layout in layouts if layout.multiline), layouts[0])


MAX_INDENT = 8
_LEADING = re.compile(r"([ \t]*)(?:&&|\|\||;)")
_TRAILING = re.compile(r"(?:&&|;)[ \t]*[\\`][ \t\r]*$")


def _majority(snapshot: Snapshot) -> tuple[int, int, str]:
    """Count lines that begin and that end with an operator; return the commonest indent too."""
    lines = [
        line
        for ins in snapshot.dockerfile.instructions
        if ins.keyword == "RUN"
        for line in snapshot.text[ins.span.start : ins.span.end].split("\n")[1:]
    ]
    indents = Counter(_indent(line) for line in lines if line.strip())
    indents.pop("", None)
    return (
        sum(bool(_LEADING.match(line)) for line in lines),
        sum(bool(_TRAILING.search(line)) for line in lines),
        min(indents, key=lambda i: (-indents[i], len(i)), default="    "),
    )


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def join_runs(snapshot: Snapshot, group: Group) -> tuple[Edit, ...]:
    """Make several RUN instructions one; comments between them move into the continuation."""
    first = group.runs[0]
    layout = Layout.of_many(snapshot, [run.instruction for run in group.runs])
    found: list[Edit] = []
    closing = ""
    if group.joins[0].braces_left:
        home = first.instruction.logical.home(first.instruction.args_start)
        found.append(Edit(Span(home, home), "{ "))
        closing = "; }"
    for left, right, how in zip(group.runs, group.runs[1:], group.joins, strict=False):
        pragmas, comments = _between(
            snapshot, left.instruction.span.end, right.instruction.span.start
        )
        if pragmas:
            moved = "".join(line + layout.newline for line in pragmas)
            start = first.instruction.span.start
            found.append(Edit(Span(start, start), moved))
        begin = right.instruction.logical.home(right.at(how.skip))
        lead = layout.between(how.operator, comments)
        opening = "{ " if how.braces_right else ""
        found.append(Edit(Span(_code_end(left), begin), f"{closing}{lead}{opening}"))
        closing = "; }" if how.braces_right else ""
    if closing:
        last = group.runs[-1]
        found.append(Edit(Span(_code_end(last), last.instruction.code_end), closing))
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


def with_comments(snapshot: Snapshot, ins: Instruction) -> Span:
    """Return an instruction's lines with those of the comments directly above it."""
    start = ins.span.start
    while start:
        above = snapshot.text.rfind("\n", 0, start - 1) + 1
        if not snapshot.text[above:start].lstrip(SPACE).startswith("#"):
            break
        start = above
    return Span(start, ins.span.end)


def removable(snapshot: Snapshot, ins: Instruction) -> Span:
    """Return an instruction's lines, its comments', and a blank line that would be one too many."""
    whole = with_comments(snapshot, ins)
    text = snapshot.text
    end = text.find("\n", whole.end) + 1
    blank = end and not text[whole.end : end].strip(SPACE)
    above = text[: whole.start].endswith(("\n\n", "\n\r\n")) or not whole.start
    return Span(whole.start, end) if blank and above else whole
