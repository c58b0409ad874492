"""Drop a RUN that deletes caches which earlier RUN instructions have emptied themselves.

A cleanup in a RUN of its own hides files in a further layer and makes nothing smaller. Once the
RUN that filled a cache empties it too (clean-apt-lists and clean-package-caches see to that), the
late one has nothing to do.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Run,
    Snapshot,
    caches,
    edits,
    packages,
    rows,
    transform,
)

_CLEAN = "apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*"


@transform(
    phase=Phase.CLEANUP,
    triggers=("clean", "rm "),
    answers=["DL3009"],
    examples=[
        Example("FROM debian\nRUN apt-get update && apt-get install -y a\nRUN rm -rf /var/lib/apt/lists/*\n",
                refuses="K101", note="the lists are in the layer above"),
        Example(f"FROM debian\nRUN {_CLEAN}\nRUN rm -rf /tmp/*\n"),
        Example(f"FROM debian\nRUN {_CLEAN}\nRUN ./setup.sh\nRUN rm -rf /var/lib/apt/lists/*\n",
                refuses="K101", note="the script may have fetched them again"),
        Example(f"FROM debian\nRUN {_CLEAN}\n# Clean up\nRUN apt-get clean\n", refuses="K102"),
        Example(f"FROM corp/base\nRUN {_CLEAN}\nRUN apt-get clean\n", refuses="K101",
                note="whether that base keeps archives is not known"),
        Example(f"FROM debian\nRUN {_CLEAN}\nRUN apt-get clean && rm -rf /var/lib/apt/lists/*\nCMD a\n",
                f"FROM debian\nRUN {_CLEAN}\nCMD a\n"),
        Example("FROM fedora\nRUN dnf install -y a && dnf clean all\n\nRUN dnf clean all\n\nCMD a\n",
                "FROM fedora\nRUN dnf install -y a && dnf clean all\n\nCMD a\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each RUN that does nothing else."""
    for run in snapshot.runs:
        found = _emptied(run)
        if run.triggered or not found:
            continue
        at = run.instruction.span.start
        if not caches.is_empty(snapshot, run, found):
            yield Refusal("K101", "what it deletes may be there, in a layer above",
                          "empty the cache in the RUN that fills it", at)  # fmt: skip
            continue
        deleted = edits.delete_instruction(snapshot, run.instruction)
        if not deleted:
            yield Refusal("K102", "a comment belongs to it", "move or delete the comment", at)
            continue
        claims = [Claim(Effect.CACHES, frozenset({f"- {text}"})) for text in _texts(run)]
        yield Change(
            "what it deletes is in no layer",
            deleted,
            (*claims, rows.claim_end(snapshot, run)),
        )


def _emptied(run: Run) -> frozenset[str]:
    """Return the caches that a RUN empties, if that is all it does."""
    found: frozenset[str] = frozenset()
    for command in run.script.commands() if run.script else ():
        if command.redirects or command.assignments or not packages.only_cleans(command.argv):
            return frozenset()
        found |= caches.emptied(command.argv)
    return found


def _texts(run: Run) -> list[str]:
    return [" ".join(command.argv) for command in run.script.commands()] if run.script else []
