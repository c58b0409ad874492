"""Which of the copied files a dependency install reads, and where it writes among them.

What is only looked at to describe a package (a README, a list of authors), and whatever goes to
places of the program's own (its cache, site-packages), is left out. What is not certain is
`Unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from refactor.facts.installs.options import assigned, expand, unwrap
from refactor.facts.installs.reading import Install as Install
from refactor.facts.installs.reading import Look, Refused
from refactor.facts.installs.reading import Tree as Tree
from refactor.facts.installs.reading import Unknown as Unknown

# Most commands are no installs: what reads them is loaded for those that may be.
_MAY_INSTALL = re.compile(
    r"(?:pip|python|poetry|pipenv|pdm|uv|npm|yarn|pnpm|bun|corepack|go|cargo|mix|gem|bundle|composer"
    r"|mvn|gradle|dotnet)"
)


def install(
    argv: tuple[str, ...],
    assignments: tuple[str, ...],
    cwd: str,
    env: Mapping[str, str],
    tree: Tree,
) -> Install | Unknown | None:
    """Return what a command reads and writes of copied files; None if it is no install.

    `argv` and `assignments` are the command's words without quotes, but as they are written where
    the shell would expand them; `env` has `$` for a value that is not known.
    """
    words, found = unwrap(tuple(expand(word, env) for word in argv), assigned(assignments, env))
    program = words[0].rpartition("/")[2] if words else ""
    if not _MAY_INSTALL.match(program):
        return None
    from refactor.facts.installs.programs import reader_of

    reader = reader_of(program)
    if reader is None:
        return None
    look = Look(tree, cwd, found)
    try:
        ecosystem = reader(words, look)
        if ecosystem:
            look.surroundings()
    except Refused as refused:
        return refused.unknown
    except RecursionError:
        return Unknown("C401", "a manifest is nested too deeply", "none")
    return look.result(ecosystem) if ecosystem else None


@lru_cache(maxsize=8192)
def looks_like_install(argv: tuple[str, ...]) -> bool:
    """Whether a command is a dependency install, whatever it reads."""
    return install(argv, (), "/", {}, _NOTHING) is not None


class _Nothing:
    """No files."""

    def kind(self, path: str) -> str:
        return ""

    def text(self, path: str) -> str | None:
        return None

    def below(self, folder: str) -> Iterable[str]:
        return ()


_NOTHING = _Nothing()
