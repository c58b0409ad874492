"""Cargo: `cargo fetch`, `cargo chef cook`, and programs by name."""

from __future__ import annotations

import posixpath

from refactor.facts.installs.globs import folders_of
from refactor.facts.installs.options import Line, action, parse
from refactor.facts.installs.reading import (
    BUILDS,
    OPEN,
    PROJECT,
    WORKSPACE,
    Look,
    refuse,
    strings,
    table,
    toml,
)

MAX_PACKAGES = 200
_TOOLCHAIN = ("rust-toolchain", "rust-toolchain.toml")
_CONFIG = (".cargo/config", ".cargo/config.toml")


def cargo(words: tuple[str, ...], look: Look) -> str | None:
    """Read what cargo fetches, or builds of dependencies alone."""
    rest = tuple(word for word in words[1:] if not word.startswith("+"))
    verb = action(rest, "cargo")
    plain = [word for word in rest if not word.startswith("-")]
    if verb not in ("fetch", "install") and plain[:2] != ["chef", "cook"]:
        return None
    look.program(words[0])
    found = parse(rest, look, "cargo")
    for name in ("--config", "-Z", "-C", "--root", "--target-dir"):
        for value in found.values(name):
            if name != "--root" or not value.startswith("/usr/"):
                refuse(OPEN, f"what {name} {value} asks for is not followed", "leave it out")
    look.up(*_TOOLCHAIN)
    _configuration(look)
    if any(name.startswith(("CARGO_SOURCE_", "CARGO_PATHS")) for name in look.env):
        refuse(OPEN, "a variable names sources of packages", "unset it for the install")
    if verb == "install":
        _install(found)
    elif verb == "fetch":
        _fetch(look, found)
    else:
        _cook(look, found)
    return "cargo"


def _configuration(look: Look) -> None:
    for path in look.up(*_CONFIG):
        data = toml(look.text(path), path)
        if {"paths", "include", "patch"} & set(data):
            refuse(PROJECT, f"{path} names folders", "leave them out")
        for source in table(data.get("source")).values():
            for key in ("directory", "local-registry"):
                for place in strings(table(source).get(key)):
                    folder = posixpath.dirname(posixpath.dirname(path))
                    if look.kind(look.at(place, folder)):
                        look.whole(look.at(place, folder))


def _install(found: Line) -> None:
    if found.values("--path") or (not found.arguments[1:] and not found.values("--git")):
        refuse(BUILDS, "`cargo install` builds the sources of the project", "cargo fetch")


def _cook(look: Look, found: Line) -> None:
    """Note the recipe; a project made from it alone is built in the folder."""
    if found.values("--manifest-path"):
        refuse(OPEN, "what --manifest-path asks for is not followed", "leave it out")
    for value in found.values("--recipe-path") or ["recipe.json"]:
        look.has(look.at(value))
    look.write(look.cwd)


def _fetch(look: Look, found: Line) -> None:
    manifests = found.values("--manifest-path")
    path = look.at(manifests[0] if manifests else "Cargo.toml")
    folder = posixpath.dirname(path)
    root = toml(look.need(path), path)
    for above in look.above(folder):
        if look.kind(f"{above}/Cargo.toml"):
            refuse(WORKSPACE, f"{above}/Cargo.toml may make it part of a workspace", "none")
    seen: set[str] = set()
    _package(look, folder, root, seen)
    workspace = table(root.get("workspace"))
    for member in folders_of(look, workspace.get("members"), "Cargo.toml", folder):
        manifest = f"{member}/Cargo.toml"
        _package(look, member, toml(look.need(manifest), manifest), seen)
    look.takes("Cargo.lock", folder=folder)
    if not found.has("--locked", "--frozen"):
        look.write("Cargo.lock", folder=folder)


def _package(look: Look, folder: str, data: dict[str, object], seen: set[str]) -> None:
    """Note what makes a package one: a manifest, and a source file that is not read but must be."""
    if folder in seen:
        return
    seen.add(folder)
    if len(seen) > MAX_PACKAGES:
        refuse(WORKSPACE, "it has too many packages", "none")
    if "workspace" in table(data.get("package")):
        refuse(WORKSPACE, f"{folder} names the root of its workspace", "run it there")
    if "package" in data or "project" in data:
        look.takes("src/main.rs", "src/lib.rs", folder=folder)
        targets = [data.get("lib"), data.get("bin")]
        named = [t for t in targets if isinstance(t, dict)]
        named += [t for ts in targets if isinstance(ts, list) for t in ts if isinstance(t, dict)]
        for target in named:
            for place in strings(target.get("path")):
                look.has(look.at(place, folder))
            for name in strings(target.get("name")):
                look.takes(f"src/bin/{name}.rs", f"src/bin/{name}/main.rs", folder=folder)
        source = posixpath.join(folder, "src/")
        if not any(path.startswith(source) for path in look.reads) and not named:
            for path in look.tree.below(f"{source}bin"):
                look.has(path)
    _paths(look, folder, data, seen)


def _paths(look: Look, folder: str, data: dict[str, object], seen: set[str]) -> None:
    sections = [table(data.get(name)) for name in ("patch", "target")]
    holders = [
        data,
        table(data.get("workspace")),
        *(table(v) for s in sections for v in s.values()),
    ]
    tables = [h.get(f"{kind}dependencies") for h in holders for kind in ("", "dev-", "build-")]
    tables += [value for section in (sections[0],) for value in section.values()]
    tables.append(data.get("replace"))
    for entry in (e for t in tables if isinstance(t, dict) for e in t.values()):
        place = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(place, str):
            where = look.at(place, folder)
            manifest = f"{where}/Cargo.toml"
            if look.kind(manifest) != "file":
                refuse(PROJECT, f"{folder} depends on {where}, which is not copied", "copy it")
            _package(look, where, toml(look.need(manifest), manifest), seen)
