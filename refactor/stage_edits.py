"""Edits that put a stage that runs a program behind the one that builds it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from refactor.edits import removable, with_comments
from refactor.facts.artefacts import Obstacle, Plan, plan
from refactor.facts.stages import Stage, as_keyword, name_place
from refactor.model import Change, Claim, Effect, Refusal, Safety
from refactor.shell import literal
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.split_edits import idle
from refactor.syntax import Instruction

_PLAIN = re.compile(r"[\w@%+=:,./*-]+\Z", re.ASCII)


def split(snapshot: Snapshot, language: str, level: Safety) -> Iterator[Change | Refusal]:
    """Yield the change that splits the final stage, or why it stays whole."""
    found = plan(snapshot, language)
    if isinstance(found, Obstacle):
        yield Refusal(found.code, found.reason, found.unlock, found.at.span.start)
    elif found is not None:
        change = _change(snapshot, found, level)
        same = found.needs.base == found.stage.image.reference
        reason = ""
        if same and found.stage.image.full:
            reason = idle(snapshot, change.edits)
        if reason and not found.needs.closing:
            yield Refusal("S530", f"nothing would be left out: {reason}", "see use-slim-base",
                          found.stage.start.span.start)  # fmt: skip
        else:
            yield change


def _change(snapshot: Snapshot, plan: Plan, level: Safety) -> Change:
    needs = plan.needs
    claim = {f"builder {plan.builder}", "kind artefact", f"language {plan.language}",
             f"base {needs.base}", *(f"artefact {path}" for path in needs.paths)}  # fmt: skip
    names = needs.programs or needs.paths
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return Change(
        f"the image runs {shown} on {needs.base}, without {needs.spares}",
        split_stage(snapshot, plan), (Claim(Effect.STAGES, frozenset(claim)),), level,
        needs.assumes,
    )  # fmt: skip


def split_stage(snapshot: Snapshot, plan: Plan) -> tuple[Edit, ...]:
    """Name a stage as a builder, and put behind its last layer the stage that runs."""
    newline = snapshot.dockerfile.newline(plan.stage.start.span.start)
    end = plan.last.span.end
    lead = "" if snapshot.text[:end].endswith("\n") else newline
    lines = [*_closing(plan), "", _from(plan), *_body(snapshot, plan)]
    moved = [_lines(snapshot, ins) for ins in plan.moved]
    text = newline.join(lines) + newline + "".join(moved)
    if lead:
        text = text.rstrip("\r\n")
    removed = [Edit(removable(snapshot, ins), "") for ins in plan.moved]
    return (*name_stage(plan.stage, plan.builder), *removed, Edit(Span(end, end), lead + text))


def name_stage(stage: Stage, name: str) -> tuple[Edit, ...]:
    """Give a stage a name, in place of the one that it may have."""
    place = name_place(stage)
    if place is not None and as_keyword(stage.start) is not None:
        return (Edit(place, name),)
    end = stage.start.code_end
    return (Edit(Span(end, end), f" AS {name}"),)


def verbatim(snapshot: Snapshot, ins: Instruction) -> str:
    """Return an instruction as it stands, without the comments inside it."""
    pieces: list[str] = []
    at = ins.span.start
    for comment in ins.comments:
        end = snapshot.text.find("\n", comment.start, ins.span.end) + 1 or ins.span.end
        start = snapshot.text.rfind("\n", 0, comment.start) + 1
        pieces.append(snapshot.text[at:start])
        at = end
    pieces.append(snapshot.text[at : ins.span.end])
    return "".join(pieces).rstrip("\r\n")


def command_line(argv: tuple[str, ...]) -> str:
    """Return a command as a shell reads it."""
    return " ".join(w if _PLAIN.match(w) or literal(w) == w else f"'{w}'" for w in argv)


def _closing(plan: Plan) -> list[str]:
    return [f"RUN {command_line(plan.needs.closing)}"] if plan.needs.closing else []


def _from(plan: Plan) -> str:
    flags = "".join(f"--{flag.name}={flag.value} " for flag in plan.stage.start.flags)
    same = plan.needs.base == plan.stage.image.reference
    reference = plan.stage.start_word if same else plan.needs.base
    name = f" AS {plan.stage.name}" if plan.stage.name else ""
    return f"FROM {flags}{reference}{name}"


def _body(snapshot: Snapshot, plan: Plan) -> list[str]:
    """Return the lines between FROM and what starts the image."""
    needs = plan.needs
    lines = [f'ENV {name}="{value}"' for name, value in needs.variables.items()]
    lines += [_run(kept.commands) for kept in needs.kept if kept.step is None]
    runs = {kept.place: kept for kept in needs.kept if kept.step is not None}
    for ins in plan.repeated:
        kept = runs.get(ins.span.start)
        lines.append(_run(kept.commands) if kept and kept.commands else verbatim(snapshot, ins))
    if plan.workdir:
        lines.append(f"WORKDIR {plan.workdir}")
    if plan.user is not None:
        lines.append(verbatim(snapshot, plan.user))
    owner = f" --chown={needs.owner}" if needs.owner else ""
    lines += [f"COPY --from={plan.builder}{owner} {path} {path}" for path in needs.paths]
    lines += [verbatim(snapshot, ins) for ins in plan.volumes]
    return lines


def _run(commands: tuple[tuple[str, ...], ...]) -> str:
    return "RUN " + " && ".join(map(command_line, commands))


def _lines(snapshot: Snapshot, ins: Instruction) -> str:
    span = with_comments(snapshot, ins)
    text = snapshot.text[span.start : span.end]
    return text if text.endswith("\n") else text + snapshot.dockerfile.newline(span.start)
