"""What an image is, whichever engine made it: settings, layers, the files of all together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple


class Kind(StrEnum):
    """What stands at a path."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    DEVICE = "device"  # a pipe too


class Node(NamedTuple):
    """What stands at a path. `size` is in bytes, `digest` that of the content, if it has one.

    `target` is where a symbolic link points, as it is written. `capability` is what a file may do
    as if root started it (setcap), as the kernel keeps it, in hexadecimal digits.
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int = 0
    digest: str = ""
    target: str = ""
    capability: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer; sizes are in bytes.

    `stored` is the size as it is kept in the archive (compressed, if it is) or, if that was asked
    for, as gzip would pack it for a registry; `files` is that of the contents, `wasted` how much of
    that later layers write anew or delete.
    """

    digest: str
    step: str
    stored: int
    files: int
    entries: int
    wasted: int


@dataclass(frozen=True)
class Settings:
    """The configuration of an image that a container starts with (OCI image specification).

    `healthcheck` are the words of the test, `probing` when it is made (`Interval=30000000000`, in
    nanoseconds).
    """

    env: Mapping[str, str]
    user: str = ""
    workdir: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    ports: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    labels: Mapping[str, str] | None = None
    healthcheck: tuple[str, ...] = ()
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    onbuild: tuple[str, ...] = ()
    platform: str = ""
    probing: tuple[str, ...] = ()


class Package(NamedTuple):
    """A package that is installed. `kind` is deb, apk, rpm, python or node."""

    kind: str
    name: str
    version: str


class Defect(NamedTuple):
    """What cannot work. `kind` is library, link, script, entrypoint or healthcheck."""

    kind: str
    path: str
    what: str


@dataclass(frozen=True)
class Image:
    """An image that was read. Paths are absolute, without a slash at the end; the root is not one.

    `tools` are the paths of packages that only building needs, as far as a database tells them,
    `modules` those of Python's packages that lie outside of their folders (programs); `unread` says
    what could not be read, a sentence each.
    """

    settings: Settings
    layers: tuple[Layer, ...]
    tree: Mapping[str, Node]
    packages: frozenset[Package]
    defects: frozenset[Defect]
    tools: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all layers' contents."""
        return sum(layer.files for layer in self.layers)

    @property
    def stored(self) -> int:
        """Bytes of all layers as they are kept."""
        return sum(layer.stored for layer in self.layers)

    @property
    def wasted(self) -> int:
        """Bytes that later layers write anew or delete."""
        return sum(layer.wasted for layer in self.layers)

    @cached_property
    def privileged(self) -> frozenset[str]:
        """The files that may do more than who starts them (setuid, setgid, capabilities)."""
        files = ((p, n) for p, n in self.tree.items() if n.kind is Kind.FILE)
        return frozenset(p for p, n in files if n.mode & 0o6000 or n.capability)
