"""Go: which programs the go command writes, where, and what they need when they run.

Without cgo a program is static (go help environment, CGO_ENABLED). The go command has it off by
default where there is no C compiler, since Go 1.20 (go.dev/doc/go1.20, "Cgo").
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from refactor.effects.artefact_walk import Built
from refactor.effects.events import Exec
from refactor.effects.placed import Placed
from refactor.facts.images import Image
from refactor.facts.installs import Unknown

# They fetch, check or print; what `generate` writes are sources.
_NOT_BUILDING = frozenset(
    "clean doc env fix fmt generate get list mod telemetry test tool version vet work".split()
)
_VALUES = frozenset(
    "-C -asmflags -buildmode -compiler -coverpkg -covermode -gccgoflags -gcflags -installsuffix "
    "-ldflags -mod -modfile -o -overlay -p -pgo -pkgdir -tags -toolexec".split()
)
_MODULE = re.compile(r"^module\s+\"?([^\s\"]+)", re.MULTILINE)
_MAIN = re.compile(r"^package\s+main\b", re.MULTILINE)
_MAJOR = re.compile(r"v[2-9]\d*\Z")
_VERSION = re.compile(r"1\.(\d+)")
_ASSIGNS = re.compile(r"[A-Za-z_]\w*=")
_UNLOCK = "split by hand"
GENERATES = "`go generate` writes nothing but sources"


class GoReader:
    """Reads the go command; `compiler` says whether the image has one for C."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.compiler = "alpine" not in image.tag
        self.modules: dict[str, str] = {}

    def __call__(
        self, event: Exec, where: str, env: Mapping[str, str], placed: Placed
    ) -> Built | Unknown | None:
        """Return what a command builds; None if it is not Go's."""
        own, argv = split_assignments(event)
        if not argv or argv[0] not in ("go", "/usr/local/go/bin/go"):
            return None
        if not where or len(argv) < 2:
            return Unknown("S502", f"where `{event.text[:80]}` runs is not known", _UNLOCK)
        variables = {**env, **own}
        if argv[1:3] == ("mod", "init") and len(argv) == 4:
            self.modules[where] = argv[3]
        if argv[1] in _NOT_BUILDING:
            return Built(assumes=(GENERATES,) if argv[1] == "generate" else ())
        if argv[1] not in ("build", "install"):
            return Unknown("S502", f"what `{event.text[:80]}` leaves is not known", _UNLOCK)
        return self.builds(event, argv, where, variables, placed)

    def builds(
        self, event: Exec, argv: tuple[str, ...], where: str, env: Mapping[str, str],
        placed: Placed,
    ) -> Built | Unknown:  # fmt: skip
        """Return what `go build` or `go install` writes."""
        options, packages = _options(argv[2:])
        where = posixpath.normpath(posixpath.join(where, options.get("-C", ".")))
        names = self.names(packages or ["."], where, placed)
        mode = options.get("-buildmode", "exe")
        if names is None or mode not in ("exe", "default", "pie") or "-linkshared" in options:
            return Unknown("S502", f"what `{event.text[:80]}` builds is not known", _UNLOCK)
        if env.get("GOOS", "linux") != "linux":
            return Unknown("S502", f"`{event.text[:80]}` builds for another system", _UNLOCK)
        links = "static" if self.without_cgo(env, options) and mode != "pie" else "libc"
        if argv[1] == "install" and any("@" in package for package in packages):
            links = "tool"
        target = self.target(argv[1], options, where, names, env, placed)
        if isinstance(target, str):
            return Unknown("S502", f"where `{event.text[:80]}` writes is not known", _UNLOCK)
        return Built(frozenset(target), sources=self.root(where, placed), links=links)

    def target(
        self, verb: str, options: Mapping[str, str], where: str, names: list[str],
        env: Mapping[str, str], placed: Placed,
    ) -> list[str] | str:  # fmt: skip
        """Return the paths of the programs that a build writes."""
        if verb == "install":
            known = env.get("GOBIN") or posixpath.join(env.get("GOPATH", "/go"), "bin")
            plain = known.startswith("/") and ":" not in known and "GOARCH" not in env
            return [posixpath.join(known, name) for name in names] if plain else known
        out = options.get("-o", "")
        if not out:
            return [posixpath.join(where, names[0])] if len(names) == 1 else []
        if "$" in out:
            return out
        path = posixpath.normpath(posixpath.join(where, out))
        if out.endswith("/") or placed.kind(path) == "dir" or path in (where, "/go/bin"):
            return [posixpath.join(path, name) for name in names]
        return [path] if len(names) == 1 else out

    def without_cgo(self, env: Mapping[str, str], options: Mapping[str, str]) -> bool:
        """Whether a build is certain to have cgo off."""
        asked = env.get("CGO_ENABLED", "")
        if asked or "-race" in options or "-msan" in options:
            return asked == "0"
        version = _VERSION.match(self.image.tag)
        newest = self.image.tag in ("alpine", "1-alpine") or self.image.tag.startswith("alpine3.2")
        recent = int(version[1]) >= 20 if version else newest
        return recent and not self.compiler and "GOARCH" not in env

    def names(self, packages: list[str], where: str, placed: Placed) -> list[str] | None:
        """Return the names of the programs of packages; None if they cannot be told."""
        found: list[str] = []
        if packages[0].endswith(".go"):
            return [posixpath.basename(packages[0]).removesuffix(".go")]
        for package in packages:
            if package.endswith("..."):
                inside = list(self.mains(package, where, placed))
                if not inside:
                    return None
                found += inside
                continue
            name = self.name(package.partition("@")[0], where, placed)
            if not name:
                return None
            found.append(name)
        return list(dict.fromkeys(found))

    def name(self, package: str, where: str, placed: Placed) -> str:
        """Return the name of a package's program: the last part of its import path."""
        if package.startswith((".", "/")):
            folder = posixpath.normpath(posixpath.join(where, package))
            root = self.root(folder, placed)
            module = self.module(root, placed)
            inside = posixpath.relpath(folder, root)
            if not module:
                return ""
            package = module if inside == "." else f"{module}/{inside}"
        parts = package.split("/")
        return parts[-2] if len(parts) > 1 and _MAJOR.match(parts[-1]) else parts[-1]

    def mains(self, pattern: str, where: str, placed: Placed) -> Iterator[str]:
        """Yield the names of all programs below a folder."""
        top = posixpath.normpath(posixpath.join(where, pattern[:-3].rstrip("/") or "."))
        folders: dict[str, None] = {}
        for path in placed.below(top):
            hidden = "/vendor/" in path or "/testdata/" in path or path.endswith("_test.go")
            if path.endswith(".go") and not hidden and _MAIN.search(placed.text(path) or ""):
                folders[posixpath.dirname(path)] = None
        for folder in folders:
            yield self.name(folder, where, placed)

    def root(self, folder: str, placed: Placed) -> str:
        """Return the folder of the module that a folder is in; itself if it is in none."""
        at = folder
        while True:
            if at in self.modules or placed.kind(posixpath.join(at, "go.mod")) == "file":
                return at
            if at == "/":
                return folder
            at = posixpath.dirname(at)

    def module(self, folder: str, placed: Placed) -> str:
        """Return the module path of a folder."""
        match = _MODULE.search(placed.text(posixpath.join(folder, "go.mod")) or "")
        return match[1] if match else self.modules.get(folder, "")


def split_assignments(event: Exec) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the variables that a command sets for itself, those of `env` too, and its words."""
    words = [*event.assignments]
    argv = event.argv
    if argv[:1] == ("env",):
        argv = argv[1:]
        while argv and _ASSIGNS.match(argv[0]):
            words.append(argv[0])
            argv = argv[1:]
    pairs = (word.partition("=") for word in words)
    return {name: value.strip("\"'") for name, _, value in pairs}, argv


def _options(words: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Return the options and the packages of a go command."""
    options: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0).replace("--", "-", 1)
        name, equals, value = word.partition("=")
        options[name] = rest.pop(0) if name in _VALUES and not equals and rest else value
    return options, rest
