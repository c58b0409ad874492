"""A campaign's folder and what its `campaign.toml` says; unknown keys are errors."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints
from urllib.parse import quote

from refactor.config import ConfigError, level
from refactor.model import Safety

FILE = "campaign.toml"
FORGES = ("github", "gitlab", "forgejo")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_AUTHOR = re.compile(r"[^<>\n]+ <[^<>\s]+>\Z")
_SHARE = re.compile(r"\d+(?:\.\d+)?%\Z")
_TOKEN = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*\Z")

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """Where repositories come from: a file of addresses, or an organisation of a forge.

    `url` is the address of a server's API, if it is not the public one; `token` names a variable of
    the environment (`env:NAME`). `include` and `exclude` are patterns of repositories' names.
    """

    list: str = ""
    github: str = ""
    gitlab: str = ""
    forgejo: str = ""
    url: str = ""
    token: str = ""
    branch: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def forge(self) -> str:
        """The kind of forge that is asked, empty for a list."""
        return next((name for name in FORGES if getattr(self, name)), "")

    @property
    def server(self) -> tuple[str, str]:
        """The server that is asked: its kind, and the address of its API if it is not public."""
        return self.forge, self.url.rstrip("/")


def named_tokens(sources: Iterable[Source]) -> Mapping[tuple[str, str], str]:
    """Return which variable (`env:NAME`) holds the token of each server, where one is named."""
    found: dict[tuple[str, str], str] = {}
    for source in sources:
        if source.forge and source.token:
            found.setdefault(source.server, source.token)
    return found


@dataclass(frozen=True)
class Refactor:
    """Which transforms, and how far; `config` is a file that says more, as for `dfr fix`.

    What a repository configures holds below it: the lower of both levels, and all that is ignored.
    """

    level: str = "safe"
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    config: str = ""

    @property
    def safety(self) -> Safety:
        """The level."""
        return level(self.level, "[refactor]")


@dataclass(frozen=True)
class Commits:
    """How commits are made; `message` is a template: see docs/fleet.md."""

    each: str = "transform"
    author: str = "dockerfile-refactor <dockerfile-refactor@example.invalid>"
    sign_off: bool = False
    message: str = ""


@dataclass(frozen=True)
class Review:
    """What is accepted without anybody having looked: `none`, or `safe` changes."""

    accept: str = "none"


@dataclass(frozen=True)
class Requests:
    """Pull or merge requests; `body` is the file of a template, `draft` auto, true or false.

    `auto` is a draft while any change is above safe.
    """

    title: str = ""
    body: str = ""
    draft: str | bool = "auto"
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    codeowners: bool = True
    seconds_between: float = 1.0


@dataclass(frozen=True)
class Limits:
    """What one repository may cost; 0 is no limit.

    `seconds` of each phase; `clone_bytes` of what a clone brings; `files` in its tree;
    `cache_bytes` of all clones together. `pilot` is a share (`5%`) or a number of repositories;
    `stop_on_failure_ratio` ends a phase when more than this share of it failed.
    """

    seconds: int = 300
    clone_bytes: int = 500_000_000
    cache_bytes: int = 10_000_000_000
    files: int = 300_000
    pilot: str | int = ""
    stop_on_failure_ratio: float = 0.0


@dataclass(frozen=True)
class Run:
    """How work is done: `jobs` processes (0: one a core); `cache` is the folder of clones."""

    jobs: int = 0
    cache: str = "cache"


@dataclass(frozen=True)
class Campaign:
    """What `campaign.toml` says, and where it stands."""

    folder: Path
    name: str = ""
    branch: str = ""
    source: tuple[Source, ...] = ()
    refactor: Refactor = field(default_factory=Refactor)
    commits: Commits = field(default_factory=Commits)
    review: Review = field(default_factory=Review)
    request: Requests = field(default_factory=Requests)
    limits: Limits = field(default_factory=Limits)
    run: Run = field(default_factory=Run)

    @property
    def ours(self) -> str:
        """The name of the branch that is made in each repository."""
        return self.branch or f"dfr/{self.name}"

    @property
    def ledger(self) -> Path:
        """Where the ledger is."""
        return self.folder / "ledger.sqlite"

    @property
    def log(self) -> Path:
        """Where the log is: a JSON object a line."""
        return self.folder / "log.jsonl"

    @property
    def results(self) -> Path:
        """Where bundles and patches are."""
        return self.folder / "results"

    def result(self, repository: str) -> Path:
        """Return the folder of what was made for a repository; the name is one part of a path."""
        return self.results / folder_name(repository)

    @property
    def cache(self) -> Path:
        """Where the clones are."""
        return self.folder / self.run.cache

    @property
    def settings(self) -> str:
        """A digest of what decides on a plan, other than the repository and the program."""
        config = self.refactor.config
        text = (self.folder / config).read_bytes() if config else b""
        table = json.dumps([getattr(self.refactor, f.name) for f in fields(self.refactor)])
        return hashlib.sha256(table.encode() + b"\0" + text).hexdigest()[:16]


def folder_name(repository: str) -> str:
    """Return a repository's id as one part of a path, which is not too long."""
    name = quote(repository, safe="").replace(".", "%2E", repository[:1] == ".")
    if len(name) > 200:
        name = f"{name[:180]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return name


def load(folder: Path) -> Campaign:
    """Return the campaign of a folder; raise ConfigError if there is none that can be used."""
    import tomllib

    path = folder / FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `dfr fleet init` writes one") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    found = parse(data, path)
    if found.refactor.config and not (found.folder / found.refactor.config).is_file():
        raise ConfigError(f"{path}: [refactor] config: no file {found.refactor.config}")
    return found


def parse(data: Mapping[str, Any], path: Path) -> Campaign:
    """Check the tables; raise ConfigError, which names the key and what it may be."""
    values = _values(Campaign, {k: v for k, v in data.items() if not _is_table(k)}, path, "")
    sources = data.get("source", [])
    if not isinstance(sources, list):
        raise ConfigError(f"{path}: sources are tables: [[source]]")
    found = Campaign(
        **{**values, "folder": path.parent.absolute()},
        source=tuple(_table(Source, item, path, "source") for item in sources),
        **{name: _table(kind, data.get(name, {}), path, name) for name, kind in _TABLES.items()},
    )
    if problem := _problem(found):
        raise ConfigError(f"{path}: {problem}")
    return found


_TABLES: dict[str, Any] = {
    "refactor": Refactor, "commits": Commits, "review": Review, "request": Requests,
    "limits": Limits, "run": Run,
}  # fmt: skip


def _is_table(key: str) -> bool:
    return key == "source" or key in _TABLES


def _table(kind: type[T], data: Any, path: Path, name: str) -> T:
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: {name} is a table: [{name}]")
    return kind(**_values(kind, data, path, name))


def _values(kind: type, data: Mapping[str, Any], path: Path, table: str) -> dict[str, Any]:
    """Check the keys and types of a table against those of its dataclass."""
    where = f"{path}: [{table}]" if table else str(path)
    types = get_type_hints(kind)
    known = [name for name in types if name != "folder"]
    found = {}
    for key, value in data.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; there are: {', '.join(known)}")
        found[key] = _checked(types[key], value, f"{where} {key}")
    return found


def _checked(kind: Any, value: Any, where: str) -> Any:
    if kind == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"{where} is a list of strings")
        return tuple(value)
    if kind is float and type(value) is int:
        return float(value)
    kinds = getattr(kind, "__args__", (kind,))
    if type(value) not in kinds:
        names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigError(f"{where} is {' or '.join(names.get(k, '?') for k in kinds)}")
    if type(value) in (int, float) and value < 0:
        raise ConfigError(f"{where} is not below 0")
    return value


def _problem(found: Campaign) -> str:
    """Return what cannot be, empty if all can."""
    if not _NAME.match(found.name):
        return 'name is needed, of letters, digits and .-_: name = "slim-2026"'
    if problem := _bad_branch(found.ours):
        return f"branch {found.ours!r} {problem}"
    for source in found.source:
        given = [name for name in ("list", *FORGES) if getattr(source, name)]
        if len(given) != 1:
            return f"a [[source]] has one of list, {', '.join(FORGES)}"
        if source.token and not _TOKEN.match(source.token):
            return 'a token is never written down: token = "env:NAME" names its variable'
    if found.refactor.level.upper() not in Safety.__members__:
        return "[refactor] level is one of safe, suggested, risky"
    if found.commits.each not in ("transform", "one"):
        return "[commits] each is transform or one"
    if not _AUTHOR.match(found.commits.author):
        return '[commits] author is "Name <mail>"'
    if found.review.accept not in ("none", "safe"):
        return "[review] accept is none or safe"
    if found.request.draft not in ("auto", True, False):
        return "[request] draft is auto, true or false"
    pilot = found.limits.pilot
    if isinstance(pilot, str) and pilot and not _SHARE.match(pilot):
        return '[limits] pilot is a share, such as "5%", or a number'
    if found.limits.stop_on_failure_ratio > 1:
        return "[limits] stop_on_failure_ratio is between 0 and 1"
    return ""


def _bad_branch(name: str) -> str:
    """Return why git would not take a branch's name (git-check-ref-format)."""
    parts = name.split("/")
    if any(not part or part[0] in ".-" or part.endswith((".lock", ".")) for part in parts):
        return "has a part that git does not take"
    if ".." in name or "@{" in name or re.search(r"[\x00-\x20\x7f~^:?*\[\\]", name):
        return "has characters that git does not take"
    return ""
