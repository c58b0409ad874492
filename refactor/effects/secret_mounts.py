"""A build argument becomes a secret: what may read it gets it from a mount, and nothing keeps it.

All that differs then is stated here: the argument is not declared, an ENV that hands it on is gone
where no image has it, and RUNs have the mount. A RUN without it can read the secret no more, so it
must be known not to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from refactor.effects.build import number, with_digests, with_flag
from refactor.effects.events import Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.effects.kept_secrets import kept, may_read, names
from refactor.facts.stages import Graph
from refactor.words import Value, expand, pairs, parse_words

_VARIABLE = re.compile(r"(?:\A|,)env=(\w+)")
_TESTED = r"-[nz]\s+[\"']?\$\{{?{0}\b|\$\{{{0}:?[-+]"


def footprint(label: str, name: str) -> frozenset[str]:
    """Return what a change claims that makes a stage's argument a secret."""
    return frozenset({f"stage {label}", f"ARG {name} becomes a secret"})


def claimed(words: frozenset[str]) -> tuple[str, str] | None:
    """Return the stage's label and the argument's name of such a claim."""
    text = "\n".join(sorted(words))
    match = re.fullmatch(r"ARG (\w+) becomes a secret\nstage (.+)", text)
    return (match[2], match[1]) if match else None


def mount(name: str, required: bool) -> str:
    """Return the value of the `--mount` by which a RUN finds a secret in its environment."""
    return f"type=secret,id={name},env={name}" + ",required=true" * required


def is_tested(text: str, name: str) -> bool:
    """Whether a script asks if a variable has a value: it can do without."""
    return bool(re.search(_TESTED.format(re.escape(name)), text))


def leaks(stage: Stage, arguments: frozenset[str]) -> Iterator[str]:
    """Yield the names of the secrets that a stage's layers keep.

    Secrets are those that a RUN finds in its environment by a mount, and some `arguments`.
    """
    for start, end in zip((0, *stage.runs), stage.runs, strict=False):
        events = stage.events[start:end]
        own = tuple(event for event in events if not isinstance(event, Copy))
        flags = {value or "" for event in flat(own) for _, value in _flags(event)}
        mounted = {n for v in flags if "type=secret" in v for n in _VARIABLE.findall(v)}
        for name in sorted(mounted | arguments):
            inline = any(names(event, name) for event in events if isinstance(event, Copy))
            if inline or kept(own, name):
                yield name


def secured(
    before: Build, after: Build, wanted: list[tuple[str, str]], graph: Graph
) -> Build | str:
    """Return the build before with arguments as secrets; or why they are none.

    `wanted` are labels of stages, each with the name of an argument.
    """
    stages = list(before.stages)
    for label, name in wanted:
        index = next((i for i, s in enumerate(stages) if (s.name or str(i)) == label), None)
        if index is None:
            return f"there is no stage {label}"
        found = _secured(before, after, index, name, graph)
        if isinstance(found, str):
            return f"stage {label}: {found}"
        stages[index] = found
    return before._replace(stages=tuple(stages))


def _secured(before: Build, after: Build, index: int, name: str, graph: Graph) -> Stage | str:
    stage = before.stages[index]
    config = dict(stage.config)
    if any(other.base == index for other in before.stages) or config["onbuild"]:
        return f"what starts from it may read {name}"
    declared = _declared(graph, index, name, dict(before.directives).get("escape", "\\"))
    if declared is None:
        return f"{name} is not declared once, with a value that is known"
    argument, handed = declared
    if handed and index in _outputs(before):
        return f"{name} is in the environment of an image"
    env, args = number(name, handed) if handed else 0, number(name, argument)
    events = _mounted(stage, after.stages[index], name, {(0, args), (env, args)})
    if isinstance(events, str):
        return events
    assert isinstance(config["args"], int)
    assert isinstance(config["env"], tuple)
    config["args"] ^= args
    config["env"] = tuple(pair for pair in config["env"] if pair != (name, handed))
    return replace(stage, events=events, config=tuple(sorted(config.items())))


def _mounted(
    before: Stage, after: Stage, name: str, digests: set[tuple[int, int]]
) -> tuple[Event, ...] | str:
    """Return a stage's events without a variable, with the mounts that RUNs have afterwards."""
    events: list[Event] = []
    for start, end in zip((0, *before.runs), before.runs, strict=False):
        own = [e for e in before.events[start:end] if not isinstance(e, Copy)]
        found = {flag for e in flat(after.events[start:end]) for flag in _flags(e)}
        flags = [("mount", mount(name, required)) for required in (True, False)]
        flag = next((flag for flag in flags if flag in found), None)
        if flag and (text := kept(tuple(own), name)):
            return f"the secret stays in the layer: {text[:80]}"
        for old, new in zip(before.events[start:end], after.events[start:end], strict=False):
            plain = (with_digests(old, env, args) for env, args in digests)
            given = (with_flag(event, flag) if flag else event for event in plain)
            there = next((e for e in given if _setting(e) == _setting(new)), old)
            if there is not old and flag is None and may_read(old, name):
                return f"{old.text[:80]!r} may read {name}, and has no mount"
            events.append(there)
    return (*events, *before.events[len(events) :])


def _setting(event: Event) -> object:
    first = next((e for e in flat((event,)) if isinstance(e, Exec | Verbatim)), None)
    return first.setting if first else None


def _flags(event: Event) -> tuple[tuple[str, str | None], ...]:
    return event.setting.flags if isinstance(event, Exec | Verbatim) else ()


def _declared(
    graph: Graph, index: int, name: str, escape: str
) -> tuple[Value, Value | None] | None:
    """Return the value of an argument, and that of the ENV that hands it on; None if not sure."""
    argument: Value | None = None
    handed: Value | None = None
    for ins in (*graph.globals, *graph.stages[index].instructions[1:]):
        if ins.keyword == "ARG":
            for word in parse_words(ins.args, escape):
                if word.partition("=")[0] != name:
                    continue
                _, equals, default = word.partition("=")
                if argument or "$" in default or ins in graph.globals:
                    return None
                text = expand(default, {}, escape).text
                argument = Value(text, f"ARG {name}{equals}{text}")
        elif ins.keyword == "ENV":
            for key, value in pairs(ins, escape):
                if key == name and argument and not handed and names_only(value, name):
                    handed = expand(value, {name: argument}, escape)
                elif key == name:
                    return None
    return (argument, handed) if argument else None


def names_only(word: str, name: str) -> bool:
    """Whether a word is a variable, and nothing else."""
    return word.strip('"') in (f"${name}", f"${{{name}}}")


def _outputs(build: Build) -> set[int]:
    """Return the stages that may be images: the last, and those that nothing takes files from."""
    used: set[int] = set()
    for stage in build.stages:
        for event in flat(stage.events):
            if isinstance(event, Copy) and isinstance(event.origin, int):
                used.add(event.origin)
            mounts = [value or "" for key, value in _flags(event) if key == "mount"]
            used |= {int(n) for value in mounts for n in re.findall(r"\bfrom=(\d+)", value)}
    return ({*range(len(build.stages))} - used) | {len(build.stages) - 1}
