"""The secrets that a Dockerfile names, holds or copies, and what each is there for."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from refactor.facts import secret_words
from refactor.facts.apt import output_stages
from refactor.facts.stages import Stage
from refactor.snapshot import Snapshot
from refactor.syntax import Instruction
from refactor.words import pairs, parse_words


class Use(StrEnum):
    """What a secret is there for, as far as the Dockerfile tells.

    BUILD: nothing that runs in a container gets it. RUN_TIME: it is in the configuration or the
    files of an image. PLACEHOLDER: it is no secret, but stands for one.
    """

    BUILD = "build-only"
    RUN_TIME = "run-time"
    PLACEHOLDER = "placeholder"


class Secret(NamedTuple):
    """A secret at a place of a Dockerfile; its value is not part of it.

    `name` is the variable or the path, empty for a value in a command. `literal` is whether the
    value itself stands in the Dockerfile. `offset` is into the text.
    """

    what: str
    name: str
    keyword: str
    use: Use
    literal: bool
    stage: int
    offset: int


def secrets(snapshot: Snapshot) -> tuple[Secret, ...]:
    """Return every secret, in order."""
    return snapshot.fact(_secrets)


def _secrets(snapshot: Snapshot) -> tuple[Secret, ...]:
    outputs = output_stages(snapshot)
    found = [s for ins in snapshot.graph.globals for s in _variables(snapshot, ins, -1, False)]
    for stage in snapshot.graph.stages:
        for ins in stage.instructions[1:]:
            found += _of(snapshot, ins.trigger or ins, stage, stage.index in outputs)
    return tuple(found)


def _of(snapshot: Snapshot, ins: Instruction, stage: Stage, output: bool) -> Iterator[Secret]:
    if ins.keyword in ("ARG", "ENV"):
        yield from _variables(snapshot, ins, stage.index, output)
    elif ins.keyword in ("COPY", "ADD"):
        yield from _files(snapshot, ins, stage.index, output)
    if ins.keyword not in ("ARG", "ENV", "FROM"):
        bodies = (snapshot.text[h.body.start : h.body.end] for h in ins.heredocs)
        for text in (ins.args, *bodies):
            for what in dict.fromkeys(value.what for value in secret_words.values(text)):
                yield Secret(what, "", ins.keyword, Use.RUN_TIME if output else Use.BUILD, True,
                             stage.index, ins.span.start)  # fmt: skip


def declared(ins: Instruction, escape: str) -> list[tuple[str, str | None]]:
    """Return the variables of an ARG or ENV with their values; None where there is none."""
    if ins.keyword == "ENV":
        return [(key.strip("\"'"), value) for key, value in pairs(ins, escape)]
    words = (word.partition("=") for word in parse_words(ins.args, escape))
    return [(name, value if equals else None) for name, equals, value in words]


def _variables(snapshot: Snapshot, ins: Instruction, stage: int, output: bool) -> Iterator[Secret]:
    for name, value in declared(ins, snapshot.dockerfile.escape):
        text = (value or "").strip("\"'")
        inside = next(secret_words.values(text), None)
        what = inside.what if inside else _by_name(name, text)
        if not what or (not inside and secret_words.is_reference(text)):
            continue
        literal = bool(text) and ("$" not in text or inside is not None)
        reaches = output and ins.keyword == "ENV"
        use = Use.RUN_TIME if reaches else Use.BUILD
        if (
            value is not None
            and "$" not in text
            and not inside
            and secret_words.is_placeholder(text)
        ):
            use = Use.PLACEHOLDER
        yield Secret(what, name, ins.keyword, use, literal, stage, ins.span.start)


def _by_name(name: str, value: str) -> str:
    found = secret_words.of_name(name)
    if not found and name.upper().endswith("KEY") and secret_words.is_random(value):
        return "a key"
    return found


def _files(snapshot: Snapshot, ins: Instruction, stage: int, output: bool) -> Iterator[Secret]:
    if ins.flag("from") is not None:
        return
    words = ins.json or parse_words(ins.args, snapshot.dockerfile.escape)
    for source in words[:-1]:
        if what := secret_words.of_file(source):
            use = Use.RUN_TIME if output else Use.BUILD
            yield Secret(what, source, ins.keyword, use, False, stage, ins.span.start)
