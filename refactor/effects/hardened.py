"""Files of settings that got more of them: all else is as it was, and each may be written."""

from __future__ import annotations

from collections.abc import Iterable

from refactor.effects.events import Build
from refactor.effects.hardening import KINDS, Setting, settings
from refactor.effects.stages import Surroundings
from refactor.facts.stages import Graph
from refactor.model import Claim
from refactor.outside.yaml_tree import Unclear, added


def unlicensed(
    around: tuple[Surroundings, Surroundings], build: Build, graph: Graph, claims: Iterable[Claim],
    assumes: frozenset[str],
) -> str | None:  # fmt: skip
    """Return what of the claimed settings may not be written, or what else a file says now."""
    before, after = around
    claims = tuple(claims)
    allowed: dict[frozenset[str], Setting] = {}
    for kind in KINDS:
        if any(claim.footprint not in allowed for claim in claims):
            found = settings(kind, build, graph, before)
            allowed |= {s.footprint: s for s in found if isinstance(s, Setting)}
    wanted: dict[str, set[str]] = {}
    for claim in claims:
        setting = allowed.get(claim.footprint)
        if setting is None:
            return f"nothing shows that it may be: {claim}"
        if missing := [text for text in setting.assumes if text not in assumes]:
            return f"not assumed: {missing[0]}"
        new = {word.removeprefix("+ ") for word in claim.footprint if word.startswith("+ ")}
        wanted.setdefault(setting.path, set()).update(new)
    for path, lines in wanted.items():
        try:
            if set(added(before.read(path) or "", after.read(path) or "")) != lines:
                return f"{path} says something else than is claimed"
        except Unclear as error:
            return f"{path}: {error}"
    return None
