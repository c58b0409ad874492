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
from refactor.facts.packages import program
from refactor.facts.stages import Stage
from refactor.snapshot import Run, Snapshot

_STARTS = frozenset({"CMD", "ENTRYPOINT", "HEALTHCHECK"})

_BACK = 'write it in exec form, or `SHELL ["/bin/sh", "-c"]` in front of it'
_FETCHERS = frozenset({"curl", "wget"})
_INTERPRETER = re.compile(r"(?:ba|da|a|z|k)?sh\Z|(?:python|perl|ruby|node|php)[\d.]*\Z")
_FETCHED = re.compile(r"(?:\$\(|`)\s*(?:curl|wget)\s")


class Plan(NamedTuple):
    """A SHELL to write in front of a RUN; `is_kept` if an image has it, for what is built on it."""

    run: Run
    stage: Stage
    shell: tuple[str, ...]
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
    for index in found.stages:
        first = run.instruction.span.start if index == stage.index else 0
        for ins in snapshot.graph.stages[index].instructions:
            if ins.span.start > first and ins.keyword == "SHELL":
                break
            shells = ins.keyword in _STARTS and ins.json is None and ins.args.upper() != "NONE"
            if ins.span.start > first and shells:
                reason = f"the shell of {ins.keyword} would change too"
                return Kept(run, Unfit("P105", reason, _BACK))
    if hindrance := obstacle(found, command, stage.image):
        return Kept(run, hindrance)
    targets = snapshot.invocations.targets if snapshot.invocations else frozenset()
    stages = snapshot.graph.stages
    ends = (at for at, s in found.stages.items() if dict(s.config)["shell"] == command)
    kept = any(at == len(stages) - 1 or stages[at].name in targets for at in ends)
    return Plan(run, stage, command, assumptions(command, stage.image), kept)


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
