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
MOVED = "what pip installs is found by PATH and by import, not by a path below /usr/local"
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


def has_venv(image: Image) -> bool:
    """Whether an image's interpreter is `python` in /usr/local/bin, and can make environments."""
    if image.name != "python" or image.family not in (Family.DEBIAN, Family.ALPINE):
        return False
    return not _OLD_PYTHON.match(image.tag) and not image.tag.startswith(("rc", "windows"))


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
