"""Forgejo, and Gitea, from which it comes: the API of version 1 (`/api/swagger` of each server).

Sources: the code of both, with the comments that the description is made of.
tests/test_fleet_other_forges.py has the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
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

SERVER = "https://codeberg.org/api/v1"
SCHEME = "token"
HEADERS: dict[str, str] = {}
_DRAFT = "WIP: "
_PAGE = 50  # what a server gives at most, unless it is told otherwise
_CLOSED = 500  # how many closed requests are looked through for one from our branch
_CHECKS = {
    "success": "passing", "failure": "failing", "error": "failing", "pending": "pending",
    "warning": "passing", "skipped": "passing",
}  # fmt: skip


class Forgejo:
    """One server of Forgejo or Gitea."""

    asks_owners = True

    def __init__(self, client: Client) -> None:
        self._client = client

    def repositories(self, owner: str) -> Iterator[Listed]:
        """Yield all repositories of an organisation, or of a user where there is none so named."""
        name = quote(owner, safe="")
        try:
            found = iter(list(self._client.pages(f"/orgs/{name}/repos", limit=_PAGE)))
        except Refused as error:
            if error.status != 404:
                raise
            found = self._client.pages(f"/users/{name}/repos", limit=_PAGE)
        yield from map(_listed, found)

    @understood("Forgejo")
    def find(self, place: str, branch: str) -> Pull | None:
        """Return the request from a branch: the open one, or else the latest.

        The list cannot be searched by branch: all open requests are read, and the closed ones that
        changed last. (`/pulls/{base}/{head}` gives one of them, open or not, whichever comes.)
        """
        path = f"{_path(place)}/pulls"
        pulls = self._client.pages(path, state="open", limit=_PAGE)
        if (found := latest(_from(pulls, branch))) is not None:
            return found
        closed = self._client.pages(path, state="closed", sort="recentupdate", limit=_PAGE)
        return latest(_from(islice(closed, _CLOSED), branch))

    def look(self, place: str, number: int) -> Pull:
        """Return a request as it is now."""
        return _pull(self._client.get(f"{_path(place)}/pulls/{number}"))

    def open(self, place: str, wanted: Wanted) -> Pull:
        """Open a request, unless there is one from this branch: then that is returned."""
        title = f"{_DRAFT if wanted.draft else ''}{wanted.title}"
        body = {"title": title, "body": wanted.body, "head": wanted.head, "base": wanted.base}
        return once(
            lambda: opened(self.find(place, wanted.head)),
            lambda: _pull(self._client.add(f"{_path(place)}/pulls", body)),
        )

    def describe(self, place: str, number: int, body: str) -> None:
        """Give a request another body."""
        self._client.set("PATCH", f"{_path(place)}/pulls/{number}", {"body": body})

    @understood("Forgejo")
    def label(self, place: str, number: int, labels: tuple[str, ...]) -> None:
        """Add labels to a request; the repository or its organisation must have them.

        A server says nothing of those that are nowhere; the answer is all labels of the request.
        """
        path = f"{_path(place)}/issues/{number}/labels"
        found = self._client.set("POST", path, {"labels": [*labels]})
        now = {one["name"].casefold() for one in found}
        if missing := [name for name in labels if name.casefold() not in now]:
            raise Refused(f"{place}: no label {', '.join(missing)}", 404)

    def ask(self, place: str, number: int, reviewers: tuple[str, ...]) -> None:
        """Ask people for a review; `organisation/team` is a team."""
        body = {
            "reviewers": [name for name in reviewers if "/" not in name],
            "team_reviewers": [name.partition("/")[2] for name in reviewers if "/" in name],
        }
        self._client.set("POST", f"{_path(place)}/pulls/{number}/requested_reviewers", body)

    def close(self, place: str, number: int, words: str) -> None:
        """Say why in a comment, unless that has been said, and close the request."""
        comments = f"{_path(place)}/issues/{number}/comments"  # all of them: it has no pages
        once(
            lambda: said(self._client.get(comments), words),
            lambda: bool(self._client.add(comments, {"body": words})),
        )
        self._client.set("PATCH", f"{_path(place)}/pulls/{number}", {"state": "closed"})

    @understood("Forgejo")
    def checks(self, place: str, pull: Pull) -> str:
        """Return what the statuses of its commit say together: the last one of each context.

        What a server says of them together (`/status`) is of one page of them alone.
        """
        path = f"{_path(place)}/commits/{quote(pull.head, safe='')}/statuses"
        found = sorted(self._client.pages(path, limit=_PAGE), key=lambda one: one["id"])
        last = {one["context"]: _CHECKS.get(one["status"], "pending") for one in found}
        return next((s for s in ("failing", "pending", "passing") if s in last.values()), "none")


def _path(place: str) -> str:
    return f"/repos/{quote(place)}"


def _from(items: Iterator[Any], branch: str) -> Iterator[Pull]:
    """Yield the requests from a branch of the repository itself.

    When the branch is gone, `ref` is that of the request; `label` is still the branch. A request
    that the server cannot read is null in its list.
    """
    for item in filter(None, items):
        head, base = item["head"], item["base"]
        if branch in (head["ref"], head.get("label")) and head["repo_id"] == base["repo_id"]:
            yield _pull(item)


@understood("Forgejo")
def _pull(item: Any) -> Pull:
    """Return a request; a draft is never `mergeable`, whether there are conflicts or not.

    Nor is one that the server is just looking at, or could not: for a while after a push that is
    taken for a conflict.
    """
    return Pull(
        item["number"],
        item["html_url"],
        "merged" if item.get("merged") else item["state"],
        item["head"]["sha"],
        item.get("body") or "",
        bool(item.get("draft")),
        item.get("mergeable") is False and not (item.get("draft") or item.get("merged")),
    )


@understood("Forgejo")
def _listed(item: Any) -> Listed:
    why = left_out(
        archived=item.get("archived"),
        fork=item.get("fork"),
        empty=item.get("empty"),
        disabled=item.get("has_pull_requests") is False,
    )
    return Listed(str(item["clone_url"]), why)
