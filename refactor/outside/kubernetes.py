"""What Kubernetes manifests say of containers, in whatever kind of object a pod stands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

from refactor.outside.container_commands import Place, build
from refactor.outside.records import Found, Invocation, Mount, Record, Use
from refactor.outside.shell_lines import Word
from refactor.outside.yaml_items import NOTHING, Item, walk

_TEMPLATE = "a template is read without what it is filled with"
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_ROLES = (("entrypoint", "command"), ("command", "args"))


def is_manifest(document: Item) -> bool:
    """Whether a document is a Kubernetes object."""
    return bool(document.get("apiVersion")) and bool(document.get("kind"))


def read(document: Item, path: str, template: bool = False) -> Iterator[Record]:
    """Yield the containers of a manifest, which may be a template of one."""
    name = document.get("metadata", "name").text
    claims = [
        claim.get("metadata", "name").text
        for claim in document.get("spec", "volumeClaimTemplates").parts
    ]
    for pod in walk(document):
        containers = [item for key in _CONTAINERS for list_ in pod.all(key) for item in list_.parts]
        containers = [item for item in containers if item.get("image")]
        if not containers:
            continue
        volumes = dict.fromkeys(claims, "persistentVolumeClaim") | {
            volume.get("name").text: next(
                (key for key in volume.fields if key != "name"), "emptyDir"
            )
            for list_ in pod.all("volumes")
            for volume in list_.parts
        }
        users = _users(pod, path)
        for container in containers:
            if "kaniko" in container.get("image").text:
                words = [Word(text, text) for text in container.get("args").texts()]
                yield from build(words, Place("kubernetes", path, container.line, ("",)))
            else:
                found = _container(container, path, name, volumes, users)
                found = replace(found, rights=tuple(_rights(container, pod, path)))
                yield replace(found, unclear=_TEMPLATE) if template else found


def _container(
    item: Item, path: str, workload: str, volumes: dict[str, str], users: tuple[Found, ...]
) -> Use:
    names = (item.get("name").text, workload)
    return Use(
        path, item.get("image").line, item.get("image").text,
        names=tuple(name for name in names if name),
        commands=tuple(_commands(item, path)),
        users=_users(item, path) or users,
        mounts=tuple(_mounts(item, path, volumes)),
        ports=tuple(_ports(item, path)),
    )  # fmt: skip


def _users(item: Item, path: str) -> tuple[Found, ...]:
    return tuple(
        Found(user.text, path, user.line)
        for context in item.all("securityContext")
        for user in context.all("runAsUser")
        if user
    )


def _commands(item: Item, path: str) -> Iterator[Invocation]:
    for role, key in _ROLES:
        for words in item.all(key):
            if words:
                yield _said(role, words, path)
    for key in _PROBES:
        for probe in item.all(key):
            if command := probe.get("exec", "command"):
                yield _said("probe", command, path)
    for hook in item.get("lifecycle").fields.values():
        for handler in hook:
            if command := handler.get("exec", "command"):
                yield _said("hook", command, path)


def _said(role: str, words: Item, path: str) -> Invocation:
    """Return an invocation; its words are not known if they are no list, as in templates."""
    listed = words.kind == "list" and len(words.texts()) == len(words.parts)
    argv = tuple(words.texts()) if listed else ()
    text = words.text or shlex.join(words.texts())
    return Invocation("kubernetes", role, argv, text or "?", path, words.line)


def _mounts(item: Item, path: str, volumes: dict[str, str]) -> Iterator[Mount]:
    for list_ in item.all("volumeMounts"):
        for entry in list_.parts:
            name, target = entry.get("name").text, entry.get("mountPath").text
            if target:
                read_only = entry.get("readOnly").text == "true"
                yield Mount(target, volumes.get(name, "volume"), name, read_only, path, entry.line)


def _ports(item: Item, path: str) -> Iterator[Found]:
    """Yield the ports that are declared, and those that are probed by number."""
    for list_ in item.all("ports"):
        for entry in list_.parts:
            number = entry.get("containerPort")
            if number.text:
                udp = "/udp" if entry.get("protocol").text == "UDP" else ""
                yield Found(number.text + udp, path, number.line)
    for key in _PROBES:
        for probe in item.all(key):
            for way in ("httpGet", "tcpSocket", "grpc"):
                number = probe.get(way, "port")
                if number.text.isdigit():
                    yield Found(number.text, path, number.line)


def _rights(item: Item, pod: Item, path: str) -> Iterator[Found]:
    security = item.get("securityContext")
    for name, value in (
        ("privileged", security.get("privileged")),
        ("capabilities: add", security.get("capabilities", "add")),
        ("hostPID", pod.get("hostPID")),
    ):
        text = ", ".join(value.texts())
        if text.lower() not in NOTHING:
            yield Found(f"{name}: {text}", path, value.line)
