"""The ledger of a campaign: what is put comes out, whole transactions only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from refactor.fleet.ledger import Ledger, LedgerError
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

CHANGE = Change(
    "app/Dockerfile", 0, "skip-pip-cache", "safe", "because", 3, "s1", "k1", "e1", "h1",
    ("nobody looks",), "--- a\n+++ b\n",
)  # fmt: skip
REMARK = Remark("app/Dockerfile", "refusal", "run-as-user", "R1", 4, "a port", "say which")
FILE = File("app/Dockerfile", "changed", "", "00ff", (CHANGE,), (REMARK, REMARK))
PLAN = Plan(
    "host/a", "planned", "", "main", "c0ffee", "1700000000 +0000", (FILE,),
    (("template", 2),), 0.5, "1", "x",
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger.create(tmp_path / "ledger.sqlite")
    found.put_repositories(Repository(f"host/{name}", f"/srv/{name}.git") for name in "abc")
    return found


def test_what_is_put_comes_out(ledger: Ledger) -> None:
    branch = Branch(
        "host/a", "made", "", "dfr/x", "c0ffee", "beef", (Commit("beef", ("a", "b"), 2),),
        ("Dockerfile",), 0.25, "results/a/branch.bundle", "d",
    )  # fmt: skip
    request = Request("host/a", 7, "https://host/a/7", "open", "beef", True, "passing", False, 9.5)
    ruling = Ruling("exact", "e1", "", "", "accept", "looked at", 3.0)
    with ledger.transaction():
        ledger.put_plan(PLAN)
        ledger.put_branch(branch)
        ledger.put_request(request)
        ledger.put_decisions([ruling])
        ledger.put("today", "2026-11-27")
    ledger.close()
    with Ledger.open(ledger.path) as again:
        assert again.plan("host/a") == PLAN
        assert list(again.plans()) == [PLAN._replace(files=())]
        assert list(again.branches()) == [branch]
        assert list(again.requests()) == [request]
        assert list(again.decisions()) == [ruling]
        assert list(again.changes('"exact" = ?', "e1")) == [("host/a", CHANGE)]
        assert (again.get("today"), again.get("tomorrow")) == ("2026-11-27", "")
        again.delete_decision(ruling)
        assert list(again.decisions()) == []
        assert again.plan("host/b") is None


def test_a_plan_takes_the_place_of_an_earlier_one(ledger: Ledger) -> None:
    ledger.put_plan(PLAN)
    ledger.put_plan(PLAN._replace(files=(File("Dockerfile", "unchanged"),)))
    assert ledger.files("host/a") == (File("Dockerfile", "unchanged"),)
    assert list(ledger.changes()) == []


def test_half_a_transaction_is_none(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.transaction():
            ledger.put_plan(PLAN)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert ledger.plan("host/a") is None


def test_what_is_to_be_planned(ledger: Ledger) -> None:
    ledger.put_repositories([Repository("host/d", "/srv/d.git", skipped="archived")])
    ledger.put_plan(PLAN)
    ledger.put_plan(PLAN._replace(repository="host/b", state="failed", files=()))
    assert [one.id for one in ledger.unplanned("1", "x")] == ["host/b", "host/c"]
    assert [one.id for one in ledger.unplanned("2", "x")] == ["host/a", "host/b", "host/c"]
    assert [one.id for one in ledger.unplanned("1", "y")] == ["host/a", "host/b", "host/c"]


def test_repositories_that_are_known_keep_their_place(ledger: Ledger) -> None:
    ledger.put_repositories([Repository("host/d", "d"), Repository("host/a", "elsewhere")])
    found = list(ledger.repositories())
    assert [one.id for one in found] == ["host/a", "host/b", "host/c", "host/d"]
    assert found[0].address == "elsewhere"


def test_pages_of_repositories_leave_none_out_while_plans_are_put(ledger: Ledger) -> None:
    ledger.put_repositories(Repository(f"host/{n:04}", "x") for n in range(1200))
    seen = []
    for one in ledger.unplanned("1", "x"):
        ledger.put_plan(Plan(one.id, "skipped", version="1", settings="x"))
        seen.append(one.id)
    assert len(seen) == len(set(seen)) == 1203


def test_a_name_that_is_no_text_is_spelled_out(ledger: Ledger) -> None:
    ledger.put_plan(PLAN._replace(files=(File("bad\udcff", "refused"),)))
    assert ledger.files("host/a")[0].path == "bad\\udcff"


def test_what_is_no_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="dfr fleet init"):
        Ledger.open(tmp_path / "none")
    (tmp_path / "text").write_text("no database at all, but a text of some length" * 20)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger.open(tmp_path / "text")
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE a (b)")
    with pytest.raises(LedgerError, match="version 0"):
        Ledger.open(tmp_path / "other")
    Ledger.create(tmp_path / "new").close()
    with pytest.raises(LedgerError, match="there already"):
        Ledger.create(tmp_path / "new")
