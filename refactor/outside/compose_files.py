"""What compose files say: which Dockerfiles they build, and how their services run."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from functools import lru_cache

from refactor.context import Context
from refactor.outside.inline_dockerfiles import KEY, place
from refactor.outside.records import (
    Build,
    Found,
    Invocation,
    Mount,
    Use,
    dockerfiles,
    joined,
    mount,
    port,
    split,
    stages,
)
from refactor.outside.yaml_items import NOTHING, Item, documents, filled

MAX_YAML = 256 * 1024
COMPOSE = re.compile(r"(?:docker-)?compose[\w.-]*\.ya?ml\Z")
# The fields by which compose names what is given on a command line, and the role of each.
_ROLES = (("entrypoint", "entrypoint"), ("command", "command"))


def builds(tree: Context, path: str) -> Iterator[Build]:
    """Yield the builds of a compose file's services; none if it cannot be read."""
    data = tree.head(path, MAX_YAML + 1)
    if b"services" in data and len(data) <= MAX_YAML:
        for use in services(path, data.decode("utf-8", "replace")):
            if use.build is not None:
                yield use.build


@lru_cache(maxsize=256)
def services(path: str, text: str) -> tuple[Use, ...]:
    """Return the services of a compose file's text; none if it cannot be read."""
    try:
        found = documents(filled(text))
    except ValueError:
        return ()
    return tuple(use for document in found for use in read(document, path))


def is_compose(document: Item) -> bool:
    """Whether a document is a compose file."""
    services = document.get("services").fields
    return any(service.fields for values in services.values() for service in values)


def read(document: Item, path: str) -> Iterator[Use]:
    """Yield the services of a document, those without image and build included."""
    folder = posixpath.dirname(path)
    for name, values in document.get("services").fields.items():
        for service in values:
            yield _service(name, service, path, folder)


def _service(name: str, service: Item, path: str, folder: str) -> Use:
    line = service.line
    container = service.get("container_name").text
    return Use(
        path, line,
        image=service.get("image").text,
        build=_build(service.get("build"), service.get("image").text, path, folder, name),
        of=service.get("extends").get("service").text or service.get("extends").text,
        names=(name, container) if container else (name,),
        group=f"{folder}:{name}",
        commands=tuple(_commands(service, path)),
        users=tuple(Found(user.text, path, user.line) for user in service.all("user") if user),
        mounts=tuple(_mounts(service, path)),
        ports=tuple(_ports(service, path)),
        rights=tuple(_rights(service, path)),
    )  # fmt: skip


def _build(item: Item, image: str, path: str, folder: str, name: str) -> Build | None:
    if not item:
        return None
    context = item.text or item.get("context").text or "."
    files = dockerfiles((folder,), context, item.get("dockerfile").text, from_context=True)
    if item.get(KEY):
        files = (place(path, name),)
    arguments = item.get("args")
    names = list(arguments.fields) or [text.partition("=")[0] for text in arguments.texts()]
    target = item.get("target").text
    contexts = item.get("additional_contexts")
    given = list(contexts.fields) or [text.partition("=")[0] for text in contexts.texts()]
    tags = [*item.get("tags").texts(), image]
    return Build(
        "compose", path, item.line, files, exact=True, context=joined(folder, context),
        targets=stages(target),
        arguments=tuple(filter(None, names)), images=tuple(filter(None, tags)),
        contexts=tuple(filter(None, given)),
    )  # fmt: skip


def _commands(service: Item, path: str) -> Iterator[Invocation]:
    for role, key in _ROLES:
        for item in service.all(key):
            if item:
                argv, text = argv_of(item)
                yield Invocation("compose", role, argv, text, path, item.line)
    for check in service.all("healthcheck"):
        item = check.get("test")
        argv, text = argv_of(item)
        shell = ("/bin/sh", "-c", text.replace("$$", "$"))
        if item.kind == "text":
            yield Invocation("compose", "healthcheck", shell, text, path, item.line)
        elif argv[:1] == ("CMD-SHELL",) and len(argv) > 1:
            shell = ("/bin/sh", "-c", argv[1])
            yield Invocation("compose", "healthcheck", shell, item.texts()[1], path, item.line)
        elif argv[:1] == ("CMD",):
            text = shlex.join(item.texts()[1:])
            yield Invocation("compose", "healthcheck", argv[1:], text, path, item.line)
    for role, key in (("hook", "post_start"), ("hook", "pre_stop")):
        for hook in service.get(key).parts:
            argv, text = argv_of(hook.get("command"))
            yield Invocation("compose", role, argv, text, path, hook.line)


def argv_of(item: Item) -> tuple[tuple[str, ...], str]:
    """Return the words of a command as they are run, and its text as it is written."""
    if item.kind == "text":
        argv, text = split(item.text), item.text
    else:
        argv, text = tuple(item.texts()), shlex.join(item.texts())
    return tuple(word.replace("$$", "$") for word in argv), text


def _mounts(service: Item, path: str) -> Iterator[Mount]:
    for item in service.get("volumes").parts:
        made = mount(item.text, path, item.line) if item.kind == "text" else _long(item, path)
        if made is not None:
            yield made
    tmpfs = service.get("tmpfs")
    for text in tmpfs.texts():
        yield Mount(text.partition(":")[0], "tmpfs", "", False, path, tmpfs.line)
    for key, folder in (("secrets", "/run/secrets"), ("configs", "")):
        for item in service.get(key).parts:
            source = item.text or item.get("source").text
            target = posixpath.join(folder or "/", item.get("target").text or source)
            yield Mount(target, key.removesuffix("s"), source, True, path, item.line)
    for watch in service.get("develop", "watch").parts:
        if watch.get("target"):
            source, target = watch.get("path").text, watch.get("target").text
            yield Mount(target, "sync", source, False, path, watch.line)


def _long(item: Item, path: str) -> Mount | None:
    target = item.get("target").text
    if not target:
        return None
    read_only = item.get("read_only").text.lower() in ("true", "yes", "on")
    kind = item.get("type").text or "volume"
    return Mount(target, kind, item.get("source").text, read_only, path, item.line)


def _ports(service: Item, path: str) -> Iterator[Found]:
    for key in ("ports", "expose"):
        for item in service.get(key).parts:
            target = item.get("target").text
            protocol = item.get("protocol").text
            text = port(item.text) if item.kind == "text" else target
            if text:
                yield Found(f"{text}/udp" if protocol == "udp" else text, path, item.line)


def _rights(service: Item, path: str) -> Iterator[Found]:
    for key in ("privileged", "cap_add", "devices", "pid"):
        for item in service.all(key):
            text = ", ".join(filter(None, item.texts())) or ", ".join(item.fields)
            if text.lower() not in NOTHING and (key != "pid" or text == "host"):
                yield Found(f"{key}: {text}", path, item.line)
