"""What the files of build and deployment tools say: bake, Skaffold, dev containers, platforms."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from refactor.outside import bake_files
from refactor.outside.bake_files import Target
from refactor.outside.inline_dockerfiles import BAKE_KEY, place
from refactor.outside.records import (
    Build,
    Found,
    Invocation,
    Mount,
    Record,
    Use,
    dockerfiles,
    joined,
    shell_words,
    stages,
)
from refactor.outside.yaml_items import Item, json

# The commands of a fly.toml beside its processes.
_FLY = (
    ("command", "deploy", "release_command"),
    ("command", "deploy", "seed_command"),
    ("command", "experimental", "cmd"),
    ("entrypoint", "experimental", "entrypoint"),
    ("entrypoint", "experimental", "exec"),
)
_PROCESS = re.compile(r"^([\w-]+):[ \t]*(\S.*)$", re.M)


def action(document: Item, path: str) -> Iterator[Record]:
    """Read a GitHub action that is a container: it must run as root, in a folder mounted on it."""
    runs = document.get("runs")
    folder = posixpath.dirname(path)
    image = runs.get("image").text
    if image.startswith("docker://"):
        return
    built = Build("action", path, runs.line, dockerfiles((folder,), ".", image), exact=True)
    said = []
    for key in ("pre-entrypoint", "entrypoint", "post-entrypoint"):
        if item := runs.get(key):
            role = "entrypoint" if key == "entrypoint" else "hook"
            said.append(Invocation("action", role, (item.text,), item.text, path, item.line))
    if words := runs.get("args"):
        argv = tuple(words.texts())
        said.append(Invocation("action", "command", argv, " ".join(argv), path, words.line))
    workspace = Mount("/github/workspace", "bind", ".", False, path, runs.line)
    yield built
    yield Use(
        path, runs.line, build=built, commands=tuple(said),
        users=(Found("root", path, runs.line),), mounts=(workspace,),
    )  # fmt: skip


def skaffold(document: Item, path: str) -> Iterator[Record]:
    """Read a skaffold.yaml; what it syncs is written into running containers."""
    folder = posixpath.dirname(path)
    parts = [document, *document.get("profiles").parts]
    for artifact in [item for part in parts for item in part.get("build", "artifacts").parts]:
        context = artifact.get("context").text or artifact.get("workspace").text or "."
        docker = artifact.get("docker") or artifact.get("kaniko")
        if not docker and any(
            artifact.get(key) for key in ("buildpacks", "jib", "bazel", "ko", "custom")
        ):
            continue
        target = docker.get("target").text
        built = Build(
            "skaffold", path, artifact.line,
            dockerfiles((folder,), context, docker.get("dockerfile").text, from_context=True),
            exact=True, targets=stages(target),
            arguments=tuple(docker.get("buildArgs").fields), images=(artifact.get("image").text,),
        )  # fmt: skip
        mounts = tuple(
            Mount(sync.get("dest").text, "sync", sync.get("src").text, False, path, sync.line)
            for sync in artifact.get("sync", "manual").parts
        ) + tuple(  # where they go is worked out from the copies of the Dockerfile
            Mount("", "sync", pattern.text, False, path, pattern.line)
            for pattern in (*artifact.get("sync", "infer").parts, artifact.get("sync", "auto"))
            if pattern.text
        )
        yield built
        if mounts:
            yield Use(path, artifact.line, build=built, mounts=mounts)


def heroku(document: Item, path: str) -> Iterator[Record]:
    """Read a heroku.yml; the release runs in the web's image if it names no other."""
    folder = posixpath.dirname(path)
    made: dict[str, Build] = {}
    for process, values in document.get("build", "docker").fields.items():
        for item in values:
            file = item.text or item.get("dockerfile").text
            files = dockerfiles((folder,), ".", file)
            target = item.get("target").text
            made[process] = Build(
                "heroku", path, item.line, files, True, targets=stages(target),
                arguments=tuple(document.get("build", "config").fields),
            )  # fmt: skip
    yield from made.values()
    if not made:
        return
    release = document.get("release")
    released = (release.get("image").text, release.all("command"))
    for process, values in (*document.get("run").fields.items(), released):
        for item in values:
            lines = item.get("command").texts() if item.kind == "map" else item.texts()
            name = item.get("image").text or process
            built = made.get(name) or made.get("web") or next(iter(made.values()))
            said = [
                Invocation("heroku", "command", shell_words(text), text, path, item.line)
                for text in lines
            ]
            yield Use(path, item.line, build=built, commands=tuple(said))


def render(document: Item, path: str) -> Iterator[Record]:
    """Read a render.yaml."""
    folder = posixpath.dirname(path)
    for service in document.get("services").parts:
        if "docker" not in (service.get("runtime").text, service.get("env").text):
            continue
        context = service.get("dockerContext").text or service.get("rootDir").text or "."
        file = service.get("dockerfilePath").text or "Dockerfile"
        said = [
            Invocation("render", role, shell_words(item.text), item.text, path, item.line)
            for role, key in (("command", "dockerCommand"), ("hook", "preDeployCommand"))
            if (item := service.get(key)).text
        ]
        files = dockerfiles((folder, service.get("rootDir").text), ".", file)
        built = Build("render", path, service.line, files, True, context)
        disk = service.get("disk", "mountPath")
        mounts = (Mount(disk.text, "volume", "", False, path, disk.line),) if disk.text else ()
        yield built
        yield Use(path, service.line, build=built, commands=tuple(said), mounts=mounts)


def procfile(path: str, text: str) -> Iterator[Record]:
    """Read a Procfile; it starts what is built beside it."""
    folder = posixpath.dirname(path)
    built = Build("procfile", path, 1, dockerfiles((folder,), "."), exact=True, context=folder)
    for match in _PROCESS.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        command = match[2].strip()
        said = Invocation("procfile", "command", shell_words(command), command, path, line)
        yield Use(path, line, build=built, commands=(said,))


def bake(path: str, text: str) -> Iterator[Record]:
    """Read the targets of a bake file, in HCL or JSON.

    What another bake file says of a target is not followed: its Dockerfile may be any, unless it is
    named. Paths are relative to where bake is run, which may be the repository.
    """
    found = bake_files.read(path, text)
    if not found.sound:
        yield Found("not read as a bake file", path, 0)
    owners = {id(t.fields[BAKE_KEY]): t.name for t in found.targets if BAKE_KEY in t.fields}
    for target in bake_files.whole(found.targets):
        inline = target.fields.get(BAKE_KEY)
        yield _target(target, path, owners.get(id(inline), ""))


def _target(target: Target, path: str, owner: str) -> Build:
    """Return what a target builds; `owner` is the one in which its Dockerfile stands."""

    def one(key: str) -> str:
        return next(iter(target.texts(key)), "").removeprefix("cwd://")

    folder = posixpath.dirname(path)
    folders = dict.fromkeys((folder, ""))
    named, context = one("dockerfile"), one("context")
    files = dockerfiles(folders, context or ".", named, from_context=True)
    if context.strip("./") and named.startswith(f"{context.rstrip('/')}/"):
        files += dockerfiles(folders, ".", named)  # files that other programs build have it so
    if owner:
        files = (place(path, owner),)
    elif not named and (target.open or (not context and "override" in path)):
        files = ("*",)
    return Build(
        "bake", path, target.line, files,
        context=joined(folder, context or "."),
        targets=stages(one("target")), arguments=target.names("args"),
        images=target.texts("tags"), contexts=target.names("contexts"),
    )  # fmt: skip


def devcontainer(path: str, text: str) -> Iterator[Record]:
    """Read a devcontainer.json; its paths are relative to it."""
    item = json(re.sub(r"^[ \t]*//.*$", "", text, flags=re.M))
    folder = posixpath.dirname(path)
    inner = item.get("build")
    file = inner.get("dockerfile").text or item.get("dockerFile").text
    if not file:
        return
    target = inner.get("target").text
    built = Build(
        "devcontainer", path, item.line, dockerfiles((folder,), ".", file), exact=True,
        targets=stages(target), arguments=tuple(inner.get("args").fields),
    )  # fmt: skip
    said = []
    for key, values in item.fields.items():
        if key.endswith("Command") and key != "initializeCommand":
            for value in (values[0], *(part[0] for part in values[0].fields.values())):
                listed = value.kind == "list"
                words = tuple(value.texts()) if listed else shell_words(value.text)
                text = " ".join(value.texts())
                if words:
                    said.append(Invocation("devcontainer", "exec", words, text, path, value.line))
    users = [
        Found(item.get(k).text, path, item.get(k).line) for k in ("containerUser", "remoteUser")
    ]
    ports = [Found(part.text, path, part.line) for part in item.get("forwardPorts").parts]
    yield built
    yield Use(
        path, item.line, build=built, commands=tuple(said),
        users=tuple(user for user in users if user.value), ports=tuple(ports),
    )  # fmt: skip


def fly(path: str, text: str) -> Iterator[Record]:
    """Read a fly.toml."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        yield Found("not read as TOML", path, 0)
        return
    inner = _table(data, "build")
    if "image" in inner or "builder" in inner:
        return
    folder = posixpath.dirname(path)
    target = str(inner.get("build-target") or "")
    built = Build(
        "fly", path, 1, dockerfiles((folder,), ".", str(inner.get("dockerfile") or "")), exact=True,
        targets=stages(target), arguments=tuple(map(str, _table(inner, "args"))),
    )  # fmt: skip
    given = [("command", value) for value in _table(data, "processes").values()]
    given += [(role, _table(data, table).get(key)) for role, table, key in _FLY]
    said = []
    for role, value in given:
        words = tuple(map(str, value)) if isinstance(value, list) else shell_words(str(value or ""))
        if words:
            text = " ".join(words) if isinstance(value, list) else str(value)
            said.append(Invocation("fly", role, words, text, path, 1))
    services = [*_tables(data, "services"), *_tables(data, "http_service")]
    ports = [Found(str(port), path, 1) for s in services if (port := s.get("internal_port"))]
    mounts = [
        Mount(str(entry["destination"]), "volume", str(entry.get("source", "")), False, path, 1)
        for entry in _tables(data, "mounts")
        if entry.get("destination")
    ]
    yield built
    yield Use(path, 1, build=built, commands=tuple(said), mounts=tuple(mounts), ports=tuple(ports))


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    return next(iter(_tables(data, key)), {})


def _tables(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = data.get(key)
    return [
        entry
        for entry in (found if isinstance(found, list) else [found])
        if isinstance(entry, dict)
    ]
