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
from refactor.effects.events import Build, Copy, Event, Stage, flat
from refactor.effects.file_reads import Unfit, Walk, mounts, readers_of
from refactor.effects.placed import Placed
from refactor.facts.images import Image
from refactor.facts.stages import Graph
from refactor.sent import MAX_TEXT, Sent

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings

_STARTS = frozenset("node python python3 gunicorn uvicorn java nginx".split())
_PLAIN = re.compile(r"[\w@%+=:,./-]*", re.ASCII)
_RULE = re.compile(r"[\w./-]+", re.ASCII)


class Scope(NamedTuple):
    """What a stage does with the file.

    `named` are the copies that name it, by their event; `brought` is whether another copy brings
    it. `mounts` are the RUNs that get the mount, `gone` the events that delete the file. `left` is
    whether it is there at the end, `kept` whether the stage's containers had it.
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
        brought = _brought(stage, sent, path)
        if isinstance(brought, Unfit):
            return brought
        if brought:
            scope = _scope(build, index, graph.stages[index].image, path, brought)
            scope = scope if isinstance(scope, Unfit) else _used(build, scope, around, path)
            if isinstance(scope, Unfit):
                return scope
            found.append(scope)
    if not any(scope.mounts for scope in found):
        return Unfit("X745", f"no command is known to read {path} where it is put", "drop the copy")
    if any(scope.brought for scope in found):
        return _left_out(build, sent, path) or tuple(found)
    return tuple(found)


def _left_out(build: Build, sent: Sent, path: str) -> Unfit | None:
    """Return why a rule of .dockerignore cannot keep the file from copies of folders."""
    folders = [
        posixpath.normpath(source.text)
        for stage in build.stages for event in stage.events
        if isinstance(event, Copy) and event.origin is None
        for source in event.sources
        if posixpath.normpath(source.text) != path
    ]  # fmt: skip
    if not sent.complete or not _RULE.fullmatch(path):
        return Unfit("X746", "the files of the build context are not all known", "make it smaller")
    for folder in folders:
        inside = [name for name in sent.files if _covers(folder, f"/{name}") or name == folder]
        pattern = not _PLAIN.fullmatch(folder)
        if (path in inside or pattern) and (pattern or set(inside) <= {path}):
            return Unfit("X746", f"nothing may be left of `{folder}` without {path}",
                         "copy the folder")  # fmt: skip
    return None


def _brought(stage: Stage, sent: Sent, path: str) -> dict[int, tuple[str, bool]] | Unfit:
    """Return the copies that bring a file into a stage: where to, and whether they name it."""
    placed, found = Placed(sent), {}
    for at, event in enumerate(stage.events):
        if not isinstance(event, Copy) or event.origin is not None:
            continue
        copied = placed.puts(event)
        if copied is None:
            if event.inline and not event.sources:
                continue
            return Unfit("X742", f"what `{event.text[:60]}` copies is not known", "name the files")
        targets = [target for target, source in copied.items() if source == path]
        if len(targets) > 1:
            return Unfit("X742", f"`{event.text[:60]}` copies {path} twice", "copy it once")
        if targets:
            found[at] = (targets[0], any(posixpath.normpath(s.text) == path for s in event.sources))
        placed.take(copied)
    if len({target for target, _ in found.values()}) > 1:
        return Unfit("X742", f"a stage has {path} in several places", "copy it to one place")
    return found


def _scope(
    build: Build, index: int, image: Image, path: str, brought: dict[int, tuple[str, bool]]
) -> Scope | Unfit:
    stage, first = build.stages[index], min(brought)
    target = brought[first][0]
    for event in stage.events[first:]:
        other = isinstance(event, Copy) and event.origin is not None
        if other and isinstance(event, Copy) and _covers(event.destination.text, target):
            return Unfit("X742", f"`{event.text[:60]}` may bring another {path}", "copy less")
    walk = Walk(stage, image, target, path)
    there = False
    gone: list[int] = []
    mounted: list[int] = []
    for number, (start, end) in enumerate(zip((0, *stage.runs), stage.runs, strict=False)):
        there = there or any(at in brought for at in range(start, end))
        events = [at for at in range(start, end) if not isinstance(stage.events[at], Copy)]
        if not there:
            continue
        ends = [at for at in events if walk.removes(stage.events[at])]
        if len(ends) > 1 or (ends and ends[0] != events[-1]):
            return Unfit("X747", f"{target} is removed between other commands", "remove it last")
        reads = walk.run([stage.events[at] for at in events if at not in ends])
        if isinstance(reads, Unfit):
            return reads
        if reads:
            mounted.append(number)
        gone += ends
        there = not ends
    left = there or max(brought) >= (0, *stage.runs)[-1]
    named = tuple(at for at, (_, name) in brought.items() if name)
    flag = f"type=secret,id={secret_id(path)},target={target}" + walk.mode + ",required=true"
    brings = len(named) < len(brought)
    return Scope(
        index, target, named, brings, tuple(mounted), tuple(gone), left, False, ("mount", flag)
    )


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
                if any(_covers(source.text, scope.target) for source in event.sources):
                    return Unfit("X743", f"`{event.text[:60]}` takes {scope.target} along",
                                 "copy what is needed, by its name")  # fmt: skip
            elif any(f"from={scope.stage}" in (value or "") for value in mounts(event)):
                return Unfit("X743", "a RUN mounts the stage", "mount what is needed")
    known = around.invocations
    asked = known is not None and build.stages[scope.stage].name in known.targets
    if used and not asked and scope.stage < len(build.stages) - 1:
        return scope
    said = known.commands if known else ()
    config = dict(build.stages[scope.stage].config)
    programs = {_program(words.argv) for words in said} | {_started(config)}
    if readers := programs - _STARTS:
        what = f"`{min(readers)}`" if min(readers) else "what they start"
        return Unfit("X743", f"containers have {scope.target}, and {what} may read it",
                     "remove it in the RUN that reads it")  # fmt: skip
    checked = str(config.get("healthcheck", ""))
    if any(word in checked for word in readers_of(path)):
        return Unfit("X743", f"HEALTHCHECK may read {scope.target}", "check it otherwise")
    return scope._replace(kept=True)


def _covers(source: str, target: str) -> bool:
    """Whether a source of a copy may take a path along."""
    path = posixpath.normpath("/" + source.lstrip("/"))
    return not _PLAIN.fullmatch(source) or f"{target}/".startswith(path.rstrip("/") + "/")


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


def mounted(build: Build, scope: Scope, path: str) -> Build:
    """Return a build in which a stage gets the file by mounts, and no longer by copies."""
    stage = build.stages[scope.stage]
    events: list[Event] = []
    runs: list[int] = []
    layers = stage.layers
    ends = {end: number for number, end in enumerate(stage.runs)}
    for at, event in enumerate(stage.events):
        if at in scope.gone:
            new: Event | None = None
        elif at in scope.named:
            assert isinstance(event, Copy)
            rest = tuple(s for s in event.sources if posixpath.normpath(s.text) != path)
            new = replace(event, sources=rest) if rest else None
            layers -= not rest
        elif _run_of(stage, at) in scope.mounts and not isinstance(event, Copy):
            new = with_flag(event, scope.flag)
        else:
            new = event
        events += [new] if new is not None else []
        if at + 1 in ends:
            own = stage.events[stage.runs[ends[at + 1] - 1] if ends[at + 1] else 0 : at + 1]
            if at in scope.gone and sum(not isinstance(e, Copy) for e in own) == 1:
                layers -= 1
            else:
                runs.append(len(events))
    stages = list(build.stages)
    stages[scope.stage] = replace(stage, events=tuple(events), runs=tuple(runs), layers=layers)
    return build._replace(stages=tuple(stages))


def _run_of(stage: Stage, at: int) -> int:
    return next((n for n, end in enumerate(stage.runs) if at < end), -1)


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
        for scope in found:
            build = mounted(build, scope, path)
        brought = any(scope.brought for scope in found)
        if brought and after.sent is not None and path in after.sent.files:
            return f"a copy of a folder still takes {path}"
    return build


def assumptions(found: tuple[Scope, ...], path: str) -> tuple[str, ...]:
    """Return what the project does not say of those who read the file."""
    said = [
        f"whoever builds passes {path} as a secret",
        f"no script that is run by what reads {found[0].target} writes it, or hands it on",
    ]
    if any(scope.kept for scope in found):
        said.append(f"nothing in a container reads {path}")
    return tuple(said)


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
