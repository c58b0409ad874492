"""Which commands leave the value of a variable in a layer.

The value is followed through names that it is given, pipes, loops, functions and scripts in a
word. Whatever is not known to keep nothing is taken to keep it, once it has the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from refactor.effects.events import Block, Copy, Event, Exec, Verbatim, flat
from refactor.facts.packages import command_of, unwrap
from refactor.knowledge import table

# What tells all variables there are: commands, and words of scripts in other languages.
_TELLS = re.compile(
    r"(?:\A|[\n;&|({`])\s*(?:(?:env|printenv|envsubst)(?:\s+-\w+)*|set|(?:export|declare|typeset)"
    r"(?:\s+-[px]+)*)\s*(?:\Z|[\n;&|)}`<>])"
)
_VARIABLES = re.compile(r"\benviron\b|\bENVIRON\b|process\.env\b|[$%]ENV\b|\bENV\.")
_GIVES = frozenset({"export", "declare", "typeset", "local", "readonly", "env", "sudo", "read"})
_HOME = r"(?:~|\$HOME|\$\{HOME\}|/root|/home/[\w.-]+)/"  # where programs keep a user's settings
_TARGET = re.compile(r"(?:\d|&)?>{1,2}\|?\s*(\S+)")
_NO_FILE = re.compile(r"/dev/(?:null|stdout|stderr|tty|fd/\d)\Z|&?[\d-]\Z")
_ANSWERS = frozenset({"curl", "wget"})  # what they write to the output is the answer
_ANSWERED = tuple((program,) for program in _ANSWERS)
_INNER = re.compile(r"\$\(|[<>]\(|[`|;&\n()]")


def names(event: Event, name: str) -> bool:
    """Whether an event names a variable."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    if isinstance(event, Block):
        return any(
            names(p, name) if not isinstance(p, str) else word.search(p) for p in event.parts
        )
    if isinstance(event, Exec):
        texts = (*event.argv, *event.assignments, *event.redirects)
    else:
        texts = (event.content,) if isinstance(event, Verbatim) else event.inline
    return any(map(word.search, texts))


def may_read(event: Event, name: str) -> bool:
    """Whether a command may read a variable of its environment: all do but those with a small row.

    What neither runs other programs nor has settings of the user's looks for no secret.
    """
    if isinstance(event, Copy):
        return False
    if isinstance(event, Verbatim) or names(event, name):
        return True
    if isinstance(event, Block):
        return any(may_read(part, name) for part in event.parts if not isinstance(part, str))
    if any("$(" in word or "`" in word for word in (*event.argv, *event.assignments)):
        return True
    words, _ = unwrap(command_of(event.argv).words)
    if not words:
        return bool(event.argv)
    reads = _reads().get(words[0].text)
    return reads is None or bool(reads & {"any", "home"})


@lru_cache(maxsize=1)
def _reads() -> dict[str, frozenset[str]]:
    return {row["command"]: frozenset(row["reads"].split()) for row in table("commands")}


@lru_cache(maxsize=1)
def _write_nothing() -> frozenset[str]:
    return frozenset(row["command"] for row in table("commands") if row["writes"] == "-")


def kept(events: tuple[Event, ...], name: str) -> str:
    """Return the command of a RUN that leaves a variable's value in the layer, empty if none does.

    What a later command of the RUN deletes is not left, if nothing could copy it until then.
    """
    own = list(flat(events))
    if any(pattern.fullmatch(name) for pattern, _ in _rows("compiled")):
        return next((event.text for event in events if may_read(event, name)), "")
    known = _aliases(own, name)
    built = (e for e in own if isinstance(e, Exec) and _is_compiled(e, known))
    if (compiled := next(built, None)) is not None:
        return compiled.text
    for event in _concerned(events, known):
        if not isinstance(event, Exec):
            return event.text
        later = own[next(i for i, e in enumerate(own) if e is event) + 1 :]
        if not all(_deleted(later, target, event) for target in _targets(event, known)):
            return event.text
    blocks = (e for e in events if isinstance(e, Block) and _has(e, known))
    written = (b for b in blocks if any(_written(token) for token in _tokens(b)))
    return next((block.text for block in written), "")  # `{ ...; } > file`


def _aliases(own: list[Event], name: str) -> frozenset[str]:
    """Return the variables that have a value, or a part of it: `A=$NAME`, `export A=$NAME`."""
    known: frozenset[str] = frozenset()
    more = frozenset({name})
    while more > known:
        known = more
        for event in own:
            if isinstance(event, Exec):
                more |= {key for key, value in _given(event) if _word_names(value, known)}
    return known


def _given(event: Exec) -> Iterator[tuple[str, str]]:
    """Yield the names that a command gives to values."""
    words = (
        *event.assignments,
        *(event.argv[1:] if event.argv[:1] and event.argv[0] in _GIVES else ()),
    )
    for word in words:
        key, sign, value = word.strip("\"'").partition("=")
        if sign:
            yield key.removesuffix("+"), value
    if event.argv[:2] == ("printf", "-v") and len(event.argv) > 2:
        yield event.argv[2], " ".join(event.argv[3:])


def _word_names(word: str, known: frozenset[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", word) for name in known) or bool(
        _TELLS.search(word)
    )


def _is_compiled(event: Exec, known: frozenset[str]) -> bool:
    """Whether a command gives the value to a name that bundlers compile into what they build."""
    words = (word for word in (*event.assignments, *event.argv) if _word_names(word, known))
    given = [key for word in words for key in re.findall(r"(\w+)\s*=", word)]
    return any(pattern.fullmatch(key) for pattern, _ in _rows("compiled") for key in given)


def _has(event: Event, known: frozenset[str]) -> bool:
    """Whether an event names a variable of these, or tells all variables."""
    return any(names(event, name) for name in known) or _tells(event)


def _tells(event: Event) -> bool:
    if isinstance(event, Block):
        return any(_tells(part) for part in event.parts if not isinstance(part, str))
    if isinstance(event, Verbatim):
        return bool(_TELLS.search(event.content) or _VARIABLES.search(event.content))
    if isinstance(event, Copy) or not event.argv:
        return False
    words = _words(event)
    line = " ".join(event.argv)
    return (
        (not words and event.argv[0] == "env")
        or words[:1] in (("printenv",), ("envsubst",))
        or bool(_TELLS.fullmatch(line))
        or any(_TELLS.search(w.strip("\"'")) for w in words[1:] if " " in w or "(" in w or "`" in w)
        or (words[:1] not in (("echo",), ("printf",))
        and any(map(_VARIABLES.search, (line, *event.redirects))))
    )  # fmt: skip


def _words(event: Exec) -> tuple[str, ...]:
    """Return the words of what sudo and the like run; the program without its folder."""
    words = tuple(word.text for word in unwrap(command_of(event.argv).words)[0])
    return (words[0].rpartition("/")[2], *words[1:]) if words else ()


def _concerned(events: tuple[Event | str, ...], known: frozenset[str]) -> Iterator[Event]:
    """Yield the commands that have the value, and what is certain to be too much to follow."""
    for event in events:
        if isinstance(event, str) or not _has(event, known):
            continue
        if not isinstance(event, Block) or event.kind == "function":
            yield event
        elif event.kind.endswith("|"):
            yield from flat(event.parts)
            yield from _receivers(event, known)
        elif any(isinstance(part, str) and _word_names(part, known) for part in event.parts):
            yield from flat(event.parts)  # `for a in $NAME`
        else:
            yield from _concerned(event.parts, known)


def _receivers(pipe: Block, known: frozenset[str]) -> Iterator[Event]:
    """Yield a pipe, if a command in it is given the value and may write it somewhere."""
    parts = [part for part in pipe.parts if not isinstance(part, str)]
    first = next((i for i, part in enumerate(parts) if _has(part, known)), len(parts))
    source = parts[first] if first < len(parts) else None
    if source is None or (isinstance(source, Exec) and _words(source)[:1] in _ANSWERED):
        return
    harmless = _write_nothing() | _ANSWERS | {"tee"}
    for event in flat(tuple(parts[first + 1 :])):
        if not isinstance(event, Exec) or (event.argv and not {*_words(event)[:1]} <= harmless):
            yield pipe


def _tokens(block: Block) -> Iterator[str]:
    for part in block.parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Block):
            yield from _tokens(part)


def _targets(event: Exec, known: frozenset[str]) -> Iterator[str]:
    """Yield patterns of the files that a command writes a word of its own into."""
    words = _words(event)
    for redirect in event.redirects:
        answer = words[:1] in _ANSWERED and re.match(r"1?>", redirect)
        if not answer and (path := _written(redirect)):
            yield re.escape(path)
    if words[:1] == ("tee",):
        yield from (re.escape(word) for word in words[1:] if not word.startswith("-"))
        return
    for line in {" ".join(event.argv), " ".join(words)}:
        yield from (_HOME + file for pattern, file in _rows("kept") if pattern.match(line))
    for word in (*event.argv, *event.assignments):
        if _INNER.search(word) and _word_names(word, known):
            yield from ("-" for piece in _INNER.split(word) if _writes_inside(piece.strip()))


def _writes_inside(piece: str) -> bool:
    """Whether a command that stands in a word, as in `$(...)`, writes a file."""
    target = re.search(r"(?:\d|&)?>{1,2}\|?\s*\S+", piece)
    return (
        bool(target and _written(target[0]))
        or piece.startswith("tee ")
        or any(pattern.match(piece) for pattern, _ in _rows("kept"))
    )


def _written(redirect: str) -> str:
    match = _TARGET.match(redirect)
    return match[1].strip("\"'") if match and not _NO_FILE.match(match[1]) else ""


@lru_cache(maxsize=4)
def _rows(kind: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return what writes words of its own into a file, and that file if it is known."""
    rows = (row for row in table("secrets") if row["kind"] == kind)
    return tuple((re.compile(row["pattern"]), row["what"]) for row in rows)


def _deleted(later: list[Event], target: str, writer: Exec) -> bool:
    """Whether a command behind another deletes what that has written, before it is copied."""
    for event in later:
        if (
            isinstance(event, Exec) and event.argv[:1] == ("rm",) and event.must
            and _folder(event) == _folder(writer)
            and any(re.fullmatch(target, word.strip('"')) for word in event.argv[1:])
        ):  # fmt: skip
            return True
        if not _only_reads(event, target):
            return False
    return False


def _only_reads(event: Event, target: str) -> bool:
    """Whether a command leaves nothing of a file elsewhere: a known program, that copies none."""
    if not isinstance(event, Exec):
        return False
    words = _words(event)
    line = " ".join((*event.assignments, *words))
    if words[:1] not in (*_ANSWERED, ("echo",), ("printf",)) and any(
        map(_written, event.redirects)
    ):
        return False
    if re.search(rf"(?<!\w)(?:{target.rpartition('/')[2]})(?!\w)", line):
        return bool(words) and any(pattern.match(line) for pattern, _ in _rows("reader"))
    if not words:
        return True
    reads = _reads().get(words[0])
    copies = any(pattern.match(line) for pattern, _ in _rows("copier"))
    return reads is not None and "any" not in reads and not copies


def _folder(event: Exec) -> tuple[str, ...]:
    return tuple(text for text in event.shell_state if text.startswith(("cd", "push", "pop")))
