"""CMD, ENTRYPOINT and HEALTHCHECK that start the same program without a shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refactor.facts import entry_forms
from refactor.facts.stages import ShellInForce, Stage, is_windows, shell_of
from refactor.shell import Dialect

KEYS = ("cmd", "entrypoint", "healthcheck")


def without_shell(key: str, before: object, after: object, stage: Stage) -> tuple[str, ...] | None:
    """Return the text and the words, as JSON, if only the shell around a program is gone."""
    if not isinstance(before, tuple) or not isinstance(after, tuple) or is_windows(stage):
        return None
    if before[0] != "shell" or after[0] == "shell" or before[-1] != after[-1]:
        return None
    if key == "healthcheck" and {before[1][:4].upper(), f"{after[0]} ".upper()} != {"CMD "}:
        return None
    text = _text(key, before)
    words = entry_forms.words(text, _shell(before[2]))
    if isinstance(words, entry_forms.NeedsShell):
        return None
    argv = tuple(word.literal for word in words)
    if argv != after[1]:
        return None
    return f"- {key.upper()} {text}", f"+ {entry_forms.exec_form(after[1])}"


def keeps_arguments(key: str, config: Mapping[str, Any], stage: Stage) -> bool:
    """Whether what ENTRYPOINT and CMD make together starts what it started before."""
    if key == "entrypoint":
        return config.get("cmd") is None or config["cmd"][:2] == ("json", ())
    if key == "healthcheck":
        return True
    own = config.get("entrypoint")
    if own is None:
        return entry_forms.entrypoint(stage.image) is not False
    return own[0] == "json" and entry_forms.starts_anything(own[1])


def assumed(
    key: str, before: tuple[Any, ...], config: Mapping[str, Any], stage: Stage
) -> tuple[str, ...]:
    """Return what has to be assumed."""
    inherits = config.get("entrypoint") is None
    return entry_forms.assumptions(
        key.upper(), _text(key, before), stage.image, _shell(before[2]), inherits
    )


def _text(key: str, entry: tuple[Any, ...]) -> str:
    """Return what the shell gets."""
    text: str = entry[1]
    return text.partition(" ")[2].lstrip() if key == "healthcheck" else text


def _shell(command: tuple[str, ...]) -> ShellInForce:
    return shell_of(command) if command else ShellInForce((), Dialect.POSIX, True)
