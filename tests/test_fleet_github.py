"""The client of GitHub against GitHub's own description of its API, and against what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from refactor.fleet.forge import client as http
from refactor.fleet.forge.base import ForgeError, Listed, Pull, Unsure, Wanted
from refactor.fleet.forge.client import Client, Pace, Refused
from refactor.fleet.forge.github import HEADERS, SCHEME, GitHub
from tests.fleet_clock import StillClock
from tests.github_api import Api, Fault, problems, serving

TOKEN = "ghp_not_a_real_one_but_secret"
PLACE = "octocat/Hello-World"
WANTED = Wanted("Tidy Dockerfiles", "Because.", "dfr/tidy", "main", draft=True)
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes."


@pytest.fixture(scope="module")
def server() -> Iterator[Api]:
    with serving(Api()) as api:
        yield api


@pytest.fixture
def api(server: Api) -> Iterator[Api]:
    for kept in (server.asked, server.wrong, server.faults, server.examples):
        kept.clear()
    yield server
    assert server.wrong == []
    assert not server.faults


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def github(api: Api, clock: StillClock, said: list[str]) -> GitHub:
    return GitHub(Client(api.address, SCHEME, TOKEN, HEADERS, Pace(clock), said.append))


def methods(api: Api) -> list[str]:
    return [f"{method} {path.partition('?')[0]}" for method, path, _ in api.asked]


def test_what_the_description_does_not_allow_is_found() -> None:
    json = {"content-type": "application/json"}
    assert [*problems("POST", f"/repos/{PLACE}/pulls", b'{"title": "t", "head": "h"}', json)]
    assert [*problems("GET", f"/repos/{PLACE}/pulls?state=merged", b"", {})]
    assert [*problems("GET", f"/repos/{PLACE}/pulls?branch=x", b"", {})]
    assert [*problems("GET", "/nothing/of/this", b"", {})]


def test_an_organisation_has_repositories(github: GitHub, api: Api) -> None:
    example = {
        "full_name": "acme/shop", "html_url": "https://github.com/acme/shop",
        "clone_url": "https://github.com/acme/shop.git", "archived": False, "disabled": False,
        "fork": False,
    }  # fmt: skip
    kinds: list[dict[str, object]] = [{}, {"archived": True}, {"fork": True}, {"disabled": True}]
    api.examples["GET", "/orgs/acme/repos"] = [{**example, **kind} for kind in kinds]
    found = list(github.repositories("acme"))
    address = "https://github.com/acme/shop.git"
    assert found == [Listed(address, why) for why in ("", "archived", "fork", "disabled")]


def test_the_example_of_the_description_is_read(github: GitHub) -> None:
    found = list(github.repositories("github"))
    assert found == [Listed("https://github.com/octocat/Hello-World.git")]


def test_a_user_is_no_organisation(github: GitHub, api: Api) -> None:
    api.faults.append(Fault(404, message="Not Found"))
    assert len(list(github.repositories("octocat"))) == 1
    assert methods(api) == ["GET /orgs/octocat/repos", "GET /users/octocat/repos"]


def test_pages_are_followed_on_the_same_server(github: GitHub, api: Api) -> None:
    path = f"/repos/{PLACE}/pulls"
    api.examples["GET", path] = [item(1, "closed")]
    next_one = f'<https://api.github.com{path}?state=all&page=2>; rel="next", <x>; rel="last"'
    api.faults.append(Fault(headers=(("Link", next_one),)))
    found = github.find(PLACE, "dfr/tidy")
    assert found is not None
    assert [asked[1].partition("?")[2] for asked in api.asked] == [
        "head=octocat%3Adfr%2Ftidy&state=all&per_page=100",
        "state=all&page=2",
    ]


def test_what_should_be_a_list_is_one(github: GitHub, api: Api) -> None:
    api.examples["GET", "/orgs/acme/repos"] = {"message": "no"}
    with pytest.raises(ForgeError, match="is no list"):
        list(github.repositories("acme"))


def test_every_operation_is_as_github_describes_it(github: GitHub, api: Api) -> None:
    pull = github.look(PLACE, 1347)
    assert pull[:4] == (
        1347, "https://github.com/octocat/Hello-World/pull/1347", "merged",
        "6dcb09b5b57875f334f61aebed695e2e4193db5e",
    )  # fmt: skip
    api.examples["GET", f"/repos/{PLACE}/pulls"] = []
    assert github.open(PLACE, WANTED).number == 1347
    github.describe(PLACE, 1347, "Better.")
    github.label(PLACE, 1347, ("docker", "bot"))
    github.ask(PLACE, 1347, ("hubot", "octo-org/justice-league"))
    github.close(PLACE, 1347, "Not wanted any more.")
    assert github.checks(PLACE, pull) == "passing"
    bodies = {method + path.rpartition("/")[2]: body for method, path, body in api.asked}
    assert bodies["POSTpulls"] == {
        "title": "Tidy Dockerfiles", "body": "Because.", "head": "dfr/tidy", "base": "main",
        "draft": True,
    }  # fmt: skip
    assert bodies["POSTrequested_reviewers"] == {
        "reviewers": ["hubot"], "team_reviewers": ["justice-league"],
    }  # fmt: skip
    assert bodies["PATCH1347"] == {"state": "closed"}


def item(number: int, state: str, merged: str | None = None, ref: str = "dfr/tidy") -> Any:
    return {
        "number": number, "html_url": f"https://github.com/{PLACE}/pull/{number}", "state": state,
        "merged_at": merged, "head": {"ref": ref, "sha": "a" * 40}, "body": None, "draft": False,
    }  # fmt: skip


def test_the_open_request_of_a_branch_is_found_before_the_latest(github: GitHub, api: Api) -> None:
    path = ("GET", f"/repos/{PLACE}/pulls")
    api.examples[path] = [item(3, "closed"), item(2, "open"), item(1, "closed", "2026-01-01")]
    found = github.find(PLACE, "dfr/tidy")
    assert found is not None
    assert (found.number, found.state) == (2, "open")
    api.examples[path] = [
        item(1, "closed", "2026-01-01"),
        item(3, "closed"),
        item(9, "open", ref="x"),
    ]
    found = github.find(PLACE, "dfr/tidy")
    assert found is not None
    assert (found.number, found.state) == (3, "closed")
    assert (
        api.asked[0][1] == f"/repos/{PLACE}/pulls?head=octocat%3Adfr%2Ftidy&state=all&per_page=100"
    )


def test_a_request_that_is_open_is_not_opened_again(github: GitHub, api: Api) -> None:
    api.examples["GET", f"/repos/{PLACE}/pulls"] = [item(7, "open")]
    assert github.open(PLACE, WANTED).number == 7
    assert methods(api) == [f"GET /repos/{PLACE}/pulls"]


def test_what_was_said_is_not_said_again(github: GitHub, api: Api) -> None:
    api.examples["GET", f"/repos/{PLACE}/issues/7/comments"] = [{"body": "Enough."}]
    github.close(PLACE, 7, "Enough.")
    assert methods(api)[1:] == [f"PATCH /repos/{PLACE}/pulls/7"]


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        (Fault(403, (("Retry-After", "37"),), SECONDARY), 37.0),
        (Fault(429, (("Retry-After", "5"),)), 5.0),
        (Fault(403, (), SECONDARY), 60.0),
        (
            Fault(403, (("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1800000090"))),
            91.0,
        ),
        (Fault(429, (("Retry-After", "Fri, 15 Jan 2027 08:01:40 GMT"),)), 100.0),
    ],
    ids=["retry-after", "too many", "secondary", "reset", "a date"],
)
def test_a_limit_is_waited_for(
    github: GitHub, api: Api, clock: StillClock, said: list[str], fault: Fault, waited: float
) -> None:
    api.faults.append(fault)
    github.label(PLACE, 7, ("docker",))  # turned down unread: it may be asked again
    assert waited in clock.waits
    assert said == [f"waiting {waited:.0f} s: 127.0.0.1 limits how much is asked"]


def test_a_limit_that_does_not_end_ends_the_work(
    github: GitHub, api: Api, clock: StillClock
) -> None:
    api.faults.extend([Fault(429, message="no")] * 7)
    with pytest.raises(ForgeError, match="does not stop: go on later"):
        github.look(PLACE, 7)
    assert [wait for wait in clock.waits if wait >= 60] == [60, 120, 240, 480, 960, 1920]
    api.faults.extend([Fault(403, (("Retry-After", "86400"),))])
    with pytest.raises(ForgeError, match="go on later"):
        github.look(PLACE, 7)


def test_a_refusal_is_no_limit(github: GitHub, api: Api, clock: StillClock) -> None:
    api.faults.append(Fault(403, message=f"Resource not accessible with {TOKEN}"))
    with pytest.raises(Refused, match="answers 403: Resource not accessible") as caught:
        github.look(PLACE, 7)
    assert TOKEN not in str(caught.value)
    assert clock.waits == []
    api.faults.append(Fault(403, message="." * (297 - len(TOKEN) // 2) + TOKEN))
    with pytest.raises(Refused) as caught:
        github.look(PLACE, 7)
    assert TOKEN[:8] not in str(caught.value)


def impatient(github: GitHub, fault: Fault) -> None:
    """Wait less long for an answer that does not come."""
    if fault.how == "silent":
        github._client._http.timeout = httpx.Timeout(2.0)


FAULTS = [Fault(502), Fault(503), Fault(how="cut"), Fault(how="silent"), Fault(how="lost")]
NAMES = ["502", "503", "cut", "silent", "lost"]


@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
def test_reading_is_repeated(github: GitHub, api: Api, clock: StillClock, fault: Fault) -> None:
    impatient(github, fault)
    api.faults.extend([fault, fault])
    assert github.look(PLACE, 1347).number == 1347
    assert len(api.asked) == 3
    assert clock.waits == [1.0, 2.0]


def test_reading_is_not_repeated_for_ever(github: GitHub, api: Api) -> None:
    api.faults.extend([Fault(502)] * 5)
    with pytest.raises(ForgeError, match="answers 502"):
        github.look(PLACE, 7)


@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
def test_a_request_is_looked_for_before_it_is_opened_again(
    github: GitHub, api: Api, fault: Fault, monkeypatch: Any
) -> None:
    impatient(github, fault)
    pulls: list[Any] = []
    api.examples["GET", f"/repos/{PLACE}/pulls"] = pulls
    add = Client.add

    def opened(self: Client, path: str, body: Any) -> Any:
        pulls.append(item(8, "open"))  # it is there, whatever the answer
        api.faults.append(fault)
        return add(self, path, body)

    monkeypatch.setattr(Client, "add", opened)
    assert github.open(PLACE, WANTED).number == 8
    assert methods(api) == [
        f"GET /repos/{PLACE}/pulls", f"POST /repos/{PLACE}/pulls", f"GET /repos/{PLACE}/pulls",
    ]  # fmt: skip


def test_a_request_that_was_not_opened_is_opened(github: GitHub, api: Api) -> None:
    api.examples["GET", f"/repos/{PLACE}/pulls"] = []
    api.faults.extend([Fault(), Fault(how="lost")])
    assert github.open(PLACE, WANTED).number == 1347
    assert [method for method, _, _ in api.asked] == ["GET", "POST", "GET", "POST"]


def test_one_that_came_late_is_found(github: GitHub, api: Api, monkeypatch: Any) -> None:
    pulls: list[Any] = []
    api.examples["GET", f"/repos/{PLACE}/pulls"] = pulls

    def late(self: Client, path: str, body: Any) -> Any:
        pulls.append(item(8, "open"))
        raise Refused("A pull request already exists", 422)

    monkeypatch.setattr(Client, "add", late)
    assert github.open(PLACE, WANTED).number == 8


def test_making_is_not_repeated_blindly(github: GitHub, api: Api) -> None:
    api.faults.append(Fault(502))
    with pytest.raises(Unsure):
        github._client.add(f"/repos/{PLACE}/issues/7/comments", {"body": "Once."})
    assert len(api.asked) == 1


def test_there_is_a_second_between_changes(github: GitHub, clock: StillClock) -> None:
    times = []
    for number in range(4):
        github.label(PLACE, number + 1, ("docker",))
        times.append(clock.now())
    assert [b - a for a, b in pairwise(times)] == [1.0, 1.0, 1.0]
    clock.time += 30  # what takes long by itself is not waited for
    waits = len(clock.waits)
    github.describe(PLACE, 1, "x")
    assert len(clock.waits) == waits


def test_reading_is_not_paced(github: GitHub, clock: StillClock) -> None:
    for _ in range(3):
        github.look(PLACE, 1347)
    assert clock.waits == []


def test_another_shape_is_said(github: GitHub, api: Api) -> None:
    api.examples["GET", f"/repos/{PLACE}/pulls/7"] = {"number": 7}
    with pytest.raises(ForgeError, match="another shape"):
        github.look(PLACE, 7)


def test_a_large_answer_is_not_read(github: GitHub, api: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER", 1000)
    with pytest.raises(ForgeError, match="larger than"):
        github.look(PLACE, 1347)


def test_a_repository_that_moved_is_not_written_to(github: GitHub, api: Api) -> None:
    api.faults.append(Fault(307, (("Location", "https://elsewhere.example/"),)))
    with pytest.raises(ForgeError, match="has moved"):
        github.describe(PLACE, 7, "x")


def test_the_token_goes_to_no_other_server(github: GitHub, api: Api) -> None:
    with serving(Api()) as other:
        place = f"{other.address.replace('127.0.0.1', 'localhost')}/repos/{PLACE}/pulls/1347"
        api.faults.append(Fault(301, (("Location", place),)))
        assert github.look(PLACE, 1347).number == 1347
    assert api.tokens[-1] == f"Bearer {TOKEN}"
    assert other.tokens == [None]


def test_checks_and_statuses_are_taken_together(github: GitHub, api: Api) -> None:
    commit = f"/repos/{PLACE}/commits/{'a' * 40}"

    def checks(conclusions: list[str | None], state: str = "", total: int = 0) -> str:
        runs = [{"conclusion": one} for one in conclusions]
        api.examples["GET", f"{commit}/check-runs"] = {"check_runs": runs}
        api.examples["GET", f"{commit}/status"] = {"state": state, "total_count": total}
        return github.checks(PLACE, Pull(7, "", "open", "a" * 40))

    assert checks([]) == "none"
    assert checks([], "pending") == "none"  # what GitHub says where there is no status
    assert checks(["success", "skipped", "neutral"]) == "passing"
    assert checks(["success", None]) == "pending"
    assert checks(["success", "timed_out", None]) == "failing"
    assert checks(["success"], "failure", 2) == "failing"
    assert checks([], "error", 1) == "failing"
