"""GitHub, and GitHub Enterprise: the REST API of 2022-11-28."""

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

SERVER = "https://api.github.com"
SCHEME = "Bearer"
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_FAILED = ("failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale")


class GitHub:
    """One GitHub server."""

    asks_owners = True  # of a request that is no draft, and when a draft is made ready

    def __init__(self, client: Client) -> None:
        self._client = client

    def repositories(self, owner: str) -> Iterator[Listed]:
        """Yield all repositories of an organisation, or of a user where there is none of the name.

        An empty one is not told by the list: it is found when it is cloned.
        """
        name = quote(owner, safe="")
        try:
            found = iter(list(self._client.pages(f"/orgs/{name}/repos", type="all", per_page=100)))
        except Refused as error:
            if error.status != 404:
                raise
            found = self._client.pages(f"/users/{name}/repos", type="owner", per_page=100)
        yield from map(_listed, found)

    def find(self, place: str, branch: str) -> Pull | None:
        """Return the request from a branch: the open one, or else the latest."""
        owner = place.partition("/")[0]
        return latest(
            _pull(item)
            for item in self._client.pages(
                f"{_path(place)}/pulls", head=f"{owner}:{branch}", state="all", per_page=100
            )
            if item["head"]["ref"] == branch  # an empty filter finds all of them
        )

    def look(self, place: str, number: int) -> Pull:
        """Return a request as it is now."""
        return _pull(self._client.get(f"{_path(place)}/pulls/{number}"))

    def open(self, place: str, wanted: Wanted) -> Pull:
        """Open a request, unless there is one from this branch: then that is returned."""
        return once(
            lambda: opened(self.find(place, wanted.head)),
            lambda: _pull(self._client.add(f"{_path(place)}/pulls", wanted._asdict())),
        )

    def describe(self, place: str, number: int, body: str) -> None:
        """Give a request another body."""
        self._client.set("PATCH", f"{_path(place)}/pulls/{number}", {"body": body})

    def label(self, place: str, number: int, labels: tuple[str, ...]) -> None:
        """Add labels to a request."""
        self._client.set("POST", f"{_path(place)}/issues/{number}/labels", {"labels": [*labels]})

    def ask(self, place: str, number: int, reviewers: tuple[str, ...]) -> None:
        """Ask people for a review; `organisation/team` is a team."""
        body = {
            "reviewers": [name for name in reviewers if "/" not in name],
            "team_reviewers": [name.partition("/")[2] for name in reviewers if "/" in name],
        }
        self._client.set("POST", f"{_path(place)}/pulls/{number}/requested_reviewers", body)

    def close(self, place: str, number: int, words: str) -> None:
        """Say why in a comment, unless that has been said, and close the request."""
        comments = f"{_path(place)}/issues/{number}/comments"
        once(
            lambda: said(self._client.pages(comments, per_page=100), words),
            lambda: bool(self._client.add(comments, {"body": words})),
        )
        self._client.set("PATCH", f"{_path(place)}/pulls/{number}", {"state": "closed"})

    @understood("GitHub")
    def checks(self, place: str, pull: Pull) -> str:
        """Return what the checks and the statuses of its commit say together."""
        commit = f"{_path(place)}/commits/{quote(pull.head, safe='')}"
        runs = self._client.get(f"{commit}/check-runs", per_page=100, filter="latest")["check_runs"]
        status = self._client.get(f"{commit}/status", per_page=100)
        states = [run["conclusion"] or "pending" for run in runs]
        if status["total_count"]:
            states.append("failure" if status["state"] == "error" else status["state"])
        return together(states)


def together(states: list[str]) -> str:
    """Return one word for the states of many checks."""
    if any(state in _FAILED for state in states):
        return "failing"
    if any(state in ("pending", "queued", "in_progress") for state in states):
        return "pending"
    return "passing" if states else "none"


def _path(place: str) -> str:
    return f"/repos/{quote(place)}"


@understood("GitHub")
def _pull(item: Any) -> Pull:
    """Return a request; `mergeable` is null until GitHub has tried, and in lists absent."""
    state = "merged" if item.get("merged_at") else item["state"]
    return Pull(
        item["number"],
        item["html_url"],
        state,
        item["head"]["sha"],
        item.get("body") or "",
        bool(item.get("draft")),
        item.get("mergeable") is False and item.get("mergeable_state") == "dirty",
    )


@understood("GitHub")
def _listed(item: Any) -> Listed:
    why = left_out(
        archived=item.get("archived"),
        disabled=item.get("disabled"),
        fork=item.get("fork"),
    )
    return Listed(str(item["clone_url"]), why)
