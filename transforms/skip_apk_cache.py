"""Let apk keep no index, and drop what that makes superfluous.

`apk add --no-cache` fetches the index for itself and leaves nothing in the layer (hadolint:
DL3019). Then `--update`, a separate `apk update` and the deletion of /var/cache/apk have nothing
to do, and go, unless something later that cannot be looked into may need the index.
"""

import re
from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Run,
    Safety,
    Snapshot,
    apt,
    caches,
    edits,
    packages,
    rows,
    transform,
)

_OFF = ("--cache-dir", "--no-network")
_VARIABLE = re.compile(r"\$\{?(\w+)")
_OLD = re.compile(r"2\.\d|3\.[0-2](?!\d)")


@transform(
    phase=Phase.FLAGS,
    triggers=("apk",),
    answers=["DL3019"],
    examples=[
        Example("FROM alpine:3.20\nRUN apk add --no-cache curl\n"),
        Example("FROM alpine:3.20\nRUN apk --no-cache add curl\n"),
        Example("FROM alpine:3.20\nRUN --mount=type=cache,target=/var/cache/apk apk add curl\n"),
        Example("FROM alpine:3.20\nRUN echo apk add curl\n"),
        Example("FROM alpine:3.2\nRUN apk add curl\n", refuses="P301", note="its apk has no such option"),
        Example("FROM alpine:3.20\nRUN <<EOF\napk add curl\nEOF\n", refuses="P302"),
        Example("FROM alpine:3.20\nRUN apk update && apk add --no-cache curl\nRUN ./setup.sh\n",
                level=Safety.SAFE, note="the script may need the index"),
        Example("FROM corp/base\nRUN apk add curl\n", level=Safety.SAFE),
        Example("FROM corp/base\nRUN apk add curl\n", "FROM corp/base\nRUN apk add --no-cache curl\n",
                level=Safety.SUGGESTED),
        Example("FROM alpine:3.20\nRUN apk add --update curl\n",
                "FROM alpine:3.20\nRUN apk add --no-cache curl\n", level=Safety.SAFE),
        Example("FROM alpine:3.20\nRUN apk -U add curl\n",
                "FROM alpine:3.20\nRUN apk --no-cache add curl\n", level=Safety.SAFE),
        Example("FROM alpine:3.20\nRUN apk update && \\\n    apk add \\\n      --repository http://e.com/x curl && \\\n"
                "    rm -rf /var/cache/apk/*\n",
                "FROM alpine:3.20\nRUN apk add --no-cache \\\n      --repository http://e.com/x curl\n",
                level=Safety.SAFE),
        Example("FROM alpine:3.20\nRUN apk update\nRUN apk add curl\nRUN apk add git\n",
                "FROM alpine:3.20\nRUN apk add --no-cache curl\nRUN apk add --no-cache git\n",
                level=Safety.SAFE),
        Example("FROM alpine:3.20\nRUN apk add curl && rm -rf /var/cache/apk/* /tmp/*\n",
                "FROM alpine:3.20\nRUN apk add --no-cache curl && rm -rf /var/cache/apk/* /tmp/*\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each `apk add`; once all of them keep no index, at what filled or deleted it."""
    plain: list[Change | Refusal] = []
    fetching: list[Change | Refusal] = []
    for run in snapshot.runs:
        if run.script is None:
            if packages.asks_to_install(run.whole, "apk"):
                plain.append(Refusal("P302", f"not read: {run.opaque}", "write it in shell form",
                                     run.instruction.span.start))  # fmt: skip
            continue
        for command, op in apt.operations(run):
            if op.manager != "apk" or op.action not in op.row.fills or op.has("--no-cache"):
                continue
            if op.has(*_OFF) or _may_say_so(snapshot, command):
                plain.append(Refusal("P306", "an option or a variable decides", "none needed",
                                     run.instruction.span.start))  # fmt: skip
                continue
            if not caches.is_mounted(run, op.row):
                kind = fetching if op.has(*packages.APK_UPDATES) else plain
                kind.append(_flag(snapshot, run, command, op))
    yield from plain
    if any(isinstance(found, Change) for found in plain):
        return
    yield from fetching
    if not any(isinstance(found, Change) for found in fetching):
        yield from _superfluous(snapshot)


def _may_say_so(snapshot: Snapshot, command: packages.Command) -> bool:
    """Whether a variable among the words may bring the option."""
    variables = [name for word in command.words for name in _VARIABLE.findall(word.text)]
    return any(re.search(rf"\b{name}[= ][^\n]*--no-cache", snapshot.text) for name in variables)


def _flag(
    snapshot: Snapshot, run: Run, command: packages.Command, op: packages.Operation
) -> Change | Refusal:
    image = snapshot.graph.stages[run.stage].image
    at = run.instruction.span.start
    if image.name == "alpine" and _OLD.match(image.tag):
        return Refusal(
            "P301", f"apk of {image.reference} is older than the option", "a newer base", at
        )
    assumes = [] if image.family == "alpine" else ["apk is 2.6.5 or newer"]
    old = next((w for w in command.words if w.text in packages.APK_UPDATES), None)
    if not op.has(*packages.APK_UPDATES):
        edit, claim = edits.add_word(run, command, op.action_word, "--no-cache", Effect.CACHES)
        return Change("apk's index stays in the layer", edit, claim, assumes=tuple(assumes))
    if old is None or run.triggered:
        return Refusal(
            "P303", "the option that fetches the index stands among others", "use --no-cache", at
        )
    walk = caches.index_after(snapshot, run)
    if needed := [h for h in walk.found if h.must]:
        return Refusal("P304", f"`{needed[0].subject}` needs the index", "give it --no-cache", at)
    assumes += sorted(hazard.assumption for hazard in walk.found)
    return Change(
        "apk's index stays in the layer",
        (edits.replace_word(run, old, "--no-cache"),),
        (
            edits.changed_command(
                command, packages.with_program(command, old, "--no-cache"), Effect.CACHES
            ),
        ),
        assumes=tuple(assumes),
    )


def _superfluous(snapshot: Snapshot) -> Iterator[Change | Refusal]:
    for run in snapshot.runs:
        if run.script is None or run.triggered:
            continue
        for command, op in apt.operations(run):
            if (op.manager, op.action) == ("apk", "update") and len(op.arguments) == 0:
                yield from _drop_update(snapshot, run, command)
        fetches = any(packages.fetches_index(op) for _, op in apt.operations(run))
        if not fetches and not caches.doubtful(snapshot, run):
            for command in run.script.commands():
                if caches.emptied(command.argv) == {"apk"} and not command.redirects:
                    yield from _drop(snapshot, run, command, "apk leaves no index here", ())


def _drop_update(
    snapshot: Snapshot, run: Run, command: packages.Command
) -> Iterator[Change | Refusal]:
    rest = [op for c, op in apt.operations(run) if c.start > command.start]
    found = caches.index_after(snapshot, run).found
    if any(map(packages.needs_index, rest)) or any(hazard.must for hazard in found):
        yield Refusal("P304", "an apk later needs the index", "give it --no-cache",
                      run.instruction.span.start)  # fmt: skip
        return
    own = caches.doubtful(snapshot, run, " ".join(command.argv))
    assumes = {hazard.assumption for hazard in found | own}
    yield from _drop(snapshot, run, command, "no apk needs the index", tuple(sorted(assumes)))


def _drop(
    snapshot: Snapshot, run: Run, command: packages.Command, reason: str, assumes: tuple[str, ...]
) -> Iterator[Change | Refusal]:
    text = " ".join(command.argv)
    deleted = edits.delete_command(run, command)
    claims = [Claim(Effect.CACHES, frozenset({f"- {text}"}))]
    if run.script is not None and len(list(run.script.commands())) == 1:
        used = caches.named_later(snapshot, run, "apk")
        deleted = edits.delete_instruction(snapshot, run.instruction) if used else ()
        claims.append(rows.claim_end(snapshot, run))
    if deleted and any(event.text == text for event in caches.own_events(snapshot, run)):
        yield Change(reason, deleted, tuple(claims), assumes=assumes)
    else:
        yield Refusal("P305", f"`{text}` has nothing to do", "delete it by hand",
                      run.instruction.span.start)  # fmt: skip
