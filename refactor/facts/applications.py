"""What the application in a build context does when it runs, as far as its sources tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from refactor.facts.evidence import Found as Found
from refactor.knowledge import table
from refactor.sent import Sent

MAX_FILES = 5_000
MAX_READ = 2 * 1024 * 1024
MAX_FOUND = 2_000


@dataclass(frozen=True)
class Application:
    """What is found in the sources, each with a place as evidence; see `Found` for paths.

    `ports` it listens on, `writes` to paths, runs `programs`, loads shared `libraries` and
    `downloads` data by name, and uses the `home` of its user. `imports` are Python modules and
    JavaScript packages. `unknown` is what could not be told, with the reason; `complete` is
    False if files were left out.
    """

    languages: frozenset[str] = frozenset()
    frameworks: tuple[Found, ...] = ()
    ports: tuple[Found, ...] = ()
    writes: tuple[Found, ...] = ()
    programs: tuple[Found, ...] = ()
    downloads: tuple[Found, ...] = ()
    libraries: tuple[Found, ...] = ()
    home: tuple[Found, ...] = ()
    imports: frozenset[str] = frozenset()
    unknown: tuple[Found, ...] = ()
    complete: bool = True


_LANGUAGES = {
    "python": "py pyw",
    "javascript": "js mjs cjs jsx",
    "typescript": "ts mts cts tsx",
    "go": "go",
    "ruby": "rb rake gemspec ru",
    "php": "php phtml",
    "java": "java",
    "kotlin": "kt kts",
    "scala": "scala",
    "rust": "rs",
    "csharp": "cs",
    "c": "c cc cpp cxx h hpp",
    "shell": "sh bash",
}
# Languages that are known by name only.
_UNREAD = {
    "elixir": "ex exs",
    "erlang": "erl",
    "perl": "pl pm",
    "lua": "lua",
    "r": "r",
    "swift": "swift",
    "dart": "dart",
    "haskell": "hs",
    "clojure": "clj cljc",
    "visual basic": "vb",
    "f#": "fs",
    "crystal": "cr",
    "julia": "jl",
    "groovy": "groovy",
    "compiled code": "jar war ear exe dll so pyc phar wasm class",
}
_BY_SUFFIX = {
    suffix: language
    for table_of in (_LANGUAGES, _UNREAD)
    for language, suffixes in table_of.items()
    for suffix in suffixes.split()
}
_BY_NAME = {"Rakefile": "ruby", "Gemfile": "ruby", "config.ru": "ruby", "artisan": "php"}
_INTERPRETERS = (
    ("python", re.compile(r"python[\d.]*|uv")),
    ("javascript", re.compile(r"node|bun|deno|zx")),
    ("ruby", re.compile(r"ruby")),
    ("php", re.compile(r"php[\d.]*")),
    ("shell", re.compile(r"(?:ba|da|a|z|k)?sh")),
    ("perl", re.compile(r"perl")),
)
# Tests, and programs of the developer: what they do, the application does not.
_ASIDE = re.compile(
    r"(?:^|/)(?:docs?|tests?|__tests__|spec|e2e|cypress|[\w-]+-tests?)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|noxfile\w*|setup|fabfile)\.py\Z"
    r"|_test\.go\Z|_(?:spec|test)\.rb\Z|\.(?:spec|test|e2e|cy|stories|conf|config)\.[cm]?[jt]sx?\Z"
    r"|(?:^|/)(?:[Gg]ulpfile|Gruntfile|webpack[^/]*)\.[cm]?[jt]s\Z|(?:Test|Tests|IT)\.(?:java|kt|cs)\Z"
    r"|(?:^|/)(?:Rakefile|gradlew|mvnw)\Z|\.(?:gemspec|rake|gradle\.kts|d\.ts)\Z"
)
_MINIFIED = 500  # characters in a line, on average
_SPRING = re.compile(r"(?:^|/)(?:application|bootstrap)[\w-]*\.(?:properties|ya?ml)\Z")
_WRAPPERS = re.compile(r"(?:gradle|maven)-wrapper\.jar\Z")
TOO_MUCH = "too much is found: other programs that it runs and paths that it writes are not known"
UNREAD = "{}: the programs that it runs and the paths that it writes are not known"


@cache
def _modules(language: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return what modules mean: fields and values."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for row in table("imports"):
        if row["language"] == language:
            known = found.get(row["module"], ())
            found[row["module"]] = (*known, (row["kind"], row["value"]))
    return found


def _meanings(language: str, found: Found) -> Iterator[tuple[str, Found]]:
    """Yield what an import means, by the longest part of its name that is in the table."""
    name = found.value
    known = _modules(
        {"typescript": "javascript", "kotlin": "java", "scala": "java"}.get(language, language)
    )
    while name not in known and re.search(r"[./]", name):
        name = re.split(r"[./](?=[^./]*\Z)", name)[0]
    for kind, value in known.get(name, ()):
        yield kind, found._replace(value=value)


class _Findings:
    """What is found so far."""

    def __init__(self) -> None:
        self.fields: dict[str, dict[Found, None]] = {}
        self.languages: set[str] = set()
        self.imports: set[str] = set()
        self.complete = True

    def add(self, findings: Iterable[tuple[str, Found]]) -> None:
        """Keep findings, at most so many of a field."""
        for kind, found in findings:
            if kind == "too much":
                self.complete = False
                self.unknown(UNREAD.format("too much"), found.path)
                continue
            kept = self.fields.setdefault(kind, {})
            if kind in ("frameworks", "functions"):
                if all(found.value != other.value for other in kept):
                    kept[found] = None
            elif len(kept) < MAX_FOUND:
                kept[found] = None
            else:
                self.complete = False
                self.fields.setdefault("unknown", {})[found._replace(value=TOO_MUCH, line=1)] = None

    def unknown(self, reason: str, path: str) -> None:
        """Keep what could not be told of a file."""
        self.add([("unknown", Found(reason, path, 1))])

    def imported(self, language: str, found: Found, aside: bool) -> None:
        """Keep an import, and what it means."""
        if language == "python":
            self.imports.add(found.value.partition(".")[0])
        elif language in ("javascript", "typescript") and found.value[:1] not in ("", ".", "/"):
            parts = found.value.split("/")
            self.imports.add("/".join(parts[: 2 if found.value.startswith("@") else 1]))
        if not aside:
            self.add(_meanings(language, found))

    def result(self) -> Application:
        """Return them in the order of places."""
        functions = {found.value for found in self.fields.pop("functions", ())}
        self.fields["programs"] = {
            found: None for found in self.fields.get("programs", ()) if found.value not in functions
        }
        fields = {
            kind: tuple(sorted(found, key=lambda item: (item.path, item.line, item.value)))
            for kind, found in self.fields.items()
        }
        return Application(
            languages=frozenset(self.languages), imports=frozenset(self.imports - {""}),
            complete=self.complete, **fields,
        )  # fmt: skip


@lru_cache(maxsize=8)
def application(sent: Sent) -> Application:
    """Return what the sources in a build context say of the application."""
    findings = _Findings()
    findings.complete = sent.complete
    python: list[tuple[str, str]] = []
    left = {True: MAX_READ, False: MAX_READ}  # for Python, and for other languages
    for path in sorted(sent.files, key=lambda path: (path.count("/"), path)):
        language = _language(sent, path)
        if not language or sent.files[path] != "file":
            continue
        if language in _UNREAD:
            findings.unknown(UNREAD.format(language), path)
        if language != "compiled code" and language != "spring":
            findings.languages.add(language)
        if language in _UNREAD:
            continue
        is_python = language == "python"
        text = sent.text(path) if left[is_python] >= 0 else ""
        if text is None:
            findings.unknown(UNREAD.format("too large"), path)
            findings.complete = False
        elif left[is_python] < 0 or (not is_python and _is_minified(path, text, findings)):
            continue
        elif len(text) > left[is_python]:
            findings.unknown(UNREAD.format("too much"), path)
            findings.complete = False
            left[is_python] = -1
        else:
            left[is_python] -= len(text)
            if is_python:
                python.append((path, text))
            else:
                _read_text(path, text, language, findings)
    _read_python(python, findings)
    return findings.result()


def _language(sent: Sent, path: str) -> str:
    """Return the language of a file, by its name or the first line of what has no suffix."""
    name = path.rpartition("/")[2]
    if name in _BY_NAME:
        return _BY_NAME[name]
    if _SPRING.search(path):
        return "spring"
    _, dot, suffix = name.rpartition(".")
    if dot:
        return "" if _WRAPPERS.search(path) else _BY_SUFFIX.get(suffix.lower(), "")
    head = b"" if name.startswith(("Dockerfile", "Makefile")) else sent.context.head(path, 128)
    if not head.startswith(b"#!"):
        return "compiled code" if head.startswith(b"\x7fELF") else ""
    words = re.split(r"[\s/]+", head.split(b"\n")[0].decode("utf-8", "replace"))
    for language, interpreter in _INTERPRETERS:
        if any(interpreter.fullmatch(word) for word in words):
            return language
    return "script"


def _is_minified(path: str, text: str, findings: _Findings) -> bool:
    """Whether a file is written by a program for programs; most are for the browser."""
    if len(text) <= _MINIFIED * (text.count("\n") + 4):
        return False
    server = re.search(r"child_process|require\(['\"](?:node:)?fs['\"]\)", text)
    if (server or not path.endswith("js")) and not _ASIDE.search(path):
        findings.unknown(UNREAD.format("long lines"), path)
    return True


def _read_text(path: str, text: str, language: str, findings: _Findings) -> None:
    from refactor.facts.source_text import read, settings

    if language == "spring":
        findings.add(settings(path, text))
        return
    aside = bool(_ASIDE.search(path))
    for kind, found in read(path, text, language):
        if kind == "imports":
            findings.imported(language, found, aside)
        elif not aside:
            findings.add([(kind, found)])


def _read_python(files: list[tuple[str, str]], findings: _Findings) -> None:
    from refactor.facts.python_app import Project

    project = Project()
    for path, text in files:
        module = project.look(path, text)
        aside = bool(_ASIDE.search(path))
        if module is None and not aside:
            findings.unknown(UNREAD.format("does not parse"), path)
        for found in module.imports if module else ():
            findings.imported("python", found, aside)
    imports = frozenset(findings.imports)
    for module in project.modules:
        if not _ASIDE.search(module.source.path):
            findings.add(project.read(module, imports))
