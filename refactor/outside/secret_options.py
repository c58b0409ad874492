"""`--build-arg NAME=$VARIABLE` of a `docker build` becomes `--secret id=NAME,env=VARIABLE`.

The client reads the variable of a secret from its own environment, where the shell filled it in
before. So it has to be exported: what a script sets for itself, or what sudo drops, is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.outside.shell_lines import MAX_DEPTH, Word, commands
from refactor.outside.yaml_tree import Unclear

_READS_FILES = re.compile(r"(?m)(?:^|[;&|({])[ \t@-]*(?:source|\.|eval)[ \t]|^[ \t]*-?include\b")
_OLD_BUILDER = re.compile(r"DOCKER_BUILDKIT[\"']?\s*[:?]?=?\s*[\"']?0")
# An image of Docker, or a release that CircleCI is asked for; 23 is the first with BuildKit.
_RELEASE = re.compile(
    r"(?<![\w-])docker:(?:(?P<image>\d+)|stable|\$)"
    r"|setup_remote_docker:\s+version:\s*[\"']?(?:docker)?(?P<asked>\d+)"
)
_PLAIN = re.compile(r"(DOCKER_BUILDKIT=1\s+)?\bdocker\s+(?:image\s+|builder\s+)?build\b")
_ASKED = r"DOCKER_BUILDKIT[\"']?\s*[:=]\s*[\"']?1\b"
_ASKED_BY_ALL = re.compile(rf"(?m)^(?:variables|env):[ \t]*\n(?:[ \t]+[^\n]*\n)*?[ \t]+{_ASKED}")
_BUILDS = (("build",), ("buildx", "build"), ("image", "build"), ("builder", "build"))


class Passed(NamedTuple):
    """Where a command passes an argument: by `several` words or one.

    `variable` is where the value comes from, empty if the client reads its environment already.
    """

    at: int
    several: bool
    variable: str


def passed(words: tuple[Word, ...], name: str) -> Iterator[Passed]:
    """Yield where a command passes a build argument.

    Raises Unclear if its value is more than one variable.
    """
    for at, word in enumerate(words):
        option, sign, value = word.value.partition("=")
        if option != "--build-arg":
            continue
        if not sign:
            value = words[at + 1].value if at + 1 < len(words) else ""
        if value.partition("=")[0] != name:
            continue
        given = value.partition("=")[2]
        found = re.fullmatch(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", given)
        if (given or "=" in value) and found is None:
            raise Unclear(f"the value of {name} is no variable of its own")
        variable = (found[1] or found[2]) if found else ""
        yield Passed(at, not sign, variable)


def as_secret(text: str, bodies: list[str], name: str, make: bool = False) -> str:
    """Return a text in which the commands of its shell texts pass a secret.

    `bodies` are those shell texts, `make` is whether they are recipes. Raises Unclear if what is
    written is not surely what was passed before.
    """
    if _OLD_BUILDER.search(text):
        raise Unclear("it asks for the builder that knows no secrets")
    if (release := _old_release(text)) is not None:
        raise Unclear(f"{release} may build by what knows no secrets: set DOCKER_BUILDKIT=1")
    if any("<<" in body for body in bodies):
        raise Unclear("it writes a script for another shell")
    wanted: list[Passed] = []
    for body in bodies:
        shell = recipe(body) if make else body
        found = [p for line in commands(shell, depth=MAX_DEPTH) for p in _of(line.words, name)]
        for variable in {p.variable for p in found if p.variable}:
            _exported(text if make else shell, variable)
        wanted += found
    pattern = _pattern(name, make)
    there = [_variable(match) for match in pattern.finditer(text)]
    if not wanted or sorted(there) != sorted(p.variable for p in wanted):
        raise Unclear(f"{name} is not passed in so many words")
    return pattern.sub(
        lambda match: f"--secret{match[1]}id={name},env={_variable(match) or name}", text
    )


def _old_release(text: str) -> str | None:
    """Return a release of Docker that a pipeline builds by, and that may know no `--secret`.

    Before 23 BuildKit has to be asked for (docs.docker.com: BuildKit, getting started). Before 20
    the client takes no `env=` either.
    """
    plain = [match[1] for match in _PLAIN.finditer(text)]
    asked = all(plain) or bool(_ASKED_BY_ALL.search(text))
    asked = asked or (len(plain) == 1 and bool(re.search(_ASKED, text)))
    for match in _RELEASE.finditer(text) if plain else ():
        number = int(match["image"] or match["asked"] or 0)
        if number < (20 if asked else 23):
            return match[0].strip()
    return None


def recipe(text: str) -> str:
    """Return the shell text of a recipe: make's own variables look like the shell's."""
    return re.sub(r"\$\((\w+)\)", r"${\1}", text.replace("$$", "$"))


def _of(words: tuple[Word, ...], name: str) -> list[Passed]:
    found = list(passed(words, name))
    values = [word.value.lstrip("@-+") if not i else word.value for i, word in enumerate(words)]
    values = values[1:] if values[0] == "DOCKER_BUILDKIT=1" else values
    if found and (
        values[0] != "docker" or not any(values[1 : 1 + len(b)] == [*b] for b in _BUILDS)
    ):
        raise Unclear(f"`{values[0]}` may keep the environment from the client, or is another one")
    return found


def _exported(text: str, variable: str) -> None:
    """Raise Unclear if a variable may be the script's own."""
    if _READS_FILES.search(text):
        raise Unclear("it reads other files, which may set variables")
    for match in re.finditer(rf"(?<![\w-]){variable}(?!\w)", text):
        ahead = text[max(0, match.start() - 14) : match.start()]
        read = ahead.endswith(("$", "${", "$("))
        if not read or text.startswith((":=", "="), match.end()):
            if re.search(r"--build-arg[ =]\"?\Z", ahead):
                continue  # the name of the argument
            raise Unclear(f"{variable} is set, or named, in it")


def _pattern(name: str, make: bool) -> re.Pattern[str]:
    word = r"([A-Za-z_]\w*)"
    value = rf"\$(?:\{{{word}\}}|{word})"
    if make:
        value = rf"\$\$?(?:\{{{word}\}}|{word}|\({word}\))"
    return re.compile(rf"--build-arg([ =])(\"?){name}(?:=(\"?){value}\3)?\2(?=\s|\Z)", re.MULTILINE)


def _variable(match: re.Match[str]) -> str:
    return next(filter(None, match.groups()[3:]), "")
