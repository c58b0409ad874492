""".NET: what `dotnet publish` writes, and which runtime it needs.

The SDK's images set variables that the runtime's do not: up to .NET 7 they clear the port that
the runtime's ask for, so the new stage clears it too.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from refactor.effects.artefact_data import candidates, texts
from refactor.effects.artefact_needs import Files, Subject, environment
from refactor.effects.artefact_roots import Needed, starts
from refactor.effects.artefact_walk import Built, World
from refactor.effects.events import Exec
from refactor.effects.placed import Placed
from refactor.facts.images import Image
from refactor.facts.installs import Unknown

CONTENT = "what is published needs no package of NuGet's cache, and no program of the SDK"
_NOT_BUILDING = frozenset("restore clean test tool nuget --version --info new format".split())
_OUT = ("-o", "--output")
_VALUES = frozenset("-c --configuration -f --framework -r --runtime -a --arch --os -v --verbosity "
                    "-o --output -p --version-suffix --manifest -s --source".split())  # fmt: skip
_FRAMEWORK = re.compile(r"<TargetFrameworks?>\s*([^<]+?)\s*</TargetFrameworks?>")
_WEB = re.compile(
    r"Microsoft\.NET\.Sdk\.(?:Web|Razor|BlazorWebAssembly)|Microsoft\.AspNetCore\.App"
)
_PROJECT = (".csproj", ".fsproj", ".vbproj")
_PROCESS = re.compile(r"\bProcess\.Start\(\s*(?:\"([^\"\n]*)\")?|new ProcessStartInfo\b")
_VERSION = re.compile(r"(\d+)\.(\d+)")
_UNLOCK = "publish with `dotnet publish -o`, or split by hand"


class DotnetReader:
    """Reads the dotnet command."""

    def __call__(
        self, event: Exec, where: str, env: Mapping[str, str], placed: Placed
    ) -> Built | Unknown | None:
        """Return what a command builds; None if it is not .NET's."""
        if event.argv[:1] != ("dotnet",):
            return None
        verb = event.argv[1] if len(event.argv) > 1 else ""
        if verb in _NOT_BUILDING:
            return Built()
        if verb == "build":
            return Built(sources=where)
        if verb != "publish" or not where:
            return Unknown("S502", f"what `{event.text[:80]}` leaves is not known", _UNLOCK)
        out, words = "", list(event.argv[2:])
        rest: list[str] = []
        while words:
            word = words.pop(0)
            name, equals, value = word.partition("=")
            if name in _VALUES and not equals and words:
                value = words.pop(0)
            if name in _OUT:
                out = value
            elif not word.startswith("-") and not re.match(r"/p(?:roperty)?:", word):
                rest.append(word)
        if not out or "$" in out:
            return Unknown("S502", f"where `{event.text[:80]}` writes is not known", _UNLOCK)
        project = posixpath.normpath(posixpath.join(where, rest[0])) if rest else where
        sources = posixpath.dirname(project) if project.endswith(_PROJECT) else project
        output = posixpath.normpath(posixpath.join(where, out))
        return Built(outputs=frozenset({output}), sources=sources if rest else where)


def files(world: World, needed: Needed, subject: Subject) -> Files | Unknown:
    """Return what stays with what is published."""
    for start in starts(subject.stage, subject.around):
        words = [w for text in start.argv for w in text.split()]
        if "dotnet" in words[:-1] and not any(w.endswith(".dll") for w in words):
            return Unknown("S510", f"{start.where} needs the SDK", "start what is published")
    projects = [p for p in world.placed.files if p.endswith((*_PROJECT, ".props"))]
    contents = [world.placed.text(path) or "" for path in projects]
    version = _VERSION.match(subject.image.tag)
    wanted = {f for text in contents for f in _FRAMEWORK.findall(text)}
    if version is None or wanted - {"netstandard2.0", "netstandard2.1"} != {f"net{version[0]}"}:
        return Unknown("S503", "the projects are not built for the version of the image alone",
                       "name that version as TargetFramework")  # fmt: skip
    outputs = {o for o in world.outputs if any(p.startswith(f"{o}/") for p in needed.paths)}
    code = (p for p in sorted(world.placed.files) if p.endswith((".cs", ".fs", ".vb")))
    read = texts(world.placed, code)
    if isinstance(read, Unknown):
        return read
    programs = tuple(
        (match[1] or "", path) for path, text in read.items() for match in _PROCESS.finditer(text)
    )
    return Files(candidates(world, "dotnet"), programs, (CONTENT,), tuple(sorted(outputs)))


def bases(world: World, needed: Needed, image: Image) -> tuple[str, ...]:
    """Return the kind of runtime that a project needs."""
    contents = (world.placed.text(p) or "" for p in world.placed.files if p.endswith(_PROJECT))
    return ("aspnet",) if any(_WEB.search(text) for text in contents) else ("dotnet",)


def variables(subject: Subject, reference: str) -> Mapping[str, str]:
    """Return the variables that the runtime's image sets, and the SDK's does not."""
    version = _VERSION.match(subject.image.tag)
    old = version is not None and int(version[1]) < 8
    own = environment(subject.stage)
    return {"ASPNETCORE_URLS": ""} if old and "ASPNETCORE_URLS" not in own else {}
