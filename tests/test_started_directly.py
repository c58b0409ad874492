"""Exec form, sudo, pipefail, numbers of users, modes in COPY: what the verifier must not let pass.

Each case is a change as its transform makes it, and one that differs from it in the way that
would be wrong: the claims are the same, the text is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

import pytest

from refactor.compose import Step, refactor
from refactor.model import Safety
from refactor.registry import ordered, select
from refactor.snapshot import Snapshot
from refactor.source import apply
from refactor.syntax import parse
from refactor.verify import verify


def snapshot(text: str) -> Snapshot:
    """Return the state of a Dockerfile that stands alone."""
    return Snapshot(PurePath("Dockerfile"), text, parse(text))


def steps(text: str, transform: str) -> tuple[Step, ...]:
    """Return what one transform does to a Dockerfile."""
    return refactor(snapshot(text), ordered(select((transform,), ())), Safety.RISKY).steps


@dataclass(frozen=True)
class Case:
    """`swap` makes the wrong text of the right one; `before` of the text that is changed."""

    transform: str
    text: str
    old: str
    new: str
    also: bool = False  # whether the text before is swapped too


_PY = "FROM python:3.12-slim\n"
_ADD = "FROM debian\nRUN useradd --uid 1001 --create-home app\n"
_PIPE = "FROM debian\nRUN curl -s a | tar x\n"
CASES = {
    "another word": Case("use-exec-form", f"{_PY}CMD python app.py\n", "app.py", "b.py"),
    "a word less": Case("use-exec-form", f"{_PY}CMD python app.py\n", ', "app.py"', ""),
    "words joined": Case("use-exec-form", f"{_PY}CMD python app.py\n", '", "', " "),
    "another instruction": Case("use-exec-form", f"{_PY}CMD python app.py\n", "CMD", "ENTRYPOINT"),
    "a CMD that would be an argument": Case(
        "use-exec-form", f"{_PY}ENTRYPOINT python app.py\n", _PY, f"{_PY}CMD --help\n", True),
    "an ENTRYPOINT that gets other words": Case(
        "use-exec-form", f"{_PY}CMD python app.py\n", _PY, f'{_PY}ENTRYPOINT ["/e"]\n', True),
    "a base that looks at its arguments": Case(
        "use-exec-form", f"{_PY}CMD python app.py\n", _PY, "FROM redis:7\n", True),
    "options of a HEALTHCHECK": Case(
        "use-exec-form", f"{_PY}HEALTHCHECK --retries=3 CMD a b\n", "--retries=3 ", ""),
    "sudo of a user": Case("drop-sudo", "FROM debian\nRUN sudo make a\n",
                           "FROM debian\n", "FROM debian\nUSER app\n", True),
    "sudo of an unknown base": Case("drop-sudo", "FROM debian\nRUN sudo make a\n",
                                    "debian", "ocaml/opam", True),
    "another target": Case("drop-sudo", "FROM debian\nRUN sudo make a\n", "make a", "make b"),
    "a shell that is not there": Case("set-pipefail", _PIPE, "debian", "corp/base", True),
    "another shell": Case("set-pipefail", _PIPE, "/bin/bash", "/bin/zsh"),
    "a reader that stops early": Case("set-pipefail", f"{_PIPE}RUN b\n", "RUN b\n",
                                      "RUN b | head\n", True),
    "CMD under another shell": Case("set-pipefail", f"{_PIPE}RUN b\n", "RUN b\n",
                                    "RUN b\nCMD $C\n", True),
    "SHELL behind the pipe": Case("set-pipefail", f"{_PIPE}RUN b | c\n", "RUN b | c", "RUN b; c"),
    "another number": Case("use-numeric-user", f"{_ADD}USER app\n", "USER 1001", "USER 1002"),
    "a number of another user": Case(
        "use-numeric-user", f"{_ADD}USER app\n", "create-home app", "create-home web", True),
    "a folder of another group": Case(
        "use-numeric-user", f"{_ADD}USER app\n", "1001\n", "1001\nWORKDIR /d\n"),
    "a number that is changed": Case(
        "use-numeric-user", f"{_ADD}USER app\n", "RUN", "RUN usermod -u 5 app\nRUN", True),
    "another mode": Case("set-mode-in-copy", "FROM debian\nCOPY a.sh /\nRUN chmod 755 /a.sh\n",
                         "=755", "=777"),
    "another file": Case("set-mode-in-copy", "FROM debian\nCOPY a.sh /\nRUN chmod 755 /a.sh\n",
                         "a.sh", "b.sh"),
    "the meter and the errors": Case("hide-curl-progress", "FROM debian\nRUN curl -o a b\n",
                                     "-sS", "-s"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_differs_from_the_claim_is_rejected(case: Case) -> None:
    (step,) = steps(case.text, case.transform)
    after = apply(step.before.text, step.change.edits)
    right = verify(
        step.before.evidence, snapshot(after).evidence, step.change.claims, step.change.assumes
    )
    assert right is None
    assert case.old in after
    wrong = snapshot(after.replace(case.old, case.new, 1))
    before = step.before
    if case.also:
        before = snapshot(before.text.replace(case.old, case.new, 1))
    assert verify(before.evidence, wrong.evidence, step.change.claims, step.change.assumes)


def test_equal_lines_of_two_stages_are_told_apart() -> None:
    stage = "FROM debian\nCOPY a.sh /a.sh\nRUN chmod 755 /a.sh\n"
    found = steps(stage + stage, "set-mode-in-copy")
    assert len(found) == 2
    for step in found:
        after = snapshot(apply(step.before.text, step.change.edits))
        claims, assumes = step.change.claims, step.change.assumes
        assert verify(step.before.evidence, after.evidence, claims, assumes) is None


ASSUMING = {
    "use-exec-form": f"{_PY}CMD python app.py\n",
    "drop-sudo": "FROM debian\nRUN sudo make a\n",
    "set-pipefail": _PIPE,
    "set-mode-in-copy": "FROM debian\nCOPY a.sh /\nRUN chmod +x /a.sh\n",
}


@pytest.mark.parametrize(("transform", "text"), ASSUMING.items(), ids=ASSUMING)
def test_what_is_assumed_is_listed(transform: str, text: str) -> None:
    (step,) = steps(text, transform)
    after = snapshot(apply(step.before.text, step.change.edits))
    assert step.change.effective_level is not Safety.SAFE
    for left_out in step.change.assumes:
        fewer = set(step.change.assumes) - {left_out}
        assert verify(step.before.evidence, after.evidence, step.change.claims, fewer), left_out


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        ("debian", "sh stays process 1"),
        ("ubuntu:24.04", "sh stays process 1"),
        ("alpine", "the shell gives way to it"),
        ("fedora:41", "the shell gives way to it"),
        ("corp/base", "may stay process 1"),
    ],
)
def test_the_reason_says_who_is_process_1(base: str, reason: str) -> None:
    (step,) = steps(f"FROM {base}\nCMD app -v\n", "use-exec-form")
    assert reason in step.change.reason
    told = any("can be process 1" in text for text in step.change.assumes)
    assert told is (reason != "the shell gives way to it")


def test_a_child_that_sets_cmd_keeps_the_shell_form_of_its_parents_entrypoint() -> None:
    text = "FROM debian AS a\nENTRYPOINT app -v\nFROM a\n"
    assert steps(text, "use-exec-form")
    assert not steps(f"{text}CMD --help\n", "use-exec-form")
    assert steps(f"{text}CMD []\n", "use-exec-form")


def test_a_process_that_sudo_starts_keeps_two_runs_apart() -> None:
    text = "FROM debian\nRUN sudo service a start\nRUN b\n"
    assert not steps(text, "merge-runs")
    assert steps(text.replace("service a start", "make"), "merge-runs")


def test_only_the_last_of_several_is_looked_at() -> None:
    (step,) = steps(f"{_PY}CMD a b\nCMD c d\n", "use-exec-form")
    after = apply(step.before.text, step.change.edits)
    assert after == f'{_PY}CMD a b\nCMD ["c", "d"]\n'
