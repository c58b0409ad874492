"""`dotnet restore`, and tools by name."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from refactor.facts.installs.options import Line, action, parse
from refactor.facts.installs.reading import MISSING, OPEN, PROJECT, SCRIPT, Look, refuse
from refactor.facts.installs.xml import document, name_of, named, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_PROJECTS = 300
_PROJECT = re.compile(r"\.(?:cs|fs|vb|dc|es|sql|wix|n)proj\Z|\.proj\Z", re.I)
_SOLUTION = re.compile(r"\.slnx?\Z", re.I)
_LINE = re.compile(r'(?m)^[ \t]*Project\("(\{[^}]*\})"\)\s*=\s*"[^"]*",\s*"([^"]*)"')
_FOLDER = "{2150E333-8FDC-42A3-9474-1A3956D46DE8}"
_ABOVE = re.compile(
    r"\$\(\[MSBuild\]::GetPathOfFileAbove\(\s*'?([\w.-]+)'?\s*(?:,\s*'?\$\(MSBuildThisFileDirectory\)"
    r"([./\\]*)'?\s*)?\)\)\Z"
)
_HERE = re.compile(r"\$\((?:MSBuildThisFileDirectory|MSBuildProjectDirectory|ProjectDir)\)[/\\]?")
_FUNCTIONS = re.compile(
    r"\bSystem\.IO\b|\[MSBuild\]::(?!GetPathOfFileAbove|IsOSPlatform|IsTargetFramework|"
    r"GetTargetFramework|Version|Add|NormalizePath)"
)
_OUTPUT = frozenset(
    "BaseIntermediateOutputPath RestoreOutputPath ArtifactsPath MSBuildProjectExtensionsPath "
    "NuGetLockFilePath UseArtifactsOutput".split()
)
_PROPERTY = re.compile(
    r"[-/]m(?::\d+)?|(?:[-/]p|--property):(?:Configuration|Publish(?:ReadyToRun|Aot|Trimmed)|Version"
    r"|PublishSingleFile|RuntimeIdentifiers?|SelfContained|TargetFrameworks?|Platform|UseAppHost"
    r"|RestoreLockedMode|NuGetAudit|TreatWarningsAsErrors|InvariantGlobalization)=[\w.;$\"{}-]*"
)
_EXISTS = re.compile(r"Exists\(\s*'([^']*)'\s*\)", re.I)
_SHARED = ("Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props",
           "Directory.Solution.props", "Directory.Solution.targets")  # fmt: skip
_NUGET = ("nuget.config", "NuGet.config", "NuGet.Config")


def dotnet(words: tuple[str, ...], look: Look) -> str | None:
    """Read `dotnet restore`, `dotnet tool restore` and `dotnet tool install`."""
    verb = action(words[1:], "dotnet")
    plain = [word for word in words[1:] if not word.startswith("-")]
    tool = plain[1] if verb == "tool" and len(plain) > 1 else ""
    if verb != "restore" and tool not in ("restore", "install"):
        return None
    look.program(words[0])
    arguments = tuple(word for word in words[1:] if not _PROPERTY.fullmatch(word))
    found = parse(arguments, look, "dotnet")
    _named_files(found, look)
    look.up("global.json", "Directory.Build.rsp")
    for path in look.up(*_NUGET):
        _sources(look, path)
    if tool == "restore":
        look.up(".config/dotnet-tools.json", "dotnet-tools.json")
    elif tool == "install":
        for name in found.arguments[2:]:
            if not re.fullmatch(r"\"?[A-Za-z][\w.-]*(?:@[\w.$*{}-]+)?\"?", name):
                refuse(OPEN, f"`{name[:60]}` is not read as a tool", "write it plainly")
        if not found.has("-g", "--global") and not found.values("--tool-path"):
            look.up(".config/dotnet-tools.json", "dotnet-tools.json")
            look.write(".config", "dotnet-tools.json")
    else:
        _restore(look, found)
    return "dotnet"


def _named_files(found: Line, look: Look) -> None:
    for value in found.values("--configfile"):
        _sources(look, look.at(value))
    for value in found.values("--packages", "--tool-path"):
        look.write(look.at(value))
    for value in found.values("-s", "--source", "--add-source"):
        _source(look, value, look.cwd, "the command")
    for name in ("--lock-file-path", "--tool-manifest", "--artifacts-path"):
        if found.values(name):
            refuse(OPEN, f"what {name} asks for is not followed", f"leave {name} out")


def _sources(look: Look, path: str) -> None:
    """Note NuGet's settings, and the folders of packages that they name."""
    root = document(look.need(path), path)
    folder = posixpath.dirname(path)
    for section in named(root, "packageSources"):
        for entry in named(section, "add"):
            _source(look, entry.get("value", ""), folder, path)
    for section in named(root, "config"):
        for entry in named(section, "add"):
            if entry.get("key", "").lower() in ("globalpackagesfolder", "repositorypath"):
                look.write(look.at(entry.get("value", "").replace("\\", "/"), folder))


def _source(look: Look, value: str, folder: str, where: str) -> None:
    if re.match(r"https?://", value):
        return
    if "$" in value or "%" in value:
        refuse(OPEN, f"{where}: the source {value} is not known", "write it out")
    place = look.at(value.replace("\\", "/"), folder)
    if look.kind(place) == "dir":
        look.whole(place)
    elif not value.startswith("/"):
        refuse(MISSING, f"{where}: the source {place} is not among the copied files", "copy it")


def _restore(look: Look, found: Line) -> None:
    if len(found.arguments) > 2:
        refuse(OPEN, f"`{' '.join(found.arguments)}` is not followed", "name one project")
    path = look.at(found.arguments[1].replace("\\", "/")) if found.arguments[1:] else look.cwd
    if look.kind(path) == "dir":
        path = _only(look, path)
    if not look.kind(path):
        refuse(MISSING, f"{path} is not among the copied files", "copy the project files")
    seen: set[str] = set()
    if _SOLUTION.search(path):
        for project in _members(look, path):
            _project(look, project, seen)
    else:
        _project(look, path, seen)
    for project in seen:
        look.makes("obj", folder=posixpath.dirname(project))
        if found.has("--use-lock-file"):
            look.write("packages.lock.json", folder=posixpath.dirname(project))


def _only(look: Look, folder: str) -> str:
    names = [n for n in look.names(folder) if _PROJECT.search(n) or _SOLUTION.search(n)]
    if len(names) != 1 or look.kind(f"{folder}/{names[0]}") != "file":
        refuse(MISSING, f"{folder} has not exactly one project or solution", "name it")
    return posixpath.join(folder, names[0])


def _members(look: Look, path: str) -> list[str]:
    """Return the projects of a solution."""
    text = look.need(path)
    folder = posixpath.dirname(path)
    if path.lower().endswith(".slnx"):
        root = document(text, path)
        places = [element.get("Path", "") for element in named(root, "Project")]
    else:
        places = [place for kind, place in _LINE.findall(text) if kind.upper() != _FOLDER]
    name = posixpath.basename(path)
    look.takes(f"before.{name}.targets", f"after.{name}.targets", folder=folder)
    return [look.at(place.replace("\\", "/"), folder) for place in places]


def _project(look: Look, path: str, seen: set[str]) -> None:
    """Note a project, what it imports, and the projects that it refers to."""
    if path in seen:
        return
    seen.add(path)
    if len(seen) > MAX_PROJECTS:
        refuse(MISSING, "it restores too many projects", "none")
    if not _PROJECT.search(path):
        refuse(SCRIPT, f"{path} is a project of a kind that is not known", "name the projects")
    folder = posixpath.dirname(path)
    imported: set[str] = set()
    for file in (path, *look.up(*_SHARED, folder=folder)):
        _build_file(look, file, folder, imported, seen)
    if look.kind(f"{path}.user"):
        _build_file(look, f"{path}.user", folder, imported, seen)
    look.takes("packages.lock.json", "packages.config", folder=folder)
    for name in look.names(folder):
        if re.fullmatch(r"packages\..+\.lock\.json", name):
            look.has(f"{folder}/{name}")
    look.up("global.json", folder=folder)
    for settings in look.up(*_NUGET, folder=folder):
        _sources(look, settings)
    if f"{folder}/packages.lock.json" in look.reads:
        look.write("packages.lock.json", folder=folder)


def _build_file(look: Look, path: str, project: str, imported: set[str], seen: set[str]) -> None:
    """Note a file of MSBuild, and what it imports."""
    if path in imported:
        return
    imported.add(path)
    text = look.need(path)
    root = document(text, path)
    folder = posixpath.dirname(path)
    if _FUNCTIONS.search(text):
        refuse(SCRIPT, f"{path} reads files with property functions", "write the values out")
    if root.get("InitialTargets") or any(map(_early, named(root, "Target"))):
        refuse(SCRIPT, f"{path} has a target that runs when packages are restored", "none")
    for place in _EXISTS.findall(text):
        _conditional(look, place, folder, path)
    for element in root.iter():
        if name_of(element) == "Import" and not element.get("Sdk"):
            _import(look, element, project, path, imported, seen)
        elif name_of(element) == "ProjectReference":
            for place in (element.get("Include") or "").split(";"):
                if place.strip():
                    _project(look, _at(look, place.strip(), folder, path), seen)
        elif name_of(element) in ("RestoreSources", "RestoreAdditionalProjectSources"):
            for value in text_of(element).split(";"):
                if value.strip() and not value.startswith("$("):
                    _source(look, value.strip(), folder, path)
        elif name_of(element) in _OUTPUT:
            refuse(OPEN, f"{path} sets {name_of(element)}", "leave it out")


def _early(target: Element) -> bool:
    hooked = f"{target.get('BeforeTargets', '')};{target.get('AfterTargets', '')}"
    return bool(re.search(r"restore|collect|nuget|_Generate", hooked, re.I))


def _at(look: Look, place: str, folder: str, path: str) -> str:
    plain = _HERE.sub("", place).replace("\\", "/")
    if (
        "$" in plain
        or "*" in plain
        or (place != plain.replace("/", "\\") and "ProjectDir" in place)
    ):
        refuse(SCRIPT, f"{path} names {place}, which is not followed", "write the path out")
    return look.at(plain, folder)


def _conditional(look: Look, place: str, folder: str, path: str) -> None:
    """Note a file that a condition asks for."""
    if "$(" in _HERE.sub("", place):
        refuse(SCRIPT, f"{path} asks whether {place} is there", "write the path out")
    found = _at(look, place, folder, path)
    if look.kind(found) == "dir":
        refuse(SCRIPT, f"{path} asks whether the folder {found} is there", "none")
    look.has(found)


def _import(
    look: Look, element: Element, project: str, path: str, imported: set[str], seen: set[str]
) -> None:
    place = element.get("Project", "")
    folder = posixpath.dirname(path)
    above = _ABOVE.match(place)
    if above:
        start = look.at(above[2].replace("\\", "/") or ".", folder) if above[2] else project
        for file in look.up(above[1], folder=start):
            _build_file(look, file, project, imported, seen)
        return
    file = _at(look, place, folder, path)
    if look.kind(file) == "file":
        _build_file(look, file, project, imported, seen)
    elif not element.get("Condition"):
        refuse(PROJECT, f"{path} imports {file}, which is not among the copied files", "copy it")
