"""Which repositories a campaign is about: from lists, and from forges."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

from refactor.config import ConfigError
from refactor.fleet.campaign import Campaign, Source
from refactor.fleet.git import TRANSPORTS
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Repository

GONE = "no longer in the sources"
MAX_ADDRESS = 2000
_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)([^\s:]+)\Z")
_FORGES = {"github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "forgejo"}

Say = Callable[[str], None]


def repositories(campaign: Campaign, say: Say) -> Iterator[Repository]:
    """Yield the repositories of all sources, each once; raise ConfigError for what is no address.

    Those that a forge says are archived, forks or empty say so in `skipped`.
    """
    seen: set[str] = set()
    for source in campaign.source:
        for one in _found(source, campaign.folder, say):
            if one.id not in seen and _is_wanted(one, source):
                seen.add(one.id)
                yield one


def record(campaign: Campaign, ledger: Ledger, say: Say) -> None:
    """Record the repositories of all sources; what is in none any more is left out from now on."""
    found = {one.id: one for one in repositories(campaign, say)}
    with ledger.transaction():
        ledger.put_repositories(found.values())
        ledger.put_repositories(
            one._replace(skipped=GONE) for one in list(ledger.repositories()) if one.id not in found
        )


def _found(source: Source, folder: Path, say: Say) -> Iterable[Repository]:
    if not source.forge:
        return _listed(source, folder)
    from refactor.fleet.forge.servers import repositories as asked

    return asked(source, say)


def _listed(source: Source, folder: Path) -> Iterator[Repository]:
    path = folder / source.list
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for number, row in enumerate(rows, 1):
        row = row.strip()
        if row and not row.startswith("#"):
            try:
                yield _of_branch(addressed(row, path.parent), source.branch)
            except ValueError as error:
                raise ConfigError(f"{path}, line {number}: {error}") from None


def _of_branch(repository: Repository, branch: str) -> Repository:
    """Return a repository of which another branch is changed."""
    return repository._replace(branch=branch) if branch else repository


def _is_wanted(one: Repository, source: Source) -> bool:
    included = not source.include or any(fnmatch(one.id, p) for p in _patterns(source.include))
    return included and not any(fnmatch(one.id, p) for p in _patterns(source.exclude))


def _patterns(given: Iterable[str]) -> Iterator[str]:
    """Yield patterns of ids; one without a host is for any host."""
    for pattern in given:
        yield pattern
        yield f"*/{pattern}"


def addressed(address: str, folder: Path) -> Repository:
    """Return the repository at an address; raise ValueError if git should not be given it.

    A path is taken from a folder.
    """
    if len(address) > MAX_ADDRESS or any(ord(c) < 32 for c in address) or address[:1] == "-":
        raise ValueError("no address of a repository")
    if "::" in address.split("/")[0]:
        raise ValueError("addresses of helpers (such as ext::) are not used")
    parts = urlsplit(address)
    if "://" in address and parts.scheme in TRANSPORTS:
        if parts.password or (parts.username and parts.scheme in ("http", "https")):
            raise ValueError("an address holds no credentials: use a credential helper or a token")
        if parts.scheme == "file":
            return Repository(_named(parts.path), address)
        return _on_server(parts.hostname or "", parts.path, address)
    if "://" in address:
        raise ValueError(f"{parts.scheme}: is no transport; there are {', '.join(TRANSPORTS)}")
    local = folder / address
    if match := _SCP.match(address) if not local.exists() else None:
        return _on_server(match[1], match[2], address)
    return Repository(_named(os.path.abspath(local)), str(local.absolute()))


def _on_server(host: str, path: str, address: str) -> Repository:
    if not host or not path.strip("/"):
        raise ValueError("no address of a repository")
    return Repository(_named(f"{host}/{path.strip('/')}"), address, _FORGES.get(host, ""))


def _named(path: str) -> str:
    return path.strip("/").removesuffix(".git").rstrip("/")
