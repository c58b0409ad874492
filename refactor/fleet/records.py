"""What is known of a repository in a campaign, phase by phase: plain values that cross processes.

Paths are those in the repository, with forward slashes.
"""

from __future__ import annotations

from typing import NamedTuple


class Repository(NamedTuple):
    """One repository of a campaign.

    `id` is the host and path of its address, unique and stable; `branch` the one to change, empty
    for the default branch. `forge` is github, gitlab, forgejo, or empty where git is all there is;
    `server` the address of its API, if it is not the public one. `skipped` says why it is left
    out: archived, fork, empty, disabled.
    """

    id: str
    address: str
    forge: str = ""
    branch: str = ""
    server: str = ""
    skipped: str = ""


class Change(NamedTuple):
    """A change of a file, in the order in which they are made (`number` from 0).

    `site` and `key` are its identity in its file; `exact` and `shape` the groups that it is in.
    `diff` is the difference that it alone makes, other files included.
    """

    path: str
    number: int
    transform: str
    level: str
    reason: str
    line: int
    site: str
    key: str
    exact: str
    shape: str
    assumes: tuple[str, ...] = ()
    diff: str = ""


class Remark(NamedTuple):
    """What is said of a place that is no change: `kind` as in `refactor.engine.Remark`."""

    path: str
    kind: str
    transform: str
    code: str
    line: int
    reason: str
    unlock: str = ""


class File(NamedTuple):
    """One Dockerfile; `status` is changed, unchanged, refused or failed.

    `before` is the SHA-256 of its bytes.
    """

    path: str
    status: str
    reason: str = ""
    before: str = ""
    changes: tuple[Change, ...] = ()
    remarks: tuple[Remark, ...] = ()


class Plan(NamedTuple):
    """What would be done to a repository at the commit `base` of `branch`.

    `state` is planned, skipped or failed, with a `reason`: no Dockerfile, opted out, too large ...
    `date` is that of the commit (seconds since 1970 and zone, as git writes them), so that what is
    made of it has the same name each time. `version` and `settings` tell whether the plan is of
    this program and campaign. `passed_over` counts files that were not looked at, by reason.
    """

    repository: str
    state: str
    reason: str = ""
    branch: str = ""
    base: str = ""
    date: str = ""
    files: tuple[File, ...] = ()
    passed_over: tuple[tuple[str, int], ...] = ()
    seconds: float = 0.0
    version: str = ""
    settings: str = ""


class Commit(NamedTuple):
    """A commit of ours: the transforms it is of, and how many changes it makes."""

    id: str
    transforms: tuple[str, ...]
    changes: int


class Branch(NamedTuple):
    """The commits that apply made on `base`; `state` is made, nothing or failed.

    `name` is the branch's name, `head` its last commit, `files` what differs from `base`. `bundle`
    is the path of a git bundle below the campaign's folder. `decided` is a digest of the decisions
    that were followed: with other ones the branch is made anew.
    """

    repository: str
    state: str
    reason: str = ""
    name: str = ""
    base: str = ""
    head: str = ""
    commits: tuple[Commit, ...] = ()
    files: tuple[str, ...] = ()
    seconds: float = 0.0
    bundle: str = ""
    decided: str = ""


class Request(NamedTuple):
    """A pull or merge request; `state` is open, merged or closed.

    `head` is the commit that we pushed last; `checks` passing, failing, pending or none; `checked`
    when the forge was asked (seconds since 1970). `note` is what a person should know.
    """

    repository: str
    number: int
    address: str
    state: str
    head: str
    draft: bool = False
    checks: str = ""
    conflict: bool = False
    checked: float = 0.0
    note: str = ""


class Ruling(NamedTuple):
    """A decision on changes: `kind` says of which, `subject` is the group or site.

    kind is exact, shape or site. Empty `repository` and `path` mean all; `decision` is accept or
    decline, `at` when it was taken (seconds since 1970).
    """

    kind: str
    subject: str
    repository: str
    path: str
    decision: str
    reason: str = ""
    at: float = 0.0
