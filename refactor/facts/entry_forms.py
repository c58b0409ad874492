"""What CMD, ENTRYPOINT and HEALTHCHECK in shell form start, and what changes without the shell.

The shell form is `/bin/sh -c TEXT`, or what SHELL says. Where the shell would only split the text
into words and start a program, the exec form starts the same one. Other processes see the
difference: process 1 is the program and not the shell, a script without `#!` does not start, an
ENTRYPOINT in exec form gets the words of CMD and of the command line as arguments.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import NamedTuple

from refactor import shell
from refactor.facts.images import Family, Image
from refactor.facts.stages import ShellInForce
from refactor.knowledge import table

# Options of a shell that change nothing for a single command without expansions.
_OPTIONS = re.compile(r"-[ceu]*o?[ceu]*\Z")
_OPTION_NAMES = frozenset({"pipefail", "errexit", "nounset"})
# A path, but not one to a system's own programs; or what is surely a script.
_OF_PROJECT = re.compile(r"\A(?!(?:/usr)?/s?bin/).*/|\.sh\Z")
# Their `sh` is bash or busybox, which become the last command of `-c`. That of Debian and Ubuntu
# is dash, which starts it as a child and stays process 1 (tried: dash 0.5.12, bash 5.2, busybox).
_GIVES_WAY = frozenset(
    {Family.ALPINE, Family.BUSYBOX, Family.WOLFI, Family.RHEL, Family.ARCH, Family.SUSE}
)
_DASH = frozenset({Family.DEBIAN, Family.UBUNTU})
# They start what they are given, whatever it is (their manuals).
_STARTERS = frozenset({"tini", "tini-static", "dumb-init", "catatonit"})


class NeedsShell(NamedTuple):
    """Why a text cannot do without its shell, and what to write instead."""

    code: str
    reason: str
    unlock: str


def words(text: str, in_force: ShellInForce) -> tuple[shell.Word, ...] | NeedsShell:
    """Return the words of the program that a shell would only start, `exec` left out."""
    if in_force.dialect is None or not _is_plain(in_force.command):
        return NeedsShell("E101", "the shell does more than `sh -c`", "write the exec form by hand")
    found = shell.read(text, in_force.dialect)
    if isinstance(found, shell.Opaque):
        return _needs(text, str(found))
    parts = found.body.parts
    if len(parts) != 1 or not isinstance(parts[0], shell.Command) or found.body.separators[0]:
        return _needs(text, "it runs several commands, or one in the background")
    command = parts[0]
    if command.assignments:
        return NeedsShell("E102", "only a shell sets a variable for it", "write ENV instead")
    if command.redirects:
        return _needs(text, "only a shell redirects")
    if any(word.literal is None for word in command.words):
        return _needs(text, "only a shell expands variables and patterns")
    return _program(text, command.words)


def _program(text: str, found: tuple[shell.Word, ...]) -> tuple[shell.Word, ...] | NeedsShell:
    name, *rest = found
    if name.literal == "exec" and rest and not (rest[0].literal or "-").startswith("-"):
        return tuple(rest)
    if name.literal in shell.BUILTINS or not name.literal:
        return _needs(text, f"`{name.text}` is part of the shell")
    return found


def _needs(text: str, why: str) -> NeedsShell:
    several = re.search(r"[;&|]", text) or text.startswith("exec ")
    shown = "the command" if len(text) > 60 or '"' in text or "\\" in text else text
    return NeedsShell(
        "E102", why,
        f'write ["sh", "-c", "{"" if several else "exec "}{shown}"] if a shell is meant',
    )  # fmt: skip


def _is_plain(command: tuple[str, ...]) -> bool:
    """Whether a shell is started with nothing that reads files or says what it does."""
    options = command[1:]
    known = all(_OPTIONS.match(word) or word in _OPTION_NAMES for word in options)
    return known and (not command or "c" in "".join(w for w in options if w.startswith("-")))


def exec_form(argv: tuple[str, ...]) -> str:
    """Return the words as a JSON array, as the exec form is written."""
    return json.dumps(argv, ensure_ascii=False)


def stays(image: Image, command: tuple[str, ...]) -> bool | None:
    """Whether the shell stays process 1 and starts the program as its child; None: not known."""
    program = command[0].rpartition("/")[2] if command else "sh"
    if program in ("bash", "ash") or (program == "sh" and image.family in _GIVES_WAY):
        return False
    if program == "dash" or image.family in _DASH:
        return True
    return None


_FIRST = "can be process 1, which a signal ends only if it has a handler for it"
# Ctrl-C and a stop end these as process 1, or do no less than they did to a shell around them:
# interpreters with a handler of their own for SIGINT, and servers with handlers for both.
_TAKES_SIGNALS = re.compile(
    r"(?:python[\d.]*|flask|gunicorn|uvicorn|hypercorn|daphne|celery|waitress-serve|uwsgi|java|dotnet|"
    r"nginx|httpd|apache2|php-fpm[\d.]*|ruby|puma|unicorn|rails|redis-server|mysqld|mariadbd|postgres|"
    r"mongod|memcached|supervisord|caddy|traefik|haproxy|tini|dumb-init|catatonit)\Z"
)


def assumptions(
    keyword: str, text: str, image: Image, in_force: ShellInForce, inherits: bool
) -> tuple[str, ...]:
    """Return what is assumed of a program that is started without its shell.

    `inherits`: the ENTRYPOINT is what the base image says.
    """
    kept = words(text, in_force)
    if isinstance(kept, NeedsShell):
        return ()
    found: list[str] = []
    program = kept[0].literal or ""
    if not in_force.command and not image.plain_shell:
        found.append(f"{image.reference} sets no SHELL")
    if _OF_PROJECT.search(program):
        found.append(f"`{program}` is a program, or a script whose first line names one")
    if keyword == "HEALTHCHECK":
        return tuple(found)
    if kept[0].start == 0 and stays(image, in_force.command) is not False:
        found.append(f"`{program}` {_FIRST}")
    if keyword == "ENTRYPOINT":
        found.append("containers are started without arguments, which the shell form ignores")
    elif inherits and entrypoint(image) is None:
        found.append(f"{image.reference} has no ENTRYPOINT that looks at its arguments")
    return tuple(found)


def is_unproven(argv: tuple[str, ...], assumes: tuple[str, ...]) -> bool:
    """Whether a program becomes process 1, and it is not known how that takes signals."""
    first = any(sentence.endswith(_FIRST) for sentence in assumes)
    return first and not _TAKES_SIGNALS.match(argv[0].rpartition("/")[2])


def starts_anything(argv: tuple[str, ...]) -> bool:
    """Whether an ENTRYPOINT only starts the words that follow it."""
    program, *rest = argv or ("",)
    options = all(word.startswith("-") for word in rest)
    return not argv or (program.rpartition("/")[2] in _STARTERS and options)


def entrypoint(image: Image) -> bool | None:
    """Whether CMD alone says what an image starts; None if that is not known.

    So it is where there is no ENTRYPOINT, and where it is a script that starts what it is given.
    """
    known = _rows().get(image.name)
    return None if known is None else known != "own"


@lru_cache(maxsize=1)
def _rows() -> dict[str, str]:
    return {row["image"]: row["entrypoint"] for row in table("entrypoints")}
