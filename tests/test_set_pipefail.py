"""SHELL with pipefail in front of a start in shell form: what the verifier lets through."""

from pathlib import PurePath

import pytest

from refactor.effects.pipefail import BASH, assumptions
from refactor.model import Claim, Effect
from refactor.snapshot import Snapshot
from refactor.syntax import parse
from refactor.verify import verify

RUN = "RUN curl -fsSL https://e.com/a.tgz | tar xz\n"
SET = 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\n'
BACK = 'SHELL ["/bin/sh", "-c"]\n'
STARTS = [
    "CMD a $B\n",
    "ENTRYPOINT a $B\n",
    "HEALTHCHECK CMD a || b\n",
    "HEALTHCHECK CMD a || b\nCMD c $D\n",
]


def judged(before: str, after: str, is_kept: bool = False) -> str | None:
    """Return why an edit that claims pipefail for the first stage is rejected."""
    old, new = (Snapshot(PurePath("Dockerfile"), t, parse(t)).evidence for t in (before, after))
    claim = Claim(Effect.COMMANDS, frozenset({"stage 0", f"shell {' '.join(BASH)}"}))
    return verify(old, new, [claim], dict.fromkeys(assumptions(BASH, is_kept)))


@pytest.mark.parametrize("start", STARTS)
def test_a_start_keeps_its_shell(start: str) -> None:
    before = f"FROM debian\n{RUN}{start}"
    assert judged(before, f"FROM debian\n{SET}{RUN}{BACK}{start}") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{RUN}CMD a $B\n", f"{SET}{RUN}CMD a $B\n"),
        (f"{RUN}CMD a $B\n", f"{SET}{RUN}CMD a $B\n{BACK}"),
        (f"{RUN}CMD a $B\n", f'{SET}{RUN}SHELL ["/bin/dash", "-c"]\nCMD a $B\n'),
        (f"{RUN}CMD a $B\n", f'{SET}{RUN}SHELL ["/bin/sh", "-ec"]\nCMD a $B\n'),
        (f"{RUN}CMD a $B\n", f"{SET}{BACK}{RUN}CMD a $B\n"),
        (f"{RUN}CMD a $B\n", f"{SET}{RUN}{BACK}CMD a $C\n"),
        (f"{RUN}CMD a $B\nRUN c\n", f"{SET}{RUN}{BACK}CMD a $B\nRUN c\n"),
    ],
)
def test_what_else_gets_another_shell_is_rejected(before: str, after: str) -> None:
    for is_kept in (False, True):
        assert judged(f"FROM debian\n{before}", f"FROM debian\n{after}", is_kept)


def test_the_shell_of_a_base_that_is_not_known_cannot_be_set_back() -> None:
    assert judged(f"FROM a/b\n{RUN}CMD a $B\n", f"FROM a/b\n{SET}{RUN}{BACK}CMD a $B\n")


def test_what_starts_from_the_stage_has_the_shell_that_it_had() -> None:
    text = "FROM debian AS x\n{}" + RUN + "{}CMD a $B\nFROM x\nRUN b\n"
    before, after = text.format("", ""), text.format(SET, BACK)
    old, new = (Snapshot(PurePath("Dockerfile"), t, parse(t)).evidence for t in (before, after))
    claim = Claim(Effect.COMMANDS, frozenset({"stage x", f"shell {' '.join(BASH)}"}))
    assert verify(old, new, [claim], dict.fromkeys(assumptions(BASH, True)))
