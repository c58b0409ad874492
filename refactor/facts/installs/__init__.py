"""Which of the copied files a dependency install reads, and where it writes among them.

What is only looked at to describe a package (a README, a list of authors), and whatever goes to
places of the program's own (its cache, site-packages), is left out. What is not certain is
`Unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from refactor.facts.installs import (
    dotnet,
    elixir,
    go,
    java,
    node,
    php,
    projects,
    python,
    ruby,
    rust,
    uv,
)
from refactor.facts.installs.options import assigned, expand, unwrap
from refactor.facts.installs.reading import Install as Install
from refactor.facts.installs.reading import Look, Refused
from refactor.facts.installs.reading import Tree as Tree
from refactor.facts.installs.reading import Unknown as Unknown

_PROGRAMS: tuple[tuple[str, Callable[[tuple[str, ...], Look], str | None]], ...] = (
    (r"pip[\d.]*", python.pip),
    (r"python[\d.]*", projects.module),
    (r"poetry", projects.poetry),
    (r"pipenv", projects.pipenv),
    (r"pdm", projects.pdm),
    (r"uv", uv.uv),
    (r"npm", node.npm),
    (r"yarn|yarnpkg", node.yarn),
    (r"pnpm", node.pnpm),
    (r"bun", node.bun),
    (r"corepack", node.corepack),
    (r"go", go.go),
    (r"cargo", rust.cargo),
    (r"mix", elixir.mix),
    (r"bundler?", ruby.bundle),
    (r"gem", ruby.gem),
    (r"composer(?:\.phar)?", php.composer),
    (r"mvnw?", java.maven),
    (r"gradlew?", java.gradle),
    (r"dotnet", dotnet.dotnet),
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
    reader = _reader(words[0].rpartition("/")[2]) if words else None
    if reader is None:
        return None
    look = Look(tree, cwd, found)
    try:
        ecosystem = reader(words, look)
        if ecosystem:
            look.surroundings()
    except Refused as refused:
        return refused.unknown
    return look.result(ecosystem) if ecosystem else None


def _reader(program: str) -> Callable[[tuple[str, ...], Look], str | None] | None:
    return next((read for name, read in _PROGRAMS if re.fullmatch(name, program)), None)


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
