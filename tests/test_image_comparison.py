"""How two images differ: settings, files by what they are, packages, defects; noise left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from refactor.proof.comparing import compare, noise
from refactor.proof.differences import Comparison, FileDifference, Group, How
from refactor.proof.groups import Groups
from refactor.proof.images import Defect, Image, Package
from tests.image_archives import Member, file, folder, image, layer, link, one, program


def _compared(place: Path, before: list[Member], after: list[Member]) -> Comparison:
    return compare(one(place, *before), one(place, *after))


def test_equal_images_have_no_difference(tmp_path: Path) -> None:
    members = [file("app/a", b"1"), link("b", "app/a")]
    assert _compared(tmp_path, members, members).is_empty
    late = [file("app/a", b"1"), link("b", "app/a")]
    late[0][0].mtime = 99_999
    assert _compared(tmp_path, members, late).is_empty
    split = image(tmp_path, layer(*members[:1]), layer(*members[1:]))
    assert compare(one(tmp_path, *members), split).is_empty


def test_what_differs_of_a_file(tmp_path: Path) -> None:
    before = [
        file("a", b"123"), file("b"), file("c"), link("d", "x"), file("e"), file("f", b"12345"),
        file("g", pax={"SCHILY.xattr.security.capability": "x"}), folder("h"),
    ]  # fmt: skip
    after = [
        file("a", b"1234"), file("b", mode=0o700), file("c", uid=5), link("d", "y"), folder("e"),
        file("g"), folder("h"), file("h/new", b"12"),
    ]  # fmt: skip
    found = _compared(tmp_path, before, after)
    app = Group.APPLICATION
    assert found.files == (
        FileDifference("/a", How.CHANGED, app, 1, ("content",)),
        FileDifference("/b", How.CHANGED, app, 0, ("mode",)),
        FileDifference("/c", How.CHANGED, app, 0, ("owner",)),
        FileDifference("/d", How.CHANGED, app, 0, ("target",)),
        FileDifference("/e", How.CHANGED, app, 0, ("kind", "mode")),
        FileDifference("/f", How.GONE, app, -5),
        FileDifference("/g", How.CHANGED, app, 0, ("capability",)),
        FileDifference("/h/new", How.ADDED, app, 2),
    )
    assert found.privileged_gone == {"/g"}
    assert not found.is_empty


def test_settings(tmp_path: Path) -> None:
    before: dict[str, Any] = {"Env": ["A=1", "B=2"], "User": "x", "Cmd": ["a", "b c"]}
    after: dict[str, Any] = {"Env": ["A=2", "C=3"], "Cmd": ["a"], "Labels": {"l": "m"}}
    after |= {"ExposedPorts": {"80": {}, "443": {}}, "Healthcheck": {"Test": ["NONE"]}}
    found = compare(one(tmp_path, **before), one(tmp_path, **after))
    assert [tuple(setting) for setting in found.settings] == [
        ("cmd", '["a", "b c"]', '["a"]'),
        ("env A", "1", "2"),
        ("env B", "2", None),
        ("env C", None, "3"),
        ("healthcheck", None, '["NONE"]'),
        ("label l", None, "m"),
        ("ports", None, "443 80"),
        ("user", "x", None),
    ]


def test_packages_and_defects(tmp_path: Path) -> None:
    def status(*names: str) -> Member:
        text = "\n".join(f"Package: {name}\nVersion: 1\n" for name in names)
        return file("var/lib/dpkg/status", text.encode())

    before = [
        status("a", "b"),
        link("x/l", "no"),
        program("bin/s", b"#!/bin/sh"),
        program("bin/sh"),
    ]
    after = [status("b", "c"), link("y/l", "no"), program("bin/s", b"#!/bin/sh")]
    found = _compared(tmp_path, before, after)
    assert found.packages_added == {Package("deb", "c", "1")}
    assert found.packages_gone == {Package("deb", "a", "1")}
    # The link was broken before: that it lies in another folder now is no new defect.
    what = "its interpreter /bin/sh is not there"
    assert found.defects_added == {Defect("script", "/bin/s", what)}
    assert not found.defects_gone


@pytest.mark.parametrize(
    ("group", "paths"),
    [
        (Group.CACHE, "/var/lib/apt/lists/x /var/cache/apt/archives/a.deb /root/.cache/pip/x "
         "/home/a/.npm/_cacache/x /tmp/x /root/.npm /var/log/dpkg.log /var/log/apt/history.log "
         "/go/pkg/mod/x /root/.m2/x"),
        (Group.TOOL, "/usr/bin/gcc-12 /usr/lib/gcc/x /usr/include/stdio.h /usr/bin/make "
         "/usr/lib/x86_64-linux-gnu/libc.a /usr/bin/x86_64-linux-gnu-ld.bfd /opt/listed "
         "/etc/alternatives/cc /usr/local/go/bin/go"),
        (Group.DOCUMENTATION, "/usr/share/doc/a/copyright /usr/share/man/man1/x.1.gz "
         "/usr/share/locale/de /usr/local/share/info/x /usr/share/doc"),
        (Group.ACCOUNT, "/etc/passwd /etc/shadow- /etc/subuid /etc/gshadow"),
        (Group.SYSTEM, "/usr/bin/ls /lib/x /etc/hosts /var/lib/dpkg/status /usr/lib /usr /var/lib "
         "/usr/local/bin/python3.11 /usr/local/lib/python3.11/os.py /var/log/x /usr/bin/asd"),
        (Group.MODULE, "/usr/local/lib/python3.11/site-packages/x.py /app/node_modules/x "
         "/usr/lib/python3/dist-packages/y /opt/venv/bin/x /opt/venv/pyvenv.cfg "
         "/usr/local/bin/gunicorn /usr/local/bin/eslint /var/lib/gems/3.1.0/gems/x"),
        (Group.APPLICATION, "/app/main.py /srv2/x /usr/src/app/x /usr/local/bin/server /opt/app/x "
         "/root/x /home/a/x /var/www/index.html /opt/venv/main.py /entrypoint.sh /var/lib/mine/x "
         "/passwd /usr/share/nginx/html/index.html"),
    ],
)  # fmt: skip
def test_groups(group: Group, paths: str, tmp_path: Path) -> None:
    record = b"../../../bin/gunicorn,,\n"
    groups = Groups([one(
        tmp_path, file("opt/venv/pyvenv.cfg"),
        file("var/lib/dpkg/info/gcc-12.list", b"/opt/listed"),
        file("opt/listed"), file("usr/local/bin/gunicorn"), file("usr/local/bin/server"),
        file("usr/local/lib/python3.11/site-packages/gunicorn-1.dist-info/RECORD", record),
        link("usr/local/bin/eslint", "../lib/node_modules/eslint/bin/eslint.js"),
    )])  # fmt: skip
    assert {path: groups.of(path) for path in paths.split()} == dict.fromkeys(paths.split(), group)


def _build(place: Path, time: bytes, name: str, *more: Member, **config: Any) -> Image:
    """Return an image as one build made it."""
    return one(
        place, file("app/built", b"at " + time), file("var/log/x.log", time),
        file(f"tmp/tmp{name}/x", b"1"), file(f"app/dist/main.{name[1:7]}.js", b"1"),
        file("app/stays", b"same"), *more, **config,
    )  # fmt: skip


def test_what_two_builds_of_the_same_text_differ_in_is_left_out(tmp_path: Path) -> None:
    first = _build(tmp_path, b"1", "k3j8a9x1", Labels={"built": "1"})
    second = _build(tmp_path, b"2", "k0zz81qa", Labels={"built": "2"})
    third = _build(tmp_path, b"3", "q7b2c4d5", Labels={"built": "3"})
    assert not compare(first, third).is_empty
    known = noise(first, second)
    found = compare(first, third, known)
    assert (found.files, found.settings) == ((), ())
    assert found.noise == 8
    # What is not noise is still seen, beside it and in the same files.
    other = [file("app/new.js"), file("app/dist/other.q7b2c4.js"), file("tmp/left")]
    changed = _build(tmp_path, b"3", "q7b2c4d5", *other, Labels={"built": "3", "x": "y"})
    found = compare(first, changed, known)
    assert [one.path for one in found.files] == [
        "/app/dist/other.q7b2c4.js",
        "/app/new.js",
        "/tmp/left",
    ]
    assert [one.name for one in found.settings] == ["label x"]
    owner = _build(tmp_path, b"3", "q7b2c4d5", file("app/built", b"9", 0o600))
    assert compare(first, owner, known).files[0].what == ("mode",)


def test_logs_and_caches_of_the_loader_are_noise_by_themselves(tmp_path: Path) -> None:
    def build(text: bytes) -> list[Member]:
        return [file("var/log/apt/term.log", text), file("var/cache/ldconfig/aux-cache", text)]

    found = _compared(tmp_path, build(b"1"), build(b"2"))
    assert (found.files, found.noise) == ((), 2)
    gone = _compared(tmp_path, build(b"1"), []).files
    assert {one.path for one in gone if one.group is Group.CACHE} == {
        "/var/cache/ldconfig", "/var/cache/ldconfig/aux-cache",
        "/var/log/apt", "/var/log/apt/term.log",
    }  # fmt: skip


def test_a_package_that_comes_newer_each_time_is_noise(tmp_path: Path) -> None:
    def build(version: bytes, *more: Member) -> Image:
        text = b"Package: a\nVersion: " + version
        return one(tmp_path, file("var/lib/dpkg/status", text), *more)

    known = noise(build(b"1"), build(b"2"))
    found = compare(build(b"1"), build(b"3", link("l", "no")), known)
    assert not found.packages_added | found.packages_gone
    assert [one.path for one in found.defects_added] == ["/l"]
    assert [one.path for one in found.files] == ["/l"]
