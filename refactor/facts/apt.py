"""Who needs apt's package lists, and which stages end up in an image."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from refactor.effects import Copy, flat
from refactor.facts.images import Image
from refactor.facts.joining import Body, body
from refactor.facts.packages import (
    APT,
    Operation,
    bare_name,
    cleans_lists,
    operation,
    updates_lists,
)
from refactor.hazards import Hazard, Lists, ListsWalk, covers_lists
from refactor.shell import AndOr, Command, Compound, Node, Pipeline, Sequence
from refactor.snapshot import Run, Snapshot


def operations(run: Run) -> list[tuple[Command, Operation]]:
    """Return what the commands of a RUN ask of package managers, in order."""
    if run.script is None:
        return []
    if "operations" not in run.script.memo:
        found = ((command, operation(command)) for command in run.script.commands())
        run.script.memo["operations"] = [(c, op) for c, op in found if op is not None]
    known: list[tuple[Command, Operation]] = run.script.memo["operations"]
    return known


def unconditional(run: Run) -> frozenset[int]:
    """Return the starts of the commands that always run, and whose failure fails the RUN."""
    if run.script is not None and "unconditional" in run.script.memo:
        known: frozenset[int] = run.script.memo["unconditional"]
        return known
    found: set[int] = set()
    parts = run.script.body.parts if run.script is not None else ()
    if len(parts) == 1:
        _chain(parts[0], found)
    elif run.script is not None and body(run.script) is Body.ERREXIT:
        found |= {part.start for part in parts if isinstance(part, Command)}
    if run.script is not None:
        run.script.memo["unconditional"] = frozenset(found)
    return frozenset(found)


def _chain(node: Node, found: set[int]) -> None:
    if isinstance(node, Command):
        found.add(node.start)
    elif isinstance(node, AndOr) and "||" not in node.operators:
        for part in node.parts:
            _chain(part, found)
    elif isinstance(node, Compound) and node.kind in ("{", "("):
        body = node.parts[1]
        if isinstance(body, Sequence) and len(body.parts) == 1:
            _chain(body.parts[0], found)


def is_piped_into(run: Run, command: Command) -> bool:
    """Whether a command reads what another one writes."""
    return run.script is not None and _piped(run.script.body, command)


def _piped(node: Node, command: Command) -> bool:
    if isinstance(node, Command):
        return False
    if isinstance(node, Pipeline) and command in node.parts[1:]:
        return True
    return any(_piped(part, command) for part in node.parts if not isinstance(part, str))


class Packages(NamedTuple):
    """Where a stage installs packages for certain, and where it removes any.

    Places are offsets in the file.
    """

    installs: dict[str, list[int]]
    removals: list[int]

    def has(self, name: str, before: int) -> bool:
        """Whether a package was installed by name before a place, and none was removed since."""
        last_removal = (
            self.removals[bisect_left(self.removals, before) - 1] if self.removals else -1
        )
        since = last_removal if last_removal < before else -1
        return any(since < place < before for place in self.installs.get(name, ()))


_REMOVES = frozenset({"remove", "purge", "autoremove", "autopurge"})


def stage_packages(snapshot: Snapshot) -> dict[int, Packages]:
    """Return what apt does in each stage, by the stage's index (a fact: use `snapshot.fact`)."""
    found = {stage.index: Packages({}, []) for stage in snapshot.graph.stages}
    for run in snapshot.runs:
        if run.triggered:
            continue
        stage = found[run.stage]
        always = unconditional(run)
        for command, op in operations(run):
            place = run.place(command)
            if op.manager in APT and op.action in _REMOVES:
                stage.removals.append(place)
            elif op.manager in APT and op.action == "install" and command.start in always:
                for word in op.arguments:
                    stage.installs.setdefault(word.literal or "", []).append(place)
    return found


# Programs that recommended packages often bring unasked, and the packages that bring them.
_BROUGHT_BY = {
    "curl": {"curl"}, "wget": {"wget"}, "git": {"git", "git-all"}, "unzip": {"unzip"},
    "make": {"make", "build-essential"}, "gcc": {"gcc", "build-essential"},
    "cc": {"gcc", "build-essential", "clang"}, "g++": {"g++", "build-essential"},
    "c++": {"g++", "build-essential", "clang"}, "patch": {"patch", "build-essential", "dpkg-dev"},
    "gpg": {"gpg", "gnupg", "gnupg2"}, "ssh": {"openssh-client", "ssh"}, "less": {"less"},
    "bzip2": {"bzip2"}, "xz": {"xz-utils"}, "zip": {"zip"}, "file": {"file"},
    "python3": {"python3", "python3-dev", "python3-pip", "python3-venv"}, "pip3": {"python3-pip"},
    "pip": {"python-pip", "python3-pip"}, "npm": {"npm"}, "cmake": {"cmake"}, "ssh-keygen":
    {"openssh-client", "ssh", "openssh-server"}, "dirmngr": {"dirmngr", "gnupg"},
}  # fmt: skip


_CALLS = {"pecl": "make", "phpize": "make"}  # programs that run another


def only_recommended(snapshot: Snapshot, run: Run, place: int) -> list[str]:
    """Return programs that the stage runs from a place on, and installs nowhere by name."""
    used, known = snapshot.fact(_programs)[run.stage]
    found = {name for at, name in used if at > place}
    return sorted(name for name in found if not _BROUGHT_BY[name] & known)


def _programs(snapshot: Snapshot) -> dict[int, tuple[list[tuple[int, str]], set[str]]]:
    """Return where each stage runs such programs, and the packages that it names (a fact)."""
    found: dict[int, tuple[list[tuple[int, str]], set[str]]] = {}
    for stage in snapshot.graph.stages:
        inherited = found[stage.parent][1] if stage.parent is not None else set()
        found[stage.index] = ([], set(inherited))
    for run in snapshot.runs:
        used, known = found[run.stage]
        for command in run.script.commands() if run.script else ():
            name = _CALLS.get(command.name or "", command.name)
            if name in _BROUGHT_BY:
                used.append((run.place(command), name))
        for _, op in operations(run):
            if op.manager in APT and op.action == "install":
                known |= {bare_name(word.text) for word in op.arguments}
    return found


def is_minimal(image: Image) -> bool:
    """Whether a base brings next to no programs of its own."""
    return image.name in ("debian", "ubuntu") or "-slim" in image.tag


def has_comments(run: Run, command: Command) -> bool:
    """Whether comment lines stand between a command's words."""
    logical = run.instruction.logical
    span = logical.span(run.at(command.start), run.at(command.end))
    return any(span.start < comment.start < span.end for comment in run.instruction.comments)


class ListsAfter(NamedTuple):
    """What follows a RUN: commands that fail without lists, and those that may."""

    needed: tuple[str, ...]
    doubtful: tuple[Hazard, ...]


def lists_after(snapshot: Snapshot, run: Run) -> ListsAfter:
    """Return who would miss apt's lists if a RUN deleted them at its end."""
    stage = snapshot.build.stages[run.stage]
    walk = ListsWalk(Lists.ABSENT)
    walk.events(stage.events[stage.runs[run.ordinal] :], until_present=True)
    found = set(walk.found)
    pending = [] if walk.lists is Lists.PRESENT else [(run.stage, walk.lists)]
    while pending:
        index, lists = pending.pop()
        for child in snapshot.graph.children(index):
            inner = ListsWalk(lists)
            inner.events(snapshot.build.stages[child.index].events, until_present=True)
            found |= inner.found
            if inner.lists is not Lists.PRESENT:
                pending.append((child.index, inner.lists))
    needed = [h.subject for h in found if h.must]
    needed += snapshot.fact(_copied_lists).get(run.stage, [])
    doubtful = sorted((h for h in found if not h.must), key=lambda h: h.subject)
    return ListsAfter(tuple(sorted(needed)), tuple(doubtful))


def _copied_lists(snapshot: Snapshot) -> dict[int, list[str]]:
    """Return the COPY --from that may take apt's lists from a stage."""
    found: dict[int, list[str]] = {}
    for stage in snapshot.build.stages:
        for event in flat(stage.events):
            if isinstance(event, Copy) and isinstance(event.origin, int) and _copies_lists(event):
                found.setdefault(event.origin, []).append(event.text)
    return found


def _copies_lists(event: Copy) -> bool:
    paths = (source.text.rstrip("/*") for source in event.sources)
    return any("/var/lib/apt/lists".startswith(path) or "/var/lib/apt" in path for path in paths)


def mounts_lists(run: Run) -> bool:
    """Whether a mount keeps the lists out of the layer."""
    return covers_lists(tuple((f.name, f.value) for f in run.instruction.flags))


def cleaned_at_end(run: Run) -> bool:
    """Whether a RUN deletes apt's lists after its last update."""
    if run.script is None:
        return False
    cleaned = False
    for command in run.script.commands():
        if updates_lists(operation(command)):
            cleaned = False
        elif cleans_lists(command.argv):
            cleaned = True
    return cleaned


def output_stages(snapshot: Snapshot) -> frozenset[int]:
    """Return the stages whose layers can end up in an image.

    The last one, those that nothing refers to (they can be a `--target`), and what they start from.
    """
    stages = snapshot.graph.stages
    used: set[int] = set()
    for stage in stages:
        for ins in stage.instructions[1:]:
            for flag in (ins.trigger or ins).flags:
                value = flag.value or ""
                fields = value.split(",") if flag.name == "mount" else [f"{flag.name}={value}"]
                for item in fields:
                    key, _, name = item.partition("=")
                    if (
                        key == "from"
                        and (found := snapshot.graph.resolve(name, stage.index)) is not None
                    ):
                        used.add(found)
        if snapshot.graph.children(stage.index):
            used.add(stage.index)
    out = {stage.index for stage in stages if stage.index not in used} | {len(stages) - 1}
    for stage in reversed(stages):
        if any(child.index in out for child in snapshot.graph.children(stage.index)):
            out.add(stage.index)
    return frozenset(out)


_SHELLS = frozenset({"bash", "sh", "/bin/bash", "/bin/sh", "/bin/zsh", "zsh"})


# Their CMD installs packages, without an update (google/oss-fuzz PR 16125).
_INSTALL_WHEN_RUN = ("gcr.io/oss-fuzz-base/",)


def at_run_time(snapshot: Snapshot) -> str:
    """Return what is assumed of what a container runs; empty if the file itself says what."""
    last = snapshot.graph.stages[-1]
    if any(i.keyword in ("CMD", "ENTRYPOINT") for i in last.instructions) or last.image.known:
        return ""
    return f"what {last.image.reference[:80]} runs installs nothing from the lists"


def installs_when_run(snapshot: Snapshot) -> bool:
    """Whether containers of the image are known to install packages."""
    return any(s.image.reference.startswith(_INSTALL_WHEN_RUN) for s in snapshot.graph.stages)


def is_library(snapshot: Snapshot) -> bool:
    """Whether other images probably start from this one: by its name, or as it runs nothing."""
    if snapshot.published or any(i.keyword == "ONBUILD" for i in snapshot.dockerfile.instructions):
        return True
    last = snapshot.graph.stages[-1]
    starts = [i for i in last.instructions if i.keyword in ("CMD", "ENTRYPOINT")]
    return all((i.json or i.args.split() or ("sh",))[0] in _SHELLS for i in starts)
