"""Stages with a pipe that may fail unseen, and the SHELL that would tell."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor import shell
from refactor.effects.pipefail import (
    Unfit,
    affected,
    assumptions,
    is_piped,
    obstacle,
    shell_for,
)
from refactor.facts.entries import Entry, entries
from refactor.facts.packages import program
from refactor.facts.stages import DEFAULT_SHELL as DEFAULT_SHELL
from refactor.facts.stages import Stage
from refactor.snapshot import Run, Snapshot
from refactor.syntax import Instruction

_STARTS = frozenset({"CMD", "ENTRYPOINT", "HEALTHCHECK"})

_BACK = 'write it in exec form, or `SHELL ["/bin/sh", "-c"]` in front of it'
_FETCHERS = frozenset({"curl", "wget"})
_INTERPRETER = re.compile(r"(?:ba|da|a|z|k)?sh\Z|(?:python|perl|ruby|node|php)[\d.]*\Z")
_FETCHED = re.compile(r"(?:\$\(|`)\s*(?:curl|wget)\s")


class Plan(NamedTuple):
    """A SHELL to write in front of a RUN, and the default one in front of `back`, if there is one.

    `is_kept` if an image has the shell, for what is built on it.
    """

    run: Run
    stage: Stage
    shell: tuple[str, ...]
    back: Instruction | None
    assumes: tuple[str, ...]
    is_kept: bool


class Kept(NamedTuple):
    """A stage that keeps its shell, and the RUN where that shows."""

    run: Run
    why: Unfit


def plans(snapshot: Snapshot) -> Iterator[Plan | Kept]:
    """Yield what is to be done about the first pipe of each stage; children wait for parents."""
    planned: set[int] = set()
    for run in snapshot.runs:
        stage = snapshot.graph.stages[run.stage]
        if run.triggered or stage.index in planned or run.shell.command or run.script is None:
            continue
        model = snapshot.build.stages[run.stage]
        start = model.runs[run.ordinal - 1] if run.ordinal else 0
        if not any(map(is_piped, model.events[start : model.runs[run.ordinal]])):
            continue
        planned |= {stage.index, *_descendants(snapshot, stage)}
        yield _judge(snapshot, run, stage, start)


def _judge(snapshot: Snapshot, run: Run, stage: Stage, start: int) -> Plan | Kept:
    command = shell_for(stage.image)
    if not command:
        why = Unfit("P101", "whether the image has bash is not known", "write SHELL by hand")
        return Kept(run, why)
    found = affected(snapshot.build, stage.index, start, command)
    back = _place_to_set_back(snapshot, run, stage)
    for index in found.stages if back is None else ():
        first = run.instruction.span.start if index == stage.index else 0
        for ins in snapshot.graph.stages[index].instructions:
            if ins.span.start > first and ins.keyword == "SHELL":
                break
            if ins.span.start > first and _is_in_shell_form(ins):
                reason = f"the shell of {ins.keyword} would change too"
                return Kept(run, Unfit("P105", reason, _BACK))
    if hindrance := obstacle(found, command, stage.image):
        return Kept(run, hindrance)
    targets = snapshot.invocations.targets if snapshot.invocations else frozenset()
    stages = snapshot.graph.stages
    ends = [at for at, s in found.stages.items() if dict(s.config)["shell"] == command]
    if back is not None:
        ends = []
    kept = any(at == len(stages) - 1 or stages[at].name in targets for at in ends)
    return Plan(run, stage, command, back, assumptions(command, stage.index in ends), kept)


def _place_to_set_back(snapshot: Snapshot, run: Run, stage: Stage) -> Instruction | None:
    """Return the first start in shell form behind a RUN, if it is to keep its shell.

    None if `use-exec-form` can write it without one, or what follows would have that shell too.
    """
    behind = [i for i in stage.instructions if i.span.start > run.instruction.span.start]
    first = next((i for i in behind if _is_in_shell_form(i)), None)
    if first is None or not stage.image.plain_shell or snapshot.graph.children(stage.index):
        return None
    forms = [e.instruction for e in snapshot.fact(entries) if isinstance(e, Entry)]
    rest = behind[behind.index(first) :]
    builds = any(i.keyword in ("RUN", "ONBUILD") for i in rest)
    set_by_hand = any(i.keyword == "SHELL" for i in behind)
    return None if builds or set_by_hand or any(i in forms for i in rest) else first


def _is_in_shell_form(ins: Instruction) -> bool:
    return ins.keyword in _STARTS and ins.json is None and ins.args.upper() != "NONE"


def _descendants(snapshot: Snapshot, stage: Stage) -> Iterator[int]:
    for child in snapshot.graph.stages:
        if child.parent == stage.index:
            yield child.index
            yield from _descendants(snapshot, child)


def downloaded_scripts(snapshot: Snapshot) -> Iterator[Run]:
    """Yield each RUN in which an interpreter reads what curl or wget fetches."""
    for run in snapshot.runs:
        if run.script is not None and _runs_download(run.script.body):
            yield run


def _runs_download(node: shell.Node) -> bool:
    if isinstance(node, shell.Command):
        program = _name(node)
        texts = [word.text for word in node.words[1:]]
        return bool(_INTERPRETER.match(program)) and any(map(_FETCHED.search, texts))
    if isinstance(node, shell.Pipeline):
        names = [_name(part) for part in node.parts if isinstance(part, shell.Command)]
        fetched = [at for at, name in enumerate(names) if name in _FETCHERS]
        if fetched and any(_INTERPRETER.match(name) for name in names[fetched[0] + 1 :]):
            return True
    return any(_runs_download(part) for part in node.parts if not isinstance(part, str))


def _name(command: shell.Command) -> str:
    return posixpath.basename(program(command))
