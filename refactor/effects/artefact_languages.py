"""The languages that are built: what each needs where it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from refactor.effects import (
    artefact_dotnet,
    artefact_frontend,
    artefact_java,
    artefact_node,
    artefact_ruby,
    artefact_rust,
)
from refactor.effects.artefact_data import candidates, named
from refactor.effects.artefact_go import GoReader
from refactor.effects.artefact_go_sources import sources as go_sources
from refactor.effects.artefact_needs import Files, Language, Needs, Subject, needs, workdir
from refactor.effects.artefact_roots import Needed, Start, starts
from refactor.effects.artefact_walk import Reader, Step, World
from refactor.effects.dropping import packages_of
from refactor.facts import libraries
from refactor.facts.images import Family, Image
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import base, release

# Debian's golang images have it, for Python comes with Mercurial.
MIME_TYPES = "/etc/mime.types"
TYPES = "no type of file is sent that only /etc/mime.types knows"
MODULES = "the modules that it is built from run no program, and open no file of their own sources"
_COMPILERS = frozenset({"gcc", "cc", "clang"})


def _go_reader(image: Image, steps: list[Step]) -> Reader:
    reader = GoReader(image)
    names = [name for step in steps for event in step.events for name in packages_of(event)]
    found = {program for name in names for program in libraries.programs(name)}
    reader.compiler = reader.compiler or bool(found & _COMPILERS)
    return reader


def _go_files(world: World, needed: Needed, subject: Subject) -> Files | Unknown:
    builder = base(subject.image)
    assert builder is not None
    found = go_sources(world)
    if isinstance(found, Unknown):
        return found
    beside = candidates(world, "go", found.embedded - _opened(world, found.opened))
    directory = workdir(subject, builder)
    data = set(beside)
    if found.literal:
        data = named(world, directory, found.names, beside)
    data |= named(world, directory, found.opened, world.placed.files)
    programs = tuple((p.name, f"{p.path}:{p.line}") for p in found.programs)
    linked = "libc" in world.programs.values()
    paths: tuple[str, ...] = ()
    assumes = (MODULES,) if found.modules else ()
    if found.serves and subject.image.family is Family.DEBIAN:
        there = release(subject.image)
        paths, assumes = ((MIME_TYPES,), assumes) if there else ((), (*assumes, TYPES))
    return Files(data, programs, assumes, paths, linked=linked)


def _opened(world: World, names: set[str]) -> set[str]:
    """Return the embedded files that are also opened by their names."""
    return {p for p in world.placed.files if any(n and p.endswith(f"/{n}") for n in names)}


def _go_bases(world: World, needed: Needed, image: Image) -> tuple[str, ...] | Unknown:
    libc = "musl" if image.family is Family.ALPINE else "glibc"
    return (libc,) if "libc" in world.programs.values() else ("static", libc)


def _no_variables(subject: Subject, reference: str) -> Mapping[str, str]:
    return {}


GO = Language("go", frozenset({"golang"}), _go_reader, _go_files, _go_bases, _no_variables,
              "the Go toolchain")  # fmt: skip
FRONTEND = Language(
    "frontend", frozenset({"node"}), lambda image, steps: artefact_frontend.FrontendReader(),
    artefact_frontend.files, artefact_frontend.bases, _no_variables,
    "Node, its packages and what they built from", certificates=False, starts=False,
)  # fmt: skip
JAVA = Language(
    "java", frozenset({"maven", "gradle", "eclipse-temurin", "openjdk"}),
    lambda image, steps: artefact_java.JavaReader(), artefact_java.files, artefact_java.bases,
    _no_variables, "the JDK and what it built with", keeps_all=False,
)  # fmt: skip
RUST = Language(
    "rust", frozenset({"rust"}), lambda image, steps: artefact_rust.RustReader(),
    artefact_rust.files, artefact_rust.bases, _no_variables, "the Rust toolchain",
)  # fmt: skip
DOTNET = Language(
    "dotnet", frozenset({"mcr.microsoft.com/dotnet/sdk"}),
    lambda image, steps: artefact_dotnet.DotnetReader(), artefact_dotnet.files,
    artefact_dotnet.bases, artefact_dotnet.variables, "the SDK", keeps_all=False,
)  # fmt: skip
_COMPILED = {language.name: language for language in (GO, FRONTEND, JAVA, RUST, DOTNET)}
IMAGES = {name: language.images for name, language in _COMPILED.items()} | {
    "node": artefact_node.IMAGES,
    "ruby": artefact_ruby.IMAGES,
}


def is_candidate(subject: Subject, name: str) -> bool:
    """Whether a stage seems to build in a language, and to start what it built."""
    if subject.image.name not in IMAGES[name]:
        return False
    served = any(start.argv[-1:] and _serves(start.argv) for start in starts_of(subject))
    if name == "frontend":
        return served and artefact_node.is_heavy(subject)
    if name == "ruby":
        return artefact_ruby.is_heavy(subject)
    if name == "java":
        builds = re.compile(r"(?:\A|[\s/])(?:mvnw?|gradlew?|javac)\s")
        return any(builds.search(event.text) for event in subject.stage.events)
    return name != "node" or (artefact_node.is_heavy(subject) and not served)


def _serves(argv: tuple[str, ...]) -> bool:
    words = {word.rpartition("/")[2] for text in argv for word in text.split()}
    return bool(words & artefact_frontend.SERVERS) and "node" not in words and "npm" not in words


def starts_of(subject: Subject) -> list[Start]:
    """Return the command lines of the image's own configuration."""
    return [s for s in starts(subject.stage, subject.around) if ":" not in s.where]


def needed_for(subject: Subject, name: str) -> Needs | Unknown:
    """Return what a new stage needs to run what a stage builds in a language."""
    if subject.image.name not in IMAGES[name]:
        return Unknown("S502", f"the base does not build {name}", "split by hand")
    if name == "node":
        return artefact_node.node_needs(subject)
    if name == "ruby":
        return artefact_ruby.ruby_needs(subject)
    return needs(subject, _COMPILED[name])
