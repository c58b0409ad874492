"""GitLab: the REST API, version 4.

Sources: doc/api of GitLab 19 (merge_requests, groups, notes, users, pipelines); its code where that
says nothing. tests/test_fleet_other_forges.py has the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from refactor.fleet.forge.base import (
    Listed,
    Pull,
    Wanted,
    latest,
    left_out,
    opened,
    said,
    understood,
)
from refactor.fleet.forge.client import Client, Refused, once

SERVER = "https://gitlab.com/api/v4"
SCHEME = "Bearer"
HEADERS: dict[str, str] = {}
_DRAFT = "Draft: "
_STATES = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}
_CHECKS = {
    "success": "passing", "failed": "failing", "canceled": "failing", "skipped": "none",
    "manual": "pending",
}  # fmt: skip


class GitLab:
    """One GitLab server."""

    asks_owners = False  # owners may have to approve, but nobody tells them

    def __init__(self, client: Client) -> None:
        self._client = client

    def repositories(self, owner: str) -> Iterator[Listed]:
        """Yield all projects of a group and of the groups below it."""
        path = f"/groups/{quote(owner, safe='')}/projects"
        found = self._client.pages(
            path, include_subgroups="true", with_shared="false", per_page=100
        )
        yield from map(_listed, found)

    @understood("GitLab")
    def find(self, place: str, branch: str) -> Pull | None:
        """Return the request from a branch: the open one, or else the latest."""
        return latest(
            _pull(item)
            for item in self._client.pages(
                f"{_path(place)}/merge_requests", source_branch=branch, state="all", per_page=100
            )
            if item["source_branch"] == branch
            and item["source_project_id"] == item["target_project_id"]
        )

    def look(self, place: str, number: int) -> Pull:
        """Return a request as it is now."""
        return _pull(self._client.get(f"{_path(place)}/merge_requests/{number}"))

    def open(self, place: str, wanted: Wanted) -> Pull:
        """Open a request, unless there is one from this branch: then that is returned."""
        body = {
            "source_branch": wanted.head,
            "target_branch": wanted.base,
            "title": f"{_DRAFT if wanted.draft else ''}{wanted.title}",
            "description": wanted.body,
        }
        return once(
            lambda: opened(self.find(place, wanted.head)),
            lambda: _pull(self._client.add(f"{_path(place)}/merge_requests", body)),
        )

    def describe(self, place: str, number: int, body: str) -> None:
        """Give a request another body."""
        self._put(place, number, {"description": body})

    def label(self, place: str, number: int, labels: tuple[str, ...]) -> None:
        """Add labels to a request."""
        self._put(place, number, {"add_labels": ",".join(labels)})

    @understood("GitLab")
    def ask(self, place: str, number: int, reviewers: tuple[str, ...]) -> None:
        """Ask people for a review, in addition to those who are asked already.

        Those who are asked already come first: without a licence for more GitLab takes the first
        alone, and it says nothing of those whom it leaves out.
        """
        asked = self._client.get(f"{_path(place)}/merge_requests/{number}").get("reviewers") or []
        numbers = {name: self._user(name) for name in reviewers}
        wanted = [*(one["id"] for one in asked), *filter(None, numbers.values())]
        answer = self._put(place, number, {"reviewer_ids": list(dict.fromkeys(wanted))})
        now = {one["id"] for one in answer.get("reviewers") or []}
        missing = [name for name, user in numbers.items() if user is None]
        left = [name for name, user in numbers.items() if user is not None and user not in now]
        told = [f"no user {', '.join(missing)}"] if missing else []
        told += [f"GitLab does not ask {', '.join(left)}"] if left else []
        if told:
            raise Refused(f"{place}: {'; '.join(told)}", 404)

    def close(self, place: str, number: int, words: str) -> None:
        """Say why in a comment, unless that has been said, and close the request."""
        notes = f"{_path(place)}/merge_requests/{number}/notes"
        once(
            lambda: said(self._client.pages(notes, per_page=100), words),
            lambda: bool(self._client.add(notes, {"body": words})),
        )
        self._put(place, number, {"state_event": "close"})

    @understood("GitLab")
    def checks(self, place: str, pull: Pull) -> str:
        """Return what its latest pipeline says, be it of the branch or of what a merge makes."""
        path = f"{_path(place)}/merge_requests/{pull.number}/pipelines"
        listed = self._client.get(path, per_page=100)  # those of merge requests come first
        found = sorted(listed, key=lambda one: one["id"], reverse=True)
        return _CHECKS.get(found[0]["status"], "pending") if found else "none"

    def _user(self, name: str) -> int | None:
        found = self._client.get("/users", username=name)
        return int(found[0]["id"]) if found else None

    def _put(self, place: str, number: int, body: dict[str, Any]) -> Any:
        return self._client.set("PUT", f"{_path(place)}/merge_requests/{number}", body)


def _path(place: str) -> str:
    return f"/projects/{quote(place, safe='')}"


@understood("GitLab")
def _pull(item: Any) -> Pull:
    return Pull(
        item["iid"],
        item["web_url"],
        _STATES[item["state"]],
        item["sha"] or "",
        item.get("description") or "",
        bool(item.get("draft")),
        bool(item.get("has_conflicts")),
    )


@understood("GitLab")
def _listed(item: Any) -> Listed:
    """Return a project; of what it is forked from nothing is said to who may not see that."""
    why = left_out(
        archived=item.get("archived"),
        fork=item.get("forked_from_project") or "mr_default_target_self" in item,
        empty=item.get("empty_repo") or item.get("default_branch") is None,
        disabled=item.get("merge_requests_access_level") == "disabled",
    )
    return Listed(str(item["http_url_to_repo"]), why)
