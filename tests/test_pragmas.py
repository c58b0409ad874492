"""Ignore comments: which there are, what they hold for, and that they travel with a merge."""

import json
from pathlib import Path, PurePath

import pytest
from typer.testing import CliRunner

from refactor.cli import app
from refactor.config import Config
from refactor.engine import WARNING, Changed, Unchanged, run
from refactor.facts.pragmas import is_skipped, skips
from refactor.model import Safety
from refactor.report.formats import FORMATS
from refactor.report.text import remarks
from refactor.snapshot import Snapshot
from refactor.source import Span
from refactor.syntax import parse


def snapshot(text: str) -> Snapshot:
    """Return a text's snapshot."""
    return Snapshot(PurePath("Dockerfile"), text, parse(text))


READ: dict[str, tuple[str, set[str], dict[int, set[str]]]] = {
    # text, what is ignored everywhere, what by line
    "none": ("FROM a\n# b\nRUN c\n", set(), {}),
    "ours": ("FROM a\n# refactor: skip=b\nRUN c\nRUN d\n", set(), {3: {"b"}}),
    "several": ("FROM a\n# refactor: skip=b,c-d why\nRUN c\n", set(), {3: {"b", "c-d"}}),
    "without blanks": ("FROM a\n#refactor:skip=b\nRUN c\n", set(), {3: {"b"}}),
    "indented": ("FROM a\n  # refactor: skip=b\n  RUN c\n", set(), {3: {"b"}}),
    "above a blank line": ("FROM a\n# refactor: skip=b\n\nRUN c\n", set(), {4: {"b"}}),
    "above a comment": ("FROM a\n# refactor: skip=b\n# c\nRUN d\n", set(), {4: {"b"}}),
    "two of them": (
        "FROM a\n# refactor: skip=b\n# hadolint ignore=DL1\nRUN c\n", set(), {4: {"b", "DL1"}},
    ),
    "above FROM": ("# refactor: skip=b\nFROM a\n", set(), {2: {"b"}}),
    "at the end": ("FROM a\n# refactor: skip=b\n", set(), {}),
    "inside an instruction": ("FROM a\nRUN b \\\n# refactor: skip=b\n c\nRUN d\n", set(), {}),
    "in a heredoc": ("FROM a\nRUN <<E\n# refactor: skip=b\nE\nRUN c\n", set(), {}),
    "in CRLF": ("FROM a\r\n# refactor: skip=b\r\nRUN c\r\n", set(), {3: {"b"}}),
    "hadolint": ("FROM a\n# hadolint ignore=DL1,DL2\nRUN b\n", set(), {3: {"DL1", "DL2"}}),
    "hadolint, blanks": ("FROM a\n#hadolint  ignore=DL1, DL2\nRUN b\n", set(), {3: {"DL1", "DL2"}}),
    "hadolint, shell": ("FROM a\n# hadolint ignore=SC2086\nRUN b\n", set(), {3: {"SC2086"}}),
    "hadolint, global": ("# hadolint global ignore=DL1,DL2\nFROM a\n", {"DL1", "DL2"}, {}),
    "hadolint, global, below": ("FROM a\n# hadolint global ignore=DL1\nRUN b\n", {"DL1"}, {}),
    "hadolint, both": (
        "# hadolint global ignore=DL1\nFROM a\n# hadolint ignore=DL2\nRUN b\n",
        {"DL1"}, {4: {"DL2"}},
    ),
    "BuildKit": ("# check=skip=A,B\nFROM a\n", {"A", "B"}, {}),
    "BuildKit, blanks": ("#check = skip=A, B;error=true\nFROM a\n", {"A", "B"}, {}),
    "BuildKit, behind": ("# check=error=true;skip=A\nFROM a\n", {"A"}, {}),
    "BuildKit, all": ("# syntax=a\n# check=skip=all\nFROM a\n", {"all"}, {}),
    "BuildKit, no directive any more": ("# a\n# check=skip=A\nFROM a\n", set(), {}),
    "BuildKit, and ours": (
        "# check=skip=A\nFROM a\n# refactor: skip=b\nRUN c\n", {"A"}, {4: {"b"}},
    ),
    "one that is none": ("FROM a\n# refactor skip=b\n# ignore=c\nRUN d\n", set(), {}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "everywhere", "local"), READ.values(), ids=READ)
def test_what_is_read(text: str, everywhere: set[str], local: dict[int, set[str]]) -> None:
    seen = snapshot(text)
    found, by_start = skips(seen)
    lines = {seen.dockerfile.line(start): set(names) for start, names in by_start.items()}
    assert (set(found), lines) == (everywhere, local)


def test_a_reason_may_follow() -> None:
    _, local = skips(snapshot("FROM a\n# hadolint ignore=DL1 the lists are needed\nRUN b\n"))
    assert [("DL1" in names) for names in local.values()] == [True]


def test_it_holds_for_the_next_instruction_only() -> None:
    text = "FROM a\nRUN b\n# refactor: skip=x\nRUN c \\\n  d\nRUN e\n"
    seen = snapshot(text)
    skipped = {
        text[at]
        for at in range(len(text))
        if is_skipped(seen, [Span(at, at + 1)], frozenset({"x", "other"}))
    }
    start, end = text.index("RUN c"), text.index("RUN e")
    assert skipped == set(text[start - 1 : end])
    assert not is_skipped(seen, [Span(start, end)], frozenset({"other"}))
    assert not is_skipped(seen, [], frozenset({"x"}))
    assert is_skipped(seen, [Span(0, 1), Span(start, end)], frozenset({"x"}))


UPDATE = "RUN apt-get update && apt-get install -y a"
CLEANED = f"{UPDATE} && rm -rf /var/lib/apt/lists/*"


def after(text: str, *transforms: str) -> str:
    """Return what becomes of a text."""
    result = run("Dockerfile", text.encode(), Config(select=transforms, level=Safety.RISKY))
    assert isinstance(result, Changed | Unchanged), result
    return result.after.decode() if isinstance(result, Changed) else text


KEPT = {
    "ours": f"FROM debian\n# refactor: skip=clean-apt-lists\n{UPDATE}\n",
    "hadolint's": f"FROM debian\n# hadolint ignore=DL3009\n{UPDATE}\n",
    "one of two": f"FROM debian\n# hadolint ignore=DL3015,DL3009\n{UPDATE}\n",
    "with a reason": f"FROM debian\n# hadolint ignore=DL3009 they are needed\n{UPDATE}\n",
    "global": f"# hadolint global ignore=DL3009\nFROM debian\n{UPDATE}\n",
    "all of BuildKit's": f"# check=skip=all\nFROM debian\n{UPDATE}\n",
    "above a comment": f"FROM debian\n# refactor: skip=clean-apt-lists\n# b\n{UPDATE}\n",
}
CHANGED = {
    "none": f"FROM debian\n{UPDATE}\n",
    "another transform": f"FROM debian\n# refactor: skip=merge-runs\n{UPDATE}\n",
    "another rule": f"FROM debian\n# hadolint ignore=DL3008\n{UPDATE}\n",
    "another instruction": f"# refactor: skip=clean-apt-lists\nFROM debian\n{UPDATE}\n",
    "below": f"FROM debian\n{UPDATE}\n# refactor: skip=clean-apt-lists\n",
    "another check": f"# check=skip=MaintainerDeprecated\nFROM debian\n{UPDATE}\n",
    "a directive that is none": f"# a\n# check=skip=all\nFROM debian\n{UPDATE}\n",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_keeps_a_transform_away(text: str) -> None:
    assert after(text, "clean-apt-lists") == text


@pytest.mark.parametrize("text", CHANGED.values(), ids=CHANGED)
def test_what_does_not(text: str) -> None:
    assert after(text, "clean-apt-lists") == text.replace(UPDATE, CLEANED)


def test_a_check_holds_for_the_transform_that_answers_it() -> None:
    text = "# check=skip=MaintainerDeprecated,FromAsCasing\nfrom a AS b\nMAINTAINER c\nENV D e\n"
    wanted = text.replace("D e", "D=e")
    names = ("replace-maintainer", "match-as-case", "use-key-value-form")
    assert after(text, *names) == wanted
    assert "LABEL" in after(text.partition("\n")[2], *names)


MERGED = {
    "above the first": (
        "FROM a\n# hadolint ignore=DL1\nRUN b\nRUN c\n",
        "FROM a\n# hadolint ignore=DL1\nRUN b \\\n    && c\n",
    ),
    "above the second": (
        "FROM a\nRUN b\n# hadolint ignore=DL1\nRUN c\n",
        "FROM a\n# hadolint ignore=DL1\nRUN b \\\n    && c\n",
    ),
    "above the second, with a comment": (
        "FROM a\nRUN b\n# hadolint ignore=DL1\n# why\nRUN c\n",
        "FROM a\n# hadolint ignore=DL1\nRUN b \\\n    # why\n    && c\n",
    ),
    "above the second, below directives": (
        "# syntax=x\n# escape=\\\nFROM a\nRUN b\n# hadolint ignore=DL1\nRUN c\n",
        "# syntax=x\n# escape=\\\nFROM a\n# hadolint ignore=DL1\nRUN b \\\n    && c\n",
    ),
    "above the second, CRLF": (
        "FROM a\r\nRUN b\r\n# hadolint ignore=DL1\r\nRUN c\r\n",
        "FROM a\r\n# hadolint ignore=DL1\r\nRUN b \\\r\n    && c\r\n",
    ),
    "of another tool": (
        "FROM a\nRUN b\n# trivy:ignore:AVD-1\nRUN c\n",
        "FROM a\n# trivy:ignore:AVD-1\nRUN b \\\n    && c\n",
    ),
}
APART = {
    "above both": "FROM a\n# hadolint ignore=DL1\nRUN b\n# hadolint ignore=DL2\nRUN c\n",
    "past a comment": "FROM a\nRUN b\n# why\n# hadolint ignore=DL1\nRUN c\n",
    "past a comment inside": "FROM a\nRUN b \\\n# why\n  && c\n# hadolint ignore=DL1\nRUN d\n",
    "for this transform, above the first": "FROM a\n# refactor: skip=merge-runs\nRUN b\nRUN c\n",
    "for this transform, above the second": "FROM a\nRUN b\n# refactor: skip=merge-runs\nRUN c\n",
    "for its rule": "FROM a\nRUN b\n# hadolint ignore=DL3059\nRUN c\n",
}


@pytest.mark.parametrize(("text", "wanted"), MERGED.values(), ids=MERGED)
def test_a_comment_travels_with_what_it_is_for(text: str, wanted: str) -> None:
    assert after(text, "merge-runs") == wanted
    before, joined = (skips(snapshot(t))[1] for t in (text, wanted))
    assert list(joined.values()) == list(before.values())
    assert snapshot(wanted).dockerfile.directives == snapshot(text).dockerfile.directives


@pytest.mark.parametrize("text", APART.values(), ids=APART)
def test_what_would_lose_its_place_keeps_two_runs_apart(text: str) -> None:
    assert after(text, "merge-runs") == text


def test_a_comment_never_goes_above_a_directive() -> None:
    """Every transform on a text that begins with directives: they stay first."""
    text = (
        "# syntax=docker/dockerfile:1\n# check=error=true\nfrom debian:12 AS x\nMAINTAINER a\n"
        "RUN apt-get update\n# hadolint ignore=DL3008\nRUN apt-get install b\nRUN c\n"
    )
    result = after(text, "all")
    assert result != text
    assert result.startswith("# syntax=docker/dockerfile:1\n# check=error=true\nFROM ")
    assert parse(result).directives == parse(text).directives


MISNAMED = {
    # the name, and what is said of it; nothing if it is right
    "clean-apt-list": "is it clean-apt-lists? `dfr list` names all",
    "DL30008": "is it DL3008",
    "U305": "no transform is called 'U305', so nothing is skipped; ",
    "skip-pip-cache,SKIP_APK_CACHE": "is it skip-apk-cache",
    "clean-apt-lists": "",
    "DL3008": "",
    "all": "no transform is called 'all'",
}


@pytest.mark.parametrize(("name", "said"), MISNAMED.items())
def test_a_name_that_no_transform_has_is_told(name: str, said: str) -> None:
    text = f"FROM scratch\n# b\n# refactor: skip={name} why\nEXPOSE 80\n"
    result = run("a/Dockerfile", text.encode(), Config())
    assert isinstance(result, Unchanged)
    found = [r for r in result.remarks if r.level == WARNING]
    assert [(r.kind, r.line) for r in found] == [("notice", 3)] * bool(said)
    assert all(said in remark.reason for remark in found)
    told = "".join(remarks(result, verbose=False))
    assert told.startswith("a/Dockerfile:3: skip: warning: no transform" if said else "")
    assert bool(told) == bool(said)


def test_a_misnamed_comment_is_in_every_report_and_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n# refactor: skip=merge-run\nEXPOSE 80\n")
    for name in ("text", *FORMATS):
        given = ["fix", "--check", "--format", name, str(tmp_path)]
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 0, done.output
        assert "merge-runs" in done.output, name
    noted = json.loads(CliRunner().invoke(app, [*given[:3], "json", given[-1]]).stdout)
    (notice,) = noted["files"][0]["notices"]
    assert (notice["transform"], notice["line"]) == ("skip", 2)
