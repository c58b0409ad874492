"""The modules of Go: `go mod download` and `go mod verify`, and programs by name.

A folder `vendor` changes nothing: commands that begin with `go mod` do not look at it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from refactor.facts.installs.options import Line, action, expand, parse
from refactor.facts.installs.reading import ABOVE, BUILDS, MISSING, OPEN, Look, refuse

_REMOTE = re.compile(r"[A-Za-z0-9][\w-]*(?:\.[\w-]+)+(?:/[\w.~+-]+)*(?:@[\w.+/-]+)?\Z")
_UNPINNED = re.compile(
    r"\"?[A-Za-z0-9][\w-]*(?:\.[\w-]+)+(?:/[\w.~+-]+)*@v?\$(?:\w+|\{\w+\})\"?\Z", re.ASCII
)


def go(words: tuple[str, ...], look: Look) -> str | None:
    """Read what the `go` command fetches."""
    verb = action(words[1:], "go")
    rest = [word for word in words[1:] if not word.startswith("-")]
    if verb == "mod" and rest[1:2] in (["download"], ["verify"]):
        look.program(words[0])
        _modules(look, parse(words[1:], look, "go"))
    elif verb == "mod" and rest[1:2] in (["tidy"], ["vendor"]):
        refuse(BUILDS, f"`go mod {rest[1]}` reads the imports of the sources", "go mod download")
    elif verb == "get" or (verb == "install" and _programs(rest[1:])):
        look.program(words[0])
        _named(look, verb, parse(words[1:], look, "go").arguments[1:])
    else:
        return None
    return "go"


def _programs(packages: list[str]) -> bool:
    """Whether all of them are programs with a version, and so none of the module's own."""
    return bool(packages) and all("@" in package for package in packages)


def _named(look: Look, verb: str, packages: tuple[str, ...]) -> None:
    for text in packages:
        if _UNPINNED.match(text):
            if not text.startswith('"'):
                look.assume(f"{text} is one word")
        elif not _REMOTE.match(text.removesuffix("/...")):
            refuse(BUILDS, f"`go {verb} {text}` reads the sources", "go mod download")
    flags = expand(look.env.get("GOFLAGS", ""), look.env)
    if verb == "get":
        if not packages or _nearest(look, "go.mod"):
            refuse(BUILDS, "`go get` changes the module that it is run in", "go mod download")
        look.write(posixpath.join(look.value("GOPATH").partition(":")[0] or "/go", "src"))
    elif "$" in flags or "-modfile" in flags:
        refuse(OPEN, "the value of GOFLAGS is not known", "unset it for the install")
    look.up("go.mod", "go.work")  # their lines `go` and `toolchain` may choose the toolchain


def _nearest(look: Look, name: str) -> str:
    folders = (look.cwd, *look.above())
    paths = [posixpath.join(folder, name) for folder in folders]
    return next((path for path in paths if look.kind(path)), "")


def _modules(look: Look, found: Line) -> None:
    flags = look.value("GOFLAGS")
    if "-modfile" in flags or look.value("GO111MODULE") == "off":
        refuse(OPEN, "GOFLAGS or GO111MODULE change what is read", "unset them for the install")
    for text in found.arguments[2:]:
        if not _REMOTE.match(text):
            refuse(OPEN, f"`{text}` is not read as a module", "write it plainly")
    work = look.value("GOWORK")
    if work not in ("", "off"):
        look.need(look.at(work))
    file = look.at(work) if work not in ("", "off") else "" if work else _nearest(look, "go.work")
    if file:
        _workspace(look, file)
        return
    path = _nearest(look, "go.mod")
    if not path:
        refuse(MISSING, f"{look.cwd}/go.mod is not among the copied files", "copy it")
    module = _module(look, path)
    _replaced(look, look.text(module), posixpath.dirname(module))
    look.write(path, posixpath.join(posixpath.dirname(path), "go.sum"))


def _module(look: Look, path: str) -> str:
    look.need(path)
    look.has(posixpath.join(posixpath.dirname(path), "go.sum"))
    return path


def _workspace(look: Look, path: str) -> None:
    """Note a go.work, and the modules that it uses."""
    text = look.need(path)
    folder = posixpath.dirname(path)
    look.takes("go.work.sum", folder=folder)
    look.write("go.work.sum", folder=folder)
    _replaced(look, text, folder)
    for place in _entries(text, "use"):
        where = look.at(place.strip('"`'), folder)
        manifest = posixpath.join(where, "go.mod")
        if look.kind(manifest) != "file":
            refuse(MISSING, f"{manifest}, of {path}, is not among the copied files", "copy it")
        _replaced(look, look.text(_module(look, manifest)), where)


def _entries(text: str, keyword: str) -> Iterator[str]:
    """Yield the entries of a directive, each on its own or in brackets."""
    inside = False
    for line in text.splitlines():
        words = line.partition("//")[0].strip()
        if inside and words == ")":
            inside = False
        elif inside and words:
            yield words
        elif re.match(rf"{keyword}\s*\(\Z", words):
            inside = True
        elif words.startswith((f"{keyword} ", f"{keyword}\t")):
            yield words[len(keyword) :].strip()


def _replaced(look: Look, text: str, folder: str) -> None:
    """Note the manifests of the folders that stand for modules."""
    for entry in _entries(text, "replace"):
        target = entry.partition("=>")[2].split()
        if not target:
            refuse(MISSING, f"{folder}: `{entry[:60]}` is not read", "write it plainly")
        place = target[0].strip('"`')
        if not place.startswith(("./", "../", "/")) and place not in (".", ".."):
            continue
        manifest = posixpath.join(look.at(place, folder), "go.mod")
        if look.kind(manifest) != "file":
            refuse(
                ABOVE, f"{folder}/go.mod replaces a module by {place}, which has no go.mod here",
                "have it in the build context",
            )  # fmt: skip
        _module(look, manifest)
