"""Python's virtual environments: which commands install into them, and what would miss the move.

An interpreter's own `site-packages` and a virtual environment of it hold the same distributions;
console scripts move from the interpreter's folder of programs to that of the environment, which
goes first in PATH (PEP 405).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from refactor.facts.images import Family, Image
from refactor.facts.packages import Operation, argv_operation

VENV = "/opt/venv"
PREFIX = "/usr/local"  # of the interpreter of python's images
# What no table can tell of all distributions.
MOVED = "what pip installs is found by PATH and by import, not by a path of the interpreter's own"
# They install somewhere else, or leave the source tree in use.
_ELSEWHERE = ("-t", "--target", "--prefix", "--root", "--user", "-e", "--editable",
              "--python", "--no-deps-target")  # fmt: skip
_OLD_PYTHON = re.compile(r"(?:2|3\.[0-5])(?:\D|$)")
# Paths of the interpreter's own packages and scripts, which move.
_OWN = re.compile(
    r"/usr/local/(?:bin|lib/python|lib64/python)[\w./-]*|[\w./-]*site-packages[\w./-]*"
)
_LIBRARY = re.compile(rf"{PREFIX}/lib/python(3\.\d+)(?:/site-packages)?")
_PROGRAM = re.compile(rf"{PREFIX}/bin(?:/[\w.-]+)?")
# They start from a PATH of their own.
_FRESH_PATH = re.compile(
    r"\b(?:ba|z|da)?sh\s+(?:-\w+\s+)*(?:-\w*l\w*|--login)\b"
    r"|\bsu\s+(?:\w+\s+)?(?:-|-l|--login)(?:\s|$)"
    r"|\bsudo\b|\bcrond?\b|\bcrontab\b|\benv\s+-i\b|\bPATH=(?![^\s;]*\$\{?PATH)"
)


def installs(argv: tuple[str, ...]) -> bool:
    """Whether a command installs with pip into the interpreter's own place."""
    found = argv_operation(argv)
    return found is not None and is_install(found)


def is_install(found: Operation) -> bool:
    """Whether an operation installs with pip into the interpreter's own place."""
    plain = "/" not in found.program.text and not found.wrapped
    return (
        found.manager == "pip"
        and found.action == "install"
        and plain
        and not found.has(*_ELSEWHERE)
        and not any(option.startswith("-e") for option in found.options)
    )


class Elsewhere(NamedTuple):
    """An install into another place: where to, and its words without that."""

    place: str
    argv: tuple[str, ...]


def elsewhere(argv: tuple[str, ...]) -> Elsewhere | None:
    """Return where root's install goes with `--user` or `--prefix`; None if it has neither."""
    found = argv_operation(argv)
    if found is None or (found.manager, found.action) != ("pip", "install"):
        return None
    words: list[str] = []
    places: list[str] = []
    for word in argv:
        if words[-1:] == ["--prefix"]:
            places.append(word)
            words.pop()
        elif word.startswith("--prefix="):
            places.append(word.removeprefix("--prefix="))
        elif word == "--user":
            places.append("/root/.local")
        else:
            words.append(word)
    plain = len(places) == 1 and places[0].startswith("/") and installs(tuple(words))
    return Elsewhere(places[0].rstrip("/"), tuple(words)) if plain else None


class Taken(NamedTuple):
    """What a copy takes of a stage's installs: `modules`, of a `version`, or `programs` alone."""

    source: str
    destination: str
    modules: str = ""
    version: str = ""
    programs: bool = False


def taken_folder(words: tuple[str, ...]) -> Taken | None:
    """Return what a copy takes over, by its words; None if it is nothing of an interpreter's."""
    if len(words) < 2:
        return None
    *sources, target = (word.rstrip("/") for word in words)
    if len(sources) == 1 and (match := _LIBRARY.fullmatch(sources[0])):
        return Taken(sources[0], target, sources[0], match[1]) if target == sources[0] else None
    if target in (f"{PREFIX}/bin", *sources[:1]) and all(map(_PROGRAM.fullmatch, sources)):
        return Taken(f"{PREFIX}/bin", f"{PREFIX}/bin", programs=True)
    source = sources[0]
    if len(sources) > 1 or not source.startswith("/"):
        return None
    local = source == "/root/.local" and (target.endswith("/.local") or target == PREFIX)
    return Taken(source, target) if (local or target == PREFIX) and target.startswith("/") else None


def is_own_library(path: str) -> bool:
    """Whether a path is in a folder of modules of the image's interpreter."""
    return bool(re.match(rf"{PREFIX}/lib(?:64)?/python", path)) or "site-packages" in path


def minor_version(tag: str) -> str:
    """Return the version of Python that a tag names: `3.12`; empty if it leaves that open."""
    match = re.match(r"3\.\d+", tag)
    return match[0] if match else ""


def interpreter(image: Image) -> str:
    """Return the interpreter of an image that can make environments; empty if it is not known.

    It is /usr/local/bin/python, or /opt/pypy/bin/pypy3 (docker-library/python and pypy).
    """
    if image.family not in (Family.DEBIAN, Family.ALPINE):
        return ""
    if image.name == "pypy":
        return "pypy3" if image.tag.startswith("3") else ""
    old = _OLD_PYTHON.match(image.tag) or image.tag.startswith(("rc", "windows"))
    return "python" if image.name == "python" and not old else ""


def environment_of(argv: tuple[str, ...]) -> str:
    """Return the folder of the environment that a command makes; empty if it makes none."""
    plain = len(argv) == 4 and argv[1:3] == ("-m", "venv") and argv[3].startswith("/")
    return argv[3].rstrip("/") if plain and re.match(r"(?:python|pypy)3?\Z", argv[0]) else ""


def old_places(text: str) -> list[str]:
    """Return the paths in a text that name what the interpreter has installed."""
    return _OWN.findall(text)


def resets_path(text: str) -> str:
    """Return the words in a text that start programs with a PATH of their own."""
    match = _FRESH_PATH.search(text)
    return match[0] if match else ""


# Distributions that call a compiler when the application runs.
_COMPILE_LATER = frozenset(
    "torch triton cppimport pyximport weave theano pytensor aesara pystan cmdstanpy tvm "
    "deepspeed".split()
)


def compiles_later(imports: frozenset[str]) -> str:
    """Return an imported module that may call a compiler at run time."""
    return next(iter(sorted(imports & _COMPILE_LATER)), "")
