"""Packages that can be removed again: they only build, and nothing else that stays needs them."""

from __future__ import annotations

from refactor.facts import left_out, libraries
from refactor.facts.images import Family, Image, image
from refactor.facts.packages import bare_name, recommended
from refactor.knowledge import fits

# What images have of such packages by themselves, by what their Dockerfiles install and keep:
# `slim` stands for tags of that kind.
_PHP = ("autoconf binutils cpp cpp-* dpkg-dev g++ g++-* gcc gcc-* libc-dev libc6-dev libcrypt-dev "
        "libgcc-*-dev libnsl-dev libstdc++-*-dev libtirpc-dev linux-libc-dev m4 make patch "
        "pkg-config pkgconf")  # fmt: skip
_RUBY = ("libc-dev libc6-dev libcrypt-dev libffi-dev libgmp-dev libnsl-dev libssl-dev libtirpc-dev "
         "libyaml-dev linux-libc-dev zlib1g-dev")  # fmt: skip
_CONTENT = {
    ("debian", ""): "", ("debian", "slim"): "", ("ubuntu", ""): "", ("python", "slim"): "",
    ("node", "slim"): "", ("ruby", "slim"): _RUBY, ("php", ""): _PHP,
}  # fmt: skip
_WITHOUT_CERTIFICATES = frozenset({"debian", "ubuntu", "node"})
# What needs packages that only build, in some release of Debian: of those that images often have.
_NEED_TOOLS = (
    "autogen azure-cli bzr check clang-* cmake-* dh-* dkms *-dkms equivs devscripts gdal-bin "
    "git-annex git-buildpackage git-cola git-flow git-svn gitweb gobject-introspection lldb "
    "gtk-doc-tools libguestfs-tools libtool-* lldb-* llvm-*-tools luarocks mono-complete mono-mcs "
    "node-gyp npm pbuilder postgresql postgresql-common postgresql-server-dev-* python3-gdal "
    "protobuf-compiler-* python3-matplotlib python3-opencv quilt r-cran-rmarkdown sbuild valac "
    "weasyprint x11-xserver-utils xfce4 xorg"
).split()
_BOOKWORM = image("debian:bookworm", {})
_OPENMP = ("libgomp1", "libgomp")
# Alpine's compilers link C to nothing but musl, and C++ to these (package contents of Alpine).
_ON_ALPINE: dict[str, tuple[str, ...]] = {
    "gcc": (), "g++": ("libgcc", "libstdc++"), "build-base": ("libgcc", "libstdc++"),
    "alpine-sdk": ("libgcc", "libstdc++"),
}  # fmt: skip

# Names that other packages only provide, in these releases: apt installs by them, removes nothing.
_PROVIDED = {
    "libc-dev": "bullseye bookworm trixie", "libxslt-dev": "bullseye bookworm trixie",
    "libidn2-0-dev": "bookworm trixie", "libldap-dev": "bullseye", "libfreetype6-dev": "trixie",
    "libncurses5-dev": "trixie", "libncursesw5-dev": "trixie", "libtinfo-dev": "trixie",
}  # fmt: skip


def has(found: Image, package: str) -> bool | None:
    """Whether an image has a build-only package by itself; None if that is not known."""
    if found.family is Family.ALPINE and found.known:
        return False  # apk keeps what was asked for before
    kind = "slim" if "slim" in found.tag.split("-") else ""
    content = _CONTENT.get((found.name, kind))
    if content is None or not found.is_debian_like:
        return None
    return any(fits(bare_name(package), name) for name in content.split())


def is_removable(package: str, found: Image) -> bool:
    """Whether a package only builds, or fetches sources, and is not the image's own."""
    name = bare_name(package)
    if name.endswith("-base") and found.family is not Family.ALPINE:
        return False  # gcc-12-base is of the system's libraries
    return left_out.is_left_out(name, found.family) and has(found, name) is False


def own_programs(found: Image) -> set[str]:
    """Return the programs of such packages that an image has by itself."""
    if found.name == "php" and found.family is Family.DEBIAN:
        return {p for name in _PHP.split() for p in libraries.programs(name)}
    return {"python3"} if found.name in ("python", "pypy") else set()


def needs_tools(package: str) -> bool:
    """Whether a package that stays is known to need such packages."""
    return any(fits(bare_name(package), pattern) for pattern in _NEED_TOOLS)


def may_need_tools(package: str) -> bool:
    """Whether nothing is known of what a package needs; libraries need no tools."""
    return not package.startswith("lib") and bool(recommended([bare_name(package)]).unknown)


def left_behind(package: str, found: Image, openmp: bool) -> tuple[str, ...] | None:
    """Return the libraries that must stay where a package is removed; None if not known.

    `openmp`: whether something that was built may link to the library of a compiler's threads.
    """
    name, needed = bare_name(package), left_out.needed(package, found)
    if set(_PROVIDED.get(name, "").split()) & set(libraries.candidates(found)):
        return None
    if needed is None and found.family is Family.ALPINE:
        needed = _ON_ALPINE.get(name)
    if needed is not None and found.family is Family.ALPINE and "gcc" in libraries.programs(name):
        needed = (*needed, "libgomp")
    if needed is None and found.family is Family.UBUNTU:
        there = left_out.needed(name, _BOOKWORM)
        compiles = there == ("libgomp1",) and libraries.runtime(name, _BOOKWORM) is None
        needed = there if compiles else None  # it has this name in all releases
    return needed and tuple(lib for lib in needed if openmp or lib not in _OPENMP)


def recommended_certificates(packages: list[str], found: Image) -> bool:
    """Whether an image has certificates only because one of the packages recommends them."""
    without = found.name in _WITHOUT_CERTIFICATES and found.family is not Family.ALPINE
    return without and "ca-certificates" in recommended([bare_name(p) for p in packages]).keep
