"""npm, yarn, pnpm, bun and corepack."""

from __future__ import annotations

import posixpath
import re

from refactor.facts.installs import node_settings as settings
from refactor.facts.installs.globs import folders_of
from refactor.facts.installs.node_scripts import Package, dependency_scripts
from refactor.facts.installs.options import Line, action, parse, row_of
from refactor.facts.installs.reading import (
    MISSING,
    OPEN,
    PROJECT,
    SCRIPT,
    WORKSPACE,
    Look,
    loaded,
    refuse,
    strings,
    table,
)

_INSTALL = frozenset("install add i in ins inst insta instal isnt isnta isntal isntall".split())
_CLEAN = frozenset("ci clean-install ic install-clean isntall-clean".split())
_LOCKS = {
    "npm": ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock"),
    "yarn": ("yarn.lock", "package-lock.json", "npm-shrinkwrap.json"),
    "pnpm": ("pnpm-lock.yaml",),
    "bun": ("bun.lock", "bun.lockb", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"),
}
_NAME = r"(?:@[\w.-]+/)?[A-Za-z0-9][\w.-]*"
_SPEC = re.compile(
    rf"(?:{_NAME}@(?:npm:{_NAME}@)?)?(?:[\w.^~<>=-]+|{_NAME})\Z"
    r"|(?:git\+(?:https?|ssh)|https?|git|ssh|github|gitlab):\S+\Z|[\w-]+/[\w.-]+(?:#[\w./-]+)?\Z",
    re.ASCII,
)
_VERSIONED = re.compile(rf"\"?{_NAME}@\"?[~^]?\$(?:[A-Za-z_]\w*|\{{[A-Za-z_]\w*\}})\"?\Z", re.ASCII)
_ASSUMED = "install scripts of dependencies read nothing else of the project"


def npm(words: tuple[str, ...], look: Look) -> str | None:
    """Read `npm install` and `npm ci`, and `npm config set`."""
    verb = action(words[1:], "npm")
    if verb in ("config", "c", "set") and not _configures(words, verb):
        return None
    if verb not in _INSTALL | _CLEAN | {"config", "c", "set"}:
        return None
    look.program(words[0])
    found = parse(words[1:], look, "npm")
    if verb in ("config", "c", "set"):
        return _configure(found, look)
    _enter(found, look, "--prefix", "-C")
    for name in ("--userconfig", "--globalconfig", "--cafile"):
        for value in found.values(name):
            look.has(look.at(value))
    for value in (*found.values("--cache"), look.value("npm_config_cache")):
        if value:
            look.write(look.at(value))
    if found.values("--node-options", "--script-shell"):
        refuse(SCRIPT, "--node-options and --script-shell load files", "leave them out")
    settings.variables(look)
    settings.npmrc(look, look.cwd)
    names = found.arguments[1:]
    if _global(found, look):
        return _named(look, names, "npm")
    if verb in _CLEAN and not any(look.has(look.at(name)) for name in _LOCKS["npm"][:2]):
        refuse(MISSING, f"{look.cwd} has no package-lock.json", "npm install, or a lock file")
    _project(look, "npm", names, found.has("--ignore-scripts"))
    if verb in _INSTALL and not found.has("--no-package-lock", "--no-save", "--no-shrinkwrap"):
        _rewrites(look, "npm", "package-lock.json")
    return "npm"


def _configures(words: tuple[str, ...], verb: str) -> bool:
    plain = [word for word in words[1:] if not word.startswith("-")]
    return verb == "set" or plain[1:2] in (["set"], ["delete"])


def _configure(found: Line, look: Look) -> str:
    """Note what `npm config set` reads: the project's own settings, and where the project is."""
    rest = [word for word in found.arguments if word not in ("config", "c", "set", "delete")]
    pairs = [rest] if "=" not in "".join(rest[:1]) else [word.split("=", 1) for word in rest]
    for pair in pairs:
        key = pair[0] if pair else ""
        if not re.search(r"[$`\"]", key) or not re.search(r":_\w+\"?\Z", key):
            settings.npm_setting(look, key, "", "npm config")
    if found.values("--location") == ["project"]:
        look.write(".npmrc")
    settings.npmrc(look, look.cwd)
    look.takes("package.json")
    return "npm"


def _enter(found: Line, look: Look, *names: str) -> None:
    """Go to the folder that an option names."""
    for value in found.values(*names):
        if posixpath.normpath(value) != ".":
            look.cwd = look.at(value)


def _global(found: Line, look: Look) -> bool:
    everywhere = found.values("--location") == ["global"]
    return everywhere or found.has("-g", "--global") or look.on("npm_config_global")


def _named(look: Look, names: tuple[str, ...], ecosystem: str) -> str:
    """Read an install of named packages, outside any project."""
    if not names:
        refuse(PROJECT, f"it installs the project in {look.cwd} itself", "name packages")
    for name in names:
        _spec(look, name)
    return ecosystem


def _spec(look: Look, text: str) -> None:
    """Refuse a package on the command line that is a folder or file, or not known."""
    if settings.local(text) or re.search(r"\.(?:tgz|tar\.gz|tar)\Z", text):
        refuse(PROJECT, f"it installs {text}, a folder or file", "publish it")
    if _VERSIONED.match(text):
        if not text.startswith('"'):
            look.assume(f"{text} is one word")
    elif not _SPEC.match(text):
        refuse(OPEN, f"`{text[:60]}` is not read as a package", "write it plainly")


def _project(look: Look, manager: str, names: tuple[str, ...], quiet: bool) -> None:
    """Note what every manager reads of a project: manifests, lock files, settings, scripts."""
    for name in names:
        _spec(look, name)
    _alone(look)
    for lock in (look.at(name) for name in _LOCKS[manager]):
        if look.has(lock):
            _locked(look, lock)
    look.takes(".corepack.env")
    path = look.at("package.json")
    workspace = settings.pnpm_workspace(look) if manager == "pnpm" else {}
    look.makes("node_modules")
    if names:
        look.write("package.json")
        if not look.kind(path):
            return
    root = _manifest(look, look.cwd)
    patterns = root.data.get("workspaces")
    if isinstance(patterns, dict):
        patterns = patterns.get("packages")
    members = []
    for folder in folders_of(look, [patterns, workspace.get("packages")], "package.json"):
        member = _manifest(look, folder)
        if "bin" in member.data or "bin" in table(member.data.get("directories")):
            refuse(WORKSPACE, f"it makes the programs of {folder} executable", "none")
        look.makes("node_modules", folder=folder)
        settings.npmrc(look, folder)
        members.append(member)
    if not quiet:
        for package in (root, *members):
            if package is not root or not names:
                package.lifecycle()
        look.assume(_ASSUMED)
    if not members and any(v.startswith("workspace:") for v in strings(_versions(root))):
        refuse(WORKSPACE, f"{path} depends on a workspace that is not found", "none")


def _locked(look: Look, path: str) -> None:
    """Note the archives that a lock file names; one that is too large is taken to agree."""
    for place in re.findall(r'\bresolved"?:? "file:([^"#]+)', look.tree.text(path) or ""):
        if look.kind(look.at(place)) != "file":
            refuse(SCRIPT, f"{path} has {place}, which is no file among those copied", "publish it")
        look.has(look.at(place))


def _alone(look: Look) -> None:
    """Refuse a project that one above may count among its own."""
    for folder in look.above():
        for name in ("pnpm-workspace.yaml", "package.json"):
            path = posixpath.join(folder, name)
            if not look.kind(path):
                continue
            if name != "package.json" or "workspaces" in _json(look, path):
                refuse(WORKSPACE, f"{path} may make it part of a workspace", f"run it in {folder}")
            look.has(path)


def _json(look: Look, path: str) -> dict[str, object]:
    return table(loaded(look.need(path), path), path)


_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def _versions(package: Package) -> list[object]:
    pnpm = table(package.data.get("pnpm"))
    own = [package.data.get(key) for key in (*_DEPENDENCIES, "overrides", "resolutions")]
    return [*own, pnpm.get("overrides"), pnpm.get("packageExtensions")]


def _manifest(look: Look, folder: str) -> Package:
    """Note a package.json, and the files that its dependencies name."""
    path = posixpath.join(folder, "package.json")
    package = Package(look, folder, _json(look, path))
    wanted: dict[str, object] = {}
    for key in _DEPENDENCIES:
        wanted |= table(package.data.get(key), path)
    for text in strings(_versions(package)):
        if text.startswith("patch:"):
            _patch(look, text, folder)
        elif re.match(r"file:.*\.(?:tgz|tar\.gz)\Z", text):
            look.need(look.at(text[5:], folder))
        elif settings.local(text):
            refuse(SCRIPT, f"{path} depends on the folder {text}", "publish it, or use a workspace")
    for patches in (package.data.get("patchedDependencies"),
                    table(package.data.get("pnpm")).get("patchedDependencies")):  # fmt: skip
        for patch in strings(patches):
            look.need(look.at(patch, folder))
    if {"configDependencies", "executionEnv"} & set(table(package.data.get("pnpm"))):
        refuse(SCRIPT, f"{path} has settings of pnpm that are not followed", "none")
    dependency_scripts(package, wanted)
    return package


def _patch(look: Look, text: str, folder: str) -> None:
    """Note the patches of yarn's `patch:` protocol; those of yarn itself are in no file."""
    _, _, places = text.partition("#")
    for place in places.partition("::")[0].split("&"):
        if place.startswith("~/"):
            look.need(look.at(place[2:]))
        elif place and "builtin<" not in place:
            look.need(look.at(place, folder))


def _rewrites(look: Look, manager: str, own: str) -> None:
    """Note the lock files that an install brings up to date."""
    look.write(own, *(name for name in _LOCKS[manager] if look.kind(look.at(name))))


# Yarn


def yarn(words: tuple[str, ...], look: Look) -> str | None:
    """Read `yarn`, `yarn install`, `yarn add` and `yarn workspaces focus`, of any version."""
    verb = action(words[1:], "yarn")
    plain = [word for word in words[1:] if not word.startswith("-")]
    focus = verb == "workspaces" and "focus" in plain
    if {"--version", "-v", "--help", "-h"} & set(words[1:]) or not (
        verb in ("", "install", "add") or focus or (verb == "global" and "add" in plain)
    ):
        return None
    look.program(words[0])
    look.allow("YARN_", row_of("yarn").settings)
    found = parse(words[1:], look, "yarn")
    settings.variables(look)
    settings.yarnrc(look)
    _enter(found, look, "--cwd")
    for folder in (look.cwd, *look.above()):
        settings.npmrc(look, folder)
    if verb == "global":
        return _named(look, found.arguments[2:], "yarn")
    own = settings.yarnrc_yml(look)
    settings.yarnrc(look)
    look.takes(".yarnclean")
    for folder in look.above():
        if look.kind(posixpath.join(folder, "yarn.lock")) and not look.kind(look.at("yarn.lock")):
            refuse(WORKSPACE, f"{folder}/yarn.lock may make it part of a workspace", "none")
    for value in found.values("--use-yarnrc", "--link-folder"):
        refuse(OPEN, f"what {value} asks for is not followed", "leave it out")
    for value in found.values("--modules-folder"):
        look.makes(look.at(value))
    names = found.arguments[1:] if verb == "add" else ()
    quiet = found.has("--ignore-scripts") or found.values("--mode") == ["skip-build"]
    _project(look, "yarn", names, quiet)
    exact = found.has("--frozen-lockfile", "--pure-lockfile", "--no-lockfile", "--immutable")
    _yarn_writes(look, own, exact)
    return "yarn"


def _yarn_writes(look: Look, own: dict[str, object], exact: bool) -> None:
    """Note what yarn writes; version 2 and later write more."""
    lock = look.at("yarn.lock")
    text = look.tree.text(lock) or ""
    package = _json(look, look.at("package.json")) if look.kind(look.at("package.json")) else {}
    release = re.match(r"yarn@([0-9])", str(package.get("packageManager", "")))
    classic = text.startswith("# THIS IS") and "# yarn lockfile v1" in text
    if own or not (classic or (release and release[1] in "01")):
        look.write(".yarn/cache", ".yarn/unplugged", ".yarn/install-state.gz", ".pnp.cjs")
        look.write(".yarn/build-state.yml", ".pnp.js", ".pnp.loader.mjs", ".pnp.data.json")
        if not exact:
            look.write(*(path for path in look.reads if path.endswith("/package.json")))
    if not exact:
        look.write(lock)


# pnpm, bun, corepack


def pnpm(words: tuple[str, ...], look: Look) -> str | None:
    """Read `pnpm install`, `pnpm add` and `pnpm fetch`."""
    verb = action(words[1:], "pnpm")
    if verb not in ("install", "i", "add", "fetch"):
        return None
    look.program(words[0])
    found = parse(words[1:], look, "pnpm")
    _enter(found, look, "--dir", "-C", "--prefix")
    for name in ("--pnpmfile", "--lockfile-dir", "--modules-dir", "--virtual-store-dir",
                 "--workspace-dir"):  # fmt: skip
        if found.values(name):
            refuse(OPEN, f"what {name} asks for is not followed", f"leave {name} out")
    for value in found.values("--store-dir"):
        look.write(look.at(value))
    settings.variables(look)
    settings.npmrc(look, look.cwd)
    names = found.arguments[1:]
    if found.has("-g", "--global"):
        return _named(look, names, "pnpm")
    for name in look.names(look.cwd):
        if name in (".pnpmfile.cjs", ".pnpmfile.mjs", "pnpmfile.js"):
            refuse(SCRIPT, f"{look.cwd}/{name} may read anything", "none")
    for path in look.tree.below(look.cwd):
        if posixpath.basename(path) in ("package.yaml", "package.json5"):
            refuse(WORKSPACE, f"{path} is a manifest that is not followed", "use package.json")
    if verb == "fetch":
        return _fetch(look)
    _project(look, "pnpm", names, found.has("--ignore-scripts"))
    look.write(".pnpm-store")
    if not found.has("--frozen-lockfile") or found.has("--no-frozen-lockfile"):
        look.write("pnpm-lock.yaml")
    return "pnpm"


def _fetch(look: Look) -> str:
    """Read `pnpm fetch`: it goes by the lock file, and looks at no member of a workspace."""
    _alone(look)
    look.need(look.at("pnpm-lock.yaml"))
    settings.pnpm_workspace(look)
    if look.kind(look.at("package.json")):
        _manifest(look, look.cwd)
    look.makes("node_modules")
    look.write(".pnpm-store")
    look.assume(_ASSUMED)
    return "pnpm"


def bun(words: tuple[str, ...], look: Look) -> str | None:
    """Read `bun install` and `bun add`."""
    verb = action(words[1:], "bun")
    if verb not in ("install", "i", "add", "a", "ci"):
        return None
    look.program(words[0])
    found = parse(words[1:], look, "bun")
    _enter(found, look, "--cwd")
    if found.values("-c", "--config", "--cafile", "--filter", "-F") or found.has("--env-file"):
        refuse(OPEN, "it is told of files or members that are not followed", "leave them out")
    settings.variables(look)
    settings.npmrc(look, look.cwd)
    settings.bunfig(look)
    names = found.arguments[1:]
    if found.has("-g", "--global"):
        return _named(look, names, "bun")
    _project(look, "bun", names, found.has("--ignore-scripts"))
    if not found.has("--frozen-lockfile") and verb != "ci":
        look.write("bun.lock", "bun.lockb", "yarn.lock")
    return "bun"


def corepack(words: tuple[str, ...], look: Look) -> str | None:
    """Read `corepack enable` and `corepack prepare`, and the managers that it starts."""
    verb = next((word for word in words[1:] if not word.startswith("-")), "")
    if verb in ("yarn", "pnpm", "npm"):
        started = {"yarn": yarn, "pnpm": pnpm, "npm": npm}[verb]
        return started(words[words.index(verb) :], look)
    if verb not in ("enable", "prepare", "install"):
        return None
    look.program(words[0])
    rest = [word for word in words[1:] if not word.startswith("-") and word != verb]
    for text in rest:
        _spec(look, text)
    if verb != "enable" and not rest:
        look.takes(".corepack.env", "package.json")
        for folder in look.above():
            look.takes("package.json", folder=folder)
    return "corepack"
