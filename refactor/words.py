"""Docker's own word rules: `KEY=value`, quotes and variables (not the shell's).

The lexer is that of e2b-dockerfile-utils, a port of BuildKit's `frontend/dockerfile/shell`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from refactor.syntax import SPACE, Instruction

_NAMES = re.compile(r"\$\{?(\w+)")
_MODIFIER = re.compile(r"\$\{\w*[^\w}]")
_SPACES = re.compile(f"[{SPACE}]+")
_BLANKS = re.compile(r"[\t\v\f\r ]+")
MAX_VALUE = 4096


@dataclass(frozen=True, slots=True)
class Value:
    """A word after expansion; what only the build knows stays as `$NAME` in `text`.

    `raw` is set where `text` alone could stand for two different values: a literal dollar sign
    and a variable of unknown value look the same. It identifies the word and what went into it.
    """

    text: str
    raw: str = ""


def parse_words(text: str, escape: str) -> list[str]:
    """Return the blank-separated words of a line; quotes and escapes stay as they are."""
    if _is_quoted(text, escape):
        return list(_words(text, escape))
    return [word for word in _SPACES.split(text) if word]


@lru_cache(maxsize=4096)
def _words(text: str, escape: str) -> tuple[str, ...]:
    from e2b_dockerfile_utils import parse_words as read  # many a file has no such words

    return tuple(read(text, escape))


def expand(word: str, variables: Mapping[str, Value], escape: str = "\\") -> Value:
    """Return the value of a word; a variable that is not in `variables` stays unexpanded."""
    if "$" not in word:
        return _unquoted(word, escape)
    found = {name: variables[name] for name in _NAMES.findall(word) if name in variables}
    return _expanded(word, escape, tuple(found.items()))


def _is_quoted(text: str, escape: str) -> bool:
    return '"' in text or "'" in text or escape in text


def _lexed(word: str, escape: str, env: dict[str, str] | None = None) -> str:
    from e2b_dockerfile_utils import ShellLex  # many a file has nothing to expand

    return ShellLex(escape, env=env).process_word(word)


@lru_cache(maxsize=4096)
def _unquoted(word: str, escape: str) -> Value:
    if not _is_quoted(word, escape):
        return Value(word)
    try:
        return Value(_lexed(word, escape))
    except ValueError:
        return Value(word, word)


@lru_cache(maxsize=4096)
def _expanded(word: str, escape: str, variables: tuple[tuple[str, Value], ...]) -> Value:
    found = dict(variables)
    env = {
        name: value.text
        for name, value in found.items()
        if not value.raw and len(value.text) <= MAX_VALUE
    }
    try:
        text = _lexed(word, escape, env)
    except ValueError:
        text = word
    if "$" not in text and len(env) == len(found):
        return Value(text)
    unknown = [f"{name}={value.raw or value.text}" for name, value in sorted(found.items())]
    return Value(text[:MAX_VALUE], _short("\0".join((_identity(word, escape), *unknown))))


class _Marked(dict[str, str]):
    """Gives every variable a value that no text contains."""

    def get(self, name: str, default: object = None) -> str:
        """Return the mark of a name."""
        return f"\ue000{name}\ue001"


def _identity(word: str, escape: str) -> str:
    """Return what two spellings of one word share: quotes removed, variables marked.

    A word that is not read that far shares nothing: it is marked itself.
    """
    if _MODIFIER.search(word):
        return f"\ue002{word}"
    try:
        return _lexed(word, escape, _Marked())
    except ValueError:
        return f"\ue002{word}"


def _short(text: str) -> str:
    if len(text) <= 200:
        return text
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def pairs(instruction: Instruction, escape: str) -> list[tuple[str, str]]:
    """Return the raw keys and values of an ENV or LABEL, in either form."""
    words = parse_words(instruction.args, escape)
    if words and "=" not in words[0]:
        key, _, value = cut(instruction.args)
        return [(key, value)]
    return [(key, value) for key, _, value in (word.partition("=") for word in words)]


def is_legacy(instruction: Instruction, escape: str) -> bool:
    """Whether an ENV or LABEL has the form `KEY rest of the line`."""
    words = parse_words(instruction.args, escape)
    return bool(words) and "=" not in words[0]


def cut(args: str) -> tuple[str, str, str]:
    """Split at the first run of blanks, and return that too."""
    gap = _BLANKS.search(args)
    if not gap:
        return args, "", ""
    return args[: gap.start()], gap[0], args[gap.end() :]
