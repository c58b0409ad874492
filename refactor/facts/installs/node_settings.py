"""Settings of npm, yarn, pnpm and bun: what they name in the image."""

from __future__ import annotations

import posixpath
import re
import shlex

from refactor.facts.installs.options import row_of
from refactor.facts.installs.reading import (
    MISSING,
    OPEN,
    SCRIPT,
    WORKSPACE,
    Look,
    refuse,
    strings,
    table,
    toml,
)

MAX_YAML = 32 * 1024
MAX_BRACKETS = 500
_REGISTRY = re.compile(r"//.+:(?:_authtoken|_auth|_password|username|email|always-auth)\Z"
                       r"|@[\w.-]+:registry\Z|node-mirror:\w+\Z|init[.-][\w.-]+\Z")  # fmt: skip
_MIRROR = re.compile(r"[\w-]+[-_](?:mirror|host|hostname|site|cdnurl|binary-host-mirror)\Z")


def npmrc(look: Look, folder: str) -> None:
    """Note a folder's .npmrc."""
    path = posixpath.join(folder, ".npmrc")
    for line in look.take(path).splitlines():
        text = line.strip()
        if text and text[0] not in "#;[":
            key, _, value = text.partition("=")
            npm_setting(look, key.strip(), value.strip(), path)


def npm_setting(look: Look, key: str, value: str, source: str) -> None:
    """Note what one of npm's settings names, or refuse it."""
    name = key.lower().removesuffix("[]").strip("\"'")
    if name.rpartition(":")[2] in ("cafile", "certfile", "keyfile"):
        look.has(look.at(value, posixpath.dirname(source)))
    elif name == "shared-workspace-lockfile" and value != "true":
        refuse(WORKSPACE, f"{source}: members have lock files of their own", "none")
    elif not (_REGISTRY.match(name) or _MIRROR.match(name) or name in row_of("npmrc").settings):
        refuse(OPEN, f"{source}: what {key} does is not known", "leave it out")


def variables(look: Look) -> None:
    """Refuse variables of npm and Node that may name files."""
    known = row_of("npm").settings
    for name in sorted(look.env):
        low = name.lower()
        if low.startswith("npm_config_") and low not in known and not _MIRROR.match(low[11:]):
            refuse(OPEN, f"what {name} does is not known", f"unset {name} for the install")
        if low.startswith("pnpm_config_"):
            refuse(OPEN, f"what {name} does is not known", f"unset {name} for the install")
    options = look.value("NODE_OPTIONS")
    if re.search(r"(?:^|\s)(?:-r\b|--(?:require|import|loader|experimental-loader|env-file|eval))",
                 options):  # fmt: skip
        refuse(SCRIPT, "NODE_OPTIONS loads files", "unset it for the install")


def yarnrc(look: Look) -> None:
    """Note the settings of yarn 1 in the folder and those above it."""
    for path in look.up(".yarnrc"):
        text = look.text(path)
        if len(text) > MAX_YAML:
            refuse(MISSING, f"{path} is too large", "none")
        for line in text.splitlines():
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                refuse(OPEN, f"{path}: `{line[:60]}` is not read", "correct it")
            if words:
                _yarn_setting(look, words, posixpath.dirname(path), path)


def _yarn_setting(look: Look, words: list[str], folder: str, path: str) -> None:
    name, value = words[0].rstrip(":"), words[-1]
    if name in ("yarn-path", "cafile", "--cafile"):
        look.need(look.at(value, folder))
    elif name == "yarn-offline-mirror":
        if look.kind(look.at(value, folder)):
            look.whole(look.at(value, folder))
        look.write(look.at(value, folder))
    elif re.fullmatch(r"(?:--)?(?:\w+\.)?modules-folder", name):
        look.makes(look.at(value, folder))
    elif not (_REGISTRY.match(name) or name.removeprefix("--") in row_of("yarnrc").settings):
        refuse(OPEN, f"{path}: what {name} does is not known", "leave it out")


def yarnrc_yml(look: Look) -> dict[str, object]:
    """Note the settings of yarn 2 and later, in the folder and those above it; return the folder's.

    Whatever else a project keeps for yarn is in `.yarn`, and is read whole.
    """
    own: dict[str, object] = {}
    for path in look.up(".yarnrc.yml"):
        folder = posixpath.dirname(path)
        data = yaml(look.text(path), path)
        if folder == look.cwd:
            own = data
        for name, value in data.items():
            if name == "yarnPath":
                look.need(look.at(str(value), folder))
            elif name == "plugins":
                _plugins(look, value, folder, path)
            elif name in ("packageExtensions", "catalog", "catalogs"):
                if any(local(text) for text in strings(value)):
                    refuse(SCRIPT, f"{path} names folders", "publish the packages")
            elif name not in row_of("yarnrc.yml").settings:
                refuse(OPEN, f"{path}: what {name} does is not known", "leave it out")
    if look.kind(look.at(".yarn")) == "dir":
        look.whole(look.at(".yarn"))
    look.takes(".pnp.cjs", ".pnp.loader.mjs", ".pnp.js", ".env.yarn")
    return own


def _plugins(look: Look, value: object, folder: str, path: str) -> None:
    for plugin in value if isinstance(value, list) else [value]:
        entry = plugin if isinstance(plugin, dict) else {"path": plugin, "spec": plugin}
        place, spec = str(entry.get("path", "")), str(entry.get("spec", ""))
        if not re.search(r"@yarnpkg/plugin-[\w-]+", spec):
            refuse(SCRIPT, f"{path}: what the plug-in {place} reads is not known", "none")
        look.need(look.at(place, folder))


def pnpm_workspace(look: Look) -> dict[str, object]:
    """Note pnpm-workspace.yaml, and return it."""
    path = look.at("pnpm-workspace.yaml")
    data = yaml(look.take(path), path)
    for name, value in data.items():
        if name in ("overrides", "catalog", "catalogs", "packageExtensions"):
            if any(local(text) for text in strings(value)):
                refuse(SCRIPT, f"{path} names folders", "publish the packages")
        elif name == "sharedWorkspaceLockfile" and value is not True:
            refuse(WORKSPACE, f"{path}: members have lock files of their own", "none")
        elif name == "patchedDependencies":
            for patch in strings(value):
                look.need(look.at(patch))
        elif name not in row_of("pnpm-workspace.yaml").settings:
            refuse(OPEN, f"{path}: what {name} does is not known", "leave it out")
    return data


def bunfig(look: Look) -> None:
    """Note bun's settings, and the variables that it loads."""
    path = look.at("bunfig.toml")
    data = toml(look.take(path), path)
    install = table(data.get("install"))
    for name in (*(set(data) - {"install", "test", "serve", "run", "telemetry", "logLevel"}),
                 *(set(install) - row_of("bunfig.toml").settings)):  # fmt: skip
        refuse(OPEN, f"{path}: what {name} does is not known", "leave it out")
    modes = ("", ".development", ".production", ".test", ".local")
    look.takes(*(f".env{mode}" for mode in modes), *(f".env{mode}.local" for mode in modes[1:4]))


def local(text: str) -> bool:
    """Whether a version is a folder or file."""
    return bool(re.match(r"(?:file|link|portal|exec|git\+file):|\.{1,2}(?:/|\Z)|/|~(?:/|\Z)", text))


def yaml(text: str, path: str) -> dict[str, object]:
    """Return what a YAML text says; one with anchors is refused."""
    if not text.strip():
        return {}
    nested = text.count("[") + text.count("{") > MAX_BRACKETS
    if nested or len(text) > MAX_YAML or re.search(r"(?m)(?:^|[\s\-:\[,{])&\w", text):
        refuse(MISSING, f"{path} is too large, or has anchors", "write it plainly")
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return table(YAML(typ="safe", pure=True).load(text), path)
    except (YAMLError, ValueError, RecursionError):
        refuse(MISSING, f"{path} is no YAML", "correct it")
