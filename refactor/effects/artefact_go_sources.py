"""Go sources: the files that they open, the programs that they run, and what they embed."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from refactor.effects.artefact_data import texts
from refactor.effects.artefact_walk import World, below
from refactor.facts.installs import Unknown

_TOKEN = re.compile(
    r"\"(?:\\.|[^\"\\\n])*\"|`[^`]*`|'(?:\\.|[^'\\\n])+'|//[^\n]*|/\*.*?\*/", re.DOTALL
)
_OPENS = re.compile(
    r"\b(?:os\.(?:Open|OpenFile|ReadFile|ReadDir|Chdir|DirFS|Root)|ioutil\.(?:ReadFile|ReadDir)|"
    r"filepath\.(?:Walk|WalkDir|Glob)|http\.(?:Dir|ServeFile)|tls\.LoadX509KeyPair)\("
    r"|\.(?:ParseFiles|ParseGlob|ServeFile|ListenAndServeTLS|LoadHTMLGlob|LoadHTMLFiles|Static\w*|"
    r"AddConfigPath|SetConfigFile|SendFile|File)\("
)
# They find out at run time where files are.
_COMPUTES = re.compile(
    r"\b(?:runtime\.(?:Caller|GOROOT)|os\.(?:Executable|Getwd)|build\.Default|plugin\.Open)\b"
    r"|\.ReadInConfig\(|\bgodotenv\.\w+\("
)
_SERVES = re.compile(
    r"\bhttp\.(?:FileServer|ServeFile|ServeContent)|\bmime\.TypeBy|\.(?:Static\w*|SendFile)\("
)
_RUNS = re.compile(
    r"\bexec\.(?:Command|LookPath)\(|\bexec\.CommandContext\([^,]*,|\bsyscall\.(?:Exec|ForkExec)\("
    r"|\bos\.StartProcess\("
)
_IMPORT = re.compile(r"\"([\w./~-]+)\"")
_EMBED = re.compile(r"^//go:embed[ \t]+(.+)$", re.MULTILINE)
_REQUIRE = re.compile(r"^\s*require\b", re.MULTILINE)
_MARK = "\ue000"


class Program:
    """A program that the sources run; `name` is empty if it is no literal."""

    def __init__(self, name: str, path: str, line: int) -> None:
        self.name, self.path, self.line = name, path, line


@dataclass
class Sources:
    """What Go sources say. `literal`: names in them are all that is opened.

    `serves`: files are sent to browsers, with a type that is looked up by their names.
    """

    names: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    embedded: set[str] = field(default_factory=set)
    programs: list[Program] = field(default_factory=list)
    literal: bool = True
    modules: bool = False
    serves: bool = False
    cgo: bool = False


def sources(world: World) -> Sources | Unknown:
    """Read the Go sources that a stage builds from."""
    found = Sources()
    paths = [p for p in sorted(world.placed.files) if p.endswith(".go") and "/vendor/" not in p]
    read = texts(world.placed, (p for p in paths if not p.endswith("_test.go")))
    if isinstance(read, Unknown):
        return read
    for path, text in read.items():
        _read(world, path, text, found)
    modules = [p for p in world.placed.files if posixpath.basename(p) == "go.mod"]
    requires = any(_REQUIRE.search(world.placed.text(path) or "") for path in modules)
    found.modules = requires or not modules
    found.literal = found.literal and not found.modules  # a module may open what it likes
    return found


def _read(world: World, path: str, text: str, found: Sources) -> None:
    for match in _EMBED.finditer(text):
        found.embedded |= _embedded(world, posixpath.dirname(path), match[1])
    strings: list[str] = []

    def mark(match: re.Match[str]) -> str:
        token = match[0]
        if token[0] in '"`':
            strings.append(token[1:-1])
            return f"{_MARK}{len(strings) - 1}{_MARK}"
        return " " if token[0] == "/" else "0"

    code = _TOKEN.sub(mark, text)
    found.names |= set(strings)
    imports = set(_IMPORT.findall(text[:8192]))
    found.cgo = found.cgo or "C" in imports
    for match in _OPENS.finditer(code):
        words = [strings[int(n)] for n in _literals(code, match.end())]
        if not words or any(not word.strip("./") for word in words):
            found.literal = False
        found.opened |= set(words)
    found.serves = found.serves or bool(_SERVES.search(code))
    if _COMPUTES.search(code):
        found.literal = False
    if imports & {"os/exec", "syscall", "os"}:
        for match in _RUNS.finditer(code):
            line = text.count("\n", 0, text.find(match[0].partition("(")[0])) + 1
            first = re.match(rf"\s*{_MARK}(\d+){_MARK}", code[match.end() :])
            found.programs.append(Program(strings[int(first[1])] if first else "", path, line))


def _literals(code: str, start: int) -> list[str]:
    """Return the numbers of the strings among a call's arguments."""
    depth, at = 1, start
    while at < min(len(code), start + 400) and depth:
        depth += (code[at] == "(") - (code[at] == ")")
        at += 1
    return re.findall(rf"{_MARK}(\d+){_MARK}", code[start:at])


def _embedded(world: World, folder: str, patterns: str) -> set[str]:
    """Return the files that a go:embed takes into the program."""
    found: set[str] = set()
    for pattern in patterns.replace('"', " ").replace("`", " ").split():
        whole = posixpath.join(folder, pattern.removeprefix("all:"))
        for path in world.placed.files:
            if below(path, whole) or fnmatchcase(path, whole) or fnmatchcase(path, f"{whole}/*"):
                found.add(path)
    return found
