"""`dfr fleet review`: at a real terminal, and with files of decisions."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from typer.testing import CliRunner

from refactor import cli
from refactor.fleet.campaign import Campaign
from refactor.fleet.group_decisions import samples
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Change, File, Plan, Repository
from refactor.fleet.reviewing import Review, repositories, sampled
from tests.fleet_plans import campaign

ROOT = Path(__file__).parent.parent
PROMPT = r"\[y n s l r o x u q \?\] "
PIP = "FROM python:3.12\nRUN pip install {}\n"
RISKY = "FROM debian:12\nRUN useradd -r app\nCMD python app.py\n"
TEXTS = {
    **{f"host/p{n}": {"Dockerfile": PIP.format(f"a{n // 2}")} for n in range(12)},
    "host/r1": {"Dockerfile": RISKY},
    "host/r2": {"Dockerfile": RISKY, "b/Dockerfile": RISKY},
    "host/form": {"Dockerfile": "FROM debian:12\nENV A b\n"},
}


SELECT = ("skip-pip-cache", "run-as-user", "use-key-value-form")


@pytest.fixture
def made(tmp_path: Path) -> Campaign:
    return campaign(tmp_path / "slim", TEXTS, select=SELECT)


class Terminal:
    """A session at a terminal of 80 columns."""

    def __init__(self, folder: Path, *words: str, **variables: str) -> None:
        environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT), **variables}
        environment.pop("NO_COLOR", None) if "NO_COLOR" not in variables else None
        environment.pop("COLUMNS", None)
        self.child = pexpect.spawn(
            sys.executable, ["-m", "refactor.cli", "fleet", "review", str(folder), *words],
            env=environment, encoding="utf-8", timeout=90, dimensions=(24, 80),
        )  # fmt: skip
        self.seen = ""

    def question(self, prompt: str = PROMPT) -> str:
        """Wait for a question and return what was shown with it, without colours."""
        self.child.expect(prompt)
        shown = str(self.child.before)
        self.seen += shown
        return re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "\n")

    def answer(self, keys: str, prompt: str = PROMPT) -> str:
        """Type keys and return the question that comes then."""
        self.child.send(keys)
        return self.question(prompt)

    def end(self, key: str = "") -> tuple[str, int | None]:
        """Type a last key, if any; return what is said at the end, and the exit code."""
        if key:
            self.child.send(key)
        self.child.expect(pexpect.EOF)
        self.child.close()
        return str(self.child.before), self.child.exitstatus


def saved(made: Campaign) -> list[dict[str, Any]]:
    """Return the decisions that are written down."""
    data = json.loads((made.folder / "decisions.json").read_text())
    found: list[dict[str, Any]] = data["decisions"]
    return found


def test_a_review_at_a_terminal(made: Campaign) -> None:
    terminal = Terminal(made.folder)
    first = terminal.question()
    assert "skip-pip-cache (safe)  (0 of 16 changes decided)" in first
    assert "this change, in 12 files of 12 repositories: pip's cache stays" in first
    assert "6 exact groups, alike but for packages" in first.replace("\n  ", " ")
    assert "+RUN pip install --no-cache-dir" in first
    asked = terminal.answer("y")
    assert "4 more of them first" in asked
    assert asked.count("+RUN pip install --no-cache-dir") == 4
    second = terminal.answer("y")
    assert re.search(r"run-as-user \(risky\) in host/r2  \(12 of 16 changes decided\)", second)
    assert "this change, in 2 files:" in second.replace("\n  ", " ")
    third = terminal.answer("n")
    assert "in host/r1" in third
    assert "undone: decline in host/r2" in (again := terminal.answer("u")).replace("\n  ", " ")
    assert "in host/r2" in again
    assert "in host/r1" in terminal.answer("y")
    last = terminal.answer("n")
    assert "use-key-value-form" in last
    said, code = terminal.end("y")
    assert "0 groups (0 changes) are not decided" in said
    assert code == 0
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", terminal.seen).splitlines())) <= 80
    found = [
        (r["kind"], r.get("repository", ""), r["decision"], r.get("samples")) for r in saved(made)
    ]
    assert sorted(found, key=str) == [
        ("exact", "", "accept", None),
        ("exact", "host/r1", "decline", None),
        ("exact", "host/r2", "accept", None),
        ("shape", "", "accept", 5),
    ]


def test_one_by_one_exceptions_lists_and_help(made: Campaign) -> None:
    terminal = Terminal(made.folder, NO_COLOR="1")
    terminal.question()
    assert terminal.answer("s").count("+RUN pip install") == 10
    assert terminal.answer("s").count("+RUN pip install") == 1
    assert "all of them were shown" in terminal.answer("s")
    assert "decide for one repository" in terminal.answer("?")
    assert "What pip puts into its cache stays" in terminal.answer("x")
    exact = terminal.answer("o")
    assert "this change, in 2 files of 2 repositories" in exact
    assert "exact groups" not in exact
    assert "it is an exact group already" in terminal.answer("o")
    listed = terminal.answer("l")
    assert re.findall(r"host/p\d+", listed)
    assert len(re.findall(r"host/p\d+", listed)) == 2
    terminal.answer("r", r"number or name\): ")
    assert "no repository of the group" in terminal.answer("nowhere\r")
    terminal.answer("r", r"number or name\): ")
    terminal.answer("2\r", r"accept\? \[y n\] ")
    assert "declined in host/p" in terminal.answer("n")
    assert "decline" in terminal.answer("l")
    assert "in 2 files of 2 repositories" in terminal.answer("y")
    _, code = terminal.end("q")
    assert code == 1
    assert "\x1b" not in terminal.seen
    assert [row["decision"] for row in saved(made)] == ["accept", "decline"]
    with Ledger.open(made.ledger) as ledger:
        review = Review(ledger)
        question = review.question()
        assert question is not None
        assert question.group.kind == "shape"
        assert samples(ledger, question.group.subject) == 11 + 1


def test_a_lost_connection_keeps_the_answers(made: Campaign) -> None:
    terminal = Terminal(made.folder)
    terminal.question()
    terminal.answer("n")
    terminal.child.close(force=True)
    with Ledger.open(made.ledger) as ledger:
        assert [ruling.decision for ruling in ledger.decisions()] == ["decline"]
    assert "run-as-user" in Terminal(made.folder).question()


def test_a_pipe_is_refused(made: Campaign) -> None:
    result = CliRunner().invoke(cli.app, ["fleet", "review", str(made.folder)])
    assert result.exit_code == 2
    assert "asks at a terminal" in result.output
    assert "--decisions FILE" in result.output


def test_files_of_decisions_are_taken(made: Campaign, tmp_path: Path) -> None:
    with Ledger.open(made.ledger) as ledger:
        shape, risky = Review(ledger).shapes[:2]
    file = tmp_path / "given.json"
    rows = [
        {"kind": "shape", "subject": shape.subject, "decision": "accept", "samples": 5, "at": 1},
        {"kind": "shape", "subject": risky.subject, "decision": "accept", "samples": 5, "at": 1},
        {"kind": "exact", "subject": "gone", "decision": "accept", "at": 1},
    ]
    file.write_text(json.dumps({"version": 1, "decisions": rows}))
    words = ["fleet", "review", str(made.folder), "--decisions", str(file)]
    dry = CliRunner().invoke(cli.app, [*words, "--dry-run"])
    assert not (made.folder / "decisions.json").exists()
    result = CliRunner().invoke(cli.app, words)
    for output in (dry.output, result.output):
        assert "risky changes are accepted repository by repository" in output
        assert "exact gone: no change of this group is planned (unmet)" in output
    assert "3 groups (4 changes) are not decided" in result.output
    assert result.exit_code == 1
    assert [row["kind"] for row in saved(made)] == ["exact", "shape"]
    again = CliRunner().invoke(cli.app, words)
    assert "3 groups (4 changes)" in again.output
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    result = CliRunner().invoke(cli.app, [*words, "--decisions", str(broken)])
    assert result.exit_code == 2
    assert "broken.json" in result.output


def test_what_is_accepted_unseen_is_not_asked(tmp_path: Path) -> None:
    made = campaign(tmp_path / "s", TEXTS, select=SELECT, more='[review]\naccept = "safe"\n')
    with Ledger.open(made.ledger) as ledger:
        assert {group.level for group in Review(ledger, frozenset({"safe"})).left()} == {"risky"}
        assert {group.level for group in Review(ledger).left()} == {"risky", "safe"}
    question = Terminal(made.folder).question()
    assert "run-as-user" in question
    assert "skip-pip-cache" in Terminal(made.folder, "--all").question()


def test_some_repositories_and_the_largest_groups(made: Campaign) -> None:
    with Ledger.open(made.ledger) as ledger:
        every = Review(ledger).shapes
        assert len(every) > 2
        assert Review(ledger, limit=2).shapes == every[:2]
        name, _ = next(ledger.changes('"shape" = ?', every[-1].subject))
        there = {change.shape for _, change in ledger.changes('"repository" = ?', name)}
        of_one = Review(ledger, only=f"{name[:-1]}[{name[-1]}]").shapes
        assert of_one == [group for group in every if group.subject in there]
        assert Review(ledger, only="nowhere/*").question() is None


def test_samples_are_unlike_each_other(made: Campaign) -> None:
    with Ledger.open(made.ledger) as ledger:
        shape = Review(ledger).shapes[0]
        found = sampled(ledger, shape, 6)
        assert len({sample.change.exact for sample in found}) == 6
        assert found == sampled(ledger, shape, 6)
        rest = sampled(ledger, shape, 10, skip=6)
        assert len({sample.repository for sample in (*found, *rest)}) == 12
        assert len(list(repositories(ledger, shape))) == 12


def test_text_of_repositories_is_not_replayed(tmp_path: Path) -> None:
    evil = "a\x1b[2J\u202e\x9bb\n--- x"
    made = campaign(tmp_path / "e", {})
    change = Change(
        evil, 0, "merge-runs", "safe", evil, 1, "s", "k", "e", "h", (evil,),
        f"--- a/{evil}\n+++ b/{evil}\n@@ -1 +1 @@\n-{evil}\n+{evil}\n",
    )  # fmt: skip
    with Ledger.open(made.ledger) as ledger:
        ledger.put_repositories([Repository(evil, evil)])
        ledger.put_plan(Plan(evil, "planned", files=(File(evil, "changed", changes=(change,)),)))
    terminal = Terminal(made.folder)
    terminal.question()
    terminal.answer("l")
    for bad in ("\x1b[2J", "\u202e", "\x9b"):
        assert bad not in terminal.seen
    assert "\\x1b[2J" in terminal.seen
