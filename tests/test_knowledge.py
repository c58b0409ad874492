"""Tables of packages, users, releases and slim images, and what is read off them."""

import os
import re
from datetime import date
from pathlib import Path

import pytest

from bench import indexes, wheels
from refactor.facts import libraries, releases, users
from refactor.facts.images import Family, Image, image
from refactor.facts.python_packages import python_package
from refactor.facts.slim import Lost, lost_by_slim, provider, slim
from refactor.knowledge import table

TODAY = "2026-11-27"
# What tells the rows of each table apart.
KEYS = {
    "build_packages": ("package",),
    "buildpack": ("package",),
    "dev_libraries": ("package",),
    "python_packages": ("distribution",),
    "releases": ("product", "images", "tags", "codename"),
    "shipped_users": ("image", "tags"),
    "slim_images": ("image", "tags"),
}
PACKAGES = {
    "build_packages": ("leaves",),
    "buildpack": ("package",),
    "dev_libraries": ("package", "bullseye", "bookworm", "trixie", "since_bookworm"),
    "python_packages": ("needs", "links"),
}
READ_ONE = pytest.mark.parametrize("name", KEYS)


def of(reference: str) -> Image:
    """Return what is known of an image."""
    return image(reference, {})


@READ_ONE
def test_every_row_has_a_source_and_no_empty_cell(name: str) -> None:
    for row in table(name):
        assert row["source"], row
        assert all(cell and cell == cell.strip() for cell in row.values()), row


@READ_ONE
def test_no_row_is_there_twice(name: str) -> None:
    keys = [tuple(row[key] for key in KEYS[name]) for row in table(name)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_have_names_of_packages(name: str) -> None:
    for row in table(name):
        for column in PACKAGES[name]:
            words = [] if row[column] in ("-", "?") else row[column].split()
            for word in words:
                assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", word), row
            assert len(words) == len(set(words)), row


def test_the_words_of_the_tables() -> None:
    build = table("build_packages")
    assert {r["kind"] for r in build} == {"compiler", "build tool", "headers", "version control"}
    assert {f for r in build for f in r["families"].split()} == {"debian", "alpine", "rhel"}
    kinds = {row["wheels"] for row in table("python_packages")}
    assert kinds == {"pure", "manylinux", "partial", "none", "?"}
    assert {row["drops"] for row in table("shipped_users")} == {"yes", "no", "workers"}
    assert {row["kind"] for row in table("buildpack")} == {"build", "library", "other"}
    for row in table("python_packages"):
        assert row["distribution"] == wheels.normalised(row["distribution"])


def test_dates_are_dates() -> None:
    for row in table("releases"):
        assert date.fromisoformat(row["ends"])
        if row["extended"] != "-":
            assert date.fromisoformat(row["extended"]) > date.fromisoformat(row["ends"])


CODENAMES = {
    "debian:12": "bookworm",
    "debian:12.5-slim": "bookworm",
    "debian:bookworm-20240110": "bookworm",
    "debian": "",
    "debian:stable-slim": "",
    "debian:sid": "sid",
    "python:3.12": "",
    "python:3.12-slim-trixie": "trixie",
    "python:3.12-alpine3.20": "",
    "node:22-bullseye-slim": "bullseye",
    "ubuntu:22.04": "jammy",
    "ubuntu:noble-20240801": "noble",
    "ubuntu": "",
    "nvidia/cuda:12.2.0-base-ubuntu22.04": "jammy",
    "gcr.io/oss-fuzz-base/base-builder:ubuntu-24-04": "noble",
    "mcr.microsoft.com/dotnet/aspnet:8.0-bookworm-slim": "bookworm",
    "python:3.12@sha256:00": "",
    "python:$TAG": "",
    "": "",
}


@pytest.mark.parametrize(("reference", "name"), CODENAMES.items())
def test_codenames(reference: str, name: str) -> None:
    assert libraries.codename(of(reference)) == name


RUNTIME = [
    ("libpq-dev", "python:3.12-slim", ("libpq5",)),
    ("libpq-dev=15.3-0", "debian:bookworm", ("libpq5",)),
    ("libpq-dev:amd64", "debian:bookworm", ("libpq5",)),
    ("libffi-dev", "python:3.12", ("libffi8",)),
    ("libffi-dev", "python:3.12-bullseye", ("libffi7",)),
    ("libffi-dev", "python:3.12.4", None),  # may have been built on bullseye
    ("libglib2.0-dev", "python:3.12-bookworm", ("libglib2.0-0",)),
    ("libglib2.0-dev", "python:3.12-trixie", ("libglib2.0-0t64",)),
    ("libglib2.0-dev", "python:3.12", ("libglib2.0-0",)),  # trixie's package provides the name
    ("libaio-dev", "python:3.12", None),  # there it does not
    ("libicu-dev", "python:3.12", None),
    ("libicu-dev", "python:3.12-bookworm", ("libicu72",)),
    ("default-libmysqlclient-dev", "python:3.12", ("libmariadb3",)),
    ("zlib1g-dev", "debian:13", ("zlib1g",)),
    ("libeigen3-dev", "debian:13", ()),
    ("libc6-dev", "python:3.12-slim", ()),
    ("libpcre3-dev", "debian:13", None),
    ("libpq-dev", "ubuntu:24.04", None),
    ("libpq-dev", "debian:buster", None),
    ("libpq-dev", "debian:sid", None),
    ("libpq-dev", "python:3.6", None),
    ("libpq-dev", "node:18.3", None),
    ("libpq-dev", "erlang:25", None),
    ("libpq-dev", "python:3.12@sha256:00", ("libpq5",)),
    ("libffi-dev", "python:3.12@sha256:00", None),
    ("libpq-dev", "python@sha256:00", None),
    ("libpq-dev", "some/image:bookworm", None),
    ("libpq-dev", "alpine:3.20", None),
    ("libpq", "debian:bookworm", None),
    ("no-such-dev", "debian:bookworm", None),
    ("", "debian:bookworm", None),
]


@pytest.mark.parametrize(("package", "reference", "names"), RUNTIME)
def test_the_libraries_of_headers(package: str, reference: str, names: object) -> None:
    assert libraries.runtime(package, of(reference)) == names


def test_what_only_builds() -> None:
    debian, alpine, rhel = Family.DEBIAN, Family.ALPINE, Family.RHEL
    for family, names in {
        debian: "gcc g++-12 build-essential cmake libpq-dev python3-dev=3.11 linux-headers-amd64",
        Family.UBUNTU: "gcc libssl-dev:arm64 golang-1.22-go",
        alpine: "build-base musl-dev linux-headers g++ go",
        rhel: "gcc-c++ openssl-devel @development",
    }.items():
        for name in names.split():
            assert libraries.is_build_only(name, family), name
            assert not libraries.is_version_control(name, family), name
    assert libraries.is_build_only("Development Tools", rhel)
    for name in ("git", "subversion", "mercurial"):
        assert libraries.is_version_control(name, debian)
        assert not libraries.is_build_only(name, debian)
    for name in ("curl", "libpq5", "default-jdk", "python3", "develop", "gcc-base", ""):
        assert not libraries.is_build_only(name, debian), name
    assert not libraries.is_build_only("build-base", debian)
    assert not libraries.is_build_only("gcc", Family.UNKNOWN)
    assert not libraries.is_build_only("libfoo-devel", debian)


def test_what_compilers_leave_behind() -> None:
    slim_image = of("python:3.12-slim")
    assert libraries.left_behind("gcc", slim_image) == ("libgomp1",)
    assert libraries.left_behind("gfortran", slim_image) == ("libgfortran5", "libgomp1")
    assert libraries.left_behind("cmake", slim_image) == ()
    assert libraries.left_behind("cmake", of("alpine")) == ()
    assert libraries.left_behind("gcc", of("ubuntu:24.04")) is None
    assert libraries.left_behind("g++", of("alpine")) is None
    assert libraries.left_behind("libpq-dev", slim_image) is None  # runtime() tells
    assert libraries.left_behind("curl", slim_image) is None


def test_the_programs_of_packages() -> None:
    assert {"gcc", "cc", "ld"} <= set(libraries.programs("gcc"))
    assert {"g++", "make", "xz"} <= set(libraries.programs("build-essential"))
    assert "ps" in libraries.programs("cmake")  # by procps, on which it depends
    assert libraries.programs("git=1:2.39")[:1] == ("git",)
    assert "pg_config" in libraries.programs("libpq-dev")
    assert "python3" in libraries.programs("libglib2.0-dev")
    assert libraries.programs("curl") == ()


ENDED = {
    "python:3.9-slim": ("python", "2025-10-31", ""),
    "python:3.12": None,
    "python:3.12-bookworm": ("debian", "2026-07-11", "2028-06-30"),
    "python:3.1": ("python", "2012-04-09", ""),
    "python:3.10": ("python", "2026-10-31", ""),
    "node:hydrogen-alpine": ("nodejs", "2025-04-30", ""),
    "node:22-alpine3.18": ("alpine-linux", "2025-05-09", ""),
    "debian:8.11": ("debian", "2018-06-17", "2020-06-30"),
    "ubuntu:20.04": ("ubuntu", "2025-05-29", "2030-04-23"),
    "ubuntu:24.04": None,
    "openjdk:11-jre-slim": ("openjdk", "2022-07-31", ""),
    "openjdk:25-ea": None,
    "registry.access.redhat.com/ubi7/ubi:7.9": ("rhel", "2024-06-30", "2029-05-31"),
    "quay.io/centos/centos:stream8": ("centos-stream", "2024-05-31", ""),
    "amazonlinux:2": ("amazon-linux", "2026-06-30", ""),
    "amazonlinux:2023": None,
    "python": None,
    "some/python:3.6": None,
    "": None,
}


@pytest.mark.parametrize(("reference", "expected"), ENDED.items())
def test_what_ended(reference: str, expected: tuple[str, str, str] | None) -> None:
    found = releases.ended(of(reference), TODAY)
    assert (found and (found.product, found.ends, found.extended)) == expected
    assert found is None or found.replacement


def test_a_release_ends_with_its_last_day() -> None:
    python = of("python:3.9")
    assert releases.ended(python, "2025-10-31") is None
    assert releases.ended(python, "2025-11-01")
    found = releases.ended(of("debian:12"), TODAY)
    assert found
    assert found.is_extended(TODAY)
    assert not found.is_extended("2028-07-01")
    assert [r.product for r in releases.releases(of("php:8.2-apache-bookworm"))] == [
        "php",
        "debian",
    ]


SLIM = {
    "python:3.12": "3.12-slim",
    "docker.io/library/python:3.12.4": "3.12.4-slim",
    "python": "slim",
    "python:3.12-bookworm": "3.12-slim-bookworm",
    "python:bookworm": "slim-bookworm",
    "python:2.7": "2.7-slim",
    "python:3.2": None,
    "node:22": "22-slim",
    "node:22-bookworm": "22-bookworm-slim",
    "node:lts": "lts-slim",
    "node:8-stretch": None,
    "ruby:3.4-trixie": "3.4-slim-trixie",
    "rust:1-bookworm": "1-slim-bookworm",
    "perl:5.40": "5.40-slim",
    "perl:5.40-threaded": None,
    "debian:bookworm": "bookworm-slim",
    "debian:12.5": "12.5-slim",
    "debian:bookworm-20240110": "bookworm-20240110-slim",
    "debian": None,  # there is no debian:slim
    "debian:bookworm-backports": None,
    "python:3.12-slim": None,
    "python:3.12-alpine": None,
    "python:3.12-rc": None,
    "python:3.13.0rc1": None,
    "python:3.5-onbuild": None,
    "python:3.12-windowsservercore-ltsc2022": None,
    "python:3.12@sha256:00": None,
    "python:$VERSION": None,
    "golang:1.22": None,
    "php:8.3": None,
    "some/python:3.12": None,
    "": None,
}


@pytest.mark.parametrize(("reference", "tag"), SLIM.items())
def test_slim_tags(reference: str, tag: str | None) -> None:
    assert slim(of(reference)) == tag
    if tag:
        assert slim(of(f"{reference.partition(':')[0]}:{tag}")) is None


def test_what_a_slim_image_lacks() -> None:
    found = lost_by_slim(of("python:3.12-bookworm"))
    assert found
    assert {"gcc", "git", "curl", "convert", "pg_config", "ssh", "unzip"} <= set(found.programs)
    assert {"libpq5", "libglib2.0-0", "libxml2"} <= set(found.libraries)
    assert set(found.libraries) < set(found.packages)
    assert {"libbluetooth-dev", "tk-dev"} <= set(found.packages)  # of python's own
    assert {"ca-certificates", "netbase", "zlib1g", "libstdc++6"}.isdisjoint(found.packages)
    node = lost_by_slim(of("node:22"))
    assert node
    assert {"ca-certificates", "libglib2.0-0", "libglib2.0-0t64"} <= set(node.packages)
    assert "python3" in node.programs
    assert "tk-dev" not in node.packages
    rust = lost_by_slim(of("rust:1-trixie"))
    assert rust
    assert "gcc" not in rust.programs
    assert "make" in rust.programs
    assert lost_by_slim(of("debian:bookworm")) == Lost()
    for reference in ("python:3.12-slim", "python:3.6", "node:10-buster", "php:8.3", ""):
        assert lost_by_slim(of(reference)) is None


def test_which_package_has_a_program() -> None:
    full = of("python:3.12-bookworm")
    for program, package in {"git": "git", "ps": "procps", "ssh": "openssh-client"}.items():
        assert provider(program, full) == package
    assert provider("python3", of("node:22")) == "python3"
    assert provider("convert", of("node:22-trixie")) == "imagemagick"
    assert provider("nothing", full) == ""
    assert provider("git", of("node:22-buster")) == ""


def test_distributions() -> None:
    image = of("python:3.12-slim-trixie")
    requests = python_package("Requests")
    assert requests
    assert (requests.wheels, requests.musllinux, requests.needs(image)) == ("pure", True, ())
    psycopg2 = python_package("psycopg2")
    assert psycopg2
    assert (psycopg2.wheels, psycopg2.needs(image)) == ("none", ())
    assert psycopg2.needs(image, built=True) == ("libpq5",)
    magic = python_package("python_magic")
    assert magic
    assert magic.needs(image) == ("libmagic1t64",)
    assert magic.needs(of("python:3.12-slim")) == ("libmagic1",)
    assert magic.needs(of("python:3.12-alpine")) is None
    weasyprint = python_package("weasyprint")
    assert weasyprint
    assert weasyprint.needs(of("ubuntu:24.04")) is None
    playwright = python_package("playwright")
    assert playwright
    assert playwright.needs(image) is None
    git = python_package("GitPython")
    assert git
    assert git.programs == ("git",)
    assert python_package("no-such-distribution") is None
    assert python_package("") is None


APP, NONROOT = users.User("app", "1654", "1654"), users.User("nonroot", "65532", "65532")
USERS = [
    ("node:22", users.User("node", "1000", "1000"), "root", False),
    ("php:8.3-fpm-alpine", users.User("www-data", "82", "82"), "root", False),
    ("php:8.3-fpm", users.User("www-data", "33", "33"), "root", False),
    ("mcr.microsoft.com/dotnet/aspnet:8.0", APP, "root", False),
    ("mcr.microsoft.com/dotnet/aspnet:8.0-jammy-chiseled", APP, "app", False),
    ("mcr.microsoft.com/dotnet/aspnet:6.0", None, "", False),
    ("ubuntu:24.04", users.User("ubuntu", "1000", "1000"), "root", False),
    ("ubuntu:22.04", None, "root", False),
    ("postgres:16-alpine", users.User("postgres", "70", "70"), "root", True),
    ("postgres", users.User("postgres", "999", "999"), "root", True),
    ("postgres@sha256:00", None, "root", False),
    ("gcr.io/distroless/static-debian12:nonroot", NONROOT, "nonroot", False),
    ("gcr.io/distroless/static-debian12", NONROOT, "root", False),
    ("wordpress", users.User("www-data", "", ""), "root", True),
    ("python:3.12", None, "root", False),
    ("some/image", None, "", False),
    ("", None, "", False),
]


@pytest.mark.parametrize(("reference", "user", "starts_as", "drops"), USERS)
def test_users(reference: str, user: users.User | None, starts_as: str, drops: bool) -> None:
    found = of(reference)
    assert users.shipped(found) == user
    assert users.default_user(found) == starts_as
    assert users.drops_privileges(found) == drops


def test_ports_and_what_needs_root() -> None:
    assert users.ports(of("nginx")) == ("80",)
    assert users.needs_root(of("nginx:1.29-alpine")) == "port 80"
    assert users.needs_root(of("docker:27-dind"))
    assert users.needs_root(of("node:22")) == ""
    assert users.ports(of("some/image")) == ()


def test_commands_that_create_users() -> None:
    assert users.user_commands(of("debian:12")) >= {"useradd", "adduser"}
    assert users.user_commands(of("debian:13")) == {"useradd", "groupadd"}
    assert users.user_commands(of("python:3.12")) == {"useradd", "groupadd"}
    assert users.user_commands(of("alpine")) == {"adduser", "addgroup"}
    assert users.user_commands(of("almalinux:9")) == {"useradd", "groupadd"}
    for reference in ("almalinux:9-minimal", "amazonlinux:2023", "scratch", "some/image", ""):
        assert users.user_commands(of(reference)) == frozenset()
    assert users.user_commands(of("registry.access.redhat.com/ubi9/ubi-minimal")) == frozenset()


PACKAGES_FILE = """Package: libfoo-dev
Version: 1.0-1
Architecture: amd64
Source: foo (1.0)
Depends: libfoo1t64 (= 1.0-1), foo-tools (= 1.0-1), zlib1g-dev, libc6-dev | libc-dev
Description: headers
 Depends: no (= 1)

Package: libfoo1t64
Version: 1.0-1
Source: foo
Provides: libfoo1 (= 1.0-1)
Depends: libc6 (>= 2.34)

Package: foo-tools
Version: 1.0-1
Source: foo

Package: libc6
Version: 2.36-9
Priority: required

Package: libc6
Version: 2.36-10
Priority: required

Package: zlib1g-dev
Version: 1

Package: foo-dev-all
Version: 1
Depends: libfoo-dev
"""


def test_an_index_is_read() -> None:
    found = indexes.index("trixie", PACKAGES_FILE)
    assert found.packages["libc6"]["Version"] == "2.36-10"
    assert found.libraries("libfoo-dev") == ["libfoo1t64"]
    assert found.libraries("foo-dev-all") == ["libfoo1t64"]
    assert found.libraries("no-dev") is None
    assert found.resolve("libfoo1") == "libfoo1t64"
    assert found.closure(["libfoo1"]) == {"libfoo1t64", "libc6"}
    assert found.base() == {"libc6"}
    older = indexes.index("bookworm", PACKAGES_FILE.replace("libfoo1t64", "libfoo1"))
    both = [older, found]
    assert indexes.common(older.libraries("libfoo-dev"), both, "libfoo-dev") == ["libfoo1"]
    assert indexes.common(["libfoo0"], both, "libfoo-dev") is None


def test_a_table_that_differs_from_an_index_is_noticed() -> None:
    found = indexes.index("trixie", "Package: libpq-dev\nVersion: 1\nSource: postgresql-17\n")
    assert "libpq-dev: trixie has -, not libpq5" in indexes.wrong({"trixie": found})


def test_locks_tell_of_wheels() -> None:
    entries = [
        {"url": "https://x/a-1-cp312-cp312-manylinux_2_17_x86_64.whl"},
        {"file": "a-1.tar.gz"},
    ]
    lock = {"package": [{"name": "A_b", "wheels": entries[:1], "files": entries[1:]}]}
    assert [file[-6:] for name, file in wheels.files(lock) if name == "a-b"] == ["64.whl", "tar.gz"]
    tags = "manylinux_2_17_x86_64 manylinux_2_28_aarch64 musllinux_1_2_x86_64 musllinux_1_2_aarch64"
    names = [f"a-1-cp312-cp312-{tag}.whl" for tag in tags.split()]
    assert wheels.coverage({"a-1-py3-none-any.whl", "a-1.tar.gz"}) == ("pure", "yes")
    assert wheels.coverage(set(names)) == ("manylinux", "yes")
    assert wheels.coverage(set(names[:1])) == ("partial", "no")
    assert wheels.coverage({"a-1.tar.gz", "a-1-cp312-cp312-win_amd64.whl"}) == ("none", "no")


def test_the_tables_agree_with_debian() -> None:
    folder = os.environ.get(indexes.VARIABLE)
    if not folder:
        pytest.skip(f"{indexes.VARIABLE} names no folder of indexes")
    read = {release: indexes.read(Path(folder), release) for release in indexes.RELEASES}
    found = {release: one for release, one in read.items() if one is not None}
    assert found
    assert list(indexes.wrong(found)) == []


def test_a_tag_of_windows_says_so_whoever_made_the_image() -> None:
    windows = (
        "node:12.18.3-windowsservercore", "golang:nanoserver-ltsc2022", "somebody/node:windows",
        "servercore:1", "mcr.microsoft.com/windows/nanoserver:1", "r.example:5000/a:ltsc2019",
        "mcr.microsoft.com/dotnet/framework/sdk:4.8",
    )  # fmt: skip
    assert {image(name, {}).family for name in windows} == {Family.WINDOWS}
    others = ("dockurr/windows", "somebody/windows-exporter:1.2", "node:22")
    assert Family.WINDOWS not in {image(name, {}).family for name in others}
