"""A stage whose shell has `pipefail`: what its commands then do otherwise, and what hinders it.

SHELL holds for everything behind it: the other RUNs, CMD, ENTRYPOINT and HEALTHCHECK in shell
form, and the stages that start from this one. With `pipefail` a pipe fails if any command in it
does; one that its reader leaves alone ends with status 141, where it ended unseen before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.build import with_shell
from refactor.effects.events import Block, Build, Event, Exec, Stage, Verbatim, flat
from refactor.facts.images import Family, Image
from refactor.facts.stages import DEFAULT_SHELL
from refactor.model import Unfit as Unfit

BASH = ("/bin/bash", "-o", "pipefail", "-c")
ASH = ("/bin/ash", "-o", "pipefail", "-c")
_HAS_BASH = frozenset({Family.DEBIAN, Family.UBUNTU, Family.RHEL, Family.SUSE, Family.ARCH})
_DASH = frozenset({Family.DEBIAN, Family.UBUNTU})
_SMALL = re.compile(r"micro|busybox|distroless")
_READS_ALL = "write it so that each command reads all that it is sent"
# Readers that may stop early: what writes to them then ends with SIGPIPE.
_EARLY = re.compile(
    r"\|&?\s*(?:sudo\s+)?(?:"
    r"(?:head|less|more|true|read|dd|:)(?![\w-])"
    r"|[efz]?grep\b[^|]*\s(?:-[a-zA-Z]*[qmlL]|--quiet|--silent|--max-count|--files-with)"
    r"|sed\b[^|]*(?<![a-z])[qQ](?![a-z])"
    r"|[gmn]?awk\b[^|]*\bexit\b)"
)
# Writers whose failure often means nothing: no line found, a difference, a reader that had enough.
_FAILING = re.compile(
    r"(?:\A|[|;&({`]|\b(?:then|do|else|sudo)\b)\s*"
    r"(?:yes|[efz]?grep|diff|cmp|expr|which|ldd|pgrep|command|type|test|\[|xargs|dpkg(?:-query)?|"
    r"readlink|find\s[^|;&]*-exec(?:dir)?)\s[^|;&]*\|(?!\|)"
)
_CONDITIONS = frozenset({"if", "elif", "while", "until"})
_ENDS_OF_CONDITION = frozenset({"then", "do"})
# Commands of bash that dash does not have, or takes for a program.
_BASH_ONLY = frozenset(
    "source declare typeset pushd popd dirs shopt let mapfile readarray enable disown caller bind "
    "builtin compgen complete compopt help history logout suspend time".split()
)


def shell_for(image: Image) -> tuple[str, ...]:
    """Return the shell with `pipefail` that an image surely has; nothing if none is known."""
    if image.family is Family.ALPINE:
        return ASH
    known = image.family in _HAS_BASH and not _SMALL.search(f"{image.name}:{image.tag}")
    return BASH if known else ()


def is_piped(event: Event) -> bool:
    """Whether a command of the default shell is a pipe that may fail unseen."""
    return any(_shell(part) == () for part in flat((event,))) and bool(list(_pipes(event)))


def _pipes(event: Event | str) -> Iterator[Block]:
    if isinstance(event, Block):
        if "|" in event.parts:
            yield event
        for part in event.parts:
            yield from _pipes(part)


def _shell(event: Event) -> tuple[str, ...] | None:
    return event.setting.shell if isinstance(event, Exec | Verbatim) else None


def _set_back(before: Stage, after: Stage) -> Stage:
    """Return a stage with the default shell said in front of the starts that have it anyway."""
    old, new = dict(before.config), dict(after.config)
    if (old["shell"], new["shell"]) != ((), DEFAULT_SHELL):
        return before
    for key in ("cmd", "entrypoint", "healthcheck"):
        value, said = old.get(key), new.get(key)
        if isinstance(value, tuple) and isinstance(said, tuple) and value[0] == "shell":
            kind, text, shell, flags = value
            if (shell, said[2]) == ((), DEFAULT_SHELL):
                old[key] = (kind, text, DEFAULT_SHELL, flags)
    return replace(before, config=tuple(sorted((old | {"shell": DEFAULT_SHELL}).items())))


class Affected(NamedTuple):
    """What gets another shell: the stages, as they would be, and their events that differ."""

    stages: dict[int, Stage]
    events: tuple[Event, ...]


def affected(build: Build, index: int, start: int, command: tuple[str, ...]) -> Affected:
    """Return what a SHELL in front of an event of a stage changes, children included."""
    stages: dict[int, Stage] = {}
    events: list[Event] = []
    for at, stage in enumerate(build.stages):
        if at != index and stage.base not in stages:
            continue
        first = start if at == index else 0
        rest = [with_shell(event, command) for event in stage.events[first:]]
        differ = [old for old, new in zip(stage.events[first:], rest, strict=True) if old != new]
        events += differ
        config = dict(stage.config)
        ends = config["shell"] == ()  # else another SHELL follows, and what it is for stays
        if ends:
            config["shell"] = command
        if ends or differ:
            stages[at] = replace(
                stage,
                events=(*stage.events[:first], *rest),
                config=tuple(sorted(config.items())),
            )
    return Affected(stages, tuple(events))


def obstacle(found: Affected, command: tuple[str, ...], image: Image) -> Unfit | None:
    """Return what another shell would break, if anything."""
    for stage in found.stages.values():
        if dict(stage.config)["onbuild"]:
            return Unfit("P105", "ONBUILD commands get the shell too", "write SHELL by hand")
    for event in found.events:
        if why := _hinders(event, command == BASH, image.family in _DASH):
            return why
    return None


def _hinders(event: Event, bash: bool, dash: bool) -> Unfit | None:
    if any(isinstance(part, Verbatim) for part in flat((event,))):
        told = " ".join(event.text.split())[:40]
        return Unfit("P102", f"not read: `{told}`", "write it in plain POSIX shell")
    text = _with_redirects(event)
    if _EARLY.search(text):
        return Unfit("P103", "a reader may stop early, which then fails the pipe", _READS_ALL)
    if _FAILING.search(text):
        return Unfit("P104", "a command in front of a pipe may fail harmlessly",
                        "append `|| true` to it, in parentheses")  # fmt: skip
    if _decides(event, False) or ("|" in "".join(re.findall(r"\$\(.*\)|`.*`", text))
                                  and not isinstance(event, Exec)):  # fmt: skip
        return Unfit("P104", "a pipe decides what runs", "write SHELL by hand")
    if bash and any(_inherits(part) for part in flat((event,))):
        return Unfit(
            "P106", "`set -e` holds in $( ) for sh, and not for bash", "write SHELL by hand"
        )
    if dash and (name := _differs(event)):
        return Unfit("P106", f"`{name}` is another one in bash", "write SHELL by hand")
    return None


def _with_redirects(event: Event) -> str:
    parts = [event.text]
    parts += [r for e in flat((event,)) if isinstance(e, Exec) for r in e.redirects]
    return " ".join(parts)


def _decides(event: Event | str, condition: bool) -> bool:
    """Whether the status of a pipe below an event chooses what is run."""
    if not isinstance(event, Block):
        return False
    if condition and "|" in event.parts:
        return True
    kind = event.kind.removeprefix("errexit ")
    if kind in ("list", "andor", "!"):
        *first, last = [part for part in event.parts if not isinstance(part, str)]
        return any(_decides(part, True) for part in first) or _decides(
            last, kind == "!" or condition
        )
    inside = condition
    for part in event.parts:
        if isinstance(part, str):
            inside = (inside or part in _CONDITIONS) and part not in _ENDS_OF_CONDITION
        elif _decides(part, inside):
            return True
    return False


def _inherits(event: Event) -> bool:
    return isinstance(event, Exec) and "set -e" in event.shell_state


def _differs(event: Event) -> str:
    """Return the command that bash has, or reads, in another way than dash; empty if none."""
    for part in flat((event,)):
        if not isinstance(part, Exec) or not part.argv:
            continue
        name, *words = part.argv
        escapes = any("\\" in word for word in words)
        options = any(re.match(r"-(?!n\Z)", word) for word in words[:1])
        if name == "echo" and (escapes or options):
            return "echo"
        if name == "printf" and any(re.search(r"\\[xuUeE]|%q", word) for word in words):
            return "printf"
        if name in ("test", "[") and "==" in words:
            return name
        if name in _BASH_ONLY:
            return name
        if any(re.search(r"\$['\"]", word) for word in words):
            return "$'"
    return ""


def assumptions(command: tuple[str, ...], is_kept: bool) -> tuple[str, ...]:
    """Return what is assumed of a shell with `pipefail`, which the stage ends with if `is_kept`."""
    found = ["a command in front of a pipe fails only where the build should fail"]
    if command == BASH:
        found.append("bash does with the commands behind SHELL what sh does")
    if not is_kept:
        return tuple(found)
    return (*found, "what other files build on this image can use its SHELL")


def set_again(
    before: Build, after: Build, index: int, command: tuple[str, ...], image: Image,
    assumes: frozenset[str],
) -> Build | str:  # fmt: skip
    """Return a build with a shell from where it is set in another one, or why it may not be."""
    if image.plain_shell and all(other.base != index for other in before.stages):
        old = list(before.stages)
        old[index] = _set_back(old[index], after.stages[index])
        before = before._replace(stages=tuple(old))
    is_kept = dict(after.stages[index].config)["shell"] == command
    if command != shell_for(image) or not assumes.issuperset(assumptions(command, is_kept)):
        return "the shell is not known to be there, or is not assumed to be fit"
    pairs = zip(before.stages[index].events, after.stages[index].events, strict=False)
    start = next((i for i, (b, a) in enumerate(pairs) if b != a), None)
    if start is None:
        return "the shell is set for nothing"
    found = affected(before, index, start, command)
    if why := obstacle(found, command, image):
        return why.reason
    stages = (found.stages.get(at, stage) for at, stage in enumerate(before.stages))
    return before._replace(stages=tuple(stages))
