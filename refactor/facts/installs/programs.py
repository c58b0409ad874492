"""Which function reads the command line of which program."""

from __future__ import annotations

import re
from collections.abc import Callable

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
from refactor.facts.installs.reading import Look

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


def reader_of(program: str) -> Callable[[tuple[str, ...], Look], str | None] | None:
    """Return what reads a program's command line: it returns the ecosystem if it is an install."""
    return next((read for name, read in _PROGRAMS if re.fullmatch(name, program)), None)
