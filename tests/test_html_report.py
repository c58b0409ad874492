"""The page of a run: all is in it, what a repository wrote does nothing, and reviews are saved."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from typer.testing import CliRunner

from refactor.batch import Wishes, many
from refactor.cli import app
from refactor.config import Config
from refactor.discover import discover
from refactor.engine import Changed, Remark, Result, Unchanged, run
from refactor.model import Safety
from refactor.patch import unified
from refactor.report import diff_html
from refactor.report.about import About
from refactor.report.fix_html import document
from tests import browser as browsers
from tests.browser import NARROW, WIDE, Reader
from tests.test_formats import evil, usual
from tests.test_proof_reports import NEVER, Page

ROOT = Path(__file__).parent.parent
WOULD = About("1.2.3", "risky")
RISKY = Config(level=Safety.RISKY, detail=True, today="2026-01-01")
FIRST = b"""FROM debian:12 as base
MAINTAINER somebody <s@example.org>
RUN apt-get update && apt-get install -y zip
ENV A b
ENV C d
"""
SECOND = b"""FROM alpine:3.20
RUN apk add curl
ENV E f
ADD a.txt /a.txt
CMD ["sh"]
"""
Opened = Callable[..., Reader]


def changed(text: bytes, path: str) -> Changed:
    """Run everything on a text that changes."""
    result = run(path, text, RISKY)
    assert isinstance(result, Changed)
    return result


@cache
def two() -> tuple[Changed, ...]:
    """Return the results of two small files."""
    return changed(FIRST, "app/Dockerfile"), changed(SECOND, "web/Dockerfile")


@cache
def projects() -> tuple[Result, ...]:
    """Return the results of some of our own projects, whose changes are of all kinds."""
    names = ("debian-tools", "flask-shop", "static-site", "celery-worker")
    found = discover([ROOT / "fixtures" / name for name in names])
    wishes = Wishes(Safety.RISKY, roots=(ROOT / "fixtures",), today="2026-01-01", detail=True)
    return tuple(many(found.files, wishes, 1))


def made(results: Sequence[Result]) -> list[tuple[Result, Remark]]:
    """Return the changes in the order of the page."""
    rows = sorted(results, key=lambda result: not isinstance(result, Changed))
    return [(result, r) for result in rows for r in result.remarks if r.kind == "change"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser for all tests."""
    with browsers.started() as found:
        yield found


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Return what opens a report; in the end nothing was loaded, and nothing complained."""
    readers: list[Reader] = []

    def reader(
        results: Sequence[Result], size: tuple[int, int] = WIDE, script: str = "", **options: Any
    ) -> Reader:
        file = tmp_path / f"{len(readers)}.html"
        file.write_text(document(results, WOULD), encoding="utf-8")
        readers.append(Reader(browser, file, size, **options))
        readers[-1].open(script)
        return readers[-1]

    yield reader
    for each in readers:
        each.close()


# The text of the page.


@pytest.mark.parametrize("results", [tuple, usual, evil, two])
def test_it_is_well_formed_and_alone(results: Callable[[], Sequence[Result]]) -> None:
    written = document(results(), WOULD)
    written.encode("utf-8")
    assert not NEVER.search(written.replace("\n", ""))
    page = Page(written)
    tags = Counter(tag for tag, _ in page.tags)
    assert tags["script"] == 2
    assert not tags["img"] + tags["link"] + tags["iframe"] + tags["a"]
    for _, attributes in page.tags:
        assert not any(name in ("src", "href", "style") for name in attributes)
        assert not any(name.startswith("on") for name in attributes)
    [policy] = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert len(re.findall("</noscript", written)) == tags["noscript"]


def test_it_says_what_there_is_to_say() -> None:
    said = "".join(Page(document(usual(), WOULD)).words)
    for result in usual():
        assert result.path in said
        for remark in result.remarks:
            assert remark.transform in said
            for sentence in (remark.reason, remark.unlock, *remark.assumes):
                assert sentence.replace("`", "") in said
            if remark.detail:
                assert all(claim[:300] in said for claim in remark.detail.claims)
                assert all(row[:300] in said for row in remark.detail.evidence)
        if isinstance(result, Changed):
            assert result.patch in said.replace("\xa0", " ")


def test_it_says_whether_files_were_written() -> None:
    assert "would be changed at level <code>risky</code>" in document(two(), WOULD)
    done = document(two(), replace(WOULD, written=True, level=""))
    assert "2 of 2 files were changed." in done
    assert "changes were made" in done


def test_what_was_not_made_is_told() -> None:
    remark = Remark("undecided", "merge-runs", 3, "two neighbouring RUN lines", "suggested")
    said = "".join(Page(document([Unchanged("Dockerfile", (remark,))], WOULD)).words)
    assert "1 not made" in said
    assert "two neighbouring RUN lines" in said


def test_a_difference_is_cut_into_rows() -> None:
    for result, remark in made((*two(), *usual())):
        assert remark.detail
        hunks = list(diff_html.hunks(remark.detail.diff))
        signs = [row for row in remark.detail.diff.split("\n") if row[:1] in ("+", "-", " ")]
        named = ("--- ", "+++ ")
        expected = [row for row in signs if not row.startswith(named)]
        assert [row.sign + row.text for hunk in hunks for row in hunk.rows] == expected
        if isinstance(result, Changed):
            numbers = [row.old for hunk in hunks for row in hunk.rows if row.sign != "+"]
            assert numbers == sorted(set(numbers))


def test_numbers_are_those_of_the_lines() -> None:
    old = "".join(f"{n}\n" for n in range(1, 30))
    new = old.replace("\n7\n", "\n7\nseven\n").replace("20\n", "").replace("25\n", "twenty-five\n")
    for before, after in ((old, new), (new, old), ("", old), (old, "")):
        lines = before.split("\n"), after.split("\n")
        for hunk in diff_html.hunks("".join(unified("Dockerfile", before, after))):
            for row in hunk.rows:
                if row.sign != "+":
                    assert lines[0][row.old - 1] == row.text
                if row.sign != "-":
                    assert lines[1][row.new - 1] == row.text


def test_words_that_differ_are_marked() -> None:
    patch = "--- a/D\n+++ b/D\n@@ -1,2 +1,2 @@\n FROM a\n-RUN x -r y\n+RUN x --no-z -r y\n"
    written = "".join(diff_html.diff(patch, "+++ b/D"))
    assert '<del data-n="2">RUN x -r y</del>' in written
    assert '<ins data-n="2">RUN x <b>--no-z </b>-r y</ins>' in written
    assert 'class="path"' not in written
    assert '<p class="path"><code>D</code></p>' in "".join(
        diff_html.diff(patch, diff_html.heading("other/D"))
    )
    other = patch.replace("RUN x --no-z -r y", "COPY p q")
    assert "<b>" not in "".join(diff_html.diff(other, "+++ b/D"))


def test_a_name_that_is_quoted_in_a_patch_is_the_files_own() -> None:
    result = changed(FIRST, 'é"/Dockerfile')
    assert 'class="path"' not in document([result], WOULD)


def test_a_long_line_is_cut() -> None:
    result = changed(b"FROM debian:12 as base\nENV A " + b"x" * 60_000 + b"\n", "Dockerfile")
    assert len(document([result], WOULD)) < 60_000
    line = "x" * 1_000_000
    patch = f"--- a/D\n+++ b/D\n@@ -1,2 +1,2 @@\n {line}\n-{line}\n+y{line}\n"
    assert len("".join(diff_html.diff(patch, "+++ b/D"))) < 6_000
    assert len("".join(diff_html.patch(patch, 100))) < 6_000


def test_a_long_difference_is_cut() -> None:
    rows = "".join(f"-a{n}\n" for n in range(900))
    patch = f"--- a/D\n+++ b/D\n@@ -1,900 +0,0 @@\n{rows}"
    written = "".join(diff_html.diff(patch, "+++ b/D"))
    assert written.count("<del") == 300
    assert "and 600 more lines: the patch has all" in written
    assert "and 703 more lines" in "".join(diff_html.patch(patch, 200))


# The page in a browser.


def test_a_complaint_would_be_noticed(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    policy = """<meta http-equiv="Content-Security-Policy" content="style-src 'none'">"""
    for part in ("<script>console.log(1)</script>", "<script>null.x</script>", "<b style='a'>"):
        file.write_text(f"<!doctype html>{policy}{part}", encoding="utf-8")
        reader = Reader(browser, file, WIDE)
        reader.open()
        with pytest.raises(AssertionError):
            reader.close()


def test_changes_are_accepted_and_declined_by_keys(opened: Opened) -> None:
    rows = made(two())
    reader = opened(two())
    assert reader.text("#decided") == f"0 of {len(rows)} changes decided"
    reader.press("j", "a", "d", "y", "n", "k", "j", "u")
    assert reader.text("#decided") == f"3 of {len(rows)} changes decided"
    assert reader.page.get_attribute("#progress", "aria-valuenow") == "3"
    states = reader.page.locator(".change").evaluate_all("all => all.map(i => i.dataset.answer)")
    assert states[:4] == ["accept", "decline", "accept", ""]
    [focused] = reader.page.locator(".current .name").all_inner_texts()
    assert focused == rows[3][1].transform
    assert reader.page.evaluate("document.activeElement.closest('.change').className") == (
        "change current"
    )
    expected = [
        {
            "decision": decision,
            "transform": remark.transform,
            "site": remark.detail.site,
            "key": remark.detail.key,
            "reason": remark.reason,
        }
        for (_, remark), decision in zip(rows, ("accept", "decline", "accept"), strict=False)
        if remark.detail
    ]
    assert reader.saved() == {
        "version": 1,
        "tool": "dockerfile-refactor 1.2.3",
        "files": {"app/Dockerfile": {"sha256": sha256(FIRST).hexdigest(), "decisions": expected}},
    }
    assert reader.text("#said") == "saved as decisions.json"


def test_what_is_decided_is_what_is_made(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, text in (("app", FIRST), ("web", SECOND)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Dockerfile").write_bytes(text)
    asked = ["fix", "--level", "risky", "app", "web"]
    made = CliRunner().invoke(app, [*asked, "--check", "--format", "html", "-o", "review.html"])
    assert made.exit_code == 1, made.output
    assert (tmp_path / "app/Dockerfile").read_bytes() == FIRST
    reader = Reader(browser, tmp_path / "review.html", WIDE)
    reader.open()
    names = reader.page.locator(".change .name").all_inner_texts()
    reader.press("j", *("d" if name == "replace-maintainer" else "a" for name in names))
    Path("decisions.json").write_text(json.dumps(reader.saved()), encoding="utf-8")
    reader.close()
    done = CliRunner().invoke(app, [*asked, "--decisions", "decisions.json"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "web/Dockerfile").read_bytes() == two()[1].after
    declined = run("app/Dockerfile", FIRST, replace(RISKY, ignore=("replace-maintainer",)))
    assert isinstance(declined, Changed)
    assert (tmp_path / "app/Dockerfile").read_bytes() == declined.after
    assert b"MAINTAINER" in declined.after


def test_what_is_decided_of_dockerfiles_in_a_compose_file_is_made(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    part = "    build:\n      dockerfile_inline: |\n        FROM debian:12\n        MAINTAINER me\n"
    text = f"services:\n  a:\n{part}  b:\n{part}"
    Path("compose.yaml").write_text(text)
    asked = ["fix", "--select", "replace-maintainer", "."]
    CliRunner().invoke(app, [*asked, "--check", "--format", "html", "-o", "review.html"])
    reader = Reader(browser, tmp_path / "review.html", WIDE)
    reader.open()
    reader.press("j", "d", "a")
    Path("decisions.json").write_text(json.dumps(reader.saved()), encoding="utf-8")
    reader.close()
    done = CliRunner().invoke(app, [*asked, "--decisions", "decisions.json"])
    assert done.exit_code == 0, done.output
    label = 'LABEL org.opencontainers.image.authors="me"'
    declined, accepted = text.split("  b:\n")
    made = accepted.replace("MAINTAINER me", label)
    assert Path("compose.yaml").read_text() == f"{declined}  b:\n{made}"


def test_one_may_begin_before_the_page_is_shown(opened: Opened) -> None:
    begin = """
        const early = () => document.querySelector("summary")?.focus();
        new MutationObserver(early).observe(document, { childList: true, subtree: true });
        """
    reader = opened(two(), script=begin)
    reader.press("j", "?")
    assert reader.page.evaluate("document.activeElement.textContent") == "Close"
    reader.press("Escape")
    reader.page.wait_for_timeout(100)


def test_always_and_never(opened: Opened) -> None:
    rows = [remark.transform for _, remark in made(two())]
    reader = opened(two())
    first = rows.index("use-key-value-form")
    number = rows.count("use-key-value-form")
    assert number > 2
    reader.press(*"j" * (first + 1), "Shift+A")
    assert reader.text("#said") == f"accepted: {number} changes of use-key-value-form"
    assert reader.text("#decided").startswith(f"{number} of")
    reader.press("u")
    assert reader.text("#decided").startswith("0 of")
    reader.press("d")
    reader.press("k", "Shift+N")
    states = reader.page.locator(".change").evaluate_all("all => all.map(i => i.dataset.answer)")
    assert [s for s, name in zip(states, rows, strict=True) if name == "use-key-value-form"] == [
        "decline"
    ] * number
    decided = reader.saved()["files"]
    assert {d["decision"] for file in decided.values() for d in file["decisions"]} == {"decline"}
    assert sum(len(file["decisions"]) for file in decided.values()) == number


def test_all_can_be_decided_and_taken_back(opened: Opened) -> None:
    number = len(made(two()))
    reader = opened(two())
    reader.press("j", *"a" * number)
    assert reader.text("#said") == "all is decided: save it"
    assert reader.text("#decided") == f"{number} of {number} changes decided"
    assert reader.page.locator(".done.all").count() == 2
    reader.press(*"u" * (number + 1))
    assert reader.text("#said") == "nothing to take back"
    assert reader.text("#decided").startswith("0 of")
    reader.press("s")
    assert reader.text("#said") == "nothing is decided yet"


def test_buttons(opened: Opened) -> None:
    reader = opened(two())
    page = reader.page
    accept = page.locator(".change").nth(1).get_by_role("button", name="Accept")
    decline = page.locator(".change").nth(1).get_by_role("button", name="Decline")
    accept.click()
    assert accept.get_attribute("aria-pressed") == "true"
    assert page.locator(".change").nth(1).locator(".state").inner_text() == "accepted"
    decline.click()
    assert (accept.get_attribute("aria-pressed"), decline.get_attribute("aria-pressed")) == (
        "false",
        "true",
    )
    decline.click()
    assert reader.text("#decided").startswith("0 of")
    page.click("#undo")
    assert page.locator(".change").nth(1).locator(".state").inner_text() == "declined"
    page.click("#help")
    assert page.locator("dialog[open]").count() == 1
    reader.press("a", "Escape")
    assert page.locator("dialog[open]").count() == 0
    assert reader.text("#decided").startswith("1 of")


def test_keys_are_for_the_change_that_has_the_focus(opened: Opened) -> None:
    reader = opened(two())
    reader.press("j")
    reader.page.locator(".change > details > summary").nth(2).focus()
    reader.press("d")
    states = reader.page.locator(".change").evaluate_all("all => all.map(i => i.dataset.answer)")
    assert states[:4] == ["", "", "decline", ""]


def test_what_has_no_identity_is_only_read(opened: Opened) -> None:
    plain = run("Dockerfile", FIRST, replace(RISKY, detail=False))
    reader = opened([plain])
    assert reader.count(".change") == len(made([plain]))
    assert reader.page.locator(".actions").count() == 0
    assert not reader.page.is_visible("#tools")
    reader.press("j", "a", "s")
    assert shown(reader, text="maintainer") == ["replace-maintainer"]


def shown(reader: Reader, **wanted: str) -> list[str]:
    """Set the filter, and return the transforms of the changes that are left."""
    for name in ("text", "path"):
        reader.page.fill(f"[name={name}]", wanted.get(name, ""))
    for name in ("transform", "level", "state"):
        reader.page.select_option(f"[name={name}]", wanted.get(name, ""))
    reader.page.wait_for_timeout(140)
    reader.page.evaluate("document.activeElement.blur()")
    return reader.page.locator(".change:not([hidden]) .name").all_text_contents()


def test_filter(opened: Opened) -> None:
    results = usual()
    rows = made(results)
    notes = [r for result in results for r in result.remarks if r.kind in ("refusal", "notice")]
    reader = opened(results)
    assert len(shown(reader)) == len(rows)
    files = len({id(result) for result, _ in rows})
    assert reader.text("#shown") == (
        f"{len(rows)} changes in {files} files, {len(notes)} remark{'s' * (len(notes) != 1)}"
    )
    names = [remark.transform for _, remark in rows]
    for name in sorted(set(names)):
        assert shown(reader, transform=name) == [n for n in names if n == name]
        assert f"{names.count(name)} change" in reader.text("#shown")
    for level in ("safe", "suggested", "risky"):
        expected = [remark.transform for _, remark in rows if remark.level == level]
        assert shown(reader, level=level) == expected
        assert reader.text("#shown").endswith(", 0 remarks")
    assert shown(reader, path="A B") == [r.transform for f, r in rows if f.path == "a b/Dockerfile"]
    assert shown(reader, path="nowhere") == []
    assert reader.count(".file") == 0
    found = shown(reader, text="maintainer")
    assert "replace-maintainer" in found
    assert len(found) < len(rows)
    code = notes[0].code
    shown(reader, text=code)
    files = sum(any(r.code == code for r in result.remarks) for result in results)
    assert reader.count(".file") == files
    number = sum(note.code == code for note in notes)
    assert reader.text("#shown").endswith(f", {number} remark{'s' * (number != 1)}")
    reader.page.click("text=Clear")
    assert len(reader.page.locator(".change:not([hidden])").all()) == len(rows)


def test_only_what_is_shown_is_walked_through(opened: Opened) -> None:
    reader = opened(two())
    rows = made(two())
    shown(reader, transform="use-key-value-form")
    reader.press("j", "a", "a", "j", "j", "j", "j")
    assert reader.text("#said") == "this is the last one"
    assert len(shown(reader, state="accepted")) == 2
    assert len(shown(reader, state="undecided")) == len(rows) - 2
    shown(reader, level="safe", state="undecided")
    reader.page.click("#accept-shown")
    assert reader.page.locator(".change:not([hidden])").count() == 0
    safe = [remark.transform for _, remark in rows if remark.level == "safe"]
    assert shown(reader, state="accepted") == safe


def test_a_chart_filters(opened: Opened) -> None:
    reader = opened(two())
    reader.page.click("[data-pick=transform] >> text=use-key-value-form")
    assert set(reader.page.locator(".change:not([hidden]) .name").all_text_contents()) == {
        "use-key-value-form"
    }


def test_keys_are_not_taken_from_a_field(opened: Opened) -> None:
    reader = opened(two())
    reader.press("j", "/")
    assert reader.page.evaluate("document.activeElement.name") == "text"
    reader.press("a", "d", "j", "s", "?")
    assert reader.page.input_value("[name=text]") == "adjs?"
    assert reader.text("#decided").startswith("0 of")
    reader.page.fill("[name=text]", "")
    reader.page.wait_for_timeout(140)
    reader.press("Escape", "a")
    assert reader.text("#decided").startswith("1 of")


def test_capitals_by_accident_decide_nothing_more(opened: Opened) -> None:
    reader = opened(two())
    reader.press("j")
    event = "new KeyboardEvent('keydown', {key: 'A', shiftKey: false, bubbles: true})"
    reader.page.evaluate(f"document.activeElement.dispatchEvent({event})")
    assert reader.text("#decided").startswith("1 of")
    reader.press("Control+a")
    assert reader.text("#decided").startswith("1 of")
    reader.press("?")
    reader.page.uncheck("#listen")
    reader.press("Escape", "a")
    assert reader.text("#decided").startswith("1 of")


def test_expand(opened: Opened) -> None:
    reader = opened(two())
    claims = ".current details"
    names = [remark.transform for _, remark in made(two())]
    reader.press(*"j" * (names.index("skip-apt-recommends") + 1))
    assert reader.page.locator(claims).count() >= 2
    reader.press("e")
    assert reader.page.locator(f"{claims}:not([open])").count() == 0
    reader.press("e")
    assert reader.page.locator(f"{claims}[open]").count() == 0


def test_decisions_outlast_the_page(opened: Opened) -> None:
    reader = opened(two())
    reader.press("j", "a", "d")
    reader.page.reload()
    assert reader.text("#decided").startswith("2 of")
    states = reader.page.locator(".change").evaluate_all("all => all.map(i => i.dataset.answer)")
    assert states[:3] == ["accept", "decline", ""]
    assert len(reader.saved()["files"]["app/Dockerfile"]["decisions"]) == 2
    # another report has others
    other = opened([two()[1]])
    assert other.text("#decided").startswith("0 of")


def test_a_page_without_storage(opened: Opened) -> None:
    forbidden = (
        "Object.defineProperty(window, 'localStorage', "
        "{get() { throw new DOMException('no', 'SecurityError') }})"
    )
    reader = opened(two(), script=forbidden)
    assert reader.page.is_visible("#unkept")
    reader.press("j", "a")
    assert reader.text("#decided").startswith("1 of")
    assert len(reader.saved()["files"]) == 1


def test_a_page_without_scripts(opened: Opened) -> None:
    reader = opened(two(), java_script_enabled=False)
    assert reader.count(".change") == len(made(two()))
    assert reader.count(".hunk ins") > 3
    assert not reader.page.is_visible("#tools")
    assert not reader.page.is_visible("#filter")


def test_text_from_a_repository_does_nothing(opened: Opened) -> None:
    bad = "</script></noscript></template><img src=x onerror=alert(1)><svg onload=alert(2)>\u202e"
    text = f'FROM debian:12 as base\nENV A "{bad}"\nENV {bad[:9]} b\nLABEL b {bad}\n'
    results = (changed(text.encode(), f"{bad[:50]}/Dockerfile"), *evil())
    reader = opened(results)
    page = reader.page
    for card in page.locator(".file > summary").all():
        with suppress(Exception):
            card.click(timeout=500)
    number = len(made(results))
    reader.press("j", *"a" * number)
    assert page.locator("#files img, #files script, #files svg, #files a").count() == 0
    assert page.locator("script").count() == 2
    shown(reader, text="onerror")
    assert reader.count(".change") > 0
    names = list(reader.saved()["files"])
    assert results[0].path in names
    assert set(names) == {
        f"{result.path}#{remark.part}" if remark.part else result.path
        for result, remark in made(results)
    }
    assert page.title() != ""


def test_the_policy_holds_if_an_escape_is_forgotten(opened: Opened) -> None:
    reader = opened(two())
    reader.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', "
        '\'<img src=data:, onerror="window.harmed = 1"><p style="color:red" id=red>x</p>\')'
    )
    reader.page.wait_for_timeout(200)
    assert reader.page.evaluate("window.harmed") is None
    red = reader.page.evaluate("getComputedStyle(document.getElementById('red')).color")
    assert red != "rgb(255, 0, 0)"
    assert all("Content Security Policy" in said for said in reader.complaints)
    assert reader.complaints
    reader.complaints.clear()
    reader.loaded.clear()


def test_before_and_after_stand_side_by_side_where_there_is_room(opened: Opened) -> None:
    def places(reader: Reader) -> Any:
        pairs = "all => all.map(i => i.getBoundingClientRect()).map(r => [r.left, r.top])"
        row = reader.page.locator(".swap:has(del):has(ins)").first
        return row.locator("del, ins").evaluate_all(pairs)

    gone, come = places(opened([two()[1]]))
    assert gone[1] == come[1]
    assert gone[0] < come[0]
    narrow = opened([two()[1]], NARROW)
    gone, come = places(narrow)
    assert gone[0] == come[0]
    assert gone[1] < come[1]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(opened: Opened, size: tuple[int, int], scheme: str) -> None:
    reader = opened((*projects(), *usual()), size, color_scheme=scheme)
    reader.press("j", "a", "d", "j", "e")
    for box in reader.page.locator(".file[open] .more").all()[:12]:
        box.evaluate("box => box.open = true")
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for dialog in (False, True):
        if dialog:
            reader.press("?")
        found = Axe().run(reader.page)
        problems = [
            f"{v['id']}: {node['html'][:120]}: {node['failureSummary'][:200]}"
            for v in found.response["violations"]
            for node in v["nodes"]
        ]
        assert problems == []


def test_on_paper_there_is_no_tool_and_no_difference_is_folded(opened: Opened) -> None:
    reader = opened(two())
    reader.press("j", "a")
    assert not reader.page.locator(".change .diff").first.is_visible()
    reader.page.emulate_media(media="print")
    assert not reader.page.is_visible("#tools")
    assert not reader.page.is_visible("#filter")
    assert reader.page.locator(".change .diff").first.is_visible()


def test_thousands_of_files_load_as_fast_as_one(opened: Opened, tmp_path: Path) -> None:
    results = [replace(r, path=f"team{n}/{r.path}") for n in range(2250) for r in two()]
    rows = made(results)
    assert len(rows) > 9000
    reader = opened(results)
    assert (tmp_path / "0.html").stat().st_size < 4000 * len(rows)
    assert reader.page.locator("*").count() < 60_000
    reader.press("j", "a", "Shift+A")
    assert reader.page.evaluate("performance.now()") < 60_000
    shown(reader, path="team2249/web", text="APK's index")
    assert reader.text("#shown").startswith("1 change in 1 file")
    reader.press("j")
    assert reader.text(".current .name") == "skip-apk-cache"
    top = reader.page.locator(".current").bounding_box()
    assert top
    assert 0 < top["y"] < WIDE[1]
