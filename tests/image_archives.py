"""Saved images for tests, made in memory: layers, the layouts around them, ELF files.

The tar archives are those of `tarfile`, which the package does not use.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from refactor.proof.archive import read
from refactor.proof.images import Image

Member = tuple[tarfile.TarInfo, bytes]
Files = dict[str, bytes]
X86 = (2, 1, 62)  # class, byte order and machine of an ELF file
PATH = ["PATH=/usr/local/bin:/usr/bin:/bin"]


def file(
    name: str,
    data: bytes = b"",
    mode: int = 0o644,
    uid: int = 0,
    pax: Mapping[str, str] | None = None,
) -> Member:
    """Return a regular file; with fields of PAX."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.uid, info.gid, info.mtime = len(data), mode, uid, uid, 1234
    info.pax_headers = dict(pax or {})
    return info, data


def folder(name: str, mode: int = 0o755) -> Member:
    """Return a folder."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info, b""


def link(name: str, target: str, hard: bool = False) -> Member:
    """Return a link, symbolic if not hard."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = (tarfile.LNKTYPE if hard else tarfile.SYMTYPE), target
    return info, b""


def program(name: str, data: bytes = b"\x00") -> Member:
    """Return a file that may be run."""
    return file(name, data, 0o755)


def layer(*members: Member, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a layer's archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archived(files: Mapping[str, bytes]) -> bytes:
    """Return the archive around the files of a layout."""
    return layer(*(file(name, data) for name, data in files.items()))


def digest(data: bytes) -> str:
    """Return a digest as images write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def configuration(layers: Iterable[bytes], **config: Any) -> bytes:
    """Return an image's configuration; that of a container in `config`."""
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": PATH, **config},
            "rootfs": {"type": "layers", "diff_ids": [digest(one) for one in layers]},
            "history": [
                {"created_by": "ENV A=1", "empty_layer": True},
                *({"created_by": f"RUN {number}"} for number, _ in enumerate(layers)),
            ],
        }
    ).encode()


def old(*layers: bytes, **config: Any) -> Files:
    """Return the files of `docker save` as they were until version 24."""
    names = [f"{number:064}/layer.tar" for number, _ in enumerate(layers)]
    manifest = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": names}]
    return {
        **dict(zip(names, layers, strict=True)),
        "c.json": configuration(layers, **config),
        "manifest.json": json.dumps(manifest).encode(),
    }


def descriptor(data: bytes, **more: Any) -> dict[str, Any]:
    """Return what an index or a manifest says of a file."""
    return {"digest": digest(data), "size": len(data), **more}


def blobs(*contents: bytes) -> Files:
    """Return files by their digests."""
    return {"blobs/" + digest(data).replace(":", "/"): data for data in contents}


def oci(*layers: bytes, packed: Iterable[bytes] | None = None, **config: Any) -> Files:
    """Return the files of an OCI layout."""
    stored = list(layers if packed is None else packed)
    inner = configuration(layers, **config)
    found: dict[str, Any] = {"config": descriptor(inner), "layers": list(map(descriptor, stored))}
    manifest = json.dumps(found).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [descriptor(manifest)]}).encode()
    return {**blobs(manifest, inner, *stored), "index.json": index, "oci-layout": b"{}"}


def new(*layers: bytes, **config: Any) -> Files:
    """Return the files of `docker save` since version 25: both layouts in one."""
    files = oci(*layers, **config)
    inner = configuration(layers, **config)
    names = ["blobs/" + digest(one).replace(":", "/") for one in layers]
    place = "blobs/" + digest(inner).replace(":", "/")
    return {**files, "manifest.json": json.dumps([{"Config": place, "Layers": names}]).encode()}


def saved(place: Path, data: bytes) -> Path:
    """Write an archive."""
    place.mkdir(exist_ok=True)
    path = place / "image.tar"
    path.write_bytes(data)
    return path


def image(place: Path, *layers: bytes, **config: Any) -> Image:
    """Return the image of some layers."""
    return read(saved(place, archived(new(*layers, **config))))


def one(place: Path, *members: Member, **config: Any) -> Image:
    """Return the image of one layer."""
    return image(place, layer(*members), **config)


def gzipped(data: bytes) -> bytes:
    """Pack an archive, in two members as estargz does."""
    half = len(data) // 2
    return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)


def elf(
    *needed: str,
    form: tuple[int, int, int] = X86,
    soname: str = "",
    runpath: str = "",
    rpath: str = "",
    interpreter: str = "",
) -> bytes:
    """Return an ELF file with nothing in it but what the loader reads."""
    order, wide = (">" if form[1] == 2 else "<"), form[0] == 2
    strings, tags = b"\0", []
    for tag, text in [
        *((1, name) for name in needed), (14, soname), (15, rpath), (29, runpath)
    ]:  # fmt: skip
        if text:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    segments = 3 if interpreter else 2
    start = (64 + 56 * segments) if wide else (52 + 32 * segments)
    loader = interpreter.encode() + b"\0"
    table = start + len(loader)
    dynamic = table + len(strings)
    pairs = [*tags, (5, table), (10, len(strings)), (0, 0)]
    pair = order + ("QQ" if wide else "II")
    body = loader + strings + b"".join(struct.pack(pair, *one) for one in pairs)
    places = [(1, 0, start + len(body)), (2, dynamic, len(pairs) * struct.calcsize(pair))]
    places += [(3, start, len(loader))] if interpreter else []
    ident = b"\x7fELF" + bytes([form[0], form[1], 1]) + bytes(9)
    kind = 2 if interpreter else 3
    if wide:
        numbers = (kind, form[2], 1, 0, 64, 0, 0, 64, 56, segments, 64, 0, 0)
        head = struct.pack(order + "HHIQQQIHHHHHH", *numbers)
        rows = (struct.pack(order + "IIQQQQQQ", k, 4, o, o, o, s, s, 1) for k, o, s in places)
    else:
        numbers = (kind, form[2], 1, 0, 52, 0, 0, 52, 32, segments, 40, 0, 0)
        head = struct.pack(order + "HHIIIIIHHHHHH", *numbers)
        rows = (struct.pack(order + "IIIIIIII", k, o, o, o, s, s, 4, 1) for k, o, s in places)
    return ident + head + b"".join(rows) + body
