"""Rust: what Cargo writes, and the shared libraries that crates link to.

A crate that links to a library of the system is called `...-sys`; the lock file names all of them.
The slim images have no library to link to but C's own, so there what the stage installs tells.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping

from refactor.effects.artefact_data import candidates, texts
from refactor.effects.artefact_go import split_assignments
from refactor.effects.artefact_needs import Files, Subject
from refactor.effects.artefact_roots import Needed
from refactor.effects.artefact_walk import Built, World
from refactor.effects.events import Exec
from refactor.effects.placed import Placed
from refactor.facts import libraries
from refactor.facts.images import Family, Image, image
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import runtime
from refactor.knowledge import table

ONE = "of the programs that are built, only those that are named here are run"
SILENT = "the crates that it is built from run no program, and open no file of their own sources"
_NOT_BUILDING = frozenset(
    "add audit bench check chef clean clippy deny doc fetch fmt generate-lockfile info login "
    "machete metadata nextest remove search sqlx test tree udeps update vendor version".split()
)
_LOCKED = re.compile(r"^name = \"([\w-]+)\"$", re.MULTILINE)
_PROCESS = re.compile(r"\bCommand::new\(\s*(?:\"([^\"\n]*)\")?")
_ASKS = re.compile(r"\b(?:std|tokio|async_std|async_process|smol)::process\b|\bprocess::Command\b")
# They ask a server for its certificate.
_PUBLIC = frozenset("openssl-sys native-tls rustls-native-certs openssl-probe curl-sys".split())
_SOURCES = {"openssl-sys": "openssl-src", "pq-sys": "pq-src", "mysqlclient-sys": "mysqlclient-src"}


class RustReader:
    """Reads Cargo and rustup."""

    def __call__(
        self, event: Exec, where: str, env: Mapping[str, str], placed: Placed
    ) -> Built | Unknown | None:
        """Return what a command builds; None if it is not Rust's."""
        own, argv = split_assignments(event)
        if argv[:1] == ("rustup",):
            return Built()
        if argv[:1] != ("cargo",):
            return None
        words = [word for word in argv[1:] if not word.startswith("+")]
        if not words or not where:
            return _unclear(event)
        if words[0] in _NOT_BUILDING:
            return Built()
        manifest = _option(words, "--manifest-path", "-C")
        folder = posixpath.dirname(manifest) if manifest.endswith(".toml") else manifest
        where = posixpath.normpath(posixpath.join(where, folder))
        variables = {**env, **own}
        if words[0] in ("build", "b", "rustc"):
            target = _option(words, "--target-dir") or variables.get("CARGO_TARGET_DIR", "target")
            if "$" in target:
                return _unclear(event)
            output = posixpath.normpath(posixpath.join(where, target))
            return Built(outputs=frozenset({output}), sources=where)
        if words[0] == "install":
            return _installed(event, words, where, variables, placed)
        return _unclear(event)


def _unclear(event: Exec) -> Unknown:
    return Unknown("S502", f"what `{event.text[:80]}` leaves is not known", "split by hand")


def _option(words: list[str], *names: str) -> str:
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word in names:
            return value
        if any(word.startswith(f"{name}=") for name in names):
            return word.partition("=")[2]
    return ""


def _installed(
    event: Exec, words: list[str], where: str, env: Mapping[str, str], placed: Placed
) -> Built | Unknown:
    """Return the programs that `cargo install` writes."""
    home = env.get("CARGO_HOME", "/usr/local/cargo")
    root = _option(words, "--root") or env.get("CARGO_INSTALL_ROOT", home)
    path = _option(words, "--path")
    named = [w for w in words[1:] if not w.startswith("-")]
    names = named if not path else list(binaries(posixpath.join(where, path), placed))
    if "$" in root or not names:
        return _unclear(event)
    folder = posixpath.normpath(posixpath.join(where, root, "bin"))
    sources = posixpath.normpath(posixpath.join(where, path)) if path else ""
    programs = frozenset(posixpath.join(folder, name.partition("@")[0]) for name in names)
    return Built(programs, sources=sources, links="libc" if path else "tool")


def binaries(folder: str, placed: Placed) -> Iterator[str]:
    """Yield the names of a package's programs."""
    folder = posixpath.normpath(folder)
    try:
        data = tomllib.loads(placed.text(posixpath.join(folder, "Cargo.toml")) or "")
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    package, bins = data.get("package"), data.get("bin")
    for one in bins if isinstance(bins, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one["name"]
    if isinstance(package, dict) and isinstance(package.get("name"), str):
        main = placed.kind(posixpath.join(folder, "src/main.rs"))
        if main and not bins:
            yield package["name"]
    for path in placed.below(posixpath.join(folder, "src/bin")):
        yield posixpath.relpath(path, f"{folder}/src/bin").partition("/")[0].removesuffix(".rs")


def files(world: World, needed: Needed, subject: Subject) -> Files | Unknown:
    """Return what stays with the programs that are run."""
    programs: list[tuple[str, str]] = []
    read = texts(world.placed, (p for p in sorted(world.placed.files) if p.endswith(".rs")))
    if isinstance(read, Unknown):
        return read
    for path, text in read.items():
        if _ASKS.search(text):
            programs += [(match[1] or "", path) for match in _PROCESS.finditer(text)]
    packages = linked(world, needed, subject)
    if isinstance(packages, Unknown):
        return packages
    data = candidates(world, "rust")
    asked = not is_static(needed, subject.image) and not _is_full(subject.image)
    return Files(data, tuple(programs), (ONE, SILENT), packages=packages, linked=asked)


def linked(world: World, needed: Needed, subject: Subject) -> tuple[str, ...] | Unknown:
    """Return the packages of the libraries that the program links to."""
    if is_static(needed, subject.image) or not _is_full(subject.image):
        return ()
    locks = [p for p in world.placed.files if posixpath.basename(p) == "Cargo.lock"]
    crates = {name for p in locks for name in _LOCKED.findall(world.placed.text(p) or "")}
    if not crates:
        return Unknown("S501", "without Cargo.lock it is not known which libraries are linked",
                       "commit Cargo.lock, or start from a slim image")  # fmt: skip
    rows = {row["crate"]: row["package"] for row in table("rust_libraries")}
    base = image(runtime(subject.image, "glibc"), {})
    found: set[str] = set()
    for crate in sorted(c for c in crates if c.endswith(("-sys", "_sys"))):
        package = rows.get(crate, "?")
        if package == "-" or _SOURCES.get(crate) in crates or _bundled(world, crate):
            continue
        names = libraries.runtime(package, base) if package != "?" else None
        if names is None:
            return Unknown("S501", f"which library {crate} links to is not known", "split by hand")
        found |= set(names)
    found |= {"ca-certificates"} if found and crates & _PUBLIC else set()
    return tuple(sorted(found))


def _is_full(name: Image) -> bool:
    """Whether an image has headers of many libraries."""
    return "slim" not in name.tag and name.family is Family.DEBIAN


def _bundled(world: World, crate: str) -> bool:
    """Whether a Cargo.toml asks for SQLite to be brought along."""
    if crate != "libsqlite3-sys":
        return False
    tomls = (world.placed.text(p) or "" for p in world.placed.files if p.endswith("Cargo.toml"))
    return any(re.search(r"\"(?:bundled|sqlite-bundled)\"|sqlx\b.*\bsqlite\b", t) for t in tomls)


def is_static(needed: Needed, name: Image) -> bool:
    """Whether what is run is linked statically: the default for musl."""
    return name.family is Family.ALPINE or all(
        "-musl/" in p for p in needed.paths if "/target/" in p
    )


def bases(world: World, needed: Needed, name: Image) -> tuple[str, ...]:
    """Return the kinds of base that run a program."""
    if name.family is Family.ALPINE:
        return ("static", "musl")
    return ("glibc",)
