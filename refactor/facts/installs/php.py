"""Composer."""

from __future__ import annotations

import re

from refactor.facts.installs.options import Line, action, parse, row_of
from refactor.facts.installs.reading import (
    BUILDS,
    OPEN,
    PROJECT,
    SCRIPT,
    Look,
    loaded,
    refuse,
    strings,
    table,
)

# Plug-ins that read nothing of the project but composer.json, composer.lock and symfony.lock.
_PLUGINS = frozenset(
    "symfony/flex symfony/runtime phpstan/extension-installer composer/package-versions-deprecated "
    "ocramius/package-versions pestphp/pest-plugin php-http/discovery".split()
)
_PLACES = frozenset({"cafile", "capath", "data-dir", "cache-dir", "cache-files-dir", "home"})
_RUN = frozenset(
    f"{when}-{what}" for when in ("pre", "post")
    for what in ("install-cmd", "update-cmd", "autoload-dump", "package-install", "file-download",
                 "package-update", "package-uninstall", "operations-exec", "pool-create")
) | {"init", "command"}  # fmt: skip


def composer(words: tuple[str, ...], look: Look) -> str | None:
    """Read `composer install` and `composer update`, and what is required for all projects."""
    verb = action(words[1:], "composer")
    plain = [word for word in words[1:] if not word.startswith("-")]
    everywhere = plain[:2] == ["global", "require"]
    if verb not in ("install", "i", "update", "u") and not everywhere:
        return None
    look.program(words[0])
    found = parse(words[1:], look, "composer")
    look.allow("COMPOSER_", row_of("composer").settings)
    if look.value("COMPOSER"):
        refuse(OPEN, "COMPOSER names another manifest", "unset it for the install")
    for folder in found.values("-d", "--working-dir"):
        look.cwd = look.at(folder)
    if everywhere:
        for text in found.arguments[2:]:
            if not re.fullmatch(r"\"?[\w-]+/[\w.-]+(?:[:=][\w.^~*@|$ {}-]+)?\"?", text):
                refuse(OPEN, f"`{text[:60]}` is not read as a package", "write it plainly")
        look.takes("composer.json")
        return "composer"
    if found.arguments[1:]:
        refuse(OPEN, "what it updates is named one by one", "composer install")
    path = look.at("composer.json")
    data = table(loaded(look.need(path), path), path)
    look.takes("composer.lock", "auth.json", "symfony.lock")
    _repositories(data, path)
    if not found.has("--no-scripts"):
        _scripts(data, path)
    if not found.has("--no-plugins"):
        _plugins(look, data)
    if not found.has("--no-autoloader"):
        _autoload(found, data, path)
    if look.kind(look.at(".git")) and "version" not in data:
        refuse(SCRIPT, f"{look.at('.git')} tells the version", "add .git to .dockerignore")
    config = table(data.get("config"))
    if other := _PLACES & set(config):
        refuse(OPEN, f"{path} sets {min(other)}", "leave it out")
    for key, usual in (("vendor-dir", "vendor"), ("bin-dir", "")):
        place = config.get(key, usual)
        if isinstance(place, str) and place:
            look.makes(look.at(place))
    if not look.kind(look.at("composer.lock")) or verb in ("update", "u"):
        look.write("composer.lock")
    return "composer"


def _repositories(data: dict[str, object], path: str) -> None:
    found = data.get("repositories")
    entries = found if isinstance(found, list) else list(table(found).values())
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        urls = [url for url in strings(entry.get("url")) if not _remote(url)]
        if entry.get("type") in ("path", "artifact") or urls:
            refuse(PROJECT, f"{path} has a repository that is a folder", "publish its packages")
        if entry.get("type") == "package":
            for text in strings(entry):
                if text.startswith(("file:", "./", "../", "/")):
                    refuse(PROJECT, f"{path} has a package that is a folder", "publish it")


def _remote(url: str) -> bool:
    return bool(re.match(r"(?:https?|ssh|git|svn)://|git@", url))


def _scripts(data: dict[str, object], path: str) -> None:
    run = sorted(_RUN & set(table(data.get("scripts"))))
    if run:
        refuse(
            SCRIPT, f"{path} runs scripts ({run[0]}), which may read the sources",
            "--no-scripts, and composer run-script behind the sources",
        )  # fmt: skip


def _plugins(look: Look, data: dict[str, object]) -> None:
    """Refuse plug-ins that are not known; what is locked tells which there are."""
    path = look.at("composer.lock")
    lock = table(loaded(look.text(path), path), path) if look.kind(path) else {}
    if not lock:
        refuse(SCRIPT, f"without {path} it is not known which plug-ins run", "--no-plugins")
    names = set()
    for key in ("packages", "packages-dev"):
        found = lock.get(key)
        for package in found if isinstance(found, list) else ():
            entry = table(package)
            if entry.get("type") in ("composer-plugin", "composer-installer"):
                names.add(str(entry.get("name")))
            if any(t.startswith(("file:", "./", "../")) for t in strings(table(entry.get("dist")))):
                refuse(PROJECT, f"{path} has a package that is a folder", "publish it")
    if other := sorted(names - _PLUGINS):
        refuse(SCRIPT, f"what the plug-in {other[0]} reads is not known", "--no-plugins")
    if names and "files" in table(data.get("autoload")):
        refuse(SCRIPT, "the files of autoload may be loaded with plug-ins", "--no-plugins")
    if "symfony/flex" in names:
        if not look.kind(look.at("symfony.lock")):
            refuse(SCRIPT, "without symfony.lock, symfony/flex writes recipes", "--no-plugins")
        look.assume("symfony.lock knows every package that is installed")
    if "symfony/runtime" in names and "runtime" in table(data.get("extra")):
        refuse(SCRIPT, "the settings of symfony/runtime may name files", "--no-plugins")


def _autoload(found: Line, data: dict[str, object], path: str) -> None:
    """Refuse an autoloader that is made from the sources: with a class map, or optimised."""
    config = table(data.get("config"))
    scans = found.has("-o", "--optimize-autoloader", "-a", "--classmap-authoritative") or any(
        config.get(key) for key in ("optimize-autoloader", "classmap-authoritative")
    )
    maps = any("classmap" in table(data.get(key)) for key in ("autoload", "autoload-dev"))
    if scans or maps:
        refuse(
            BUILDS, f"the autoloader of {path} is made from the sources",
            "--no-autoloader, and composer dump-autoload behind the sources",
        )  # fmt: skip
