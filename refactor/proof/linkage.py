"""Libraries that a program or a library asks for and the image does not have.

Only what is certain is said: a library that lies in a folder of its own may be found by a wrapper
script's variable, or be loaded already by the program that a plugin belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from refactor.proof.contents import Cache, Content, Text
from refactor.proof.elf import Elf
from refactor.proof.images import Defect, Settings
from refactor.proof.paths import Root, parent

Form = tuple[int, int, int]

FORMS: Mapping[str, Form] = {
    "amd64": (2, 1, 62), "arm64": (2, 1, 183), "386": (1, 1, 3), "arm": (1, 1, 40),
    "ppc64le": (2, 1, 21), "s390x": (2, 2, 22), "riscv64": (2, 1, 243),
}  # fmt: skip
_TRIPLETS = {
    (2, 1, 62): "x86_64-linux-gnu", (2, 1, 183): "aarch64-linux-gnu", (1, 1, 3): "i386-linux-gnu",
    (1, 1, 40): "arm-linux-gnueabihf", (2, 1, 21): "powerpc64le-linux-gnu",
    (2, 2, 22): "s390x-linux-gnu", (2, 1, 243): "riscv64-linux-gnu",
}  # fmt: skip
# What is there to be looked at or tested with, not to be run.
APART = re.compile(
    r"/(?:testdata|tests?|fixtures?|examples?|samples?|docs?)/|/(?:proc|sys|dev|tmp)/"
    r"|/usr/(?:lib/debug|share|src)/|/root/\.(?:cache|npm)/"
)
_DRIVER = re.compile(r"lib(?:cuda|nvidia-|nvcuvid|nvoptix|GLX_nvidia)")  # the host puts them in
_MUSL_FOLDERS = ("/lib", "/usr/local/lib", "/usr/lib")
_MUSL_LOADER = re.compile(r"/lib/ld-musl-[^/]+\.so\.1\Z")
_MAX_INCLUDES = 100


class _Finder:
    """Where the loader looks for libraries in one image."""

    def __init__(self, root: Root, contents: Mapping[str, Content], form: Form, env: str) -> None:
        self._root, self._contents, self._form = root, contents, form
        triplet = _TRIPLETS[form]
        both = ("/lib", "/usr/lib")
        wide = ("/lib64", "/usr/lib64") if form[0] == 2 else ()
        folders = [*both, *wide, *(f"{folder}/{triplet}" for folder in both)]
        paths = [text for path, text in _texts(contents) if path.startswith("/etc/ld-musl-")]
        if paths:
            folders += re.split(r"[:\n]", "\n".join(paths))
        elif any(map(_MUSL_LOADER.match, root.tree)):
            folders += _MUSL_FOLDERS
        self._always = [folder for folder in [*env.split(":"), *folders] if folder[:1] == "/"]
        cache = contents.get(root.find("/etc/ld.so.cache").path)
        self._cache = cache.paths if isinstance(cache, Cache) else {}
        self._listed = list(_listed(root, dict(_texts(contents))))
        if not self._cache and root.node("/etc/ld.so.cache"):
            self._always += self._listed  # it is there, and in a form that is not read
        self._known: dict[str, bool] = {}
        # A file of another name in a folder that is looked through is not found by its own.
        seen = {root.find(folder).path for folder in [*self._always, *self._listed]}
        self._named = frozenset(_names(contents, form, seen))

    def lacks(self, path: str, program: Elf, name: str) -> str:
        """Return what is wrong with a library that a file asks for, empty if nothing is."""
        if "/" in name:
            return "" if name[0] != "/" or self._fits(name) else f"{name} is not there"
        if self._is_known(name) or any(
            self._fits(f"{folder}/{name}") for folder in self._own(path, program)
        ):
            return ""
        for folder in self._listed:
            if self._fits(f"{folder}/{name}"):
                return f"{name} is in {folder}, but ldconfig did not run after it came there"
        return "" if name in self._named or _DRIVER.match(name) else f"{name} is not there"

    def _own(self, path: str, program: Elf) -> Iterator[str]:
        for folder in program.runpath or program.rpath:
            place = re.sub(r"\$(?:ORIGIN|\{ORIGIN\})", lambda _: parent(path), folder)
            for library in ("lib", f"lib/{_TRIPLETS[self._form]}", "lib64"):
                yield re.sub(r"\$(?:LIB|\{LIB\})", library, place)
                if "LIB" not in place:
                    break

    def _is_known(self, name: str) -> bool:
        if name not in self._known:
            cached = self._cache.get(name, ())
            usual = (f"{folder}/{name}" for folder in self._always)
            self._known[name] = any(map(self._fits, cached)) or any(map(self._fits, usual))
        return self._known[name]

    def _fits(self, path: str) -> bool:
        found = self._root.find(path)
        content = self._contents.get(found.path)
        return not found.problem and isinstance(content, Elf) and content.form == self._form


def library_defects(
    root: Root, contents: Mapping[str, Content], settings: Settings
) -> Iterator[Defect]:
    """Find the libraries, and the loaders, that are missing."""
    form = FORMS.get(settings.platform.split("/")[1] if "/" in settings.platform else "")
    if form is None:
        return
    finder = _Finder(root, contents, form, settings.env.get("LD_LIBRARY_PATH", ""))
    has_musl = any(map(_MUSL_LOADER.match, root.tree))
    for path, elf in contents.items():
        if not isinstance(elf, Elf) or elf.form != form or APART.search(path):
            continue
        if root.tree[path].mode & 0o111 and elf.interpreter and not root.node(elf.interpreter):
            yield Defect("library", path, f"its loader {elf.interpreter} is not there")
            continue
        if "/node_modules/" in path and _is_foreign(elf, has_musl):
            continue
        for name in elf.needed:
            if what := finder.lacks(path, elf, name):
                yield Defect("library", path, what)


def _is_foreign(elf: Elf, has_musl: bool) -> bool:
    """Return whether a file is for another C library: packages bring one for each."""
    needs_musl = any(name.startswith("libc.musl-") for name in elf.needed)
    return needs_musl != has_musl and (needs_musl or "libc.so.6" in elf.needed)


def _names(contents: Mapping[str, Content], form: Form, seen: set[str]) -> Iterator[str]:
    """Yield what the libraries outside of the folders `seen` are called."""
    for path, elf in contents.items():
        if isinstance(elf, Elf) and elf.form == form and parent(path) not in seen:
            yield path.rpartition("/")[2]
            if elf.soname:
                yield elf.soname


def _texts(contents: Mapping[str, Content]) -> Iterator[tuple[str, str]]:
    return ((path, one.text) for path, one in contents.items() if isinstance(one, Text))


def _listed(root: Root, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders of ld.so.conf and what it includes."""
    todo, seen = ["/etc/ld.so.conf"], 0
    while todo and seen < _MAX_INCLUDES:
        seen += 1
        for line in texts.get(root.find(todo.pop()).path, "").split("\n"):
            words = line.partition("#")[0].split()
            if words[:1] == ["include"]:
                todo += sorted(p for p in texts if p.startswith("/etc/ld.so.conf.d/"))
            elif words and words[0].startswith("/") and root.is_folder(words[0]):
                yield words[0].rstrip("/")
    return
