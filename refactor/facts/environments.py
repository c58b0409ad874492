"""Python's virtual environments: which commands install into them, and what would miss the move.

An interpreter's own `site-packages` and a virtual environment of it hold the same distributions;
console scripts move from the interpreter's folder of programs to that of the environment, which
goes first in PATH (PEP 405).
"""

from __future__ import annotations

import re

from refactor.facts.images import Family, Image
from refactor.facts.packages import Operation, argv_operation

VENV = "/opt/venv"
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
