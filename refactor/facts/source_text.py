"""What files do that are not Python: rules are looked for in their text, comments left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import NamedTuple

from refactor.facts.evidence import (
    HOLE,
    PROGRAM,
    UNKNOWN,
    File,
    Found,
    Rule,
    Text,
    Texts,
    evidence,
    literal,
    names_of,
    of_text,
    program_names,
    rules,
)
from refactor.facts.source_values import MAX_EXPRESSION, SourceText, pieces, split, with_holes
from refactor.outside.shell_lines import commands, expanded

MAX_CALLS = 2_000


class Grammar(NamedTuple):
    """How a language is read: its comments, how texts are put together, what imports look like."""

    comments: str
    imports: str
    concat: str = r"\+"
    bare: bool = False  # calls may have no parentheses


_SLASHES = r"(?<![\\:])//[^\n]*|/\*.*?(?:\*/|\Z)"
# A string that ends with its line at the latest: an apostrophe may be none.
_STRING = "|".join(
    rf"{quote}[^{quote}\\\n]*(?:\\.[^{quote}\\\n]*)*(?:{quote}|(?=\n)|\\?\Z)" for quote in "\"'"
)
_STRING += r"|`[^`\\]*(?:\\.[^`\\]*)*(?:`|\\?\Z)"
_HASH = r"(?<!\S)#[^\n]*"
_DOTTED = r"^[ \t]*(?:import|using)\s+(?:static\s+)?([\w.]+)"
_GRAMMARS = {
    "javascript": Grammar(
        _SLASHES,
        r"(?:\bfrom\s*|\brequire\s*\(\s*|\bimport\s*\(?\s*)['\"]([^'\"\n]+)['\"]",
    ),
    "go": Grammar(_SLASHES, r"^[ \t]*(?:import\s+)?(?:[\w.]+\s+)?\"([\w./~-]+)\"[ \t]*$"),
    "ruby": Grammar(
        _HASH + r"|^=begin\b.*?(?:^=end|\Z)",
        r"^[ \t]*(?:require|gem)\s*\(?\s*['\"]([^'\"\n]+)",
        bare=True,
    ),
    "php": Grammar(
        f"{_SLASHES}|(?<!\\S)#(?!\\[)[^\\n]*", r"^[ \t]*use\s+\\?([\w\\]+)", r"\.(?!\d)"
    ),
    "java": Grammar(_SLASHES, _DOTTED),
    "rust": Grammar(_SLASHES, r"^[ \t]*(?:pub\s+)?(?:use|extern crate)\s+([\w:]+)"),
    "csharp": Grammar(_SLASHES, _DOTTED),
    "c": Grammar(_SLASHES, r"^[ \t]*#\s*include\s*[<\"]([\w./+-]+)"),
}
_ALIASES = {"typescript": "javascript", "kotlin": "java", "scala": "java"}
_MODULES = {"fs/promises": "fs", "fs-extra": "fs", "graceful-fs": "fs", "cross-spawn": "spawn"}
_RECEIVER = re.compile(r"((?:[\w$@]{1,60}(?:\(\))?\s{0,8}!?(?:\?\.|\.|::|->|\\)\s{0,8}){1,8})\Z")
_MADE = re.compile(r"((?:new\s+)?[\w.$]{1,80}\([^()]{0,200}\))\s*\.\s*\Z")
_SEPARATOR = re.compile(r"\s*!?(?:\?\.|\.|::|->|\\)\s*")
_DEFINITION = re.compile(
    r"(?:\b(?:function|def|func|fn|fun|class|struct|void)\s+|\bfunc\s*\([^()]*\)\s*)\Z"
)
_DATABASES = re.compile(
    rf"(?=[\"'`](?:sqlite[+\w]*:|jdbc:|Data Source=|/root[/\"'`]))(?:{_STRING})"
)
_BACKTICKS = re.compile(rf"%x(?P<open>[({{\[])(?P<inner>.{{1,500}}?)[)}}\]]|(?:{_STRING})")


@dataclass(frozen=True)
class _Call:
    """A call, or an entry of a mapping, as the rules see it."""

    source: SourceText
    start: int
    arguments: list[str]
    on: str = ""

    @property
    def line(self) -> int:
        """Where it is."""
        return self.source.line(self.start)

    def receiver(self) -> Texts:
        """Return what the method is called on."""
        return self.source.texts(self.on) if self.on else UNKNOWN

    def argument(self, names: tuple[str, ...], element: int | None) -> Texts | None:
        """Return an argument, or an element of it."""
        code = self.code(names)
        if given := re.search(r"\bcb\(\s*null\s*,", code):  # a function that hands on a value
            start, end = next(pieces(code, ",", given.end()))
            code = code[start:end]
        return self.source.element(code, element) if code else None

    def code(self, names: tuple[str, ...]) -> str:
        """Return an argument as it is written: by position, keyword, or key of a mapping."""
        for name in names:
            position, _, key = name.partition("{")
            if position.lstrip("-").isdigit():
                index = int(position)
                if not -len(self.arguments) <= index < len(self.arguments):
                    continue
                if not key:
                    return self.arguments[index]
                opened = self.arguments[index].find("{") + 1
                entries = split(self.arguments[index][opened:], ",") if opened else []
                name, candidates = key.rstrip("}"), entries
            else:
                candidates = self.arguments
            for code in candidates:
                if match := re.match(rf"[:'\"]?{re.escape(name)}['\"]?\s*(?::|=>|=)\s*(?!=)", code):
                    return code[match.end() :]
                if code == name:  # { port }
                    return code
        return ""


def read(path: str, text: str, language: str) -> Iterator[tuple[str, Found]]:
    """Yield what a file does, each with the field that it belongs to, imports included."""
    text = literal(text.replace("\r\n", "\n")).text
    if language == "shell":
        yield from _script(path, text)
        return
    language = _ALIASES.get(language, language)
    grammar = _GRAMMARS[language]
    text = _without_comments(text, grammar.comments)
    source = SourceText(path, text, grammar.concat)
    imports = []
    for match in re.finditer(grammar.imports, text, re.MULTILINE):
        name = re.sub(r"::|\\", ".", match[1]).removeprefix("node:")
        imports.append(Found(name, path, source.line(match.start(1))))
    yield from (("imports", found) for found in imports)
    file = File(path, frozenset(found.value for found in imports), frozenset())
    yield from _called(source, language, file, grammar)
    yield from _entered(source, language, file)
    for match in islice(_DATABASES.finditer(text), MAX_CALLS):
        line = source.line(match.start())
        for value in source.texts(source.value_at(match.start())):
            yield from of_text(value, Found("", path, line), frozenset())
    if language in ("ruby", "php"):
        yield from _backticks(source)


def _without_comments(text: str, comments: str) -> str:
    def blank(match: re.Match[str]) -> str:
        return match[0] if match["kept"] else re.sub(r"[^\n]", " ", match[0])

    pattern = rf"(?P<kept>{_STRING})|{comments}"
    return re.sub(pattern, blank, text, flags=re.DOTALL | re.MULTILINE)


@cache
def _tails(language: str, bare: bool) -> re.Pattern[str]:
    names = sorted(
        (re.escape(name) for name in rules(language) if name[:1] not in "{=@"), reverse=True
    )
    opening = r"\s{0,8}(?:\(|(?=[ \t][\"':\w%\[]))" if bare else r"\s{0,8}!?\("
    return re.compile(rf"(?<![\w$])(?P<name>{'|'.join(names)})(?:<[\w<>, ]{{0,60}}>)?{opening}")


def _called(
    source: SourceText, language: str, file: File, grammar: Grammar
) -> Iterator[tuple[str, Found]]:
    """Yield what calls do."""
    found = rules(language)
    aliases = _aliases(source.text) if language == "javascript" else {}
    patterns = [_tails(language, grammar.bare)]
    if renamed := [
        re.escape(name) for name, full in aliases.items() if full.rpartition(".")[2] in found
    ]:
        patterns.append(re.compile(rf"(?<![\w$])(?P<name>{'|'.join(renamed)})\s{{0,8}}\("))
    seen: set[int] = set()
    for pattern in patterns:
        for match in pattern.finditer(source.text):
            at = match.start("name")
            before = source.text[max(0, at - 200) : at]
            if at in seen or _DEFINITION.search(before):
                continue
            seen.add(at)
            if len(seen) > MAX_CALLS:
                yield "too much", Found("", file.path, 1)
                return
            receiver = _RECEIVER.search(before)
            parts = [part for part in _SEPARATOR.split(receiver[1] if receiver else "") if part]
            chained = (
                not parts and before.rstrip()[-1:] in (".", ">") and before.rstrip()[-2:] != "=>"
            )
            full = _full_name([*parts, match["name"]], aliases)
            group = found.get(full.rpartition(".")[2], ())
            fitting = _fitting(group, full, bool(parts) or chained)
            if fitting:
                made = _MADE.search(before) if chained else None
                on = made[1] if made else ".".join(parts)
                call = _Call(source, at, _arguments(source.text, match.end()), on)
                for rule in fitting:
                    yield from evidence(rule, call, file)


def _full_name(parts: list[str], aliases: dict[str, str]) -> str:
    parts = [part.removesuffix("()") for part in parts]
    if parts[0] in aliases:
        parts = [*aliases[parts[0]].split("."), *parts[1:]]
    return ".".join(part for part in parts if part not in ("promises", "default", "verbose"))


def _fitting(group: tuple[Rule, ...], full: str, method: bool) -> list[Rule]:
    """Return the rules that a name fits: all of it, its last two parts, or a method of anything."""
    parts = full.split(".")
    exact = [r for r in group if r.call == full or r.call == ".".join(parts[-2:])]
    return exact or [rule for rule in group if method and rule.call.startswith(".")]


def _arguments(text: str, start: int) -> list[str]:
    if text[start - 1] == "(":
        separators = ","
    else:  # a call without parentheses ends with its line
        separators = r",|(?=\n|;|\s(?:do|if|unless|and|or|rescue)\b)"
        end = re.compile(r"(?<![,\\])\n|;|\s(?:do|if|unless|and|or|rescue)\b|\Z").search(
            text, start
        )
        assert end is not None
        return split(text[start : end.start()], ",")
    spans = list(pieces(text, separators, start))
    if spans[-1][1] == start + MAX_EXPRESSION:
        return ["?"] * 4  # too long: all of it is computed
    return [text[a:b].strip() for a, b in spans if text[a:b].strip()]


_BOUND = re.compile(
    r"""(?:\b(?:const|let|var)\s+(?P<names>[\w$]+|\{[^{}]{0,400}\})\s*=\s*(?:await\s+)?
          (?:require|import)\s*\(\s*['"](?P<required>[^'"\n]+)['"]\s*\)(?P<member>(?:\.\w+)?)
      |\bimport\s+(?:(?P<default>[\w$]+)\s*+,?\s*+)?(?P<braces>\*\s*as\s+[\w$]+|\{[^{}]{0,400}\})?
          \s*+(?:from\s*|=\s*require\s*\(\s*)['"](?P<imported>[^'"\n]+)['"]
      |\b(?:const|let|var)\s+(?P<promised>[\w$]+)\s*=\s*(?:[\w$]+\.)?promisify\((?P<function>[\w$.]+)\))""",
    re.VERBOSE,
)


def _aliases(text: str) -> dict[str, str]:
    """Return what the names that JavaScript imports stand for."""
    found: dict[str, str] = {}
    for match in _BOUND.finditer(text):
        if match["promised"]:
            first, _, rest = match["function"].partition(".")
            full = found.get(first, first)
            found[match["promised"]] = f"{full}.{rest}" if rest else full
            continue
        module = (match["required"] or match["imported"]).removeprefix("node:")
        module = _MODULES.get(module, module)
        if match["default"]:
            found[match["default"]] = module
        names = match["names"] or match["braces"] or ""
        if names.startswith("{"):
            for name in split(names[1:-1], ","):
                old, _, new = (
                    part.strip() for part in re.sub(r"\s+as\s+", ":", name).partition(":")
                )
                found[re.split(r"\s*=", new or old)[0]] = f"{module}.{old}"
        elif names:
            found[names.rpartition(" ")[2]] = module + (match["member"] or "")
    return found


def _entered(source: SourceText, language: str, file: File) -> Iterator[tuple[str, Found]]:
    """Yield what the entries of mappings do."""
    sign = "=" if language == "csharp" else ":"
    for name, group in rules(language).items():
        if name.startswith("{"):
            pattern = rf"(?<![\w$.])['\"]?{re.escape(name[1:-1])}['\"]?\s*{sign}\s*(?![=:])"
            for match in islice(re.finditer(pattern, source.text), MAX_CALLS):
                value = source.value_at(match.end())
                call = _Call(source, match.start(), [f"{name[1:-1]}: {value}"])
                for rule in group:
                    yield from evidence(rule, call, file)


def _backticks(source: SourceText) -> Iterator[tuple[str, Found]]:
    for match in islice(_BACKTICKS.finditer(source.text), MAX_CALLS):
        if not match["inner"] and match[0][0] != "`":
            continue
        line = source.line(match.start())
        for text in source.texts(f'"{match["inner"] or match[0][1:-1]}"'):
            for name in program_names(text.text):
                yield "programs" if name else "unknown", Found(name or PROGRAM, source.path, line)


_HEREDOC = re.compile(
    r"(<<-?[ \t]*\\?(['\"]?)(\w+)\2[^\n]*)\n.*?(?:^[ \t]*\3[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_PATTERN = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s()'\"`$;&|]+)"
_CASE = re.compile(
    rf"^([ \t]*)\(?[ \t]*{_PATTERN}(?:[ \t]*\|[ \t]*{_PATTERN})*[ \t]*\)(?=\s)", re.MULTILINE
)
# Arithmetic and arrays: what stands in their parentheses is no command.
_NUMBERS = re.compile(r"\$?\(\([^()\n]*\)\)|(?<=[\w\]])\+?=\([^()]*\)")
_QUOTED = r"\"[^\"\\]*(?:\\.[^\"\\]*)*(?:\"|\\?\Z)|'[^']*(?:'|\Z)"
_REDIRECT = re.compile(
    rf"(?:{_QUOTED})|(?<![<>&=-])[12&]?>{{1,2}}[|]?[ \t]*"
    r"(?P<target>\"[\w.~$/{-][^\"\n]*\"|'[\w.~/-][^'\n]*'|[\w.~$/{-][^\s\"';|&()<>]*)",
    re.DOTALL,
)
_DEFINED = re.compile(
    r"^[ \t]*(?:function[ \t]+)?([\w-]+)[ \t]*\(\)|^[ \t]*function[ \t]+([\w-]+)", re.MULTILINE
)


def _script(path: str, text: str) -> Iterator[tuple[str, Found]]:
    """Yield what a shell script does."""
    text = _HEREDOC.sub(lambda match: match[1] + "\n" * match[0].count("\n"), text)
    text = expanded(re.sub(_HASH, "", text))
    text = _CASE.sub(r"\1;", _NUMBERS.sub(lambda match: "=0" + "\n" * match[0].count("\n"), text))
    defined = {name for match in _DEFINED.finditer(text) for name in match.groups() if name}
    text = _DEFINED.sub("", text)
    yield from (("functions", Found(name, path, 1)) for name in sorted(defined))
    file = File(path, frozenset(), frozenset())
    source = SourceText(path, text, "")
    for match in islice((m for m in _REDIRECT.finditer(text) if m["target"]), MAX_CALLS):
        redirect = _Words([match["target"].strip("\"'")], source.line(match.start()))
        yield from evidence(Rule(">", "writes", "0", ()), redirect, file)
    for number, command in enumerate(commands(text)):
        if number == MAX_CALLS:
            yield "too much", Found("", path, 1)
            return
        yield from _command([word.value for word in command.words], command.line, file)


def _command(words: list[str], line: int, file: File) -> Iterator[tuple[str, Found]]:
    """Yield what a command of a script does; `$@` is what the script was given to run."""
    names = [*names_of([word if word in ("$@", "$*") else with_holes(word) for word in words])]
    for name in names:
        yield "programs" if name else "unknown", Found(name or PROGRAM, file.path, line)
    if not names or names[-1] not in words:
        return
    arguments = [word for word in words[words.index(names[-1]) + 1 :] if word[:1] != "-"]
    for rule in rules("shell").get(names[-1], ()):
        for argument in arguments if rule.argument == "*" else arguments[-1:]:
            yield from evidence(rule._replace(argument="0"), _Words([argument], line), file)


@dataclass(frozen=True)
class _Words:
    """The words of a shell command as the rules see them."""

    words: list[str]
    line: int

    def receiver(self) -> Texts:
        """Return what is computed: there is none."""
        return UNKNOWN

    def argument(self, names: tuple[str, ...], element: int | None) -> Texts | None:
        """Return a word."""
        return (Text(with_holes(self.words[0])),)

    def code(self, names: tuple[str, ...]) -> str:
        """Return a word as it is written."""
        return self.words[0]


def settings(path: str, text: str) -> Iterator[tuple[str, Found]]:
    """Yield what the properties of a Spring application say, in either of their forms."""
    above: list[tuple[int, str]] = []
    for number, line in enumerate(literal(text).text.split("\n"), 1):
        match = re.match(r"([ \t]*)([\w.-]+)[ \t]*[:=](?:[ \t]+|(?=\S)|\Z)(.*)", line)
        if match is None:
            continue
        above = [item for item in above if item[0] < len(match[1])] + [(len(match[1]), match[2])]
        value = re.sub(r"\$\{[\w.-]+:([^{}]*)\}", r"\1", match[3].strip().strip("\"'"))
        value = re.sub(r"\$\{[^{}]*\}", HOLE, value)
        name = ".".join(key for _, key in above)
        if not value:
            continue
        call = _Words([value], number)
        for rule in rules("spring").get(name.rpartition(".")[2], ()):
            if rule.call == f"={name}":
                yield from evidence(rule, call, File(path, frozenset(), frozenset()))
        yield from of_text(Text(value), Found("", path, number), frozenset())
