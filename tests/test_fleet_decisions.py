"""Decisions on groups of equal changes: what they mean for a repository, saved and merged."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from refactor.config import Config
from refactor.decisions import Recall
from refactor.engine import Changed, run
from refactor.fleet.campaign import Campaign
from refactor.fleet.group_decisions import (
    GroupDecisionsError,
    Row,
    decisions_for,
    document,
    judged,
    put_samples,
    read,
    record,
    recorded,
    samples,
)
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Change, Ruling
from refactor.fleet.reviewing import groups
from refactor.model import Safety
from tests.fleet_plans import campaign, plan

PIP = "FROM python:3.12\nRUN pip install {}\n"
RISKY = "FROM debian:12\nRUN useradd -r app\nCMD python app.py\n"
TEXTS = {
    "host/a": {"Dockerfile": PIP.format("x")},
    "host/b": {"Dockerfile": PIP.format("x"), "web/Dockerfile": PIP.format("y z")},
    "host/c": {"Dockerfile": PIP.format("y z") + "ENV A b\n"},
    **{f"host/m{n}": {"Dockerfile": PIP.format(f"p{n}")} for n in range(4)},
}


@pytest.fixture
def made(tmp_path: Path) -> Campaign:
    return campaign(tmp_path / "slim", TEXTS)


@pytest.fixture
def ledger(made: Campaign) -> Iterator[Ledger]:
    with Ledger.open(made.ledger) as found:
        yield found


def change(ledger: Ledger, repository: str, transform: str = "skip-pip-cache") -> Change:
    """Return a change of a repository's first file."""
    found = ledger.changes('"repository" = ? AND "transform" = ?', repository, transform)
    return next(change for _, change in found)


def words(ledger: Ledger, made: Campaign, repository: str) -> dict[tuple[str, str], bool]:
    """Return what is decided in a repository, by path and transform."""
    known = ledger.plan(repository)
    assert known
    return {
        (path, decision.transform): decision.accept
        for path, decided in decisions_for(ledger, known, made).items()
        for decision in decided.decisions
    }


def rule(kind: str, subject: str, accept: bool, repository: str = "", **more: object) -> Ruling:
    """Return a decision."""
    word = "accept" if accept else "decline"
    return Ruling(kind, subject, repository, "", word, at=1.0)._replace(**more)  # type: ignore[arg-type]


def test_a_decision_holds_for_its_exact_group(ledger: Ledger, made: Campaign) -> None:
    assert words(ledger, made, "host/a") == {}
    ledger.put_decisions([rule("exact", change(ledger, "host/a").exact, True)])
    assert words(ledger, made, "host/a") == {("Dockerfile", "skip-pip-cache"): True}
    assert words(ledger, made, "host/b") == {("Dockerfile", "skip-pip-cache"): True}
    assert words(ledger, made, "host/c") == {}


def test_the_narrower_decision_holds(ledger: Ledger, made: Campaign) -> None:
    first = change(ledger, "host/a")
    web = next(c for _, c in ledger.changes('"path" = ?', "web/Dockerfile"))
    here = ("Dockerfile", "skip-pip-cache")
    ledger.put_decisions([rule("shape", first.shape, True)])
    assert words(ledger, made, "host/b") == {here: True, ("web/Dockerfile", here[1]): True}
    ledger.put_decisions([rule("exact", web.exact, False)])
    assert words(ledger, made, "host/b") == {here: True, ("web/Dockerfile", here[1]): False}
    ledger.put_decisions([rule("shape", first.shape, False, "host/b")])
    assert words(ledger, made, "host/b") == {here: False, ("web/Dockerfile", here[1]): False}
    assert words(ledger, made, "host/a") == {here: True}
    ledger.put_decisions([rule("exact", web.exact, True, "host/b")])
    assert words(ledger, made, "host/b") == {here: False, ("web/Dockerfile", here[1]): True}
    site = rule("site", f"{web.site}/{web.key}", False, "host/b", path="web/Dockerfile")
    ledger.put_decisions([site])
    assert words(ledger, made, "host/b") == {here: False, ("web/Dockerfile", here[1]): False}


def test_risky_changes_are_accepted_in_one_repository(tmp_path: Path) -> None:
    made = campaign(tmp_path / "r", {f"host/{n}": {"Dockerfile": RISKY} for n in "ab"})
    with Ledger.open(made.ledger) as ledger:
        (risky,) = [
            c for _, c in ledger.changes('"repository" = ?', "host/a") if c.level == "risky"
        ]
        everywhere = [rule(kind, subject, True) for kind, subject in
                      (("exact", risky.exact), ("shape", risky.shape))]  # fmt: skip
        in_one = rule("shape", risky.shape, True, "host/a")
        for ruling in (*everywhere, in_one):
            taken, said = judged(ledger, [Row(ruling, 9)])
            assert not taken
            assert "repository by repository" in said[0]
            ledger.put_decisions([ruling])  # as a file of somebody else's could
        assert words(ledger, made, "host/a") == {}
        ledger.put_decisions([rule("exact", risky.exact, True, "host/a")])
        assert words(ledger, made, "host/a") == {("Dockerfile", risky.transform): True}
        assert words(ledger, made, "host/b") == {}
        assert judged(ledger, [Row(rule("exact", risky.exact, False))])[1] == []
        ledger.put_decisions([rule("exact", risky.exact, False)])
        assert words(ledger, made, "host/b") == {("Dockerfile", risky.transform): False}


def test_a_shape_group_is_accepted_after_its_samples(ledger: Ledger) -> None:
    shape = change(ledger, "host/a").shape
    assert not judged(ledger, [Row(rule("shape", shape, True), 4)])[0]
    said = judged(ledger, [Row(rule("shape", shape, True), 4)])[1]
    assert said == [
        f"shape {shape}: not taken: a shape group is accepted after 5 of its changes were shown, "
        "and of this one 4 were"
    ]
    assert judged(ledger, [Row(rule("shape", shape, True), 5)])[1] == []
    assert judged(ledger, [Row(rule("shape", shape, False))])[1] == []
    put_samples(ledger, shape, 5)
    put_samples(ledger, shape, 2)
    assert samples(ledger, shape) == 5
    assert judged(ledger, [Row(rule("shape", shape, True))])[0]
    small = change(ledger, "host/c", "use-key-value-form").shape
    assert judged(ledger, [Row(rule("shape", small, True), 1)])[1] == []


def test_what_meets_nothing_and_what_is_stale_is_said(ledger: Ledger, made: Campaign) -> None:
    first = change(ledger, "host/a")
    unmet = rule("exact", "0" * 32, True, reason="gone")
    stale = rule("site", f"{first.site}/other", True, "host/a", path="Dockerfile")
    gone = rule("site", "none/none", True, "host/a", path="Dockerfile", reason="r")
    taken, said = judged(ledger, [Row(unmet), Row(stale), Row(gone)])
    assert len(taken) == 3
    assert [sentence.rpartition("(")[2][:5] for sentence in said] == ["unmet", "stale", "unmet"]
    ledger.put_decisions([stale])
    known = ledger.plan("host/a")
    assert known
    recall = Recall(decisions_for(ledger, known, made)["Dockerfile"])
    data = TEXTS["host/a"]["Dockerfile"].encode()
    result = recall.judged(run("Dockerfile", data, Config(level=Safety.RISKY), decide=recall), data)
    assert [remark.kind for remark in result.remarks if remark.transform == first.transform] == [
        "stale"
    ]


def test_what_is_decided_is_what_is_made(ledger: Ledger, made: Campaign) -> None:
    ledger.put_decisions(
        [rule("exact", change(ledger, "host/c", "use-key-value-form").exact, True)]
    )
    known = ledger.plan("host/c")
    assert known
    decided = decisions_for(ledger, known, made)["Dockerfile"]
    data = TEXTS["host/c"]["Dockerfile"].encode()
    recall = Recall(decided)
    result = run("Dockerfile", data, Config(level=Safety.RISKY), decide=recall)
    assert isinstance(result, Changed)
    assert result.after.decode() == PIP.format("y z") + "ENV A=b\n"
    assert recall.judged(result, data).remarks


def test_safe_changes_may_be_accepted_unseen(tmp_path: Path) -> None:
    made = campaign(tmp_path / "s", TEXTS, more='[review]\naccept = "safe"\n')
    with Ledger.open(made.ledger) as ledger:
        form = change(ledger, "host/c", "use-key-value-form")
        assert form.level == "safe"
        here = ("Dockerfile", form.transform)
        assert words(ledger, made, "host/c")[here]
        ledger.put_decisions([rule("exact", form.exact, False)])
        assert not words(ledger, made, "host/c")[here]


def test_a_file_comes_back(ledger: Ledger, tmp_path: Path) -> None:
    shape = change(ledger, "host/a").shape
    rows = [
        Row(rule("shape", shape, True, reason='a "reason"\n'), 6),
        Row(rule("exact", "e", False, "host/b", at=2.5)),
        Row(rule("site", "s/k", True, "host/b", path="a b/Dockerfile")),
    ]
    path = tmp_path / "d.json"
    written = document(rows, "slim", "1.0")
    path.write_text(written)
    assert read(path) == sorted(rows)
    lines = written.splitlines()
    assert sum(line.startswith('    {"kind"') for line in lines) == len(rows)
    random.shuffle(rows)
    assert document(rows, "slim", "1.0") == written
    record(ledger, read(path))
    assert sorted(recorded(ledger)) == sorted(rows)
    path.write_text(document([], "slim", "1.0"))
    assert read(path) == []


def test_of_two_decisions_the_later_one_holds(ledger: Ledger) -> None:
    early, late = rule("exact", "e", True, at=1.0), rule("exact", "e", False, at=2.0)
    for order in ((early, late), (late, early)):
        record(ledger, map(Row, order))
        assert [row.ruling for row in recorded(ledger)] == [late]
        ledger.delete_decision(late)


BAD = {
    "version": {"version": 2, "decisions": []},
    "kind": {"version": 1, "decisions": [{"kind": "all", "subject": "x", "decision": "accept"}]},
    "decision": {"version": 1, "decisions": [{"kind": "exact", "subject": "x", "decision": "y"}]},
    "subject": {"version": 1, "decisions": [{"kind": "exact", "decision": "accept"}]},
    "place": {"version": 1, "decisions": [{"kind": "site", "subject": "x", "decision": "accept"}]},
    "list": [1],
    "none": {},
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_file_of_decisions(data: object, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps(data))
    with pytest.raises(GroupDecisionsError, match=r"d\.json"):
        read(path)


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_json(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_bytes(data)
    with pytest.raises(GroupDecisionsError, match=r"d\.json"):
        read(path)
    with pytest.raises(GroupDecisionsError, match="No such file"):
        read(tmp_path / "none.json")


def test_the_largest_groups_come_first(ledger: Ledger) -> None:
    found = list(groups(ledger, "shape"))
    counts = [group.changes for group in found]
    assert counts == sorted(counts, reverse=True)
    pip = next(group for group in found if group.transform == "skip-pip-cache")
    assert (pip.changes, pip.files, pip.repositories, pip.exacts) == (8, 8, 7, 6)
    assert sum(counts) == sum(group.changes for group in groups(ledger, "exact"))


def test_a_plan_has_groups() -> None:
    one, two = (plan("host/x", {"Dockerfile": PIP.format(name)}) for name in "xy")
    first, second = one.files[0].changes[0], two.files[0].changes[0]
    assert first.exact != second.exact
    assert first.shape == second.shape
