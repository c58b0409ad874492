"""pip, and what all installs of Python packages have in common."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable

from refactor.facts.installs.options import Line, action, parse, split
from refactor.facts.installs.reading import OPEN, PROJECT, SCRIPT, Look, refuse, strings
from refactor.facts.installs.requirements import (
    INDEXES,
    editable,
    index,
    links,
    read_file,
    requirement,
)

_FILES = split("--cert --client-cert")
_REQUIREMENTS = split("-r --requirement -c --constraint --build-constraint")
_LINKS = split("-f --find-links")
_EDITABLE = split("-e --editable")
_WRITTEN = split(
    "-t --target --prefix --root --src --source --source-dir --source-directory -d --dest "
    "--destination-dir --destination-directory -w --wheel-dir --log --log-file --local-log "
    "--report -b --build --build-dir --build-directory"
)
_REFUSED = split("--group --requirements-from-script --python")
_NAMING = frozenset(INDEXES) | _FILES | _REQUIREMENTS | _LINKS | _EDITABLE | _WRITTEN | _REFUSED
MAX_STARS = 5
_NAMES_FILES = re.compile(
    r"(?m)^[ \t]*(?:constraint|requirement|find-links|editable|target|prefix|root|src|cert"
    r"|client-cert|group)[ \t]*="
)
_STANDARD = split("/usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin")
# What Python imports from its folder before its own library; a folder of tests is no module.
_SHADOWS = (sys.stdlib_module_names - {"test"}) | {"pip", "sitecustomize", "usercustomize"}


def pip(words: tuple[str, ...], look: Look) -> str | None:
    """Read `pip install`, `pip wheel` and `pip download`."""
    verb = action(words[1:], "pip")
    if verb not in ("install", "wheel", "download"):
        return None
    look.program(words[0])
    variables(look)
    found = parse(words[1:], look, "pip")
    _options(found, look)
    for text in found.arguments[1:]:
        package(look, text)
    if verb != "install" and not found.values("-w", "--wheel-dir", "-d", "--dest"):
        look.write("")
    settings(look)
    into(words[0], look)
    return "pip"


def _options(found: Line, look: Look) -> None:
    for name, value in found.options:
        if name in _REQUIREMENTS:
            read_file(look, value)
        elif name in _EDITABLE:
            editable(look, value)
        elif name in _LINKS:
            links(look, value)
        elif name in INDEXES:
            index(look, value)
        elif name in _FILES:
            look.has(look.at(value))
        elif name in _WRITTEN:
            look.write(look.at(value))
        elif name in _REFUSED:
            refuse(OPEN, f"what {name} reads is not followed", "use a requirement file")


def package(look: Look, text: str) -> None:
    """Note what an argument names; a pattern must meet no copied file."""
    if _UNPINNED.match(text):
        if not text.startswith('"'):
            look.assume(f"{text} is one word")
        return
    if re.search(r"[*?\[]", text) and "/" not in text and '"' not in text:
        pattern = _shell_pattern(text)
        many = pattern.count(".*") > MAX_STARS
        if many or any(re.fullmatch(pattern, name) for name in look.names(look.cwd)):
            refuse(OPEN, f"`{text}` is a pattern that meets files", "quote it")
    requirement(look, text)


_UNPINNED = re.compile(
    r"\"?[A-Za-z0-9][\w.-]*(?:\[[\w,-]*\])?[<>=!~]=+\"?"
    r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})(?:[.\w*]*)\"?\Z",
    re.ASCII,
)


def _shell_pattern(text: str) -> str:
    """Return an expression that meets at least what a pattern of the shell meets."""
    parts = re.split(r"(\*|\?|\[[^\]]*\])", text)
    return "".join(".*" if part[:1] in ("*", "[") else "." if part == "?" else re.escape(part)
                   for part in parts)  # fmt: skip


def variables(look: Look) -> None:
    """Note what variables such as PIP_CONSTRAINT name, and where PYTHONPATH leads."""
    for variable in sorted(look.env):
        name = "--" + variable[4:].lower().replace("_", "-")
        if variable.startswith("PIP_") and name in _NAMING:
            values = look.value(variable).split()
            _options(Line(tuple((name, value) for value in values), ()), look)
    folders = look.env.get("PYTHONPATH", "").split(":")
    if any("$" in folder for folder in folders):
        folders = sorted({posixpath.dirname(path) for path in look.tree.below("/")})
    for folder in folders:
        if folder:
            shadows(look, look.at(folder))


def settings(look: Look) -> None:
    """Note pip's settings where a copy can have put them."""
    home = look.value("HOME") or "/root"
    named = look.value("PIP_CONFIG_FILE")
    for path in (*((named,) if named else ()), "/etc/pip.conf", "/etc/xdg/pip/pip.conf",
                 f"{home}/.pip/pip.conf", f"{home}/.config/pip/pip.conf"):  # fmt: skip
        place = look.at(path)
        text = look.take(place) if look.kind(place) else ""
        if _NAMES_FILES.search(text):
            refuse(OPEN, f"{path} names files", "name them on the command line")
    setup = posixpath.join(look.cwd, "setup.cfg")
    if look.kind(setup) == "file" and re.search(r"(?m)^\[(?:install|global)\]", look.text(setup)):
        look.has(setup)  # read through distutils, before Python 3.10


def into(program: str, look: Look) -> None:
    """Note the virtual environment that pip installs into."""
    if "/" in program:
        environment(look, posixpath.dirname(posixpath.dirname(look.at(program))))
    if where := look.value("VIRTUAL_ENV"):
        environment(look, look.at(where))
    for folder in look.value_path():
        if folder in _STANDARD:
            break
        environment(look, posixpath.dirname(posixpath.normpath(folder)))


def environment(look: Look, prefix: str) -> None:
    """Note what is written into a virtual environment; it may be a folder with copied files."""
    if f"{prefix}/bin" in _STANDARD or prefix == "/":
        return
    if look.kind(prefix) != "dir":
        look.write(prefix)
        return
    look.write(*(f"{prefix}/{name}" for name in ("bin", "lib", "lib64", "include", "share", "etc",
                                                 "src", "man", "pyvenv.cfg")))  # fmt: skip


def shadows(look: Look, folder: str) -> None:
    """Refuse a folder that Python imports from if it hides modules of Python's own."""
    if look.kind(folder) != "dir":
        return
    for name in look.names(folder):
        stem = name.removesuffix(".py")
        hides = stem in _SHADOWS and (
            name != stem or look.kind(f"{folder}/{name}/__init__.py") == "file"
        )
        if hides or name.endswith((".egg-info", ".dist-info", ".egg-link", ".pth")):
            refuse(SCRIPT, f"Python finds {name} in {folder}", f"rename {folder}/{name}")


_LOCAL = re.compile(r"@\s*(?:\w+\+)?(?:file:|\.{0,2}/)|^(?:-e\s*)?(?:\w+\+)?file:")


def sources(data: object, path: str) -> None:
    """Refuse dependencies that are folders or files of the image."""
    if any(map(_LOCAL.search, strings(data))):
        refuse(PROJECT, f"{path} depends on a folder or file", "publish it, or vendor a wheel")


def indexes(urls: Iterable[object], path: str) -> None:
    """Refuse indexes of packages that are folders."""
    for url in urls:
        if not re.match(r"https?://|\$\{?\w+", str(url)):
            refuse(PROJECT, f"{path} has an index that is a folder", "name a server")


def root(path: str, unlock: str) -> None:
    refuse(PROJECT, f"it builds the project of {path}, and so reads its sources", unlock)
