"""Write STOPSIGNAL as the full name of the signal.

`15`, `TERM` and `sigterm` are all SIGTERM to an engine, and not so plain to a reader. A number
that is another signal on another processor stays.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Snapshot, edits, signals, transform


@transform(
    phase=Phase.REPAIR,
    triggers=("stopsignal",),
    stability="stable",
    examples=[
        Example("FROM a\nSTOPSIGNAL SIGTERM\n"),
        Example("FROM a\nSTOPSIGNAL SIGRTMIN+3\nSTOPSIGNAL $SIGNAL\n"),
        Example("FROM a\nSTOPSIGNAL 10\n", refuses="G101", note="SIGUSR1 on x86, SIGBUS on MIPS"),
        Example("FROM a\nSTOPSIGNAL 15\n", "FROM a\nSTOPSIGNAL SIGTERM\n"),
        Example("FROM a\nSTOPSIGNAL quit\n", "FROM a\nSTOPSIGNAL SIGQUIT\n"),
        Example("FROM a\nONBUILD STOPSIGNAL SigInt\n", "FROM a\nONBUILD STOPSIGNAL SIGINT\n"),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each STOPSIGNAL."""
    for outer in snapshot.dockerfile.instructions:
        ins = outer.trigger or outer
        if ins.keyword != "STOPSIGNAL" or not ins.logical.contiguous(ins.args_start, ins.args_end):
            continue
        name = signals.name(ins.args)
        if name is None and ins.args.isdecimal():
            reason = f"{ins.args} is not one signal on every processor"
            yield Refusal("G101", reason, "write the name that is meant", ins.span.start)
        elif name not in (None, ins.args):
            edit = edits.replace_logical(ins, ins.args_start, ins.args_end, name)
            yield Change(f"{ins.args} is {name}", (edit,))
