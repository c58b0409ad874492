"""Which packages an image has, and what of it cannot work: no more than that."""

from __future__ import annotations

import io
import json
import random
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest

from refactor.proof import elf, packages
from refactor.proof.images import Defect, Package
from refactor.proof.limits import Limits
from refactor.proof.packages import Installed, Unread
from tests.image_archives import (
    X86,
    Member,
    file,
    folder,
    image,
    layer,
    link,
    one,
    program,
)
from tests.image_archives import elf as made

LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBC = (
    program(LOADER, made(soname="ld-linux-x86-64.so.2")),
    file("lib/x86_64-linux-gnu/libc.so.6", made(soname="libc.so.6")),
    program("bin/sh", made("libc.so.6", interpreter=LOADER)),
)
STATUS = b"""Package: libc6
Status: install ok installed
Version: 2.36-9

Package: gone
Status: deinstall ok config-files
Version: 1

Package: gcc-12
Status: hold ok installed
Version: 12.2
Description: x
 Version: 3
"""


def _rpm_header(name: bytes, version: bytes, release: bytes) -> bytes:
    data, rows = b"", b""
    for tag, value in ((1000, name), (1001, version), (1002, release)):
        rows += struct.pack(">IIII", tag, 6, len(data), 1)
        data += value + b"\0"
    return struct.pack(">II", 3, len(data)) + rows + data


def _rpm(*headers: bytes, schema: str = "CREATE TABLE Packages (hnum INTEGER, blob BLOB)") -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute(schema)
    if "TABLE" in schema:
        connection.executemany("INSERT INTO Packages VALUES (1, ?)", [(one,) for one in headers])
    connection.commit()
    data = connection.serialize()
    return data[:18] + b"\2\2" + data[20:]  # as with a write-ahead log


def test_packages_of_every_kind(tmp_path: Path) -> None:
    site = "usr/lib/python3.11/site-packages"
    apk = b"P:musl\nV:1.2\nF:lib\nR:ld\n\nP:gcc\nV:13\nF:usr/bin\nR:gcc\nF:\nR:x\n\n"
    found = one(
        tmp_path,
        file("var/lib/dpkg/status", STATUS),
        file("var/lib/dpkg/status.d/base", b"Package: base\nVersion: 1\n"),
        file("var/lib/dpkg/status.d/base.md5sums", b"Package: no\nVersion: 1\n"),
        file("var/lib/dpkg/info/gcc-12.list", b"/.\n/usr\n/bin/gcc-12\n/usr/share/gone\n"),
        file("var/lib/dpkg/info/libc6:amd64.list", b"/usr/bin/ldd\n"),
        link("bin", "usr/bin"), file("usr/bin/gcc-12"), file("usr/bin/ldd"), file("usr/bin/gcc"),
        file("lib/apk/db/installed", apk),
        file("var/lib/rpm/rpmdb.sqlite", _rpm(
            _rpm_header(b"bash", b"5.2", b"1.fc40"), _rpm_header(b"gpg-pubkey", b"1", b"1"), b"bad",
        )),
        file(f"{site}/Foo_bar-1.0.dist-info/METADATA",
             b"Name: Foo_bar\r\nVersion: 1.0\r\n\r\nName: x"),
        file(f"{site}/Foo_bar-1.0.dist-info/RECORD", b"../../../bin/foo,sha256=x,1\nfoo.py,,\n"),
        file("usr/bin/foo"),
        file(f"{site}/bare-2.dist-info/INSTALLER"), folder(f"{site}/old-3-py3.11.egg-info"),
        file("app/node_modules/@a/b/package.json", b'{"name": "@a/b", "version": "4"}'),
        file("app/node_modules/c/package.json", b"[" * 100_000),
        file("app/node_modules/c/lib/package.json", b'{"name": "no"}'),
        file("app/package.json", b'{"name": "no"}'),
    )  # fmt: skip
    assert found.packages == {
        Package("deb", "libc6", "2.36-9"), Package("deb", "gcc-12", "12.2"),
        Package("deb", "base", "1"), Package("apk", "musl", "1.2"), Package("apk", "gcc", "13"),
        Package("rpm", "bash", "5.2-1.fc40"), Package("python", "foo-bar", "1.0"),
        Package("python", "bare", "2"), Package("python", "old", "3"),
        Package("node", "@a/b", "4"),
    }  # fmt: skip
    assert found.tools == {"/usr/bin/gcc-12", "/usr/bin/gcc"}
    assert found.modules == {"/usr/bin/foo"}
    assert not found.unread


def test_only_what_is_there_in_the_end_is_installed(tmp_path: Path) -> None:
    first = layer(file("var/lib/dpkg/status", STATUS))
    second = layer(file("var/lib/dpkg/status", b"Package: a\nVersion: 1\n"))
    assert image(tmp_path, first, second).packages == {Package("deb", "a", "1")}
    assert not image(tmp_path, first, layer(file("var/lib/.wh.dpkg"))).packages


def test_what_could_not_be_read_is_said(tmp_path: Path) -> None:
    assert "not read" in one(tmp_path, file("var/lib/rpm/Packages", b"bdb")).unread[0]
    assert "no SQLite" in one(tmp_path, file("var/lib/rpm/rpmdb.sqlite", b"?" * 99)).unread[0]
    broken = _rpm(_rpm_header(b"a", b"1", b"1"))[:5000]
    assert one(tmp_path, file("var/lib/rpm/rpmdb.sqlite", broken)).unread
    from refactor.proof.archive import read

    path = tmp_path / "image.tar"
    one(tmp_path, file("var/lib/dpkg/status", STATUS), file("bin/x", made("libx.so")))
    found = read(path, Limits(text=10, program=10))
    assert found.unread == ("/var/lib/dpkg/status is too large to be read",)
    assert not found.defects


def test_a_database_that_never_ends_is_ended() -> None:
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r"
    view = f"CREATE VIEW Packages AS SELECT n AS hnum, 'x' AS blob FROM ({endless})"
    assert isinstance(packages.rpm(_rpm(schema=view)), Unread)
    assert packages.rpm(_rpm()) == Installed(())


def _what(place: Path, *members: Member, **config: Any) -> set[tuple[str, str, str]]:
    return {tuple(defect) for defect in one(place, *members, **config).defects}  # type: ignore[misc]


def test_a_library_that_is_there_is_no_defect(tmp_path: Path) -> None:
    cache = b"glibc-ld.so.cache1.1" + struct.pack("<II", 1, 0) + bytes(20)
    cache += struct.pack("<iIIIQ", 0, 72, 82, 0, 0) + b"libc1.so.1\0"[:10] + b"/opt/c/libc1.so.1\0"
    cache = cache.replace(b"libc1.so.1/opt", b"libc1.so1\0/opt")
    assert not _what(
        tmp_path, *LIBC,
        program("app/run", made("libc.so.6", "liba.so", "libb.so", "libc1.so1", "libd.so",
                                "libcuda.so.1", interpreter=LOADER, runpath="$ORIGIN/../lib:/x")),
        link("lib/liba.so", "liba.so.1"), file("lib/liba.so.1", made()),
        file("env/libb.so", made()), file("etc/ld.so.cache", cache),
        file("opt/c/libc1.so.1", made()), file("x/libd.so", made()),
        # An extension of a program that has the library already, and a sibling's folder.
        file("jvm/lib/libjava.so", made("libjvm.so")), file("jvm/lib/server/libjvm.so", made()),
        # For other machines and other C libraries, and what is only looked at.
        program("app/node_modules/a/prebuilds/arm.node", made("no", form=(2, 1, 183))),
        file("app/node_modules/a/musl.node", made("libc.musl-x86_64.so.1")),
        file("src/testdata/x.so", made("no.so")), file("usr/lib/debug/x", made("no.so")),
        Env=["LD_LIBRARY_PATH=/env:"],
    )  # fmt: skip


def test_a_library_that_is_not_there_is_one(tmp_path: Path) -> None:
    assert _what(
        tmp_path, *LIBC,
        program("app/run", made("libno.so.1", "libarm.so", interpreter=LOADER)),
        file("lib/libarm.so", made(form=(2, 1, 183))),
        file("lib/libpq.so.5.1", made(soname="libpq.so.5")),  # without the link to it
        file("usr/lib/python3/site-packages/x.so", made("libpq.so.5", rpath="$ORIGIN/.libs")),
        program("app/musl", made("libc.musl-x86_64.so.1", interpreter="/lib/ld-musl-x86_64.so.1")),
        file("etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n"),
        file("etc/ld.so.conf.d/a.conf", b"# local\n/usr/local/lib\n"),
        file("usr/local/lib/libnew.so", made()),
        program("app/new", made("libnew.so", interpreter=LOADER)),
    ) == {
        ("library", "/app/run", "libno.so.1 is not there"),
        ("library", "/app/run", "libarm.so is not there"),
        ("library", "/usr/lib/python3/site-packages/x.so", "libpq.so.5 is not there"),
        ("library", "/app/musl", "its loader /lib/ld-musl-x86_64.so.1 is not there"),
        ("library", "/app/new",
         "libnew.so is in /usr/local/lib, but ldconfig did not run after it came there"),
    }  # fmt: skip


def test_musl_has_folders_of_its_own(tmp_path: Path) -> None:
    loader = program("lib/ld-musl-x86_64.so.1", made(soname="libc.musl-x86_64.so.1"))
    app = program("app/x", made("liba.so", interpreter="/lib/ld-musl-x86_64.so.1"))
    library = file("usr/local/lib/liba.so", made())
    assert not _what(tmp_path, loader, app, library)
    listed = file("etc/ld-musl-x86_64.path", b"/opt/l\n")
    assert not _what(tmp_path, loader, app, listed, file("opt/l/liba.so", made()))


def test_links(tmp_path: Path) -> None:
    members = (
        link("a", "no"), link("etc/mtab", "/proc/mounts"), link("b", "/run/x"), link("run/y", "no"),
        link("c", "c2"), link("c2", "c"), link("d", "e/../e"), folder("e"), link("f", "/"),
        link("etc/alternatives/man1", "/usr/share/man/x.1"), folder("usr/share"),
        link("g", "/e/../../../e"),
    )  # fmt: skip
    circle = "which leads in a circle"
    assert _what(tmp_path, *members) == {
        ("link", "/a", "points to no, which is not there"),
        ("link", "/c", f"points to c2, {circle}"),
        ("link", "/c2", f"points to c, {circle}"),
    }


def test_scripts(tmp_path: Path) -> None:
    assert _what(
        tmp_path, *LIBC,
        program("app/good", b"#!/bin/sh\n"), program("app/env", b"#! /usr/bin/env -S A=1 sh -x\n"),
        program("app/no", b"#!/usr/bin/python3 -u\nx"), program("app/py", b"#!/usr/bin/env python"),
        file("app/data", b"#!/no"), program("app/relative", b"#!sh\n"), program("app/e", b"#!\n"),
        program("usr/bin/env"), program("usr/bin/tool", b"#!/bin/perl\n"),
        program("app/node_modules/x/y", b"#!/bin/zsh\n"), program("usr/share/x", b"#!/bin/csh"),
    ) == {
        ("script", "/app/no", "its interpreter /usr/bin/python3 is not there"),
        ("script", "/app/py", "its interpreter: python is not in PATH"),
        ("script", "/usr/bin/tool", "its interpreter /bin/perl is not there"),
    }  # fmt: skip


SCRIPT = "exec gunicorn -b :80 | tee x"


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({}, None),
        ({"Cmd": ["sh"]}, None),
        ({"Cmd": ["sh", "-c", "cd /app && ./x"]}, None),
        ({"Cmd": ["sh", "-c", "A=1 gunicorn"]}, None),
        ({"Cmd": ["bash"]}, ("bash", "bash is not in PATH")),
        ({"Cmd": ["/bin/sh", "-c", SCRIPT]}, ("gunicorn", "gunicorn is not in PATH")),
        ({"Entrypoint": ["/run.sh"], "Cmd": ["x"]}, ("/run.sh", "/run.sh may not be run")),
        ({"Entrypoint": ["./run"], "WorkingDir": "/app"}, None),
        ({"Entrypoint": ["./run"], "WorkingDir": "/"}, ("./run", "./run is not there")),
        ({"Entrypoint": ["/arm"]}, ("/arm", "/arm is for another machine")),
        ({"Entrypoint": ["tini", "--"], "Cmd": ["sh"]}, None),
        ({"Entrypoint": ["tini", "--"], "Cmd": ["no"]}, ("no", "no is not in PATH")),
        ({"Cmd": ["python3", "main.py"]}, ("main.py", "main.py is not there")),
        ({"Cmd": ["python3", "app/main.py"]}, None),
        ({"Cmd": ["private"], "User": "app"}, ("private", "/bin/private may not be run")),
        ({"Cmd": ["private"], "User": "0"}, None),
        ({"Cmd": ["private"], "User": "app:staff"}, None),
        ({"Cmd": ["private"], "User": "other"}, None),
        ({"Cmd": ["own"], "User": "7"}, None),
        ({"Cmd": ["/root/x"], "User": "7"}, ("/root/x", "/root/x may not be run")),
    ],
)
def test_the_entry_point(
    config: dict[str, Any], what: tuple[str, str] | None, tmp_path: Path
) -> None:
    found = one(
        tmp_path, *LIBC, program("bin/tini"), program("bin/python3"), program("app/run"),
        file("run.sh", b"#!/bin/sh\n"), file("bin/private", b"x", 0o750, 50),
        file("bin/own", b"x", 0o500, 7), folder("root", 0o700), program("root/x"),
        file("app/main.py"), program("arm", made(form=(2, 1, 183))),
        file("etc/passwd", b"root:x:0:0::/:/\napp:x:7:7::/:/\n"),
        file("etc/group", b"staff:x:50:\n"), **config,
    )  # fmt: skip
    assert found.defects == ({Defect("entrypoint", *what)} if what else set())


def test_the_health_check(tmp_path: Path) -> None:
    shell = {"Healthcheck": {"Test": ["CMD-SHELL", "curl -f http://localhost || exit 1"]}}
    assert _what(tmp_path, *LIBC, **shell) == {("healthcheck", "curl", "curl is not in PATH")}
    assert not _what(tmp_path, *LIBC, program("bin/curl"), **shell)
    assert _what(tmp_path, Healthcheck={"Test": ["CMD", "/check"]}) == {
        ("healthcheck", "/check", "/check is not there")
    }
    assert not _what(tmp_path, Healthcheck={"Test": ["NONE"]})


def _pyelftools(data: bytes) -> dict[str, Any]:
    from elftools.elf.elffile import ELFFile

    found: dict[str, Any] = {"needed": [], "soname": "", "interpreter": ""}
    read: Any = ELFFile(io.BytesIO(data))
    for segment in read.iter_segments():
        if segment["p_type"] == "PT_INTERP":
            found["interpreter"] = segment.get_interp_name()
        for tag in segment.iter_tags() if segment["p_type"] == "PT_DYNAMIC" else ():
            if tag.entry.d_tag == "DT_NEEDED":
                found["needed"].append(tag.needed)
            for name in ("soname", "rpath", "runpath"):
                if tag.entry.d_tag == f"DT_{name.upper()}":
                    found[name] = getattr(tag, name)
    return found


def _agree(data: bytes) -> None:
    ours, theirs = elf.read(data), _pyelftools(data)
    assert ours is not None
    assert list(ours.needed) == theirs["needed"]
    assert (ours.soname, ours.interpreter) == (theirs["soname"], theirs["interpreter"])
    assert ":".join(ours.rpath) == theirs.get("rpath", "")
    assert ":".join(ours.runpath) == theirs.get("runpath", "")


@pytest.mark.parametrize("form", [X86, (1, 1, 3), (2, 2, 22), (1, 2, 8)])
def test_elf_files_are_read_as_pyelftools_reads_them(form: tuple[int, int, int]) -> None:
    _agree(made("a.so", "b.so", form=form, soname="c", runpath="/x:$ORIGIN", interpreter="/l"))
    _agree(made("a.so", form=form, rpath="/y"))


def test_programs_of_this_machine_are_read_as_pyelftools_reads_them() -> None:
    files = [path for path in sorted(Path("/usr/bin").iterdir()) if path.is_file()]
    contents = (path.read_bytes() for path in files if path.stat().st_size < 300_000)
    found = [data for data in contents if data[:4] == elf.MAGIC][:25]
    for data in found:
        _agree(data)


def test_damaged_elf_files_do_no_harm() -> None:
    good = made("a.so", soname="b", interpreter=LOADER)
    chance = random.Random(5)
    for _ in range(3000):
        data = bytearray(good[: chance.choice((len(good), chance.randrange(len(good))))])
        for _ in range(min(3, len(data))):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 255, chance.randrange(256)))
        found = elf.read(data)
        assert found is None or len(found.needed) <= 20_000


def test_package_lists_of_chance_bytes_do_no_harm() -> None:
    chance = random.Random(6)
    whole = _rpm(_rpm_header(b"a", b"1", b"1"))
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(20):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert isinstance(packages.rpm(bytes(data)), Installed | Unread)
        for way in (packages.deb, packages.apk, packages.python, packages.node):
            assert isinstance(way(bytes(data)), Installed)
    assert packages.node(json.dumps({"name": 5, "version": []}).encode()) == Installed(())
