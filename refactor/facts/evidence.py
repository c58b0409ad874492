"""What code does, found by rules: pieces of evidence, and the texts that expressions give.

A text may have holes, for parts that are known only when the program runs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple, Protocol

from refactor.knowledge import table
from refactor.outside.shell_lines import commands

PROGRAM = "runs a program that is computed"
PATH = "writes to a path that is computed"
MAX_TEXTS = 8
HOLE = "\0"


class Found(NamedTuple):
    """A piece of evidence.

    A relative path is relative to the working directory, or if `in_source` to the build context.
    A path that ends in a slash is a folder: which file in it is written is computed.
    """

    value: str
    path: str
    line: int
    in_source: bool = False


class Text(NamedTuple):
    """A text that an expression may give; `in_source`: a path in the build context."""

    text: str
    in_source: bool = False


Texts = tuple[Text, ...]
UNKNOWN: Texts = (Text(HOLE),)
# A variable of the environment, if it has no default; a place that needs no care, as in memory.
VARIABLE: Texts = (Text("\1"),)
NOWHERE: Texts = (Text("\2"),)


def literal(text: str) -> Text:
    """Return a text as it is written: without the characters that stand for what is computed."""
    return Text(re.sub("[\0-\2]", "", text))


def several(choices: Iterable[Texts]) -> Texts:
    """Return the texts of all of them; a variable counts only if there is no default."""
    found = tuple(dict.fromkeys(text for texts in choices for text in texts))
    if len(found) > 1:
        found = tuple(text for text in found if text not in VARIABLE)
    return found if len(found) <= MAX_TEXTS else (*found[:MAX_TEXTS], *UNKNOWN)


def added(left: Texts, right: Texts) -> Texts:
    """Return one text behind another."""
    return several(_pair(a, b, a.text + b.text) for a in left for b in right)


def joined(left: Texts, right: Texts) -> Texts:
    """Return one path below another, or the other if it is absolute."""
    return several(
        (b,) if b.in_source else _pair(a, b, posixpath.join(a.text, b.text))
        for a in left
        for b in right
    )


def _pair(a: Text, b: Text, text: str) -> Texts:
    if a in NOWHERE or b in NOWHERE:
        return NOWHERE
    text = text.replace(VARIABLE[0].text, HOLE)
    return (Text(text, (a.in_source or b.in_source) and not text.startswith("/")),)


def parent(texts: Texts) -> Texts:
    """Return the folders that paths are in."""
    return several(_parent(text) for text in texts)


def _parent(text: Text) -> Texts:
    if text in (*NOWHERE, *VARIABLE, *UNKNOWN):
        return (text,)
    path = posixpath.normpath(text.text)
    if path == "." or path.rpartition("/")[2] == "..":
        return (Text(f"{path}/..", text.in_source),) if text.in_source else UNKNOWN
    folder = posixpath.dirname(path)
    return UNKNOWN if not folder and HOLE in path else (Text(folder or ".", text.in_source),)


class Call(Protocol):
    """A call, or what is like one: an assignment, an entry of a mapping."""

    @property
    def line(self) -> int:
        """Where it is."""

    def receiver(self) -> Texts:
        """Return what the method is called on."""

    def argument(self, names: tuple[str, ...], element: int | None) -> Texts | None:
        """Return an argument by its position or keyword, or an element of it; None if absent."""

    def code(self, names: tuple[str, ...]) -> str:
        """Return an argument as it is written; empty if absent."""


class Rule(NamedTuple):
    """A row of the table: what is known of a call.

    `argument` is `self`, or its position and keyword (`0 path`, `0.1` for an element of it), or
    `=text` for a text of the table; a default stands behind `|`. It ends with `?` if nothing is
    said where it is computed. `when` are conditions: `mode=1` and `flags=1` say which argument
    tells that it writes (with `!` only if it is known),
    `import=a,b` that the file imports one of them, `uses=a,b` that the project does, `file=x` that
    the file's name has it,
    `key~text` that the argument has that text in it.
    """

    call: str
    kind: str
    argument: str
    when: tuple[str, ...]


@cache
def rules(language: str) -> dict[str, tuple[Rule, ...]]:
    """Return the rules of a language by the last name of the call."""
    found: dict[str, list[Rule]] = {}
    for row in table("calls"):
        if row["language"] == language:
            when = tuple(row["when"].split()) if row["when"] != "-" else ()
            tail = re.split(r"[.=]", row["call"])[-1]
            rule = Rule(row["call"], row["kind"], row["argument"], when)
            found.setdefault(tail, []).append(rule)
    return {tail: tuple(group) for tail, group in found.items()}


class File(NamedTuple):
    """What conditions ask of a file: what it imports, and what any file of the project does."""

    path: str
    imports: frozenset[str]
    uses: frozenset[str]


def evidence(rule: Rule, call: Call, file: File) -> Iterator[tuple[str, Found]]:
    """Yield what a rule finds in a call, each with the field that it belongs to."""
    if not all(_holds(condition, call, file) for condition in rule.when):
        return
    name, _, default = rule.argument.rstrip("?").partition("|")
    if name.startswith("="):
        yield rule.kind, Found(name[1:], file.path, call.line)
        return
    position, _, element = name.partition(".") if name[:1].isdigit() else (name, "", "")
    first, *rest = position.split() + element.split()[1:]
    names = (first, *rest)
    number = int(element.split()[0]) if element else None
    texts = call.receiver() if name == "self" else call.argument(names, number)
    for text in (Text(default),) if texts is None and default else texts or ():
        yield from _reported(rule, text, Found("", file.path, call.line))


def _holds(condition: str, call: Call, file: File) -> bool:
    kind, mark, wanted = re.split(r"([=~])", condition, maxsplit=1)
    if mark == "~":
        return bool(re.search(wanted, call.code((kind,))))
    if kind in ("import", "uses"):
        return any(
            module == name or module.startswith((f"{name}.", f"{name}/"))
            for name in wanted.split(",")
            for module in (file.imports if kind == "import" else file.uses)
        )
    if kind == "file":
        return wanted in file.path
    wanted, certain = wanted.removesuffix("!"), wanted.endswith("!")
    code = call.code((wanted, kind))
    if kind == "flags":
        return bool(re.search(r"O_(?:WRONLY|RDWR|CREAT|APPEND|TRUNC)|Create|Append|Write", code))
    return _writes(code, call.argument((wanted, kind), None) or (), doubtful=not certain)


def _writes(code: str, texts: Texts, doubtful: bool) -> bool:
    """Whether a mode says that a file is written; `doubtful` counts one that is computed."""
    modes = [text.text.partition(":")[0] for text in texts]
    if any(HOLE in mode or mode == VARIABLE[0].text for mode in modes):
        return doubtful and bool(code)
    return any(re.match(r"[rwaxcntbU+]{1,4}\Z", mode) and re.search("[waxcn+]", mode)
               for mode in modes)  # fmt: skip


def _reported(rule: Rule, text: Text, found: Found) -> Iterator[tuple[str, Found]]:
    if text in NOWHERE:
        return
    if rule.kind == "writes":
        yield from _place(text, found, optional=rule.argument.endswith("?"))
    elif rule.kind == "ports":
        if number := port(text.text):
            yield "ports", found._replace(value=number)
    elif rule.kind == "programs":
        for name in program_names(text.text):
            kind = "programs" if name else "unknown"
            if name or not rule.argument.endswith("?"):
                yield kind, found._replace(value=name or PROGRAM)
    elif rule.kind == "home":
        if text.text.startswith("~"):
            yield "home", found._replace(value="~")
    elif HOLE not in text.text and text not in VARIABLE:
        yield rule.kind, found._replace(value=text.text)


# Memory, standard streams, and folders that everybody may write to.
_FREE = re.compile(r"(?:/tmp|/var/tmp|/dev)(?:/|\Z)|-?\Z|:memory:|&\d|<")
_REMOTE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:")


def _place(text: Text, found: Found, optional: bool) -> Iterator[tuple[str, Found]]:
    """Yield a path that is written, a folder if only that is known."""
    path = text.text.removeprefix("file://")
    known, hole, _ = path.partition(HOLE)
    if not text.in_source and (not path or _REMOTE.match(known)):
        return
    if not text.in_source and known and _FREE.match(known):
        return
    if text in VARIABLE or not known.strip("/"):
        if not optional:
            yield "unknown", found._replace(value=PATH)
        return
    folder = posixpath.normpath(known.rpartition("/")[0] or "/" * known.startswith("/"))
    value = f"{folder.rstrip('/')}/" if hole else posixpath.normpath(path)
    yield "writes", found._replace(value=value, in_source=text.in_source)


_DATABASE = re.compile(
    r"sqlite(?:\+\w+)?:(?:///?)?(?P<sqlite>[^?]*)|jdbc:(?:sqlite:|h2:(?:file:)?|hsqldb:file:|derby:)"
    r"(?!mem:|memory:|tcp:|//)(?P<jdbc>[^;?]*)|Data Source=(?P<source>[^;,]+\.(?:db|sqlite3?))"
)


def of_text(text: Text, found: Found, imports: frozenset[str]) -> Iterator[tuple[str, Found]]:
    """Yield what a text means wherever it stands: the address of a database in a file, a home."""
    if re.match(r"/root(?:/|\Z)", text.text):
        yield "home", found._replace(value="/root")
    match = _DATABASE.match(text.text)
    path = match and (match["sqlite"] or match["jdbc"] or match["source"])
    if not path or path.startswith("file::memory:"):
        return
    path = re.sub(r"%s|%\(\w+\)s|\{[^{}]*\}", HOLE, path)
    yield from _place(Text(path, text.in_source), found, optional=False)
    if "flask_sqlalchemy" in imports and path[:1] not in "/:" + HOLE:
        # which folder a relative path is in depends on the version
        yield from _place(Text(f"instance/{path}"), found, optional=False)


def port(text: str) -> str:
    """Return the port of an address; empty if there is none."""
    match = re.search(r"(?:\A|:)(\d{1,5})/?\Z", text)
    return match[1] if match and 0 < int(match[1]) < 65536 else ""


# Words in front of a command, and commands that the shell runs by itself.
_LEADING = frozenset("if then else elif do while until ! { time exec command builtin eval".split())
_BUILTINS = frozenset(
    ". : [ [[ alias bg break case cd continue declare disown done echo enable esac exit export "
    "false fc fg fi for function getopts hash help history in jobs kill let local logout mapfile "
    "popd printf pushd pwd read readarray readonly return select set shift shopt source test "
    "times trap true type typeset ulimit umask unalias unset wait }".split()
)
# Programs that run the command behind them, after options and assignments.
_RUNNERS = frozenset("sudo env nohup nice xargs gosu su-exec stdbuf setsid timeout tini".split())


def program_names(line: str) -> Iterator[str]:
    """Yield the programs that a command line starts, and an empty text for each computed one."""
    if not re.search(r"[\s;|&<>()`$]", line):
        yield "" if HOLE in line or line in ("", VARIABLE[0].text, NOWHERE[0].text) else line
        return
    for command in commands(line):
        yield from names_of([word.value for word in command.words])


def names_of(words: list[str]) -> Iterator[str]:
    """Yield the program of a simple command, and the one that it runs in turn."""
    while words and (words[0] in _LEADING or re.match(r"[A-Za-z_]\w*\+?=", words[0])):
        words = words[1:]
    if not words or words[0] in (*_BUILTINS, "$@", "$*") or words[0][:1] in ("#", "-"):
        return
    name = words[0]
    computed = HOLE in name or re.search(r"[$`*{\[]", name) is not None
    if not computed and not re.match(r"[\w./~@+:-]+\Z", name):
        return  # no name: a part of something else
    yield "" if computed else name
    if name in _RUNNERS:
        rest = words[1:]
        while rest and re.match(r"-|[A-Za-z_]\w*=|\d+[smh]?\Z", rest[0]):
            rest = rest[1:]
        yield from names_of(rest[1:] if name in ("gosu", "su-exec") else rest)
