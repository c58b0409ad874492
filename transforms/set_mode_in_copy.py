"""Let COPY set mode and owner, instead of a RUN behind it.

A RUN that changes the mode or the owner of a file stores the file again, in a layer of its own.
`COPY --chmod` and `--chown` store it once. That is done for a single file with the name that the
command names. `chmod +x` becomes 755, which is the same for a file of mode 644 or 755, as git
checks it out. `--chmod` needs BuildKit or Buildah.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    edits,
    foldable,
    transform,
)

_BASE = "FROM debian\nCOPY run.sh /run.sh\n"


@transform(
    phase=Phase.ENTRY,
    triggers=("chmod", "chown"),
    examples=[
        Example(f"{_BASE}RUN chmod 755 /other.sh\n"),
        Example("FROM debian\nCOPY a b /bin/\nRUN chmod 755 /bin/a\n", note="b keeps its mode"),
        Example(f"{_BASE}USER app\nRUN chmod 755 /run.sh\n"),
        Example(f"{_BASE}RUN chmod 755 /run.sh || true\n"),
        Example(f"{_BASE}RUN umask 0 && chmod 755 /run.sh\n"),
        Example("FROM debian\nADD run.sh /run.sh\nRUN chmod 755 /run.sh\n", refuses="F101"),
        Example("FROM debian\nCOPY --chmod=700 run.sh /run.sh\nRUN chmod 755 /run.sh\n",
                refuses="F102"),
        Example(f"{_BASE}RUN chown app /run.sh\n", refuses="F103",
                note="the group stays root's; --chown=app would give it app's"),
        Example("FROM debian\nCOPY run.sh /new/run.sh\nRUN chown app:app /new/run.sh\n",
                refuses="F103", note="/new would be app's too"),
        Example(f"{_BASE}RUN chmod u+s /run.sh\n", refuses="F104"),
        Example("FROM debian\nCOPY a.d /a.d\nRUN chmod 755 /a.d\n", files=("a.d/b=",),
                refuses="F105"),
        Example(f"{_BASE}# Start it\nRUN chmod 755 /run.sh\n", refuses="F106"),
        Example(f"{_BASE}RUN set -e; chmod 0755 /run.sh\nRUN a\n",
                "FROM debian\nCOPY --chmod=0755 run.sh /run.sh\nRUN a\n"),
        Example("FROM debian\nWORKDIR /app\nCOPY run.sh .\nRUN chmod +x run.sh \\\n  && a\n",
                "FROM debian\nWORKDIR /app\nCOPY --chmod=755 run.sh .\nRUN a\n"),
        Example(f"{_BASE}RUN chmod 755 /run.sh && chown app:app /run.sh\n",
                "FROM debian\nCOPY --chmod=755 --chown=app:app run.sh /run.sh\n"),
        Example(f"{_BASE}RUN chmod 755 /run.sh\n", level=Safety.SAFE),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each command behind a COPY of its file."""
    for one in foldable.foldable(snapshot):
        at = one.run.instruction.span.start
        if isinstance(one.found, foldable.Unfit):
            yield Refusal(*one.found, at)
            continue
        name, value = one.found.flag
        gone = edits.delete_first_command(snapshot, one.run)
        if not gone:
            yield Refusal("F106", "a comment, or another command, depends on it",
                          "write the flag by hand", at)  # fmt: skip
            continue
        flag = edits.insert_logical(
            one.copy, one.copy.args_start, f"--{name}={value} ", before=True
        )
        claim = Claim(Effect.FILES, one.claims)
        reason = f"a RUN for {name} stores the file a second time"
        yield Change(reason, (flag, *gone), (claim,), Safety.SUGGESTED, one.found.assumes)
