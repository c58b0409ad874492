"""Java: what Maven and Gradle write, and which jar files run on a JRE by themselves."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from refactor.effects.artefact_data import candidates, named, texts
from refactor.effects.artefact_needs import Files, Subject, workdir
from refactor.effects.artefact_roots import Needed
from refactor.effects.artefact_walk import Built, World, below
from refactor.effects.events import Exec
from refactor.effects.placed import Placed
from refactor.facts.images import Image
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import base

JRE = "nothing in it needs more than a JRE: no compiler, no attaching, none of the JDK's tools"
_MAVEN = re.compile(r"(?:.*/)?mvnw?\Z")
_GRADLE = re.compile(r"(?:.*/)?gradlew?\Z")
_RUNS = re.compile(r"(?:spring-boot:run|jetty:run|exec:java|quarkus:dev|\b(?:run|bootRun)\Z)")
_MAX_POM = 512 * 1024
_SOURCE = re.compile(r".+\.(?:java|kt|scala|groovy)\Z")
_JDK = re.compile(r"\bjavax\.tools\b|\bcom\.sun\.(?:tools|jdi)\b|\bjdk\.jshell\b|\bToolProvider\b")
_PROCESS = re.compile(r"\bProcessBuilder\(\s*(?:listOf\(|Arrays\.asList\()?|\.exec\(\s*")
_STRING = re.compile(r"\"([^\"\\\n]*)\"")
_INSTALLED = re.compile(r"(.+/build/install/[^/]+)/bin/[^/]+\Z")
_QUARKUS = re.compile(r"(.+/quarkus-app)/quarkus-run\.jar\Z")
_DEPENDENCY = re.compile(r"^\s*(?:implementation|api|runtimeOnly|compile|runtime)\b", re.MULTILINE)
_COPIED = re.compile(r"<outputDirectory>\s*\$\{project\.build\.directory\}/([\w-]+)\s*<")
_UNLOCK = "build one jar with everything in it (shade, assembly, Spring Boot), or split by hand"


class JavaReader:
    """Reads Maven, Gradle and what moves their jars."""

    def __call__(
        self, event: Exec, where: str, env: Mapping[str, str], placed: Placed
    ) -> Built | Unknown | None:
        """Return what a command builds; None if it is not Java's."""
        if not event.argv:
            return None
        name = event.argv[0]
        if name in ("cp", "mv") and len(event.argv) == 3 and where:
            return _moved(event, where)
        maven = bool(_MAVEN.match(name))
        if not maven and not _GRADLE.match(name):
            return None
        folder = _option(event.argv, ("-f", "--file") if maven else ("-p", "--project-dir"))
        where = posixpath.normpath(posixpath.join(where, folder)) if where else ""
        if where.endswith((".xml", ".kts", ".gradle")):
            where = posixpath.dirname(where)
        if not where or any(_RUNS.search(word) for word in event.argv[1:]):
            return Unknown("S502", f"what `{event.text[:80]}` leaves is not known", "split by hand")
        output, manifest = ("target", "pom.xml") if maven else ("build", "build.gradle")
        outputs = {posixpath.join(where, output)}
        for path in placed.below(where):
            if posixpath.basename(path).startswith(manifest):
                outputs.add(posixpath.join(posixpath.dirname(path), output))
        return Built(outputs=frozenset(outputs), sources=where)


def _option(words: tuple[str, ...], names: tuple[str, ...]) -> str:
    for word, value in zip(words, (*words[1:], ""), strict=True):
        if word in names:
            return value
        if word.startswith(tuple(f"{name}=" for name in names)):
            return word.partition("=")[2]
    return "."


def _moved(event: Exec, where: str) -> Built | None:
    """Return the jar that a copy of the one jar of an output is."""
    source, target = (posixpath.normpath(posixpath.join(where, w)) for w in event.argv[1:])
    folder = f"/{posixpath.dirname(source)}/"
    jar = target.endswith((".jar", ".war")) and source.endswith((".jar", ".war"))
    if not jar or not ("/target/" in folder or "/build/" in folder) or "$" in event.text:
        return None
    return Built(frozenset({target}), links=f"jar {source}")


def files(world: World, needed: Needed, subject: Subject) -> Files | Unknown:
    """Return what stays with the jars that are run."""
    extra: set[str] = set()
    for path in [path for path in needed.paths if world.is_built(path)]:
        more = _with(world, path)
        if isinstance(more, Unknown):
            return more
        extra |= more
    programs: list[tuple[str, str]] = []
    names: set[str] = set()
    paths = (p for p in sorted(world.placed.files) if _SOURCE.match(p) and "/src/test/" not in p)
    read = texts(world.placed, paths)
    if isinstance(read, Unknown):
        return read
    for path, text in read.items():
        if _JDK.search(text):
            return Unknown("S510", f"{path} uses the compiler when it runs", "split by hand")
        programs += [(name, path) for name in _run(text)]
        names |= {name for name in _STRING.findall(text) if "/" in name}
    settings = base(subject.image)
    directory = workdir(subject, settings) if settings else "/"
    others = [path for path in world.placed.files if not _SOURCE.match(path)]
    data = {*candidates(world, "java"), *named(world, directory, names, others)}
    return Files(data, tuple(programs), (JRE,), tuple(sorted(extra)))


def _run(text: str) -> Iterator[str]:
    for match in _PROCESS.finditer(text):
        if match[0].startswith(".") and "getRuntime" not in text:
            continue
        first = _STRING.match(text, match.end())
        yield first[1].split()[0] if first and first[1].split() else ""


def _with(world: World, path: str) -> set[str] | Unknown:
    """Return what belongs to a built path that is run: nothing, if it is complete by itself."""
    links = world.programs.get(path, "")
    built = links.removeprefix("jar ") if links.startswith("jar ") else path
    if match := _INSTALLED.match(built) or _QUARKUS.match(built):
        return {match[1]}
    if not built.endswith((".jar", ".war")):
        whole = built in world.outputs or not posixpath.splitext(built)[1]
        return set() if whole and not _is_program(built) else _unclear(path)
    folder = next((o for o in sorted(world.outputs, reverse=True) if below(built, o)), "")
    module = posixpath.dirname(folder)
    if posixpath.basename(folder) == "target":
        return _maven(world, module, built)
    return set() if _gradle(world, module, built) else _unclear(path)


def _is_program(path: str) -> bool:
    return "/bin/" in path


def _unclear(path: str) -> Unknown:
    return Unknown("S502", f"what {path} needs beside it is not known", _UNLOCK)


def _maven(world: World, module: str, jar: str) -> set[str] | Unknown:
    """Return what a jar that Maven builds needs beside it."""
    text = world.placed.text(posixpath.join(module, "pom.xml")) or ""
    root = _xml(text)
    if root is None:
        return _unclear(jar)
    plugins = {e.text.strip() for e in root.iter() if _tag(e) == "artifactId" and e.text}
    if plugins & {"spring-boot-maven-plugin", "maven-shade-plugin"}:
        return set()
    whole = "jar-with-dependencies" in text
    if whole and ("jar-with-dependencies" in jar or "<appendAssemblyId>false" in text):
        return set()
    match = _COPIED.search(text)
    if match and "copy-dependencies" in text and "addClasspath" in text:
        return {posixpath.join(module, "target", match[1])}
    return set() if _is_alone(root) else _unclear(jar)


def _is_alone(root: ElementTree.Element) -> bool:
    """Whether a project has no dependencies when it runs, of its own or of a parent."""
    if any(_tag(child) == "parent" for child in root):
        return False
    groups = [child for child in root if _tag(child) == "dependencies"]
    for dependency in (d for group in groups for d in group):
        scope = next((e.text or "" for e in dependency if _tag(e) == "scope"), "compile")
        if scope.strip() not in ("test", "provided"):
            return False
    return not any(_tag(child) == "profiles" for child in root)


def _xml(text: str) -> ElementTree.Element | None:
    if not text or len(text) > _MAX_POM or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _gradle(world: World, module: str, jar: str) -> bool:
    """Whether a jar that Gradle builds is complete by itself."""
    names = [
        path for path in world.placed.files
        if path.endswith((".gradle", ".gradle.kts", ".versions.toml"))
    ]  # fmt: skip
    found = {path: world.placed.text(path) or "" for path in names}
    everything = "\n".join(found.values())
    own = "\n".join(t for p, t in found.items() if posixpath.dirname(p) == module)
    name = posixpath.basename(jar)
    if "org.springframework.boot" in everything:
        return not name.endswith("-plain.jar")
    if re.search(r"shadow|io\.ktor\.plugin", everything):
        return name.endswith("-all.jar") or "shadowJar" in everything
    if "zipTree" in own and "runtimeClasspath" in own:
        return True
    return bool(own) and not _DEPENDENCY.search(everything)


def bases(world: World, needed: Needed, image: Image) -> tuple[str, ...]:
    """Return the kind of base that runs Java."""
    return ("java",)
