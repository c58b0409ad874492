"""The configuration of an image, read from its JSON, which may hold anything."""

from __future__ import annotations

from typing import Any

from refactor.proof.images import Settings


def settings(config: dict[str, Any]) -> Settings:
    """Read what a container starts with."""
    inner = _mapping(config.get("config"))
    health = _mapping(inner.get("Healthcheck"))
    platform = (config.get(key) for key in ("os", "architecture", "variant"))
    return Settings(
        env=dict(_pair(word) for word in _words(inner.get("Env"))),
        user=_word(inner.get("User")),
        workdir=_word(inner.get("WorkingDir")),
        entrypoint=_words(inner.get("Entrypoint")),
        cmd=_words(inner.get("Cmd")),
        ports=frozenset(_mapping(inner.get("ExposedPorts"))),
        volumes=frozenset(_mapping(inner.get("Volumes"))),
        labels={key: str(value) for key, value in _mapping(inner.get("Labels")).items()},
        healthcheck=_words(health.get("Test")),
        stop_signal=_word(inner.get("StopSignal")),
        shell=_words(inner.get("Shell")),
        onbuild=_words(inner.get("OnBuild")),
        platform="/".join(word for word in platform if isinstance(word, str) and word),
        probing=tuple(f"{key}={health[key]}" for key in sorted(health) if key != "Test"),
    )


def steps(config: dict[str, Any], layers: int) -> tuple[str, ...]:
    """Return the instruction that made each layer; empty where that is not known."""
    history = config.get("history")
    made = [_mapping(step) for step in history] if isinstance(history, list) else []
    full = [_word(step.get("created_by")) for step in made if not step.get("empty_layer")]
    return tuple(full) if len(full) == layers else ("",) * layers


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(word) for word in value) if isinstance(value, list) else ()


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value
