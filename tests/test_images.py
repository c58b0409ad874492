"""Saved images are read as they are meant, whatever layout they have; hostile ones do no harm."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import struct
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refactor.proof.archive import read
from refactor.proof.images import Image, Kind, Node
from refactor.proof.limits import ImageError, Limits
from refactor.proof.tar import Tar
from tests.image_archives import (
    Files,
    Member,
    archived,
    blobs,
    descriptor,
    digest,
    file,
    folder,
    gzipped,
    image,
    layer,
    link,
    new,
    oci,
    old,
    one,
    saved,
)

ROOT = Path(__file__).parent.parent
TWO = (
    layer(folder("app/"), file("app/a", b"one"), file("app/b", b"twenty"), file("c", b"see")),
    layer(file("app/a", b"other"), file("app/.wh.b"), file("d", b"dee", 0o4755, 7)),
)
CONFIG = {
    "User": "app",
    "WorkingDir": "/app",
    "Entrypoint": ["/d"],
    "Cmd": ["-x"],
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}},
    "Labels": {"a": "b"},
    "Healthcheck": {"Test": ["CMD", "/d"], "Interval": 5},
    "StopSignal": "SIGINT",
    "Shell": ["/bin/bash", "-c"],
    "OnBuild": ["RUN x"],
}


def _packed(*layers: bytes, **config: Any) -> Files:
    return oci(*layers, packed=map(gzipped, layers), **config)


def _zstd(*layers: bytes, **config: Any) -> Files:
    zstandard = pytest.importorskip("zstandard")
    return oci(*layers, packed=map(zstandard.compress, layers), **config)


def _nested(*layers: bytes, **config: Any) -> Files:
    """Return what buildx writes: an index in an index, with a note on how it was built."""
    files = oci(*layers, **config)
    (manifest,) = json.loads(files["index.json"])["manifests"]
    note = {"vnd.docker.reference.type": "attestation-manifest"}
    other = descriptor(b"?", platform={"architecture": "unknown"}, annotations=note)
    inner = json.dumps({"manifests": [other, manifest]}).encode()
    index = json.dumps({"manifests": [descriptor(inner)]}).encode()
    return {**files, **blobs(inner), "index.json": index}


@pytest.mark.parametrize("layout", [old, new, oci, _packed, _zstd, _nested])
def test_every_layout_is_the_same_image(layout: Callable[..., Files], tmp_path: Path) -> None:
    found = read(saved(tmp_path, archived(layout(*TWO, **CONFIG))))
    tree = found.tree
    assert sorted(tree) == ["/app", "/app/a", "/c", "/d"]
    assert tree["/d"][:5] == (Kind.FILE, 0o4755, 7, 7, 3)
    assert tree["/app"] == Node(Kind.FOLDER, 0o755, 0, 0)
    assert tree["/app/a"].digest != tree["/c"].digest
    settings = found.settings
    assert settings.env == {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    assert (settings.user, settings.workdir, settings.stop_signal) == ("app", "/app", "SIGINT")
    assert (settings.entrypoint, settings.cmd) == (("/d",), ("-x",))
    assert settings.ports | settings.volumes == {"80/tcp", "/data"}
    assert (settings.labels, settings.onbuild) == ({"a": "b"}, ("RUN x",))
    assert (settings.healthcheck, settings.probing) == (("CMD", "/d"), ("Interval=5",))
    assert (settings.shell, settings.platform) == (("/bin/bash", "-c"), "linux/amd64")
    assert [one.step for one in found.layers] == ["RUN 0", "RUN 1"]
    assert [one.digest for one in found.layers] == [digest(one) for one in TWO]
    assert [(one.files, one.entries, one.wasted) for one in found.layers] == [
        (12, 4, 9),
        (8, 3, 0),
    ]
    assert (found.size, found.wasted) == (20, 9)
    assert found.privileged == {"/d"}
    if layout in (old, new):
        assert found.stored == sum(map(len, TWO))


def test_layers_are_measured_as_gzip_packs_them(tmp_path: Path) -> None:
    """Both a layer that is kept as it is, and one that is packed already."""
    for number, files in enumerate((oci(*TWO), _packed(*TWO))):
        path = saved(tmp_path / f"{number}", archived(files))
        known: dict[str, int] = {}
        found = read(path, packed=known)
        sizes = [len(zlib_packed(one)) for one in TWO]
        assert [layer.stored for layer in found.layers] == sizes
        assert sorted(known.values()) == sorted(sizes)
        assert [layer.stored for layer in read(path, packed=dict.fromkeys(known, 7)).layers] == [
            7,
            7,
        ]


def zlib_packed(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def test_a_folder_can_be_an_image(tmp_path: Path) -> None:
    for name, data in oci(*TWO).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert sorted(read(tmp_path).tree) == ["/app", "/app/a", "/c", "/d"]


def test_layers_can_be_links_to_each_other(tmp_path: Path) -> None:
    """Docker once saved equal layers once."""
    files = old(TWO[0], TWO[0])
    first, second = sorted(name for name in files if name.endswith("layer.tar"))
    members = [file(name, data) for name, data in files.items() if name != second]
    found = read(saved(tmp_path, layer(*members, link(second, f"../{first}"))))
    assert "/app/b" in found.tree
    assert found.layers[0].wasted == found.layers[1].files == 12


def _paths(place: Path, *layers: tuple[Member, ...]) -> dict[str, Kind]:
    tree = image(place, *(layer(*members) for members in layers)).tree
    return {path: node.kind for path, node in sorted(tree.items())}


def test_whiteouts(tmp_path: Path) -> None:
    base = (file("a/b/c", b"1"), file("a/d", b"2"), file("e", b"3"))
    assert list(_paths(tmp_path, base, (file(".wh.a"),))) == ["/e"]
    assert list(_paths(tmp_path, base, (file("a/.wh.b"), file(".wh.no")))) == ["/a", "/a/d", "/e"]
    # What the same layer puts there stays, wherever it stands in it.
    assert list(_paths(tmp_path, base, (file("a/n"), file("a/.wh..wh..opq")))) == [
        "/a", "/a/n", "/e",
    ]  # fmt: skip
    assert list(_paths(tmp_path, base, (file(".wh.a"), file("a/b/n")))) == [
        "/a", "/a/b", "/a/b/n", "/e",
    ]  # fmt: skip
    assert list(_paths(tmp_path, base, (file("a/b/n"), file(".wh.a")))) == [
        "/a", "/a/b", "/a/b/n", "/e",
    ]  # fmt: skip
    assert list(_paths(tmp_path, base, (file(".wh..wh..opq"), file("z")))) == ["/z"]
    assert list(_paths(tmp_path, base, (file(".wh..wh.plnk/1"),))) == list(_paths(tmp_path, base))


def test_what_replaces_what(tmp_path: Path) -> None:
    base = (file("a/b", b"12"), file("c"), link("l", "a"))
    assert _paths(tmp_path, base, (file("a"),))["/a"] is Kind.FILE
    assert "/a/b" not in _paths(tmp_path, base, (file("a"),))
    assert _paths(tmp_path, base, (folder("c/"), file("c/d")))["/c/d"] is Kind.FILE
    assert "/a/b" in _paths(tmp_path, base, (folder("a/", 0o700),))
    assert image(tmp_path, layer(*base), layer(folder("a/", 0o700))).tree["/a"].mode == 0o700
    # A path through a link is where the link leads to; a folder in its place replaces it.
    assert "/a/new" in _paths(tmp_path, base, (file("l/new"),))
    assert "/l/new" in _paths(tmp_path, base, (folder("l/"), file("l/new")))
    assert "/a/b" not in _paths(tmp_path, base, (file("l/.wh.b"),))


def test_hard_links_are_the_file_that_they_name(tmp_path: Path) -> None:
    first = layer(file("a", b"12345", 0o755, 3), link("b", "a", hard=True))
    found = image(tmp_path, first, layer(file(".wh.a")))
    assert found.tree["/b"][:5] == (Kind.FILE, 0o755, 3, 3, 5)
    assert found.layers[0].files == 5
    with pytest.raises(ImageError, match="hard link to what is not there: 'no'"):
        one(tmp_path, link("b", "no", hard=True))


def test_paths_are_normal(tmp_path: Path) -> None:
    members = (file("./a"), file("/b"), file("c//d/./e"), file("x/../f"), folder("./"))
    assert list(_paths(tmp_path, members)) == ["/a", "/b", "/c", "/c/d", "/c/d/e", "/f"]


def _names(data: bytes) -> list[tuple[str, int, int, str]]:
    archive = Tar(io.BufferedReader(io.BytesIO(data)), "it")
    return [(one.name.rstrip("/"), one.size, one.uid, one.target) for one in archive]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_archive_is_read_as_tarfile_reads_it(form: int) -> None:
    long = "/".join(["folder" * 5] * (3 if form == tarfile.USTAR_FORMAT else 12))
    uid = 7 if form == tarfile.USTAR_FORMAT else 3_000_000
    members = [
        file(long + "/x", b"1" * 1000, uid=uid), link("l", long[:90]), folder("f/"),
        file("ü\n", b""), file("n" * 100, b"2" * 512), link("h", "n" * 100, hard=True),
        file("raw\udcff", b"3"),
    ]  # fmt: skip
    data = layer(*members, form=form)
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        wanted = [(m.name, m.size if m.isreg() else 0, m.uid, m.linkname) for m in archive]
    assert _names(data) == wanted


def test_capabilities_are_read(tmp_path: Path) -> None:
    found = one(tmp_path, file("ping", b"x", pax={"SCHILY.xattr.security.capability": "\x01\x02"}))
    assert found.tree["/ping"].capability == "0102"
    assert found.privileged == {"/ping"}


def test_times_in_bytecode_and_password_ages_are_no_content(tmp_path: Path) -> None:
    def digests(when: bytes, days: bytes, code: bytes = b"code") -> list[str]:
        pyc = b"abcd" + bytes(4) + when + b"size" + code
        shadow = b"root:*:" + days + b":0:99999:7:::\n"
        found = one(tmp_path, file("a.pyc", pyc), file("etc/shadow", shadow))
        return [found.tree[path].digest for path in ("/a.pyc", "/etc/shadow")]

    assert digests(b"1234", b"19000") == digests(b"5678", b"19001")
    assert digests(b"1234", b"19000") != digests(b"1234", b"19000", b"edoc")


def _sparse(form: str, size: int) -> bytes:
    """Return an archive with a file of `size` bytes, of which three are stored."""
    if form == "old":
        info = tarfile.TarInfo("s")
        info.type, info.size = b"S", 3
        block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        block[386:410] = b"%011o\0%011o\0" % (512, 3)
        block[483:495] = struct.pack(">BBHQ", 0x80, 0, 0, size)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        return bytes(block) + b"abc".ljust(512, b"\0") + bytes(1024)
    numbers = {"0.0": {}, "0.1": {"map": "512,3"}, "1.0": {"major": "1", "minor": "0"}}[form]
    pax = {f"GNU.sparse.{key}": value for key, value in numbers.items()}
    pax["GNU.sparse.realsize" if form == "1.0" else "GNU.sparse.size"] = str(size)
    pax |= {"GNU.sparse.name": "s"} if form != "0.0" else {}
    if form == "0.0":
        pax |= {"GNU.sparse.offset": "512", "GNU.sparse.numbytes": "3"}
    data = b"1\n512\n3\n".ljust(512, b"\0") + b"abc" if form == "1.0" else b"abc"
    return layer(file("s" if form == "0.0" else "GNUSparseFile.0/s", data, pax=pax))


@pytest.mark.parametrize("form", ["old", "0.0", "0.1", "1.0"])
def test_a_sparse_file_of_ten_gigabytes_costs_nothing(form: str, tmp_path: Path) -> None:
    begin = time.process_time()
    found = image(tmp_path, _sparse(form, 10 << 30))
    assert time.process_time() - begin < 1
    assert found.tree["/s"].size == 10 << 30
    assert found.tree["/s"].digest != image(tmp_path, _sparse(form, 11 << 30)).tree["/s"].digest
    assert found.tree["/s"].digest == image(tmp_path, _sparse("old", 10 << 30)).tree["/s"].digest
    with pytest.raises(ImageError, match="pieces do not fit"):
        image(tmp_path, _sparse(form, 100))


def _refused(place: Path, data: bytes, limits: Limits | None = None) -> str:
    """Return what is said of an archive that cannot be read."""
    path = saved(place, data)
    before = sorted(place.rglob("*")), sorted(place.parent.iterdir()), os.listdir()
    with pytest.raises(ImageError) as caught:
        read(path, limits or Limits())
    assert (sorted(place.rglob("*")), sorted(place.parent.iterdir()), os.listdir()) == before
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "name", ["../etc/passwd", "a/../../b", "/../x", "a/" * 3000 + "b", ".wh...", "x/.wh."]
)
def test_paths_that_no_image_has_are_refused(name: str, tmp_path: Path) -> None:
    said = _refused(tmp_path, archived(new(layer(file(name)))))
    assert "path that" in said or "deletes what has no name" in said


def test_links_that_leave_the_root_stay_in_it(tmp_path: Path) -> None:
    members = (
        link("up", "../../../../etc"), link("etc2", "/etc"), file("etc/passwd", b"ours"),
        file("up/new", b"x"), link("me", "me/deep"), link("a", "b"), link("b", "a"),
        file("a/x", b"y"), folder("gone"),
    )  # fmt: skip
    found = one(tmp_path, *members)
    assert found.tree["/etc/new"].size == 1
    assert found.tree["/a/x"].size == 1  # where the links lead nowhere a folder takes their place
    assert [one.what for one in found.defects if one.path == "/me"] == [
        "points to me/deep, which leads in a circle"
    ]
    assert not {one.path for one in found.defects} & {"/up", "/etc2"}


def test_what_is_broken_is_said(tmp_path: Path) -> None:
    good = archived(new(*TWO))
    assert "no image" in _refused(tmp_path, layer(file("a", b"b")))
    assert "no tar archive" in _refused(tmp_path, b"<html>" * 200)
    assert "no image" in _refused(tmp_path, b"")
    assert "packed" in _refused(tmp_path, gzip.compress(good))
    for size in (700, len(good) // 2, len(good) // 3):
        assert "too early" in _refused(tmp_path, good[:size])
    files = new(*TWO)
    for name in ("manifest.json", *json.loads(files["manifest.json"])[0]["Layers"]):
        bad = {**files, name: b'{"a": ' + b"[" * 100_000}
        assert _refused(tmp_path, archived(bad))
        del bad[name]
        bad["oci-layout"] = b""
        if name != "manifest.json":
            assert "is not there: save it again" in _refused(tmp_path, archived(bad))
    assert "2 images" in _refused(
        tmp_path, archived({"manifest.json": b'[{"Config": "a"}, {"Config": "b"}]'})
    )
    many = {"manifests": [descriptor(b"1"), descriptor(b"2")]}
    assert "one image" in _refused(tmp_path, archived({"index.json": json.dumps(many).encode()}))


@pytest.mark.parametrize("config", ['{"rootfs": 1}', "[]", "{}", '{"rootfs": {"diff_ids": [1]}}'])
def test_a_configuration_may_hold_anything(config: str, tmp_path: Path) -> None:
    files = {**old(TWO[0]), "c.json": config.encode()}
    assert "save it again" in _refused(tmp_path, archived(files))


def test_settings_of_the_wrong_kind_are_none(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {
        "Env": None,
        "Cmd": "a",
        "Labels": [],
        "User": 5,
        "Healthcheck": "x",
        "Volumes": 1,
    }
    found = one(tmp_path, file("bin/a"), **wrong).settings
    assert (found.env, found.cmd, found.labels, found.user) == ({}, ("a",), {}, "")


def test_an_index_that_names_itself_ends(tmp_path: Path) -> None:
    index = json.dumps({"manifests": [{"digest": "sha256:" + "0" * 64}]}).encode()
    files = {"index.json": index, "blobs/sha256/" + "0" * 64: index}
    assert "nested too deep" in _refused(tmp_path, archived(files))


def test_damaged_packing_is_said(tmp_path: Path) -> None:
    packed = gzipped(TWO[0])
    assert "ends too early" in _refused(tmp_path, archived(oci(TWO[0], packed=[packed[:-9]])))
    for at in (40, len(packed) - 6):
        bad = packed[:at] + bytes([packed[at] ^ 255]) + packed[at + 1 :]
        assert "layer 1" in _refused(tmp_path, archived(oci(TWO[0], packed=[bad])))
    zstandard = pytest.importorskip("zstandard")
    bad = zstandard.compress(TWO[0])[:-30] + bytes(30)
    assert "layer 1" in _refused(tmp_path, archived(oci(TWO[0], packed=[bad])))


@pytest.mark.parametrize("layout", [old, new, oci, _packed, _zstd, _nested])
def test_archives_with_chance_bytes_are_read_or_refused(
    layout: Callable[..., Files], tmp_path: Path
) -> None:
    chance = random.Random(7)
    whole = archived(layout(*TWO, _sparse("old", 5000), _sparse("1.0", 5000), **CONFIG))
    places = [at for at, byte in enumerate(whole) if byte]
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 5))):
            data[chance.choice(places)] = chance.choice((0, 255, chance.randrange(256)))
        try:
            read(saved(tmp_path, bytes(data)))
        except ImageError:
            refused += 1
    assert refused > 100


def test_without_the_package_for_zstd_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    data = b"\x28\xb5\x2f\xfd" + bytes(100)
    assert "dockerfile-refactor[proof]" in _refused(tmp_path, archived(oci(b"", packed=[data])))


def test_limits(tmp_path: Path) -> None:
    data = archived(new(*TWO))
    named = archived(new(layer(file("etc/passwd", b"12345"))))
    assert "say more than 4 characters" in _refused(tmp_path, named, Limits(kept=4))
    for limits, said in (
        (Limits(layers=1), "more than 1 layers"),
        (Limits(entries=5), "more than 5 entries"),
        (Limits(names=10), "longer than 10 characters"),
        (Limits(contents=4000), "more than 4,000 bytes"),
        (Limits(manifest=10), "more than 10 bytes"),
    ):
        assert said in _refused(tmp_path, data, limits)


def test_ten_gigabytes_of_zeros_are_not_unpacked(tmp_path: Path) -> None:
    info = tarfile.TarInfo("zeros")
    info.size = 10 << 30
    packer = zlib.compressobj(1, wbits=31)
    packed = packer.compress(info.tobuf()) + packer.compress(bytes(64 << 20)) + packer.flush()
    limits = Limits(contents=32 << 20)
    said = _refused(tmp_path, archived(oci(b"", packed=[packed])), limits)
    assert "more than 33,554,432 bytes" in said
    said = _refused(tmp_path, archived(oci(b"", packed=[gzip.compress(bytes(64 << 20))])), limits)
    assert "more than 33,554,432 bytes" in said  # behind the end


def _measured(path: Path, entries: int) -> tuple[str, float, int]:
    """Return what is said of an archive, and the seconds and megabytes that it takes."""
    code = f"""
import re, time
from pathlib import Path
from refactor.proof.archive import Limits, read
begin = time.process_time()
try:
    said = str(len(read(Path({str(path)!r}), Limits(entries={entries})).tree))
except ValueError as error:
    said = str(error)
# Not getrusage: it counts what the process that started this one used.
(peak,) = re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(said, time.process_time() - begin, int(peak) // 1024, sep="|")
"""
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    said, seconds, megabytes = out.strip().split("|")
    return said, float(seconds), int(megabytes)


def test_a_million_entries_end_soon_and_in_little_memory(tmp_path: Path) -> None:
    head = tarfile.TarInfo("n" * 30).tobuf(tarfile.USTAR_FORMAT)
    rest = sum(head) - sum(head[148:156]) - sum(head[:30]) + 8 * 32
    names = (b"%030d" % number for number in range(100_000))
    blocks = (
        b"%s%s%06o\0 %s" % (name, head[30:148], rest + sum(name), head[156:]) for name in names
    )
    packed = gzip.compress(b"".join(blocks), 1) * 10
    path = saved(tmp_path, archived(oci(b"", packed=[packed])))
    said, seconds, megabytes = _measured(path, 150_000)
    assert said.endswith("more than 150,000 entries")
    assert seconds < 20
    assert megabytes < 200


def test_headers_that_claim_much_get_nothing(tmp_path: Path) -> None:
    """A header may name any size: nothing is read for it before it is there."""
    for kind in (b"x", b"L", b"K", b"g"):
        info = tarfile.TarInfo("a")
        info.type, info.size = kind, 5 << 30
        assert "a header is" in _refused(tmp_path, archived(new(info.tobuf() + bytes(1024))))
    info = tarfile.TarInfo("a")
    info.size = 5 << 30
    assert "ends too early" in _refused(tmp_path, archived(new(info.tobuf() + bytes(1024))))
    block = bytearray(info.tobuf())
    block[0] ^= 1
    assert "sum is wrong" in _refused(tmp_path, archived(new(bytes(block))))


def test_a_thousand_opaque_folders_in_each_other_take_no_time(tmp_path: Path) -> None:
    deep = ["a" + "/a" * depth for depth in range(1000)]
    first = layer(*(file(f"{path}/f") for path in deep))
    second = layer(*(file(f"{path}/.wh..wh..opq") for path in reversed(deep)))
    begin = time.process_time()
    assert "/a/f" not in image(tmp_path, first, second).tree
    assert time.process_time() - begin < 5


def test_nothing_that_is_read_is_written(tmp_path: Path) -> None:
    path = saved(tmp_path, archived(new(*TWO)))
    was = path.stat()
    tmp_path.chmod(0o500)
    try:
        found: Image = read(path)
    finally:
        tmp_path.chmod(0o700)
    assert found.tree
    assert (path.stat().st_mtime, path.stat().st_size) == (was.st_mtime, was.st_size)
    assert os.listdir(tmp_path) == ["image.tar"]


def test_a_layout_folder_does_not_lead_out_of_itself(tmp_path: Path) -> None:
    files = oci(*TWO)
    for name, data in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "out").write_bytes(files["index.json"])
    (tmp_path / "in/index.json").unlink()
    (tmp_path / "in/index.json").symlink_to(tmp_path / "out")
    with pytest.raises(ImageError, match="no image"):
        read(tmp_path / "in")
    with pytest.raises(ImageError, match="no file and no folder"):
        read(tmp_path / "none")
