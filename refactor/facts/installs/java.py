"""Maven's goals that only resolve dependencies; Gradle is refused, as its scripts read anything."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from refactor.facts.installs.options import Line, parse
from refactor.facts.installs.reading import MISSING, OPEN, PROJECT, SCRIPT, WORKSPACE, Look, refuse
from refactor.facts.installs.xml import document, name_of, named, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_GOAL = re.compile(
    r"(?:(?:org\.apache\.maven\.plugins:maven-)?dependency(?:-plugin)?(?::[\d.]+)?:"
    r"(?:go-offline|resolve|resolve-plugins)"
    r"|(?:de\.qaware\.maven:)?go-offline(?:-maven-plugin)?(?::[\d.]+)?:resolve-dependencies)\Z"
)
_GRADLE = re.compile(
    r"(?:[\w:]*:)?(?:dependencies|resolve\w*|download\w*|buildEnvironment)\Z", re.I
)
_EXTENSIONS = frozenset({"os-maven-plugin"})
_BASE = re.compile(r"\$\{(?:project\.)?basedir\}/?")


def maven(words: tuple[str, ...], look: Look) -> str | None:
    """Read `mvn dependency:go-offline` and goals of its kind, for a single module."""
    goals = [w for w in words[1:] if _GOAL.match(w)]
    if not goals:
        return None
    found = parse(words[1:], look, "maven")
    if tuple(goals) != found.arguments:
        other = next((word for word in found.arguments if word not in goals), "nothing")
        refuse("C406", f"it also runs {other}", "give each a RUN of its own")
    for name in ("-pl", "--projects", "-rf", "--resume-from", "-am", "-amd", "-b", "--builder"):
        if found.values(name) or found.has(name):
            refuse(WORKSPACE, f"{name} chooses among modules", "none")
    _wrapper(words[0], look)
    for name in ("MAVEN_ARGS", "MAVEN_OPTS"):
        if re.search(r"(?:^|\s)-(?:f|s|gs|t|javaagent)\b|--(?:file|settings)", look.value(name)):
            refuse(OPEN, f"{name} names files", "name them on the command line")
    _defined(found)
    for value in found.values("-s", "--settings", "-gs", "--global-settings", "-t", "--toolchains"):
        look.has(look.at(value))
    for value in found.values("-l", "--log-file"):
        look.write(look.at(value))
    path = look.at((found.values("-f", "--file") or ["pom.xml"])[-1])
    if look.kind(path) == "dir":
        path = f"{path}/pom.xml"
    _project(look, path)
    look.write("target", folder=posixpath.dirname(path))
    return "maven"


def _defined(found: Line) -> None:
    for value in found.values("-D", "--define"):
        if re.match(r"(?:output|maven\.repo\.local|file\b|settings|maven\.multiModule)", value):
            refuse(OPEN, f"-D{value} names files", "leave it out")


def _wrapper(program: str, look: Look) -> None:
    """Note the wrapper and what it reads, if it is the one that Maven makes."""
    if posixpath.basename(program) != "mvnw":
        look.program(program)
        return
    path = look.at(program)
    if not re.search(r"(?:Apache Maven Wrapper|Maven Start ?[Uu]p [Bb]atch)", look.need(path)):
        refuse(SCRIPT, f"{path} is not known to be Maven's wrapper", "use mvn")
    look.write(".mvn/wrapper/maven-wrapper.jar", folder=posixpath.dirname(path))


def _project(look: Look, path: str) -> None:
    root = document(look.need(path), path)
    folder = posixpath.dirname(path)
    for above in look.above(folder):
        if look.kind(f"{above}/.mvn"):
            refuse(WORKSPACE, f"{above}/.mvn makes it part of a larger project", "none")
    if look.kind(f"{folder}/.mvn") == "dir":
        if look.kind(f"{folder}/.mvn/extensions.xml"):
            refuse(SCRIPT, f"{folder}/.mvn/extensions.xml loads extensions", "none")
        look.whole(f"{folder}/.mvn")
    if any(text_of(module) for module in named(root, "module", "subproject")):
        refuse(WORKSPACE, f"{path} has modules", "a cache mount for ~/.m2")
    _parent(look, root, folder, path)
    for element in named(root, "systemPath"):
        place = _BASE.sub("", text_of(element))
        if look.kind(look.at(place, folder)) == "file":
            look.has(look.at(place, folder))
        elif not place.startswith("/"):
            refuse(MISSING, f"{path} depends on {place}, which is not copied", "copy it")
    for element in named(root, "url"):
        if re.search(r"^file:|\$\{(?:project\.)?basedir\}", text_of(element)):
            refuse(PROJECT, f"{path} has a repository that is a folder", "publish its packages")
    if any(
        len(file) for activation in named(root, "activation") for file in named(activation, "file")
    ):
        refuse(SCRIPT, f"{path} has a profile that looks for files", "none")
    _extensions(root, path)


def _parent(look: Look, root: Element, folder: str, path: str) -> None:
    """Refuse a parent that is a file of the image; one in a repository is fetched."""
    for parent in (child for child in root if name_of(child) == "parent"):
        places = [text_of(element) for element in named(parent, "relativePath")]
        place = places[0] if places else "../pom.xml"
        if not place:
            continue
        where = look.at(place, folder)
        if look.kind(where) or look.kind(f"{where}/pom.xml") or places:
            refuse(WORKSPACE, f"the parent of {path} is {where}", "a cache mount for ~/.m2")


def _extensions(root: Element, path: str) -> None:
    for plugin in named(root, "plugin", "extension"):
        parts = {name_of(child): text_of(child) for child in plugin}
        loads = name_of(plugin) == "extension" or parts.get("extensions", "false") != "false"
        if loads and parts.get("artifactId") and parts["artifactId"] not in _EXTENSIONS:
            refuse(SCRIPT, f"{path} loads the extension {parts['artifactId']}", "none")


def gradle(words: tuple[str, ...], look: Look) -> str | None:
    """Refuse tasks of Gradle that only resolve dependencies."""
    tasks = [word for word in words[1:] if not word.startswith("-")]
    if not any(map(_GRADLE.match, tasks)) and "--refresh-dependencies" not in words:
        return None
    if any(re.fullmatch(r"[\w:]*(?:build|jar|bootJar|assemble|installDist)", t) for t in tasks):
        return None
    refuse(
        SCRIPT, "Gradle runs build scripts, which may read anything", "a cache mount for ~/.gradle"
    )
