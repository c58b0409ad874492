"""Our branch in a repository elsewhere: looked at, pushed and deleted, never over others' work."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from refactor.fleet.clones import Room, address, at
from refactor.fleet.git import GitError, git
from refactor.fleet.records import Branch, Repository

# A clone has no history and few files: the server is asked what it has, and no difference to a
# file that the clone lacks is looked for.
_PUSH = ("-c", "push.negotiate=true", "push", "-q", "--no-thin", "--no-verify", "--no-signed")


class Taken(GitError):
    """The branch is not as it was: somebody else has pushed to it."""


class Remote:
    """The branches of one repository, where it is; `more` is what git needs to be let in."""

    def __init__(self, repository: Repository, room: Room, more: Mapping[str, str]) -> None:
        self._repository = repository
        self._address = address(repository.address)
        self._room = room
        self._more = more

    def heads(self, *names: str) -> dict[str, str]:
        """Return the commits of branches by their names; those that are not there are left out."""
        refs = [f"refs/heads/{name}" for name in names]
        listed = git(
            "ls-remote", "--", self._address, *refs, bounds=self._room.bounds, more=self._more
        )  # a pattern finds `a/refs/heads/x` too
        lines = listed.decode("utf-8", "replace").splitlines()
        found = (line.partition("\t")[::2] for line in lines)
        return {ref.removeprefix("refs/heads/"): commit for commit, ref in found if ref in refs}

    def push(self, branch: Branch, bundle: Path, expected: str) -> None:
        """Put a branch to its head if it is now at `expected`, empty for not there.

        Raises Taken if it is elsewhere, GitError if it cannot be pushed.
        """
        clone = at(self._repository, branch.base, self._room)
        kept = f"refs/dfr/{branch.head}"
        git(
            "fetch", "-q", "--no-tags", str(bundle), f"+refs/heads/{branch.name}:{kept}",
            folder=clone.folder, bounds=self._room.bounds,
        )  # fmt: skip
        self._change(clone.folder, branch.name, expected, branch.head)
        git("update-ref", "-d", kept, folder=clone.folder)

    def delete(self, name: str, expected: str) -> None:
        """Delete a branch if it is at a commit."""
        with tempfile.TemporaryDirectory(prefix="dfr-") as folder:
            git("init", "-q", "--bare", "--template=", folder)  # git pushes from somewhere
            self._change(Path(folder), name, expected, "")

    def _change(self, folder: Path, name: str, expected: str, commit: str) -> None:
        ref = f"refs/heads/{name}"
        try:
            git(
                *_PUSH, f"--force-with-lease={ref}:{expected}", "--", self._address,
                f"{commit}:{ref}", folder=folder, bounds=self._room.bounds, more=self._more,
            )  # fmt: skip
        except GitError:
            now = self.heads(name).get(name, "")
            if now == expected:
                raise
            if now != commit:  # else it was done, and the answer lost
                raise Taken(f"the branch {name} has changed meanwhile") from None
