"""WORKDIR instead of `cd`: what stays, and what the verifier would not take."""

from __future__ import annotations

import pytest

from refactor.compose import Step
from refactor.model import Claim, Effect, Safety
from refactor.verify import verify
from tests import corpus
from tests.snapshots import run, snapshot
from tests.test_laws import Task, look

APP = "FROM debian\nWORKDIR /app\n"


def becomes(text: str) -> tuple[str, set[str]]:
    """Return what a text becomes, and the codes of refusals; nothing is dropped."""
    found = run(snapshot(text, None), "use-workdir")
    assert not found.drops
    return found.snapshot.text, {refusal.code for _, refusal in found.refusals}


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("cd && a", "W302"),
        ("cd - && a", "W302"),
        ("cd ~ && a", "W302"),
        ("cd ~/x && a", "W302"),
        ("cd -P /x && a", "W302"),
        ('cd "$X" && a', "W302"),
        ("cd '/x y' && a", "W302"),
        ("cd /x* && a", "W302"),
        ("cd ./x && a", "W302"),
        ("cd /x/../y && a", "W302"),
        ("cd /x && a || b", "W302"),
        ("cd /x && a || true", "W302"),
        ("cd /x && a; b", "W302"),
        ("cd /x && a &", "W302"),
        ("cd /x && a && exit 0", "W302"),
        ("set -e; cd /x && a; b", "W302"),
        ("if a; then cd /x; fi && b", "W302"),
        ("(cd /x) && a", "W302"),
        ("! cd /x && a", "W302"),
        ("cd /x 2>/dev/null && a", "W302"),
        ("CDPATH=/y cd x && a", "W302"),
        ("export CDPATH=/y && cd x && a", "W302"),
        ("umask 77 && cd /x && a", "W302"),
        ("git clone b /x && cd /x && a", "W302"),
        ("cd /x", "W304"),
        ("cd /x && cd y && a", "W305"),
        ("cd /x && (cd y && a)", "W305"),
        ("cd /x && a && pushd y", "W305"),
        ("cd /x && a $OLDPWD", "W305"),
        ("cd /x && echo ${PWD}", "W305"),
        ("cd /x && for f in $(pwd)/*; do a; done", "W305"),
        ("cd /x && a > `pwd`/b", "W305"),
        ("cd /dev/shm && a", "W306"),
        ("cd /proc/1 && a", "W306"),
        ("--mount=type=cache,target=/x cd /x && a", "W306"),
        ("--mount=type=cache,target=/x cd /x/y && a", "W306"),
        ("--mount=type=bind,target=/x/y cd /x && a", "W306"),
        ("--mount=type=cache,target=$T cd /x && a", "W306"),
        ("--mount=from=b,target=c cd /x && a", "W306"),
        ("--mount=type=secret,id=a cd /run/secrets && b", "W306"),
        ("cd /x && rm -rf /app", "W308"),
        ("cd /x && rm -rf /*", "W308"),
        ("cd /x && rm -rf $APP", "W308"),
        ('cd /x && rm -rf "/app"', "W308"),
        ("cd / && rm -rf app/", "W308"),
        ("cd / && rm -rf *", "W308"),
        ("cd /x && mv /app /b", "W308"),
        ("cd /x && find / -type d | xargs rmdir /app", "W308"),
    ],
)
def test_what_stays(script: str, code: str) -> None:
    text = f"{APP}RUN {script}\nCOPY a .\n"
    assert becomes(text) == (text, {code})


@pytest.mark.parametrize(
    "text",
    [
        'FROM debian\nRUN ["cd", "/x"]\n',
        "FROM debian\nONBUILD RUN cd /x && a\n",
        'FROM debian\nSHELL ["powershell", "-c"]\nRUN echo a\n',
        "FROM mcr.microsoft.com/windows/nanoserver\nRUN cd /x && a\n",
        "FROM debian\nRUN echo cd /x && a\n",
    ],
)
def test_what_is_no_matter(text: str) -> None:
    assert becomes(text) == (text, set())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"{APP}RUN --mount=type=secret,id=a --mount=type=cache,target=/y cd /x && a\nCMD b\n",
            f"{APP}WORKDIR /x\nRUN --mount=type=secret,id=a --mount=type=cache,target=/y a\n"
            "WORKDIR /app\nCMD b\n",
        ),
        (
            "FROM debian AS a\nRUN cd /x && b\nFROM a\nCOPY c .\n",
            "FROM debian AS a\nWORKDIR /x\nRUN b\nWORKDIR /\nFROM a\nCOPY c .\n",
        ),
        (
            "FROM debian\r\nRUN cd /x && \\\r\n    a\r\nCMD b",
            "FROM debian\r\nWORKDIR /x\r\nRUN a\r\nWORKDIR /\r\nCMD b",
        ),
        (
            f"{APP}# hadolint ignore=DL3059\nRUN cd /x && rm -rf /x/* /var/lib/apt/lists/*\n",
            f"{APP}WORKDIR /x\n# hadolint ignore=DL3059\nRUN rm -rf /x/* /var/lib/apt/lists/*\n"
            "WORKDIR /app\n",
        ),
        (
            f"{APP}RUN cd /x && a\nRUN cd / && b\nRUN c\nRUN cd /x && mkdir d && cd d && e\n",
            f"{APP}WORKDIR /x\nRUN a\nWORKDIR /\nRUN b\nWORKDIR /app\nRUN c\n"
            "RUN cd /x && mkdir d && cd d && e\n",
        ),
        (f"{APP}RUN cd /app && a\nRUN b\n", f"{APP}RUN a\nRUN b\n"),
        (
            f"{APP}RUN cd /x && rm -rf /app\nENV A=1\nWORKDIR /y\n",
            f"{APP}WORKDIR /x\nRUN rm -rf /app\nENV A=1\nWORKDIR /y\n",
        ),
    ],
    ids=["mounts", "child stage", "CRLF", "ignore comment", "row", "there already", "no way back"],
)
def test_what_changes(before: str, after: str) -> None:
    assert becomes(before)[0] == after


def test_an_ignore_comment_of_the_rule_is_heeded() -> None:
    text = f"{APP}# hadolint ignore=DL3003\nRUN cd /x && a\n"
    assert becomes(text) == (text, set())


def step(text: str) -> Step:
    """Return the one step over a text."""
    (found,) = run(snapshot(text, None), "use-workdir").steps
    return found


ONE = f"{APP}RUN cd /x && a b\nCOPY c .\n"


@pytest.mark.parametrize(
    "wrong",
    [
        f"{APP}WORKDIR /x\nRUN a b\nCOPY c .\n",
        f"{APP}WORKDIR /x\nRUN a b\nCOPY c .\nWORKDIR /app\n",
        f"{APP}WORKDIR /y\nRUN a b\nWORKDIR /app\nCOPY c .\n",
        f"{APP}RUN a b\nCOPY c .\n",
        f"{APP}WORKDIR /x\nRUN a\nWORKDIR /app\nCOPY c .\n",
        f"{APP}WORKDIR /x\nRUN cd /x && a b\nWORKDIR /app\nCOPY c .\n",
        f"{APP}WORKDIR /y\nWORKDIR /x\nRUN a b\nWORKDIR /app\nCOPY c .\n",
        f"{APP}USER d\nWORKDIR /x\nRUN a b\nWORKDIR /app\nCOPY c .\n",
    ],
)
def test_what_does_not_verify(wrong: str) -> None:
    change, before = step(ONE).change, snapshot(ONE, None).evidence
    right = f"{APP}WORKDIR /x\nRUN a b\nWORKDIR /app\nCOPY c .\n"
    assert verify(before, snapshot(right, None).evidence, change.claims, change.assumes) is None
    assert verify(before, snapshot(wrong, None).evidence, change.claims, change.assumes)


@pytest.mark.parametrize("text", [ONE, f"{APP}RUN cd /x && a\nRUN cd y && b\n"])
def test_each_claim_and_each_assumption_is_needed(text: str) -> None:
    found = step(text)
    claims, assumes = found.change.claims, found.change.assumes
    before, after = found.before.evidence, snapshot(becomes(text)[0], None).evidence
    assert verify(before, after, claims, assumes) is None
    assert found.change.effective_level is Safety.SUGGESTED
    for claim in claims:
        assert verify(before, after, [c for c in claims if c is not claim], assumes)
    for sentence in assumes:
        assert verify(before, after, claims, [s for s in assumes if s != sentence])


def test_of_two_alike_the_claim_is_of_one() -> None:
    text = f"{APP}RUN cd /x && a\nCOPY b .\nRUN cd /x && a\n"
    found = step(f"{APP}RUN cd /x && a\nCOPY b .\n")
    after = f"{APP}RUN cd /x && a\nCOPY b .\nWORKDIR /x\nRUN a\nWORKDIR /app\n"
    before, now = snapshot(text, None).evidence, snapshot(after, None).evidence
    assert verify(before, now, found.change.claims, found.change.assumes) is None
    assert verify(before, now, found.change.claims * 2, found.change.assumes)


def test_a_folder_of_parentheses_is_not_that_of_the_rest() -> None:
    text, after = f"{APP}RUN (cd /x && a) && b\n", f"{APP}WORKDIR /x\nRUN (a) && b\nWORKDIR /app\n"
    claim = Claim(
        Effect.COMMANDS, frozenset({"stage 0", "- cd /x", "+ WORKDIR /x", "in front of a"})
    )
    assumes = step(ONE).change.assumes
    assert verify(snapshot(text, None).evidence, snapshot(after, None).evidence, [claim], assumes)


def test_laws_over_the_corpus() -> None:
    paths = [p for p in corpus.files(corpus.folder()) if b"cd " in p.read_bytes()][::3]
    seen = [look(Task(path, None, Safety.RISKY, ("use-workdir",))) for path in paths]
    assert sum(one.kind == "Changed" for one in seen) >= 10
    assert not [(one.task.path, one.broken) for one in seen if one.broken]


def test_many_lines_take_no_time_in_square() -> None:
    text = APP + "".join(f"RUN cd /x{i % 7} && a{i}\n" for i in range(1500))
    assert becomes(text)[0].count("WORKDIR") == 1502
