"""Where in compose files and Kubernetes manifests the settings of a container stand."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from refactor.outside.records import Use
from refactor.outside.yaml_items import NOTHING, Item, documents, walk
from refactor.outside.yaml_tree import Node, Unclear, trees

Read = Callable[[str], str | None]
# Keys of a compose service by which it gets more of the host than others, or what is not known.
_MORE = (
    "privileged pid ipc uts cgroup userns_mode devices device_cgroup_rules extends gpus "
    "runtime credential_spec isolation use_api_socket"
).split()
_KEPT = frozenset("CHOWN DAC_OVERRIDE FOWNER SETGID SETUID NET_BIND_SERVICE".split())
_HOST = ("hostNetwork", "hostPID", "hostIPC")
_WORKLOADS = frozenset(
    "Pod Deployment StatefulSet DaemonSet ReplicaSet ReplicationController Job CronJob".split()
)
_SOCKETS = ("docker.sock", "containerd.sock", "crio.sock", "podman.sock")
_KUSTOMIZATION = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True)
class Place:
    """A container in a file: the chain of nodes from the document to it, and what is said of it.

    `at` is the path of keys to it, as in `yaml_tree.added`. `own` is the service or container with
    what it merges, `pod` the pod around it, or the service again.
    """

    form: str
    path: str
    line: int
    text: str
    chain: tuple[Node, ...]
    at: str
    own: Item
    pod: Item

    @property
    def label(self) -> str:
        """What reports call it."""
        return f"{self.path}:{self.line}"

    def inside(self, key: str) -> Place | None:
        """Return the place of a map that a key holds; None if the key is not there."""
        node = self.chain[-1].get(key)
        if node is None:
            return None
        chain, at = (*self.chain, node), f"{self.at}{key}."
        return Place(
            self.form, self.path, node.line, self.text, chain, at, self.own.get(key), self.pod
        )


def place(use: Use, read: Read) -> Place | None:
    """Return where a container's settings stand; None if in no file of these kinds.

    Raises Unclear if that cannot be told, or the file is not the last word on them.
    """
    text = read(use.path) if use.path.endswith((".yaml", ".yml")) else None
    if text is None:
        return None
    nodes, items = _read(text)
    if use.group:
        return _service(use, text, nodes, items)
    found = _container(use, text, nodes, items)
    if found is not None and (patch := _patched_by(use.path, read)):
        raise Unclear(f"{patch} has patches: it may be one, or be changed by one")
    return found


@lru_cache(maxsize=32)
def _read(text: str) -> tuple[tuple[Node, ...], list[Item]]:
    nodes = trees(text)
    try:
        return nodes, documents(text)
    except ValueError as error:
        raise Unclear(str(error)) from error


def _service(use: Use, text: str, nodes: tuple[Node, ...], items: list[Item]) -> Place:
    if len(nodes) != 1:
        raise Unclear("a compose file has one document")
    root, name = nodes[0], use.names[0]
    services = root.get("services")
    service = services.get(name) if services is not None else None
    if services is None or service is None:
        raise Unclear(f"service {name} is not found")
    own = items[0].get("services", name)
    return Place(
        "compose", use.path, service.line, text, (root, services, service), f"services.{name}.",
        own, own,
    )  # fmt: skip


def _container(use: Use, text: str, nodes: tuple[Node, ...], items: list[Item]) -> Place | None:
    for number, (node, item) in enumerate(zip(nodes, items, strict=False)):
        at = f"{number}." if len(nodes) > 1 else ""
        found = next(_chains((node,), at, use.line), None)
        if found is None:
            continue
        kind = node.get("kind")
        if kind is None or kind.value not in _WORKLOADS:
            raise Unclear("it stands in no workload of Kubernetes itself")
        for pod in walk(item):
            for own in (part for list_ in pod.all("containers") for part in list_.parts):
                if own.get("image").line == use.line:
                    return Place("kubernetes", use.path, use.line, text, *found, own, pod)
    return None


def _chains(chain: tuple[Node, ...], at: str, line: int) -> Iterator[tuple[tuple[Node, ...], str]]:
    """Yield the containers whose image stands on a line: the nodes and the keys on the way."""
    node = chain[-1]
    image = node.get("image")
    if image is not None and image.line == line and node.get("name") is not None:
        yield chain, at
    for number, part in enumerate(node.parts):
        yield from _chains((*chain, part), f"{at}{number}.", line)
    for key, value in node.pairs:
        yield from _chains((*chain, value), f"{at}{key.value}.", line)


def _patched_by(path: str, read: Read) -> str:
    """Return the kustomization beside a manifest that has patches."""
    for name in _KUSTOMIZATION:
        beside = posixpath.join(posixpath.dirname(path), name)
        if "atches" in (read(beside) or ""):
            return beside
    return ""


def privileged(found: Place) -> str:
    """Return by what a container gets more of its host than others; empty if by nothing."""
    given = _more(found) if found.form == "compose" else _pod_more(found)
    if given:
        return given
    for item in walk(found.pod):
        if any(text.partition(":")[0].endswith(_SOCKETS) for text in (item.text, *item.texts())):
            return "the socket of the container engine"
    return ""


def _more(found: Place) -> str:
    own = found.own
    for key in _MORE:
        if any(
            item.parts or item.fields or item.text.lower() not in NOTHING for item in own.all(key)
        ):
            return key
    if own.get("network_mode").text == "host":
        return "network_mode: host"
    if more := _added(own.get("cap_drop"), own.get("cap_add")):
        return f"cap_add: {more}"
    options = own.get("security_opt").texts()
    return next((text for text in options if "unconfined" in text or "disable" in text), "")


def _added(drop: Item, add: Item) -> str:
    """Return a capability that is given besides those that may be kept when all are dropped."""
    dropped = {text.upper() for text in drop.texts()}
    names = [text.upper().removeprefix("CAP_") for text in add.texts()]
    kept = _KEPT if "ALL" in dropped else frozenset()
    return next((name for name in names if name not in kept), "")


def _pod_more(found: Place) -> str:
    spec, security = found.pod, found.own.get("securityContext")
    for key in _HOST:
        if spec.get(key).text.lower() not in NOTHING:
            return key
    if security.get("privileged").text.lower() not in NOTHING:
        return "privileged"
    given = security.get("capabilities")
    if more := _added(given.get("drop"), given.get("add")):
        return f"capabilities: add: {more}"
    contexts = (security, spec.get("securityContext"))
    windows = any(context.get("windowsOptions") for context in contexts)
    windows |= spec.get("os", "name").text.lower() == "windows"
    return "Windows" if windows else ""
