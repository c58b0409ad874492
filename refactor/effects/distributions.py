"""Which Python distributions an install names, itself or in the files that it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from refactor.effects.events import Exec, Stage
from refactor.effects.order import directory, environment, take
from refactor.effects.placed import Placed
from refactor.facts.installs import Install, install
from refactor.facts.installs.requirements import lines
from refactor.facts.packages import argv_operation
from refactor.facts.python_packages import python_package
from refactor.sent import Sent

_NAME = re.compile(r"[\"']?([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?=[\[<>=!~;@\"']|$|\s)")
# These options take a value that names no distribution.
_VALUES = frozenset(
    "-r --requirement -c --constraint -f --find-links -i --index-url --extra-index-url --proxy "
    "--trusted-host --timeout --retries --platform --no-binary --only-binary --progress-bar "
    "--cache-dir".split()
)


def named(event: Exec, placed: Placed, env: Mapping[str, str]) -> frozenset[str] | None:
    """Return the distributions that a `pip install` names, in lower case; None if not known.

    What is a URL, a path or a repository is returned as it is written.
    """
    known = install(event.argv, event.assignments, directory(event) or "/", env, placed)
    found = argv_operation(event.argv)
    if not isinstance(known, Install) or found is None:
        return None
    words = [a.text for a in found.arguments]
    options = [w for w in event.argv if w in _VALUES]
    values = {event.argv[i + 1] for i, w in enumerate(event.argv[:-1]) if w in options}
    texts = [word for word in words if word not in values]
    for path in known.reads:
        if path.endswith((".txt", ".in", ".pip")):
            texts += [line for line in lines(placed.text(path) or "") if line[0] != "-"]
    return frozenset(_normal(text) for text in texts)


def _normal(text: str) -> str:
    match = _NAME.match(text)
    if not match or "/" in text.partition("@")[0] or "://" in text or text.startswith("."):
        return text.strip()
    return re.sub(r"[-_.]+", "-", match[1]).lower()


def installed(stage: Stage, sent: Sent | None) -> frozenset[str] | None:
    """Return all distributions that a stage's installs name; None if one is not known."""
    if sent is None:
        return None
    placed, env = Placed(sent), environment(stage)
    found: frozenset[str] = frozenset()
    for event in stage.events:
        operation = argv_operation(event.argv) if isinstance(event, Exec) else None
        if not isinstance(event, Exec) or operation is None or operation.manager != "pip":
            take(placed, event, env)
        elif operation.action == "install":
            names = named(event, placed, env)
            if names is None:
                return None
            found |= names
    return found


def may_use_openmp(stage: Stage, sent: Sent | None) -> bool:
    """Whether a distribution that a stage builds may link to OpenMP: one that is not known may."""
    names = installed(stage, sent)
    return names is None or any(python_package(name) is None for name in names)
