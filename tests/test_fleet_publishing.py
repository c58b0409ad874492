"""Requests on a forge of the tests' own, with real pushes, from opening to rolling back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest

from refactor.fleet import phases
from refactor.fleet.forge.servers import repositories
from refactor.fleet.publishing import Desk, Outcome, publish
from refactor.fleet.records import Ruling
from refactor.fleet.refreshing import refresh, stale
from refactor.fleet.rolling_back import roll_back, sentence
from refactor.fleet.status import look
from tests.fleet_clock import StillClock
from tests.fleet_desk import DOCKERFILE, Here, applied, begun, desk, published, wanted
from tests.forge_server import Forge, serving
from tests.github_api import Fault

TOKEN = "ghp_5ecret5ecret5ecret"
SHOP, API = "acme/shop", "acme/api"
OURS = "dfr/slim"
SECONDARY = Fault(403, (("Retry-After", "30"),), "You have exceeded a secondary rate limit.")


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (tmp_path / "forge").mkdir()
    with serving(tmp_path / "forge", TOKEN) as found:
        yield found
    assert found.wrong == []


@pytest.fixture
def shop(forge: Forge) -> Forge:
    forge.create(SHOP, {"Dockerfile": DOCKERFILE, "README": "A shop.\n"})
    return forge


def campaign(forge: Forge, folder: Path, level: str = "safe", more: str = "") -> Desk:
    toml = f"""
name = "slim"
[[source]]
github = "acme"
url = "{forge.api}"
[refactor]
level = "{level}"
[review]
accept = "safe"
{more}
"""
    return begun(folder, toml)


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def accept_all(found: Desk) -> None:
    rulings = {
        Ruling("exact", change.exact, "", "", "accept") for _, change in found.ledger.changes()
    }
    with found.ledger.transaction():
        found.ledger.put_decisions(rulings)
    applied(found)


def request(forge: Forge, name: str = SHOP) -> dict[str, object]:
    assert len(forge.pulls[name]) == 1
    return forge.pull(name, 1)


def test_a_branch_is_pushed_and_a_request_opened(shop: Forge, tmp_path: Path) -> None:
    more = '[request]\nlabels = ["docker"]\nreviewers = ["ada", "acme/platform"]\n'
    found = campaign(shop, tmp_path / "c", more=more)
    assert states(published(found)) == ["opened"]
    pull = request(shop)
    branch = found.ledger.branch(wanted(found)[0].id)
    assert branch is not None
    assert shop.heads(SHOP)[OURS] == branch.head
    assert pull["title"] == "Dockerfiles: 2 refactorings"
    assert (pull["draft"], pull["labels"], pull["reviewers"]) == (
        False, ["docker"], ["ada", "platform"],
    )  # fmt: skip
    assert "`replace-maintainer`: MAINTAINER is deprecated" in str(pull["body"])
    recorded = found.ledger.request(wanted(found)[0].id)
    assert recorded is not None
    assert recorded[1:6] == (1, f"{shop.address}/{SHOP}/pull/1", "open", branch.head, False)


def test_publishing_again_changes_nothing(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    before = len(shop.asked)
    assert states(published(found)) == ["unchanged"]
    assert not [one for one in shop.asked[before:] if one.startswith(("PATCH", "POST /api"))]
    request(shop)


def test_it_is_a_draft_while_a_change_is_above_safe(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c", "suggested")
    accept_all(found)
    assert published(found, dry_run=True)[0].reason == f"{OURS} would be opened as a draft"
    assert shop.pulls[SHOP] == []
    assert states(published(found)) == ["opened"]
    assert request(shop)["draft"] is True
    assert "**suggested**" in str(request(shop)["body"])
    assert "- [ ] it listens on no port below 1024" in str(request(shop)["body"])


def test_a_branch_of_other_decisions_is_not_published(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c", "suggested")
    with found.ledger.transaction():
        _, change = next(found.ledger.changes("level = 'safe'"))
        found.ledger.put_decisions([Ruling("exact", change.exact, "", "", "decline")])
    outcome = published(found)[0]
    assert outcome[1:3] == ("left", "what is decided has changed: `dfr fleet apply` first")
    assert list(shop.heads(SHOP)) == ["main"]
    applied(found)
    assert states(published(found)) == ["opened"]


def test_a_dry_run_does_nothing(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    assert states(published(found, dry_run=True)) == ["would"]
    assert list(shop.heads(SHOP)) == ["main"]
    assert list(found.ledger.requests()) == []


def test_what_others_push_to_our_branch_is_never_overwritten(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    theirs = shop.commit(SHOP, OURS, {"fix": "by hand\n"})
    accept_all(found)
    assert published(found)[0][:3] == (
        wanted(found)[0].id, "left", f"the branch {OURS} is not as we left it",
    )  # fmt: skip
    assert shop.heads(SHOP)[OURS] == theirs
    repository = wanted(found)[0]
    settings = phases.settings(found.campaign, found.ledger, "1")
    assert stale(found, repository, settings) == Outcome(
        repository.id, "left", f"the branch {OURS} is not as we left it"
    )
    assert roll_back(found, repository).state == "left"
    assert shop.heads(SHOP)[OURS] == theirs
    recorded = found.ledger.request(repository.id)
    assert recorded is not None
    assert look(found, repository, recorded).reason.endswith("others have pushed to the branch")


def test_a_branch_of_that_name_may_be_others(shop: Forge, tmp_path: Path) -> None:
    theirs = shop.commit(SHOP, OURS, {"theirs": "1\n"})
    found = campaign(shop, tmp_path / "c")
    assert states(published(found)) == ["left"]
    assert shop.heads(SHOP)[OURS] == theirs
    assert shop.pulls[SHOP] == []


def test_one_who_pushes_between_our_look_and_our_push_is_not_overwritten(
    shop: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = campaign(shop, tmp_path / "c")
    pushed: list[str] = []
    monkeypatch.setattr(
        found.servers.pace, "wait", lambda: pushed.append(shop.commit(SHOP, OURS, {"x": "1\n"}))
    )
    assert published(found)[0][1:3] == ("left", f"the branch {OURS} has changed meanwhile")
    assert shop.heads(SHOP)[OURS] == pushed[0]


def test_a_closed_request_is_not_opened_again(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    request(shop)["state"] = "closed"
    accept_all(found)
    head = shop.heads(SHOP)[OURS]
    for _ in range(2):
        assert published(found)[0][1:3] == ("left", "the request is closed, and not opened again")
    assert shop.heads(SHOP)[OURS] == head
    recorded = found.ledger.request(wanted(found)[0].id)
    assert recorded is not None
    assert recorded.state == "closed"


def test_one_that_was_closed_before_the_ledger_knew_is_not_opened_again(
    shop: Forge, tmp_path: Path
) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    request(shop)["state"] = "closed"
    again = campaign(shop, tmp_path / "d")  # another ledger, the same branch
    assert states(published(again)) == ["left"]
    request(shop)


def test_the_words_that_others_wrote_stay(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c", "suggested")
    published(found)
    pull = request(shop)
    pull["body"] = f"Seen by Ada.\r\n\r\n{pull['body']}\r\nSee also the wiki."
    accept_all(found)
    pull["draft"] = True
    assert states(published(found)) == ["refreshed"]
    body = str(request(shop)["body"])
    assert body.startswith("Seen by Ada.")
    assert body.endswith("See also the wiki.")
    assert "**suggested**" in body
    pull["body"] = "All ours now."
    assert states(published(found)) == ["unchanged"]


def test_one_that_is_ready_does_not_become_riskier(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c", "suggested")
    published(found)
    head = shop.heads(SHOP)[OURS]
    accept_all(found)
    outcome = published(found)[0]
    assert outcome.state == "left"
    assert "is no draft, and a change is above safe now" in outcome.reason
    assert shop.heads(SHOP)[OURS] == head


def test_labels_and_reviewers_may_be_declined(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c", more='[request]\nreviewers = ["nobody"]\n')
    outcome = published(found)[0]
    assert outcome.state == "opened"
    assert "reviewers: 127.0.0.1: POST" in outcome.reason
    assert states(published(found)) == ["unchanged"]


def test_a_protected_branch_is_said(shop: Forge, tmp_path: Path) -> None:
    shop.protect(SHOP, OURS)
    found = campaign(shop, tmp_path / "c")
    outcome = published(found)[0]
    assert outcome.state == "failed"
    assert "protected branch" in outcome.reason
    assert shop.pulls[SHOP] == []


def test_one_that_fails_does_not_stop_the_others(shop: Forge, tmp_path: Path) -> None:
    shop.create(API, {"Dockerfile": DOCKERFILE})
    found = campaign(shop, tmp_path / "c")
    shop.faults.append((f"POST /api/repos/{SHOP}/pulls", Fault(403, message="No.")))
    assert sorted(states(published(found))) == ["failed", "opened"]
    assert sorted(states(published(found))) == ["opened", "unchanged"]


def test_what_is_left_out_is_counted(shop: Forge, tmp_path: Path) -> None:
    shop.create(API, {"Dockerfile": DOCKERFILE})
    shop.archived.add(API)
    found = campaign(shop, tmp_path / "c")
    assert {one.id.rpartition("/")[2]: one.skipped for one in found.ledger.repositories()} == {
        "shop": "", "api": "archived",
    }  # fmt: skip


def test_there_is_a_second_between_changes_of_all_repositories(
    shop: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.create(API, {"Dockerfile": DOCKERFILE})
    found = campaign(shop, tmp_path / "c", more='[request]\nlabels = ["docker"]\n')
    pace, times = found.servers.pace, []
    wait = pace.wait

    def told() -> None:
        wait()
        times.append(pace.clock.now())

    monkeypatch.setattr(pace, "wait", told)
    published(found)
    assert len(times) == 6  # two pushes, two requests, two times labels
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


FAULTS = {
    "limits": [("pulls", SECONDARY), ("POST .*pulls$", SECONDARY), ("labels", SECONDARY)],
    "gateways": [("GET .*pulls", Fault(502)), ("POST .*pulls$", Fault(503))],
    "lost": [("POST .*pulls", Fault(how="lost")), ("labels", Fault(how="lost"))],
    "cut": [("GET .*pulls", Fault(how="cut")), ("POST .*pulls", Fault(how="cut"))],
    "push": [("receive-pack", Fault(503)), ("POST .*receive-pack", Fault(how="lost"))],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_faults_make_no_second_request(
    shop: Forge, tmp_path: Path, faults: list[tuple[str, Fault]]
) -> None:
    found = campaign(shop, tmp_path / "c", more='[request]\nlabels = ["docker"]\n')
    shop.faults.extend(faults)
    for _ in range(4):
        outcome = published(found)[0]
        if outcome.state == "unchanged":
            break
    assert outcome.state == "unchanged"
    assert shop.faults == []
    assert request(shop)["labels"] == ["docker"]


def killed(forge: Forge, step: str, when: str, *words: Path | str) -> None:
    """Run a program that is killed before or after a request is carried out."""
    forge.faults.append((step, Fault(how=f"kill {when}")))
    with forge.lock:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet_desk", *words],
            cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        forge.victim = process.pid
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert forge.faults == []


STEPS = ("GET .*pulls", "POST .*git-receive-pack", "POST .*pulls", "POST .*labels")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=["look", "push", "open", "label"])
def test_a_run_that_is_killed_is_taken_up(
    shop: Forge, tmp_path: Path, step: str, when: str
) -> None:
    found = campaign(shop, tmp_path / "c", more='[request]\nlabels = ["docker"]\n')
    found.ledger.close()
    killed(shop, step, when, tmp_path / "c", "publish")
    again = desk(tmp_path / "c")
    assert published(again)[0].state in ("opened", "refreshed")
    assert request(shop)["labels"] == ["docker"]
    branch = again.ledger.branch(wanted(again)[0].id)
    assert branch is not None
    assert shop.heads(SHOP)[OURS] == branch.head
    assert states(published(again)) == ["unchanged"]


def status(found: Desk) -> Outcome:
    repository = wanted(found)[0]
    recorded = found.ledger.request(repository.id)
    assert recorded is not None
    return look(found, repository, recorded)


def test_status_says_how_requests_stand(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    assert status(found).state == "open"
    shop.checks[SHOP] = "failure"
    assert status(found)[1:3] == ("failing", f"{shop.address}/{SHOP}/pull/1, CI failing")
    shop.checks[SHOP] = "success"
    shop.commit(SHOP, "main", {"Dockerfile": "FROM debian:trixie\nMAINTAINER you\nRUN true\n"})
    assert status(found).state == "conflicted"
    request(shop)["state"] = "closed"
    assert status(found).state == "closed"
    asked = len(shop.asked)
    assert status(found).state == "closed"
    assert len(shop.asked) == asked


def test_status_sees_a_merge(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    shop.merge(SHOP, 1)
    assert status(found).state == "merged"
    assert published(found)[0][1:3] == ("left", "the request is merged, and not opened again")


def refreshed(found: Desk, version: str = "1") -> list[Outcome]:
    settings = phases.settings(found.campaign, found.ledger, version)
    todo = [one for one in wanted(found) if isinstance(stale(found, one, settings), str)]
    return list(refresh(found, Here(), todo, settings))


def test_a_request_whose_base_moved_is_made_anew(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    old = shop.heads(SHOP)[OURS]
    assert refreshed(found) == []
    base = shop.commit(SHOP, "main", {"README": "A better shop.\n", "docs/a": "b\n"})
    assert states(refreshed(found)) == ["refreshed"]
    new = shop.heads(SHOP)[OURS]
    assert new != old
    assert shop.heads(SHOP)["main"] == base
    request(shop)
    assert refreshed(found) == []
    assert states(published(found)) == ["unchanged"]


def test_another_version_makes_it_anew(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    head = shop.heads(SHOP)[OURS]
    assert states(refreshed(found, "2")) == ["unchanged"]  # it makes the same of it
    assert shop.heads(SHOP)[OURS] == head
    assert refreshed(found, "2") == []


def test_a_request_that_is_needed_no_more_is_said(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    shop.commit(SHOP, "main", {"Dockerfile": "FROM debian:bookworm\nCMD true\n"})
    outcomes = refreshed(found)
    assert states(outcomes) == ["left"]
    assert "nothing is left to ask for" in outcomes[0].reason
    assert roll_back(found, wanted(found)[0]).state == "closed"


def test_a_repository_may_opt_out_later(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    shop.commit(SHOP, "main", {".dockerfile-refactor.toml": "[fleet]\nenabled = false\n"})
    assert [outcome[1:3] for outcome in refreshed(found)] == [("left", "opted out")]
    assert published(found)[0][1:3] == ("left", "opted out")
    assert roll_back(found, wanted(found)[0]).state == "closed"


def test_what_is_archived_meanwhile_is_left_alone(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    shop.archived.add(SHOP)
    with found.ledger.transaction():
        found.ledger.put_repositories(repositories(found.campaign.source[0], print))
    repository = next(found.ledger.repositories())
    assert publish(found, repository)[1:3] == ("left", "archived")
    assert list(shop.heads(SHOP)) == ["main"]


def test_rolling_back_closes_and_deletes(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    repository = wanted(found)[0]
    assert roll_back(found, repository, dry_run=True).state == "would"
    assert OURS in shop.heads(SHOP)
    assert roll_back(found, repository).state == "closed"
    assert list(shop.heads(SHOP)) == ["main"]
    assert request(shop)["state"] == "closed"
    assert shop.comments[SHOP, 1] == [sentence("slim")]
    assert roll_back(found, repository).state == "unchanged"
    assert states(published(found)) == ["left"]


def test_rolling_back_is_taken_up(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    repository = wanted(found)[0]
    shop.faults += [
        ("POST .*comments", Fault(how="lost")), ("PATCH", Fault(403, message="No.")),
    ]  # fmt: skip
    assert roll_back(found, repository).state == "failed"
    assert roll_back(found, repository).state == "closed"
    assert shop.comments[SHOP, 1] == [sentence("slim")]
    assert list(shop.heads(SHOP)) == ["main"]


@pytest.mark.parametrize("step", ["POST .*comments", "PATCH", "POST .*git-receive-pack"])
def test_rolling_back_that_is_killed_is_taken_up(shop: Forge, tmp_path: Path, step: str) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    found.ledger.close()
    killed(shop, step, "after", tmp_path / "c", "rollback")
    again = desk(tmp_path / "c")
    roll_back(again, wanted(again)[0])
    assert roll_back(again, wanted(again)[0]).state == "unchanged"
    assert list(shop.heads(SHOP)) == ["main"]
    assert request(shop)["state"] == "closed"
    assert shop.comments[SHOP, 1] == [sentence("slim")]


def test_what_is_merged_is_not_rolled_back(shop: Forge, tmp_path: Path) -> None:
    found = campaign(shop, tmp_path / "c")
    published(found)
    shop.merge(SHOP, 1)
    assert roll_back(found, wanted(found)[0])[1:3] == (
        "left", f"{shop.address}/{SHOP}/pull/1 is merged",
    )  # fmt: skip
    assert shop.comments == {}


class Watched(subprocess.Popen[bytes]):
    """A process whose command line is remembered."""

    lines: ClassVar[list[str]] = []

    def __init__(self, args: Any, **more: Any) -> None:
        self.lines.append(str(args))
        super().__init__(args, **more)


def test_the_token_is_written_nowhere(
    shop: Forge, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Watched)
    found = campaign(shop, tmp_path / "c", more='[request]\nlabels = ["docker"]\n')
    shop.faults += [
        ("GET .*pulls", Fault(502)), ("POST .*pulls", Fault(403, message=f"Not with {TOKEN}")),
    ]  # fmt: skip
    told = [str(outcome) for outcome in published(found)]
    shop.protect(SHOP, OURS)
    told += [str(outcome) for outcome in published(found)]
    found.ledger.close()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
    assert not [words for words in (*told, *Watched.lines) if TOKEN in words]
    assert any("--force-with-lease" in line for line in Watched.lines)
    assert TOKEN not in "".join(capfd.readouterr())


def test_without_a_forge_the_branch_is_pushed(tmp_path: Path, forge: Forge) -> None:
    forge.create(SHOP, {"Dockerfile": DOCKERFILE})
    (tmp_path / "list").write_text(f"{forge.path(SHOP)}\n")
    toml = f'name = "slim"\n[[source]]\nlist = "{tmp_path}/list"\n[review]\naccept = "safe"\n'
    found = begun(tmp_path / "c", toml)
    assert states(published(found)) == ["pushed"]
    assert OURS in forge.heads(SHOP)
    assert states(published(found)) == ["unchanged"]
    clock = found.servers.pace.clock
    assert isinstance(clock, StillClock)
    assert clock.waits == []
    assert status(found).state == "open"
    assert roll_back(found, wanted(found)[0]).state == "closed"
    assert list(forge.heads(SHOP)) == ["main"]
    assert states(published(found)) == ["left"]
