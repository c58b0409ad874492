"""Python projects: poetry, uv, pdm and pipenv, and whatever is asked of Python as `python -m`."""

from __future__ import annotations

import posixpath
import re

from refactor.facts.installs import python, uv
from refactor.facts.installs.options import Line, action, parse
from refactor.facts.installs.reading import (
    OPEN,
    PROJECT,
    SCRIPT,
    Look,
    loaded,
    refuse,
    table,
    toml,
)

# Poetry


def poetry(words: tuple[str, ...], look: Look) -> str | None:
    """Read `poetry install` and `poetry sync`."""
    verb = action(words[1:], "poetry")
    if verb not in ("install", "sync"):
        return None
    look.program(words[0])
    found = parse(words[1:], look, "poetry")
    _nothing_more(found, verb, "-P", "--project", "-C", "--directory")
    path = look.at("pyproject.toml")
    data = toml(look.need(path), path)
    tool = table(table(data.get("tool")).get("poetry"))
    if not found.has("--no-root") and tool.get("package-mode") is not False:
        python.root(path, "poetry install --no-root first, and again behind the sources")
    _poetry_dependencies(data, tool, path)
    _license(data, look)
    python.indexes(_urls(tool.get("source")), path)
    if any(name.startswith("poetry-") for name in table(data.get("tool"))):
        refuse(SCRIPT, f"a plug-in that {path} sets up reads the repository", "none")
    look.takes("poetry.lock", ".python-version")
    lock = look.at("poetry.lock")
    if look.kind(lock) and re.search(r'(?m)^type = "(?:directory|file)"', look.text(lock)):
        refuse(PROJECT, f"{lock} has a folder or file of the image", "publish it")
    settings = toml(look.take(look.at("poetry.toml")), "poetry.toml")
    place = table(settings.get("virtualenvs")).get("path")
    for folder in (place, look.value("POETRY_VIRTUALENVS_PATH"), look.value("POETRY_CACHE_DIR")):
        if isinstance(folder, str) and folder and "{" not in folder:
            look.write(look.at(folder))
    look.makes(".venv", ".poetry")
    if not look.kind(lock):
        look.write("poetry.lock")
    _python(words[0], look)
    return "poetry"


def _poetry_dependencies(data: dict[str, object], tool: dict[str, object], path: str) -> None:
    python.sources([data.get("project"), data.get("dependency-groups")], path)
    for key in ("dependencies", "dev-dependencies", "group", "requires-plugins"):
        if any(_has_key(tool.get(key), name) for name in ("path", "file")):
            refuse(PROJECT, f"{path} depends on a folder or file", "publish it")


def _has_key(value: object, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(item, key) for item in value.values())
    return isinstance(value, list) and any(_has_key(item, key) for item in value)


def _urls(sources: object) -> list[object]:
    entries = sources if isinstance(sources, list) else []
    return [entry["url"] for entry in entries if isinstance(entry, dict) and "url" in entry]


def _license(data: dict[str, object], look: Look) -> None:
    """Note the file with the licence's text: it is read with the metadata."""
    licence = table(data.get("project")).get("license")
    name = licence.get("file") if isinstance(licence, dict) else None
    if isinstance(name, str):
        look.need(look.at(name))


def _nothing_more(found: Line, verb: str, *refused: str) -> None:
    for name in refused:
        if found.values(name) or found.has(name):
            refuse(OPEN, f"what {name} asks for is not followed", f"leave {name} out")
    if found.arguments != (verb,):
        refuse(OPEN, f"what `{' '.join(found.arguments)}` asks for is not followed", "none")


def _python(program: str, look: Look) -> None:
    """Note what an installer that runs in Python or pip reads besides."""
    python.variables(look)
    python.settings(look)
    python.into(program, look)


# Pipenv


def pipenv(words: tuple[str, ...], look: Look) -> str | None:
    """Read `pipenv install` and `pipenv sync`."""
    verb = action(words[1:], "pipenv")
    if verb not in ("install", "sync"):
        return None
    look.program(words[0])
    found = parse(words[1:], look, "pipenv")
    refused = ("--extra-pip-args", "--requirements", "-r", "-e", "--editable")
    _nothing_more(found, verb, *refused)
    if look.value("PIPENV_DOTENV_LOCATION"):
        refuse(OPEN, "PIPENV_DOTENV_LOCATION is set", "unset it")
    path = look.at(look.value("PIPENV_PIPFILE") or "Pipfile")
    data = toml(look.need(path), path)
    lock = f"{path}.lock"
    locked = look.text(lock) if look.has(lock) else ""
    _pipfile(data, path)
    python.indexes(_urls(data.get("source")), path)
    if locked:
        _pipfile(table(loaded(locked, lock)), lock)
    elif not found.has("--skip-lock"):
        look.write(lock)
    folder = posixpath.dirname(path)
    look.takes("pylock.toml", ".python-version", folder=folder)
    if re.search(r"(?m)^[ \t]*(?:export\s+)?(?:PIP|PYTHON|VIRTUAL)", look.take(f"{folder}/.env")):
        refuse(OPEN, f"{folder}/.env sets variables of pip", "set them in the Dockerfile")
    look.makes(".venv", folder=folder)
    if _has_key(data, "editable") or '"editable"' in locked:
        look.write("src", folder=folder)
    _python(words[0], look)
    return "pipenv"


def _pipfile(data: dict[str, object], path: str) -> None:
    for section in data.values():
        for package in section.values() if isinstance(section, dict) else ():
            local = isinstance(package, dict) and ("path" in package or "file" in package)
            if local and not _remote(package.get("file")):
                refuse(PROJECT, f"{path} installs a folder or file", "publish it")
    if "scripts" in data and _has_key(data["scripts"], "install"):
        refuse(SCRIPT, f"{path} has a script of the name install", "rename it")


def _remote(value: object) -> bool:
    return isinstance(value, str) and bool(re.match(r"https?://", value))


# PDM


def pdm(words: tuple[str, ...], look: Look) -> str | None:
    """Read `pdm install` and `pdm sync`."""
    verb = action(words[1:], "pdm")
    if verb not in ("install", "sync"):
        return None
    look.program(words[0])
    found = parse(words[1:], look, "pdm")
    _nothing_more(found, verb, "-p", "--project", "-g", "--global", "--plugins", "--override")
    path = look.at("pyproject.toml")
    data = toml(look.need(path), path)
    tool, project = table(table(data.get("tool")).get("pdm")), table(data.get("project"))
    packaged = tool.get("distribution", True) and tool.get("package-type") != "application"
    without = found.has("--no-self") or look.on("PDM_NO_SELF") or not project.get("name")
    if packaged and not without:
        python.root(path, "pdm sync --no-self first, and again behind the sources")
    if project.get("dynamic"):
        python.root(path, f"write the metadata out in {path}")
    if any(re.match(r"(?:pre|post)_", name) for name in table(tool.get("scripts"))):
        refuse(SCRIPT, f"{path} has scripts that run before or behind others", "rename them")
    if tool.get("plugins"):
        refuse(SCRIPT, f"{path} has plug-ins", "none")
    python.sources([project, data.get("dependency-groups"), tool], path)
    python.indexes(_urls(tool.get("source")), path)
    for name in found.values("-L", "--lockfile") or ["pdm.lock"]:
        look.has(look.at(name))
        look.write(look.at(name))
    look.takes("pylock.toml", "pdm.toml", ".pdm.toml", ".python-version")
    look.makes(".venv", "__pypackages__", ".pdm-python", ".pdm-build", ".pdm-plugins", "env")
    _license(data, look)
    _python(words[0], look)
    return "pdm"


# python -m

_MODULES = {"pip": python.pip, "pipenv": pipenv, "poetry": poetry, "pdm": pdm, "uv": uv.uv}


def module(words: tuple[str, ...], look: Look) -> str | None:
    """Read `python -m` for the programs that are modules too."""
    rest = words[1:]
    while rest and rest[0] in ("-u", "-B", "-E", "-s", "-I", "-O"):
        rest = rest[1:]
    if len(rest) < 2 or rest[0] != "-m" or rest[1] not in _MODULES:
        return None
    program = posixpath.join(posixpath.dirname(words[0]), rest[1])
    found = _MODULES[rest[1]]((program, *rest[2:]), look)
    if found:
        look.program(words[0])
        python.shadows(look, look.cwd)
    return found
