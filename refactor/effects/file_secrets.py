"""A file of the build context becomes a secret: RUNs that read it find it where a copy put it.

A file that is copied is there for each later instruction of the stage, and for what takes the
stage. So all of them are looked at, in all stages that a copy brings the file into. What is left
of the copies, and a rule in .dockerignore where a copy of a folder brings it, is stated here.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from refactor.effects.build import with_flag
from refactor.effects.events import Build, Copy, Event, flat
from refactor.effects.file_copies import (
    PLAIN_PATH,
    bringing,
    covers,
    in_project,
    makes,
    why_not_left_out,
)
from refactor.effects.file_reads import Unfit, Walk, is_rewritten, mounts, readers_of, told
from refactor.facts.images import Image
from refactor.facts.stages import Graph
from refactor.sent import MAX_TEXT, Sent

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings

_OWNS = frozenset({"chown", "chmod"})
_STARTS = frozenset("node python python3 gunicorn uvicorn java nginx".split())


class Scope(NamedTuple):
    """What a stage does with the file.

    `named` are the copies that name it, by their event; `brought` is whether another copy brings
    it. `mounts` are the RUNs that get the mount, none where no program is known to look for it
    there; `gone` are the events that delete the file or say who may read it. `left` is whether it
    is there at the end, `kept` whether the stage's containers had it. A file that is put into
    several places of a stage has a scope for each.
    """

    stage: int
    target: str
    named: tuple[int, ...]
    brought: bool
    mounts: tuple[int, ...]
    gone: tuple[int, ...]
    left: bool
    kept: bool
    flag: tuple[str, str]


def secret_id(path: str) -> str:
    """Return a name for the secret that a file is: two files of one name are two secrets."""
    folder, name = posixpath.split(path)
    return re.sub(r"\W+", "_", folder) + "_" * bool(folder) + re.sub(r"\W", "", name)


def scopes(
    build: Build, graph: Graph, around: Surroundings, path: str
) -> tuple[Scope, ...] | Unfit:
    """Return what each stage does that a copy brings the file into, or why the file stays."""
    sent, found = around.sent, []
    if sent is None or not sent.complete:
        return Unfit("X742", "the files of the build context are not all known", "make it smaller")
    same = re.compile(rf"(?:\A|,)id={secret_id(path)}(?:,|\Z)")
    for index, stage in enumerate(build.stages):
        if any(same.search(v or "") for event in flat(stage.events) for v in mounts(event)):
            return Unfit("X747", f"a RUN has a secret {secret_id(path)}", "mount the file by hand")
        if dict(stage.config)["onbuild"]:
            return Unfit("X743", "ONBUILD leaves instructions to other builds", "drop ONBUILD")
        brought = bringing(stage, sent, path)
        if isinstance(brought, Unfit):
            return brought
        for target in dict.fromkeys(target for target, _ in brought.values()):
            image = graph.stages[index].image
            scope = _scope(build, index, image, sent, path, target, brought)
            scope = scope if isinstance(scope, Unfit) else _used(build, scope, around, path)
            if isinstance(scope, Unfit):
                return scope
            found.append(scope)
    if not any(scope.mounts for scope in found):
        return Unfit("X745", f"no command is known to read {path} where it is put", "drop the copy")
    if is_rewritten(path, sent.text(path) or ""):
        return Unfit("X747", f"what reads {path} renews a token in it",
                     "use a token that does not end")  # fmt: skip
    if any(scope.brought for scope in found):
        return why_not_left_out(build, sent, path) or tuple(found)
    return tuple(found)


def _scope(
    build: Build, index: int, image: Image, sent: Sent, path: str, target: str,
    copies: dict[int, tuple[str, bool]],
) -> Scope | Unfit:  # fmt: skip
    """Return what a stage does with the file at one place, of those where copies put it."""
    stage = build.stages[index]
    brought = {at: named for at, (place, named) in copies.items() if place == target}
    if posixpath.basename(target) != posixpath.basename(path):
        return Unfit("X742", f"{target} may be a folder, or another name of {path}",
                     "end the folder with a slash")  # fmt: skip
    if not PLAIN_PATH.fullmatch(target):
        return Unfit("X742", f"a mount cannot name {target}", "copy it to a plain path")
    for event in stage.events[min(brought) :]:
        other = isinstance(event, Copy) and event.origin is not None
        if other and isinstance(event, Copy) and covers(event.destination.text, target):
            return Unfit("X742", f"`{told(event)}` may bring another {path}", "copy less")
    others = frozenset(place for place, _ in copies.values()) - {target}
    walk = Walk(stage, image, target, path, others)
    walk.made = makes(stage.events[: min(brought) + 1], sent, target)
    for copy in (stage.events[at] for at in brought):
        if walk.made and isinstance(copy, Copy) and any(n in _OWNS for n, _ in copy.flags):
            return Unfit("X747", f"`{told(copy)}` makes {walk.made}, and says whose it is",
                         "make the folder in a RUN")  # fmt: skip
    walk.packed = "dotnet" in walk.readers and in_project(stage, sent, target)
    there = False
    gone: list[int] = []
    mounted: list[int] = []
    for number, (start, end) in enumerate(zip((0, *stage.runs), stage.runs, strict=False)):
        there = there or any(at in brought for at in range(start, end))
        events = [at for at in range(start, end) if not isinstance(stage.events[at], Copy)]
        if not there:
            continue
        walk.makes = makes(stage.events[:end], sent, target)
        ends = [at for at in events if walk.removes(stage.events[at])]
        readied = [at for at in events if walk.readies(stage.events[at])]
        if ends and any(walk.reads(e) for e in flat(stage.events[ends[0] : end])):
            return Unfit("X747", f"{target} is removed before another command that reads it",
                         "remove it last")  # fmt: skip
        reads = walk.run([stage.events[at] for at in events if at not in (*ends, *readied)])
        if isinstance(reads, Unfit):
            return reads
        if reads:
            mounted.append(number)
        gone += (*ends, *readied)
        there = not ends
    left = there or max(brought) >= (0, *stage.runs)[-1]
    flag = f"type=secret,id={secret_id(path)},target={target}" + walk.mode + ",required=true"
    return Scope(
        index, target, tuple(at for at, named in brought.items() if named),
        not all(brought.values()), tuple(mounted) if walk.found else (), tuple(sorted(gone)),
        left, False, ("mount", flag),
    )  # fmt: skip


def _used(build: Build, scope: Scope, around: Surroundings, path: str) -> Scope | Unfit:
    """Return the scope with whether containers have the file; or what may read it later."""
    if not scope.left:
        return scope
    used = False
    for other in build.stages:
        if other.base == scope.stage:
            return Unfit("X743", "another stage starts from it, and has the file",
                         "remove the file in the RUN that reads it")  # fmt: skip
        for event in flat(other.events):
            if isinstance(event, Copy) and event.origin == scope.stage:
                used = True
                if any(covers(source.text, scope.target) for source in event.sources):
                    return Unfit("X743", f"`{told(event)}` takes {scope.target} along",
                                 "copy what is needed, by its name")  # fmt: skip
            elif any(f"from={scope.stage}" in (value or "") for value in mounts(event)):
                return Unfit("X743", "a RUN mounts the stage", "mount what is needed")
    known = around.invocations
    asked = known is not None and build.stages[scope.stage].name in known.targets
    config = dict(build.stages[scope.stage].config)
    started = any(config.get(key) for key in ("entrypoint", "cmd"))
    if used and not asked and not started and scope.stage < len(build.stages) - 1:
        return scope
    said = known.commands if known else ()
    programs = {_program(words.argv) for words in said} | {_started(config)}
    if readers := programs - _STARTS:
        what = f"`{min(readers)}`" if min(readers) else "what they start"
        return Unfit("X743", f"containers have {scope.target}, and {what} may read it",
                     "remove it in the RUN that reads it")  # fmt: skip
    words = [str(config.get(key)) for key in ("entrypoint", "cmd")]
    words += [" ".join(command.argv) for command in said]
    names = "|".join(map(re.escape, readers_of(path)))
    if match := re.search(rf"(?<!\w)(?:{names})(?![a-zA-Z_])", " ".join(words)):
        return Unfit("X743", f"containers have {scope.target}, and start `{match[0]}`",
                     "remove it in the RUN that reads it")  # fmt: skip
    checked = str(config.get("healthcheck", ""))
    if any(word in checked for word in readers_of(path)):
        return Unfit("X743", f"HEALTHCHECK may read {scope.target}", "check it otherwise")
    return scope._replace(kept=True)


def _started(config: dict[str, object]) -> str:
    """Return the program that containers start, empty if it is not known."""
    for key in ("entrypoint", "cmd"):
        said = config.get(key)
        if isinstance(said, tuple) and said:
            return _program(said[1]) if said[0] == "json" else ""
    return ""


def _program(words: tuple[str, ...]) -> str:
    return posixpath.basename(words[0]) if words else ""


def footprint(label: str, path: str) -> frozenset[str]:
    """Return what a change claims that makes a secret of the file that a stage gets."""
    return frozenset({f"stage {label}", f"file {path} becomes a secret"})


def claimed(words: frozenset[str]) -> str:
    """Return the file of such a claim, empty if it is another one."""
    found = (re.fullmatch(r"file (.+) becomes a secret", word) for word in words)
    match = next(filter(None, found), None)
    return match[1] if match and len(words) == 2 else ""


def ignored_footprint(path: str) -> frozenset[str]:
    """Return what a change claims that leaves a file out of the build context."""
    return frozenset({"context", f"file {path} is left out"})


def left_out(words: frozenset[str]) -> str:
    """Return the file of such a claim, empty if it is another one."""
    text = "\n".join(sorted(words))
    match = re.fullmatch(r"context\nfile (.+) is left out", text)
    return match[1] if match else ""


def ignored(text: str, path: str) -> str:
    """Return the rules of a .dockerignore with one more, that leaves a file out."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lead = newline if text and not text.endswith("\n") else ""
    return f"{text}{lead}{path}{newline}"


def mounted(build: Build, scopes: tuple[Scope, ...], path: str) -> Build:
    """Return a build in which a stage gets the file by mounts, and no longer by copies."""
    index = scopes[0].stage
    stage = build.stages[index]
    gone = {at for scope in scopes for at in scope.gone}
    named = {at for scope in scopes for at in scope.named}
    events: list[Event] = []
    runs: list[int] = []
    layers = stage.layers
    start = 0
    for number, end in enumerate((*stage.runs, len(stage.events))):
        flags = [scope.flag for scope in scopes if number in scope.mounts]
        own = [at for at in range(start, end) if not isinstance(stage.events[at], Copy)]
        for at in (at for at in range(start, end) if at not in gone):
            event = stage.events[at]
            if isinstance(event, Copy) and at in named:
                rest = tuple(s for s in event.sources if posixpath.normpath(s.text) != path)
                layers -= not rest
                events += [replace(event, sources=rest)] if rest else []
            else:
                for flag in flags:
                    event = with_flag(event, flag)
                events.append(event)
        emptied = bool(own) and gone.issuperset(own)
        layers -= emptied
        if number < len(stage.runs) and not emptied:
            runs.append(len(events))
        start = end
    stages = list(build.stages)
    stages[index] = replace(stage, events=tuple(events), runs=tuple(runs), layers=layers)
    return build._replace(stages=tuple(stages))


def secured(
    before: Build, after: Surroundings, around: Surroundings, graph: Graph,
    wanted: dict[str, set[str]], assumes: frozenset[str],
) -> Build | str:  # fmt: skip
    """Return the build before with files as secrets, each in the stages of those labels."""
    build = before
    for path, labels in wanted.items():
        found = scopes(before, graph, around, path)
        if isinstance(found, Unfit):
            return found.reason
        if {graph.stages[scope.stage].label for scope in found} != labels:
            return f"other stages have {path}"
        if missing := set(assumptions(found, path)) - assumes:
            return f"not assumed: {min(missing)}"
        for index in {scope.stage for scope in found}:
            here = tuple(scope for scope in found if scope.stage == index)
            build = mounted(build, here, path)
        brought = any(scope.brought for scope in found)
        if brought and after.sent is not None and path in after.sent.files:
            return f"a copy of a folder still takes {path}"
    return build


def assumptions(found: tuple[Scope, ...], path: str) -> tuple[str, ...]:
    """Return what the project does not say of those who read the file."""
    said = [f"whoever builds passes {path} as a secret"]
    said += (
        f"no script that is run by what reads {scope.target} writes it, or hands it on"
        if scope.mounts
        else f"nothing reads {scope.target}: no program is known to look for it there"
        for scope in found
    )
    if posixpath.basename(path) == ".git-credentials":
        said.append(f"no URL that git asks has a password, which it could not store in {path}")
    if any(scope.kept for scope in found):
        said.append(f"nothing in a container reads {path}")
    return tuple(dict.fromkeys(said))


def difference(around: tuple[Surroundings, Surroundings], paths: frozenset[str]) -> str | None:
    """Return what else than rules that leave files out is in the context's .dockerignore."""
    old, new = around[0].sent, around[1].sent
    if old is None or new is None or old.source != new.source:
        return "the rules of the build context are others"
    texts = [sent.context.head(sent.source, MAX_TEXT).decode("utf-8", "replace")
             for sent in (old, new)]  # fmt: skip
    expected = texts[0]
    for path in sorted(paths):
        expected = ignored(expected, path)
    lost = {path for path in old.files if path not in new.files}
    more = {path for path in new.files if path not in old.files} - {new.source}
    if texts[1] != expected or lost != paths or more:
        return f"{new.source} leaves out something else"
    return None
