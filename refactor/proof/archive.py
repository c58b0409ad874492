"""Saved images: docker-save archives, old and new, and OCI layouts as an archive or a folder.

Nothing is unpacked to disk: layers are streams, and what stands in them is data.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from refactor.proof import inventory, tar
from refactor.proof.contents import Content, Taken, steady, taken, too_large
from refactor.proof.images import Image, Kind, Layer, Node
from refactor.proof.layouts import Blobs, Plan, opened, plan
from refactor.proof.limits import Budget, ImageError, Limits
from refactor.proof.settings import settings, steps
from refactor.proof.streams import packed_size, unpacked
from refactor.proof.tar import Entry, Tar
from refactor.proof.tree import Tree

_DEFAULT = Limits()
_HEAD = 65_536  # bytes of a beginning that is kept
_KINDS = {tar.LINK: Kind.LINK, tar.FOLDER: Kind.FOLDER, tar.DEVICE: Kind.DEVICE}


def read(path: Path, limits: Limits = _DEFAULT, packed: dict[str, int] | None = None) -> Image:
    """Read an image from what docker, podman, buildah or buildx saved it to.

    With `packed`, layers are measured as gzip packs them; it keeps what is known, by digest.
    """
    try:
        with opened(path) as blobs:
            return _read(blobs, plan(blobs, limits), limits, packed)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from None
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def _read(blobs: Blobs, found: Plan, limits: Limits, packed: dict[str, int] | None) -> Image:
    config = settings(found.config)
    budget = Budget(limits)
    tree = Tree(budget)
    sizes = []
    for number, blob in enumerate(found.layers, 1):
        tree.next_layer()
        name = f"layer {number} ({blob[-72:]})"
        with unpacked(blobs.open(blob), name) as file:
            sizes.append(_layer(Tar(file, name, budget.content), tree, limits))
    layers = tuple(
        Layer(digest, step, _stored(blobs, blob, digest, packed), *size, tree.wasted.get(number, 0))
        for number, (blob, digest, step, size) in enumerate(
            zip(found.layers, found.digests, steps(found.config, len(sizes)), sizes, strict=True)
        )
    )
    return inventory.image(config, layers, tree.slots)


def _stored(blobs: Blobs, blob: str, digest: str, packed: dict[str, int] | None) -> int:
    """Return how large a layer is, in the archive or packed."""
    if packed is None:
        return blobs.size(blob) or 0
    if digest not in packed:
        packed[digest] = packed_size(blobs.open(blob), f"layer {blob[-72:]}")
    return packed[digest]


def _layer(archive: Tar, tree: Tree, limits: Limits) -> tuple[int, int]:
    """Lay one layer over the tree; return the bytes of its files, and how many entries it has."""
    total = count = 0
    for entry in archive:
        count += 1
        if entry.kind == tar.HARD:
            tree.link(entry.name, entry.target)
        elif entry.kind == tar.FILE:
            total += entry.size
            digest, content = _content(archive, entry, limits)
            node = Node(
                Kind.FILE, entry.mode, entry.uid, entry.gid, entry.size, digest, "",
                entry.capability,
            )  # fmt: skip
            tree.add(entry.name, node, entry.size, content)
        else:
            kind = _KINDS[entry.kind]
            is_link = kind is Kind.LINK
            mode = 0o777 if is_link else entry.mode  # a link's own says nothing
            target = entry.target if is_link else ""
            node = Node(kind, mode, entry.uid, entry.gid, target=target)
            tree.add(entry.name, node, 0, None)
    return total, count


def _content(archive: Tar, entry: Entry, limits: Limits) -> tuple[str, Content]:
    """Return the digest of a file's content, and what is kept of it."""
    digest = hashlib.sha256()
    if entry.pieces is not None:  # of the map and what is stored: not of gigabytes of zeros
        digest.update(repr((entry.size, entry.pieces)).encode())
        for chunk in archive.chunks():
            digest.update(chunk)
        return digest.hexdigest(), None
    path = "/" + entry.name.removeprefix("./").lstrip("/")
    content: Content = None
    way: Taken | None = None
    kept = bytearray()
    is_first = True
    for chunk in archive.chunks():
        digest.update(steady(path, chunk) if len(chunk) == entry.size else chunk)
        if is_first:
            way, is_first = taken(path, entry.mode, chunk, limits), False
            if way and not way.first and entry.size > way.most:
                content, way = too_large(path, chunk, way), None
            elif way and (way.first or len(chunk) == entry.size):
                content, way = way.read(chunk[:_HEAD] if way.first else chunk), None
        if way:
            kept += chunk
    return digest.hexdigest(), way.read(kept) if way else content
