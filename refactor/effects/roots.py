"""What runs when an image does: its configuration, scripts, and the ways in from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from refactor.effects.events import Stage

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings
    from refactor.sent import Sent

# Programs whose names are plain words: in a script they count where a command starts.
_WORDS = frozenset(
    "file make patch time convert display import link split at as ld join m4 who".split()
)
_STARTS = re.compile(
    r"(?:^|[;&|(`]|\b(?:exec|sudo|then|do|else|command|xargs|env)\b|=)[ \t]*([\w.+/-]+)",
    re.MULTILINE,
)
_WORD = re.compile(r"[\w.+/-]+")
_SCRIPT = re.compile(
    r"(?:\.(?:sh|bash|conf|cfg|ini|service|procfile)|/?Procfile|entrypoint[\w-]*)\Z"
)
MAX_SCRIPTS = 200
MAX_SCRIPT = 64 * 1024


class Root(NamedTuple):
    """A text that is run, where it stands, and the names of programs that may be meant in it."""

    where: str
    text: str
    programs: frozenset[str]


def configured(stage: Stage) -> str:
    """Return ENTRYPOINT and CMD of a stage as one line."""
    config = dict(stage.config)
    values = [config[key] for key in ("entrypoint", "cmd") if key in config]
    words = [value[1] for value in values if isinstance(value, tuple)]
    return " ".join(word if isinstance(word, str) else " ".join(word) for word in words)


def roots(stage: Stage, around: Surroundings) -> Iterator[Root]:
    """Yield everything that is run from an image of a stage, as far as is known."""
    config = dict(stage.config)
    for key in ("entrypoint", "cmd", "healthcheck"):
        value = config.get(key)
        if isinstance(value, tuple):
            words = value[1]
            text = words if isinstance(words, str) else " ".join(words)
            yield _root(key.upper(), text)
    if around.invocations is not None:
        for call in around.invocations.commands:
            yield _root(f"{call.path}:{call.line}", call.text)
    if around.sent is None:
        return
    for path in _scripts(around.sent):
        text = (around.sent.text(path) or "")[:MAX_SCRIPT]
        code = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
        first = text.partition("\n")[0]
        found = _root(path, f"{first}\n{code}" if first.startswith("#!") else code)
        started = {name.rpartition("/")[2] for name in _STARTS.findall(code)}
        yield found._replace(programs=found.programs - (_WORDS - started))


def _scripts(sent: Sent) -> list[str]:
    """Return the paths of scripts and settings; they are looked up once for all Dockerfiles."""
    if _scripts not in sent.memo:
        paths = (p for p, kind in sent.files.items() if kind == "file" and _SCRIPT.search(p))
        sent.memo[_scripts] = sorted(paths)[:MAX_SCRIPTS]
    found: list[str] = sent.memo[_scripts]
    return found


def _root(where: str, text: str) -> Root:
    names = frozenset(word.rpartition("/")[2] for word in _WORD.findall(text))
    return Root(where, text, names)
