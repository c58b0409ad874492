"""Which forge, on which server, with which token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from refactor.config import ConfigError
from refactor.fleet.campaign import Campaign, Source, named_tokens
from refactor.fleet.forge import forgejo, github, gitlab
from refactor.fleet.forge.base import Forge, ForgeError
from refactor.fleet.forge.client import Client, Pace, SystemClock
from refactor.fleet.forge.tokens import push_environment, token
from refactor.fleet.inventory import addressed
from refactor.fleet.records import Repository

_KINDS: Mapping[str, tuple[Any, Callable[[Client], Forge]]] = {
    "github": (github, github.GitHub),
    "gitlab": (gitlab, gitlab.GitLab),
    "forgejo": (forgejo, forgejo.Forgejo),
}


class Servers:
    """The servers of a campaign: each is connected to once, and all share one pace."""

    def __init__(
        self, sources: tuple[Source, ...], say: Callable[[str], None], pace: Pace | None = None
    ) -> None:
        self._named = named_tokens(sources)
        self._say = say
        self.pace = pace or Pace(SystemClock())
        self._forges: dict[tuple[str, str], Forge] = {}
        self._tokens: dict[tuple[str, str], str] = {}

    def forge(self, kind: str, url: str = "") -> Forge:
        """Return the forge of this kind at an address, the public one if there is none."""
        found = self._forges.get((kind, url))
        if found is None:
            module, make = _KINDS[kind]
            client = Client(
                url or module.SERVER, module.SCHEME, self._token(kind, url), module.HEADERS,
                self.pace, self._say,
            )  # fmt: skip
            found = self._forges[kind, url] = make(client)
        return found

    def push_environment(self, repository: Repository) -> Mapping[str, str]:
        """Return what git needs in its environment to push to a repository."""
        kind, url = repository.forge, repository.server
        if not kind:
            return {}
        server = url or str(_KINDS[kind][0].SERVER)
        return push_environment(repository.address, server, self._token(kind, url))

    def _token(self, kind: str, url: str) -> str:
        if (kind, url) not in self._tokens:
            server = url or _KINDS[kind][0].SERVER
            named = self._named.get((kind, url), "")
            self._tokens[kind, url] = token(kind, server, not url, named)
        return self._tokens[kind, url]


def servers(campaign: Campaign, say: Callable[[str], None]) -> Servers:
    """Return the servers of a campaign; never more than one change a second."""
    pace = Pace(SystemClock(), max(1.0, campaign.request.seconds_between))
    return Servers(campaign.source, say, pace)


def repositories(source: Source, say: Callable[[str], None]) -> Iterator[Repository]:
    """Yield the repositories of an organisation or group; raise ConfigError if it cannot be asked.

    Those that the forge says are archived, forks, empty or disabled say so in `skipped`.
    """
    url = source.server[1]
    try:
        for one in (
            Servers((source,), say)
            .forge(source.forge, url)
            .repositories(getattr(source, source.forge))
        ):
            if not one.address.startswith(("https://", "http://")):
                raise ForgeError(f"{source.forge}: a repository without an address of HTTP")
            yield addressed(one.address, Path())._replace(
                forge=source.forge, server=url, branch=source.branch, skipped=one.skipped
            )
    except (ForgeError, ValueError) as error:
        raise ConfigError(str(error)) from None
