"""A build argument becomes a secret: what may read it gets it from a mount, and nothing keeps it.

All that differs then is stated here: the argument is not declared, an ENV that hands it on is gone
where no image has it, and RUNs have the mount. A RUN without it can read the secret no more, so it
must be known not to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from refactor.effects.build import number, with_digests, with_flag
from refactor.effects.events import Block, Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.facts.packages import command_of, unwrap
from refactor.facts.stages import Graph
from refactor.knowledge import table
from refactor.words import Value, expand, pairs, parse_words

_VARIABLE = re.compile(r"(?:\A|,)env=(\w+)")
# These tell all variables there are.
_TELL = frozenset({"env", "printenv", "export -p", "export", "set", "envsubst"})
_HOME = r"(?:~|\$HOME|\$\{HOME\}|/root|/home/[\w.-]+)/"  # where programs keep a user's settings
_TARGET = re.compile(r"(?:\d|&)?>{1,2}\|?\s*(\S+)")
_NO_FILE = re.compile(r"/dev/(?:null|stdout|stderr|tty|fd/\d)\Z|&?[\d-]\Z")
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


def names(event: Event, name: str) -> bool:
    """Whether an event names a variable."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    if isinstance(event, Block):
        return any(
            names(p, name) if not isinstance(p, str) else word.search(p) for p in event.parts
        )
    if isinstance(event, Exec):
        texts = (*event.argv, *event.assignments, *event.redirects)
    else:
        texts = (event.content,) if isinstance(event, Verbatim) else event.inline
    return any(map(word.search, texts))


def may_read(event: Event, name: str) -> bool:
    """Whether a command may read a variable of its environment: all do but those with a small row.

    What neither runs other programs nor has settings of the user's looks for no secret.
    """
    if isinstance(event, Copy):
        return False
    if isinstance(event, Verbatim) or names(event, name):
        return True
    if isinstance(event, Block):
        return any(may_read(part, name) for part in event.parts if not isinstance(part, str))
    if any("$(" in word or "`" in word for word in (*event.argv, *event.assignments)):
        return True
    words, _ = unwrap(command_of(event.argv).words)
    if not words:
        return bool(event.argv)
    reads = _reads().get(words[0].text)
    return reads is None or bool(reads & {"any", "home"})


@lru_cache(maxsize=1)
def _reads() -> dict[str, frozenset[str]]:
    return {row["command"]: frozenset(row["reads"].split()) for row in table("commands")}


def kept(events: tuple[Event, ...], name: str) -> str:
    """Return the command of a RUN that leaves a variable's value in the layer, empty if none does.

    What a later command of the RUN deletes is not left.
    """
    own = list(flat(events))
    for event in _concerned(events, name):
        if isinstance(event, Verbatim):
            return event.text
        later = own[next(i for i, e in enumerate(own) if e is event) + 1 :]
        if isinstance(event, Exec) and not all(_deleted(later, t, event) for t in _targets(event)):
            return event.text
    blocks = (e for e in events if isinstance(e, Block) and names(e, name))
    written = (b for b in blocks if any(_written(token) for token in _tokens(b)))
    return next((block.text for block in written), "")  # `{ ...; } > file`


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


def _concerned(events: tuple[Event | str, ...], name: str) -> Iterator[Event]:
    """Yield the commands that name a variable, get its value by a pipe, or tell all variables."""
    for event in events:
        if isinstance(event, Block):
            piped = event.kind.endswith("|") and names(event, name)
            yield from flat(event.parts) if piped else _concerned(event.parts, name)
        elif not isinstance(event, str):
            tells = isinstance(event, Exec) and " ".join(event.argv[:2]) in _TELL
            if tells or names(event, name):
                yield event


def _tokens(block: Block) -> Iterator[str]:
    for part in block.parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Block):
            yield from _tokens(part)


def _targets(event: Exec) -> Iterator[str]:
    """Yield patterns of the files that a command writes a word of its own into."""
    if event.argv[:1] not in (("curl",), ("wget",)):  # they write the answer
        yield from (re.escape(path) for path in map(_written, event.redirects) if path)
    if event.argv[:1] == ("tee",):
        yield from (re.escape(word) for word in event.argv[1:] if not word.startswith("-"))
        return
    line = " ".join(event.argv)
    yield from (_HOME + file for pattern, file in _writers() if pattern.match(line))


def _written(redirect: str) -> str:
    match = _TARGET.match(redirect)
    return match[1].strip("\"'") if match and not _NO_FILE.match(match[1]) else ""


@lru_cache(maxsize=1)
def _writers() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return what writes words of its own into a file, and that file if it is known."""
    rows = (row for row in table("secrets") if row["kind"] == "kept")
    return tuple((re.compile(row["pattern"]), row["what"]) for row in rows)


def _deleted(later: list[Event], target: str, writer: Exec) -> bool:
    """Whether a command behind another deletes what that has written, for certain."""
    deletes = (
        event
        for event in later
        if isinstance(event, Exec) and event.argv[:1] == ("rm",) and event.must
        and _folder(event) == _folder(writer)
    )  # fmt: skip
    return any(
        re.fullmatch(target, word.strip('"')) for event in deletes for word in event.argv[1:]
    )


def _folder(event: Exec) -> tuple[str, ...]:
    return tuple(text for text in event.shell_state if text.startswith(("cd", "push", "pop")))


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
