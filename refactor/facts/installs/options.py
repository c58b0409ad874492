"""The words of an install's command line: variables put in, options and arguments told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from refactor.facts.installs.reading import OPEN, Look, refuse
from refactor.knowledge import table

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_PLAIN = re.compile(r"[\w.:/=@,+~%-]+\Z", re.ASCII)
_PROCESSORS = re.compile(r"\"?\$\((?:nproc(?: --all)?|getconf _NPROCESSORS_ONLN)\)\"?\Z")
_NAMED = re.compile(r"[A-Za-z_]\w*\+?=")


class Line(NamedTuple):
    """The options of a command line, each with its value or an empty string, and the rest."""

    options: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]

    def has(self, *names: str) -> bool:
        """Whether one of the options is given."""
        return any(name in names and value != "false" for name, value in self.options)

    def values(self, *names: str) -> list[str]:
        """Return the values of options, in order."""
        return [value for name, value in self.options if name in names]


def expand(word: str, env: Mapping[str, str]) -> str:
    """Return a word with the variables put in whose value is known and needs no quotes."""
    if "$" not in word:
        return word
    bare = word.replace('"', "") if not re.search(r"[\\'`]|\$\(", word) else word

    def known(match: re.Match[str]) -> str:
        value = env.get(match[1] or match[2], "")
        return value if _PLAIN.match(value) else match[0]

    found = _VARIABLE.sub(known, bare)
    return word if "$" in found else found


def assigned(assignments: tuple[str, ...], env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a command: `env`, and those that are set in front of it."""
    found = dict(env)
    for text in assignments:
        name, _, value = text.partition("=")
        value = expand(value, env)
        if value[:1] in ("'", '"') and value[-1:] == value[:1]:
            value = value[1:-1]
        found[name.rstrip("+")] = "$" if name.endswith("+") else value
    return found


def unwrap(argv: tuple[str, ...], env: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the words of the command that sudo and the like run, and its variables.

    It is empty if they ask for more than that.
    """
    found = dict(env)
    while argv and (wrapper := argv[0].rpartition("/")[2]) in ("sudo", "env", "exec", "command"):
        argv = argv[1:]
        while argv and (argv[0].startswith("-") or _assigns(wrapper, argv[0])):
            if argv[0].startswith("-") and argv[0] not in ("-E", "-H", "-n", "-EH", "-HE"):
                return (), found
            if not argv[0].startswith("-"):
                found = assigned((argv[0],), found)
            argv = argv[1:]
    return argv, found


def _assigns(wrapper: str, word: str) -> bool:
    return wrapper in ("sudo", "env") and bool(_NAMED.match(word))


def action(words: tuple[str, ...], program: str) -> str:
    """Return the first word that is no option, nor the value of one; empty if there is none."""
    values = row_of(program).values
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in values
        else:
            return word
    return ""


def parse(words: tuple[str, ...], look: Look, program: str) -> Line:
    """Tell options from arguments; an option that is not in the program's row is refused."""
    row = row_of(program)
    options: list[tuple[str, str]] = []
    arguments: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            arguments += rest
        elif not word.startswith("-") or word == "-":
            if word in ("true", "false") and options and not options[-1][1]:
                options[-1] = (options[-1][0], word)
            else:
                arguments.append(word)
        else:
            options += _option(word, rest, row)
    for name, value in options:
        _sure(name, value, look)
    return Line(tuple(options), tuple(arguments))


class Row(NamedTuple):
    """A program's options without and with a value, and its settings that name no files."""

    flags: frozenset[str]
    values: frozenset[str]
    settings: frozenset[str]


def row_of(program: str) -> Row:
    """Return what is known of a program."""
    return _rows()[program]


@lru_cache(maxsize=1)
def _rows() -> dict[str, Row]:
    return {
        row["program"]: Row(*(split(row[key]) for key in ("flags", "values", "settings")))
        for row in table("install_options")
    }


def _option(word: str, rest: Iterator[str], row: Row) -> list[tuple[str, str]]:
    name, equal, value = word.partition("=")
    if name in row.values:
        return [(name, value if equal else _next(word, rest))]
    if name in row.flags or (name.startswith("--no-") and "--" + name[5:] in row.flags):
        return [(name, value)]
    found: list[tuple[str, str]] = []
    letters = "" if word.startswith("--") else word[1:]
    for at, letter in enumerate(letters):
        if f"-{letter}" in row.values:
            glued = letters[at + 1 :].removeprefix("=")
            return [*found, (f"-{letter}", glued or _next(word, rest))]
        if f"-{letter}" not in row.flags:
            break
        found.append((f"-{letter}", ""))
    if len(found) != len(letters) or not letters:
        refuse(OPEN, f"what the option {name} does is not known", f"leave {name} out")
    return found


def _next(word: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    return refuse(OPEN, f"{word} has no value", "give it one") if value is None else value


def _sure(name: str, value: str, look: Look) -> None:
    """Refuse a value that may be more than a value."""
    if ("`" in value or "$(" in value) and not _PROCESSORS.match(value):
        refuse(OPEN, f"the value of {name} is not known", "write it out")
    if "$" in value and not value.startswith('"') and not _PROCESSORS.match(value):
        look.assume(f"{value} is one word")


def split(text: str) -> frozenset[str]:
    """Return the words of a table."""
    return frozenset(text.split())
