"""What an expression gives in a language that is read by its text alone."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice

from refactor.facts.evidence import (
    HOLE,
    NOWHERE,
    UNKNOWN,
    VARIABLE,
    Text,
    Texts,
    added,
    joined,
    literal,
    parent,
    several,
)

MAX_EXPRESSION = 2_000
MAX_DEPTH = 8
MAX_VALUES = 8
# Each of these ends somewhere, so that nothing is looked at twice: at a quote, or with the text.
STRING = "|".join(
    rf"{quote}[^{quote}\\]*(?:\\.[^{quote}\\]*)*(?:{quote}|\\?\Z)" for quote in "\"'`"
)
_PARAMETERS = r"\(([^()]{0,400})\)"
_HEADER = re.compile(
    rf"""(?:\bfunction\b\s*+[\w$]*+|\bdef\s++[\w.?!]++|\bfunc\b\s*+(?:\([^()]{{0,200}}\)\s*+)?\w*+
      |\bfun\s++\w++|\bfn\s++\w++(?:<[^<>]{{0,200}}>)?|\b[\w<>\[\]]{{1,60}}[ \t]{{1,8}}\w{{1,60}})
      \s*+{_PARAMETERS}|{_PARAMETERS}[^=\n(){{}}]{{0,80}}=>|\b([\w$]{{1,60}})[ \t]{{0,8}}=>""",
    re.VERBOSE,
)
_BINDING = re.compile(
    r"""(?<![\w$.>:\\])(?:(?:this|self)(?:\.|->)|@)?(?P<name>[\w$]{1,80})(?:[ \t]*,[ \t]*\w+)?
      (?:\s{0,8}:\s{0,8}[\w<>\[\]|&'. ]{1,40}|\s{1,8}(?:string|int))?\s{0,40}:?=(?![=>~])
      |\bdefine\(\s*['"](?P<defined>\w+)['"]\s*,""",
    re.VERBOSE,
)


@lru_cache(maxsize=64)
def _scanner(separators: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<string>{STRING})|(?P<open>[(\[{{])|(?P<close>[)\]}}])|(?:{separators})"
    )


def pieces(text: str, separators: str, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the spans between separators, up to a bracket that was not opened or the limit."""
    depth, begin = 0, start
    for match in _scanner(separators).finditer(text, start, start + MAX_EXPRESSION):
        if match["open"]:
            depth += 1
        elif match["close"]:
            depth -= 1
            if depth < 0:
                yield begin, match.start()
                return
        elif not match["string"] and not depth:
            yield begin, match.start()
            begin = match.end()
    yield begin, min(len(text), start + MAX_EXPRESSION)


def split(text: str, separators: str) -> list[str]:
    """Return what stands between separators outside of brackets and strings."""
    return [text[start:end].strip() for start, end in pieces(text, separators)]


_JOINS = re.compile(
    r"(?:^|\.)(?:(?:path|filepath|File|Paths?)\.(?:join|Join|resolve|get|of|Combine)"
    r"|File|Path|PathBuf\.from|Pathname\.new|Path\.new)\Z"
)
_PARENTS = re.compile(r"(?:^|\.)(?:dirname|Dir)\Z")
_SAME = re.compile(
    r"(?:^|\.)(?:normalize|Abs|Clean|realpath|Number|parseInt|String|Integer|valueOf|from|fileURLToPath"
    r"|Atoi|Itoa|str|intval|uri|Uri|toString|InetSocketAddress|parse|into|to_string|new|promisify)\Z"
)
_FORMATS = re.compile(r"(?:^|\.)(?:Sprintf|sprintf|format)!?\Z")
_TEMPORARY = re.compile(
    r"(?:tmpdir|TempDir|sys_get_temp_dir|createTemp\w+|tempnam|tmpfile|MkdirTemp|CreateTemp|GetTemp\w+"
    r"|Tempfile\.new|Dir\.mktmpdir|temp_dir|tempfile|mkdtemp(?:Sync)?|Buffer|StringIO\.new|StringWriter"
    r"|ByteArrayOutputStream)\Z"
)  # fmt: skip
_ENVIRONMENT = re.compile(
    r"(?:process\.env|import\.meta\.env|Deno\.env|Bun\.env)[.\[].*|ENV\[[^\]]*\]|\$_(?:ENV|SERVER)\[[^\]]*\]",
    re.DOTALL,
)
_NOTHING = re.compile(r"null|nil|undefined|None|nullptr|false")
_HOMES = re.compile(r"(?:homedir|UserHomeDir|home_dir|Dir\.home)\Z")
_HERE = re.compile(r"(?:process\.cwd|Getwd|Dir\.pwd|getcwd|GetCurrentDirectory|current_dir)\Z")
_FOLDERS = frozenset({"__dirname", "__DIR__", "__dir__", "import.meta.dirname"})
_FILES = frozenset({"__filename", "__FILE__", "import.meta.url", "import.meta.filename"})
_STREAMS = frozenset(
    "os.Stdout os.Stderr STDOUT STDERR $stdout $stderr System.out System.err io.Discard".split()
)
_LIST = re.compile(
    r"(?:\[|new\s+\w+\s*\[\s*\]\s*\{|array\(|vec!\[|&\[|\[\]\w+\{|(?:Arrays\.asList|List\.of|listOf)\()"
)

_EMPTY = re.compile(r"new\s+(?:Array|Linked)List\b")


@dataclass(frozen=True)
class SourceText:
    """A file without its comments, and the names that it binds."""

    path: str
    text: str
    concat: str
    memo: dict[str, Texts] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The words in the headers of its functions: what they name is computed."""
        return frozenset(
            word
            for match in _HEADER.finditer(self.text)
            for word in re.findall(r"[\w$]+", match[1] or match[2] or match[3] or "")
        )

    @cached_property
    def ends(self) -> list[int]:
        """Where the lines end."""
        return [match.start() for match in re.finditer("\n", self.text)]

    def line(self, place: int) -> int:
        """Return the number of the line that a place is in."""
        return bisect_left(self.ends, place) + 1

    def texts(self, code: str, depth: int = 0) -> Texts:
        """Return what an expression may give."""
        code = code.strip()
        while code.startswith("(") and next(pieces(code, r"\Z", 1))[1] == len(code) - 1:
            code = code[1:-1].strip()
        code = re.sub(r"\A(?:await\s+|new\s+|[&*]|return\s+)+", "", code)
        if not code or depth > MAX_DEPTH or len(code) > MAX_EXPRESSION:
            return UNKNOWN
        if code[0] in "\"'`@$" and (found := self.literal(code, depth)) is not None:
            return found
        if re.fullmatch(r"\d[\d_]*", code):
            return (Text(code.replace("_", "")),)
        return self.operation(code, depth) or self.name(code, depth)

    def element(self, code: str, index: int | None) -> Texts:
        """Return what an element of a list may be; of what is none, it itself."""
        code = code.strip()
        if index is None:
            return self.texts(code)
        if match := _LIST.match(code) or (index and re.match(r"\(", code)):
            spans = list(pieces(code, ",", match.end()))
            if spans[-1][1] == len(code) - 1:
                items = [code[start:end].strip() for start, end in spans]
                return self.texts(items[index]) if len(items) > index and items[0] else NOWHERE
        if re.fullmatch(r"[\w$]+", code):
            values = list(islice(self.values(code), MAX_VALUES + 1))
            if (
                values
                and all(_LIST.match(value) for value in values)
                and code not in self.parameters
            ):
                return several(self.element(value, index) for value in values)
            if values and not index and all(_EMPTY.match(value) for value in values):
                grown = re.search(rf"(?<![\w$.]){re.escape(code)}\.add\(", self.text)
                return self.texts(self.value_at(grown.end())) if grown else UNKNOWN
        return self.texts(code)

    def literal(self, code: str, depth: int) -> Texts | None:
        """Read a string; None if it is more than one."""
        match = re.fullmatch(
            rf"([@$]*)(?:{STRING})(?:\.(?:to_s|into\(\)|to_string\(\)|freeze))?", code, re.DOTALL
        )
        if match is None:
            return None
        quoted = re.match(STRING, code[len(match[1]) :], re.DOTALL)
        assert quoted is not None
        quote, body = quoted[0][0], quoted[0][1:-1]
        if len(quoted[0]) < 2 or quoted[0][-1] != quote:
            return UNKNOWN
        body = literal(re.sub(r"\\(.)", r"\1", body, flags=re.DOTALL)).text
        if quote == "'":
            return (Text(body),)
        found: Texts = (Text(""),)
        at = 0
        for hole in re.finditer(
            r"[$#]\{([^{}]*)\}|\{(\$[^{}]*)\}|(\$\w+(?:->\w+|\[[^\]]*\])?)|(\{[^{}]*\})", body
        ):
            if hole[4] and "$" not in match[1]:
                continue
            found = added(found, (Text(body[at : hole.start()]),))
            inner = hole[1] or hole[2] or hole[3]
            found = added(found, self.texts(inner, depth + 1) if inner else UNKNOWN)
            at = hole.end()
        return added(found, (Text(body[at:]),))

    def operation(self, code: str, depth: int) -> Texts | None:
        """Read alternatives and texts behind each other; None if it is no operation."""
        _, *branches = split(code, r"\?(?![.?:])")
        if len(branches) == 1 and len(ends := split(branches[0], r":(?!:)")) == 2:
            return several(self.texts(end, depth + 1) for end in ends)
        choices = split(code, r"\|\||\?\?|\?:|\bor\b")
        if len(choices) > 1:
            return several(self.texts(choice, depth + 1) for choice in choices)
        parts = split(code, self.concat)
        if len(parts) < 2 or not all(parts):
            return None
        found = self.texts(parts[0], depth + 1)
        for part in parts[1:]:
            found = added(found, self.texts(part, depth + 1))
        return found

    def name(self, code: str, depth: int) -> Texts:
        """Read a name, or a call."""
        if code in _FOLDERS:
            return parent((Text(self.path, in_source=True),))
        if code in _FILES:
            return (Text(self.path, in_source=True),)
        if code in _STREAMS or _NOTHING.fullmatch(code):
            return NOWHERE
        if _ENVIRONMENT.fullmatch(code):
            return VARIABLE
        if code == "Rails.root":
            return (Text(".", in_source=True),)
        if match := re.match(r"[\w$.:\\>!?-]+?\s*\(", code):
            return self.call(code, match.end(), depth)
        if match := re.fullmatch(
            r"(?:(?:this|self|static|Self)(?:\.|->|::)|@|self::)?([\w$]+)", code
        ):
            return self.constant(match[1], depth)
        last = re.search(r"(?:\.|::|->)([A-Z][A-Z0-9_]*)\Z", code)
        return self.constant(last[1], depth) if last else UNKNOWN

    def call(self, code: str, opened: int, depth: int) -> Texts:
        """Read what a call gives."""
        spans = list(pieces(code, ",", opened))
        if spans[-1][1] >= len(code):
            return UNKNOWN
        rest = code[spans[-1][1] + 1 :].strip()
        if rest and not re.fullmatch(
            r"(?:\.(?:toFile|toString|unwrap|to_s|to_string|path|promises)\b(?:\(\))?)+", rest
        ):
            return self.chain(code, rest, depth)
        name = re.sub(r"::|->|\\", ".", code[: opened - 1].strip())
        arguments = [code[start:end].strip() for start, end in spans if code[start:end].strip()]
        if _TEMPORARY.search(name):
            return NOWHERE
        if _HOMES.search(name) or "user.home" in code:
            return (Text("~"),)
        if _HERE.search(name) or "user.dir" in code:
            return (Text("."),)
        values = (self.texts(argument, depth + 1) for argument in arguments)
        if name.endswith(".get") and code.endswith(("'port')", '"port")')):
            found = re.search(r"\.set\(\s*['\"]port['\"]\s*,", self.text)
            return self.texts(self.value_at(found.end()), depth + 1) if found else UNKNOWN
        if re.search(r"env\w*(?:\.fetch|\.var)?\Z|cmp\.Or\Z", name, re.IGNORECASE):
            others = list(values)[1:]
            return several(others) if others else VARIABLE
        if not arguments:
            return UNKNOWN
        return self.known_call(name, arguments, list(values), depth)

    def known_call(self, name: str, arguments: list[str], values: list[Texts], depth: int) -> Texts:
        """Read a call of a function that handles paths or texts."""
        if _FORMATS.search(name) and len(values[0]) == 1:
            found: Texts = (Text(""),)
            head, *parts = re.split(r"%[-+ #0]*[\d*.]*[a-zA-Z]|\{\w*\}", values[0][0].text)
            found = (Text(head),)
            for part, value in zip(parts, (*values[1:], *[UNKNOWN] * len(parts)), strict=False):
                found = added(added(found, value), (Text(part),))
            return found
        if name.endswith(("expand_path", "URL")) and len(values) == 2:
            base = parent(values[1]) if arguments[1] in _FILES else values[1]
            return joined(base, values[0])
        if _PARENTS.search(name):
            return parent(values[0])
        if _JOINS.search(name):
            found = values[0]
            for value in values[1:]:
                found = joined(found, value)
            return found
        if name.endswith((".join", ".resolve")):
            found = self.texts(name.rpartition(".")[0], depth + 1)
            for value in values:
                found = joined(found, value)
            return found
        return values[0] if _SAME.search(name) or name.endswith("expand_path") else UNKNOWN

    def chain(self, code: str, rest: str, depth: int) -> Texts:
        """Read a method of what a call gives: a default, or a path below."""
        default = re.fullmatch(
            r"\.(?:(?:unwrap_or|unwrap_or_else|getOrElse|orElse)\((?:\|\w*\|)?"
            r"|getOrDefault\([^,()]*,)(.*)\)",
            rest,
            re.DOTALL,
        )
        if default:
            return self.texts(default[1], depth + 1)
        below = re.fullmatch(r"\.(?:join|resolve)\((.*)\)", rest, re.DOTALL)
        if below:
            return joined(
                self.texts(code[: -len(rest)], depth + 1), self.texts(below[1], depth + 1)
            )
        return UNKNOWN

    def constant(self, name: str, depth: int) -> Texts:
        """Read a name by what the file binds it to."""
        if name not in self.memo:
            self.memo[name] = UNKNOWN
            values = islice(self.values(name), MAX_VALUES + 1)
            found = [self.texts(value, depth + 1) for value in values]
            if name in self.parameters or not found or len(found) > MAX_VALUES:
                found = [*found[:MAX_VALUES], UNKNOWN]
            self.memo[name] = several(found)
        return self.memo[name]

    @cached_property
    def bindings(self) -> dict[str, list[int]]:
        """Where the values begin that names are bound to."""
        found: dict[str, list[int]] = {}
        for match in _BINDING.finditer(self.text):
            found.setdefault(match["name"] or match["defined"], []).append(match.end())
        return found

    def values(self, name: str) -> Iterator[str]:
        """Yield the expressions that a name is bound to."""
        if "@Value" in self.text:
            setting = r'@Value\(\s*"\$\{[^{}:"]*(?::([^{}"]*))?\}"\s*\)[^;=()]*\b'
            for match in re.finditer(rf"{setting}{re.escape(name)}\s*;", self.text):
                yield "process.env.X" if match[1] is None else f'"{match[1]}"'
        for place in self.bindings.get(name, ()):
            yield self.value_at(place)

    def value_at(self, start: int) -> str:
        """Return the expression that begins at a place."""
        start += len(self.text[start : start + 200]) - len(self.text[start : start + 200].lstrip())
        ends = r"[;,]|\n(?!\s*(?:[.+?|:]|&&))"
        begin, end = next(pieces(self.text, ends, start))
        return self.text[begin:end].strip()


def with_holes(text: str) -> str:
    """Return the word of a shell with a hole for each expansion that has no default."""
    text = re.sub(r"\$\{\w+:?[-=]([^${}]*)\}", r"\1", text)
    return re.sub(r"\$(?:\{[^{}]*\}|\w+|[@*#?!$-])|`[^`]*`|\$\(.*", HOLE, text)
