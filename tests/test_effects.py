"""The effects model: what an instruction becomes in it, and which differences a claim allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import pytest

from refactor.effects import Block, Build, Copy, Event, Exec, Stage, Verbatim
from refactor.facts import archives
from refactor.facts.metadata import AUTHORS
from refactor.facts.packages import only_cleans
from refactor.model import Claim, Effect
from refactor.snapshot import Snapshot
from refactor.syntax import parse
from refactor.verify import verify
from refactor.words import Value

LISTS = "rm -rf /var/lib/apt/lists/*"


def snapshot(text: str) -> Snapshot:
    """Return a text's snapshot."""
    return Snapshot(PurePath("Dockerfile"), text, parse(text))


def build(text: str) -> Build:
    """Return a text's effects."""
    return snapshot(text).build


def runs(*scripts: str, before: str = "") -> tuple[Event, ...]:
    """Return the events of RUN instructions."""
    lines = [f"RUN {script}" for script in scripts]
    return build("\n".join(["FROM debian", *before.splitlines(), *lines, ""])).stages[0].events


def shown(event: Event | str) -> str:
    """Return an event as text: `!` if it must succeed, `@` what it finds in its shell."""
    if isinstance(event, str):
        return event
    if isinstance(event, Block):
        inside = " ".join(shown(part) for part in event.parts)
        return f"{event.kind}[{inside}]{'!' * event.must}"
    if isinstance(event, Exec):
        state = f" @{'; '.join(event.shell_state)}" if event.shell_state else ""
        return f"{' '.join((event.text, *event.redirects))}{state}{'!' * event.must}"
    return f"{type(event).__name__} {event.text}"


LOWERED = {
    "a": ["a!"],
    "a && b": ["a!", "b!"],
    "a;": ["a!"],
    "set -e; a; b": ["a!", "b!"],
    "set -ex; a; b": ["a!", "b!"],
    "set -o errexit; a; b": ["a!", "b!"],
    "set -x && a && b": ["a!", "b!"],
    "{ a && b; }": ["a!", "b!"],
    "(a && b)": ["a!", "b!"],
    "a; b": ["a", "b!"],
    "a; b; c": ["a", "b", "c!"],
    "(a; b)": ["a", "b!"],
    "{ a; b; } && c": ["a", "b!", "c!"],
    "a && { b; c; }": ["a!", "b", "c!"],
    # errexit has no effect on what is tested
    "{ set -e; a; b; } && c": ["a", "b!", "c!"],
    "(set -e; a; b) && c": ["a", "b!", "c!"],
    "c && { set -e; a; b; }": ["c!", "a!", "b!"],
    "set -e; a && b; c": ["errexit errexit list[a && b]", "c!"],
    "set -e; a || b; c": ["errexit errexit list[a || b]", "c!"],
    "set -e; ! a; b": ["errexit ![! a]", "b!"],
    "set -e; (a; b); c": ["a!", "b!", "c!"],
    "set -e; a | b; c": ["|[a | b]!", "c!"],
    # what decides on the rest keeps its form
    "a || true": ["list[a || true]!"],
    "a || b && c": ["list[a || b]!", "c!"],
    "a && b || c": ["list[a && b || c]!"],
    "a && { b || c; }": ["a!", "list[b || c]!"],
    "a | b": ["|[a | b]!"],
    "! a": ["![! a]!"],
    "if a; then b; fi": ["if[if if body[a] then body[b] fi]!"],
    "a && if b; then c; fi && d": ["a!", "if[if if body[b] then body[c] fi]!", "d!"],
    # what may end the script, or go on behind it, makes one of the whole
    "a || exit 1": ["scope[andor[a || exit 1]]!"],
    "a && (b || exit 0)": ["scope[andor[a && compound[( ( body[andor[b || exit 0]] )]]]!"],
    "exec a": ["scope[exec a]!"],
    "trap a EXIT; b": ["scope[trap a EXIT ; b]!"],
    "a & b": ["run[a & b]!"],
    "a && b &": ["run[andor[a && b] &]!"],
    # the shell's state
    "cd /x && a && b": ["cd /x!", "a @cd /x!", "b @cd /x!"],
    "(cd /x && a) && b": ["cd /x!", "a @cd /x!", "b!"],
    "A=1 b && c": ["A=1 b!", "c!"],
    "A=1 && b": ["A=1!", "b @A=1!"],
    "export A=1 && b": ["export A=1!", "b @export A=1!"],
    "umask 0 && . /x && b": ["umask 0!", ". /x @umask 0!", "b @umask 0; . /x!"],
    "set -eu; a": ["a @set u!"],
    "set -o pipefail; a": ["a @set pipefail!"],
    # redirections
    "a > f 2>&1 && b < g": ["a > f 2>&1!", "b < g!"],
    # what is not understood
    "a # c": ["Verbatim a # c"],
    "set +e; a": ["Verbatim set +e; a"],
    "a && if b; then set -e; fi; c": ["Verbatim a && if b; then set -e; fi; c"],
    "[[ a ]] && b": ["Verbatim [[ a ]] && b"],
}


@pytest.mark.parametrize(("script", "wanted"), LOWERED.items())
def test_lowering(script: str, wanted: list[str]) -> None:
    assert [shown(event) for event in runs(script)] == wanted


SAME: list[tuple[list[str], list[str]]] = [
    (["a && b"], ["a", "b"]),
    (["a && b"], ["set -e; a; b"]),
    (["a", "b"], ["set -ex; a; b"]),
    (["a && b", "c"], ["a", "b && c"]),
    (["(cd x && a) && b"], ["(cd x && a)", "b"]),
    (["{ a; b; } && c"], ["a; b", "c"]),
    (["{ a || b; } && c"], ["a || b", "c"]),
    (["a || b && c"], ["a || b", "c"]),
    (["a && b;"], ["a  \\\n  # c\n  && b"]),
    (["a 'b c' \"d\""], ["a b\\ c d"]),
    (["a '$b'"], ["a \\$b"]),
    (["if a; then b; fi && c"], ["if a; then b; fi", "c"]),
    (["a | b && c"], ["a | b", "c"]),
    (["set -e; a; b | c"], ["a", "b | c"]),
]
DIFFERENT: list[tuple[list[str], list[str]]] = [
    (["a; b"], ["a && b"]),
    (["a; b"], ["a", "b"]),
    (["a && b"], ["b && a"]),
    (["a || b"], ["a && b"]),
    (["a || b", "c"], ["a || { b && c; }"]),
    (["cd x && a && b"], ["cd x && a", "b"]),
    (["A=1 && a && b"], ["A=1 && a", "b"]),
    (["umask 77 && a && b"], ["umask 77 && a", "b"]),
    (["set -u && a && b"], ["set -u && a", "b"]),
    (["{ set -e; a; b; } && c"], ["set -e; a; b", "c"]),
    (["set -e; a && b; c"], ["a && b", "c"]),
    (["a & b && c"], ["a & b", "c"]),
    (["a || exit 0; b"], ["a || exit 0", "b"]),
    (["a | b && c"], ["a | { b && c; }"]),
    (["a > f"], ["a >> f"]),
    (["a 'b c'"], ["a b c"]),
    (["A=1 a"], ["A=2 a"]),
    (["a $b"], ["a '$b'"]),
    (["a *"], ["a '*'"]),
    (["a ~"], ["a \\~"]),
    (["a $b '$b'"], ["a '$b' $b"]),
    (["(a || exit 1) && b"], ["(a || exit 1)", "b"]),  # more careful than it need be
    (["( a; b )"], ["a && b"]),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=str)
def test_the_same_events(one: list[str], other: list[str]) -> None:
    assert runs(*one) == runs(*other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=str)
def test_other_events(one: list[str], other: list[str]) -> None:
    assert runs(*one) != runs(*other)


def test_a_shell_with_errexit_makes_a_chain_of_a_list() -> None:
    shell = 'SHELL ["/bin/bash", "-euo", "pipefail", "-c"]'
    assert runs("a; b", before=shell) == runs("a && b", before=shell)
    assert runs("a; b", before='SHELL ["/bin/bash", "-c"]') != runs("a && b", before=shell)


@pytest.mark.parametrize(
    ("options", "errexit"),
    [
        ('"-e", "-c"', True),
        ('"-exc"', True),
        ('"-o", "pipefail", "-ec"', True),
        ('"-Eeuo", "pipefail", "-c"', True),
        ('"-o", "errexit", "-c"', True),
        ('"-o", "pipefail", "-c"', False),
        ('"--norc", "-c"', False),
        ('"-c"', False),
    ],
)
def test_how_a_shell_is_started(options: str, errexit: bool) -> None:
    shell = f'SHELL ["/bin/bash", {options}]'
    assert [shown(event) for event in runs("a; b", before=shell)] == [
        "a!" if errexit else "a",
        "b!",
    ]
    (run,) = snapshot(f"FROM a\n{shell}\nRUN b\n").runs
    assert run.shell.errexit is errexit


def test_bash_is_read_only_where_the_shell_is_bash() -> None:
    (event, _) = runs("[[ -f a ]] && b", before='SHELL ["/bin/bash", "-c"]')
    assert isinstance(event, Exec)
    (event,) = runs("[[ -f a ]] && b")
    assert isinstance(event, Verbatim)


def test_a_shell_that_is_none_is_verbatim() -> None:
    (event,) = runs("a && b", before='SHELL ["powershell", "-Command"]')
    assert isinstance(event, Verbatim)
    assert event.content == "a && b"


@pytest.mark.parametrize(
    "line",
    [
        "ENV A=1",
        "ARG A=1",
        "ARG A",
        "USER a",
        "WORKDIR /a",
        "WORKDIR a",
        'SHELL ["/bin/bash", "-c"]',
    ],
)
def test_what_a_command_runs_under(line: str) -> None:
    assert runs("a", before=line) != runs("a")


@pytest.mark.parametrize(
    "line",
    [
        "LABEL a=b",
        "EXPOSE 1",
        "CMD a",
        "ENTRYPOINT a",
        "STOPSIGNAL 9",
        "ONBUILD USER a",
        "HEALTHCHECK NONE",
        "MAINTAINER a",
        "# a",
    ],
)
def test_what_a_command_does_not_notice(line: str) -> None:
    assert runs("a", before=line) == runs("a")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ENV A=1 B=2", "ENV B=2\nENV A=1", True),
        ("ENV A 1", "ENV A=1", True),
        ("ENV A='b c'", "ENV A=b\\ c", True),
        ("ENV A=1\nENV B=$A", "ENV A=1 \nENV B=1", True),
        ("ENV A=1 B=$A", "ENV A=1 B=1", False),
        ("ENV A=1\nENV A=2", "ENV A=2", True),
        ("ENV A=$X", "ENV A='$X'", False),
        ("ARG A=1\nENV B=$A", "ARG A=1\nENV B=1", False),
        ("ARG A=1\nENV B=$A", "ARG A=2\nENV B=$A", False),
        ("ARG A=1\nENV A=2\nENV B=$A", "ARG A=1\nENV A=2\nENV B=2", True),
        ("ENV A=2\nARG A=1\nENV B=$A", "ENV A=2\nARG A=1\nENV B=2", True),
        ("WORKDIR /a\nWORKDIR b", "WORKDIR /a\nWORKDIR ./b", True),
        ("WORKDIR /a\nWORKDIR b", "WORKDIR /a\nWORKDIR /a/b", True),
        ("WORKDIR /a\nWORKDIR ../b/", "WORKDIR /a\nWORKDIR /b", True),
        ("WORKDIR a", "WORKDIR /a", True),
        ("WORKDIR /a\nWORKDIR b", "WORKDIR /a\nWORKDIR /b", False),
        ("WORKDIR /a\nWORKDIR C:/b", "WORKDIR /a\nWORKDIR /a/C:/b", False),
        ("WORKDIR $X\nWORKDIR b", "WORKDIR $X\nWORKDIR $X/b", False),
        ("ARG D=/a\nWORKDIR $D\nWORKDIR b", "ARG D=/a\nWORKDIR $D\nWORKDIR /a/b", False),
        ("WORKDIR /a", "WORKDIR /a/", False),
        ("WORKDIR /a\nWORKDIR /b", "WORKDIR /b", True),
        ("USER a\nUSER b", "USER b", True),
        ("ENV D=/a\nWORKDIR $D", "ENV D=/a\nWORKDIR /a", True),
        ("ARG D=/a\nWORKDIR $D", "ARG D=/a\nWORKDIR /a", False),
        ("ENV U=a\nUSER $U", "ENV U=a\nUSER ${U}", True),
    ],
)
def test_settings_are_compared_by_value(one: str, other: str, same: bool) -> None:
    assert (runs("a", before=one) == runs("a", before=other)) is same


def config(text: str, stage: int = -1) -> dict[str, Any]:
    """Return what a stage's image is configured with."""
    return dict(build(text).stages[stage].config)


def test_a_build_argument_is_never_known() -> None:
    env = dict(config("FROM a\nARG A=1\nENV B=$A C=c\n")["env"])
    assert env["B"].raw != ""
    assert env["C"] == Value("c")
    ((name, value),) = build("ARG A=1\nFROM a:$A\n").arguments
    assert (name, value.raw) == ("A", "ARG A=1")


def test_a_global_argument_is_seen_only_where_it_is_declared() -> None:
    declared = dict(config("ARG A=1\nFROM a\nARG A\nENV B=$A\n")["env"])["B"]
    assert "ARG A=1" in declared.raw
    undeclared = dict(config("ARG A=1\nFROM a\nENV B=$A\n")["env"])["B"]
    assert "ARG A=1" not in undeclared.raw


def test_onbuild_is_configuration_and_no_event() -> None:
    stage = build("FROM a\nONBUILD RUN b && c\nONBUILD COPY d /e\nONBUILD ENV F=1\n").stages[0]
    triggers = dict(stage.config)["onbuild"]
    assert isinstance(triggers, tuple)
    assert stage.events == ()
    assert [shown(event) for event in triggers[:3]] == ["b!", "c!", "Copy COPY d /e"]
    assert shown(triggers[3]).startswith("Verbatim ENV")


@pytest.mark.parametrize(
    ("text", "cmd"),
    [
        ("FROM a\nCMD b\nENTRYPOINT c\n", "b"),
        ("FROM a\nENTRYPOINT c\nCMD b\n", "b"),
        ("FROM a AS x\nCMD b\nFROM x\n", "b"),
        ("FROM a AS x\nCMD b\nFROM x\nENTRYPOINT c\n", None),
        ("FROM a AS x\nCMD b\nFROM x\nCMD d\nENTRYPOINT c\n", "d"),
        ("FROM a AS x\nCMD b\nFROM x\nENTRYPOINT c\nCMD d\n", "d"),
        ("FROM a AS x\nCMD b\nFROM x AS y\nENTRYPOINT c\nFROM y\nCMD d\n", "d"),
        ("FROM a AS x\nCMD b\nFROM x AS y\nENTRYPOINT c\nFROM y\n", None),
    ],
)
def test_an_entrypoint_resets_an_inherited_command(text: str, cmd: str | None) -> None:
    found = config(text).get("cmd")
    assert (found and found[1]) == cmd


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("one", 0),
        ("ONE", 0),
        ("0", 0),
        ("1", 1),
        ("two", 1),
        ("2", "2"),
        ("three", "three"),
        ("alpine:3", "alpine:3"),
        ("missing", "missing"),
    ],
)
def test_where_a_copy_comes_from(source: str, origin: int | str) -> None:
    text = f"FROM a AS One\nFROM b AS two\nFROM c AS three\nCOPY --from={source} d /e\n"
    (event,) = build(text).stages[2].events
    assert isinstance(event, Copy)
    assert event.origin == origin
    assert event.flags == ()


def test_a_copy_from_the_context() -> None:
    text = "FROM a\nENV D=/x\nWORKDIR $D\nUSER u\nCOPY --chown=v --chmod=1 b 'c d' ${D}/\n"
    (event,) = build(text).stages[0].events
    assert isinstance(event, Copy)
    assert (event.origin, event.flags) == (None, (("chmod", "1"), ("chown", "v")))
    assert [v.text for v in (*event.sources, event.destination)] == ["b", "c d", "/x/"]
    assert (event.workdir, event.user) == ((Value("/x"),), Value("u"))


def test_two_spellings_of_one_copy() -> None:
    one, other = (build(f"FROM a\n{c}\n") for c in ("COPY 'b c' /d", 'COPY ["b c", "/d"]'))
    assert one == other
    assert one != build("FROM a\nADD 'b c' /d\n")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("COPY a b", "COPY a /b", True),
        ("COPY a .", "COPY a /", True),
        ("COPY a ./b/", "COPY a /b/", True),
        ("COPY a b", "COPY a /b/", False),
        ("COPY a b", "COPY a /a", False),
        ("WORKDIR /c\nCOPY a b/.", "WORKDIR /c\nCOPY a /c/b/.", True),
        ("WORKDIR /c\nCOPY a .", "WORKDIR /c\nCOPY a /c", False),
        ("WORKDIR /c\nCOPY a b .", "WORKDIR /c\nCOPY a b /c", True),
        ("WORKDIR /c\nCOPY a b .", "WORKDIR /c\nCOPY a b /c/", True),
        ("WORKDIR /c\nRUN d\nCOPY a b .", "WORKDIR /c\nRUN d\nCOPY a b /c", False),
        ("WORKDIR /c\nADD d /\nCOPY a b .", "WORKDIR /c\nADD d /\nCOPY a b /c", False),
        ("WORKDIR /c\nCOPY --link a b .", "WORKDIR /c\nCOPY --link a b /c", False),
        ("WORKDIR /c/\nCOPY a b .", "WORKDIR /c/\nCOPY a b /c//", False),
        ("COPY a b d", "COPY a b d/", False),
        ("WORKDIR $X\nCOPY a b", "WORKDIR $X\nCOPY a $X/b", False),
        ("EXPOSE 80/TCP 53/udp", "EXPOSE 53/UDP 8080:80", True),
        ("EXPOSE 80", "EXPOSE 80/udp", False),
        ("EXPOSE 80-81", "EXPOSE 80", False),
        ("EXPOSE $P/TCP", "EXPOSE $P/tcp", False),
        ("EXPOSE 80:$P", "EXPOSE $P", False),
        ("EXPOSE 99999/TCP", "EXPOSE 99999", False),
        ("EXPOSE 256.0.0.1:80:80", "EXPOSE 80", False),
        ("EXPOSE 1-3:80-81", "EXPOSE 80-81", False),
        ("ONBUILD EXPOSE 80/TCP", "ONBUILD EXPOSE 80", True),
        ("ONBUILD EXPOSE 80", "ONBUILD EXPOSE 81", False),
        ("STOPSIGNAL 15", "STOPSIGNAL term", True),
        ("STOPSIGNAL 10", "STOPSIGNAL SIGUSR1", False),
        ("STOPSIGNAL SIGRTMIN+3", "STOPSIGNAL RTMIN+3", False),
        ("ONBUILD STOPSIGNAL 9", "ONBUILD STOPSIGNAL SIGKILL", True),
        ("ONBUILD STOPSIGNAL 9", "ONBUILD STOPSIGNAL 15", False),
        ("CMD a\nENTRYPOINT b\nCMD c", "ENTRYPOINT b\nCMD c", True),
        ("CMD a\nENTRYPOINT b\nCMD c", "CMD a\nENTRYPOINT b", False),
        ("CMD c\nENTRYPOINT b", "ENTRYPOINT b", False),
        ("HEALTHCHECK NONE\nHEALTHCHECK CMD a", "HEALTHCHECK CMD a", True),
        ("ENTRYPOINT a\nENTRYPOINT b", "ENTRYPOINT a", False),
    ],
)
def test_spellings_of_one_build(one: str, other: str, same: bool) -> None:
    assert (build(f"FROM debian\n{one}\n") == build(f"FROM debian\n{other}\n")) is same


MOUNT = "FROM a AS b\nFROM a\nRUN --mount=target=/x,from={} y"
TARGET = "--platform=$TARGETPLATFORM"
MOVED = "FROM debian AS a\nONBUILD WORKDIR /b\nFROM a"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("FROM a AS B\nFROM B", "FROM a AS b\nFROM b", True),
        ("FROM a AS b\nFROM b", "FROM a AS b\nFROM a", False),
        ("FROM a AS b\nFROM a AS c\nFROM b", "FROM a AS b\nFROM a AS c\nFROM c", False),
        ("ARG X=b\nFROM a AS b\nFROM $X", "ARG X=b\nFROM a AS b\nFROM b", False),
        (MOUNT.format("b"), MOUNT.format("B"), True),
        (MOUNT.format("b"), MOUNT.format("0"), True),
        (MOUNT.format("b"), MOUNT.format("c"), False),
        (MOUNT.format("c"), MOUNT.format("C"), False),
        (f"FROM {TARGET} a", "FROM --platform=${TARGETPLATFORM} a", True),
        (f"FROM {TARGET} a", "FROM a", True),
        ("FROM --platform=$BUILDPLATFORM a", "FROM a", False),
        (f"ARG TARGETPLATFORM=x\nFROM {TARGET} a", "ARG TARGETPLATFORM=x\nFROM a", False),
        (f"FROM a AS b\nFROM {TARGET} b", "FROM a AS b\nFROM b", False),
        ("FROM example.com/a\nWORKDIR b", "FROM example.com/a\nWORKDIR /b", False),
        ("FROM example.com/a\nCOPY b c", "FROM example.com/a\nCOPY b /c", False),
        ("ARG X=debian\nFROM $X\nCOPY b c", "ARG X=debian\nFROM $X\nCOPY b /c", False),
        (f"{MOVED}\nCOPY c d", f"{MOVED}\nCOPY c /d", False),
        ("FROM debian\nONBUILD COPY a b", "FROM debian\nONBUILD COPY a /b", False),
        ("FROM golang\nCOPY a b", "FROM golang\nCOPY a /go/b", True),
        ("FROM golang:onbuild\nCOPY a b", "FROM golang:onbuild\nCOPY a /go/b", False),
        ("FROM php@sha256:00\nCOPY a b", "FROM php@sha256:00\nCOPY a /b", False),
    ],
)
def test_spellings_of_stages(one: str, other: str, same: bool) -> None:
    assert (build(one + "\n") == build(other + "\n")) is same


@pytest.mark.parametrize(
    ("text", "bases"),
    [
        ("FROM a\nFROM b\n", ["a", "b"]),
        ("FROM a AS x\nFROM x\n", ["a", 0]),
        ("FROM a AS x\nFROM X AS y\nFROM y\n", ["a", 0, 1]),
        ("FROM a AS x\nFROM 0\n", ["a", "0"]),
        ("FROM x AS x\nFROM x AS x\nFROM x\n", ["x", 0, 1]),
        ("FROM b AS x\nFROM y\nFROM c AS y\n", ["b", "y", "c"]),
    ],
)
def test_what_a_stage_starts_from(text: str, bases: list[str | int]) -> None:
    found = [s.base if isinstance(s.base, int) else s.base.text for s in build(text).stages]
    assert found == bases


def test_stages_have_names_and_inherit() -> None:
    one, two, three = build(
        "FROM --platform=p a AS One\nENV A=1\nLABEL b=c\nWORKDIR /d\nUSER e\nEXPOSE 1\n"
        "FROM one\nEXPOSE 2\nFROM a\n"
    ).stages
    assert (one.name, one.platform, two.name, two.platform) == ("one", "--platform=p", "", None)
    kept = {key: dict(two.config)[key] for key in ("env", "labels", "workdir", "user")}
    assert kept == {key: dict(one.config)[key] for key in kept}
    assert dict(two.config)["ports"] == {"1/tcp", "2/tcp"}
    assert dict(three.config)["env"] == ()


def test_maintainer_is_configuration() -> None:
    assert config('FROM a\nMAINTAINER "Jane" $x\n')["maintainer"] == '"Jane" $x'


def test_a_heredoc_is_verbatim_with_its_body() -> None:
    (event,) = build("FROM a\nRUN <<EOF\nb\n\nEOF\n").stages[0].events
    assert isinstance(event, Verbatim)
    assert event.content == "<<EOF\nb\n\n"
    (copy,) = build("FROM a\nCOPY <<EOF /b\nc $d\nEOF\n").stages[0].events
    assert isinstance(copy, Copy)
    assert copy.inline == ("c $d\n",)


def test_exec_form_has_no_shell() -> None:
    (one,) = runs('["a", "b c"]')
    (other,) = runs('["a", "b c"]', before='SHELL ["/bin/bash", "-c"]')
    assert isinstance(one, Exec)
    assert one == other
    assert one.argv == ("a", "b c")
    assert (one,) != runs("a 'b c'")
    assert (one,) != runs("a 'b c'", before='SHELL ["/bin/bash", "-c"]')


def test_flags_are_part_of_the_event_in_any_order() -> None:
    one = runs("--mount=type=cache,target=/a --network=none b")
    assert one == runs("--network=none --mount=type=cache,target=/a b")
    assert one != runs("--network=none b")


def test_layers_and_ends() -> None:
    text = "FROM a\nRUN b && c\nCOPY d /e\nENV F=1\nWORKDIR /g\nRUN h\nLABEL i=j\n"
    stage: Stage = build(text).stages[0]
    assert (stage.layers, stage.runs) == (4, (2, 4))


def test_an_unknown_instruction_is_an_event() -> None:
    (event,) = build("FROM a\nFOO b c\n").stages[0].events
    assert isinstance(event, Verbatim)
    assert event.content == "FOO b c"


@dataclass(frozen=True)
class Case:
    """Two texts, what is claimed of them, and a part of the verdict (empty: accepted)."""

    before: str
    after: str
    claims: list[tuple[Effect, str]] = field(default_factory=list)
    verdict: str = ""
    assumes: tuple[str, ...] = ()


L, C, K = Effect.LAYERS, Effect.COMMANDS, Effect.CACHES
P, M, F, O = Effect.PACKAGES, Effect.METADATA, Effect.FILES, Effect.ORDER  # noqa: E741
S0 = (L, "stage 0")
UPDATE = "FROM debian\nRUN apt-get update && apt-get install -y a"
ASSUMED = "`{}` works without apt's package lists"


def became(effect: Effect, before: str, after: str) -> tuple[Effect, str]:
    """Return a claim that something becomes something else."""
    return effect, f"- {before}|+ {after}"


def on_one(run: str) -> str:
    """Return a Dockerfile of one RUN."""
    return f"FROM debian\nRUN {run}\n"


def labelled(value: str) -> str:
    """Return a Dockerfile with the label of an author."""
    return f'FROM a\nLABEL {AUTHORS}="{value}"\n'


def moved(value: str) -> tuple[Effect, str]:
    """Return the claim that MAINTAINER becomes a label."""
    return M, f"maintainer|label {AUTHORS}={value}"


CASES = {
    # nothing claimed
    "nothing changes": Case("FROM a\nRUN b\n", "FROM a\nRUN b\n"),
    "layout": Case("FROM a\nRUN b  c && d\n", "from  a\nrun b c \\\n  && d\n"),
    "spelling of a value": Case("FROM a\nENV A b c\n", 'FROM a\nENV A="b c"\n'),
    "another value": Case("FROM a\nENV A b c\n", "FROM a\nENV A=b\n", verdict="env differs"),
    "a variable no more": Case(
        "FROM a\nENV A $X\n", "FROM a\nENV A='$X'\n", verdict="env differs"
    ),
    "another default": Case(
        "FROM a\nARG A=1\nRUN b\n", "FROM a\nARG A=2\nRUN b\n", verdict="'b' where 'b' was"
    ),
    "another global default": Case(
        "ARG A=1\nFROM a\n", "ARG A=2\nFROM a\n", verdict="build arguments"
    ),
    "another base": Case("FROM a\n", "FROM b\n", verdict="name or base"),
    "another platform": Case("FROM a\n", "FROM --platform=b a\n", verdict="name or base"),
    "another name": Case("FROM a AS b\n", "FROM a AS c\n", verdict="name or base"),
    "another stage": Case("FROM a\n", "FROM a\nFROM b\n", verdict="number of stages"),
    "another user": Case("FROM a\nUSER b\n", "FROM a\nUSER c\n", verdict="user differs"),
    "another user for one command": Case(
        "FROM a\nUSER b\nRUN c\n", "FROM a\nRUN c\nUSER b\n", verdict="'c' where 'c' was"
    ),
    "another directory": Case("FROM a\nWORKDIR /b\n", "FROM a\n", verdict="directories differs"),
    "another shell": Case(
        "FROM a\nRUN b\n", 'FROM a\nSHELL ["/bin/bash", "-c"]\nRUN b\n', verdict="where 'b' was"
    ),
    "another port": Case("FROM a\nEXPOSE 1 2\n", "FROM a\nEXPOSE 2\n", verdict="ports differs"),
    "ports in another order": Case("FROM a\nEXPOSE 1 2\n", "FROM a\nEXPOSE 2 1\n"),
    "another label": Case("FROM a\nLABEL b=c\n", "FROM a\nLABEL b=d\n", verdict="labels differs"),
    "another volume": Case("FROM a\nVOLUME /b\n", "FROM a\n", verdict="volumes differs"),
    "another command": Case("FROM a\nCMD b\n", 'FROM a\nCMD ["b"]\n', verdict="cmd differs"),
    "another entrypoint": Case("FROM a\nENTRYPOINT b\n", "FROM a\n", verdict="entrypoint differs"),
    "another stop signal": Case(
        "FROM a\nSTOPSIGNAL 1\n", "FROM a\nSTOPSIGNAL 2\n", verdict="stopsignal differs"
    ),
    "another health check": Case(
        "FROM a\nHEALTHCHECK CMD b\n",
        "FROM a\nHEALTHCHECK --retries=1 CMD b\n",
        verdict="healthcheck differs",
    ),
    "another trigger": Case(
        "FROM a\nONBUILD RUN b\n", "FROM a\nONBUILD RUN c\n", verdict="ONBUILD: 'c'"
    ),
    "a trigger is gone": Case("FROM a\nONBUILD RUN b\n", "FROM a\n", verdict="ONBUILD: 'b' is"),
    "another argument, that no command sees": Case(
        "FROM a\nARG P=1\nEXPOSE $P\n", "FROM a\nARG P=2\nEXPOSE $P\n", verdict="args differs"
    ),
    "an argument for its default": Case(
        "ARG A=1\nFROM a:$A\n", "ARG A=1\nFROM a:1\n", verdict="from differs"
    ),
    "an argument for the stage that it names": Case(
        "ARG A=x\nFROM a AS x\nFROM $A\n", "ARG A=x\nFROM a AS x\nFROM x\n", verdict="from differs"
    ),
    "a port that is no variable": Case(
        "FROM a\nEXPOSE $P\n", "FROM a\nEXPOSE '$P'\n", verdict="ports differs"
    ),
    "a volume that is no variable": Case(
        "FROM a\nVOLUME $P\n", "FROM a\nVOLUME '$P'\n", verdict="volumes differs"
    ),
    "a name that is no variable": Case(
        "FROM a\nENV $A=1\n", "FROM a\nENV '$A'=1\n", verdict="env differs"
    ),
    "a source that is no variable": Case(
        "FROM a\nCOPY $A /b\n", "FROM a\nCOPY '$A' /b\n", verdict="COPY $A /b"
    ),
    "a stage that depends": Case(
        "FROM a\nARG A=x\nCOPY --from=$A b /c\nARG A=z\n",
        "FROM a\nARG A=y\nCOPY --from=$A b /c\nARG A=z\n",
        verdict="COPY b /c",
    ),
    "an owner that depends": Case(
        "FROM a\nENV A=x\nCOPY --chown=$A b /c\nENV A=z\n",
        "FROM a\nENV A=y\nCOPY --chown=$A b /c\nENV A=z\n",
        verdict="COPY b /c",
    ),
    "an owner in other quotes": Case(
        "FROM a\nCOPY --chown='b c' d /e\n", "FROM a\nCOPY --chown=b\\ c d /e\n"
    ),
    "whose a directory is": Case(
        "FROM a\nWORKDIR /b\nUSER c\n", "FROM a\nUSER c\nWORKDIR /b\n",
        verdict="directories differs",
    ),
    "a body is expanded no more": Case(
        "FROM a\nCOPY <<E /b\n$c\nE\n", "FROM a\nCOPY <<'E' /b\n$c\nE\n", verdict="COPY <<E /b"
    ),
    "a word of a loop": Case(
        on_one("for i in $a; do b; done"), on_one("for i in '$a'; do b; done"), verdict="was"
    ),
    "another mount": Case(
        "FROM a\nRUN b\n", "FROM a\nRUN --mount=type=tmpfs,target=/c b\n", verdict="where 'b' was"
    ),
    "another source": Case(
        "FROM a\nCOPY b /c\n", "FROM a\nCOPY d /c\n", verdict="where 'COPY b /c' was"
    ),
    "another owner": Case("FROM a\nCOPY b /c\n", "FROM a\nCOPY --chown=d b /c\n", verdict="COPY b"),
    "another origin": Case(
        "FROM a AS x\nFROM b\nCOPY --from=x c /d\n", "FROM a AS x\nFROM b\nCOPY c /d\n",
        verdict="COPY c",
    ),
    "one origin, two names": Case(
        "FROM a AS x\nFROM b\nCOPY --from=x c /d\n", "FROM a AS x\nFROM b\nCOPY --from=0 c /d\n"
    ),
    "another body": Case(
        "FROM a\nRUN <<E\nb\nE\n", "FROM a\nRUN <<E\nb \nE\n", verdict="was"
    ),
    "a command is gone": Case("FROM a\nRUN b && c\n", "FROM a\nRUN b\n", verdict="'c' is gone"),
    "a command is new": Case("FROM a\nRUN b\n", "FROM a\nRUN b && c\n", verdict="where 'nothing'"),
    "quotes change": Case(on_one("echo $A"), on_one("echo '$A'"), verdict="'echo $A' where"),
    "a failure is ignored": Case("FROM a\nRUN b && c\n", "FROM a\nRUN b; c\n", verdict="'b' where"),
    "a comment is gone": Case("# b\nFROM a\n", "FROM a\n", verdict="comment"),
    "comments change places": Case("# b\n# c\nFROM a\n", "# c\n# b\nFROM a\n", verdict="comment"),
    "a directive is one no more": Case(
        "# escape=`\nFROM a\n", "\n# escape=`\nFROM a\n", verdict="directives"
    ),
    # LAYERS
    "two RUNs in one": Case("FROM a\nRUN b\nRUN c\n", "FROM a\nRUN b && c\n", [S0]),
    "not claimed": Case(
        "FROM a\nRUN b\nRUN c\n", "FROM a\nRUN b && c\n", verdict="2 layers before, 1 after"
    ),
    "of a named stage": Case(
        "FROM a AS x\nRUN b\nRUN c\n", "FROM a AS x\nRUN b && c\n", [(L, "stage x")]
    ),
    "of another stage": Case(
        "FROM a AS x\nRUN b\nRUN c\n", "FROM a AS x\nRUN b && c\n", [S0], "2 layers before"
    ),
    "three RUNs in one": Case("FROM a\nRUN b\nRUN c\nRUN d\n", "FROM a\nRUN b&&c&&d\n", [S0, S0]),
    "three, and one claim": Case(
        "FROM a\nRUN b\nRUN c\nRUN d\n", "FROM a\nRUN b&&c&&d\n", [S0], "3 layers before"
    ),
    "claimed, not done": Case("FROM a\nRUN b\n", "FROM a\nRUN b\n", [S0], "claimed but not done"),
    "a RUN in two": Case("FROM a\nRUN b && c\n", "FROM a\nRUN b\nRUN c\n", [S0], "ends elsewhere"),
    "another RUN ends": Case(
        "FROM a\nRUN b\nRUN c && d\n", "FROM a\nRUN b && c\nRUN d\n", verdict="ends elsewhere"
    ),
    "joined by ;": Case("FROM a\nRUN b\nRUN c\n", "FROM a\nRUN b; c\n", [S0], "'b' where 'b'"),
    "a directory leaks": Case(
        "FROM a\nRUN cd /x && b\nRUN c\n", "FROM a\nRUN cd /x && b && c\n", [S0], "'c' where 'c'"
    ),
    "errexit is masked": Case(
        "FROM a\nRUN set -e; b; c\nRUN d\n", "FROM a\nRUN { set -e; b; c; } && d\n", [S0], "'b'"
    ),
    "errexit of the shell itself is masked": Case(
        'FROM a\nSHELL ["/bin/bash", "-o", "errexit", "-c"]\nRUN b; c\nRUN d\n',
        'FROM a\nSHELL ["/bin/bash", "-o", "errexit", "-c"]\nRUN { b; c; } && d\n',
        [S0],
        "'b' where 'b' was",
    ),
    "a layer of WORKDIR is gone": Case(
        "FROM a\nWORKDIR /b\nWORKDIR /c\n", "FROM a\nWORKDIR /c\n", [S0], "directories differs"
    ),
    # COMMANDS
    "-y": Case(
        on_one("apt-get install a"),
        on_one("apt-get install -y a"),
        [became(C, "apt-get install a", "apt-get install -y a")],
    ),
    "-y, not claimed": Case(
        on_one("apt-get install a"), on_one("apt-get install -y a"), verdict="was"
    ),
    "-y, another claimed": Case(
        on_one("apt-get install a"),
        on_one("apt-get install -y a"),
        [became(C, "apt-get install b", "apt-get install -y b")],
        "was",
    ),
    "-y of another program": Case(
        on_one("make install a"),
        on_one("make install -y a"),
        [became(C, "make install a", "make install -y a")],
        "was",
    ),
    "-y behind update": Case(
        on_one("apt-get update"),
        on_one("apt-get update -y"),
        [became(C, "apt-get update", "apt-get update -y")],
        "was",
    ),
    "-y and a package": Case(
        on_one("apt-get install a"),
        on_one("apt-get install -y a b"),
        [became(C, "apt-get install a", "apt-get install -y a b")],
        "was",
    ),
    "--force-yes": Case(
        on_one("apt-get install a"),
        on_one("apt-get install --force-yes a"),
        [became(C, "apt-get install a", "apt-get install --force-yes a")],
        "was",
    ),
    "inside a block": Case(
        on_one("if a; then apt-get install b; fi"),
        on_one("if a; then apt-get install -y b; fi"),
        [became(C, "apt-get install b", "apt-get install -y b")],
    ),
    "apt-get": Case(
        on_one("apt install -y a"),
        on_one("apt-get install -y a"),
        [became(C, "apt install -y a", "apt-get install -y a")],
    ),
    "apt-get of what has no twin": Case(
        on_one("apt upgrade -y"),
        on_one("apt-get upgrade -y"),
        [became(C, "apt upgrade -y", "apt-get upgrade -y")],
        "was",
    ),
    "behind sudo": Case(
        on_one("sudo apt update"),
        on_one("sudo apt-get update"),
        [became(C, "sudo apt update", "sudo apt-get update")],
    ),
    # CACHES
    "--no-cache-dir": Case(
        on_one("pip install a"),
        on_one("pip install --no-cache-dir a"),
        [became(K, "pip install a", "pip install --no-cache-dir a")],
    ),
    "--no-cache-dir of another program": Case(
        on_one("npm install a"),
        on_one("npm install --no-cache-dir a"),
        [became(K, "npm install a", "npm install --no-cache-dir a")],
        "was",
    ),
    "--no-cache-dir as another effect": Case(
        on_one("pip install a"),
        on_one("pip install --no-cache-dir a"),
        [became(C, "pip install a", "pip install --no-cache-dir a")],
        "was",
    ),
    "lists": Case(f"{UPDATE}\n", f"{UPDATE} && {LISTS}\n", [(K, f"+ {LISTS}")]),
    "lists, not claimed": Case(f"{UPDATE}\n", f"{UPDATE} && {LISTS}\n", verdict="where 'nothing'"),
    "lists, with sudo": Case(
        f"{UPDATE}\n", f"{UPDATE} && sudo {LISTS}\n", [(K, f"+ sudo {LISTS}")]
    ),
    "lists, of errexit": Case(
        on_one("set -e; apt-get update; a"),
        on_one(f"set -e; apt-get update; a; {LISTS}"),
        [(K, f"+ {LISTS}")],
    ),
    "lists, failing or not": Case(
        f"{UPDATE}\n", f"{UPDATE} && ({LISTS} || true)\n", [(K, f"+ {LISTS}")], "where 'nothing'"
    ),
    "lists, if not all went well": Case(
        f"{UPDATE}\n", f"{UPDATE}; {LISTS}\n", [(K, f"+ {LISTS}")], "was"
    ),
    "lists, and more": Case(
        f"{UPDATE}\n",
        f"{UPDATE} && rm -rf /var/lib/apt/*\n",
        [(K, "+ rm -rf /var/lib/apt/*")],
        "where 'nothing'",
    ),
    "lists, in the middle": Case(
        f"{UPDATE} && b\n", f"{UPDATE} && {LISTS} && b\n", [(K, f"+ {LISTS}")], "where 'b' was"
    ),
    "lists, not fetched here": Case(
        f"{UPDATE}\nRUN b\n", f"{UPDATE}\nRUN b && {LISTS}\n", [(K, f"+ {LISTS}")], "where"
    ),
    "lists, in a RUN of their own": Case(
        f"{UPDATE}\n", f"{UPDATE}\nRUN {LISTS}\n", [(K, f"+ {LISTS}")], "where 'nothing'"
    ),
    "lists, and a redirection": Case(
        f"{UPDATE}\n", f"{UPDATE} && {LISTS} > /etc/b\n", [(K, f"+ {LISTS}")], "where 'nothing'"
    ),
    "lists, in another directory": Case(
        f"{UPDATE}\n", f"{UPDATE} && cd / && {LISTS}\n", [(K, f"+ {LISTS}")], "where 'nothing'"
    ),
    # PACKAGES
    "no recommended packages": Case(
        on_one("apt-get install -y make"),
        on_one("apt-get install -y --no-install-recommends make"),
        [became(P, "apt-get install -y make", "apt-get install -y --no-install-recommends make")],
    ),
    "but one that is kept": Case(
        on_one("apt-get install curl"),
        on_one("apt-get install --no-install-recommends curl ca-certificates"),
        [
            became(
                P,
                "apt-get install curl",
                "apt-get install --no-install-recommends curl ca-certificates",
            )
        ],
    ),
    "and one that nobody recommends": Case(
        on_one("apt-get install curl"),
        on_one("apt-get install --no-install-recommends curl nmap"),
        [became(P, "apt-get install curl", "apt-get install --no-install-recommends curl nmap")],
        "was",
    ),
    "a package for another": Case(
        on_one("apt-get install curl"),
        on_one("apt-get install --no-install-recommends wget"),
        [became(P, "apt-get install curl", "apt-get install --no-install-recommends wget")],
        "was",
    ),
    "of yum": Case(
        on_one("yum install a"),
        on_one("yum install --no-install-recommends a"),
        [became(P, "yum install a", "yum install --no-install-recommends a")],
        "was",
    ),
    # METADATA
    "MAINTAINER": Case("FROM a\nMAINTAINER Jane\n", labelled("Jane"), [moved("Jane")]),
    "MAINTAINER in quotes": Case(
        'FROM a\nMAINTAINER "Jane D"\n', labelled("Jane D"), [moved('"Jane D"')]
    ),
    "MAINTAINER, inherited": Case(
        "FROM a AS b\nMAINTAINER Jane\nFROM b\n",
        f"FROM a AS b\nLABEL {AUTHORS}=Jane\nFROM b\n",
        [moved("Jane")],
    ),
    "MAINTAINER, not claimed": Case(
        "FROM a\nMAINTAINER Jane\n", labelled("Jane"), verdict="MAINTAINER is gone"
    ),
    "MAINTAINER, another": Case(
        "FROM a\nMAINTAINER Jane\n", labelled("Joe"), [moved("Jane")], "does not say"
    ),
    "MAINTAINER, expanded": Case(
        "FROM a\nMAINTAINER Jane $X\n", labelled("Jane $X"), [moved("Jane $X")], "does not say"
    ),
    "MAINTAINER, escaped": Case(
        "FROM a\nMAINTAINER Jane $X\n", labelled("Jane \\$X"), [moved("Jane $X")]
    ),
    "MAINTAINER, no label": Case(
        "FROM a\nMAINTAINER Jane\n", "FROM a\n", [moved("Jane")], "does not say"
    ),
    "MAINTAINER, another label": Case(
        "FROM a\nMAINTAINER Jane\n", "FROM a\nLABEL maintainer=Jane\n", [moved("Jane")],
        "does not say",
    ),
    "MAINTAINER, two labels": Case(
        "FROM a\nMAINTAINER Jane\n", f"{labelled('Jane')}LABEL b=c\n", [moved("Jane")],
        "does not say",
    ),
    # FILES
    "COPY": Case("FROM a\nADD b /c\n", "FROM a\nCOPY b /c\n", [became(F, "ADD b /c", "COPY b /c")]),
    "COPY, not claimed": Case("FROM a\nADD b /c\n", "FROM a\nCOPY b /c\n", verdict="was"),
    "COPY of an address": Case(
        "FROM a\nADD http://b/c /d\n", "FROM a\nCOPY http://b/c /d\n",
        [became(F, "ADD http://b/c /d", "COPY http://b/c /d")], "was",
    ),
    "COPY of an archive": Case(
        "FROM a\nADD b.tgz /d\n", "FROM a\nCOPY b.tgz /d\n",
        [became(F, "ADD b.tgz /d", "COPY b.tgz /d")], "was",
    ),
    "COPY of a variable": Case(
        "FROM a\nADD $B /d\n", "FROM a\nCOPY $B /d\n", [became(F, "ADD $B /d", "COPY $B /d")], "was"
    ),
    "COPY of a pattern": Case(
        "FROM a\nADD b/* /d\n", "FROM a\nCOPY b/* /d\n",
        [became(F, "ADD b/* /d", "COPY b/* /d")], "was",
    ),
    "COPY to elsewhere": Case(
        "FROM a\nADD b /c\n", "FROM a\nCOPY b /d\n", [became(F, "ADD b /c", "COPY b /d")], "was"
    ),
    "COPY of another owner": Case(
        "FROM a\nADD b /c\n", "FROM a\nCOPY --chown=d b /c\n",
        [became(F, "ADD b /c", "COPY b /c")], "was",
    ),
    "COPY behind ONBUILD": Case(
        "FROM a\nONBUILD ADD b /c\n", "FROM a\nONBUILD COPY b /c\n",
        [became(F, "ADD b /c", "COPY b /c")],
    ),
    "ADD for COPY": Case(
        "FROM a\nCOPY b /c\n", "FROM a\nADD b /c\n", [became(F, "COPY b /c", "ADD b /c")], "was"
    ),
    # ORDER
    "two that do not meet": Case(
        "FROM a\nCOPY b /b\nCOPY c /c\n", "FROM a\nCOPY c /c\nCOPY b /b\n", [(O, "stage 0")]
    ),
    "order, not claimed": Case(
        "FROM a\nCOPY b /b\nCOPY c /c\n", "FROM a\nCOPY c /c\nCOPY b /b\n", verdict="where"
    ),
    "two that meet": Case(
        "FROM a\nCOPY b /b\nRUN c\n", "FROM a\nRUN c\nCOPY b /b\n", [(O, "stage 0")], "other order"
    ),
    # hazards
    "a later install needs the lists": Case(
        f"{UPDATE}\nRUN apt-get install -y b\n",
        f"{UPDATE} && {LISTS}\nRUN apt-get install -y b\n",
        [(K, f"+ {LISTS}")],
        "new hazard: no package lists: apt-get install b",
    ),
    "it does, whatever is assumed": Case(
        f"{UPDATE}\nRUN apt-get install -y b\n",
        f"{UPDATE} && {LISTS}\nRUN apt-get install -y b\n",
        [(K, f"+ {LISTS}")],
        "new hazard: no package lists: apt-get install b",
        (ASSUMED.format("apt-get install b"),),
    ),
    "it has its own": Case(
        f"{UPDATE}\nRUN apt-get update && apt-get install -y b\n",
        f"{UPDATE} && {LISTS}\nRUN apt-get update && apt-get install -y b\n",
        [(K, f"+ {LISTS}")],
    ),
    "one of a child stage": Case(
        f"{UPDATE.replace('debian', 'debian AS x')}\nFROM x\nRUN apt-get install -y b\n",
        f"{UPDATE.replace('debian', 'debian AS x')} && {LISTS}\n"
        "FROM x\nRUN apt-get install -y b\n",
        [(K, f"+ {LISTS}")],
        "new hazard: no package lists: apt-get install b",
    ),
    "one that may need them": Case(
        f"{UPDATE}\nRUN ./setup.sh\n",
        f"{UPDATE} && {LISTS}\nRUN ./setup.sh\n",
        [(K, f"+ {LISTS}")],
        "new hazard: no package lists: ./setup.sh",
    ),
    "one that is assumed not to": Case(
        f"{UPDATE}\nRUN ./setup.sh\n",
        f"{UPDATE} && {LISTS}\nRUN ./setup.sh\n",
        [(K, f"+ {LISTS}")],
        assumes=(ASSUMED.format("./setup.sh"),),
    ),
    "another is assumed not to": Case(
        f"{UPDATE}\nRUN ./setup.sh\n",
        f"{UPDATE} && {LISTS}\nRUN ./setup.sh\n",
        [(K, f"+ {LISTS}")],
        "new hazard",
        (ASSUMED.format("./other.sh"),),
    ),
    "one that is known not to": Case(
        f"{UPDATE}\nRUN mkdir /b\n", f"{UPDATE} && {LISTS}\nRUN mkdir /b\n", [(K, f"+ {LISTS}")]
    ),
    "one that failed before": Case(
        on_one("apt-get install a"),
        on_one("apt-get install -y a"),
        [became(C, "apt-get install a", "apt-get install -y a")],
    ),
    "one whose failure is ignored": Case(
        f"{UPDATE}\nRUN apt-get install -y b || true\n",
        f"{UPDATE} && {LISTS}\nRUN apt-get install -y b || true\n",
        [(K, f"+ {LISTS}")],
        assumes=(ASSUMED.format("apt-get install b"),),
    ),
    "lists that a mount brings": Case(
        f"{UPDATE}\nRUN --mount=type=cache,target=/var/lib/apt apt-get install -y b\n",
        f"{UPDATE} && {LISTS}\n"
        "RUN --mount=type=cache,target=/var/lib/apt apt-get install -y b\n",
        [(K, f"+ {LISTS}")],
    ),
}  # fmt: skip


_DEV = [(P, "- poetry install -q|+ poetry install --only main -q")]
CASES |= {
    "development left out": Case(
        on_one("poetry install -q"), on_one("poetry install --only main -q"), _DEV
    ),
    "development left out, not claimed": Case(
        on_one("poetry install -q"), on_one("poetry install --only main -q"), verdict="was"
    ),
    "a group left out": Case(
        on_one("poetry install -q"), on_one("poetry install --without a -q"),
        [(P, "- poetry install -q|+ poetry install --without a -q")], verdict="was",
    ),
    "an option of another manager": Case(
        on_one("uv sync"), on_one("uv sync --prod"), [(P, "- uv sync|+ uv sync --prod")],
        verdict="was",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_verify(case: Case) -> None:
    claims = [Claim(effect, frozenset(place.split("|"))) for effect, place in case.claims]
    before, after = (snapshot(text).evidence for text in (case.before, case.after))
    verdict = verify(before, after, claims, case.assumes)
    if case.verdict:
        assert verdict is not None
        assert case.verdict in verdict
    else:
        assert verdict is None


def test_the_cases_have_every_effect_in_use_both_ways() -> None:
    for rejected in (True, False):
        cases = [case for case in CASES.values() if bool(case.verdict) is rejected]
        assert len(cases) >= 20
        assert {effect for case in cases for effect, _ in case.claims} == {L, C, K, P, M, F, O}


@pytest.mark.parametrize(
    ("command", "only"),
    [
        ("rm -rf /var/lib/apt/lists/*", True),
        ("sudo rm -rf /var/lib/apt/lists /var/cache/apt/archives", True),
        ("rm -rf /var/cache/apk/", True),
        ("rm -rf /var/cache/*", False),
        ("rm -rf /var/lib/apt/lists/* /tmp/*", False),
        ("rm -rf /var/cache/yum/../..", False),
        ("rm -rf", False),
        ("apt-get clean", True),
        ("apt-get autoremove", False),
        ("yum -y clean all", True),
        ("npm cache clean --force", True),
        ("npm cache add x", False),
        ("npm cache verify", False),
        ("yarn cache clean", True),
        ("yarn cache dir", False),
        ("go clean -cache -modcache", True),
        ("go clean", False),
        ("go clean -i -cache", False),
        ("pacman -Scc", True),
        ("pacman -S git", False),
        ("conda clean -afy", True),
        ("composer clear-cache", True),
        ("composer install", False),
    ],
)
def test_what_only_deletes_caches(command: str, only: bool) -> None:
    assert only_cleans(tuple(command.split())) is only


@pytest.mark.parametrize(
    ("command", "fetched", "opened"),
    [
        ("curl -fsSLO https://e.com/a.tgz", "a.tgz", ""),
        ("curl -o /tmp/a.tgz https://e.com/b", "/tmp/a.tgz", ""),
        ("curl https://e.com/a.tgz", "", ""),
        ("curl -O https://e.com/$V.tgz", "", ""),
        ("curl -O https://e.com/a https://e.com/b", "", ""),
        ("wget https://e.com/a.tgz", "a.tgz", ""),
        ("wget -O - https://e.com/a.tgz", "", ""),
        ("wget -P /tmp https://e.com/a.tgz", "", ""),
        ("wget -qO a.zip https://e.com/b?c", "a.zip", ""),
        ("tar xzf a.tgz", "", "a.tgz"),
        ("tar -xzf a.tgz -C /b", "", "a.tgz"),
        ("tar -C /b -xf a.tgz", "", ""),
        ("tar czf a.tgz b", "", ""),
        ("tar xf -", "", ""),
        ("unzip -q a.zip -d /b", "", "a.zip"),
    ],
)
def test_archives_of_certain_names(command: str, fetched: str, opened: str) -> None:
    argv = tuple(command.split())
    assert (archives.downloaded(argv), archives.unpacked(argv)) == (fetched, opened)
