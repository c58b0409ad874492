"""ENV and LABEL in groups, and the order of what ends a stage: nothing but the text differs."""

from __future__ import annotations

from collections import Counter

import pytest

from refactor import lines
from refactor.compose import Outcome
from refactor.facts.metadata import REORDERED
from refactor.model import Claim, Effect, Safety
from refactor.snapshot import Snapshot
from refactor.source import decode
from refactor.syntax import parse
from refactor.verify import verify
from refactor.words import is_legacy, pairs
from tests import corpus
from tests.snapshots import run, snapshot
from tests.test_laws import Seen, Task, look

BOTH = ("group-metadata", "order-metadata")


def outcome(text: str, *names: str) -> Outcome:
    """Run the two, or one of them; nothing is dropped."""
    found = run(snapshot(text, None), *(names or BOTH))
    assert not found.drops
    return found


def becomes(text: str, *names: str) -> str:
    """Return what a text becomes."""
    return outcome(text, *names).snapshot.text


def codes(text: str) -> set[str]:
    """Return the codes of refusals; nothing changes."""
    found = outcome(text)
    assert found.snapshot.text == text
    return {refusal.code for _, refusal in found.refusals}


# ---- groups ----


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ENV A=1\nENV B 2\n", "G201"),
        ("LABEL a 1\nLABEL b=2\n", "G201"),
        ('LABEL a=1\nLABEL "a"=2\n', "G202"),
        ("ENV A=1 B=2\nENV C=3 B=4\n", "G202"),
        ("ENV A=1\nENV B=${A}\n", "G203"),
        ("ENV A=1\nENV B=${A:-2}\n", "G203"),
        ("ENV A=1\nENV B='$A'\n", "G203"),
        ("ENV PATH=/a:$PATH\nENV B=$PATH\n", "G203"),
        ("ENV A=$B\nENV B=1\n", "G203"),
        ("ENV A=\"1\nENV B=2\n", "G204"),
        ("# hadolint ignore=DL3044\nENV A=1\nENV B=2\n", "G205"),
        ("ENV A=1 \\\n    # renovate: datasource=npm depName=c\n    C=1.2\nENV B=2\n", "G205"),
        ("ENV A=1\nENV B=2 \\\n    # trivy:ignore:AVD-1\n    C=3\n", "G205"),
        ("ENV A=1\nENV \\\n    # b\n    B=2\n", "G206"),
    ],
)  # fmt: skip
def test_what_stays_apart(text: str, code: str) -> None:
    assert codes(f"FROM debian\n{text}") == {code}


@pytest.mark.parametrize(
    "text",
    [
        "ENV A=1\nLABEL b=2\nENV C=3\n",
        "ENV A=1\nARG B\nENV C=3\n",
        "ENV A=1\n  \nENV B=2\n",
        "ENV A=1\n# b\nENV B=2\n",
        "ENV A=1\nFROM debian\nENV B=2\n",
        "ARG A=1\nARG B=2\n",
        "ONBUILD LABEL a=1\nONBUILD LABEL b=2\n",
    ],
)
def test_what_does_not_touch(text: str) -> None:
    found = outcome(f"FROM debian\n{text}", "group-metadata")
    assert (found.snapshot.text, found.refusals) == (f"FROM debian\n{text}", ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM a\r\nENV A=1\r\nENV B=2", "FROM a\r\nENV A=1 \\\r\n    B=2"),
        (
            "# escape=`\nFROM a\nENV A=c:\\\nENV B=2\n",
            "# escape=`\nFROM a\nENV A=c:\\ `\n    B=2\n",
        ),
        ("FROM a\nENV A=b\\\\  \nENV B=2\n", "FROM a\nENV A=b\\\\ \\\n    B=2\n"),
        ('FROM a\nenv A=\nenv B=""\n', 'FROM a\nenv A= \\\n    B=""\n'),
        (
            "FROM a\nLABEL b=$c\nLABEL d=$b\nLABEL c=1\n",
            "FROM a\nLABEL b=$c \\\n    d=$b \\\n    c=1\n",
        ),
        (
            "FROM a\nENV A=1\nENV B=$A\nENV C=2\nENV D=3\nENV E=$D\n",
            "FROM a\nENV A=1\nENV B=$A \\\n    C=2 \\\n    D=3\nENV E=$D\n",
        ),
    ],
    ids=["CRLF", "other escape", "blanks", "empty", "labels are no variables", "chain"],
)
def test_what_is_grouped(before: str, after: str) -> None:
    assert becomes(before, "group-metadata") == after


def test_many_lines_take_no_time_in_square() -> None:
    text = "FROM a\n" + "".join(f"ENV A{i}=$B{i}\n" for i in range(4000))
    assert becomes(text, "group-metadata").count("ENV") == 1


# ---- order ----


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CMD a\n# b\n\n# c\nEXPOSE 80\n", "O201"),
        ("# all of it\nCMD a\nENTRYPOINT b\n", "O202"),
        ("CMD a\n\n# web\nEXPOSE 80\nLABEL b=c\n", "O202"),
        ("CMD a\nEXPOSE 80 \\\n", "O203"),
    ],
)
def test_what_is_not_moved(text: str, code: str) -> None:
    assert codes(f"FROM debian\n{text}") == {code}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM a\r\nCMD b\r\nEXPOSE 80", "FROM a\r\nEXPOSE 80\r\nCMD b"),
        (
            "FROM a\n# who\nLABEL b=c\nEXPOSE 80\nCMD d\nENTRYPOINT e\n",
            "FROM a\n# who\nLABEL b=c\nEXPOSE 80\nENTRYPOINT e\nCMD d\n",
        ),
        (
            "FROM a\nCMD b\n\n# hadolint ignore=DL3011\nEXPOSE 8\n\n# two\n# lines\nLABEL c=d\n",
            "FROM a\n# two\n# lines\nLABEL c=d\n\n# hadolint ignore=DL3011\nEXPOSE 8\n\nCMD b\n",
        ),
        ("FROM a\nCMD b\nHEALTHCHECK NONE\nCMD c\n", "FROM a\nHEALTHCHECK NONE\nCMD b\nCMD c\n"),
    ],
    ids=["CRLF", "a comment above what stays", "comments move along", "the last CMD counts"],
)
def test_what_is_put_in_order(before: str, after: str) -> None:
    assert becomes(before, "order-metadata") == after


def test_one_makes_room_for_the_other() -> None:
    before = "FROM a\nLABEL b=1\nEXPOSE 80\nLABEL c=2\nCMD d\n"
    assert becomes(before) == "FROM a\nLABEL b=1 \\\n    c=2\nEXPOSE 80\nCMD d\n"


@pytest.mark.parametrize(
    "after",
    [
        "FROM a\nRUN b\nCMD d\nENTRYPOINT c\n",
        "FROM a\nENTRYPOINT c\nCMD d\n",
        "FROM a\nENTRYPOINT c\nRUN b\nCMD d\n",
        "FROM a\nRUN b\nENTRYPOINT c\nCMD e\n",
        "FROM a\nRUN b\nENTRYPOINT c\nEXPOSE 80\nCMD d\n",
    ],
    ids=["nothing moved", "a RUN is gone", "a RUN moved", "another CMD", "a port more"],
)
def test_what_does_not_verify(after: str) -> None:
    before = snapshot("FROM a\nRUN b\nCMD d\nENTRYPOINT c\n", None)
    (step,) = run(before, "order-metadata").steps
    right = snapshot("FROM a\nRUN b\nENTRYPOINT c\nCMD d\n", None)
    assert step.change.effective_level is Safety.SAFE
    assert verify(before.evidence, right.evidence, step.change.claims, []) is None
    assert verify(before.evidence, snapshot(after, None).evidence, step.change.claims, [])


def test_a_group_that_changes_a_value_does_not_verify() -> None:
    before = snapshot("FROM a\nENV A=1\nENV B=$A\n", None).evidence
    after = snapshot("FROM a\nENV A=1 B=$A\n", None).evidence
    assert verify(before, after, [], [])
    claim = Claim(Effect.METADATA, frozenset({"stage 0", REORDERED}))
    assert verify(before, after, [claim], [])


# ---- the corpus ----


@pytest.fixture(scope="module")
def changed() -> list[Seen]:
    """Run both, alone, over some files of the corpus; no law is broken."""
    paths = corpus.files(corpus.folder())[::11]
    seen = [look(Task(path, None, Safety.RISKY, BOTH)) for path in paths]
    assert not [(one.task.path, one.broken) for one in seen if one.broken]
    found = [one for one in seen if one.kind == "Changed"]
    assert len(found) >= 20
    return found


def test_each_pair_stays_byte_for_byte(changed: list[Seen]) -> None:
    for one in changed:
        before, after = (_pairs(decode(text)) for text in (one.before, one.after))
        assert before == after, one.task.path


def _pairs(text: str) -> Counter[tuple[str, ...]]:
    file = parse(text)
    found = (i for i in file.instructions if i.keyword in ("ENV", "LABEL"))
    return Counter(
        (i.keyword, *pair)
        for i in found
        for pair in ([("", i.args)] if is_legacy(i, file.escape) else pairs(i, file.escape))
    )


def test_a_comment_stays_with_its_line(changed: list[Seen]) -> None:
    for one in changed:
        before, after = (_headed(decode(text)) for text in (one.before, one.after))
        assert before == after, one.task.path


def _headed(text: str) -> Counter[tuple[str, str]]:
    """Return the comments above instructions, each with the beginning of what is below."""
    there: Snapshot = snapshot(text, None)
    found: Counter[tuple[str, str]] = Counter()
    for ins in there.dockerfile.instructions:
        if comment := lines.heading(there, ins):
            words = text[comment.span.start : comment.span.end].strip()
            found[words, ins.logical.text.split("=")[0][:40]] += 1
    return found
