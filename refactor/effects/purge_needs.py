"""What a RUN that removes its build-only packages again needs to be true, and what is assumed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from refactor.effects.artefact_installs import left_behind
from refactor.effects.distributions import may_use_openmp
from refactor.effects.dropping import assumption, is_cleanup, is_update, named_in, packages_of
from refactor.effects.events import Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.effects.provenance import runs_others
from refactor.effects.relocation import computed, runs_left_out
from refactor.effects.roots import roots
from refactor.effects.stages import Surroundings
from refactor.facts import left_out, libraries
from refactor.facts.images import Family, Image, image
from refactor.facts.installs import Unknown
from refactor.facts.packages import (
    APT,
    Operation,
    argv_operation,
    bare_name,
    command_of,
    recommended,
    unwrap,
)

VIRTUAL = ".build-deps"
# What is there already of the packages that only build, in images whose Dockerfiles say so:
# `slim` stands for tags of that kind. They install nothing else to build with, or purge it.
_PHP = ("autoconf binutils cpp cpp-* dpkg-dev g++ g++-* gcc gcc-* libc-dev libc6-dev libcrypt-dev "
        "libgcc-*-dev libnsl-dev libstdc++-*-dev libtirpc-dev linux-libc-dev m4 make patch "
        "pkg-config pkgconf")  # fmt: skip
_RUBY = ("libc-dev libc6-dev libcrypt-dev libffi-dev libgmp-dev libnsl-dev libssl-dev libtirpc-dev "
         "libyaml-dev linux-libc-dev zlib1g-dev")  # fmt: skip
_CONTENT = {
    ("debian", ""): "", ("debian", "slim"): "", ("ubuntu", ""): "", ("python", "slim"): "",
    ("node", "slim"): "", ("ruby", "slim"): _RUBY, ("php", ""): _PHP,
}  # fmt: skip
# These have the certificates, which other images get with what recommends them.
_WITHOUT_CERTIFICATES = frozenset({"debian", "ubuntu", "node"})
# Packages of Debian that need others that only build, of those that images often have.
_NEED_TOOLS = (
    "autogen azure-cli bzr check clang-* cmake-* dh-* dkms *-dkms equivs devscripts gdal-bin "
    "git-annex git-buildpackage git-cola git-flow git-svn gitweb gobject-introspection gtk-doc-tools "
    "libguestfs-tools libtool-* lldb lldb-* llvm-*-tools luarocks mono-complete mono-mcs node-gyp npm "
    "pbuilder postgresql postgresql-* protobuf-compiler-* python3-gdal python3-matplotlib "
    "python3-opencv quilt r-cran-rmarkdown sbuild valac weasyprint x11-xserver-utils xfce4 xorg"
).split()
_PLAIN = re.compile(r"[a-z0-9][a-z0-9+.-]*(?:=[\w.+:~*-]+)?\Z")
_OTHER_RELEASE = re.compile(
    r"\bbackports\b|\bsid\b|\bunstable\b|\bexperimental\b|\btesting\b|Default-Release"
    r"|/etc/apt/preferences|apt\.conf|/edge\b"
)
_MARKS = frozenset({"apt-mark", "dpkg", "gdebi", "dselect", "aptitude"})
_MANAGED = ("/usr", "/etc", "/lib", "/var/lib/dpkg", "/var/lib/apt")
_BUILDS = frozenset(
    "make gmake cmake ninja meson scons configure autogen.sh bootstrap.sh autoreconf gcc g++ cc c++ "
    "clang pip pip2 pip3 uv poetry pipenv pdm conda npm npx yarn pnpm bun gem bundle bundler rake "
    "cargo rustup go docker-php-ext-install docker-php-ext-configure pecl pear phpize cpan cpanm "
    "luarocks R Rscript install.r install2.r stack cabal mix rebar3 node-gyp gradle mvn gradlew mvnw "
    "setup.py".split()
)
# They run what is there, and compile nothing with a compiler.
_INTERPRETERS = frozenset(
    "python python3 php node ruby flask django-admin manage.py artisan composer console rails "
    "docker-php-ext-enable a2enmod a2dismod a2ensite a2dissite ldconfig".split()
)
_ASKS = frozenset({"which", "whereis", "command", "type", "hash", "ln", "update-alternatives"})
_CONFIGURES = frozenset({"--version", "-v", "-V", "version", "config", "lfs"})
_FETCHES = re.compile(r"\b(?:git (?:clone|fetch|pull|submodule)|git\+|hg clone|svn (?:co|export|checkout)|"
                      r"bzr (?:branch|checkout))\b|git\+")  # fmt: skip
_AT_START = re.compile(
    r"\b(?:pip\d?|npm|yarn|pnpm|gem|bundle|cargo|poetry|pipenv|uv|pecl|cpanm?|luarocks|composer)\s+"
    r"(?:-\S+\s+)*(?:install|ci|add|sync|update|build|require)\b"
)
_SERVES = re.compile(r"(?:.*-)?(?:apache|fpm)(?:-.*)?\Z")
# The shell's and the base system's, however often their names stand in a text.
_WORDS = frozenset({"as", "w"})


class Scene(NamedTuple):
    """A stage of a build, the image that it starts from, and what stands around."""

    build: Build
    index: int
    image: Image
    around: Surroundings

    @property
    def stage(self) -> Stage:
        """The stage as it was."""
        return self.build.stages[self.index]

    @property
    def is_apk(self) -> bool:
        """Whether apk is the image's package manager."""
        return self.image.family is Family.ALPINE


class Purge(NamedTuple):
    """What a RUN, or RUNs that become one, install and remove again: `begin` and `end` of events.

    `added` is what they install by name for it to stay.
    """

    begin: int
    end: int
    gone: tuple[str, ...]
    added: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """What is removed, as one text."""
        return ", ".join(sorted(set(self.gone)))


def has(found: Image, package: str) -> bool | None:
    """Whether an image has a build-only package by itself; None if that is not known."""
    if found.family is Family.ALPINE and found.known:
        return False  # apk keeps what was asked for before
    kind = "slim" if "slim" in found.tag.split("-") else ""
    content = _CONTENT.get((found.name, kind))
    if content is None or not found.is_debian_like:
        return None
    return any(fnmatchcase(bare_name(package), name) for name in content.split())


def is_gone(package: str, found: Image) -> bool:
    """Whether a package only builds, or fetches sources, and is not the image's own."""
    name = bare_name(package)
    if name.endswith("-base") or not left_out.is_left_out(name, found.family):
        return False
    return has(found, name) is False


def installs(event: Event) -> Operation | None:
    """Return what a command installs with apt or apk, whatever becomes of it."""
    found = argv_operation(event.argv) if isinstance(event, Exec) else None
    wanted = {"apk": "add"} | dict.fromkeys(APT, "install")
    return found if found and wanted.get(found.manager) == found.action else None


def behind(scene: Scene, purge: Purge, name: str) -> tuple[str, ...] | None:
    """Return what must stay where a package is removed; None if that is not known."""
    found = left_behind(name, scene.image)
    openmp = _may_use_openmp(scene, purge)
    if found is None and scene.image.family is Family.UBUNTU:
        bare = bare_name(name)
        there = left_out.needed(bare, _DEBIAN)
        only = there == ("libgomp1",) and libraries.runtime(bare, _DEBIAN) is None
        found = there if only else None  # the same name in all releases of both
    if found is not None and scene.is_apk and openmp and "gcc" in libraries.programs(name):
        found = (*found, "libgomp")
    return found and tuple(lib for lib in found if openmp or lib != "libgomp1")


_DEBIAN = image("debian:bookworm", {})


def kept(scene: Scene, purge: Purge) -> tuple[str, ...] | Unknown:
    """Return what must be installed by name: libraries, and what only recommendations brought."""
    found: dict[str, None] = {}
    for name in purge.gone:
        needed = behind(scene, purge, name)
        if needed is None:
            return Unknown("S501", f"which libraries are needed at run time for {name} is not known",
                           "name the release in the base's tag (…-bookworm), or install them by "
                           "name and remove the rest by hand")  # fmt: skip
        found |= dict.fromkeys(needed)
    if not scene.is_apk and scene.image.name in _WITHOUT_CERTIFICATES:
        for event in _events(scene, purge):
            op = installs(event)
            if op is None or op.has("--no-install-recommends"):
                continue
            names = [w.text for w in op.arguments if w.text in purge.gone]
            found |= dict.fromkeys(set(recommended(names).keep) & {"ca-certificates"})
    have = {bare_name(n) for e in flat(scene.stage.events[: purge.end]) for n in packages_of(e)}
    return tuple(sorted(set(found) - have))


def _events(scene: Scene, purge: Purge) -> list[Event]:
    return list(flat(scene.stage.events[purge.begin : purge.end]))


def _may_use_openmp(scene: Scene, purge: Purge) -> bool:
    """Whether something that is built may link to the library of a compiler's threads."""
    ops = [argv_operation(e.argv) for e in _events(scene, purge) if isinstance(e, Exec)]
    only = all(op is not None and op.manager == "pip"
               for e, op in zip(_execs(scene, purge), ops, strict=True) if builds(e))  # fmt: skip
    return not only or may_use_openmp(scene.stage, scene.around.sent)


def _execs(scene: Scene, purge: Purge) -> list[Exec]:
    return [event for event in _events(scene, purge) if isinstance(event, Exec)]


def builds(event: Event) -> bool:
    """Whether a command may compile, or fetch what does."""
    if not isinstance(event, Exec) or installs(event) or is_cleanup(event):
        return False
    words = [word.text for word in unwrap(command_of(event.argv))[0]] if False else _words(event)
    return any(word.rpartition("/")[2] in _BUILDS for word in words[:3] if word[:1] != "-")
