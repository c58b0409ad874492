"""`dfr fleet report`: figures are right, hostile text does nothing, what is decided is saved."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from typer.testing import CliRunner

from refactor.cli import app
from refactor.fleet.campaign import Campaign
from refactor.fleet.group_decisions import read
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import (
    Branch,
    Change,
    Commit,
    File,
    Plan,
    Remark,
    Repository,
    Request,
    Ruling,
)
from refactor.fleet.reviewing import Review
from tests import browser as browsers
from tests.browser import NARROW, WIDE, Reader
from tests.fleet_plans import campaign
from tests.test_proof_reports import NEVER, Page

ROOT = Path(__file__).parent.parent
PIP = "FROM python:3.12\nRUN pip install {}\n"
RISKY = "FROM debian:12\nRUN useradd -r app\nCMD python app.py\n"
TEXTS = {
    **{f"host/p{n}": {"Dockerfile": PIP.format(f"a{n // 2}")} for n in range(12)},
    "host/r1": {"Dockerfile": RISKY},
    "host/r2": {"Dockerfile": RISKY, "b/Dockerfile": RISKY},
    "host/form": {"Dockerfile": "FROM debian:12\nENV A b\n"},
}
SELECT = ("skip-pip-cache", "run-as-user", "use-key-value-form")
EVIL = "</noscript><script>alert(1)</script><img src=x onerror=alert(2)>\"'`\u202e\x1b[2J\ud800"
Opened = Callable[..., Reader]


@pytest.fixture
def made(tmp_path: Path) -> Campaign:
    """A campaign that is in all states."""
    found = campaign(tmp_path / "slim", TEXTS, select=SELECT)
    with Ledger.open(found.ledger) as ledger:
        ledger.put_repositories(
            [
                Repository("host/old", "https://host/old.git", skipped="archived"),
                Repository("host/later", "https://host/later.git"),
                Repository("host/big", "=cmd"),
            ]
        )
        ledger.put_plan(Plan("host/big", "failed", "too large", seconds=120.0))
        ledger.put_branch(Branch("host/p0", "made", commits=(Commit("a", ("b",), 1),)))
        ledger.put_request(Request("host/p0", 7, "https://host/7", "open", "a", False, "failing"))
        ledger.put_request(Request("host/p1", 8, "https://host/8", "merged", "a"))
        shape = Review(ledger).shapes[0]
        ledger.put_decisions(
            [
                Ruling("shape", shape.subject, "host/p3", "", "decline", "", 1.0),
                Ruling("exact", Review(ledger).exacts[shape.subject][0].subject, "", "", "accept"),
            ]
        )
    proof = found.result("host/p0") / "proof.json"
    proof.parent.mkdir(parents=True)
    sizes = {"before": {"size": 2_000_000}, "after": {"size": 1_000_000}}
    proof.write_text(json.dumps({"proofs": [{"comparison": sizes}, {"comparison": None}]}))
    return found


def written(made: Campaign, *words: str) -> dict[str, str]:
    """Write the reports and return them."""
    result = CliRunner().invoke(app, ["fleet", "report", str(made.folder), *words])
    assert result.exit_code == 0, result.output
    return {
        path.suffix[1:]: path.read_text(encoding="utf-8") for path in made.folder.glob("report.*")
    }


def data(made: Campaign) -> Any:
    """Return the JSON, which follows its schema."""
    found = json.loads(written(made)["json"])
    schema = json.loads((ROOT / "docs/fleet.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(found)
    return found


def test_the_figures(made: Campaign) -> None:
    found = data(made)
    assert found["states"] == {"planned": 15, "skipped": 1, "waiting": 1, "failed": 1}
    assert found["reasons"] == [
        {"state": "skipped", "reason": "archived", "count": 1},
        {"state": "failed", "reason": "too large", "count": 1},
    ]
    assert found["files"] == {"changed": 16}
    levels = {name: sum(counts.values()) for name, counts in found["transforms"].items()}
    assert levels == {"skip-pip-cache": 12, "run-as-user": 3, "use-key-value-form": 1}
    assert sum(found["decisions"].values()) == 16
    assert found["decisions"]["declined"] == 1
    assert found["decisions"]["accepted"] in (1, 2)  # the exception may be one of the group
    assert found["sizes"] == {"proved": 1, "before": 2_000_000, "after": 1_000_000}
    assert sum(row["count"] for row in found["times"]) == 16
    assert found["times"][-1] == {"below": None, "count": 1}
    rows = {row["repository"]: row for row in found["repositories"]}
    assert list(rows)[:2] == ["host/p0", "host/p1"]
    assert (rows["host/p0"]["request"], rows["host/p0"]["checks"]) == ("open", "failing")
    assert rows["host/p0"]["commits"] == 1
    assert rows["host/p3"]["declined"] == 1
    assert rows["host/r2"]["risky"] == 2
    largest = next(group for group in found["groups"] if group["kind"] == "shape")
    assert (largest["changes"], largest["repositories"], largest["exacts"]) == (12, 12, 6)


def test_the_table(made: Campaign) -> None:
    rows = list(csv.DictReader(io.StringIO(written(made)["csv"])))
    assert len(rows) == 18
    assert {row["state"] for row in rows} == {"planned", "skipped", "waiting", "failed"}
    by_name = {row["repository"]: row for row in rows}
    assert by_name["host/big"]["address"] == "'=cmd"
    assert by_name["host/r2"]["undecided"] == "2"
    assert by_name["host/p0"]["conflict"] == ""


def test_one_format_to_standard_output(made: Campaign) -> None:
    words = ["fleet", "report", str(made.folder), "--format", "csv", "--output", "-"]
    result = CliRunner().invoke(app, words)
    assert result.stdout.startswith("repository,address,state")
    assert not list(made.folder.glob("report.*"))
    assert CliRunner().invoke(app, [*words[:3], "--format", "pdf"]).exit_code == 2
    assert CliRunner().invoke(app, [*words[:3], "--output", "x"]).exit_code == 2


def test_the_page_is_well_formed_and_alone(made: Campaign) -> None:
    page = Page(found := written(made)["html"])
    assert not NEVER.search(found.replace("\n", ""))
    tags = Counter(tag for tag, _ in page.tags)
    assert tags["script"] == 2
    assert not tags["img"] + tags["link"] + tags["iframe"] + tags["a"]
    for _, attributes in page.tags:
        assert not any(name in ("src", "href", "style") for name in attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert len(re.findall("</noscript", found)) == tags["noscript"]
    said = " ".join("".join(page.words).split())
    for sentence in (
        "16 changes in 16 files of 15 repositories.",
        "this change, in 12 files of 12 repositories",
        "6 exact groups, alike but for packages",
        "2.0 MB", "-50.0 %", "Checks failing, or in conflict", "#7", "too large",
    ):  # fmt: skip
        assert sentence in said, sentence


def evil(folder: Path, changes: int = 1) -> Campaign:
    """Return a campaign in which all text is hostile."""
    found = campaign(folder, {})
    diff = f"--- a/{EVIL}\n+++ b/x\n@@ -1 +1 @@\n-{EVIL}\n+{EVIL}{'x' * 900}\n"
    with Ledger.open(found.ledger) as ledger, ledger.transaction():
        for number in range(3):
            name = f"{EVIL[:-1]}{number}"
            rows = tuple(
                Change(
                    EVIL, n, EVIL, "safe", EVIL, 1, f"s{n}", "k", f"e{n}", f"h{n // 2}",
                    (EVIL,) * 3, diff,
                )
                for n in range(changes)
            )  # fmt: skip
            remark = Remark(EVIL, "refusal", EVIL, EVIL, 1, EVIL, EVIL)
            file = File(EVIL, "changed", EVIL, "", rows, (remark,))
            ledger.put_repositories([Repository(name, EVIL)])
            ledger.put_plan(Plan(name, "planned", EVIL, files=(file,)))
            ledger.put_request(Request(name, 1, "javascript:alert(3)", "closed", "x"))
    return found


def test_the_page_is_bounded(tmp_path: Path) -> None:
    made = evil(tmp_path / "e", 1200)
    found = written(made)["html"]
    assert len(found) < 4_000_000
    assert "The 200 largest, without 400 smaller groups with 2,400 changes:" in re.sub(
        "<[^>]*>", "", found
    )
    assert written(made, "--groups", "3", "--format", "html")["html"].count('class="change"') == 3


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser for all tests."""
    with browsers.started() as found:
        yield found


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """Return what opens a campaign's page; in the end nothing was loaded, nothing complained."""
    readers: list[Reader] = []

    def reader(made: Campaign, size: tuple[int, int] = WIDE, **options: Any) -> Reader:
        written(made)
        readers.append(Reader(browser, made.folder / "report.html", size, **options))
        readers[-1].open()
        return readers[-1]

    yield reader
    for each in readers:
        each.close()


def test_groups_are_decided_by_keys(opened: Opened, made: Campaign) -> None:
    reader = opened(made)
    assert reader.text("#decided") == "0 of 16 changes decided"
    reader.press("j", "y")
    assert reader.text("#decided") == "12 of 16 changes decided"
    reader.press("n", "y", "u", "y", "y")
    assert reader.text("#said") == "all that is shown is decided: save it"
    found = reader.saved()
    schema = json.loads((ROOT / "docs/fleet-decisions.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(found)
    assert [(d["kind"], d["repository"], d["decision"]) for d in found["decisions"]] == [
        ("shape", "", "accept"),
        ("exact", "host/r2", "decline"),
        ("exact", "host/r1", "accept"),
        ("exact", "", "accept"),
    ]
    assert found["decisions"][0]["samples"] == 5
    path = made.folder / "given.json"
    path.write_text(json.dumps(found))
    assert len(read(path)) == 4
    words = ["fleet", "review", str(made.folder), "--decisions", str(path)]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "0 groups" in result.output) == (0, True), result.output
    assert data(made)["decisions"]["undecided"] == 0


def test_a_shape_group_is_looked_at_first(opened: Opened, made: Campaign) -> None:
    reader = opened(made)
    accept = reader.page.locator(".change").first.get_by_role("button", name="Accept")
    accept.click()
    assert reader.text("#said") == "look at 5 samples first, then accept"
    assert reader.count(".sample") == 5
    accept.click()
    assert reader.text("#decided") == "12 of 16 changes decided"
    assert accept.get_attribute("aria-pressed") == "true"
    accept.click()
    assert reader.text("#decided") == "0 of 16 changes decided"
    reader.press("s")
    assert reader.text("#said") == "nothing new is decided"


def test_answers_are_there_after_a_reload(opened: Opened, made: Campaign) -> None:
    reader = opened(made)
    reader.press("j", "y")
    reader.page.reload()
    assert reader.text("#decided") == "12 of 16 changes decided"
    assert [d["samples"] for d in reader.saved()["decisions"]] == [5]


def test_filter_and_bars_lead_to_groups(opened: Opened, made: Campaign) -> None:
    reader = opened(made)
    assert reader.text("#shown") == "4 groups, 16 changes"
    reader.page.select_option("[name=level]", "risky")
    assert reader.text("#shown") == "2 groups, 3 changes"
    assert reader.count(".change") == 2
    reader.page.get_by_role("button", name="use-key-value-form").click()
    assert reader.text("#shown") == "1 group, 1 change"
    reader.page.fill("[name=text]", "no such text")
    assert reader.count(".change") == 0
    reader.page.get_by_role("button", name="Clear").click()
    reader.page.wait_for_function("document.querySelectorAll('.change:not([hidden])').length === 4")
    reader.press("?")
    assert reader.count("#keys") == 1


def test_it_can_be_read_without_scripts(opened: Opened, made: Campaign) -> None:
    reader = opened(made, java_script_enabled=False)
    assert reader.count("#tools") == 0
    reader.page.locator(".change summary").first.click()
    assert reader.count(".sample") == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_anybody_can_use_it(
    opened: Opened, made: Campaign, size: tuple[int, int], scheme: str
) -> None:
    reader = opened(made, size, color_scheme=scheme)
    reader.press("j", "y", "n")
    reader.page.locator(".more > summary").first.click()
    assert Axe().run(reader.page).response["violations"] == []
    assert reader.page.evaluate("document.documentElement.scrollWidth") == size[0]


def test_hostile_text_does_nothing(opened: Opened, tmp_path: Path) -> None:
    made = evil(tmp_path / "e", 3)
    reader = opened(made)
    reader.press("j", "j", "y")
    assert reader.page.locator("script").count() == 2
    assert reader.page.locator("img").count() == 0
    assert reader.count(".sample") >= 1
    assert reader.saved()["decisions"]
    assert not re.search("[\x1b\u202e]", written(made)["html"])
    assert not re.search("[\x1b\u202e]", written(made)["csv"])
    data(made)
