"""Changes that write settings of containers into the files that run an image."""

from __future__ import annotations

from collections.abc import Iterator

from refactor.effects.hardening import Setting, settings
from refactor.model import Change, Claim, Effect, FileEdits, Refusal, Safety
from refactor.snapshot import Snapshot


def changes(snapshot: Snapshot, kind: str) -> Iterator[Change | Refusal]:
    """Yield a change for each container that can get a setting; `kind` is one of `KINDS`."""
    for found in settings(kind, snapshot.build, snapshot.graph, snapshot):
        if isinstance(found, Setting):
            yield _change(found)
        else:
            start = snapshot.graph.stages[-1].start.span.start
            yield Refusal(found.code, found.reason, found.unlock, start)


def _change(found: Setting) -> Change:
    return Change(
        f"{found.label} gets {', '.join(key for key, _ in found.fields)}: {found.why}",
        (),
        (Claim(Effect.SETTINGS, found.footprint),),
        Safety.RISKY if found.risky else Safety.SUGGESTED,
        found.assumes,
        (),
        (FileEdits(found.path, (found.edit,)),),
    )
