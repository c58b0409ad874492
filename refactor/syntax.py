"""Text -> items that tile it, by the rules of BuildKit's `frontend/dockerfile/parser`."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

from refactor.source import BOM, Span

# Go's unicode.IsSpace: str.strip() alone would also take FS, GS, RS and US.
SPACE = (
    " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
MAX_LINE_BYTES = 65535  # bufio.MaxScanTokenSize
KEYWORDS = frozenset(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL "
    "STOPSIGNAL USER VOLUME WORKDIR".split()
)
_JSON_FORMS = frozenset({"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"})
_HEREDOC_FORMS = frozenset({"ADD", "COPY", "RUN"})
_SPACES = re.compile(f"[{SPACE}]+")
_KEYWORD_END = re.compile(r"[\t\v\f\r ]+")
_FLAG_BLANKS = "\t\n\v\f\r "  # flags are read byte by byte
_JSON = json.JSONDecoder(parse_constant=int)  # int("NaN") raises: Go knows no such constants
_SPACED_HEREDOC = re.compile(r"(?<![<A-Za-z_])<<-?[ \t\r\v\f]+\S")
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)[\t\f\r ]*=[\t\f\r ]*(.+?)[\t\f\r ]*$")


class ParseError(ValueError):
    """BuildKit would reject the text; `line` is 1-based."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class TriviaKind(StrEnum):
    """What stands between instructions."""

    BLANK = "blank"
    COMMENT = "comment"
    DIRECTIVE = "directive"


class Trivia(NamedTuple):
    """Consecutive lines of one kind that are no part of an instruction."""

    kind: TriviaKind
    span: Span


class Logical(NamedTuple):
    """A line with continuations joined and inner comments dropped, and each character's home."""

    text: str
    starts: tuple[int, ...]
    homes: tuple[int, ...]

    def home(self, index: int) -> int:
        """Return the offset in the file of the character at `index`."""
        piece = bisect_right(self.starts, index) - 1
        return self.homes[piece] + index - self.starts[piece]

    def span(self, start: int, end: int) -> Span:
        """Return the file's span from the first to after the last character of a range."""
        if start == end:
            home = self.home(start)
            return Span(home, home)
        return Span(self.home(start), self.home(end - 1) + 1)

    def contiguous(self, start: int, end: int) -> bool:
        """Whether no continuation or comment lies within a range."""
        span = self.span(start, end)
        return span.end - span.start == end - start


class Flag(NamedTuple):
    """`--name=value` before the arguments; `start` and `end` are offsets of the logical line."""

    name: str
    value: str | None
    start: int
    end: int


class Heredoc(NamedTuple):
    """`body` is the span of its lines, terminator excluded."""

    name: str
    body: Span
    chomp: bool
    expand: bool


@dataclass(frozen=True)
class Instruction:
    """One instruction; offsets named `start` and `end` are into its logical line."""

    keyword: str
    span: Span
    logical: Logical
    start: int
    args_start: int
    args_end: int
    flags: tuple[Flag, ...]
    json: tuple[str, ...] | None
    comments: tuple[Span, ...]
    heredocs: tuple[Heredoc, ...] = ()
    trigger: Instruction | None = None

    @property
    def args(self) -> str:
        """The arguments as text: continuations joined, flags cut off."""
        return self.logical.text[self.args_start : self.args_end]

    @property
    def keyword_span(self) -> Span:
        """Where the keyword stands in the file."""
        return self.logical.span(self.start, self.start + len(self.keyword))

    @property
    def args_span(self) -> Span:
        """Where the arguments stand in the file."""
        return self.logical.span(self.args_start, self.args_end)

    @property
    def code_end(self) -> int:
        """The offset in the file after the last character that is code."""
        return self.logical.span(self.start, max(self.args_end, self.start + 1)).end

    def flag(self, name: str) -> str | None:
        """Return the value of the first flag of that name."""
        return next((f.value for f in self.flags if f.name == name), None)


Item = Trivia | Instruction


@dataclass(frozen=True)
class Dockerfile:
    """A text and the items that tile it."""

    text: str
    items: tuple[Item, ...]
    escape: str = "\\"
    directives: dict[str, str] = field(default_factory=dict)

    @cached_property
    def instructions(self) -> tuple[Instruction, ...]:
        """The instructions, in order."""
        return tuple(item for item in self.items if isinstance(item, Instruction))

    @cached_property
    def comments(self) -> tuple[str, ...]:
        """The text of every comment line, parser directives included, in order."""
        return tuple(self.text[s.start : s.end].strip(SPACE) for s in self._comment_spans())

    def _comment_spans(self) -> Iterator[Span]:
        for item in self.items:
            if isinstance(item, Instruction):
                yield from item.comments
            elif item.kind is not TriviaKind.BLANK:
                yield from _lines(self.text, item.span)

    def line(self, offset: int) -> int:
        """Return the 1-based line of an offset."""
        return bisect_left(self._newlines, offset) + 1

    @cached_property
    def _newlines(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    def newline(self, offset: int) -> str:
        """Return the line end in use at an offset."""
        end = self.text.find("\n", offset)
        if end < 0:
            end = self.text.rfind("\n", 0, offset)
        return "\r\n" if end > 0 and self.text[end - 1] == "\r" else "\n"


def _lines(text: str, span: Span) -> Iterator[Span]:
    start = span.start
    while start < span.end:
        end = text.find("\n", start, span.end) + 1 or span.end
        yield Span(start, end)
        start = end


def parse(text: str) -> Dockerfile:
    """Return the Dockerfile that BuildKit reads in `text`, or raise `ParseError`."""
    return _Parser(text).parse()


def parse_again(text: str, before: Dockerfile) -> Dockerfile:
    """Return the same as `parse`; what was read of another text is kept up to a difference.

    Items are read from left to right, so that what stands behind an item does not matter to it,
    unless the text ended there.
    """
    kept = list(takewhile(lambda item: _is_same(item.span, before.text, text), before.items))
    if not any(isinstance(item, Instruction) for item in kept):
        return parse(text)
    parser = _Parser(text)
    parser.items, parser.at = kept, kept[-1].span.end
    parser.row = text.count("\n", 0, parser.at)
    parser.escape, parser.directives = before.escape, dict(before.directives)
    return parser.parse()


def _is_same(span: Span, before: str, after: str) -> bool:
    return span.end < len(before) and after.startswith(before[span.start : span.end], span.start)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.row = 0
        self.at = 0
        self.escape = "\\"
        self.directives: dict[str, str] = {}
        self.items: list[Item] = []
        self._check_line_lengths()

    def _check_line_lengths(self) -> None:
        if len(self.text) <= MAX_LINE_BYTES // 4:
            return
        for number, line in enumerate(self.lines, 1):
            if len(line) > MAX_LINE_BYTES // 4 and (
                len(line.encode("utf-8", "surrogateescape")) > MAX_LINE_BYTES
            ):
                raise ParseError(f"a line is longer than {MAX_LINE_BYTES} bytes", number)

    def _take(self) -> tuple[str, int]:
        """Return the next line without its newline, and the offset where it starts."""
        line, start = self.lines[self.row], self.at
        self.row += 1
        self.at = min(start + len(line) + 1, len(self.text))
        return line, start

    def _more(self) -> bool:
        return self.at < len(self.text)

    def _trivia(self, kind: TriviaKind, start: int) -> None:
        last = self.items[-1] if self.items else None
        if isinstance(last, Trivia) and last.kind is kind:
            self.items[-1] = Trivia(kind, Span(last.span.start, self.at))
        else:
            self.items.append(Trivia(kind, Span(start, self.at)))

    def parse(self) -> Dockerfile:
        """Read line by line, as the reference parser does."""
        directives_allowed = not self.items
        while self._more():
            line, start = self._take()
            code = line.rstrip("\r")
            skipped = 1 if start == 0 and code.startswith(BOM) else 0
            stripped = code[skipped:].lstrip(SPACE)
            if directives_allowed and self._directive(stripped, start):
                continue
            directives_allowed = False
            if stripped.startswith("#"):
                self._trivia(TriviaKind.COMMENT, start)
            elif not stripped:
                self._trivia(TriviaKind.BLANK, start)
            else:
                self._instruction(stripped, start + len(code) - len(stripped), start)
        return Dockerfile(self.text, tuple(self.items), self.escape, self.directives)

    def _directive(self, line: str, start: int) -> bool:
        match = _DIRECTIVE.match(line)
        if not match or (key := match[1].lower()) not in ("syntax", "escape", "check"):
            return False
        if key in self.directives:
            raise ParseError(f"only one {key} parser directive can be used", self.row)
        if key == "escape":
            if match[2] not in ("\\", "`"):
                raise ParseError("the escape directive takes \\ or `", self.row)
            self.escape = match[2]
        self.directives[key] = match[2]
        self._trivia(TriviaKind.DIRECTIVE, start)
        return True

    def _instruction(self, first: str, home: int, start: int) -> None:
        row = self.row
        pieces, homes, comments = self._continued(first, home)
        starts = [0]
        for piece in pieces[:-1]:
            starts.append(starts[-1] + len(piece))
        text = "".join(pieces)
        logical = Logical(text, tuple(starts), tuple(homes))
        if not text.strip(SPACE):
            raise ParseError("an unknown instruction: an escape character alone", row)
        found = _split(logical, 0, Span(start, self.at), tuple(comments), self.escape, row)
        heredocs = self._heredocs(found, row) if "<<" in text else ()
        if heredocs:
            found = _with_heredocs(found, heredocs, Span(start, self.at))
        self.items.append(found)

    def _continued(self, first: str, home: int) -> tuple[list[str], list[int], list[Span]]:
        pieces: list[str] = []
        homes: list[int] = []
        comments: list[Span] = []
        line = first
        while True:
            code = line.rstrip(" \t")
            continued = code.endswith(self.escape) and code[-2:-1] != self.escape
            pieces.append(code[:-1] if continued else line)
            homes.append(home)
            if not continued:
                return pieces, homes, comments
            while True:
                if not self._more():
                    return pieces, homes, comments
                raw, home = self._take()
                line = raw.rstrip("\r")
                stripped = line.lstrip(SPACE)
                if stripped.startswith("#"):
                    comments.append(Span(home, self.at))
                elif stripped:
                    break

    def _heredocs(self, found: Instruction, row: int) -> tuple[Heredoc, ...]:
        target = found.trigger or found
        if target.keyword not in _HEREDOC_FORMS or target.json is not None:
            return ()
        if _SPACED_HEREDOC.search(found.logical.text):
            raise ParseError("a blank between << and its word: engines read it differently", row)
        heredocs = []
        for name, chomp, expand in _heredoc_words(found.logical.text):
            body = self.at
            while True:
                if not self._more():
                    raise ParseError("unterminated heredoc", row)
                line, start = self._take()
                line = line.rstrip("\r")
                if (line.lstrip("\t") if chomp else line) == name:
                    break
            heredocs.append(Heredoc(name, Span(body, start), chomp, expand))
        return tuple(heredocs)


def _with_heredocs(found: Instruction, heredocs: tuple[Heredoc, ...], span: Span) -> Instruction:
    trigger = replace(found.trigger, heredocs=heredocs, span=span) if found.trigger else None
    return replace(found, heredocs=heredocs, span=span, trigger=trigger)


def _heredoc_words(line: str) -> Iterator[tuple[str, bool, bool]]:
    """Yield name, chomp and expand of each heredoc that a logical line opens."""
    from e2b_dockerfile_utils import ShellLex, parse_heredoc

    try:
        words = ShellLex("\\", raw_quotes=True, raw_escapes=True).process_words(line)
        found = [parse_heredoc(word) for word in words if "<<" in word]
    except ValueError:
        return
    for heredoc in found:
        if heredoc:
            yield heredoc.name, heredoc.chomp, heredoc.expand


def _split(
    logical: Logical, start: int, span: Span, comments: tuple[Span, ...], escape: str, row: int
) -> Instruction:
    """Cut a logical line into keyword, flags and arguments, as BuildKit's splitCommand does."""
    text = logical.text
    while start < len(text) and text[start] in SPACE:
        start += 1
    end = len(text.rstrip(SPACE))
    gap = _KEYWORD_END.search(text, start, end)
    keyword_end = gap.start() if gap else end
    at = gap.end() if gap else keyword_end
    keyword = text[start:keyword_end].upper()
    flags: list[Flag] = []
    if "--" in text:
        flags, at = _flags(text[:end], at)
    at = min(_skip_space(text, at), end)
    args = text[at:end]
    json_form = _json_form(keyword, args, row)
    if keyword in ("ENV", "LABEL"):
        _check_pairs(keyword, args, escape, row)
    trigger = None
    if keyword == "ONBUILD" and at < end:
        trigger = _split(logical, at, span, comments, escape, row)
    return Instruction(
        keyword, span, logical, start, at, end, tuple(flags), json_form, comments, (), trigger
    )


def _check_pairs(keyword: str, args: str, escape: str, row: int) -> None:
    """Raise where BuildKit finds no `key=value` and no `key value`."""
    words = [word for word in _SPACES.split(args) if word]
    if any(char in args for char in "\"'" + escape):
        from refactor.words import parse_words

        words = parse_words(args, escape)
    if words and "=" not in words[0]:
        if not _KEYWORD_END.search(args):
            raise ParseError(f"{keyword} must have two arguments", row)
        return
    for word in words:
        if "=" not in word:
            raise ParseError(f"{keyword}: no = in {word!r}; the form is name=value", row)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at


def _json_form(keyword: str, args: str, row: int) -> tuple[str, ...] | None:
    """Return the strings of a JSON form; anything else that BuildKit accepts is shell form."""
    if keyword == "HEALTHCHECK":
        parts = args.split(None, 1)
        args = parts[1] if len(parts) == 2 else ""
    elif keyword not in _JSON_FORMS:
        return None
    if not args.startswith("["):
        return None
    try:
        values, _ = _JSON.raw_decode(args)  # as Go's Decoder: what follows the array is ignored
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list):
        return None
    if not all(isinstance(value, str) for value in values):
        raise ParseError("only strings are supported in a JSON form", row)
    return tuple(values)


def _flags(text: str, at: int) -> tuple[list[Flag], int]:
    """Read `--name[=value]` words, where `\\` always escapes; return them and where they end."""
    flags: list[Flag] = []
    while True:
        while text[at : at + 1] in _FLAG_BLANKS and at < len(text):
            at += 1
        if not text.startswith("--", at):
            return flags, at
        start = at
        word: list[str] = []
        quote = ""
        while at < len(text) and (quote or text[at] not in _FLAG_BLANKS):
            char = text[at]
            if char == "\\":
                at += 1
                word.append(text[at : at + 1])
            elif quote and char == quote:
                quote = ""
            elif not quote and char in "'\"":
                quote = char
            else:
                word.append(char)
            at += 1
        name, equals, value = "".join(word).partition("=")
        if name == "--":
            return flags, at
        flags.append(Flag(name[2:], value if equals else None, start, at))
