"""What an archive or a folder calls an image: which files are its configuration and its layers."""

from __future__ import annotations

import io
import json
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from refactor.proof.limits import ImageError, Limits
from refactor.proof.paths import normal, parent
from refactor.proof.streams import Part
from refactor.proof.tar import FILE, FOLDER, Tar

_DIGEST = re.compile(r"([a-z0-9]+):([a-zA-Z0-9]+)\Z")
_MAX_MEMBERS = 20_000  # of the outer archive: a few for each layer
_MAX_NESTED = 8  # indexes in indexes
_MACHINES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}
_AGAIN = "save it again with `docker save IMAGE -o FILE`"


class Blobs(Protocol):
    """The files of an archive or a folder, by their names in it."""

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, or None if there is none."""

    def open(self, name: str) -> BinaryIO:
        """Open a file that is there."""


class Plan(NamedTuple):
    """What to read: the configuration, and the names and digests of the layers in order."""

    config: dict[str, Any]
    layers: tuple[str, ...]
    digests: tuple[str, ...]


class _Folder:
    """A layout that is a folder."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()

    def _place(self, name: str) -> Path | None:
        place = (self._root / name.lstrip("/")).resolve()
        return place if place.is_relative_to(self._root) and place.is_file() else None

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, or None if there is none."""
        place = self._place(name)
        return place.stat().st_size if place else None

    def open(self, name: str) -> BinaryIO:
        """Open a file that is there."""
        place = self._place(name)
        assert place
        return place.open("rb")


class _Archive:
    """A layout that is a tar archive; links in it stand for what they name."""

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        self._path = path
        self._parts: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        if file.peek(2)[:2] in (b"\x1f\x8b", b"\x28\xb5", b"BZ", b"\xfd7"):
            raise ImageError("the whole archive is packed: unpack it first, as with `gunzip`")
        for count, entry in enumerate(Tar(file, "it", size=path.stat().st_size)):
            if count > _MAX_MEMBERS:
                raise ImageError(f"it has more than {_MAX_MEMBERS:,} members: {_AGAIN}")
            name = normal(entry.name, "the archive")
            if entry.kind == FILE and entry.pieces is None:
                self._parts[name] = file.tell(), entry.stored
            elif entry.target and entry.kind != FOLDER:
                above = "" if entry.kind != "link" else parent(name) + "/"
                self._links[name] = above + entry.target

    def _part(self, name: str) -> tuple[int, int] | None:
        path = normal(name, "the archive")
        for _ in range(_MAX_NESTED):
            if path not in self._links:
                break
            path = normal(self._links[path], "the archive")
        return self._parts.get(path)

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, or None if there is none."""
        part = self._part(name)
        return part[1] if part else None

    def open(self, name: str) -> BinaryIO:
        """Open a file that is there."""
        part = self._part(name)
        assert part
        return io.BufferedReader(Part(self._path.open("rb"), *part))


@contextmanager
def opened(path: Path) -> Iterator[Blobs]:
    """Give the files of a saved image."""
    if path.is_dir():
        yield _Folder(path)
        return
    if not path.is_file():
        raise ImageError("it is no file and no folder")
    with path.open("rb") as file:
        yield _Archive(path, file)


def plan(blobs: Blobs, limits: Limits) -> Plan:
    """Find the one image that there is."""
    if blobs.size("manifest.json") is not None:
        found = _docker(blobs, limits)
    elif blobs.size("index.json") is not None:
        found = _oci(blobs, limits)
    else:
        raise ImageError(f"it has no manifest.json and no index.json, so it is no image: {_AGAIN}")
    if len(found.layers) > limits.layers:
        raise ImageError(f"the image has more than {limits.layers} layers")
    for name in found.layers:
        if blobs.size(name) is None:
            raise ImageError(f"the layer {name[:200]} is not there: {_AGAIN}")
    return found


def _docker(blobs: Blobs, limits: Limits) -> Plan:
    images = _json(blobs, "manifest.json", limits, list)
    if len(images) != 1 or not isinstance(images[0], dict):
        raise ImageError(f"it holds {len(images)} images: save one with `docker save IMAGE`")
    config, layers = images[0].get("Config"), images[0].get("Layers") or []
    if not isinstance(config, str) or not _are_strings(layers):
        raise ImageError(f"its manifest.json names no configuration or no layers: {_AGAIN}")
    return _plan(_json(blobs, config, limits, dict), tuple(layers))


def _oci(blobs: Blobs, limits: Limits) -> Plan:
    index = _json(blobs, "index.json", limits, dict)
    for _ in range(_MAX_NESTED):
        found = _json(blobs, _blob(blobs, _chosen(index)), limits, dict)
        if "manifests" not in found:
            break
        index = found
    else:
        raise ImageError(f"its indexes are nested too deep: {_AGAIN}")
    layers = found.get("layers")
    if not isinstance(layers, list):
        raise ImageError(f"its manifest names no layers: {_AGAIN}")
    names = tuple(_blob(blobs, layer) for layer in layers[: limits.layers + 1])
    return _plan(_json(blobs, _blob(blobs, found.get("config")), limits, dict), names)


def _plan(config: dict[str, Any], layers: tuple[str, ...]) -> Plan:
    rootfs = config.get("rootfs")
    digests = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(digests, list) or not _are_strings(digests) or len(digests) != len(layers):
        raise ImageError(f"its configuration does not list the {len(layers)} layers: {_AGAIN}")
    return Plan(config, layers, tuple(digests))


def _chosen(index: dict[str, Any]) -> dict[str, Any]:
    """Return the one image of an index, or that for this machine."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    manifests = index.get("manifests")
    for one in manifests if isinstance(manifests, list) else []:
        if isinstance(one, dict):
            place, notes = one.get("platform"), one.get("annotations")
            machine = str(place.get("architecture")) if isinstance(place, dict) else ""
            is_note = isinstance(notes, dict) and "vnd.docker.reference.type" in notes
            if machine != "unknown" and not is_note:  # else it says how the image was built
                found[str(one.get("digest"))] = one, machine
    if len(found) > 1:
        here = _MACHINES.get(platform.machine(), platform.machine())
        found = {key: one for key, one in found.items() if one[1] == here}
    if len(found) != 1:
        raise ImageError("it does not hold one image for this machine: save a single one")
    return next(iter(found.values()))[0]


def _blob(blobs: Blobs, descriptor: object) -> str:
    """Return the name of the file that a descriptor stands for."""
    fields = descriptor if isinstance(descriptor, dict) else {}
    match = _DIGEST.match(str(fields.get("digest")))
    if not match:
        raise ImageError(f"it names a file without a digest: {_AGAIN}")
    name = f"blobs/{match[1]}/{match[2]}"
    size = blobs.size(name)
    if size is None or size != fields.get("size", size):
        what = "is not there" if size is None else "does not have the size that it should"
        raise ImageError(f"{name[:200]} {what}: {_AGAIN}")
    return name


def _json(blobs: Blobs, name: str, limits: Limits, kind: type) -> Any:
    size = blobs.size(name)
    if size is None:
        raise ImageError(f"{name[:200]} is not there: {_AGAIN}")
    if size > limits.manifest:
        raise ImageError(f"{name[:200]} has more than {limits.manifest:,} bytes")
    with blobs.open(name) as file:
        data = file.read()
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise ImageError(f"{name[:200]} is not the JSON that it should be: {_AGAIN}")
    return found


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
