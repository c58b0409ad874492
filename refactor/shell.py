"""RUN text -> commands, words and operators with offsets; `opaque` whenever a byte is unexplained.

The grammar below is the part of the shell's that every shell of a dialect reads alike; what is
left out of it is refused, not guessed. tree-sitter-bash reads the same text, as a second reader:
a script that it finds an error in is opaque too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tree_sitter import Parser

MAX_CHARS = 16_000  # the second reader takes quadratic time for some texts
MAX_DEPTH = 30
# What dash, bash or busybox run themselves, and reserved words that stand like a program.
BUILTINS = frozenset(
    ". : [ alias bg bind break builtin caller cd chdir command compgen complete compopt continue "
    "declare dirs disown echo enable eval exec exit export false fc fg getopts hash help history "
    "jobs kill let local logout mapfile popd printf pushd pwd read readarray readonly return set "
    "shift shopt source suspend test time times trap true type typeset ulimit umask unalias unset "
    "wait".split()
)


class Dialect(StrEnum):
    """Which shell runs a script, as far as its syntax is concerned."""

    POSIX = "posix"
    BASH = "bash"


class Opaque(ValueError):
    """The script is not understood; the message says why."""


@dataclass(frozen=True, slots=True)
class Word:
    """`literal` is the word after quote removal, None if the shell would expand it."""

    text: str
    start: int
    end: int
    literal: str | None


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirection, operator and target as written."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command: assignments, words, redirections; any but not all may be empty."""

    start: int
    end: int
    assignments: tuple[Word, ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]

    @property
    def name(self) -> str | None:
        """The program, if it is known before the shell runs."""
        return self.words[0].literal if self.words else None

    @property
    def argv(self) -> tuple[str, ...]:
        """The words as the program would see them; unexpanded where that is unknown."""
        return tuple(w.text if w.literal is None else w.literal for w in self.words)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`a | b`, with `!` in front if negated."""

    start: int
    end: int
    parts: tuple[Node, ...]
    operators: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AndOr:
    """`a && b || c`, left-associative: `operators[i]` stands before `parts[i + 1]`."""

    start: int
    end: int
    parts: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """`a; b & c`: `separators[i]` follows `parts[i]`, empty after a last one without."""

    start: int
    end: int
    parts: tuple[Node, ...]
    separators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """`{ }`, `( )`, if, while, until, for, case or a function: tokens and sequences in order."""

    kind: str
    start: int
    end: int
    parts: tuple[Node | str, ...]
    redirects: tuple[Redirect, ...] = ()


Node = Command | Pipeline | AndOr | Sequence | Compound


@dataclass(frozen=True)
class Script:
    """A script that is understood: `body` has one part a statement.

    `memo` keeps what is found out about it: one script is looked at by many, on many parses.
    """

    text: str
    body: Sequence
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _commands(self) -> tuple[Command, ...]:
        return tuple(commands(self.body))

    def commands(self) -> Iterator[Command]:
        """Yield every simple command, in order of the text."""
        return iter(self._commands)


def commands(node: Node) -> Iterator[Command]:
    """Yield every simple command below a node, in order of the text."""
    if isinstance(node, Command):
        yield node
    else:
        for part in node.parts:
            if not isinstance(part, str):
                yield from commands(part)


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


@lru_cache(maxsize=4096)
def read(text: str, dialect: Dialect = Dialect.POSIX) -> Script | Opaque:
    """Return the script, or why it is opaque (as a value: a refusal is no exception)."""
    try:
        return _read(text, dialect)
    except Opaque as reason:
        return reason.with_traceback(None)


def _read(text: str, dialect: Dialect) -> Script:
    if len(text) > MAX_CHARS:
        raise Opaque("too long")
    if "\n" in text:
        raise Opaque("several lines")
    if not text.isascii() and _STRANGE.search(text):
        raise Opaque("a blank or byte that shells read differently")
    if _CONTROL.search(text):
        raise Opaque("a control character")
    body = _Reader(text, dialect is Dialect.BASH).whole()
    if _parser().parse(text.encode()).root_node.has_error:
        raise Opaque("not read as shell by tree-sitter")
    return Script(text, body)


_STRANGE = re.compile(r"[^\S \t-\r\x1c-\x1f]|[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_NAME = r"[A-Za-z_][A-Za-z0-9_]*+"
_VALUE = rf"\$(?:{_NAME}|[0-9@*#?$!-]|\{{{_NAME}\}})"
_BLANK = re.compile(r"[ \t]*")
_PLAIN = re.compile(r"[\w@%+=:,./^#-]+\Z", re.ASCII)
# The next word, if nothing in it needs a closer look: most words of most scripts.
_ARGUMENT = re.compile(r"[ \t]*+([\w@%+=:,./^-][\w@%+=:,./^#-]*+)(?=[ \t;&|)]|\Z)", re.ASCII)
_WORD = re.compile(
    rf"""(?:[^ \t;&|()<>'"\\$`]++|'[^']*+'|\\.|{_VALUE}|"(?:[^"\\$`]++|\\.|{_VALUE})*+")++"""
)
_LEAD = re.compile(r"[ \t]*+([^ \t;&|()<>]*+)")
_RUN = re.compile(r"[^ \t;&|()<>'\"\\$`]++")
_QUOTED_RUN = re.compile(r"(?:[^\"\\$`]++|\\.)*+")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]++|\\.)*+\"|\\.|\$\{[^{}]*\}")
_INSIDE = re.compile(r"(?:[^\"\\$`]++|\\.)*+\"")
_OPERAND_RUN = re.compile(r"(?:[^{}\"'\\$`<>]++|\\.|[<>](?!\())*+")
_ENDS = frozenset(["", *" \t;&|()<>"])
_STOPS = frozenset(";&|()")
_REDIRECTS = frozenset("<>&0123456789")

_ASSIGNMENT = re.compile(rf"{_NAME}(\+?=|\[)")
_REDIRECT = re.compile(r"([0-9]*+)(>>|>&|>\||>|<<|<&|<>|<)|&>>?")
_DESCRIPTOR = re.compile(r"(?:[0-9]|-)\Z")
_FUNCTION = re.compile(r"[ \t]*\([ \t]*\)")
_DOLLAR = re.compile(rf"\$(?:{_NAME}|[0-9@*#?$!-])")
_PARAMETER = re.compile(rf"\$\{{([#!]?)({_NAME}|[0-9]++|[@*#?$!-])")
_OPERATOR = re.compile(r":?[-=?+]|%%?|##?")
_BASH_OPERATOR = re.compile(r"\^\^?|,,?|//?")
_SUBSCRIPT = re.compile(r"\[(?:[@*]|[0-9]+|\$?[A-Za-z_]\w*)\]", re.ASCII)
_SLICE = re.compile(r"(?::(?: -)?(?:[0-9]+|\$?[A-Za-z_]\w*)){1,2}(?=\})", re.ASCII)
_BACKTICKS = re.compile(r"`((?:[^`\\]++|\\.)*+)`")
_ANSI_C = re.compile(r"\$'(?:[^'\\]++|\\.)*+'")
_UNARY = re.compile(r"[ \t]*(?:[-+!~](?![-+])[ \t]*)?")
_BINARY = re.compile(r"(?:<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>&|^])(?![-+=*/&|<>])")
_NUMBER = re.compile(rf"(?:0[xX][0-9a-fA-F]+|[0-9]+|{_NAME})(?![\w#\[$`'\"])")
_TEST_UNARY = re.compile(r"-[a-hknopr-xzGLNORS](?=[ \t])")
_TEST_BINARY = re.compile(r"(?:-(?:[gln]e|[gl]t|[no]t|e[fq])|==?|!=|=~)(?=[ \t])")

_OPENERS = frozenset({"{", "if", "while", "until", "for", "case"})
_CLOSERS = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "}"})
_BASH_WORDS = frozenset({"function", "select", "time", "coproc", "[[", "]]"})
_NO_COMMANDS = _OPENERS | _CLOSERS | _BASH_WORDS | {"!", "in"}
_RESERVED = _OPENERS | _CLOSERS | _BASH_WORDS | {"!"}
_DECLARATIONS = frozenset({"declare", "export", "local", "readonly", "typeset"})
_SPECIAL = _RESERVED | frozenset(
    ". : break continue eval exec exit export in readonly return set shift times trap unset".split()
)


class _Reader:
    """Reads a script from left to right; `at` is the next character."""

    def __init__(self, text: str, bash: bool, depth: int = 0) -> None:
        self.text = text
        self.bash = bash
        self.depth = depth
        self.at = 0

    # Positions

    def skip(self) -> str:
        """Go to the next character that is not blank and return it, empty at the end."""
        match = _BLANK.match(self.text, self.at)
        assert match
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def lead(self) -> str:
        """Go to the next character that is not blank and return what could be a keyword there."""
        match = _LEAD.match(self.text, self.at)
        assert match
        self.at = match.start(1)
        return match[1]

    def expect(self, keyword: str) -> int:
        """Read a keyword and return where it starts."""
        if self.lead() != keyword:
            raise Opaque(f"no {keyword!r} where one is needed")
        self.at += len(keyword)
        return self.at - len(keyword)

    def character(self, char: str) -> None:
        """Read an operator."""
        if not self.text.startswith(char, self.at):
            raise Opaque(f"no {char!r} where one is needed")
        self.at += len(char)

    def enter(self) -> None:
        """Count a level of nesting."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Opaque("nested too deeply")

    # Lists

    def whole(self) -> Sequence:
        """Read everything."""
        if not self.skip():
            return Sequence(0, len(self.text), (), ())
        body = self.sequence()
        if self.skip():
            raise Opaque(f"unread text {self.text[self.at :][:20]!r}")
        return body

    def sequence(self) -> Sequence:
        """Read statements and separators up to something that ends them."""
        parts: list[Node] = []
        separators: list[str] = []
        while True:
            parts.append(self.and_or())
            end = parts[-1].end
            char = self.skip()
            if char not in (";", "&") or self.text.startswith(";;", self.at):
                separators.append("")
                break
            if self.text.startswith(";&", self.at):
                raise Opaque(";& is an operator to some shells")
            self.at += 1
            end = self.at
            separators.append(char)
            if (lead := self.lead()) in _CLOSERS or (not lead and self.ended()):
                break
        return Sequence(parts[0].start, end, tuple(parts), tuple(separators))

    def ended(self) -> bool:
        """Whether a list ends here because of an operator, or the end of the text."""
        return self.at == len(self.text) or self.text.startswith((")", ";;"), self.at)

    def and_or(self) -> Node:
        """Read `a && b || c`."""
        first = self.pipeline()
        if not self.text.startswith(("&&", "||"), self.at):
            return first
        parts = [first]
        operators: list[str] = []
        while self.text.startswith(("&&", "||"), self.at):
            operators.append(self.text[self.at : self.at + 2])
            self.at += 2
            parts.append(self.pipeline())
        return AndOr(first.start, parts[-1].end, tuple(parts), tuple(operators))

    def pipeline(self) -> Node:
        """Read `a | b`, `!` included, and the blanks behind it."""
        lead = self.lead()
        start = self.at
        if negated := lead == "!":
            self.at += 1
            lead = self.lead()
            if self.at == start + 1:
                raise Opaque("! without a blank")
        parts = [self.statement(lead)]
        operators: list[str] = []
        while self.skip() == "|" and not self.text.startswith("||", self.at):
            operator = "|&" if self.text.startswith("|&", self.at) else "|"
            if operator == "|&" and not self.bash:
                raise Opaque("|& under a POSIX shell")
            operators.append(operator)
            self.at += len(operator)
            parts.append(self.statement(self.lead()))
        if not operators and not negated:
            return parts[0]
        return Pipeline(start, parts[-1].end, tuple(parts), tuple(operators), negated)

    def statement(self, lead: str) -> Node:
        """Read a command, simple or compound, that starts here."""
        if lead in _RESERVED:
            return self.compound(lead) if lead in _OPENERS else self.bash_statement(lead)
        if not lead and self.text.startswith("(", self.at):
            return self.compound("(")
        return self.command()

    # Simple commands

    def command(self) -> Node:
        """Read a simple command, or the function that its first word turns out to name."""
        start = end = self.at
        assignments: list[Word] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        text = self.text
        declares = False
        while True:
            if words and not declares and (match := _ARGUMENT.match(text, self.at)):
                end = self.at = match.end()
                words.append(Word(match[1], match.start(1), end, match[1]))
                continue
            char = self.skip()
            if char in _REDIRECTS and (redirect := self.redirect()):
                redirects.append(redirect)
            elif not char or char in _STOPS:
                break
            elif not words and (match := _ASSIGNMENT.match(text, self.at)):
                assignments.append(self.assignment(match[1], bool(redirects)))
            else:
                words.append(self.word())
                if declares := self.bash and words[0].text in _DECLARATIONS:
                    words[-1] = self.declared(words[-1], bool(redirects))
            end = self.at
        if char == "(" and len(words) == 1 and not assignments and not redirects:
            return self.function(start, words[0].text)
        if start == end:
            raise Opaque("no command where one is needed")
        if words:
            self.check_name(words[0].text, assignments)
        return Command(start, end, tuple(assignments), tuple(words), tuple(redirects))

    def check_name(self, name: str, assignments: list[Word]) -> None:
        """Fail on what shells do not agree to be the name of a command."""
        if name in _NO_COMMANDS or name[0] == "!":
            raise Opaque("a word that names no command")
        if self.bash and (name == "let" or ("[" in name and "=" in name)):
            raise Opaque("an arithmetic command or an array")
        if any(a.literal is None and a.text.endswith(")") and "=(" in a.text for a in assignments):
            raise Opaque("an array in front of a command")

    def assignment(self, operator: str, redirected: bool) -> Word:
        """Read `A=1` in front of a command."""
        if operator != "=" and not self.bash:
            raise Opaque("+= or an array under a POSIX shell")
        if operator == "[":
            raise Opaque("an array element")
        word = self.word()
        if not self.text.startswith("(", self.at):
            return word
        if redirected:
            raise Opaque("an array behind a redirection")
        return self.array(word)

    def declared(self, word: Word, redirected: bool) -> Word:
        """Read on where a word of `declare` and the like is an assignment."""
        match = _ASSIGNMENT.match(word.text)
        unusual = match[1] == "[" if match else re.match(r"[^'\"]*=", word.text)
        if redirected or unusual:
            raise Opaque("an unusual declaration")
        return self.array(word) if match and self.text.startswith("(", self.at) else word

    def array(self, word: Word) -> Word:
        """Read the values of `A=( ... )`."""
        if not self.bash or not word.text.endswith("="):
            raise Opaque("an array under a POSIX shell")
        self.at += 1
        while (char := self.skip()) != ")":
            if char == "[":
                raise Opaque("an array with subscripts")
            self.word()
        self.at += 1
        return Word(self.text[word.start : self.at], word.start, self.at, None)

    def redirect(self) -> Redirect | None:
        """Read a redirection if there is one."""
        match = _REDIRECT.match(self.text, self.at)
        if not match or (self.bash and self.processed(match.end() - 1)):
            return None
        number, operator = match[1], match[2]
        if not self.bash and operator is None:
            raise Opaque("&> under a POSIX shell")
        if operator == "<<":
            raise Opaque("<<<" if self.text.startswith("<", match.end()) else "a heredoc")
        if not self.bash and len(number) > 1:
            raise Opaque("a file descriptor that not all shells know")
        start, self.at = self.at, match.end()
        self.skip()
        if _REDIRECT.match(self.text, self.at) and not (self.bash and self.processed(self.at)):
            raise Opaque("a redirection without a target")
        target = self.word().text
        if operator in (">&", "<&") and not self.bash and not _DESCRIPTOR.match(target):
            raise Opaque(f"{operator} with a name under a POSIX shell")
        return Redirect(self.text[start : self.at], start, self.at)

    def redirects(self) -> tuple[Redirect, ...]:
        """Read the redirections of a compound command."""
        found: list[Redirect] = []
        while self.skip() in _REDIRECTS and (redirect := self.redirect()):
            found.append(redirect)
        return tuple(found)

    # Compound commands

    def compound(self, kind: str) -> Compound:
        """Read a compound command and its redirections."""
        self.enter()
        start = self.at
        parts: tuple[Node | str, ...]
        if kind in ("{", "("):
            parts = self.group(kind)
        elif kind == "if":
            parts = self.branches()
        elif kind in ("while", "until"):
            self.expect(kind)
            parts = (kind, self.sequence(), self.body())
            kind = "while"
        elif kind == "case":
            parts = self.case()
        else:
            parts = self.loop(kind)
            kind = "for"
        end = self.at
        redirects = self.redirects()
        self.depth -= 1
        return Compound(kind, start, redirects[-1].end if redirects else end, parts, redirects)

    def group(self, kind: str) -> tuple[Node | str, ...]:
        """Read `{ ...; }` or `( ... )`."""
        if self.text.startswith("((", self.at):
            raise Opaque("((")
        self.at += 1
        body = self.sequence()
        if kind == "{":
            self.expect("}")
            return ("{", body, "}")
        self.character(")")
        return ("(", body, ")")

    def branches(self) -> tuple[Node | str, ...]:
        """Read an `if`."""
        parts: list[Node | str] = []
        for keyword in ("if", "then"):
            self.expect(keyword)
            parts += (keyword, self.sequence())
        while (lead := self.lead()) in ("elif", "else"):
            start = self.expect(lead)
            inner: tuple[Node | str, ...] = (lead, self.sequence())
            if lead == "elif":
                self.expect("then")
                inner = (*inner, "then", self.sequence())
            parts.append(Compound(lead, start, _end(inner), inner))
            if lead == "else":
                break
        self.expect("fi")
        return (*parts, "fi")

    def body(self) -> Compound:
        """Read `do ... done`."""
        start = self.expect("do")
        body = self.sequence()
        self.expect("done")
        return Compound("do", start, self.at, ("do", body, "done"))

    def loop(self, keyword: str) -> tuple[Node | str, ...]:
        """Read a `for`."""
        self.expect(keyword)
        name = self.lead()
        if not re.fullmatch(_NAME, name) or name in _RESERVED:
            raise Opaque("no name of a variable where one is needed")
        self.at += len(name)
        parts: list[Node | str] = [keyword, name]
        if named := self.lead() == "in":
            self.at += 2
            parts.append("in")
            while self.skip() not in (*_STOPS, ""):
                parts.append(self.word().text)
        if self.skip() == ";" or named:
            self.character(";")
            parts.append(";")
        return (*parts, self.body())

    def case(self) -> tuple[Node | str, ...]:
        """Read a `case`."""
        self.expect("case")
        self.skip()
        parts: list[Node | str] = ["case", self.word().text, "in"]
        self.expect("in")
        while self.lead() != "esac":
            item = self.item()
            parts.append(item)
            if item.parts[-1] != ";;":
                break
        self.expect("esac")
        return (*parts, "esac")

    def item(self) -> Compound:
        """Read `pattern) list ;;`."""
        start = self.at
        parts: list[Node | str] = []
        if self.text.startswith("(", self.at):
            self.at += 1
            parts.append("(")
        while True:
            self.skip()
            parts.append(self.word().text)
            if parts[-1] == "esac":
                raise Opaque("a pattern that not all shells read alike")
            if self.skip() != "|":
                break
            self.at += 1
            parts.append("|")
        self.character(")")
        parts.append(")")
        end = self.at
        if self.lead() != "esac" and not self.text.startswith(";;", self.at):
            body = self.sequence()
            parts.append(body)
            end = body.end
        self.skip()
        if self.text.startswith(";;", self.at):
            self.at += 2
            end = self.at
            parts.append(";;")
        return Compound("item", start, end, tuple(parts))

    def function(self, start: int, *words: str) -> Compound:
        """Read the parentheses and the body of a function; its name is the last of the words."""
        match = _FUNCTION.match(self.text, self.at)
        if not match and len(words) == 1:
            raise Opaque("a parenthesis in a command")
        if not re.fullmatch(_NAME, words[-1]) or words[-1] in _SPECIAL:
            raise Opaque("a name of a function that not all shells take")
        if match:
            words = (*words, "(", ")")
            self.at = match.end()
        lead = self.lead()
        if lead != "{" and not self.text.startswith("(", self.at):
            raise Opaque("a function without braces")
        body = self.compound(lead or "(")
        sequence = Sequence(body.start, body.end, (body,), ("",))
        return Compound("function", start, body.end, (*words, sequence))

    # Bash

    def bash_statement(self, lead: str) -> Node:
        """Read what starts with a word that is reserved in bash, if it is one of the usual."""
        if not self.bash and lead in _BASH_WORDS:
            raise Opaque(f"{lead} under a POSIX shell")
        if lead == "select":
            return self.compound("select")
        if lead == "function":
            start = self.expect("function")
            self.skip()
            return self.function(start, "function", self.word().text)
        if lead == "[[":
            start = self.expect("[[")
            self.test()
            self.expect("]]")
            word = Word(self.text[start : self.at], start, self.at, None)
            redirects = self.redirects()
            end = redirects[-1].end if redirects else word.end
            return Command(start, end, (), (word,), redirects)
        raise Opaque(f"{lead} in place of a command")

    def test(self) -> None:
        """Read the inside of `[[ ... ]]`."""
        self.enter()
        while True:
            if self.lead() == "!":
                self.at += 1
                continue
            if self.skip() == "(":
                self.at += 1
                self.test()
                self.character(")")
            else:
                self.primary()
            self.skip()
            if not self.text.startswith(("&&", "||"), self.at):
                break
            self.at += 2
        self.depth -= 1

    def primary(self) -> None:
        """Read `-f x`, `x = y` or `x`."""
        if match := _TEST_UNARY.match(self.text, self.at):
            self.at = match.end()
            self.skip()
            self.operand_word()
            return
        self.operand_word()
        self.skip()
        if match := _TEST_BINARY.match(self.text, self.at):
            self.at = match.end()
            self.skip()
            self.operand_word()

    def operand_word(self) -> None:
        """Read a word of `[[ ... ]]`."""
        if self.word().text in ("]]", "!"):
            raise Opaque("an unusual test")

    # Words

    def word(self) -> Word:
        """Read the word that starts here."""
        start, text = self.at, self.text
        if text.startswith("#", start):
            raise Opaque("a comment ends the command")
        match = _WORD.match(text, start)
        self.at = match.end() if match else start
        bare = None
        if text[self.at : self.at + 1] not in _ENDS or (self.bash and self.processed(self.at)):
            self.at = start
            bare = self.parts()
        if self.at == start:
            raise Opaque("no word where one is needed")
        raw = text[start : self.at]
        if _PLAIN.match(raw):
            return Word(raw, start, self.at, raw)
        if raw[0] == "{" and raw[-1] == "}" and text.startswith(("<", ">"), self.at):
            raise Opaque("{variable}> is a redirection to some shells")
        if "{" in raw and not self.bash:
            _check_braces(_QUOTED.sub("", raw) if bare is None else bare)
        return Word(raw, start, self.at, literal(raw))

    def processed(self, at: int) -> bool:
        """Whether `<(` or `>(` stands there."""
        return self.text.startswith(("<(", ">("), at)

    def parts(self) -> str:
        """Read a word part by part and return what is neither quoted nor expanded."""
        bare: list[str] = []
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if match := _RUN.match(text, self.at):
                bare.append(match[0])
                self.at = match.end()
            elif char == "\\" and self.at + 1 < len(text):
                self.at += 2
            elif char == "'":
                self.single_quotes()
            elif char == '"':
                self.double_quotes()
            elif char == "$":
                self.dollar(False)
            elif char == "`":
                self.backticks(False)
            elif self.bash and self.processed(self.at):
                self.at += 1
                self.substitution()
            elif char in _ENDS:
                break
            else:
                raise Opaque("a backslash at the end")
        return "".join(bare)

    def single_quotes(self) -> None:
        """Read `'...'`."""
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise Opaque("a quote that is not closed")
        self.at = end + 1

    def double_quotes(self) -> None:
        """Read `"..."`."""
        self.at += 1
        while True:
            match = _QUOTED_RUN.match(self.text, self.at)
            assert match
            self.at = match.end()
            char = self.text[self.at : self.at + 1]
            if char == '"':
                self.at += 1
                return
            if char == "$":
                self.dollar(True)
            elif char == "`":
                self.backticks(True)
            else:
                raise Opaque("a quote that is not closed")

    def dollar(self, quoted: bool) -> None:
        """Read an expansion, or a `$` that is none."""
        char = self.text[self.at + 1 : self.at + 2]
        if match := _DOLLAR.match(self.text, self.at):
            self.at = match.end()
        elif char == "{":
            self.parameter(quoted)
        elif self.text.startswith("$((", self.at):
            self.at += 3
            self.arithmetic()
            self.character("))")
        elif char == "(":
            self.at += 1
            self.substitution()
        elif char == "[":
            raise Opaque("$[")
        elif char and char in "'\"" and not quoted:
            self.dollar_quotes(char)
        else:
            self.at += 1

    def dollar_quotes(self, char: str) -> None:
        """Read `$'...'` or `$"..."`."""
        if not self.bash:
            raise Opaque(f"${char}...{char} under a POSIX shell")
        if char == '"':
            self.at += 1
            self.double_quotes()
            return
        match = _ANSI_C.match(self.text, self.at)
        if not match:
            raise Opaque("a quote that is not closed")
        self.at = match.end()

    def substitution(self) -> None:
        """Read `( ... )` of a substitution."""
        self.enter()
        self.at += 1
        if self.skip() != ")":
            self.sequence()
            self.skip()
        self.character(")")
        self.depth -= 1

    def backticks(self, quoted: bool) -> None:
        """Read a substitution in backticks."""
        match = _BACKTICKS.match(self.text, self.at)
        if not match:
            raise Opaque("a quote that is not closed")
        if re.search(r"\\[\\$`\"]", match[1]) or (quoted and '"' in match[1]):
            raise Opaque("an escape in backticks")
        self.enter()
        _Reader(match[1], self.bash, self.depth).whole()
        self.depth -= 1
        self.at = match.end()

    def parameter(self, quoted: bool) -> None:
        """Read `${...}`."""
        match = _PARAMETER.match(self.text, self.at)
        if not match:
            raise Opaque("an unusual expansion")
        prefix, name = match[1], match[2]
        self.at = match.end()
        if prefix and (name in "#?$!-" or (prefix == "!" and not self.bash)):
            raise Opaque("an unusual expansion")
        subscript = _SUBSCRIPT.match(self.text, self.at) if self.bash else None
        if subscript and name.isidentifier():
            self.at = subscript.end()
        if not self.text.startswith("}", self.at):
            if prefix:
                raise Opaque("an unusual expansion")
            self.operator(quoted)
        self.character("}")

    def operator(self, quoted: bool) -> None:
        """Read what stands between a parameter's name and the closing brace."""
        match = _OPERATOR.match(self.text, self.at)
        if not match and not self.bash:
            raise Opaque("a bash expansion under a POSIX shell")
        if not match and (piece := _SLICE.match(self.text, self.at)):
            self.at = piece.end()
            return
        match = match or _BASH_OPERATOR.match(self.text, self.at)
        if not match:
            raise Opaque("an unusual expansion")
        self.at = match.end()
        self.enter()
        while not self.text.startswith("}", self.at):
            self.default(quoted)
        self.depth -= 1

    def default(self, quoted: bool) -> None:
        """Read a part of the word in `${name:-word}` and the like."""
        run = _OPERAND_RUN.match(self.text, self.at)
        assert run
        self.at = run.end()
        char = self.text[self.at : self.at + 1]
        if char == "$":
            self.dollar(quoted)
        elif char == "`":
            self.backticks(quoted)
        elif char == '"' and not quoted:
            self.double_quotes()
        elif char == "'" and not quoted:
            self.single_quotes()
        elif char != "}":
            raise Opaque("an unusual expansion")

    def arithmetic(self) -> None:
        """Read an expression without assignments."""
        self.enter()
        while True:
            unary = _UNARY.match(self.text, self.at)
            assert unary
            self.at = unary.end()
            if self.text.startswith("(", self.at):
                self.at += 1
                self.arithmetic()
                self.character(")")
            elif self.text.startswith("$", self.at):
                before = self.at
                self.dollar(True)
                if self.at == before + 1:
                    raise Opaque("an unusual expression")
            elif number := _NUMBER.match(self.text, self.at):
                self.at = number.end()
            else:
                raise Opaque("an unusual expression")
            self.skip()
            binary = _BINARY.match(self.text, self.at)
            if not binary:
                break
            self.at = binary.end()
        self.depth -= 1


def _end(parts: tuple[Node | str, ...]) -> int:
    last = parts[-1]
    assert not isinstance(last, str)
    return last.end


def _check_braces(bare: str) -> None:
    start, end = bare.find("{"), bare.rfind("}")
    inside = bare[start:end] if 0 <= start < end else ""
    if "," in inside or ".." in inside:
        raise Opaque("brace expansion under a POSIX shell")


def split_words(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of blank-separated words, quotes and substitutions kept whole.

    Raises Opaque where one of them is not closed, or not understood.
    """
    reader = _Reader(text, True)
    while reader.skip():
        start = reader.at
        while reader.at < len(text) and text[reader.at] not in " \t":
            if text[reader.at] in _ENDS and not reader.processed(reader.at):
                reader.at += 1
            else:
                reader.parts()
        yield start, reader.at


def literal(text: str) -> str | None:
    """Return a word after quote removal, or None if the shell would expand anything in it."""
    if _PLAIN.match(text):
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char in "$`*?[]{}~<>();&| \t":
            return None
        if char == "\\":
            at += 1
            if at == len(text):
                return None
            out.append(text[at])
        elif char == "'":
            end = text.find("'", at + 1)
            if end < 0:
                return None
            out.append(text[at + 1 : end])
            at = end
        elif char == '"':
            match = _INSIDE.match(text, at + 1)
            if not match:
                return None
            out.append(re.sub(r'\\(["\\$`])', r"\1", match[0][:-1]))
            at = match.end() - 1
        else:
            out.append(char)
        at += 1
    return "".join(out)
