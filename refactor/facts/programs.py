"""What is known of programs that are started: whether they need root, and where they write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from refactor.facts.images import Image
from refactor.knowledge import fits, table

# They ask others, or only look: a port in their arguments is not theirs.
_ASKS = frozenset(
    "curl wget nc netcat nc.openbsd wait-for wait-for.sh wait-for-it wait-for-it.sh pg_isready "
    "psql mysql mysqladmin mongo mongosh redis-cli echo printf test [ [[ grep sed locust".split()
)
_PORT = re.compile(
    r"(?:\A| )--?(?:p|port|http-port|server-port|listen|listen-port|bind|b|host|addr|address|http)"
    r"(?:[= ]|(?<=-p))(?:tcp://)?(?:[\w.*\[\]]*:)*(\d{2,5})(?=[ ,/]|\Z)"
    r"|(?:\A|[ =/])(?:\d+\.\d+\.\d+\.\d+|localhost|\[::\]|\*)?:(\d{2,5})(?=[ ,/]|\Z)"
    r"|-Dserver\.port=(\d{2,5})\b"
)
_OWN = re.compile(
    r"\b(https?)://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d+))?(?=[/\s\"']|\Z)"
)


# Where what a service keeps belongs (FHS 3.0, chapters 3.15 and 5), unless its ending says that it
# is read. What is in /run/secrets is mounted to be read.
_STATE = re.compile(
    r"(?:\A|[=:,@ ]|://)(/(?:var/)?run(?![\w.-])(?!/secrets(?:/|\Z))[\w./+@%-]*"
    r"|/var/(?:cache|lib|lock|log|spool)(?![\w.-])[\w./+@%-]*)"
)
_READ = re.compile(
    r"\.(?:cfg|cnf|conf|crt|ini|jar|js|json|key|pem|php|properties|py|rb|sh|toml|war|xml|ya?ml)\Z"
)


class Program(NamedTuple):
    """A row of the table: `writes` are paths, `port` the one that it listens on by default.

    The `verdict` of a program that does only what `written` tells, and keeps no state, is `tool`.
    `language` is that of the sources that it runs, empty if it runs none.
    """

    verdict: str
    writes: tuple[str, ...]
    port: str
    language: str
    why: str


def program(name: str, arguments: tuple[str, ...]) -> Program | None:
    """Return what is known of a program with arguments."""
    text = " ".join(arguments)
    for row in _rows(name.removesuffix(".exe")):
        if row["when"] == "-" or re.search(row["when"], text):
            writes = () if row["writes"] == "-" else tuple(row["writes"].split())
            port, language = row["port"].strip("-"), row["language"].strip("-")
            return Program(row["verdict"], writes, port, language, row["why"])
    return None


@lru_cache(maxsize=1024)
def _rows(name: str) -> tuple[dict[str, str], ...]:
    return tuple(
        row for row in table("started_programs")
        if any(fits(name, pattern) for pattern in row["programs"].split(" "))
        or name in row["programs"].split(" ")
    )  # fmt: skip


def ports(name: str, arguments: tuple[str, ...]) -> Iterator[int]:
    """Yield the ports that a program is told to listen on."""
    text = " ".join(arguments)
    for scheme, port in _OWN.findall(text) if name in ("curl", "wget") else ():
        yield int(port) if port else {"http": 80, "https": 443}[scheme]
    if name not in _ASKS:
        for groups in _PORT.findall(text):
            yield from (int(port) for port in groups if port)


def left_in_home(text: str, env: Mapping[str, object], run: Iterable[str]) -> str:
    """Return what a command of the build leaves in the home of root that a program needs.

    Empty if there is nothing that is known; `run` are the programs that are started.
    """
    for row in _home_installs(text):
        moved = any(name in env for name in row["unless"].split())
        needed = any(fits(n, p) for p in row["programs"].split() for n in (*run, ""))
        if needed and not moved:
            return row["leaves"]
    return ""


@lru_cache(maxsize=4096)
def _home_installs(text: str) -> tuple[dict[str, str], ...]:
    return tuple(row for row in table("home_installs") if re.search(row["pattern"], text))


def state(words: Iterable[str]) -> Iterator[str]:
    """Yield the paths of pid files, sockets, logs and data that the words of a service name."""
    for word in words:
        yield from (path for path in _STATE.findall(word) if not _READ.search(path))


def framework_folders(framework: str, file: str, run: str) -> tuple[str, ...]:
    """Return the folders that an application of a framework writes to.

    Of some frameworks only if the `file` that uses it is named in what is `run`.
    """
    return tuple(
        folder for row in table("framework_folders")
        if row["framework"] == framework
        and (row["started"] == "no" or file.rpartition("/")[2] in run)
        for folder in row["folders"].split()
    )  # fmt: skip


def default_command(image: Image) -> tuple[str, ...]:
    """Return what an image starts by itself, if that is a server."""
    if image.name == "php" and "fpm" in image.tag:
        return ("php-fpm",)
    return ("catalina.sh", "run") if image.name == "tomcat" else ()


_LAST = frozenset({"cp", "mv", "ln", "install"})
_EACH = frozenset({"mkdir", "touch", "tee", "truncate"})
_PARENTS = frozenset({"rm", "rmdir", "unlink"})
_FILES = re.compile(
    r"(?:\A| )--(?:pid|pid-?file|log-?file|access-log(?:file)?|error-log(?:file)?|schedule|statedb|"
    r"data-?dir|output-dir|dbpath)[= ](?!/dev/)([^ ]+)"
)
_OUTPUTS = {"curl": ("-o", "--output"), "wget": ("-O", "--output-document"), "tar": ("-C",),
            "unzip": ("-d",), "openssl": ("-out",), "sort": ("-o",)}  # fmt: skip


def written(argv: tuple[str, ...]) -> list[str]:
    """Return the paths that a command of a script writes; a folder ends in a slash."""
    name = argv[0].rpartition("/")[2]
    words = [w for w in argv[1:] if not w.startswith("-")]
    if name == "mkdir":
        return [f"{w.rstrip('/')}/" for w in words]
    if name in _EACH:
        return words
    if name in _LAST:
        return words[-1:] if len(words) > 1 else []
    if name in _PARENTS:
        return words
    if name == "sed" and any(re.match(r"-\w*i|--in-place", w) for w in argv[1:]):
        return words[1:]
    if name == "dd":
        return [w[3:] for w in words if w.startswith("of=")]
    named = [m[1] for m in _FILES.finditer(" ".join(argv[1:])) if m[1] != "-"]
    if named:
        return named
    options = _OUTPUTS.get(name, ())
    pairs = pairwise(argv)
    return [f"{v.rstrip('/')}/" if o in ("-C", "-d") else v for o, v in pairs if o in options]
