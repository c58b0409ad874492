"""What package managers leave in a stage's layers, and what empties it."""

from __future__ import annotations

import re

from refactor.effects import Block, Copy, Event, Exec, Verbatim, flat
from refactor.facts.apt import operations
from refactor.facts.managers import Manager
from refactor.facts.packages import (
    APT,
    Operation,
    argv_operation,
    command_of,
    only_cleans,
    unwrap,
    updates_lists,
)
from refactor.hazards import APK_INDEX, Hazard, Lists, ListsWalk, may_read
from refactor.snapshot import Run, Snapshot
from refactor.source import Span

_KINDS = {
    "/var/lib/apt/lists": "apt lists", "/var/cache/apt": "apt archives",
    "/var/cache/apk": "apk", "/etc/apk/cache": "apk", "/var/cache/yum": "rpm",
    "/var/cache/dnf": "rpm", "/var/cache/libdnf5": "rpm", "/var/cache/tdnf": "rpm",
    "/var/cache/zypp": "zypper", "/var/cache/pacman": "pacman",
}  # fmt: skip
_RPM = frozenset({"yum", "dnf", "dnf5", "microdnf", "tdnf"})


def emptied(argv: tuple[str, ...]) -> frozenset[str]:
    """Return the caches that a command empties, if that is all it does."""
    if not only_cleans(argv):
        return frozenset()
    found = argv_operation(argv)
    if found is None:
        words = [word.text for word in unwrap(command_of(argv).words)[0][1:]]
        return frozenset(
            kind for path, kind in _KINDS.items() for word in words if word.startswith(path)
        )
    if found.manager in APT:
        lists = {"apt lists"} if found.action.startswith("dist") else set()
        return frozenset({"apt archives"} | lists)
    return frozenset({_kind(found.manager)})


def _kind(manager: str) -> str:
    return "rpm" if manager in _RPM else manager


def _filled(event: Exec, keeps_archives: bool) -> frozenset[str]:
    """Return the caches that a command fills."""
    found = argv_operation(event.argv)
    if found is None:
        return frozenset()
    if updates_lists(found):
        return frozenset({"apt lists"})
    if found.manager in APT:
        return frozenset({"apt archives"}) if keeps_archives else frozenset()
    fills = found.action in found.row.fills and not (
        found.row.no_cache and found.has(found.row.no_cache)
    )
    return frozenset({_kind(found.manager)}) if fills else frozenset()


def is_empty(snapshot: Snapshot, run: Run, caches: frozenset[str]) -> bool:
    """Whether caches are known to be empty when a RUN starts, as far as its stage filled them."""
    stage = snapshot.build.stages[run.stage]
    if isinstance(stage.base, int):
        return False
    end = stage.runs[run.ordinal - 1] if run.ordinal else 0
    full: set[str] = set()
    keeps = not snapshot.graph.stages[run.stage].image.docker_clean
    clean = set() if keeps else {"apt archives"}
    for event in stage.events[:end]:
        if isinstance(event, Exec) and event.must and emptied(event.argv):
            clean |= emptied(event.argv)
            full -= emptied(event.argv)
        elif isinstance(event, Exec) and argv_operation(event.argv) is not None:
            full |= _filled(event, keeps)
        elif isinstance(event, Block | Verbatim) or may_read(event):
            return False  # a script may have filled them again
    return caches <= clean - full


def cleaned_later(run: Run, manager: Manager, after: int) -> bool:
    """Whether a RUN empties a manager's caches behind a place of its script."""
    return run.script is not None and any(
        command.start > after and cleans(command.argv, manager) for command in run.script.commands()
    )


def cleans(argv: tuple[str, ...], manager: Manager) -> bool:
    """Whether a command empties a manager's caches."""
    kinds = {"apt lists", "apt archives"} if manager.name in APT else {_kind(manager.name)}
    if bool(emptied(argv) & kinds) or " ".join(argv) in manager.cleanup:
        return True
    home = f"{manager.name.upper()}_HOME"
    own = (
        f"/.{manager.name}",
        f"/.cache/{manager.name}",
        f"${home}",
        f"${{{home}}}",
        *manager.paths,
    )
    paths = "|".join(map(re.escape, own))
    deleted = re.compile(rf"(?:{paths})(?:[/*\"]|\Z)")
    return argv[:1] == ("rm",) and any(map(deleted.search, argv[1:]))


def user(snapshot: Snapshot, run: Run) -> str:
    """Return the user that a USER instruction sets for a RUN, empty for root or none."""
    name = commands(snapshot, run)[0].setting.user.text.partition(":")[0]
    return "" if name in ("root", "0") else name


def is_mounted(run: Run, manager: Manager) -> bool:
    """Whether something is mounted over a manager's caches, so that they are in no layer."""
    for flag in run.instruction.flags:
        fields = dict(part.partition("=")[::2] for part in (flag.value or "").split(","))
        target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
        if flag.name != "mount" or not target or fields.get("type") not in ("cache", "tmpfs"):
            continue
        if any(path.startswith(target.rstrip("/")) for path in manager.paths):
            return True
        if fields["type"] == "cache" and not target.startswith("/var/"):
            return True  # a cache of a language: who keeps one has thought of it
    return False


def fills(run: Run) -> dict[str, tuple[Manager, Operation, int]]:
    """Return the managers whose caches a RUN fills, with the last command that does."""
    found: dict[str, tuple[Manager, Operation, int]] = {}
    for command, op in operations(run):
        if op.action in op.row.fills and not only_cleans(command.argv):
            found[op.manager] = (op.row, op, command.start)
    return found


def index_after(snapshot: Snapshot, run: Run) -> ListsWalk:
    """Return who would miss apk's index behind a RUN if that left none."""
    stage = snapshot.build.stages[run.stage]
    walk = ListsWalk(Lists.ABSENT, APK_INDEX)
    walk.events(stage.events[stage.runs[run.ordinal] :], until_present=True)
    pending = [run.stage] if walk.lists is not Lists.PRESENT else []
    while pending:
        for child in snapshot.graph.children(pending.pop()):
            inner = ListsWalk(Lists.ABSENT, APK_INDEX)
            inner.events(snapshot.build.stages[child.index].events, until_present=True)
            walk.found |= inner.found
            if inner.lists is not Lists.PRESENT:
                pending.append(child.index)
    return walk


def doubtful(snapshot: Snapshot, run: Run, text: str = "") -> frozenset[Hazard]:
    """Return what in a RUN may need apk's index, behind a command if one is given."""
    events = own_events(snapshot, run)
    at = next((i for i, event in enumerate(events) if event.text == text), -1)
    walk = ListsWalk(Lists.ABSENT, APK_INDEX)
    walk.events(events[at + 1 :], until_present=True)
    return frozenset(walk.found)


def commands(snapshot: Snapshot, run: Run) -> list[Exec]:
    """Return the commands of a RUN that is no trigger, as the model has them."""
    return [event for event in flat(own_events(snapshot, run)) if isinstance(event, Exec)]


def is_followed(snapshot: Snapshot, run: Run) -> bool:
    """Whether the model knows each command of a RUN that is no trigger."""
    return not run.triggered and run.instruction.span in snapshot.fact(_followed)


def _followed(snapshot: Snapshot) -> frozenset[Span]:
    """Return where the RUNs are that `is_followed` is true of."""
    return frozenset(
        run.instruction.span
        for run in snapshot.runs
        if not run.triggered
        and not any(isinstance(event, Verbatim) for event in flat(own_events(snapshot, run)))
    )


def own_events(snapshot: Snapshot, run: Run) -> tuple[Event, ...]:
    """Return the events of a RUN that is no trigger."""
    stage = snapshot.build.stages[run.stage]
    start = stage.runs[run.ordinal - 1] if run.ordinal else 0
    return tuple(
        e for e in stage.events[start : stage.runs[run.ordinal]] if not isinstance(e, Copy)
    )


def named_later(snapshot: Snapshot, run: Run, program: str) -> bool:
    """Whether a program's name stands anywhere behind a RUN."""
    rest = snapshot.text[run.instruction.span.end :]
    return bool(re.search(rf"(?<![\w./-]){re.escape(program)}(?![\w./-])", rest))
