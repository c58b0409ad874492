"""Whether and how two scripts become one that fails, and does, just what the two did in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from refactor.effects.lowering import INNER_LIST, OUTLIVING, REHASHED, REMOUNTED
from refactor.facts.packages import program
from refactor.model import Unfit as Unfit
from refactor.shell import AndOr, Command, Compound, Node, Pipeline, Script, Sequence
from refactor.snapshot import Run


class Body(StrEnum):
    """The form of a script, as far as joining is concerned."""

    CHAIN = "chain"
    OR_LIST = "or-list"
    SEQUENCE = "sequence"
    ERREXIT = "errexit"


class Join(NamedTuple):
    """How to join: the operator, and which side needs braces. `skip`: the right side's own
    `set -e;` that is left out, as an end offset of its script."""

    operator: str
    braces_left: bool = False
    braces_right: bool = False
    skip: int = 0


_STATE = frozenset(
    "cd pushd popd export unset readonly declare typeset local set shopt umask ulimit alias "
    "source . eval hash trap enable".split()
)
_LEAVES = frozenset({"exit", "return", "exec", "wait", "jobs", "newgrp", "trap", "kill", "nohup"})
_PROCESS = re.compile(r"\$\$|\$!")


def body(script: Script) -> Body:
    """Return the form of a script."""
    parts = script.body.parts
    first = parts[0] if parts else None
    if isinstance(first, Command) and _sets_errexit(first) and len(parts) > 1:
        return Body.ERREXIT
    if len(parts) > 1:
        return Body.SEQUENCE
    if isinstance(first, AndOr) and "||" in first.operators:
        return Body.OR_LIST
    return Body.CHAIN


def _sets_errexit(command: Command) -> bool:
    if command.name != "set" or command.redirects:
        return False
    words = [w.literal or "" for w in command.words[1:]]
    return any(re.match(r"-[a-z]*e", w) for w in words) or "errexit" in words


class Joined(NamedTuple):
    """What a row of joined scripts is so far; `length` is in characters, `size` in commands."""

    first: Run
    last: Run
    operator: str = ""
    length: int = 0
    size: int = 0

    @staticmethod
    def of(first: Run) -> Joined:
        """Return a row of one."""
        return Joined(first, first, "", _length(first), _size(first))

    def plus(self, right: Run, how: Join) -> Joined:
        """Return the row with one more."""
        length, size = self.length + _length(right), self.size + _size(right)
        return Joined(self.first, right, how.operator, length, size)


def join(row: Joined, right: Run) -> Join | Unfit:
    """Return how a RUN is added to those joined so far."""
    left = row.last
    if _flags(left) != _flags(right):
        return Unfit("M101", "the flags differ", "give both the same flags")
    for run in (left, right):
        if run.script is None or not run.script.body.parts:
            return _unread(run)
    assert row.first.script
    assert left.script
    assert right.script
    if row.length + _length(right) > MAX_SCRIPT or row.size + _size(right) > MAX_COMMANDS:
        return Unfit("M110", "the joined script is too long", "none needed")
    for script, is_left in ((left.script, True), (right.script, False)):
        if found := _hazard(script, is_left):
            return found
    return _algebra(left.shell.errexit, row.first.script, left.script, right.script, row.operator)


def _length(run: Run) -> int:
    return run.instruction.args_end - run.instruction.args_start


def _size(run: Run) -> int:
    return sum(1 for _ in run.script.commands()) if run.script else 0


MAX_SCRIPT = 16_000
MAX_COMMANDS = 100


def _flags(run: Run) -> list[tuple[str, str | None]]:
    return sorted((f.name, f.value) for f in run.instruction.flags)


def _unread(run: Run) -> Unfit:
    if run.opaque in ("exec form", "a heredoc"):
        return Unfit("M105", f"{run.opaque}", "write it in shell form")
    if "comment" in run.opaque:
        return Unfit("M108", "a # comment ends the command", "put the comment on its own line")
    if run.opaque == "not a POSIX shell":
        return Unfit("M107", "the shell is not known", "none needed")
    return Unfit("M107", f"not read: {run.opaque}", "write it in plain POSIX shell")


def _hazard(script: Script, is_left: bool) -> Unfit | None:
    for node in _nodes(script.body):
        if isinstance(node, Sequence) and "&" in node.separators:
            return Unfit("M103", "a process in the background", "keep it in a RUN of its own")
    for command in script.commands():
        name = (command.name or "").rpartition("/")[2]
        if name in _LEAVES:
            return Unfit("M104", f"`{name}` ends the shell's script", "keep it apart")
        if OUTLIVING.match(started := program(command)):
            return Unfit("M103", f"`{started}` may leave a process", "keep it apart")
    if REMOUNTED.search(script.text):
        return Unfit("M104", "a file that Docker mounts anew for each RUN", "keep it apart")
    if _PROCESS.search(script.text):
        return Unfit("M104", "the shell's own process number", "keep it apart")
    return _state(script) if is_left else None


def _state(script: Script) -> Unfit | None:
    """Return what a left side leaves in the shell for the right side."""
    for command in _unscoped(script.body):
        if not command.words:
            what = command.assignments[0].text.partition("=")[0]
            return Unfit("M104", f"sets {what} in the shell", "isolate it by ( )")
        if command.name in _STATE and not _sets_errexit(command):
            return Unfit("M104", f"`{command.name}` changes the shell", "isolate it by ( )")
        if "${" in script.text and re.search(r"\$\{\w+:?=", script.text):
            return Unfit("M104", "an expansion sets a variable", "isolate it by ( )")
        if command.name in ("read", "getopts", "mapfile", "let"):
            return Unfit("M104", f"`{command.name}` sets a variable", "isolate it by ( )")
        if _updates_itself(command):
            return Unfit("M104", f"`{command.name}` replaces itself", "keep it in a RUN of its own")
    for node in _nodes(script.body):
        if isinstance(node, Compound) and node.kind in ("for", "function"):
            return Unfit("M104", f"a {node.kind} leaves a name in the shell", "isolate it by ( )")
    return None


def _updates_itself(command: Command) -> bool:
    """Whether a program is replaced that the shell may have looked up already."""
    argv = command.argv
    return "install" in argv and any(map(REHASHED.match, argv[2:]))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    if not isinstance(node, Command):
        for part in node.parts:
            if not isinstance(part, str):
                yield from _nodes(part)


def _unscoped(node: Node) -> Iterator[Command]:
    """Yield the commands that run in the script's own shell: not in ( ) and not in a pipe."""
    if isinstance(node, Command):
        yield node
    elif isinstance(node, Pipeline) and len(node.parts) > 1:
        return
    elif not (isinstance(node, Compound) and node.kind == "("):
        for part in node.parts:
            if not isinstance(part, str):
                yield from _unscoped(part)


def _algebra(
    shell_errexit: bool, first: Script, last: Script, right: Script, operator: str
) -> Join | Unfit:
    # Braces have made a chain of what was joined by &&.
    one = Body.CHAIN if operator == "&&" else body(first)
    two = body(right)
    if shell_errexit and (one, two) != (Body.CHAIN, Body.CHAIN):
        return Unfit("M102", "the shell itself has -e", "write both as chains of &&")
    if one is Body.ERREXIT:
        return _after_errexit(first, last, right, two)
    if two is Body.ERREXIT or any(c.name == "set" for s in (last, right) for c in s.commands()):
        return Unfit("M102", "set -e: joining with && would disable it", "write it with &&")
    return Join("&&", one is not Body.CHAIN, two is not Body.CHAIN)


def _after_errexit(first: Script, last: Script, right: Script, two: Body) -> Join | Unfit:
    refused = Unfit("M102", "set -e: joining would change what it covers", "write both with &&")
    setting, end = first.body.parts[0], last.body.parts[-1]
    if any(c.name == "set" for c in first.commands() if c != setting):
        return refused
    if last.body.separators[-1] or isinstance(end, AndOr) or _negated(end):
        return refused
    sets = sum(c.name == "set" for c in right.commands())
    if two is Body.CHAIN and not sets:
        plain = _only_quiet(setting) and not _has_lists(right)
        return Join(";") if plain else refused
    if two is Body.ERREXIT and sets == 1 and right.body.separators[0] == ";":
        other = right.body.parts[0]
        if (
            isinstance(setting, Command)
            and isinstance(other, Command)
            and setting.argv == other.argv
        ):
            return Join(";", skip=right.body.parts[1].start)
    return refused


def _only_quiet(node: Node) -> bool:
    """Whether a `set` turns on nothing but -e, -x and -v, which no later command can tell."""
    return isinstance(node, Command) and all(
        re.match(r"-[exv]+\Z", word.text) for word in node.words[1:]
    )


def _has_lists(script: Script) -> bool:
    """Whether commands inside a script would fall under a `set -e` that comes before it."""
    nested = any(isinstance(node, Compound) for node in _nodes(script.body))
    return nested or bool(INNER_LIST.search(script.text))


def _negated(node: Node) -> bool:
    return isinstance(node, Pipeline) and node.negated


class End(NamedTuple):
    """How a command is added at a script's end: the operator, and whether braces are needed."""

    operator: str
    braces: bool


def end(run: Run) -> End | None:
    """Return how a command that must run, if all went well, is added; None if that is unclear."""
    if run.script is None or not run.script.body.parts:
        return None
    script = run.script
    names = {command.name for command in script.commands()}
    if names & _LEAVES or any(
        isinstance(node, Sequence) and "&" in node.separators for node in _nodes(script.body)
    ):
        return None
    form = body(script)
    last = script.body.parts[-1]
    noglob = any(c.name == "set" and re.search(r"\s-\w*f|noglob|\s\+", " ".join(c.argv))
                 for c in script.commands())  # fmt: skip
    if noglob or any(c.name == "set" for c in script.commands() if not _sets_errexit(c)):
        return None
    if form is Body.ERREXIT and not isinstance(last, AndOr) and not _negated(last):
        return End(";", False)
    if isinstance(last, AndOr) and "||" in last.operators:
        plain = len(script.body.parts) == 1 and "set" not in names
        return End("&&", True) if plain else None
    return None if _negated(last) and form is not Body.CHAIN else End("&&", False)
