"""What sudo is asked for, and whether root needs it (sudo(8), sudoers(5))."""

from __future__ import annotations

import re

from refactor.facts.images import Image
from refactor.facts.users import default_user
from refactor.shell import BUILTINS
from refactor.words import Value

# They keep the environment, and ask nobody for a password. `-H` asks for root's HOME: it stays.
_OPTIONS = re.compile(r"-[En]+\Z|--(?:preserve-env|non-interactive)\Z|--\Z")
_ROOT = frozenset({"root", "0", "root:root", "0:0"})


def command(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that sudo only runs as root; nothing if it is asked for something else."""
    if argv[:1] != ("sudo",):
        return ()
    at = 1
    while at < len(argv) and _OPTIONS.match(argv[at]):
        at += 1
    program = argv[at] if at < len(argv) else "-"
    shells_own = program in BUILTINS or not re.match(r"[\w./+][\w./+-]*\Z", program)
    return () if shells_own else argv[at:]


def is_root(user: Value, image: Image) -> bool:
    """Whether a RUN is surely root's: where it uses sudo, an unknown base image likely is not."""
    return (user.text or default_user(image)) in _ROOT


def assumption(argv: tuple[str, ...]) -> str:
    """Return what is assumed where sudo goes: it sets PATH, HOME and USER, and drops variables."""
    return f"`{argv[0]}` needs no environment of sudo's: its PATH, its HOME, few variables"
