"""A piece of a Dockerfile as tokens, and what of it may differ between changes of one shape.

What a change leaves as it is may be a hole: a package, path, address, version, stage name, the name
and value of a variable or label, and as a whole an image or a command that installs nothing. What a
change removes or writes anew is never one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import NamedTuple

from refactor.facts.managers import manager_of
from refactor.syntax import KEYWORDS

_WORD = re.compile(
    r"""&&|\|\||;;|[;&|()]|[0-9]*[<>]+&?|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|()<>'"\\])+|\S""",
    re.S,
)
_JSON = re.compile(r'[\[\],]|"(?:\\.|[^"\\])*"|[^\s\[\],"]+|\S', re.S)
_PLAIN = re.compile(r"\S+")
_ENDS = frozenset(("&&", "||", ";", ";;", "&", "(", ")", "{", "}", "then", "do", "else", "!"))
_INSTALLS = frozenset("install reinstall add i in ci get groupinstall localinstall".split())
_PAIRS = frozenset(("ENV", "LABEL", "ARG"))
_PLACES = frozenset(("WORKDIR", "COPY", "ADD"))  # all their words are paths
_OPTION = re.compile(r"(-{0,2}[\w.-]+=)(.+)", re.S)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+|git@\S+")
_VERSION = re.compile(r"v?\d+(?:\.\d+)+[\w.+~-]*|v\d+")
_TAG = re.compile(r"([^\s:@]+(?::\d+/[^\s:@]+)?)([:@])(\S+)")
_RELEASE = re.compile(r"v?\d[\d.]*")
_PATH = re.compile(r"[^\s=]*/[^\s]*|\.{1,2}|[\w.-]+\.[a-z][a-z0-9]{0,7}")
_PIP = re.compile(r"pip[\d.]*")
_BETWEEN = re.compile(r"([\s`;,()]+)")
_LONGEST, _MOST = 500, 100  # characters of a path; such values in sentences
_SHORT = 40  # longer values are found in a sentence whatever stands around them


PACKAGE = "\0package"  # no text has the sign in front: nobody can write a hole


class Token(NamedTuple):
    """A token as written; what may differ between changes of one shape has a kind and a value.

    `whole` is what it is a part of: a shell's command or pipeline, or an image.
    """

    written: str
    kind: str = ""
    value: str = ""
    whole: str = ""


def tokens(
    text: str, *, inside: bool, escape: str, stages: frozenset[str], heredoc: bool
) -> tuple[Token, ...]:
    """Return the tokens of some instructions, or of commands of a RUN (`inside`).

    Comments, continuations and the width of blanks are gone, except in a heredoc.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if not heredoc:
        lines = [line for line in lines if not line.lstrip().startswith("#")]
    joined = re.sub(re.escape(escape) + r"[ \t]*(?:\n\s*|\Z)", " ", "\n".join(lines))
    found: list[Token] = []
    for line in joined.split("\n"):
        if line.strip():
            found += [Token("\n")] if found else []
            found += _commands(line) if inside else _instruction(line, stages)
            inside = heredoc
    return tuple(found)


def _instruction(line: str, stages: frozenset[str]) -> Iterator[Token]:
    at = 0
    keyword = ""
    for match in _PLAIN.finditer(line):
        word = match[0]
        if not (word.upper() in KEYWORDS and keyword in ("", "ONBUILD")) and word[:2] != "--":
            break
        at = match.end()
        if word[:2] == "--":
            yield from _flag(word)
        else:
            keyword = word.upper()
            yield Token(word)
    rest = line[at:].strip()
    if keyword == "RUN" and rest[:1] != "[":
        yield from _commands(rest)
    elif keyword == "MAINTAINER":
        yield _value(rest)
    elif keyword in _PAIRS:
        yield from _pairs(rest)
    elif keyword == "FROM":
        yield from _image(rest, stages)
    elif keyword in _PLACES and rest[:1] != "[":
        yield from (_place(word) for word in _WORD.findall(rest))
    else:
        pattern = _JSON if rest[:1] == "[" else _WORD
        yield from (_typed(word) for word in pattern.findall(rest))


def _flag(word: str) -> Iterator[Token]:
    name, equals, value = word.partition("=")
    if name == "--from":
        yield from (Token(name + equals), Token(value, "stage", value.lower()))
    elif equals and "," not in value:
        yield from (Token(name + equals), _typed(value))
    else:
        yield Token(word)


def _pairs(rest: str) -> Iterator[Token]:
    first = _PLAIN.match(rest)
    if first and "=" not in first[0]:
        yield Token(first[0], "name", first[0])
        if value := rest[first.end() :].strip():
            yield from (Token(" "), _value(value))
        return
    for match in _WORD.finditer(rest):
        name, equals, value = match[0].partition("=")
        yield Token(name, "name", name)
        if equals:
            yield from (Token("="), _value(value))


def _value(written: str) -> Token:
    return Token(written, "value", re.sub(r"""[\\"']""", "", written))


def _image(rest: str, stages: frozenset[str]) -> Iterator[Token]:
    words = _PLAIN.findall(rest)
    for number, word in enumerate(words):
        if (number == 0 and word.lower() in stages) or (
            number and words[number - 1].lower() == "as"
        ):
            yield Token(word, "stage", word.lower())
        elif number == 0 and (match := _TAG.fullmatch(word)):
            release = _RELEASE.match(match[3]) if match[2] == ":" else None
            yield Token(match[1] + match[2], whole="image")
            if release:
                yield Token(release[0], "version", release[0], "image")
            yield Token(match[3][release.end() if release else 0 :], whole="image")
        elif number == 0:
            yield Token(word, whole="image")
        else:
            yield Token(word)


def _commands(script: str) -> Iterator[Token]:
    command = _Command()
    for match in _WORD.finditer(script):
        word = match[0]
        if word in _ENDS:
            command = _Command()
            yield Token(word)
        elif (option := _OPTION.fullmatch(word)) and (word[0] == "-" or not command.words):
            command = command.with_word(word) if word[0] == "-" else command
            yield Token(option[1], whole="command")
            yield _typed(option[2])._replace(whole="command")
        else:
            yield _argument(word, command)._replace(whole="command")
            command = command.with_word(word) if word != "|" else _Command()


class _Command(NamedTuple):
    """A command so far: its first words, the last one, and whether it installs something."""

    words: tuple[str, ...] = ()
    last: str = ""
    installs: bool = False

    def with_word(self, word: str) -> _Command:
        """Return the command with one more word."""
        words = (*self.words, word) if len(self.words) < 3 else self.words
        return _Command(words, word, self.installs or (bool(self.words) and word in _INSTALLS))


def _argument(word: str, command: _Command) -> Token:
    """Return a word of a command: a package where packages are named."""
    found = _typed(word)
    plain = found.value or word
    if found.kind == "path" and plain[:1] not in "./~" and "/" in plain and "." not in plain:
        found = Token(word)  # `@scope/name`, or a repository's name
    if found.kind in ("path", "address") or word[0] in "-<>$" or not command.installs:
        return found
    program = command.words[0].rpartition("/")[2]
    if command.words[1:3] == ("-m", "pip") or _PIP.fullmatch(program):
        program = "pip"
    manager = manager_of(program)
    if manager is None or command.last in manager.values:
        return found
    return Token(word, "package", _unquoted(word))


def _typed(word: str) -> Token:
    plain = _unquoted(word)
    if "$" in plain and "/" not in plain:
        return Token(word)
    for kind, pattern in (("address", _ADDRESS), ("version", _VERSION), ("path", _PATH)):
        if pattern.fullmatch(plain):
            return Token(word, kind, plain)
    return Token(word)


def _place(word: str) -> Token:
    found = _typed(word)
    return found if found.kind or "$" in word else Token(word, "path", _unquoted(word))


def _unquoted(word: str) -> str:
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "\"'"
    return word[1:-1] if quoted else word


class Shape(NamedTuple):
    """Tokens with holes, before and after a change, and what is in the holes."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    holes: Mapping[str, str]


def shape(before: Sequence[Token], after: Sequence[Token], fixed: Iterable[str] = ()) -> Shape:
    """Return the shape of a difference. Words of the sentences `fixed` are no names in holes.

    The same value is the same hole, so that none is swapped for another unseen; packages are one
    hole, however many there are.
    """
    told = {word for sentence in fixed for word in _BETWEEN.split(sentence)}
    commands = set(map(_one, _grouped(before))) & set(map(_one, _grouped(after)))
    before, after = _whole(before, commands), _whole(after, commands)
    after = _completed(after, {token.value for token in before if token.kind == "path"})
    kept = {(t.kind, t.value) for t in before if t.kind}
    kept &= {(t.kind, t.value) for t in after if t.kind}
    holes: dict[str, str] = {}
    numbers: dict[tuple[str, str], str] = {}
    counts: Counter[str] = Counter()
    for token in before:
        kind, value = token.kind, token.value
        if (kind, value) not in kept or (kind, value) in numbers:
            continue
        if kind == "name" and value in told:
            continue
        counts[kind] += 1
        hole = PACKAGE if kind == "package" else f"\0{kind} {counts[kind]}"
        numbers[kind, value] = hole
        holes.setdefault(value, hole)
        holes.setdefault(re.sub(r"""[\\"']""", "", value), hole)
    return Shape(_holed(before, numbers), _holed(after, numbers), holes)


def _grouped(found: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
    """Yield commands and images with all their tokens, and other tokens one by one."""
    for whole, together in groupby(found, key=lambda token: token.whole):
        tokens_of = tuple(together)
        yield from [tokens_of] if whole else ((token,) for token in tokens_of)


def _one(group: tuple[Token, ...]) -> Token:
    """Return a command or image as one token; a command that installs is looked into."""
    whole = group[0].whole
    if not whole or any(token.kind == "package" for token in group):
        return Token("")
    written = (" " if whole == "command" else "").join(token.written for token in group)
    return Token(written, whole, written)


def _whole(found: Sequence[Token], commands: AbstractSet[Token]) -> list[Token]:
    """Return tokens of which some commands are one."""
    words: list[Token] = []
    for group in _grouped(found):
        one = _one(group)
        words += [one] if one.kind and one in commands else group
    return words


def _completed(after: Sequence[Token], paths: AbstractSet[str]) -> list[Token]:
    """Return tokens in which a path that was made absolute is what came in front, and the path."""
    found: list[Token] = []
    for token in after:
        value = token.value
        at = 0
        if token.kind == "path" and value not in paths and value == token.written:
            ends = (end + 1 for end, sign in enumerate(value[:_LONGEST]) if sign == "/")
            at = next((end for end in ends if value[end:] in paths), 0)
        found += [Token(value[:at]), Token(value[at:], "path", value[at:])] if at else [token]
    return found


def _holed(found: Sequence[Token], numbers: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    words: list[str] = []
    for token in found:
        hole = numbers.get((token.kind, token.value))
        if hole is None:
            words.append(token.written)
        elif hole != PACKAGE or words[-1:] != [hole]:
            words.append(hole)
    return tuple(words)


def filled(sentence: str, holes: Mapping[str, str]) -> str:
    """Return a sentence in which what is in holes is a hole too."""
    known = [value for value in holes if len(value) > _SHORT or " " in value][:_MOST]
    for value in sorted(known, key=len, reverse=True):
        sentence = sentence.replace(value, holes[value])
    words = (word and holes.get(_unquoted(word), word) for word in _BETWEEN.split(sentence))
    return re.sub(f"{PACKAGE}(?: {PACKAGE})+", PACKAGE, "".join(words))
