"""GitLab and Forgejo by the requests and answers that they document.

What is named here is all that may be sent; the answers are cut down to documented fields.

Read of GitLab, in its mirror gitlabhq/gitlabhq (a commit is the one at which a file was read):

- doc/api/merge_requests.md, groups.md, notes.md, users.md and pipelines.md at ef0ff4b5 (19.2 or
  later; of the first the parts on listing, one request, pipelines, creating, updating);
- doc/api/rest/_index.md at d0a9e767 and authentication.md at 6e370d70; doc/user/project/
  merge_requests/drafts.md at 06452c5d; doc/administration/settings/user_and_ip_rate_limits.md at
  986ab048, with lib/gitlab/rack_attack.rb at ba0f3164;
- lib/api/entities/merge_request_basic.rb at 190e96db and project.rb at 709229a0: what an answer
  has that the documents do not show (`merge_requests_access_level`, `empty_repo`);
- app/finders/ci/pipelines_for_merge_request_finder.rb at 0537e775: the order of pipelines;
- lib/api/merge_requests.rb only as it was at befdcac3 (10.x): 409 for a second request.

That only one reviewer is taken without a licence is from a version of app/services/merge_requests/
base_service.rb whose commit is not known.

Read of Gitea (go-gitea/gitea): routers/api/v1/repo/pull.go at e6ed472b, pull_review.go at dfb552cd,
issue_label.go at 1e6b081f, issue_comment.go at 3b505c9e, status.go at a105f847; services/convert/
pull.go at ae5e14c0 and status.go at 926f0c2d; modules/structs/pull.go at 92920d13, repo.go at
a520c5e8, issue_label.go at 50e78265, status.go at 0b6e0673; modules/commitstatus at 0081ef87.
models/issues/pull.go (what is mergeable) is of an unknown commit. Forgejo itself is not on GitHub;
of copies: pull.go at 51ce8232, pull_review.go at 87bb3f3f, issue_comment.go at 84f51b6a,
user/repo.go at 1b531a4f (live-clones/forgejo), issue_label.go at 17394df1 (creator-signal/
fork-forgejo-forgejo), services/convert/status.go at 2b847f8f (rezuscloud/forgejo), and the page
"API Usage" of its documents at 24def40a (massoncheg/forgejo-docs): the header of a token, `Link`,
and 50 items a page at most.

Not found: what Forgejo limits, and by which headers it says so. Of the prefix `WIP:` only that it
is a default of the configuration. The Swagger description was not read; no server was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from refactor.fleet.forge import client as http
from refactor.fleet.forge import forgejo, gitlab
from refactor.fleet.forge.base import ForgeError, Listed, Pull, Wanted
from refactor.fleet.forge.client import Client, Pace
from refactor.fleet.forge.forgejo import Forgejo
from refactor.fleet.forge.gitlab import GitLab
from tests.fleet_clock import StillClock
from tests.github_api import Api, Fault, serving

WANTED = Wanted("Tidy Dockerfiles", "Because.", "dfr/tidy", "main", draft=True)
HEAD = "8" * 40


class Operation(NamedTuple):
    """One operation: what a query and a body may hold (`!` must), the status and an answer."""

    method: str
    path: str
    query: str
    body: dict[str, type]
    needs: str
    status: int
    answer: Any


class Described(Api):
    """A server of operations that are written down here."""

    def __init__(self, operations: tuple[Operation, ...], scheme: str) -> None:
        super().__init__()
        self.operations = operations
        self.scheme = scheme

    def operation(self, method: str, path: str) -> Operation | None:
        """Return the operation of a path, as it is quoted."""
        fits = (o for o in self.operations if o.method == method and re.fullmatch(o.path, path))
        return next(fits, None)

    def problems(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> list[str]:
        """Return what is not described in a request."""
        parts = urlsplit(target)
        found = self.operation(method, parts.path)
        if found is None:
            return [f"{method} {target} is not described"]
        wrong = [name for name, _ in parse_qsl(parts.query) if name not in found.query.split()]
        data = json.loads(body) if body else {}
        for name, value in data.items():
            if not isinstance(value, found.body.get(name, type(None))):
                wrong.append(f"{name}={value!r}")
        wrong += [name for name in found.needs.split() if name not in data]
        if not headers.get("authorization", "").startswith(f"{self.scheme} "):
            wrong.append("no token")
        return [f"{method} {target}: {one}" for one in wrong]

    def example(self, method: str, path: str) -> tuple[int, Any]:
        """Return the status and the answer of an operation."""
        found = self.operation(method, path)
        return (found.status, found.answer) if found else (404, {})


def merge_request(number: int = 1, state: str = "opened", **more: Any) -> dict[str, Any]:
    return {
        "id": 10 + number, "iid": number, "project_id": 3, "title": "test1", "description": "fixed",
        "state": state, "target_branch": "main", "source_branch": "dfr/tidy", "draft": False,
        "source_project_id": 3, "target_project_id": 3, "labels": ["Community"], "sha": HEAD,
        "detailed_merge_status": "mergeable", "has_conflicts": False, "reviewers": [{"id": 9}],
        "web_url": f"http://gitlab.example.com/my-group/shop/merge_requests/{number}", **more,
    }  # fmt: skip


PAGES = "per_page page"
PROJECT = "/projects/my-group%2Fsub%2Fshop"
PLACE = "my-group/sub/shop"
GITLAB = (
    Operation(
        "GET", "/groups/my-group%2Fsub/projects",
        f"{PAGES} include_subgroups with_shared archived order_by sort", {}, "", 200,
        [
            {
                "id": 9, "path_with_namespace": PLACE, "default_branch": "main",
                "web_url": "http://gitlab.example.com/my-group/sub/shop", "empty_repo": False,
                "http_url_to_repo": "http://gitlab.example.com/my-group/sub/shop.git",
                "archived": False, "merge_requests_access_level": "enabled",
            }
        ],
    ),
    Operation(
        "GET", f"{PROJECT}/merge_requests",
        f"{PAGES} state source_branch target_branch order_by sort", {}, "", 200, [],
    ),
    Operation("GET", f"{PROJECT}/merge_requests/1", "", {}, "", 200, merge_request()),
    Operation(
        "POST", f"{PROJECT}/merge_requests", "",
        {
            "source_branch": str, "target_branch": str, "title": str, "description": str,
            "labels": str, "reviewer_ids": list, "remove_source_branch": bool,
        },
        "source_branch target_branch title", 201, merge_request(draft=True),
    ),
    Operation(
        "PUT", f"{PROJECT}/merge_requests/1", "",
        {"description": str, "add_labels": str, "reviewer_ids": list, "state_event": str},
        "", 200, merge_request(reviewers=[{"id": 9}, {"id": 5}]),
    ),
    Operation(
        "GET", f"{PROJECT}/merge_requests/1/notes", f"{PAGES} sort order_by", {}, "", 200, []
    ),
    Operation(
        "POST", f"{PROJECT}/merge_requests/1/notes", "", {"body": str}, "body", 201, {"id": 301}
    ),
    Operation(
        "GET", f"{PROJECT}/merge_requests/1/pipelines", PAGES, {}, "", 200,
        [
            {"id": 76, "sha": HEAD, "ref": "dfr/tidy", "status": "failed"},
            {"id": 77, "sha": HEAD, "ref": "dfr/tidy", "status": "success"},
        ],
    ),
    Operation("GET", "/users", "username", {}, "", 200, [{"id": 5, "username": "ada"}]),
)  # fmt: skip


def pull_request(number: int = 1, state: str = "open", **more: Any) -> dict[str, Any]:
    return {
        "id": 10 + number, "number": number, "title": "t", "body": "b", "state": state,
        "merged": False, "mergeable": True, "draft": False, "labels": [],
        "html_url": f"https://codeberg.org/acme/shop/pulls/{number}",
        "head": {"label": "dfr/tidy", "ref": "dfr/tidy", "sha": HEAD, "repo_id": 7},
        "base": {"label": "main", "ref": "main", "sha": "7" * 40, "repo_id": 7}, **more,
    }  # fmt: skip


FORGEJO = (
    Operation(
        "GET", "/(orgs|users)/acme/repos", "page limit", {}, "", 200,
        [
            {
                "id": 7, "full_name": "acme/shop", "html_url": "https://codeberg.org/acme/shop",
                "clone_url": "https://codeberg.org/acme/shop.git", "archived": False,
                "fork": False, "empty": False, "has_pull_requests": True,
            }
        ],
    ),
    Operation("GET", "/repos/acme/shop/pulls", "state sort page limit", {}, "", 200, []),
    Operation("GET", "/repos/acme/shop/pulls/1", "", {}, "", 200, pull_request()),
    Operation(
        "POST", "/repos/acme/shop/pulls", "",
        {
            "title": str, "body": str, "head": str, "base": str, "labels": list,
            "assignees": list, "milestone": int,
        },
        "title head base", 201, pull_request(draft=True),
    ),
    Operation(
        "PATCH", "/repos/acme/shop/pulls/1", "", {"body": str, "title": str, "state": str}, "", 201,
        pull_request(),
    ),
    Operation(
        "POST", "/repos/acme/shop/issues/1/labels", "", {"labels": list}, "labels", 200,
        [{"id": 1, "name": "docker"}],
    ),
    Operation(
        "POST", "/repos/acme/shop/pulls/1/requested_reviewers", "",
        {"reviewers": list, "team_reviewers": list}, "", 201, [],
    ),
    Operation("GET", "/repos/acme/shop/issues/1/comments", "since before", {}, "", 200, []),
    Operation("POST", "/repos/acme/shop/issues/1/comments", "", {"body": str}, "body", 201, {}),
    Operation(
        "GET", f"/repos/acme/shop/commits/{HEAD}/statuses", "sort state page limit", {}, "", 200,
        [{"id": 1, "context": "build", "status": "success"}],
    ),
)  # fmt: skip


@pytest.fixture
def lab() -> Iterator[Described]:
    with serving(Described(GITLAB, "Bearer")) as api:
        assert isinstance(api, Described)
        yield api
    assert api.wrong == []


@pytest.fixture
def jo() -> Iterator[Described]:
    with serving(Described(FORGEJO, "token")) as api:
        assert isinstance(api, Described)
        yield api
    assert api.wrong == []


def client(api: Api, scheme: str) -> Client:
    return Client(api.address, scheme, "s3cret", {}, Pace(StillClock()), lambda words: None)


@pytest.fixture
def in_gitlab(lab: Described) -> GitLab:
    return GitLab(client(lab, gitlab.SCHEME))


@pytest.fixture
def in_forgejo(jo: Described) -> Forgejo:
    return Forgejo(client(jo, forgejo.SCHEME))


def sent(api: Api, method: str) -> list[Any]:
    return [body for asked, _, body in api.asked if asked == method]


def test_what_is_not_described_is_found() -> None:
    api = Described(GITLAB, "Bearer")
    token = {"authorization": "Bearer x"}
    assert api.problems("GET", "/nothing", b"", token)
    assert api.problems("POST", f"{PROJECT}/merge_requests", b'{"title": "t"}', token)
    assert api.problems("GET", f"{PROJECT}/merge_requests?head=x", b"", token)
    assert api.problems("GET", f"{PROJECT}/merge_requests", b"", {})
    assert not api.problems("GET", f"{PROJECT}/merge_requests", b"", token)


def test_a_group_of_gitlab(in_gitlab: GitLab, lab: Described) -> None:
    address = "http://gitlab.example.com/my-group/sub/shop.git"
    assert list(in_gitlab.repositories("my-group/sub")) == [Listed(address)]
    project = GITLAB[0].answer[0]
    kinds: list[dict[str, Any]] = [
        {"archived": True}, {"forked_from_project": {"id": 1}}, {"mr_default_target_self": False},
        {"empty_repo": True}, {"default_branch": None}, {"merge_requests_access_level": "disabled"},
    ]  # fmt: skip
    path = GITLAB[0].path
    lab.examples["GET", path] = [{**project, **kind} for kind in kinds]
    assert [one.skipped for one in in_gitlab.repositories("my-group/sub")] == [
        "archived", "fork", "fork", "empty", "empty", "disabled",
    ]  # fmt: skip


def test_merge_requests(in_gitlab: GitLab, lab: Described) -> None:
    pull = in_gitlab.open(PLACE, WANTED)
    assert pull == Pull(
        1, "http://gitlab.example.com/my-group/shop/merge_requests/1", "open", HEAD, "fixed", True
    )
    assert sent(lab, "POST") == [
        {
            "source_branch": "dfr/tidy", "target_branch": "main",
            "title": "Draft: Tidy Dockerfiles", "description": "Because.",
        }
    ]  # fmt: skip
    in_gitlab.describe(PLACE, 1, "Better.")
    in_gitlab.label(PLACE, 1, ("docker", "bot"))
    in_gitlab.ask(PLACE, 1, ("ada",))
    in_gitlab.close(PLACE, 1, "Enough.")
    assert sent(lab, "PUT") == [
        {"description": "Better."}, {"add_labels": "docker,bot"}, {"reviewer_ids": [9, 5]},
        {"state_event": "close"},
    ]  # fmt: skip
    assert sent(lab, "POST")[1:] == [{"body": "Enough."}]
    assert in_gitlab.checks(PLACE, pull) == "passing"


def test_how_a_merge_request_stands(in_gitlab: GitLab, lab: Described) -> None:
    path = f"{PROJECT}/merge_requests/1"
    for state, ours in {"merged": "merged", "closed": "closed", "locked": "open"}.items():
        lab.examples["GET", path] = merge_request(state=state)
        assert in_gitlab.look(PLACE, 1).state == ours
    lab.examples["GET", path] = merge_request(has_conflicts=True)
    pull = in_gitlab.look(PLACE, 1)
    assert pull.conflict
    for status, checks in {"failed": "failing", "running": "pending", "skipped": "none"}.items():
        lab.examples["GET", f"{path}/pipelines"] = [{"id": 1, "status": status}]
        assert in_gitlab.checks(PLACE, pull) == checks
    lab.examples["GET", f"{path}/pipelines"] = []
    assert in_gitlab.checks(PLACE, pull) == "none"


def test_a_merge_request_of_a_fork_is_not_ours(in_gitlab: GitLab, lab: Described) -> None:
    path = f"{PROJECT}/merge_requests"
    lab.examples["GET", path] = [merge_request(3, source_project_id=4), merge_request(2, "closed")]
    found = in_gitlab.find(PLACE, "dfr/tidy")
    assert found is not None
    assert (found.number, found.state) == (2, "closed")


def test_a_reviewer_whom_gitlab_does_not_know_is_said(in_gitlab: GitLab, lab: Described) -> None:
    lab.examples["GET", "/users"] = []
    with pytest.raises(ForgeError, match="no user ada"):
        in_gitlab.ask(PLACE, 1, ("ada",))


def test_a_reviewer_whom_gitlab_does_not_take_is_said(in_gitlab: GitLab, lab: Described) -> None:
    lab.examples["PUT", f"{PROJECT}/merge_requests/1"] = merge_request()
    with pytest.raises(ForgeError, match="GitLab does not ask ada"):
        in_gitlab.ask(PLACE, 1, ("ada",))
    assert sent(lab, "PUT") == [{"reviewer_ids": [9, 5]}]


def test_gitlab_limits_how_much_is_asked(lab: Described) -> None:
    clock = StillClock()
    found = GitLab(Client(lab.address, "Bearer", "s3cret", {}, Pace(clock), lambda words: None))
    reset = str(int(clock.now()) + 20)
    lab.faults += [
        Fault(429, (("RateLimit-Remaining", "0"), ("RateLimit-Reset", reset))),
        Fault(429, (("Retry-After", "7"),)),
    ]  # fmt: skip
    assert found.look(PLACE, 1).number == 1
    assert clock.waits == [21.0, 7.0]


@pytest.mark.parametrize("fault", [Fault(502), Fault(how="cut"), Fault(how="lost")])
def test_a_lost_answer_of_gitlab_makes_no_second_request(
    in_gitlab: GitLab, lab: Described, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    listed: list[Any] = []
    lab.examples["GET", f"{PROJECT}/merge_requests"] = listed
    add = http.Client.add

    def opened(self: Client, path: str, body: Any) -> Any:
        listed.append(merge_request())
        lab.faults.append(fault)
        return add(self, path, body)

    monkeypatch.setattr(http.Client, "add", opened)
    assert in_gitlab.open(PLACE, WANTED).number == 1
    assert [method for method, _, _ in lab.asked] == ["GET", "POST", "GET"]


def test_an_organisation_of_forgejo(in_forgejo: Forgejo, jo: Described) -> None:
    assert list(in_forgejo.repositories("acme")) == [Listed("https://codeberg.org/acme/shop.git")]
    one = FORGEJO[0].answer[0]
    kinds = [{"archived": True}, {"fork": True}, {"empty": True}, {"has_pull_requests": False}]
    jo.examples["GET", "/users/acme/repos"] = [{**one, **kind} for kind in kinds]
    jo.faults.append(Fault(404, message="user redirect does not exist"))
    assert [one.skipped for one in in_forgejo.repositories("acme")] == [
        "archived", "fork", "empty", "disabled",
    ]  # fmt: skip


def test_pull_requests_of_forgejo(in_forgejo: Forgejo, jo: Described) -> None:
    place = "acme/shop"
    pull = in_forgejo.open(place, WANTED)
    assert (pull.number, pull.state, pull.head, pull.draft) == (1, "open", HEAD, True)
    in_forgejo.describe(place, 1, "Better.")
    in_forgejo.label(place, 1, ("docker",))
    in_forgejo.ask(place, 1, ("ada", "acme/platform"))
    in_forgejo.close(place, 1, "Enough.")
    assert in_forgejo.checks(place, pull) == "passing"
    assert sent(jo, "POST") == [
        {
            "title": "WIP: Tidy Dockerfiles", "body": "Because.", "head": "dfr/tidy",
            "base": "main",
        },
        {"labels": ["docker"]},
        {"reviewers": ["ada"], "team_reviewers": ["platform"]},
        {"body": "Enough."},
    ]  # fmt: skip
    assert sent(jo, "PATCH") == [{"body": "Better."}, {"state": "closed"}]


def test_a_request_is_found_by_its_branch(in_forgejo: Forgejo, jo: Described) -> None:
    path = ("GET", "/repos/acme/shop/pulls")
    gone = {"label": "dfr/tidy", "ref": "refs/pull/3/head", "sha": HEAD, "repo_id": 7}
    fork = {"label": "dfr/tidy", "ref": "dfr/tidy", "sha": HEAD, "repo_id": 8}
    jo.examples[path] = [pull_request(5, head=fork), pull_request(3, "closed", head=gone)]
    found = in_forgejo.find("acme/shop", "dfr/tidy")
    assert found is not None
    assert (found.number, found.state) == (3, "closed")
    jo.examples[path] = [pull_request(3, "closed", head=gone, merged=True)]
    found = in_forgejo.find("acme/shop", "dfr/tidy")
    assert found is not None
    assert found.state == "merged"
    assert in_forgejo.find("acme/shop", "dfr/other") is None
    jo.examples[path] = [None, pull_request(4)]
    found = in_forgejo.find("acme/shop", "dfr/tidy")
    assert found is not None
    assert found.number == 4


@pytest.mark.parametrize("broken", [{"number": 1}, "text"])
def test_a_list_of_another_shape_is_said(
    in_forgejo: Forgejo, in_gitlab: GitLab, jo: Described, lab: Described, broken: Any
) -> None:
    jo.examples["GET", "/repos/acme/shop/pulls"] = [broken]
    with pytest.raises(ForgeError, match="another shape"):
        in_forgejo.find("acme/shop", "dfr/tidy")
    lab.examples["GET", f"{PROJECT}/merge_requests"] = [broken]
    with pytest.raises(ForgeError, match="another shape"):
        in_gitlab.find(PLACE, "dfr/tidy")


def test_a_label_that_forgejo_does_not_have_is_said(in_forgejo: Forgejo) -> None:
    with pytest.raises(ForgeError, match="acme/shop: no label bot"):
        in_forgejo.label("acme/shop", 1, ("Docker", "bot"))


def test_how_a_pull_request_of_forgejo_stands(in_forgejo: Forgejo, jo: Described) -> None:
    jo.examples["GET", "/repos/acme/shop/pulls/1"] = pull_request(mergeable=False)
    pull = in_forgejo.look("acme/shop", 1)
    assert pull.conflict
    jo.examples["GET", "/repos/acme/shop/pulls/1"] = pull_request(mergeable=False, draft=True)
    assert not in_forgejo.look("acme/shop", 1).conflict
    path = ("GET", f"/repos/acme/shop/commits/{HEAD}/statuses")
    for states, checks in {
        ("failure", "pending"): "failing", ("error",): "failing", ("pending", "success"): "pending",
        ("success", "warning", "skipped"): "passing", (): "none",
    }.items():  # fmt: skip
        jo.examples[path] = [
            {"id": number, "context": state, "status": state} for number, state in enumerate(states)
        ]
        assert in_forgejo.checks("acme/shop", pull) == checks
    jo.examples[path] = [
        {"id": 3, "context": "build", "status": "success"},
        {"id": 2, "context": "build", "status": "failure"},
        {"id": 1, "context": "build", "status": "pending"},
    ]  # fmt: skip
    assert in_forgejo.checks("acme/shop", pull) == "passing"


def test_names_are_quoted(in_gitlab: GitLab, lab: Described) -> None:
    lab.wrong.clear()
    with pytest.raises(ForgeError):
        in_gitlab.look("../../admin?x", 1)
    assert unquote(lab.asked[0][1]) == "/projects/../../admin?x/merge_requests/1"
    assert lab.asked[0][1] == "/projects/..%2F..%2Fadmin%3Fx/merge_requests/1"
    lab.wrong.clear()
