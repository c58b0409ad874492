"""Edits that let a RUN remove again what it installed to build."""

from __future__ import annotations

from refactor.edits import Layout, append_command, append_words, insert_word, join_runs
from refactor.effects import Exec
from refactor.effects.dropping import is_cleanup
from refactor.effects.purge_needs import VIRTUAL
from refactor.effects.purges import DELETE, PURGE
from refactor.facts import apt, caches, joining, packages
from refactor.facts.packages import Command, Operation, bare_name
from refactor.facts.purging import Plan
from refactor.shell import AndOr, Node
from refactor.snapshot import Run, Snapshot
from refactor.source import Edit, Span


def remove_again(snapshot: Snapshot, plan: Plan) -> tuple[Edit, ...] | None:
    """Install what must stay by name, and remove the rest in front of the final cleanup.

    None if that is not plain: a comment stands in the way, or the RUN may end early.
    """
    layout = Layout.of_many(snapshot, [run.instruction for run in plan.runs])
    if plan.group is not None:
        layout = layout._replace(multiline=True)
    found = list(join_runs(snapshot, plan.group)) if plan.group else []
    marked = _virtual(plan, layout) if plan.is_apk else _named(plan)
    words = DELETE if plan.is_apk else (*PURGE, *plan.purge.gone)
    removal = _removal(snapshot, plan.runs[-1], layout, " ".join(words), plan.group is not None)
    return None if marked is None or removal is None else (*found, *marked, *removal)


def _installs(plan: Plan) -> list[tuple[Run, Command, Operation]]:
    """Return the commands that install what is removed again."""
    gone, keep = set(plan.purge.gone), (lambda text: text) if plan.is_apk else bare_name
    managers = ("apk",) if plan.is_apk else packages.APT
    return [
        (run, command, op)
        for run in plan.runs
        for command, op in apt.operations(run)
        if op.manager in managers and command.start in apt.unconditional(run)
        if op.action in ("install", "add") and gone & {keep(word.text) for word in op.arguments}
    ]


def _named(plan: Plan) -> list[Edit] | None:
    """Install with apt, beside the last of the packages, what must stay."""
    found = _installs(plan)
    if not found:
        return None
    run, command, op = found[-1]
    if plan.purge.added and op.wrapped:
        return None
    if plan.purge.added and apt.has_comments(run, command):
        return [insert_word(run, _behind_flags(op), " ".join(plan.purge.added))]
    return list(append_words(run, op.arguments[-1], list(plan.purge.added)))


def _virtual(plan: Plan, layout: Layout) -> list[Edit] | None:
    """Install with apk what is removed again as one virtual package."""
    found = _installs(plan)
    if len(found) != 1 or found[0][2].wrapped:
        return None
    run, command, op = found[0]
    operator = _operator(run, command)
    stays = [word for word in op.arguments if word.text not in plan.purge.gone]
    whole = run.instruction.logical.span(run.at(command.start), run.at(command.end))
    if not stays:
        found_edits = [insert_word(run, _behind_flags(op), f"--virtual {VIRTUAL}")]
        if plan.purge.added and operator:
            text = _add(command, op, plan.purge.added)
            between = _between(layout, operator)
            found_edits.append(Edit(Span(whole.start, whole.start), text + between))
        return found_edits if operator or not plan.purge.added else None
    if not operator:
        return None
    edits = _without(run, command, [w for w in op.arguments if w not in stays])
    if edits is None:
        return None
    text = _add(command, op, ("--virtual", VIRTUAL, *plan.purge.gone))
    if plan.purge.added and apt.has_comments(run, command):  # a line of its own may be a comment's
        edits.append(insert_word(run, stays[-1], " ".join(plan.purge.added)))
    else:
        edits += append_words(run, stays[-1], list(plan.purge.added))
    return [*edits, Edit(Span(whole.end, whole.end), _between(layout, operator) + text)]


def _behind_flags(op: Operation) -> packages.Word:
    """Return the last of the options behind the action, or a word in front of them."""
    last = op.flag_words[-1] if op.flag_words else op.action_word
    return op.flag_place if last.text in op.row.values else last


def _add(command: Command, op: Operation, more: tuple[str, ...]) -> str:
    """Return an installation of other packages, under the same circumstances."""
    parts = (*command.assignments, *(word for word in command.words if word not in op.arguments))
    redirects = [redirect.text for redirect in command.redirects]
    return " ".join([*(word.text for word in parts), *more, *redirects])


def _without(run: Run, command: Command, words: list[packages.Word]) -> list[Edit] | None:
    """Delete words of a command; None if a comment would go with them."""
    found: list[Edit] = []
    for word in words:
        before = command.words[command.words.index(word) - 1]
        start = run.instruction.logical.span(run.at(before.start), run.at(before.end)).end
        end = run.instruction.logical.span(run.at(word.start), run.at(word.end)).end
        if any(start <= comment.start < end for comment in run.instruction.comments):
            return None
        found.append(Edit(Span(start, end), ""))
    return found


def _removal(
    snapshot: Snapshot, run: Run, layout: Layout, text: str, joined: bool
) -> tuple[Edit, ...] | None:
    """Write a command in front of the cleanup at a RUN's end, or at its end."""
    how = joining.end(run)
    if how is None or run.script is None:
        return None
    tail = _cleanup(snapshot, run)
    operator = _operator(run, tail) if tail else ""
    if tail is not None and operator:
        home = run.instruction.logical.home(run.at(tail.start))
        return (Edit(Span(home, home), text + _between(layout, operator)),)
    if not joined:
        return append_command(snapshot, run, how, text)
    last = run.script.body.parts[-1]
    end = run.instruction.logical.span(run.at(last.start), run.at(last.end)).end
    place = Span(end, run.instruction.code_end)
    return None if how.braces else (Edit(place, _between(layout, how.operator) + text),)


def _cleanup(snapshot: Snapshot, run: Run) -> Command | None:
    """Return the first of the commands at a RUN's end that only empty caches."""
    events = [e for e in caches.own_events(snapshot, run) if isinstance(e, Exec)]
    cleans = {event.argv for event in events if is_cleanup(event)}
    first: Command | None = None
    for part in reversed(_chain(run)):
        if not isinstance(part, Command) or part.argv not in cleans or part.redirects:
            break
        first = part
    return first


def _chain(run: Run) -> tuple[Node, ...]:
    """Return the commands that a RUN runs one after the other, as far as that is plain."""
    parts = run.script.body.parts if run.script else ()
    only = parts[0] if len(parts) == 1 else None
    return only.parts if isinstance(only, AndOr) and "||" not in only.operators else parts


def _operator(run: Run, command: Command) -> str:
    """Return what stands between a command of a chain and another one; empty if it is in none."""
    assert run.script is not None
    if command not in _chain(run):
        return ""
    errexit = joining.body(run.script) is joining.Body.ERREXIT
    single = len(run.script.body.parts) == 1
    return "&&" if single else ";" * errexit


def _between(layout: Layout, operator: str) -> str:
    if layout.multiline:
        return layout.between(operator, [])
    return f"{operator} " if operator == ";" else f" {operator} "
