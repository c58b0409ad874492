"""CMD, ENTRYPOINT and HEALTHCHECK in shell form: which could be in exec form."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.facts import entry_forms
from refactor.facts.entry_forms import NeedsShell
from refactor.facts.stages import ShellInForce, Stage, default_shell, set_shell
from refactor.snapshot import Snapshot
from refactor.syntax import Instruction

_KEYWORDS = ("CMD", "ENTRYPOINT", "HEALTHCHECK")
_PROBE = re.compile(r"CMD +(?=\S)", re.IGNORECASE)
_BEGINNING = 2  # bytes of a file: `#!`
_PROGRAMS = (b"#!", b"\x7fE", b"MZ")


class Entry(NamedTuple):
    """One that could be in exec form: its words, by their places in the logical line."""

    instruction: Instruction
    keyword: str
    text: str
    argv: tuple[str, ...]
    words: tuple[tuple[int, int], ...]
    why: str
    assumes: tuple[str, ...]
    is_risky: bool

    @property
    def json(self) -> str:
        """The exec form."""
        return entry_forms.exec_form(self.argv)


class Obstacle(NamedTuple):
    """One that cannot be in exec form; `at` is where it stands."""

    code: str
    reason: str
    unlock: str
    at: int


def entries(snapshot: Snapshot) -> tuple[Entry | Obstacle, ...]:
    """Return what is in shell form and takes effect, in order (a fact)."""
    found: list[Entry | Obstacle] = []
    shells: list[ShellInForce] = []
    for stage in snapshot.graph.stages:
        parent = shells[stage.parent] if stage.parent is not None else None
        in_force = default_shell(stage.image, parent)
        for ins in stage.instructions[1:]:
            if ins.keyword == "SHELL":
                in_force = set_shell(ins)
            target = ins.trigger or ins
            if target.keyword not in _KEYWORDS or target.json is not None or not _text(target):
                continue
            if ins.trigger:
                reason = "what it is beside depends on the image that is built from this one"
                found.append(Obstacle("E106", reason, "write it there", ins.span.start))
            elif ins is _last(stage, ins.keyword):
                found.append(_judge(snapshot, stage, ins, in_force))
        shells.append(in_force)
    return tuple(found)


def _text(ins: Instruction) -> str:
    """Return what the shell gets; empty if it gets nothing."""
    if ins.keyword != "HEALTHCHECK":
        return ins.args
    probe = _PROBE.match(ins.args)
    return ins.args[probe.end() :] if probe else ""


def _last(stage: Stage, keyword: str) -> Instruction | None:
    own = [ins for ins in stage.instructions if ins.keyword == keyword]
    return own[-1] if own else None


def _judge(
    snapshot: Snapshot, stage: Stage, ins: Instruction, in_force: ShellInForce
) -> Entry | Obstacle:
    at, text = ins.span.start, _text(ins)
    if in_force.dialect is not None and "BASH_ENV" in snapshot.text:
        return Obstacle("E101", "bash reads the file of BASH_ENV first", "drop BASH_ENV", at)
    found = entry_forms.words(text, in_force)
    if isinstance(found, NeedsShell):
        return Obstacle(*found, at)
    if why := _neighbour(snapshot, stage, ins):
        return Obstacle(*why, at)
    argv = tuple(word.literal or "" for word in found)
    if script := _without_interpreter(snapshot, argv[0]):
        return Obstacle("E105", f"{script} does not begin with `#!`", "begin it with #!/bin/sh", at)
    first = ins.args_end - len(text)
    places = [(first + word.start, first + word.end) for word in found]
    places[0] = (first, places[0][1])  # `exec` is left out
    if not all(ins.logical.contiguous(*place) for place in places):
        return Obstacle("E107", "a word goes on on the next line", "write it on one line", at)
    inherits = not any(_last(s, "ENTRYPOINT") for s in _lineage(snapshot, stage))
    assumes = entry_forms.assumptions(ins.keyword, text, stage.image, in_force, inherits)
    return Entry(ins, ins.keyword, text, argv, tuple(places), _why(stage, ins, argv, in_force),
                 assumes, entry_forms.is_unproven(argv, assumes))  # fmt: skip


def _lineage(snapshot: Snapshot, stage: Stage) -> Iterator[Stage]:
    """Yield a stage and those that it starts from."""
    yield stage
    while stage.parent is not None:
        stage = snapshot.graph.stages[stage.parent]
        yield stage


def _neighbour(snapshot: Snapshot, stage: Stage, ins: Instruction) -> NeedsShell | None:
    """Return what another instruction has against the exec form of this one."""
    if ins.keyword == "ENTRYPOINT":
        return _beside_cmd(snapshot, stage)
    if ins.keyword == "HEALTHCHECK":
        return None
    found = (_last(s, "ENTRYPOINT") for s in _lineage(snapshot, stage))
    own = next((entry for entry in found if entry is not None), None)
    if own is not None and own.json is None:
        return NeedsShell("E103", "the ENTRYPOINT, in shell form, ignores it", "delete one of them")
    reason = "the ENTRYPOINT looks at its arguments, and would see others"
    if own is not None and own.json is not None and not entry_forms.starts_anything(own.json):
        return NeedsShell("E104", reason, "write it by hand if the ENTRYPOINT starts any command")
    if own is None and entry_forms.entrypoint(stage.image) is False:
        return NeedsShell("E104", f"{reason}: {stage.image.name} has its own", "write it by hand")
    return None


def _beside_cmd(snapshot: Snapshot, stage: Stage) -> NeedsShell | None:
    for one in (stage, *_descendants(snapshot, stage)):
        cmd = _last(one, "CMD")
        if cmd is not None and cmd.json != ():
            return NeedsShell(
                "E103", "in shell form it ignores CMD, in exec form it would get it as arguments",
                "delete the CMD if it means nothing",
            )  # fmt: skip
    return None


def _descendants(snapshot: Snapshot, stage: Stage) -> Iterator[Stage]:
    """Yield the stages that have this one's ENTRYPOINT."""
    for child in snapshot.graph.children(stage.index):
        if _last(child, "ENTRYPOINT") is None:
            yield child
            yield from _descendants(snapshot, child)


def _without_interpreter(snapshot: Snapshot, program: str) -> str:
    """Return the file of the build context that would not start without a shell; empty if none."""
    name = posixpath.basename(program)
    if snapshot.sent is None or snapshot.context is None or name == program:
        return ""
    for path in snapshot.sent.files:
        if posixpath.basename(path) == name:
            head = snapshot.context.head(path, _BEGINNING)
            if not head.startswith(_PROGRAMS):
                return path
    return ""


def _why(stage: Stage, ins: Instruction, argv: tuple[str, ...], in_force: ShellInForce) -> str:
    program = posixpath.basename(argv[0])
    if ins.keyword == "HEALTHCHECK":
        return f"{program} needs no shell around it"
    stays = entry_forms.stays(stage.image, in_force.command)
    if stays is None:
        return f"a shell around {program} may stay process 1 and keep signals from it"
    if stays and not ins.args.startswith("exec "):
        return f"sh stays process 1 and keeps signals from {program}"
    return f"{program} needs no shell to start it: the shell gives way to it at once"
