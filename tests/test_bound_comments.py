"""A `# renovate:` comment stays above the line that it is read with, or nothing changes."""

from __future__ import annotations

import pytest

from refactor.bound_comments import bound
from refactor.compose import attempt, refactor
from refactor.config import Config
from refactor.engine import Changed, run
from refactor.model import Change, Safety
from refactor.registry import ordered, select
from refactor.source import Edit, Span
from tests.snapshots import snapshot

NOTE = "# renovate: datasource=github-tags depName=a/b"
FROM = "FROM debian:bookworm-slim\n"


def done(text: str, *select_: str) -> tuple[str, list[str]]:
    """Return what becomes of a text, and the codes of refusals."""
    result = run("Dockerfile", text.encode(), Config(select=select_, level=Safety.RISKY))
    assert not [r for r in result.remarks if r.kind == "dropped"]
    codes = [r.code for r in result.remarks if r.kind == "refusal"]
    return result.after.decode() if isinstance(result, Changed) else text, codes


@pytest.mark.parametrize(
    ("text", "transform"),
    [
        (f"{FROM}RUN echo a\n{NOTE}\nRUN install-tool b 1.2\n", "merge-runs"),
        (f"{FROM}RUN apt-get update\n{NOTE}\nRUN apt-get install -y b=1.2\n", "merge-apt-update"),
        (f"{FROM}{NOTE}\nENV A=1.2 \\\n    B=2\nMAINTAINER me\n", "unify-instruction-case"),
    ],
)
def test_a_comment_keeps_its_line(text: str, transform: str) -> None:
    after, codes = done(text, transform)
    assert bound(after) == bound(text)
    assert after == text or not codes


def test_what_would_tear_them_apart_is_refused_with_a_reason() -> None:
    text = f"{FROM}RUN echo a\n{NOTE}\nRUN install-tool b 1.2\n"
    assert done(text, "merge-runs") == (text, ["N101"])
    assert done(text.replace("renovate", "note"), "merge-runs")[0].count("RUN") == 1


@pytest.mark.parametrize(
    ("before", "after", "transform"),
    [
        ("ENV A 1.2\n", "ENV A=1.2\n", "use-key-value-form"),
        ("run pip install b==1.2\n", "RUN pip install b==1.2\n", "unify-instruction-case"),
        ("RUN apt install -y b=1.2\n", "RUN apt-get install -y b=1.2\n", "use-apt-get"),
    ],
)
def test_a_line_may_change_where_its_version_does_not(
    before: str, after: str, transform: str
) -> None:
    tail = "RUN a\nRUN b\n"
    assert done(f"{FROM}{NOTE}\n{before}{tail}", transform)[0] == f"{FROM}{NOTE}\n{after}{tail}"


def test_the_verifier_sees_it_too() -> None:
    text = f"{FROM}{NOTE}\nARG A=1\nARG B=2\n"
    at = text.index("ARG A")
    for edits in (
        (Edit(Span(at, at), "\n"),),
        (Edit(Span(at, at), "# other\n"),),
        (Edit(Span(at - len(NOTE) - 1, at), ""), Edit(Span(at + 8, at + 8), f"{NOTE}\n")),
    ):
        after, reason = attempt(snapshot(text, None), [Change("", edits)])
        assert after is None
        assert reason in (
            "a comment no longer stands above the line that it is read with",
            "a comment is lost or changed",
        )
    by_hand = Change("", (Edit(Span(at, at), "\n"),), by_hand=True)
    assert attempt(snapshot(text, None), [by_hand])[0] is not None


def test_all_transforms_keep_the_law() -> None:
    parts = (
        f"{NOTE}\nARG V=1.2\n{FROM}{NOTE}\nENV A 1.2\nMAINTAINER me\nRUN apt-get update\n{NOTE}\n"
        f"RUN apt-get install -y b=1.2\n{NOTE}\nRUN pip install c==1.2\nRUN cd /x \\\n{NOTE}\n"
        f"    && wget http://a/1.2.tgz && tar xzf 1.2.tgz\nRUN yum install -y d-1.2\n{NOTE}\n"
        f"ADD a-1.2.txt /x\nWORKDIR y\nWORKDIR z\n{NOTE}\nCMD a 1.2\nCMD b\n"
    )
    for escape in ("", "# escape=\\\n"):
        text = escape + parts
        transforms = list(ordered(select(("all",), ())))
        found = refactor(snapshot(text, None), transforms, Safety.RISKY)
        assert not found.drops
        assert found.steps
        assert bound(found.snapshot.text) == bound(text)
